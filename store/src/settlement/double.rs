//! One stay paid for twice.

use domain::Timestamp;
use domain::id::{PaymentId, RefundId};
use domain::money::Vnd;
use domain::refund::{RefundGround, overlap_refund};
use domain::session::StoppedBy;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::named::Parking;
use super::posted::PostedRow;
use crate::StoreError;
use crate::refund::NewRefund;

#[derive(FromRow)]
struct Overlap {
    session_id: Uuid,
    starts_at: Timestamp,
    ends_at: Timestamp,
    /// What the time that was bought before has cost, less what went back.
    worth_vnd: i64,
}

/// What a driver paid for twice: a session of the same plate in the same bay had bought some of
/// the time already. The bays are locked first, so that of two payments at once the second sees
/// the first.
pub(super) async fn doubles(
    tx: &mut PgConnection,
    gateway: &str,
    posted: &[PostedRow],
    now: Timestamp,
) -> Result<Vec<NewRefund>, StoreError> {
    let starts: Vec<(&PostedRow, Parking)> = posted
        .iter()
        .filter(|row| row.starts)
        .filter_map(|row| Some((row, row.parking?)))
        .collect();
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let mut bays: Vec<i32> = starts.iter().map(|(_, parking)| parking.bay).collect();
    bays.sort_unstable();
    sqlx::query("SELECT FROM bay WHERE bay_id = ANY($1) ORDER BY bay_id FOR NO KEY UPDATE")
        .bind(&bays)
        .execute(&mut *tx)
        .await?;
    let sessions: Vec<Uuid> = starts
        .iter()
        .filter_map(|(_, parking)| parking.session)
        .collect();
    // Whoever stops, moves or replates the other locks it, and gives nothing back of what this relies on. In a
    // statement of its own: the next one sees what they have done.
    sqlx::query(
        "SELECT count(*) FROM session AS new
         CROSS JOIN LATERAL (
            SELECT session_id FROM session AS old
            WHERE old.bay_id = new.bay_id AND old.plate = new.plate AND old.status = 'paid'
              AND old.session_id <> new.session_id
              AND old.starts_at < new.ends_at AND old.ends_at > new.starts_at
            ORDER BY session_id FOR NO KEY UPDATE) AS old
         WHERE new.session_id = ANY($1)",
    )
    .bind(&sessions)
    .execute(&mut *tx)
    .await?;
    let found: Vec<Overlap> = sqlx::query_as(
        "SELECT new.session_id, old.starts_at, old.ends_at, (
            SELECT coalesce(sum(payment.amount_vnd - refunded_vnd(payment_id)), 0)::bigint
            FROM purchase JOIN payment USING (purchase_id)
            WHERE purchase.session_id = old.session_id AND payment.status = 'posted') AS worth_vnd
         FROM session AS new
         -- Each by itself, so that the bay's index is used however little is known of the table.
         CROSS JOIN LATERAL (
            SELECT session_id, starts_at, ends_at FROM session AS old
            WHERE old.bay_id = new.bay_id AND old.plate = new.plate AND old.status = 'paid'
              AND old.session_id <> new.session_id
              -- What a wallet only holds has not been paid: the later of the two is what is paid twice.
              AND EXISTS (SELECT FROM purchase
                          WHERE purchase_id = old.session_id AND purchase.status = 'paid')
              AND old.starts_at < new.ends_at AND old.ends_at > new.starts_at
              -- Of two that this call posts, only the later one is a repetition.
              AND (old.session_id < new.session_id OR NOT old.session_id = ANY($1))
            ORDER BY old.ends_at DESC LIMIT 1) AS old
         WHERE new.session_id = ANY($1)",
    )
    .bind(&sessions)
    .fetch_all(&mut *tx)
    .await?;
    let (mut refunds, mut whole) = (Vec::new(), Vec::new());
    for overlap in found {
        let Some((row, parking)) = starts
            .iter()
            .find(|(_, parking)| parking.session == Some(overlap.session_id))
        else {
            continue;
        };
        let amount_vnd = overlap_refund(
            Vnd::new(row.amount_vnd),
            (parking.starts_at, parking.ends_at),
            (overlap.starts_at, overlap.ends_at),
        );
        // Of time that is kept no more goes back than it has cost before: prices are not alike at all hours.
        let amount_vnd = match amount_vnd.get() == row.amount_vnd {
            true => {
                whole.push(overlap.session_id);
                amount_vnd
            }
            false => amount_vnd.min(Vnd::new(overlap.worth_vnd)),
        };
        if amount_vnd > Vnd::ZERO {
            refunds.push(NewRefund {
                id: RefundId(Uuid::now_v7()),
                gateway: gateway.to_owned(),
                bank_ref: row.bank_ref.clone(),
                payment: Some(PaymentId(row.payment)),
                amount_vnd,
                ground: RefundGround::Double,
            });
        }
    }
    // Nobody keeps the time of what is given back: the other session may end early, or move away.
    sqlx::query(
        "UPDATE session SET ends_at = starts_at, stopped_at = $2, stopped_by = $3
         WHERE session_id = ANY($1) AND stopped_at IS NULL",
    )
    .bind(&whole)
    .bind(now)
    .bind(StoppedBy::Double.code())
    .execute(&mut *tx)
    .await?;
    Ok(refunds)
}
