//! Money that goes back: promised in the transaction that finds it due, then paid by a gateway.

use domain::Timestamp;
use domain::id::{PaymentId, ReceiptId, RefundId};
use domain::money::Vnd;
use domain::refund::{RefundGround, RefundStatus};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Store, StoreError, corrupt};

mod outcome;
mod promise;

pub use outcome::Noted;
pub(crate) use promise::money_of;

/// Money that is to go back.
#[derive(Clone, Debug)]
pub struct NewRefund {
    /// Its identity.
    pub id: RefundId,
    /// Through whom the money came.
    pub gateway: String,
    /// The gateway's own number of the money that came.
    pub bank_ref: String,
    /// The payment that it had posted; `None` where it lies in suspense.
    pub payment: Option<PaymentId>,
    /// How much.
    pub amount_vnd: Vnd,
    /// Why.
    pub ground: RefundGround,
}

/// A refund as it is kept.
#[derive(Clone, Debug)]
pub struct Refund {
    /// Its identity.
    pub id: RefundId,
    /// Through whom the money came and goes.
    pub gateway: String,
    /// The gateway's own number of the money that came.
    pub bank_ref: String,
    /// The payment that it had posted, or was meant for.
    pub payment: Option<PaymentId>,
    /// Its own name at the gateway.
    pub reference: String,
    /// How much.
    pub amount_vnd: Vnd,
    /// Why.
    pub ground: RefundGround,
    /// Where it stands.
    pub status: RefundStatus,
    /// The gateway's number of it, once it went.
    pub gateway_ref: Option<String>,
    /// What went wrong last.
    pub note: Option<String>,
    /// When it was promised.
    pub created_at: Timestamp,
    /// The receipt whose money it was; none where it never was revenue.
    pub receipt: Option<ReceiptId>,
}

impl Store {
    /// The refund of that identity.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn refund(&self, id: RefundId) -> Result<Refund, StoreError> {
        let row: Option<RefundRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{REFUND} WHERE refund_id = $1"
        )))
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound("refund"))?.refund()
    }

    /// The refunds of a session's payments, oldest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn session_refunds(
        &self,
        session: domain::id::SessionId,
    ) -> Result<Vec<Refund>, StoreError> {
        let rows: Vec<RefundRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{REFUND} WHERE refund.payment_id IN (
                SELECT payment_id FROM payment JOIN purchase USING (purchase_id)
                WHERE session_id = $1)
             ORDER BY refund.created_at"
        )))
        .bind(session.0)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(RefundRow::refund).collect()
    }

    /// What has gone back of a receipt, or is on its way, oldest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn receipt_refunds(&self, receipt: ReceiptId) -> Result<Vec<Refund>, StoreError> {
        let rows: Vec<RefundRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{REFUND} WHERE receipt_id = $1 ORDER BY created_at"
        )))
        .bind(receipt.0)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(RefundRow::refund).collect()
    }

    /// Refunds that people must pay, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Database errors.
    pub async fn refunds_manual(&self, limit: i64) -> Result<Vec<Refund>, StoreError> {
        let rows: Vec<RefundRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{REFUND} WHERE status = 'manual' ORDER BY created_at LIMIT $1"
        )))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(RefundRow::refund).collect()
    }
}

const REFUND: &str =
    "SELECT refund_id, gateway, bank_ref, coalesce(refund.payment_id, bank_notice.payment_id) AS payment_id,
            reference, refund.amount_vnd, ground, status, gateway_ref, note, created_at, receipt_id
     FROM refund JOIN bank_notice USING (gateway, bank_ref)
          LEFT JOIN receipt ON receipt.payment_id = refund.payment_id";

#[derive(FromRow)]
struct RefundRow {
    refund_id: Uuid,
    gateway: String,
    bank_ref: String,
    payment_id: Option<Uuid>,
    reference: String,
    amount_vnd: i64,
    ground: String,
    status: String,
    gateway_ref: Option<String>,
    note: Option<String>,
    created_at: Timestamp,
    receipt_id: Option<Uuid>,
}

impl RefundRow {
    fn refund(self) -> Result<Refund, StoreError> {
        Ok(Refund {
            id: RefundId(self.refund_id),
            payment: self.payment_id.map(PaymentId),
            amount_vnd: Vnd::new(self.amount_vnd),
            ground: RefundGround::from_code(&self.ground)
                .ok_or_else(|| corrupt("refund ground", &self.ground))?,
            status: RefundStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("refund status", &self.status))?,
            gateway: self.gateway,
            bank_ref: self.bank_ref,
            reference: self.reference,
            gateway_ref: self.gateway_ref,
            note: self.note,
            receipt: self.receipt_id.map(ReceiptId),
            created_at: self.created_at,
        })
    }
}
