//! What becomes of a refund: it went back, or people are asked to give it back.

use domain::Timestamp;
use domain::id::{PaymentId, RefundId, TransferId};
use domain::ledger::Transfer;
use domain::money::Vnd;
use domain::refund::RefundStatus;
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::failpoint::{Step, commit};
use crate::ledger::transfers_insert;
use crate::outbox::{OutboxKind, outbox_delete};
use crate::{Store, StoreError, without_nul};

impl Store {
    /// Notes that the money went back, under the gateway's number `gateway_ref`, on the word of
    /// `actor`. Noting it again changes nothing; `false` then.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such refund.
    pub async fn refund_done(
        &self,
        id: RefundId,
        gateway_ref: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let row: Option<(String, String, i64, Option<Uuid>)> = sqlx::query_as(
            "SELECT status, gateway, amount_vnd, payment_id FROM refund
             WHERE refund_id = $1 FOR UPDATE",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let (status, gateway, amount, payment) = row.ok_or(StoreError::NotFound("refund"))?;
        if status == RefundStatus::Done.code() {
            return Ok(false);
        }
        let way = self.accounts.id(&mut tx, "refund").await?;
        let clearing = self.accounts.clearing(&mut tx, &gateway).await?;
        let back = Transfer {
            payment: payment.map(PaymentId),
            refund: Some(id),
            ..Transfer::single(
                TransferId(Uuid::now_v7()),
                way,
                clearing,
                Vnd::new(amount),
                now,
            )
        };
        transfers_insert(&mut tx, &[back], now).await?;
        sqlx::query(
            "UPDATE refund SET status = 'done', gateway_ref = $2, done_at = $3 WHERE refund_id = $1",
        )
        .bind(id.0)
        .bind(gateway_ref)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        outbox_delete(&mut tx, OutboxKind::Refund, &[id.0]).await?;
        let audit = Audit {
            payment: payment.map(PaymentId),
            refund: Some(id),
            detail: serde_json::json!({ "gateway_ref": gateway_ref }),
            ..Audit::new(actor, "refund.done")
        };
        audit_insert(&mut tx, &audit, now).await?;
        commit(tx, Step::Refund).await?;
        Ok(true)
    }

    /// Hands a refund to people: its gateway cannot, or will not, give the money back.
    ///
    /// # Errors
    /// Database errors.
    pub async fn refund_by_hand(&self, id: RefundId, note: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE refund SET status = 'manual', note = $2
             WHERE refund_id = $1 AND status = 'pending'",
        )
        .bind(id.0)
        .bind(without_nul(note))
        .execute(&mut *tx)
        .await?;
        outbox_delete(&mut tx, OutboxKind::Refund, &[id.0]).await?;
        commit(tx, Step::Refund).await?;
        Ok(())
    }
}
