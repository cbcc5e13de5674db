//! Payments that will not be paid.

use domain::Timestamp;
use domain::id::{PaymentId, TransferId};
use domain::ledger::{Transfer, TransferKind};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::pending_transfer;
use crate::ledger::transfers_insert;
use crate::outbox::{OutboxKind, outbox_delete};
use crate::{Store, StoreError, storable, without_nul};

impl Store {
    /// Voids the pending payment that carries a reference, because its provider says that the
    /// money will not come. The purchase stays, for another try. The result is the payment, or
    /// `None` where there is none that is pending.
    ///
    /// # Errors
    /// Database errors; then nothing is changed.
    pub async fn payment_fail(
        &self,
        gateway: &str,
        reference: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<PaymentId>, StoreError> {
        if !storable(reference) {
            return Ok(None);
        }
        let mut tx = self.begin().await?;
        let found: Vec<Pending> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{PENDING} AND gateway = $1 AND reference = $2 FOR UPDATE OF purchase, payment"
        )))
        .bind(gateway)
        .bind(reference)
        .fetch_all(&mut *tx)
        .await?;
        void(&mut tx, &found, Some(reason), now).await?;
        tx.commit().await?;
        Ok(found.first().map(|row| PaymentId(row.payment_id)))
    }

    /// Voids payments that were asked for before `before` and whose time has run out by `now`,
    /// with their pending transfers, and lets what nobody paid for lapse. Returns how many
    /// payments, at most 1,000: call again until it returns 0.
    ///
    /// # Errors
    /// Database errors; then nothing is changed.
    pub async fn payment_void_expired(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut tx = self.begin().await?;
        let expired: Vec<Pending> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{PENDING} AND expires_at < $1 AND payment.created_at < $2
             AND NOT EXISTS (
                SELECT FROM session s WHERE s.session_id = purchase.session_id AND metered)
             ORDER BY purchase.purchase_id, payment.payment_id LIMIT 1000
             FOR UPDATE OF purchase, payment SKIP LOCKED"
        )))
        .bind(now)
        .bind(before)
        .fetch_all(&mut *tx)
        .await?;
        void(&mut tx, &expired, None, now).await?;
        sqlx::query(
            "WITH gone AS (
                UPDATE purchase SET status = 'lapsed'
                WHERE purchase_id IN (
                    SELECT purchase_id FROM purchase
                    WHERE status = 'pending' AND created_at < $1 AND NOT EXISTS (
                        SELECT FROM payment WHERE payment.purchase_id = purchase.purchase_id
                            AND payment.status IN ('pending', 'posted', 'refunded'))
                    ORDER BY purchase_id LIMIT 1000 FOR UPDATE SKIP LOCKED)
                RETURNING session_id, kind)
             UPDATE session SET status = 'lapsed'
             FROM gone WHERE session.session_id = gone.session_id AND gone.kind = 'start'
                AND session.status = 'pending'",
        )
        .bind(before)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(expired.len())
    }
}

/// Pending payments with their pending transfers; further conditions and locks follow.
const PENDING: &str =
    "SELECT payment.payment_id, transfer_id, debit_id, credit_id, transfer.amount_vnd
     FROM payment JOIN purchase USING (purchase_id)
          JOIN transfer ON transfer.payment_id = payment.payment_id AND transfer.kind = 'pending'
     WHERE payment.status = 'pending'";

#[derive(FromRow)]
struct Pending {
    payment_id: Uuid,
    transfer_id: Uuid,
    debit_id: i32,
    credit_id: i32,
    amount_vnd: i64,
}

/// Voids one pending payment.
pub(crate) async fn payment_void(
    tx: &mut PgConnection,
    payment: Uuid,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = format!("{PENDING} AND payment.payment_id = $1");
    let found: Vec<Pending> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(payment)
        .fetch_all(&mut *tx)
        .await?;
    void(tx, &found, Some(reason), now).await
}

async fn void(
    tx: &mut PgConnection,
    payments: &[Pending],
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if payments.is_empty() {
        return Ok(());
    }
    let voids: Vec<Transfer> = payments
        .iter()
        .map(|row| {
            pending_transfer(
                row.transfer_id,
                row.debit_id,
                row.credit_id,
                row.amount_vnd,
                row.payment_id,
                now,
            )
            .resolve(TransferId(Uuid::now_v7()), TransferKind::Void, now)
        })
        .collect();
    transfers_insert(tx, &voids, now).await?;
    let ids: Vec<Uuid> = payments.iter().map(|row| row.payment_id).collect();
    sqlx::query(
        "UPDATE payment SET status = 'voided', note = coalesce($2, note) WHERE payment_id = ANY($1)",
    )
    .bind(&ids)
    .bind(reason.map(without_nul))
    .execute(&mut *tx)
    .await?;
    outbox_delete(tx, OutboxKind::Payment, &ids).await
}
