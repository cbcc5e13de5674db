//! What may happen to a session that is in force: more time, an early end, another bay, another
//! plate. Each locks the session first, so that two at once see each other.

use domain::Timestamp;
use domain::id::{BayId, PaymentId, PurchaseId, RefundId, SessionId, TariffId};
use domain::money::Vnd;
use domain::payment::PaymentStatus;
use domain::plate::Plate;
use domain::purchase::PurchaseKind;
use domain::refund::RefundGround;
use domain::session::{SessionStatus, StoppedBy};
use domain::tariff::Quote;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::failpoint::{Step, commit};
use crate::idempotency::{Claim, Intent, claim};
use crate::purchase::{NewPurchase, purchases_insert};
use crate::{Store, StoreError, corrupt};

/// More time, to be written.
#[derive(Clone, Debug)]
pub struct NewExtension {
    /// Its identity, used unless the intent was done before.
    pub id: PurchaseId,
    /// The session.
    pub session: SessionId,
    /// The tariff version in force at the session's start.
    pub tariff: TariffId,
    /// The end of the session on which the price was counted.
    pub from: Timestamp,
    /// The new end.
    pub to: Timestamp,
    /// The price of the time between, and its reasons.
    pub quote: Quote,
    /// The value-added tax contained in it, in basis points.
    pub vat_bp: u16,
    /// The client's key and request.
    pub intent: Intent,
}

/// What became of a wish for more time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// It is written, and waits for its payment unless it costs nothing.
    Created(PurchaseId),
    /// It was written before.
    Existing(PurchaseId),
    /// The key belongs to another request.
    KeyMismatch,
    /// The session is not in force.
    NotInForce,
    /// Its end is another by now: count the price again.
    Changed,
}

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
    /// The time was paid before: this much of it goes back.
    GiveBack(Vnd),
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
    /// Its end is another by now: count the rest again.
    Changed,
}

#[derive(FromRow)]
struct Locked {
    status: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
    stopped_at: Option<Timestamp>,
    bay_id: i32,
    plate: String,
}

impl Locked {
    fn is_paid(&self) -> bool {
        self.status == SessionStatus::Paid.code()
    }
}

async fn lock(tx: &mut PgConnection, session: SessionId) -> Result<Locked, StoreError> {
    let row: Option<Locked> = sqlx::query_as(
        "SELECT status, starts_at, ends_at, stopped_at, bay_id, plate FROM session
         WHERE session_id = $1 FOR UPDATE",
    )
    .bind(session.0)
    .fetch_optional(tx)
    .await?;
    row.ok_or(StoreError::NotFound("session"))
}

impl Store {
    /// Writes a wish for more time, once per intent. Another wish of the same session that nobody
    /// has paid for lapses: money that comes for it yet goes back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such session.
    pub async fn session_extend(
        &self,
        new: &NewExtension,
        now: Timestamp,
    ) -> Result<Extended, StoreError> {
        let mut tx = self.pool.begin().await?;
        let session = lock(&mut tx, new.session).await?;
        match claim(&mut tx, "extension", &[(&new.intent, new.id.0)], now)
            .await?
            .first()
        {
            Some(Claim::New) => {}
            Some(Claim::Done(id)) => return Ok(Extended::Existing(PurchaseId(*id))),
            _ => return Ok(Extended::KeyMismatch),
        }
        if !session.is_paid() || session.stopped_at.is_some() {
            return Ok(Extended::NotInForce);
        }
        if session.ends_at != new.from {
            return Ok(Extended::Changed);
        }
        sqlx::query(
            "UPDATE purchase SET status = 'lapsed'
             WHERE session_id = $1 AND kind = 'extension' AND status = 'pending'",
        )
        .bind(new.session.0)
        .execute(&mut *tx)
        .await?;
        let purchase = NewPurchase {
            id: new.id,
            kind: PurchaseKind::Extension,
            session: Some(new.session),
            wallet: None,
            tariff: Some(new.tariff),
            time: Some((new.from, new.to)),
            quote: &new.quote,
            vat_bp: new.vat_bp,
        };
        purchases_insert(&mut tx, &[purchase], now).await?;
        if new.quote.amount_vnd == Vnd::ZERO {
            sqlx::query("UPDATE session SET ends_at = $2 WHERE session_id = $1")
                .bind(new.session.0)
                .bind(new.to)
                .execute(&mut *tx)
                .await?;
        }
        let audit = Audit {
            session: Some(new.session),
            detail: serde_json::json!({ "to": new.to, "amount_vnd": new.quote.amount_vnd }),
            ..Audit::new("driver", "session.extend")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Extended::Created(new.id))
    }

    /// Ends a session early.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such session; database errors. Then nothing is
    /// changed.
    pub async fn session_stop(&self, stop: &Stop, now: Timestamp) -> Result<Stopped, StoreError> {
        let mut tx = self.pool.begin().await?;
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
            StopMoney::GiveBack(amount) => {
                Stopped::Done(self.give_back(&mut tx, stop, *amount, now).await?)
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

    /// Gives `amount` back out of the session's payments, the latest first.
    async fn give_back(
        &self,
        tx: &mut PgConnection,
        stop: &Stop,
        amount: Vnd,
        now: Timestamp,
    ) -> Result<Vec<RefundId>, StoreError> {
        let payments: Vec<(Uuid, i64)> = sqlx::query_as(
            "SELECT payment_id, payment.amount_vnd - refunded_vnd(payment_id)
             FROM payment JOIN purchase USING (purchase_id)
             WHERE session_id = $1 AND payment.status = 'posted'
             ORDER BY purchase.starts_at DESC, posted_at DESC",
        )
        .bind(stop.session.0)
        .fetch_all(&mut *tx)
        .await?;
        let mut left = amount.get();
        let mut refunds = Vec::new();
        for (payment, available) in payments {
            let part = left.min(available);
            if part <= 0 {
                continue;
            }
            let refund = self
                .payment_refund(
                    tx,
                    PaymentId(payment),
                    Vnd::new(part),
                    RefundGround::Unused,
                    &stop.actor,
                    now,
                )
                .await?;
            refunds.push(refund);
            left -= part;
        }
        Ok(refunds)
    }

    /// Corrects the plate of a session that is in force or waits for its money. The result is
    /// `false` where it is neither.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such session.
    pub async fn session_replate(
        &self,
        session: SessionId,
        plate: &Plate,
        actor: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let locked = lock(&mut tx, session).await?;
        let old = Plate::parse(&locked.plate).map_err(|why| corrupt("plate", why))?;
        if locked.status == SessionStatus::Lapsed.code() || locked.ends_at <= now {
            return Ok(false);
        }
        if old == *plate {
            return Ok(true);
        }
        sqlx::query("UPDATE session SET plate = $2 WHERE session_id = $1")
            .bind(session.0)
            .bind(plate.reveal())
            .execute(&mut *tx)
            .await?;
        let audit = Audit {
            session: Some(session),
            // As `Display` shows them: masked.
            detail: serde_json::json!({ "from": old.to_string(), "to": plate.to_string() }),
            ..Audit::new(actor, "session.plate")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Moves a session to another bay; its paid time stays. The result is the bay that it leaves,
    /// or `None` where it is not in force.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such session.
    pub async fn session_move(
        &self,
        session: SessionId,
        bay: BayId,
        actor: &str,
        now: Timestamp,
    ) -> Result<Option<BayId>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let locked = lock(&mut tx, session).await?;
        if !locked.is_paid() || locked.ends_at <= now {
            return Ok(None);
        }
        if locked.bay_id != bay.0 {
            sqlx::query("UPDATE session SET bay_id = $2 WHERE session_id = $1")
                .bind(session.0)
                .bind(bay.0)
                .execute(&mut *tx)
                .await?;
            let audit = Audit {
                session: Some(session),
                detail: serde_json::json!({ "from": locked.bay_id, "to": bay }),
                ..Audit::new(actor, "session.move")
            };
            audit_insert(&mut tx, &audit, now).await?;
        }
        tx.commit().await?;
        Ok(Some(BayId(locked.bay_id)))
    }

    /// Sessions in force whose vehicle the sensor has seen leave: it came, and the bay has been
    /// free since before `gone_before`. With each, when it left. At most `limit`. Those whose tariff
    /// gives nothing back are not among them.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sessions_left(
        &self,
        gone_before: Timestamp,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(SessionId, Timestamp)>, StoreError> {
        let rows: Vec<(Uuid, Timestamp)> = sqlx::query_as(
            "SELECT session_id, since
             FROM session JOIN bay_state USING (bay_id)
             WHERE status = 'paid' AND stopped_at IS NULL AND ends_at > $2 AND starts_at <= $2
               AND NOT occupied AND since < $1 AND since > starts_at
               AND (metered OR EXISTS (
                    SELECT FROM purchase JOIN tariff USING (tariff_id)
                    WHERE purchase_id = session.session_id
                      AND coalesce(document ->> 'unused', 'kept') <> 'kept'))
               AND EXISTS (SELECT FROM stay WHERE stay.bay_id = session.bay_id
                            AND stay.ended_at = since)
             ORDER BY since LIMIT $3",
        )
        .bind(gone_before)
        .bind(now)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(id, left)| (SessionId(id), left))
            .collect())
    }

    /// Metered sessions whose longest time has run out by `now` and that nobody stopped.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sessions_run_out(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<SessionId>, StoreError> {
        let rows: Vec<Uuid> = sqlx::query_scalar(
            "SELECT session_id FROM session
             WHERE metered AND status = 'paid' AND stopped_at IS NULL AND ends_at <= $1
             ORDER BY ends_at LIMIT $2",
        )
        .bind(now)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(SessionId).collect())
    }

    /// The sensor's record of a bay between two instants: the vehicles' stays, oldest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn bay_stays(
        &self,
        bay: BayId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Option<Timestamp>)>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT started_at, ended_at FROM stay
             WHERE bay_id = $1 AND started_at < $3 AND coalesce(ended_at, $3) > $2
             ORDER BY started_at LIMIT 100",
        )
        .bind(bay.0)
        .bind(from)
        .bind(to)
        .fetch_all(&self.pool)
        .await?)
    }
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
    let payment = match payment {
        Some(payment) => Some(payment),
        // The longest stay was free, so nothing was reserved.
        None if quote.amount_vnd == Vnd::ZERO => None,
        None => return Err(StoreError::NotFound("payment")),
    };
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
