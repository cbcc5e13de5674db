//! What waits for its place in the log, with all that its entry is made of.

use chrono::NaiveDate;
use domain::Timestamp;
use domain::id::{ReceiptId, RefundId};
use domain::log::{Commitment, Document, Entry, EntryKind, ReceiptDocument, RefundDocument, Salt};
use domain::money::Vnd;
use domain::refund::RefundGround;
use domain::tariff::QuoteLine;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::NewLeaf;
use crate::place::class;
use crate::{StoreError, corrupt};

/// Money that waits for its place.
pub(super) struct Queued {
    id: i64,
    receipt: Option<ReceiptId>,
    refund: Option<RefundId>,
    salt: Salt,
    pub(super) facts: Facts,
}

/// What an entry and its promise are made of.
pub(super) struct Facts {
    kind: EntryKind,
    day: NaiveDate,
    ward: String,
    lot: String,
    operator: String,
    pub(super) document: Document,
}

impl Queued {
    /// Its entry, with what is kept beside it.
    pub(super) fn leaf(self) -> NewLeaf {
        let Facts {
            kind,
            day,
            ward,
            lot,
            operator,
            document,
        } = self.facts;
        let entry = Entry {
            kind,
            day,
            ward,
            lot,
            operator,
            amount_vnd: document.amount_vnd(),
            commitment: Commitment::of(self.salt, &document.to_text()),
        };
        NewLeaf {
            receipt: self.receipt,
            refund: self.refund,
            salt: self.salt,
            day,
            entry: entry.to_bytes(),
        }
    }
}

#[derive(FromRow)]
struct Row {
    log_queue_id: i64,
    receipt_id: Option<Uuid>,
    refund_id: Option<Uuid>,
    salt: Vec<u8>,
}

/// Takes what waits longest out of the queue, in the order of days: what is the first of a new day, and what came late
/// for an old one, may have come at the same time.
pub(super) async fn take(
    tx: &mut PgConnection,
    city: i32,
    limit: i64,
) -> Result<Vec<Queued>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "DELETE FROM log_queue WHERE log_queue_id IN (
            SELECT log_queue_id FROM log_queue WHERE city_id = $1 ORDER BY log_queue_id LIMIT $2)
         RETURNING log_queue_id, receipt_id, refund_id, salt",
    )
    .bind(city)
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    let receipts: Vec<Uuid> = rows.iter().filter_map(|row| row.receipt_id).collect();
    let refunds: Vec<Uuid> = rows.iter().filter_map(|row| row.refund_id).collect();
    let mut facts = receipt_facts(tx, &receipts).await?;
    facts.extend(refund_facts(tx, &refunds).await?);
    let mut queued = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.receipt_id.or(row.refund_id).unwrap_or_default();
        let facts = facts
            .remove(&id)
            .ok_or_else(|| corrupt("log queue", "what waits is not there"))?;
        let salt = row
            .salt
            .try_into()
            .map_err(|_| corrupt("log salt", "its length"))?;
        queued.push(Queued {
            id: row.log_queue_id,
            receipt: row.receipt_id.map(ReceiptId),
            refund: row.refund_id.map(RefundId),
            salt: Salt(salt),
            facts,
        });
    }
    queued.sort_by_key(|queued| (queued.facts.day, queued.id));
    Ok(queued)
}

type ById = std::collections::HashMap<Uuid, Facts>;

#[derive(FromRow)]
struct ReceiptRow {
    receipt_id: Uuid,
    day: NaiveDate,
    ward: String,
    lot: String,
    operator: String,
    bay: String,
    class: String,
    issued_at: Timestamp,
    starts_at: Timestamp,
    ends_at: Timestamp,
    amount_vnd: i64,
    vat_bp: i16,
    gateway: String,
    reference: String,
    lines: Json<Vec<QuoteLine>>,
}

/// What receipts say, of what never changes.
pub(super) async fn receipt_facts(
    tx: &mut PgConnection,
    receipts: &[Uuid],
) -> Result<ById, StoreError> {
    let rows: Vec<ReceiptRow> = sqlx::query_as(
        "SELECT receipt_id, receipt.day, ward.code AS ward, lot.code AS lot,
                operator.code AS operator, bay.code AS bay,
                coalesce(session.class, pass.class) AS class, issued_at, purchase.starts_at,
                purchase.ends_at, receipt.amount_vnd, purchase.vat_bp, gateway, reference,
                receipt.lines
         FROM receipt JOIN payment USING (payment_id) JOIN purchase USING (purchase_id)
              LEFT JOIN session ON session.session_id = receipt.session_id
              LEFT JOIN pass ON pass.pass_id = purchase.purchase_id
              JOIN bay ON bay.bay_id = receipt.bay_id JOIN lot ON lot.lot_id = receipt.lot_id
              JOIN ward ON ward.ward_id = receipt.ward_id
              JOIN operator ON operator.operator_id = receipt.operator_id
         WHERE receipt_id = ANY($1)",
    )
    .bind(receipts)
    .fetch_all(tx)
    .await?;
    let facts = |row: ReceiptRow| {
        let document = ReceiptDocument {
            receipt: ReceiptId(row.receipt_id),
            bay: row.bay,
            lot: row.lot.clone(),
            class: class(&row.class)?,
            issued_at: String::new(),
            starts_at: String::new(),
            ends_at: String::new(),
            amount_vnd: Vnd::new(row.amount_vnd),
            vat_bp: row.vat_bp.unsigned_abs(),
            gateway: row.gateway,
            reference: row.reference,
            lines: Vec::new(),
        };
        let time = (row.starts_at, row.ends_at);
        let facts = Facts {
            kind: EntryKind::Receipt,
            day: row.day,
            ward: row.ward,
            lot: row.lot,
            operator: row.operator,
            document: Document::Receipt(document.with(row.issued_at, time, &row.lines)),
        };
        Ok((row.receipt_id, facts))
    };
    rows.into_iter().map(facts).collect()
}

#[derive(FromRow)]
struct RefundRow {
    refund_id: Uuid,
    receipt_id: Uuid,
    day: NaiveDate,
    ward: String,
    lot: String,
    operator: String,
    amount_vnd: i64,
    ground: String,
    created_at: Timestamp,
}

/// What refunds say.
pub(super) async fn refund_facts(
    tx: &mut PgConnection,
    refunds: &[Uuid],
) -> Result<ById, StoreError> {
    let rows: Vec<RefundRow> = sqlx::query_as(
        // Where and whose revenue it lowers is what its receipt says, as in every report.
        "SELECT refund_id, receipt_id, refund.day, ward.code AS ward, lot.code AS lot,
                operator.code AS operator, refund.amount_vnd, ground, refund.created_at
         FROM refund JOIN receipt USING (payment_id)
              JOIN lot ON lot.lot_id = receipt.lot_id JOIN ward ON ward.ward_id = receipt.ward_id
              JOIN operator ON operator.operator_id = receipt.operator_id
         WHERE refund_id = ANY($1)",
    )
    .bind(refunds)
    .fetch_all(tx)
    .await?;
    let facts = |row: RefundRow| {
        let ground = RefundGround::from_code(&row.ground)
            .ok_or_else(|| corrupt("refund ground", &row.ground))?;
        let facts = Facts {
            kind: EntryKind::Refund,
            day: row.day,
            ward: row.ward,
            lot: row.lot,
            operator: row.operator,
            document: Document::Refund(RefundDocument::new(
                RefundId(row.refund_id),
                ReceiptId(row.receipt_id),
                Vnd::new(row.amount_vnd),
                ground,
                row.created_at,
            )),
        };
        Ok((row.refund_id, facts))
    };
    rows.into_iter().map(facts).collect()
}
