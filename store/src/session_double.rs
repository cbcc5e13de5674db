//! Time of one vehicle in one bay that two sessions have paid for: of the later one it goes back, once that has ended.
//!
//! As long as both run, both are what their drivers paid for, and each may end as if there were no other. So nobody harms
//! another by paying for their vehicle, and whatever goes back of the one, no time is left that nobody has paid for.

use domain::Timestamp;
use domain::id::SessionId;
use domain::money::Vnd;
use domain::refund::{RefundGround, overlap_refund};
use domain::session::{GRACE, PAYMENT_WINDOW};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use crate::session_change::lock;
use crate::session_stop::{give_back, paid};
use crate::{Store, StoreError};

/// Time that has been paid for: `one`, of which there is the session, the bay, the plate and from when until when; and
/// `beside`, another session of that vehicle in the same bay that shares some of its time. To be asked in a subquery by
/// itself (`LATERAL`), so that the bay's index is used however little is known of the table.
const BESIDE: &str =
    "beside.bay_id = one.bay_id AND beside.plate = one.plate AND beside.status = 'paid'
    AND beside.session_id <> one.session_id
    AND beside.starts_at < one.ends_at AND beside.ends_at > one.starts_at";

/// A session's time that has just been paid for.
pub(crate) struct Bought {
    pub(crate) session: Uuid,
    pub(crate) bay: i32,
    pub(crate) time: (Timestamp, Timestamp),
}

/// Notes which sessions share time with others, now that these have been paid for, or are here. The bays are locked first, so that of
/// two payments at once the second sees the first.
pub(crate) async fn doubles_note(
    tx: &mut PgConnection,
    bought: &[Bought],
) -> Result<(), StoreError> {
    if bought.is_empty() {
        return Ok(());
    }
    let mut bays: Vec<i32> = bought.iter().map(|it| it.bay).collect();
    bays.sort_unstable();
    sqlx::query("SELECT FROM bay WHERE bay_id = ANY($1) ORDER BY bay_id FOR NO KEY UPDATE")
        .bind(&bays)
        .execute(&mut *tx)
        .await?;
    sqlx::query(AssertSqlSafe(format!(
        "WITH one AS (
            SELECT session_id, bay_id, plate, bought.starts_at, bought.ends_at
            FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS bought (session_id, starts_at, ends_at)
                 JOIN session USING (session_id)),
         pair AS (
            SELECT one.session_id AS this, beside.session_id AS other
            FROM one CROSS JOIN LATERAL (SELECT session_id FROM session AS beside WHERE {BESIDE}) AS beside)
         INSERT INTO session_double (session_id)
         SELECT this FROM pair UNION SELECT other FROM pair ORDER BY 1
         ON CONFLICT DO NOTHING"
    )))
    .bind(bought.iter().map(|it| it.session).collect::<Vec<_>>())
    .bind(bought.iter().map(|it| it.time.0).collect::<Vec<_>>())
    .bind(bought.iter().map(|it| it.time.1).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// A session that had some of the time before.
#[derive(FromRow)]
struct Beside {
    starts_at: Timestamp,
    ends_at: Timestamp,
    /// What it has cost; none where nothing was to be paid for it.
    worth_vnd: Option<i64>,
}

/// What ended before can be prolonged no longer, and that be paid.
fn ended_for_good(now: Timestamp) -> Timestamp {
    now - GRACE - PAYMENT_WINDOW
}

/// When a session was paid for; one that costs nothing, when it was opened.
fn paid_at(session: &str) -> String {
    format!(
        "coalesce((SELECT min(posted_at) FROM payment
                   WHERE purchase_id = {session}.session_id AND payment.status IN ('posted', 'refunded')),
                  {session}.created_at)"
    )
}

impl Store {
    /// Whether another session shares some of a session's time, and it has not been looked at yet.
    ///
    /// # Errors
    /// Database errors.
    pub async fn session_is_double(&self, session: SessionId) -> Result<bool, StoreError> {
        Ok(
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM session_double WHERE session_id = $1)")
                .bind(session.0)
                .fetch_one(&self.pool)
                .await?,
        )
    }

    /// Sessions that share time with others and have ended for good by `now`, paid for; those that come `after` one that
    /// was told before, at most `limit`.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sessions_double(
        &self,
        now: Timestamp,
        after: Option<SessionId>,
        limit: i64,
    ) -> Result<Vec<SessionId>, StoreError> {
        let rows: Vec<Uuid> = sqlx::query_scalar(
            "SELECT session.session_id FROM session_double JOIN session USING (session_id)
                  JOIN purchase ON purchase_id = session.session_id
             WHERE (stopped_at IS NOT NULL OR session.ends_at <= $1) AND purchase.status <> 'pending'
               AND ($3::uuid IS NULL OR session.session_id > $3)
             ORDER BY session.session_id LIMIT $2",
        )
        .bind(ended_for_good(now))
        .bind(limit)
        .bind(after.map(|id| id.0))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(SessionId).collect())
    }

    /// Gives back what was paid for the time of a session that has ended and that others of its vehicle, paid for before
    /// it, had as well: by its share of the time, and no more than they have cost, for prices are not alike at all hours
    /// and what was paid for them may have gone back. The result is how much: nothing where it is done again, or where
    /// more time has been paid for meanwhile.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such session; database errors.
    pub async fn session_double_give_back(
        &self,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Vnd, StoreError> {
        let mut tx = self.begin_by_key().await?;
        let locked = lock(&mut tx, session).await?;
        if locked.stopped_at.is_none() && locked.ends_at > ended_for_good(now) {
            return Ok(Vnd::ZERO);
        }
        // Nobody notes it again while it is looked at.
        sqlx::query("SELECT FROM bay WHERE bay_id = $1 FOR NO KEY UPDATE")
            .bind(locked.bay_id)
            .execute(&mut *tx)
            .await?;
        let left = paid(&mut tx, session).await?;
        let besides: Vec<Beside> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT beside.starts_at, beside.ends_at, beside.worth_vnd
             FROM session AS one CROSS JOIN LATERAL (
                SELECT beside.starts_at, beside.ends_at, (
                    SELECT coalesce(sum(payment.amount_vnd - refunded_vnd(payment_id)), 0)::bigint
                    FROM purchase JOIN payment USING (purchase_id)
                    WHERE purchase.session_id = beside.session_id AND payment.status IN ('posted', 'refunded')
                    HAVING count(*) > 0) AS worth_vnd
                FROM session AS beside
                WHERE {BESIDE} AND EXISTS (
                        SELECT FROM purchase WHERE purchase_id = beside.session_id AND purchase.status = 'paid')
                  AND ({}, beside.session_id) < ({}, one.session_id)
                ORDER BY beside.starts_at) AS beside
             WHERE one.session_id = $1",
            paid_at("beside"),
            paid_at("one"),
        )))
        .bind(session.0)
        .fetch_all(&mut *tx)
        .await?;
        let given: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(refund.amount_vnd), 0)::bigint
             FROM purchase JOIN payment USING (purchase_id) JOIN refund USING (payment_id)
             WHERE purchase.session_id = $1 AND ground = 'double'",
        )
        .bind(session.0)
        .fetch_one(&mut *tx)
        .await?;
        let given = Vnd::new(given);
        let cost = left.checked_add(given).unwrap_or(left);
        let times: Vec<_> = besides
            .iter()
            .map(|it| (it.starts_at, it.ends_at))
            .collect();
        let double = overlap_refund(cost, (locked.starts_at, locked.ends_at), &times);
        let worth: Option<Vec<Vnd>> = besides
            .iter()
            .map(|it| Some(Vnd::new(it.worth_vnd?)))
            .collect();
        let worth = worth.and_then(Vnd::checked_sum);
        let due = double.min(worth.unwrap_or(double));
        let back = due.checked_sub(given).unwrap_or_default().max(Vnd::ZERO);
        give_back(
            self,
            &mut tx,
            session,
            back,
            (RefundGround::Double, "system"),
            now,
        )
        .await?;
        sqlx::query("DELETE FROM session_double WHERE session_id = $1")
            .bind(session.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(back)
    }
}
