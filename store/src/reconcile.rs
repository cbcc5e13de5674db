//! What we booked of a gateway's money, to be compared with the gateway's own statement.

use domain::Timestamp;
use domain::id::PaymentId;
use domain::money::Vnd;
use domain::reconcile::{Booked, MoneyKind};
use sqlx::FromRow;
use uuid::Uuid;

use crate::payment::{BANK, WALLET};
use crate::{Store, StoreError, corrupt};

#[derive(FromRow)]
struct BookedRow {
    kind: String,
    gateway_ref: Option<String>,
    reference: Option<String>,
    amount_vnd: i64,
    at: Timestamp,
    outcome: String,
    payment_id: Option<Uuid>,
}

const PAYMENTS: &str = "
    SELECT 'payment' AS kind, notice.bank_ref AS gateway_ref, payment.reference, notice.amount_vnd,
           notice.paid_at AS at, notice.outcome, notice.payment_id
    FROM bank_notice AS notice LEFT JOIN payment USING (payment_id)
    WHERE notice.gateway = $1 AND notice.currency = 'VND'
      AND notice.paid_at >= $2 AND notice.paid_at < $3";

const REFUNDS: &str = "
    SELECT 'refund', refund.gateway_ref, refund.reference, refund.amount_vnd,
           refund.done_at, refund.status, refund.payment_id
    FROM refund
    -- What people gave back of a closed wallet's went through the bank; what went back into a wallet went nowhere.
    WHERE CASE WHEN refund.gateway = $4 AND gateway_ref <> refund_id::text THEN $5
               ELSE refund.gateway END = $1
      AND refund.status = 'done'
      AND refund.done_at >= $2 AND refund.done_at < $3";

impl Store {
    /// All đồng that came through a gateway from `from` until before `to`, by the gateway's clock,
    /// whatever became of them, and all that went back. Other currencies are noted, never booked.
    ///
    /// # Errors
    /// Database errors.
    pub async fn reconcile_booked(
        &self,
        gateway: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Booked>, StoreError> {
        let query = format!("{PAYMENTS} UNION ALL {REFUNDS}");
        let rows: Vec<BookedRow> = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(gateway)
            .bind(from)
            .bind(to)
            .bind(WALLET)
            .bind(BANK)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(Booked::try_from).collect()
    }
}

impl TryFrom<BookedRow> for Booked {
    type Error = StoreError;

    fn try_from(row: BookedRow) -> Result<Self, StoreError> {
        Ok(Self {
            at: row.at,
            kind: MoneyKind::from_code(&row.kind).ok_or_else(|| corrupt("kind", &row.kind))?,
            gateway_ref: row.gateway_ref,
            reference: row.reference,
            amount_vnd: Vnd::new(row.amount_vnd),
            outcome: row.outcome,
            payment: row.payment_id.map(PaymentId),
        })
    }
}
