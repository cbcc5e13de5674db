//! Numbers of invoices: one after the other, without a gap, beside the path of paying.

use domain::id::{ReceiptId, RefundId};
use sqlx::FromRow;

use crate::{Store, StoreError};

/// What an invoice is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invoiced {
    /// Money that was paid.
    Receipt(ReceiptId),
    /// Money that goes back: the invoice adjusts the receipt's.
    Refund(RefundId),
}

/// How many receipts and refunds get a number in one transaction.
const BATCH: i64 = 5_000;
/// Whoever gives out numbers holds it; the number is of no other lock.
const NUMBERS_LOCK: i64 = 0x696e_766f_6963_6573;

/// Who issues a receipt's invoice, and under what number.
#[derive(Clone, Debug, FromRow)]
pub struct InvoiceNumber {
    /// The symbol of the series, such as `C26MCB`.
    pub series: String,
    /// The number in it, from 1 on.
    pub number: i32,
    /// The operator's name.
    pub name: String,
    /// Its tax code.
    pub tax_code: String,
    /// Its address.
    pub address: String,
    /// What the tax authority has allotted to its cash registers.
    pub invoice_code: String,
}

impl Store {
    /// Gives numbers to receipts and refunds that have none, in order of their issue, a refund's
    /// after its receipt's; returns how many. An operator without an allotment from the tax
    /// authority gets none.
    ///
    /// # Errors
    /// Database errors; then none is given.
    pub async fn invoice_assign(&self) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // One gives numbers at a time, or two would give the same. Nobody who pays waits for it.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(NUMBERS_LOCK)
            .execute(&mut *tx)
            .await?;
        let done = sqlx::query(
            "WITH due AS MATERIALIZED (
                SELECT receipt_id, NULL::uuid AS refund_id, issued_at, lot_id, operator_id
                FROM invoice_due JOIN receipt USING (receipt_id)
                UNION ALL
                SELECT NULL, refund_id, greatest(created_at, issued_at), receipt.lot_id, operator_id
                FROM invoice_due JOIN refund USING (refund_id) JOIN receipt USING (payment_id)
                ORDER BY issued_at, refund_id NULLS FIRST, receipt_id LIMIT $1
             ), taken AS (
                DELETE FROM invoice_due
                WHERE receipt_id IN (SELECT receipt_id FROM due)
                   OR refund_id IN (SELECT refund_id FROM due)
             ), placed AS (
                -- The year of its own date, which is that of no late money's day.
                SELECT receipt_id, refund_id, due.operator_id, issued_at,
                       'C' || to_char(issued_at AT TIME ZONE timezone, 'YY') || 'MCB' AS series
                FROM due JOIN operator USING (operator_id) JOIN lot USING (lot_id) JOIN city USING (city_id)
                WHERE invoice_code <> ''
             )
             INSERT INTO invoice (receipt_id, refund_id, operator_id, series, number)
             SELECT receipt_id, refund_id, operator_id, series,
                    coalesce((SELECT max(number) FROM invoice known
                              WHERE known.operator_id = placed.operator_id
                                AND known.series = placed.series), 0)
                    + row_number() OVER (PARTITION BY operator_id, series
                                         ORDER BY issued_at, refund_id NULLS FIRST, receipt_id)
             FROM placed",
        )
        .bind(BATCH)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// The number of the invoice of a receipt or a refund, if it has one.
    ///
    /// # Errors
    /// Database errors.
    pub async fn invoice_number(&self, of: Invoiced) -> Result<Option<InvoiceNumber>, StoreError> {
        let (receipt, refund) = match of {
            Invoiced::Receipt(id) => (Some(id.0), None),
            Invoiced::Refund(id) => (None, Some(id.0)),
        };
        Ok(sqlx::query_as(
            "SELECT series, number, name, tax_code, address, invoice_code
             FROM invoice JOIN operator USING (operator_id)
             WHERE receipt_id = $1 OR refund_id = $2",
        )
        .bind(receipt)
        .bind(refund)
        .fetch_optional(&self.pool)
        .await?)
    }
}
