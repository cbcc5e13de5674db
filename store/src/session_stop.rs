//! Sessions that end before their time, and what happens to their money; those that are over.

use domain::Timestamp;
use domain::id::{PaymentId, RefundId, SessionId};
use domain::money::Vnd;
use domain::payment::PaymentStatus;
use domain::refund::RefundGround;
use domain::session::StoppedBy;
use domain::tariff::Quote;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::failpoint::{Step, commit};
use crate::purchase::{paid_vnd, purchases_of};
use crate::session_change::lock;
use crate::{Store, StoreError};

/// An early end.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The session.
    pub session: SessionId,
    /// When it ends.
    pub at: Timestamp,
    /// On whose word.
    pub by: StoppedBy,
    /// Who that is, for the record: `driver`, `system`, `staff:<login>`.
    pub actor: String,
    /// The end on which the rest was counted.
    pub expected_end: Timestamp,
    /// What happens to the money.
    pub money: StopMoney,
}

/// What an early end does to the money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopMoney {
    /// The time was paid before: some of it goes back.
    GiveBack {
        /// This much.
        back: Vnd,
        /// Of what had been paid, less what had gone back, when that was counted.
        of_paid: Vnd,
    },
    /// The time is paid now, by this quote, out of what was reserved.
    Charge(Quote),
}

/// What became of an early end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It has ended; these refunds were promised.
    Done(Vec<RefundId>),
    /// It has ended, and this payment can be settled for this amount.
    Settle(PaymentId, Vnd),
    /// It had ended before.
    Already,
    /// It is not in force.
    NotInForce,
    /// Its end is another by now, or what has been paid for it: count the rest again.
    Changed,
}

impl Store {
    /// Ends a session early.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such session; database errors. Then nothing is
    /// changed.
    pub async fn session_stop(&self, stop: &Stop, now: Timestamp) -> Result<Stopped, StoreError> {
        let mut tx = self.begin_by_key().await?;
        let session = lock(&mut tx, stop.session).await?;
        if session.stopped_at.is_some() {
            return Ok(Stopped::Already);
        }
        if !session.is_paid() {
            return Ok(Stopped::NotInForce);
        }
        if session.ends_at != stop.expected_end {
            return Ok(Stopped::Changed);
        }
        if let StopMoney::GiveBack { of_paid, .. } = &stop.money
            && *of_paid != paid(&mut tx, stop.session).await?
        {
            return Ok(Stopped::Changed);
        }
        sqlx::query(
            "UPDATE session SET ends_at = $2, stopped_at = $3, stopped_by = $4
             WHERE session_id = $1",
        )
        .bind(stop.session.0)
        .bind(stop.at.clamp(session.starts_at, session.ends_at))
        .bind(now)
        .bind(stop.by.code())
        .execute(&mut *tx)
        .await?;
        let stopped = match &stop.money {
            StopMoney::GiveBack { back, .. } => {
                let why = (RefundGround::Unused, stop.actor.as_str());
                Stopped::Done(give_back(self, &mut tx, stop.session, *back, why, now).await?)
            }
            StopMoney::Charge(quote) => charge(&mut tx, stop, quote, now).await?,
        };
        let audit = Audit {
            session: Some(stop.session),
            detail: serde_json::json!({ "at": stop.at, "by": stop.by }),
            ..Audit::new(stop.actor.as_str(), "session.stop")
        };
        audit_insert(&mut tx, &audit, now).await?;
        commit(tx, Step::Stop).await?;
        Ok(stopped)
    }

    /// Sessions in force whose vehicle the sensor has seen leave: it came, and the bay has been
    /// free since before `gone_before`. With each, when it left, in that order; those that come `after` one that was
    /// told before, at most `limit`. Those of which nothing can go back are not among them, for nothing was paid or
    /// their tariff keeps all, nor those whose sensor is in doubt.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sessions_left(
        &self,
        gone_before: Timestamp,
        now: Timestamp,
        after: Option<(SessionId, Timestamp)>,
        limit: i64,
    ) -> Result<Vec<(SessionId, Timestamp)>, StoreError> {
        let (after, after_at) = after.unzip();
        let rows: Vec<(Uuid, Timestamp)> = sqlx::query_as(
            "SELECT session_id, since
             FROM session JOIN bay_state USING (bay_id)
             WHERE status = 'paid' AND stopped_at IS NULL AND ends_at > $2 AND starts_at <= $2
               AND NOT occupied AND since < $1 AND since > starts_at
               AND ($4::timestamptz IS NULL OR (since, session_id) > ($4, $5))
               AND (metered OR EXISTS (
                    SELECT FROM purchase JOIN tariff USING (tariff_id)
                    WHERE purchase_id = session.session_id
                      AND coalesce(document ->> 'unused', 'kept') <> 'kept')
                    AND EXISTS (
                    SELECT FROM purchase JOIN payment USING (purchase_id)
                    WHERE purchase.session_id = session.session_id AND payment.status = 'posted'))
               AND since = (
                    SELECT stay.ended_at FROM stay
                    WHERE stay.bay_id = session.bay_id AND stay.started_at < since
                    ORDER BY stay.started_at DESC LIMIT 1)
               AND NOT EXISTS (
                    SELECT FROM device_fault JOIN device_assignment AS standing USING (device_id)
                    WHERE standing.bay_id = session.bay_id AND upper_inf(during)
                      AND until IS NULL AND device_fault.kind IN ('stuck', 'flapping', 'clock'))
             ORDER BY since, session_id LIMIT $3",
        )
        .bind(gone_before)
        .bind(now)
        .bind(limit)
        .bind(after_at)
        .bind(after.map(|id| id.0))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(id, left)| (SessionId(id), left))
            .collect())
    }

    /// Metered sessions whose longest time has run out by `now` and that nobody stopped; those that come `after` one
    /// that was told before, at most `limit`.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sessions_run_out(
        &self,
        now: Timestamp,
        after: Option<SessionId>,
        limit: i64,
    ) -> Result<Vec<SessionId>, StoreError> {
        let rows: Vec<Uuid> = sqlx::query_scalar(
            "SELECT session_id FROM session
             WHERE metered AND status = 'paid' AND stopped_at IS NULL AND ends_at <= $1
               AND ($3::uuid IS NULL OR session_id > $3)
             ORDER BY session_id LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .bind(after.map(|id| id.0))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(SessionId).collect())
    }
}

/// Gives `amount` back out of a session's payments, the latest first.
pub(crate) async fn give_back(
    store: &Store,
    tx: &mut PgConnection,
    session: SessionId,
    amount: Vnd,
    (ground, actor): (RefundGround, &str),
    now: Timestamp,
) -> Result<Vec<RefundId>, StoreError> {
    let payments: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT payment_id, payment.amount_vnd - refunded_vnd(payment_id)
         FROM payment JOIN purchase USING (purchase_id)
         WHERE session_id = $1 AND payment.status = 'posted'
         ORDER BY purchase.starts_at DESC, posted_at DESC",
    )
    .bind(session.0)
    .fetch_all(&mut *tx)
    .await?;
    let mut left = amount.get();
    let mut refunds = Vec::new();
    for (payment, available) in payments {
        let part = left.min(available);
        if part <= 0 {
            continue;
        }
        let refund = store
            .payment_refund(tx, PaymentId(payment), Vnd::new(part), ground, actor, now)
            .await?;
        refunds.push(refund);
        left -= part;
    }
    Ok(refunds)
}

/// What has been paid for a session, less what went back. No more goes back of it before this transaction ends: whoever
/// gives money back locks it first.
pub(crate) async fn paid(tx: &mut PgConnection, session: SessionId) -> Result<Vnd, StoreError> {
    sqlx::query(
        "SELECT FROM bank_notice JOIN payment USING (payment_id) JOIN purchase USING (purchase_id)
         WHERE session_id = $1 ORDER BY bank_notice.gateway, bank_ref FOR UPDATE OF bank_notice",
    )
    .bind(session.0)
    .execute(&mut *tx)
    .await?;
    Ok(paid_vnd(&purchases_of(&mut *tx, session).await?))
}

/// Lowers what a metered session's payment asks for to what the time cost. What costs nothing
/// gives up all that was reserved.
async fn charge(
    tx: &mut PgConnection,
    stop: &Stop,
    quote: &Quote,
    now: Timestamp,
) -> Result<Stopped, StoreError> {
    let payment: Option<Uuid> = sqlx::query_scalar(
        "SELECT payment_id FROM purchase JOIN payment USING (purchase_id)
         WHERE session_id = $1 AND kind = 'start' AND payment.status = $2
         FOR UPDATE",
    )
    .bind(stop.session.0)
    .bind(PaymentStatus::Pending.code())
    .fetch_optional(&mut *tx)
    .await?;
    // Where the longest stay was free nothing was reserved.
    if payment.is_none() && quote.amount_vnd != Vnd::ZERO {
        return Err(StoreError::NotFound("payment"));
    }
    sqlx::query(
        "UPDATE purchase SET amount_vnd = $2::bigint, lines = $3,
            ends_at = greatest($4, starts_at + interval '1 microsecond'),
            status = CASE WHEN $2::bigint = 0 THEN 'paid' ELSE status END
         WHERE session_id = $1 AND kind = 'start'",
    )
    .bind(stop.session.0)
    .bind(quote.amount_vnd.get())
    .bind(Json(&quote.lines))
    .bind(stop.at)
    .execute(&mut *tx)
    .await?;
    let Some(payment) = payment else {
        return Ok(Stopped::Done(Vec::new()));
    };
    if quote.amount_vnd == Vnd::ZERO {
        crate::payment::payment_void(tx, payment, "nothing to pay", now).await?;
        return Ok(Stopped::Done(Vec::new()));
    }
    sqlx::query("UPDATE payment SET amount_vnd = $2 WHERE payment_id = $1")
        .bind(payment)
        .bind(quote.amount_vnd.get())
        .execute(&mut *tx)
        .await?;
    // Should the settlement that follows be lost, whoever works the outbox makes it.
    let due = now + chrono::TimeDelta::seconds(10);
    crate::outbox::outbox_insert(tx, crate::outbox::OutboxKind::Payment, &[payment], due, now)
        .await?;
    Ok(Stopped::Settle(PaymentId(payment), quote.amount_vnd))
}
