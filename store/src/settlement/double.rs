//! One time paid for twice.

use domain::Timestamp;
use domain::id::{PaymentId, RefundId};
use domain::money::Vnd;
use domain::refund::{RefundGround, overlap_refund};
use domain::session::StoppedBy;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use super::posted::PostedRow;
use crate::StoreError;
use crate::refund::NewRefund;
use crate::session_overlap::BESIDE;

/// Time that has just been paid for, with the vehicle and the bay of its session.
const ONE: &str = "(
    SELECT payment_id, session_id, bay_id, plate, bought.starts_at, bought.ends_at
    FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
            AS bought (payment_id, session_id, starts_at, ends_at)
         JOIN session USING (session_id)) AS one";

#[derive(FromRow)]
struct Overlap {
    payment_id: Uuid,
    starts_at: Timestamp,
    ends_at: Timestamp,
    /// What the other session has cost, less what went back of either because of the other.
    worth_vnd: i64,
}

/// A session's time that has just been paid for.
struct Bought<'a> {
    row: &'a PostedRow,
    session: Uuid,
    bay: i32,
    time: (Timestamp, Timestamp),
}

/// What a driver paid for twice: another session of the same plate in the same bay had bought some of the time
/// already. The bays are locked first, so that of two payments at once the second sees the first.
///
/// Both sessions stay in force, whoever paid for them: the other gives nothing back as long as this one relies on it
/// ([`crate::session_overlap`]). Only where its time has cost less than goes back, so that this one could not stay
/// for what was paid, this one ends.
pub(super) async fn doubles(
    tx: &mut PgConnection,
    gateway: &str,
    posted: &[PostedRow],
    now: Timestamp,
) -> Result<Vec<NewRefund>, StoreError> {
    let bought: Vec<Bought<'_>> = posted.iter().filter_map(Bought::of).collect();
    if bought.is_empty() {
        return Ok(Vec::new());
    }
    let mut bays: Vec<i32> = bought.iter().map(|it| it.bay).collect();
    bays.sort_unstable();
    sqlx::query("SELECT FROM bay WHERE bay_id = ANY($1) ORDER BY bay_id FOR NO KEY UPDATE")
        .bind(&bays)
        .execute(&mut *tx)
        .await?;
    let payments: Vec<Uuid> = bought.iter().map(|it| it.row.payment).collect();
    let sessions: Vec<Uuid> = bought.iter().map(|it| it.session).collect();
    let from: Vec<Timestamp> = bought.iter().map(|it| it.time.0).collect();
    let to: Vec<Timestamp> = bought.iter().map(|it| it.time.1).collect();
    // Whoever stops, moves or replates the other locks it, and gives nothing back of what this relies on. In a
    // statement of its own: the next one sees what they have done.
    sqlx::query(AssertSqlSafe(format!(
        "SELECT count(*) FROM {ONE} CROSS JOIN LATERAL (
            SELECT session_id FROM session AS beside WHERE {BESIDE}
            ORDER BY session_id FOR NO KEY UPDATE) AS beside"
    )))
    .bind(&payments)
    .bind(&sessions)
    .bind(&from)
    .bind(&to)
    .execute(&mut *tx)
    .await?;
    let found: Vec<Overlap> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT one.payment_id, beside.starts_at, beside.ends_at, (
            SELECT coalesce(sum(payment.amount_vnd - refunded_vnd(payment_id)), 0)::bigint
            FROM purchase JOIN payment USING (purchase_id)
            WHERE purchase.session_id = beside.session_id AND payment.status = 'posted') - (
            SELECT coalesce(sum(refund.amount_vnd), 0)::bigint
            FROM purchase JOIN payment USING (purchase_id) JOIN refund USING (payment_id)
            WHERE purchase.session_id = one.session_id AND ground = 'double') AS worth_vnd
         FROM {ONE} CROSS JOIN LATERAL (
            SELECT session_id, starts_at, ends_at FROM session AS beside
            WHERE {BESIDE}
              -- What a wallet only holds has not been paid: the later of the two is what is paid twice.
              AND EXISTS (SELECT FROM purchase
                          WHERE purchase_id = beside.session_id AND purchase.status = 'paid')
              -- Of two that this call posts, only the later one is a repetition.
              AND (beside.session_id < one.session_id OR NOT beside.session_id = ANY($2))
            ORDER BY beside.ends_at DESC LIMIT 1) AS beside"
    )))
    .bind(&payments)
    .bind(&sessions)
    .bind(&from)
    .bind(&to)
    .fetch_all(&mut *tx)
    .await?;
    let (mut refunds, mut ended) = (Vec::new(), Vec::new());
    for overlap in found {
        let paid = bought
            .iter()
            .find(|it| it.row.payment == overlap.payment_id);
        let Some(Bought {
            row, session, time, ..
        }) = paid
        else {
            continue;
        };
        let other = (overlap.starts_at, overlap.ends_at);
        let (all, worth) = (Vnd::new(row.amount_vnd), Vnd::new(overlap.worth_vnd));
        let double = overlap_refund(all, *time, other);
        // Of time that is kept no more goes back than it has cost before: prices are not alike at all hours.
        let amount_vnd = if double <= worth {
            double
        } else if double == all && row.starts {
            ended.push(*session);
            double
        } else {
            worth
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
    .bind(&ended)
    .bind(now)
    .bind(StoppedBy::Double.code())
    .execute(&mut *tx)
    .await?;
    Ok(refunds)
}

impl<'a> Bought<'a> {
    fn of(row: &'a PostedRow) -> Option<Self> {
        let parking = row.parking?;
        Some(Self {
            row,
            session: parking.session?,
            bay: parking.bay,
            time: (parking.starts_at, parking.ends_at),
        })
    }
}
