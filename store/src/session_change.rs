//! What may happen to a session that is in force: more time, another bay, another plate. Each locks
//! the session first, so that two at once see each other.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{BayId, PurchaseId, SessionId, TariffId};
use domain::money::Vnd;
use domain::plate::Plate;
use domain::purchase::PurchaseKind;
use domain::session::SessionStatus;
use domain::tariff::Quote;
use sqlx::{FromRow, PgConnection};

use crate::audit::{Audit, DRIVER, audit_insert};
use crate::idempotency::{Claim, Intent, claim};
use crate::purchase::{NewPurchase, purchases_insert};
use crate::session_double::{Bought, doubles_note};
use crate::{Store, StoreError, corrupt};

/// Longer than minutes are free anywhere.
const FREE_FOREGONE: TimeDelta = TimeDelta::days(1);

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

#[derive(FromRow)]
pub(crate) struct Locked {
    pub(crate) status: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) stopped_at: Option<Timestamp>,
    pub(crate) bay_id: i32,
    plate: String,
}

impl Locked {
    pub(crate) fn is_paid(&self) -> bool {
        self.status == SessionStatus::Paid.code()
    }

    /// Its time, in a bay.
    fn bought(&self, session: SessionId, bay: i32) -> Bought {
        Bought {
            session: session.0,
            bay,
            time: (self.starts_at, self.ends_at),
        }
    }
}

/// Whether a session's first time was free: under one plate after the other it would be had without end.
async fn costs_nothing(tx: &mut PgConnection, session: SessionId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM purchase
                        WHERE purchase_id = $1 AND amount_vnd = 0)",
    )
    .bind(session.0)
    .fetch_one(tx)
    .await?)
}

pub(crate) async fn lock(tx: &mut PgConnection, session: SessionId) -> Result<Locked, StoreError> {
    let row: Option<Locked> = sqlx::query_as(
        "SELECT status, starts_at, ends_at, stopped_at, bay_id, plate FROM session
         WHERE session_id = $1 FOR NO KEY UPDATE",
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
        let mut tx = self.begin().await?;
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
            ..Audit::new(DRIVER, "session.extend")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Extended::Created(new.id))
    }

    /// Corrects the plate of a session that is in force or waits for its money. The result is
    /// `false` where it is neither. A session whose driver corrects it has no free minutes: under one plate after the
    /// other they would be had without end.
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
        let mut tx = self.begin().await?;
        let locked = lock(&mut tx, session).await?;
        let old = Plate::stored(&locked.plate).map_err(|why| corrupt("plate", why))?;
        if locked.status == SessionStatus::Lapsed.code() || locked.ends_at <= now {
            return Ok(false);
        }
        if old == *plate {
            return Ok(true);
        }
        if actor == DRIVER && costs_nothing(&mut tx, session).await? {
            return Ok(false);
        }
        let parked_before = match actor {
            DRIVER => FREE_FOREGONE,
            _ => TimeDelta::zero(),
        };
        sqlx::query(
            "UPDATE session SET plate = $2, parked_before_s = greatest(parked_before_s, $3)
             WHERE session_id = $1",
        )
        .bind(session.0)
        .bind(plate.reveal())
        .bind(i32::try_from(parked_before.num_seconds()).unwrap_or(i32::MAX))
        .execute(&mut *tx)
        .await?;
        if locked.is_paid() {
            doubles_note(&mut tx, &[locked.bought(session, locked.bay_id)]).await?;
        }
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
        let mut tx = self.begin().await?;
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
            doubles_note(&mut tx, &[locked.bought(session, bay.0)]).await?;
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
}
