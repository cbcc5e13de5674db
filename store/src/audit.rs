//! Who did what to whose money or time.

use domain::Timestamp;
use domain::id::{DisputeId, ExemptionId, ExemptionRequestId, PaymentId, RefundId, SessionId};
use domain::notice::NoticeCode;
use domain::shift::Span;
use sqlx::PgConnection;
use sqlx::types::{Json, JsonValue};

use crate::staff::Staff;
use crate::{Store, StoreError};

/// What the record calls whoever parked.
pub const DRIVER: &str = "driver";

/// One line of the record. Plates stand in it masked.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// `driver`, `system`, `staff:<login>`, or, by a trigger, `database:<role>`.
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
    /// To which exemption.
    pub exemption: Option<ExemptionId>,
    /// To which request for one.
    pub exemption_request: Option<ExemptionRequestId>,
    /// To which notice of unpaid parking.
    pub parking_notice: Option<NoticeCode>,
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

/// One line of the record, to be read.
#[derive(Clone, Debug)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// What was done, such as `session.stop`.
    pub action: String,
    /// About what, as far as it can be told in a word: a notice's number, a masked plate, a login.
    pub about: String,
}

impl Store {
    /// What a member of staff, by their login, has done in a span, newest first; not when they came and went.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_deeds(
        &self,
        login: &str,
        (from, until): Span,
        limit: i64,
    ) -> Result<Vec<Deed>, StoreError> {
        let rows: Vec<(Timestamp, String, Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT at, action, parking_notice, coalesce(detail ->> 'plate', detail ->> 'login') FROM audit
             WHERE actor = $1 AND actor LIKE 'staff:%' AND at >= $2 AND at < $3
                AND action NOT IN ('staff.sign_in', 'staff.sign_out', 'staff.confirm')
             ORDER BY at DESC, audit_id DESC LIMIT $4",
        )
        .bind(Staff::actor_of(login))
        .bind(from)
        .bind(until)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let deed = |(at, action, notice, plate): (_, _, Option<String>, Option<String>)| Deed {
            at,
            action,
            about: [notice, plate]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" · "),
        };
        Ok(rows.into_iter().map(deed).collect())
    }
}

pub(crate) async fn audit_insert(
    tx: &mut PgConnection,
    audit: &Audit,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (at, actor, action, session_id, payment_id, refund_id, dispute_id,
                            exemption_id, parking_notice, detail, exemption_request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(now)
    .bind(&audit.actor)
    .bind(audit.action)
    .bind(audit.session.map(|id| id.0))
    .bind(audit.payment.map(|id| id.0))
    .bind(audit.refund.map(|id| id.0))
    .bind(audit.dispute.map(|id| id.0))
    .bind(audit.exemption.map(|id| id.0))
    .bind(audit.parking_notice.as_ref().map(NoticeCode::plain))
    .bind(Json(&audit.detail))
    .bind(audit.exemption_request.map(|id| id.0))
    .execute(tx)
    .await?;
    Ok(())
}
