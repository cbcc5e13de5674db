//! What posting a payment writes beside its transfers.

use std::collections::HashMap;

use domain::Timestamp;
use domain::log::LATE_DAYS;
use sqlx::types::JsonValue;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::named::Parking;
use crate::StoreError;
use crate::outbox::{OutboxKind, outbox_delete};
use crate::session_double::Bought;

pub(super) struct ReceiptRow {
    pub(super) id: Uuid,
    pub(super) payment: Uuid,
    pub(super) parking: Parking,
    pub(super) amount_vnd: i64,
    pub(super) lines: JsonValue,
    pub(super) issued_at: Timestamp,
    pub(super) day: chrono::NaiveDate,
}

pub(super) struct PostedRow {
    pub(super) payment: Uuid,
    pub(super) purchase: Uuid,
    pub(super) parking: Option<Parking>,
    pub(super) at: Timestamp,
}

impl PostedRow {
    /// The session's time that it pays for; none for a pass or a wallet.
    pub(super) fn bought(&self) -> Option<Bought> {
        let parking = self.parking?;
        Some(Bought {
            session: parking.session?,
            bay: parking.bay,
            time: (parking.starts_at, parking.ends_at),
        })
    }
}

pub(super) async fn receipts_insert(
    tx: &mut PgConnection,
    rows: &[ReceiptRow],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    // Towards midnight the next day counts as begun: its first receipt may be in the log before this transaction ends.
    // Days that are long over stand still: money that comes later than that counts on the first that does not. What
    // waits for its place in the log has days, too; only what is too late already looks for them.
    sqlx::query(
        "INSERT INTO receipt (receipt_id, payment_id, session_id, bay_id, lot_id, amount_vnd, lines,
                              issued_at, day, ward_id, zone_id, operator_id)
         SELECT receipt, payment, session, bay, lot, amount, lines, issued_at,
                greatest(day, (
                    SELECT greatest(max(told.day), CASE WHEN max(told.day) >= its.today THEN its.soon END) - $13::int
                    FROM (
                        (SELECT max(log_leaf.day) AS day FROM log_leaf
                         WHERE log_leaf.city_id = its.city_id)
                        UNION ALL
                        (SELECT receipt.day FROM receipt JOIN lot USING (lot_id)
                         WHERE lot.city_id = its.city_id AND receipt.day > new.day + $13::int
                         ORDER BY receipt.day DESC LIMIT 1)
                        UNION ALL
                        (SELECT refund.day FROM refund JOIN lot USING (lot_id)
                         WHERE lot.city_id = its.city_id AND refund.day > new.day + $13::int
                         ORDER BY refund.day DESC LIMIT 1)) AS told)),
                ward, zone, operator
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::int[], $6::bigint[],
            $7::jsonb[], $8::timestamptz[], $9::date[], $10::int[], $11::int[], $12::int[])
            AS new (receipt, payment, session, bay, lot, amount, lines, issued_at, day, ward, zone, operator)
            JOIN (SELECT lot_id, city_id, ($14::timestamptz AT TIME ZONE timezone)::date AS today,
                         (($14::timestamptz + interval '1 hour') AT TIME ZONE timezone)::date AS soon
                  FROM lot JOIN city USING (city_id)) AS its ON its.lot_id = new.lot",
    )
    .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.session).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.bay).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.lot).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.amount_vnd).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| &row.lines).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.issued_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.day).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.ward).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.zone).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.operator).collect::<Vec<_>>())
    .bind(i32::from(LATE_DAYS))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// A session as it is, once its payments are posted.
#[derive(FromRow)]
pub(super) struct SessionTime {
    pub(super) session_id: Uuid,
    pub(super) bay_id: i32,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

/// Marks payments and what they pay for; the result is their sessions.
pub(super) async fn mark_posted(
    tx: &mut PgConnection,
    rows: &[PostedRow],
) -> Result<HashMap<Uuid, SessionTime>, StoreError> {
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let payments: Vec<Uuid> = rows.iter().map(|row| row.payment).collect();
    sqlx::query(
        "UPDATE payment SET status = 'posted', posted_at = r.at
         FROM unnest($1::uuid[], $2::timestamptz[]) AS r (payment_id, at)
         WHERE payment.payment_id = r.payment_id",
    )
    .bind(&payments)
    .bind(rows.iter().map(|row| row.at).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE purchase SET status = 'paid' WHERE purchase_id = ANY($1)")
        .bind(rows.iter().map(|row| row.purchase).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    let mut sessions: Vec<(Uuid, Timestamp)> = rows
        .iter()
        .filter_map(|row| {
            let parking = row.parking?;
            Some((parking.session?, parking.ends_at))
        })
        .collect();
    sessions.sort_unstable();
    // A stopped session keeps its end; an extension moves the end on.
    let sessions: Vec<SessionTime> = sqlx::query_as(
        "UPDATE session SET status = 'paid',
            ends_at = CASE WHEN stopped_at IS NULL THEN greatest(session.ends_at, r.ends_at) ELSE session.ends_at END
         FROM unnest($1::uuid[], $2::timestamptz[]) AS r (session_id, ends_at)
         WHERE session.session_id = r.session_id
         RETURNING session.session_id, bay_id, starts_at, session.ends_at",
    )
    .bind(sessions.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(sessions.iter().map(|row| row.1).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    outbox_delete(tx, OutboxKind::Payment, &payments).await?;
    let by_id = |session: SessionTime| (session.session_id, session);
    Ok(sessions.into_iter().map(by_id).collect())
}
