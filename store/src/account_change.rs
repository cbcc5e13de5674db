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

impl Store {
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
