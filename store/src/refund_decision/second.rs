//! A second person's word about a refund that is more than one decides.

use domain::Timestamp;
use domain::dispute::DisputeStatus;
use domain::id::{DisputeId, PaymentId, RefundId};
use domain::money::Vnd;
use domain::refund::{DecisionStatus, RefundGround};
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::refund::NewRefund;
use crate::staff::Staff;
use crate::{Store, StoreError, without_nul};

/// What became of a second person's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// So it is now, or was by the same word before.
    Done(DecisionStatus),
    /// They proposed it themselves.
    Own,
    /// It was decided otherwise meanwhile.
    Otherwise,
}

impl Store {
    /// A second person confirms a proposal, so that the money goes back in the same transaction, or refuses it with
    /// a `note`; then its dispute waits as before. The same word once more changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no proposal of theirs to look at; [`StoreError::Constraint`]
    /// `refund_within_money` where less is left of the money by now.
    pub async fn refund_second(
        &self,
        id: RefundId,
        staff: &Staff,
        confirms: bool,
        note: &str,
        now: Timestamp,
    ) -> Result<Second, StoreError> {
        let mut tx = self.begin().await?;
        // As whoever decides a dispute does, this locks the dispute first.
        let dispute: Option<String> = sqlx::query_scalar(
            "SELECT dispute.status FROM dispute JOIN refund_decision USING (dispute_id)
             WHERE refund_decision.refund_id = $1 FOR UPDATE OF dispute",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let found: Option<ProposalRow> = sqlx::query_as(
            "SELECT status, dispute_id, gateway, bank_ref, payment_id, amount_vnd, decided_by, answer,
                    operator.code AS operator
             FROM refund_decision AS it LEFT JOIN operator USING (operator_id)
             WHERE refund_id = $1 AND status <> 'alone' FOR UPDATE OF it",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let found = found
            .filter(|row| staff.operator.is_none() || staff.operator == row.operator)
            .ok_or(StoreError::NotFound("proposal"))?;
        let status = match confirms {
            true => DecisionStatus::Confirmed,
            false => DecisionStatus::Refused,
        };
        if found.status == status.code() {
            return Ok(Second::Done(status));
        }
        let is_dispute_open = dispute.is_none_or(|status| status == DisputeStatus::Open.code());
        if found.status != DecisionStatus::Open.code() || (confirms && !is_dispute_open) {
            return Ok(Second::Otherwise);
        }
        if found.decided_by == staff.staff_id {
            return Ok(Second::Own);
        }
        sqlx::query(
            "UPDATE refund_decision SET status = $2, second_by = $3, second_at = $4, note = $5
             WHERE refund_id = $1",
        )
        .bind(id.0)
        .bind(status.code())
        .bind(staff.staff_id)
        .bind(now)
        .bind((!confirms).then(|| without_nul(note)))
        .execute(&mut *tx)
        .await?;
        if confirms {
            self.proposal_carry_out(&mut tx, id, &found, staff, now)
                .await?;
        }
        let audit = Audit {
            payment: found.payment_id.map(PaymentId),
            refund: Some(id),
            dispute: found.dispute_id.map(DisputeId),
            detail: json!({ "amount_vnd": found.amount_vnd }),
            ..Audit::new(
                staff.actor(),
                if confirms {
                    "refund.confirm"
                } else {
                    "refund.refuse"
                },
            )
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Second::Done(status))
    }

    /// The money of a confirmed proposal goes back, and its dispute is answered.
    async fn proposal_carry_out(
        &self,
        tx: &mut PgConnection,
        id: RefundId,
        found: &ProposalRow,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let new = NewRefund {
            id,
            gateway: found.gateway.clone(),
            bank_ref: found.bank_ref.clone(),
            payment: found.payment_id.map(PaymentId),
            amount_vnd: Vnd::new(found.amount_vnd),
            ground: match found.dispute_id {
                Some(_) => RefundGround::Dispute,
                None => RefundGround::Staff,
            },
        };
        self.refund_insert(tx, &new, &staff.actor(), now).await?;
        let Some(dispute) = found.dispute_id else {
            return Ok(());
        };
        sqlx::query(
            "UPDATE dispute SET status = 'refunded', answer = $2, answered_at = $3, staff_id = $4, refund_id = $5
             WHERE dispute_id = $1",
        )
        .bind(dispute)
        .bind(&found.answer)
        .bind(now)
        .bind(found.decided_by)
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
        let audit = Audit {
            payment: found.payment_id.map(PaymentId),
            refund: Some(id),
            dispute: Some(DisputeId(dispute)),
            detail: json!({ "status": DisputeStatus::Refunded }),
            ..Audit::new(staff.actor(), "dispute.decide")
        };
        audit_insert(tx, &audit, now).await
    }
}

#[derive(FromRow)]
struct ProposalRow {
    status: String,
    dispute_id: Option<Uuid>,
    gateway: String,
    bank_ref: String,
    payment_id: Option<Uuid>,
    amount_vnd: i64,
    decided_by: i32,
    answer: Option<String>,
    operator: Option<String>,
}
