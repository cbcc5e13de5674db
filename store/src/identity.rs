//! Names that an identity provider vouches for, with what drivers send; and which of its answers were used.

use domain::Timestamp;
use domain::id::{DisputeId, ExemptionRequestId};
use domain::identity::{Identity, KEPT};
use sqlx::PgConnection;

use crate::{Store, StoreError, without_nul};

/// How many answers that can no longer be sent are forgotten with each new one.
const FORGET_MAX: i64 = 100;

/// With what a name stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum With {
    Request(ExemptionRequestId),
    Dispute(DisputeId),
}

impl Store {
    /// Notes that a provider's answer to this state is used; `false` where it was before. That is remembered
    /// until `expires_at`, after which the answer is refused anyway.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sign_in_spend(
        &self,
        state_hash: &[u8; 32],
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "INSERT INTO sign_in_spent (state_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(&state_hash[..])
        .bind(expires_at)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "DELETE FROM sign_in_spent WHERE state_hash IN (
                SELECT state_hash FROM sign_in_spent WHERE expires_at < $1
                ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(now)
        .bind(FORGET_MAX)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes the names of drivers whose requests and disputes were answered long enough ago, each with a line
    /// of the record; returns how many.
    ///
    /// # Errors
    /// Database errors.
    pub async fn confirmed_names_forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "WITH gone AS (
                DELETE FROM confirmed_name
                WHERE exemption_request_id IN (SELECT exemption_request_id
                        FROM confirmed_name JOIN exemption_request USING (exemption_request_id)
                        WHERE decided_at <= $1)
                    OR dispute_id IN (SELECT dispute_id
                        FROM confirmed_name JOIN dispute USING (dispute_id)
                        WHERE answered_at <= $1)
                RETURNING exemption_request_id, dispute_id)
             INSERT INTO audit (at, actor, action, exemption_request_id, dispute_id)
             SELECT $2, 'system', 'identity.forget', exemption_request_id, dispute_id FROM gone",
        )
        .bind(now - KEPT)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}

/// Writes a name down with what was sent under it.
pub(crate) async fn confirmed_name_insert(
    tx: &mut PgConnection,
    with: With,
    identity: &Identity,
) -> Result<(), StoreError> {
    let (request, dispute) = match with {
        With::Request(id) => (Some(id.0), None),
        With::Dispute(id) => (None, Some(id.0)),
    };
    sqlx::query(
        "INSERT INTO confirmed_name (exemption_request_id, dispute_id, issuer, subject, name)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(request)
    .bind(dispute)
    .bind(&identity.issuer)
    .bind(&identity.subject)
    .bind(without_nul(&identity.name))
    .execute(tx)
    .await?;
    Ok(())
}

/// The name that stands with a row, of its three columns.
pub(crate) fn identity_of(
    issuer: Option<String>,
    subject: Option<String>,
    name: Option<String>,
) -> Option<Identity> {
    Some(Identity {
        issuer: issuer?,
        subject: subject?,
        name: name?,
    })
}
