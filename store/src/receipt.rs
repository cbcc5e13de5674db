//! Proofs of posted payments.

use chrono::NaiveDate;
use domain::Timestamp;
use domain::id::{PassId, PaymentId, ReceiptId, SessionId};
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::tariff::QuoteLine;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::place::class;
use crate::{Store, StoreError};

/// A receipt. It holds no plate: whoever has its address may read it.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Its identity, which is its address.
    pub id: ReceiptId,
    /// The payment that it proves.
    pub payment: PaymentId,
    /// The session that was paid for; none for a pass.
    pub session: Option<SessionId>,
    /// The bay's code.
    pub bay: String,
    /// The lot's code.
    pub lot: String,
    /// The lot's name.
    pub lot_name: String,
    /// The zone's name.
    pub zone_name: String,
    /// The operator's name.
    pub operator_name: String,
    /// The city's time zone, an IANA name.
    pub timezone: String,
    /// For what vehicle.
    pub class: VehicleClass,
    /// The amount paid.
    pub amount_vnd: Vnd,
    /// The value-added tax contained in it, in basis points of the price without it.
    pub vat_bp: u16,
    /// What has gone back of it, or is on its way.
    pub refunded_vnd: Vnd,
    /// The price's reasons.
    pub lines: Vec<QuoteLine>,
    /// The start of the paid time.
    pub starts_at: Timestamp,
    /// The end of the paid time.
    pub ends_at: Timestamp,
    /// When the money was booked.
    pub issued_at: Timestamp,
    /// The city's day on which it counts: that of its booking, or a later one where that was over already.
    pub day: NaiveDate,
    /// Through whom it was paid.
    pub gateway: String,
    /// The text of the transfer.
    pub reference: String,
}

/// A receipt of a purchase, in a list.
#[derive(Clone, Debug)]
pub struct ReceiptOf {
    /// The session whose time it is; none of a pass.
    pub session: Option<SessionId>,
    /// The pass.
    pub pass: Option<PassId>,
    /// The receipt.
    pub id: ReceiptId,
    /// Its amount.
    pub amount_vnd: Vnd,
    /// When the money was booked.
    pub issued_at: Timestamp,
}

impl Store {
    /// The receipts of sessions, with all that they bought, and of passes, oldest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn receipts_of(
        &self,
        sessions: &[SessionId],
        passes: &[PassId],
    ) -> Result<Vec<ReceiptOf>, StoreError> {
        let sessions: Vec<Uuid> = sessions.iter().map(|id| id.0).collect();
        let passes: Vec<Uuid> = passes.iter().map(|id| id.0).collect();
        let rows: Vec<(Uuid, Option<Uuid>, Uuid, i64, Timestamp)> = sqlx::query_as(
            "SELECT purchase_id, purchase.session_id, receipt_id, receipt.amount_vnd, issued_at
             FROM purchase JOIN payment USING (purchase_id) JOIN receipt USING (payment_id)
             WHERE purchase.session_id = ANY($1) OR purchase_id = ANY($2)
             ORDER BY issued_at",
        )
        .bind(sessions)
        .bind(passes)
        .fetch_all(&self.pool)
        .await?;
        let receipt =
            |(purchase, session, id, amount, issued_at): (Uuid, Option<Uuid>, _, _, _)| {
                ReceiptOf {
                    session: session.map(SessionId),
                    // A pass goes by its purchase's number.
                    pass: session.is_none().then_some(PassId(purchase)),
                    id: ReceiptId(id),
                    amount_vnd: Vnd::new(amount),
                    issued_at,
                }
            };
        Ok(rows.into_iter().map(receipt).collect())
    }

    /// The receipt of that identity.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn receipt(&self, id: ReceiptId) -> Result<Receipt, StoreError> {
        let row: Option<ReceiptRow> = sqlx::query_as(
            "SELECT receipt_id, payment_id, receipt.session_id, bay.code AS bay, lot.code AS lot,
                    lot.name AS lot_name, zone.name AS zone_name, operator.name AS operator_name,
                    timezone, coalesce(session.class, pass.class) AS class, receipt.amount_vnd, receipt.lines, purchase.vat_bp,
                    purchase.starts_at, purchase.ends_at, issued_at, receipt.day, gateway, reference,
                    refunded_vnd(receipt.payment_id)
             FROM receipt JOIN payment USING (payment_id)
                  JOIN purchase USING (purchase_id)
                  LEFT JOIN session ON session.session_id = receipt.session_id
                  LEFT JOIN pass ON pass.pass_id = purchase.purchase_id
                  JOIN bay ON bay.bay_id = receipt.bay_id
                  JOIN lot ON lot.lot_id = receipt.lot_id
                  JOIN zone ON zone.zone_id = receipt.zone_id
                  JOIN operator ON operator.operator_id = receipt.operator_id
                  JOIN city ON city.city_id = lot.city_id
             WHERE receipt_id = $1",
        )
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or(StoreError::NotFound("receipt"))?.receipt()
    }
}

#[derive(FromRow)]
struct ReceiptRow {
    receipt_id: Uuid,
    payment_id: Uuid,
    session_id: Option<Uuid>,
    bay: String,
    lot: String,
    lot_name: String,
    zone_name: String,
    operator_name: String,
    timezone: String,
    class: String,
    amount_vnd: i64,
    vat_bp: i16,
    refunded_vnd: i64,
    lines: Json<Vec<QuoteLine>>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    issued_at: Timestamp,
    day: NaiveDate,
    gateway: String,
    reference: String,
}

impl ReceiptRow {
    fn receipt(self) -> Result<Receipt, StoreError> {
        Ok(Receipt {
            id: ReceiptId(self.receipt_id),
            payment: PaymentId(self.payment_id),
            session: self.session_id.map(SessionId),
            class: class(&self.class)?,
            amount_vnd: Vnd::new(self.amount_vnd),
            vat_bp: self.vat_bp.unsigned_abs(),
            refunded_vnd: Vnd::new(self.refunded_vnd),
            lines: self.lines.0,
            bay: self.bay,
            lot: self.lot,
            lot_name: self.lot_name,
            zone_name: self.zone_name,
            operator_name: self.operator_name,
            timezone: self.timezone,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            issued_at: self.issued_at,
            day: self.day,
            gateway: self.gateway,
            reference: self.reference,
        })
    }
}
