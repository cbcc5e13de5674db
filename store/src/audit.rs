//! Who did what to whose money or time.

use domain::Timestamp;
use domain::id::{DisputeId, PaymentId, RefundId, SessionId};
use sqlx::types::{Json, JsonValue};
use sqlx::{FromRow, PgConnection};

use crate::{Store, StoreError};

/// One line of the record. Plates stand in it masked.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// `driver`, `system`, or `staff:<login>`.
    pub actor: String,
    /// What was done, such as `session.stop`.
    pub action: &'static str,
    /// To which session.
    pub session: Option<SessionId>,
    /// To which payment.
    pub payment: Option<PaymentId>,
    /// To which refund.
    pub refund: Option<RefundId>,
    /// To which dispute.
    pub dispute: Option<DisputeId>,
    /// What else is worth knowing.
    pub detail: JsonValue,
}

impl Audit {
    /// `actor` did `action`.
    pub fn new(actor: impl Into<String>, action: &'static str) -> Self {
        Self {
            actor: actor.into(),
            action,
            detail: JsonValue::Object(Default::default()),
            ..Self::default()
        }
    }
}

/// A line of the record as it is kept.
#[derive(Clone, Debug, FromRow)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// What else is worth knowing.
    pub detail: JsonValue,
}

pub(crate) async fn audit_insert(
    tx: &mut PgConnection,
    audit: &Audit,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (at, actor, action, session_id, payment_id, refund_id, dispute_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(now)
    .bind(&audit.actor)
    .bind(audit.action)
    .bind(audit.session.map(|id| id.0))
    .bind(audit.payment.map(|id| id.0))
    .bind(audit.refund.map(|id| id.0))
    .bind(audit.dispute.map(|id| id.0))
    .bind(Json(&audit.detail))
    .execute(tx)
    .await?;
    Ok(())
}

impl Store {
    /// What was done to a session, oldest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn session_audit(&self, session: SessionId) -> Result<Vec<AuditRow>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT at, actor, action, detail FROM audit WHERE session_id = $1 ORDER BY audit_id",
        )
        .bind(session.0)
        .fetch_all(&self.pool)
        .await?)
    }
}
