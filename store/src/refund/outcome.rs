//! What becomes of a refund: it went back, or people are asked to give it back.

use domain::Timestamp;
use domain::id::{PaymentId, RefundId, TransferId};
use domain::ledger::Transfer;
use domain::money::Vnd;
use domain::refund::RefundStatus;
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::failpoint::{Step, commit};
use crate::ledger::transfers_insert;
use crate::outbox::{OutboxKind, outbox_delete};
use crate::payment::{BANK, WALLET};
use crate::{Store, StoreError, without_nul};

/// What became of the word that money went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is on the books now.
    Now,
    /// It was before, under the same number.
    Before,
    /// It was before, under another: it may have gone back twice.
    UnderAnotherNumber,
    /// The gateway is giving it back: people do not.
    NotByHand,
}

#[derive(FromRow)]
struct Promised {
    status: String,
    gateway: String,
    amount_vnd: i64,
    payment_id: Option<Uuid>,
    gateway_ref: Option<String>,
}

impl Store {
    /// Notes that a gateway has given the money back, under its number `gateway_ref`. Noting it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such refund.
    pub async fn refund_done(
        &self,
        id: RefundId,
        gateway_ref: &str,
        now: Timestamp,
    ) -> Result<Noted, StoreError> {
        self.refund_end(id, gateway_ref, None, now).await
    }

    /// Notes that `actor` has given the money back by hand, under a bank's number: where the gateway cannot, or will
    /// not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such refund.
    pub async fn refund_done_by_hand(
        &self,
        id: RefundId,
        gateway_ref: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<Noted, StoreError> {
        self.refund_end(id, gateway_ref, Some(actor), now).await
    }

    async fn refund_end(
        &self,
        id: RefundId,
        gateway_ref: &str,
        by_hand: Option<&str>,
        now: Timestamp,
    ) -> Result<Noted, StoreError> {
        let mut tx = self.begin().await?;
        let row: Option<Promised> = sqlx::query_as(
            "SELECT status, gateway, amount_vnd, payment_id, gateway_ref FROM refund
             WHERE refund_id = $1 FOR UPDATE",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        let Promised {
            status,
            gateway,
            amount_vnd,
            payment_id: payment,
            gateway_ref: known,
        } = row.ok_or(StoreError::NotFound("refund"))?;
        let actor = by_hand.unwrap_or("system");
        let audit = Audit {
            payment: payment.map(PaymentId),
            refund: Some(id),
            detail: serde_json::json!({ "gateway_ref": gateway_ref }),
            ..Audit::new(actor, "refund.done")
        };
        if status == RefundStatus::Done.code() {
            if known.as_deref() == Some(gateway_ref) {
                return Ok(Noted::Before);
            }
            let audit = Audit {
                action: "refund.done_under_another_number",
                ..audit
            };
            audit_insert(&mut tx, &audit, now).await?;
            tx.commit().await?;
            return Ok(Noted::UnderAnotherNumber);
        }
        if by_hand.is_some() && status != RefundStatus::Manual.code() {
            return Ok(Noted::NotByHand);
        }
        let way = self.accounts.id(&mut tx, "refund").await?;
        // What was kept in a wallet has come from a bank, and lies with the one from which people give it back.
        let through = if gateway == WALLET { BANK } else { &gateway };
        let clearing = self.accounts.clearing(&mut tx, through).await?;
        let back = Transfer {
            payment: payment.map(PaymentId),
            refund: Some(id),
            ..Transfer::single(
                TransferId(Uuid::now_v7()),
                way,
                clearing,
                Vnd::new(amount_vnd),
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
        audit_insert(&mut tx, &audit, now).await?;
        commit(tx, Step::Refund).await?;
        Ok(Noted::Now)
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
