//! Changes of the accounts into which drivers pay.

use domain::Timestamp;
use sqlx::FromRow;

use crate::{Store, StoreError};

/// A change of an operator's account.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct AccountChange {
    /// The operator's code.
    pub operator: String,
    /// Its name.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// By whom, as the record calls them.
    pub actor: String,
    /// The bank's BIN before.
    pub bin_before: String,
    /// The account before.
    pub account_before: String,
    /// The bank's BIN since.
    pub bin_after: String,
    /// The account since.
    pub account_after: String,
}

/// The account into which drivers pay an operator.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct PaidInto {
    /// The operator's code.
    pub operator: String,
    /// Its name.
    pub name: String,
    /// The bank's BIN.
    pub bank_bin: String,
    /// The account there.
    pub bank_account: String,
    /// When it was last changed, if it ever was.
    pub changed_at: Option<Timestamp>,
}

impl Store {
    /// The account of one operator, or of each by its code.
    ///
    /// # Errors
    /// Database errors.
    pub async fn accounts_paid_into(
        &self,
        operator: Option<&str>,
    ) -> Result<Vec<PaidInto>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT code AS operator, name, bank_bin, bank_account,
                    (SELECT max(at) FROM account_change
                     WHERE account_change.operator_id = operator.operator_id) AS changed_at
             FROM operator WHERE $1::text IS NULL OR code = $1 ORDER BY code",
        )
        .bind(operator)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Changes since an instant, newest first, of one operator's account or of all; at most `limit`.
    ///
    /// # Errors
    /// Database errors.
    pub async fn account_changes(
        &self,
        operator: Option<&str>,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<AccountChange>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT code AS operator, name, at, actor, bin_before, account_before, bin_after, account_after
             FROM account_change JOIN operator USING (operator_id)
             WHERE at >= $2 AND ($1::text IS NULL OR code = $1)
             ORDER BY at DESC, account_change_id DESC LIMIT $3",
        )
        .bind(operator)
        .bind(since)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }
}
