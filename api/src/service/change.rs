//! What may happen to a session after it began: more time, an early end, another bay or plate.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{PurchaseId, SessionId};
use domain::money::Vnd;
use domain::plate::Plate;
use domain::session::{DurationError, GRACE, PLATE_WINDOW, SessionStatus, StoppedBy};
use domain::tariff::{Quote, TariffBook};
use store::audit::DRIVER;
use store::idempotency::Intent;
use store::place::BayPlace;
use store::purchase::{bought_vnd, paid_vnd};
use store::session::Session;
use store::session_change::{Extended, NewExtension};
use store::session_stop::{Stop, StopMoney, Stopped};
use store::staff::Staff;
use uuid::Uuid;

use super::payment::{Reserved, pay_from_wallet};
use super::session::{self, Priced, tariff_of};
use super::settlement::show;
use super::staff::own_lot;
use crate::secret::sha256;
use crate::{ApiError, App};

const NOT_IN_FORCE: ApiError = ApiError::Conflict("this session is not in force");

/// How much more time a driver is offered, in minutes.
const OFFERED: [u32; 3] = [30, 60, 120];

/// How often a change is counted anew that another one came before.
const ATTEMPTS: usize = 3;

/// The prices of a session: those to which its driver was entitled when it began.
fn book<'a>(bay: &'a BayPlace, session: &'a Session) -> TariffBook<'a> {
    session::book(bay, session.class)
        .after(session.parked_before)
        .entitled(session.entitlement.as_ref())
}

/// More time, with its price and where that comes from.
#[derive(Clone, Debug)]
pub struct Extension {
    /// What is to be paid.
    pub purchase: PurchaseId,
    /// The new end, once it is paid.
    pub ends_at: Timestamp,
    /// The price, and its reasons.
    pub quote: Quote,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// The price of `minutes` more: what the whole stay costs, less what has been paid (`bought`). What went back of that,
/// for it was paid twice or by a dispute, is not asked for again.
///
/// # Errors
/// [`ApiError::Conflict`] where the session is not in force, or its grace has run out;
/// [`ApiError::Unprocessable`] beyond the longest stay.
pub fn extension_price(
    bay: &BayPlace,
    session: &Session,
    bought: Vnd,
    minutes: u32,
    now: Timestamp,
) -> Result<Priced, ApiError> {
    let in_force = session.status == SessionStatus::Paid && session.stopped_at.is_none();
    if in_force && session.metered {
        return Err(ApiError::Conflict(
            "this session has no end to move: it runs until it is stopped",
        ));
    }
    if !in_force || now >= session.ends_at + GRACE {
        return Err(NOT_IN_FORCE);
    }
    let (_, tariff) = tariff_of(bay, session.class, session.starts_at)?;
    let ends_at = session.ends_at + TimeDelta::minutes(i64::from(minutes));
    let longest = TimeDelta::minutes(i64::from(tariff.max_stay_min));
    if minutes == 0 {
        return Err(ApiError::Unprocessable(
            "an extension is at least one minute".to_owned(),
        ));
    }
    if ends_at - session.starts_at > longest {
        return Err(DurationError::TooLong(tariff.max_stay_min).into());
    }
    // The tax is that of the time which is sold: a version that came into force meanwhile may have another.
    let (_, then) = tariff_of(bay, session.class, session.ends_at)?;
    Ok(Priced {
        tariff: session.tariff,
        starts_at: session.ends_at,
        ends_at,
        quote: book(bay, session).extension(session.starts_at, ends_at, bought)?,
        vat_bp: then.vat_bp,
    })
}

/// The more time that a driver is offered, in minutes, each with its price: none where none can be had. What has been
/// paid is `bought`.
pub fn more_time(
    bay: &BayPlace,
    session: &Session,
    bought: Vnd,
    now: Timestamp,
) -> Vec<(u32, Priced)> {
    let priced = OFFERED.map(|minutes| {
        let priced = extension_price(bay, session, bought, minutes, now);
        Some((minutes, priced.ok()?))
    });
    priced.into_iter().flatten().collect()
}

/// Wishes for more time, once per key. It is granted once it is paid; at once where it costs
/// nothing.
///
/// # Errors
/// As [`extension_price`], and [`ApiError::KeyReused`].
pub async fn extend(
    app: &App,
    session: &Session,
    minutes: u32,
    key: String,
    now: Timestamp,
) -> Result<Extension, ApiError> {
    let fingerprint = sha256(format!("{}\n{minutes}", session.id).as_bytes());
    let intent = Intent::new(key, fingerprint);
    let bay = app.store.bay_place(&session.bay_code).await?;
    let mut session = session.clone();
    for _ in 0..ATTEMPTS {
        let purchases = app.store.session_purchases(session.id).await?;
        let bought = bought_vnd(&purchases);
        let priced = match extension_price(&bay, &session, bought, minutes, now) {
            Ok(priced) => priced,
            // A repeated request may come when the session has moved on.
            Err(error) => return repeated(app, &session, &intent).await?.ok_or(error),
        };
        let Priced { ends_at, quote, .. } = priced.clone();
        let new = NewExtension {
            id: PurchaseId(Uuid::now_v7()),
            session: session.id,
            tariff: priced.tariff,
            from: priced.starts_at,
            to: priced.ends_at,
            quote: priced.quote,
            vat_bp: priced.vat_bp,
            intent: intent.clone(),
        };
        match app.store.session_extend(&new, now).await? {
            Extended::Created(purchase) => {
                if quote.amount_vnd == Vnd::ZERO {
                    let time = (session.bay, session.starts_at, ends_at);
                    show(app, session.id, time, now).await;
                }
                return Ok(Extension {
                    purchase,
                    ends_at,
                    quote,
                    created_at: now,
                });
            }
            Extended::Existing(purchase) => return existing(app, session.id, purchase).await,
            Extended::KeyMismatch => return Err(ApiError::KeyReused),
            Extended::NotInForce => return Err(NOT_IN_FORCE),
            Extended::Changed => session = app.store.session(session.id).await?,
        }
    }
    Err(ApiError::Unavailable("the session is being changed"))
}

async fn repeated(
    app: &App,
    session: &Session,
    intent: &Intent,
) -> Result<Option<Extension>, ApiError> {
    match app.store.idempotency_find("extension", intent).await? {
        Some(store::idempotency::Claim::Done(id)) => {
            Ok(Some(existing(app, session.id, PurchaseId(id)).await?))
        }
        Some(_) => Err(ApiError::KeyReused),
        None => Ok(None),
    }
}

/// An extension that was wished for before.
///
/// # Errors
/// [`ApiError::Conflict`] where it has lapsed since.
pub async fn existing(
    app: &App,
    session: SessionId,
    purchase: PurchaseId,
) -> Result<Extension, ApiError> {
    let purchases = app.store.session_purchases(session).await?;
    let found = purchases
        .into_iter()
        .find(|known| known.id == purchase)
        .ok_or(ApiError::Conflict("this extension has lapsed"))?;
    Ok(Extension {
        purchase,
        ends_at: found.time.map(|time| time.1).unwrap_or(found.created_at),
        quote: found.quote,
        created_at: found.created_at,
    })
}

/// Ends a session at `at`, on the word of `by`. What becomes of the time that was paid for and is
/// given back is the tariff's decision. Ending it again changes nothing.
///
/// # Errors
/// [`ApiError::Conflict`] where it is not in force.
pub async fn stop(
    app: &App,
    session: &Session,
    at: Timestamp,
    (by, actor): (StoppedBy, &str),
    now: Timestamp,
) -> Result<Session, ApiError> {
    let bay = app.store.bay_place(&session.bay_code).await?;
    let mut session = session.clone();
    for _ in 0..ATTEMPTS {
        if session.stopped_at.is_some() {
            return Ok(session);
        }
        let over = session.ends_at <= now && !session.metered;
        if session.status != SessionStatus::Paid || over {
            return Err(NOT_IN_FORCE);
        }
        let at = at.clamp(session.starts_at, session.ends_at);
        let stop = Stop {
            session: session.id,
            at,
            by,
            actor: actor.to_owned(),
            expected_end: session.ends_at,
            money: money(&bay, &session, paid_of(app, &session).await?, at)?,
        };
        let stopped = app.store.session_stop(&stop, now).await?;
        if let Stopped::Settle(payment, amount) = &stopped {
            let payment = app.store.payment(*payment).await?;
            match pay_from_wallet(app, &payment, *amount, now).await {
                Ok(Reserved::Taken) => {}
                Ok(Reserved::Released(why)) => {
                    tracing::warn!(%why, "a stopped session has been settled otherwise");
                }
                // Lost now, it is made by the outbox.
                Err(error) => tracing::warn!(%error, "a stopped session is settled later"),
            }
        }
        session = app.store.session(session.id).await?;
        match stopped {
            Stopped::Changed => {}
            Stopped::NotInForce => return Err(NOT_IN_FORCE),
            _ => {
                let time = (session.bay, session.starts_at, session.ends_at);
                show(app, session.id, time, now).await;
                metrics::counter!("clearbay_sessions_stopped_total", "by" => by.code())
                    .increment(1);
                return Ok(session);
            }
        }
    }
    Err(ApiError::Unavailable("the session is being changed"))
}

/// What has been paid for a session and has not gone back.
pub(super) async fn paid_of(app: &App, session: &Session) -> Result<Vnd, ApiError> {
    Ok(paid_vnd(&app.store.session_purchases(session.id).await?))
}

/// What an end at `at` does to a session's money.
fn money(
    bay: &BayPlace,
    session: &Session,
    of_paid: Vnd,
    at: Timestamp,
) -> Result<StopMoney, ApiError> {
    let book = book(bay, session);
    if session.metered {
        // A moment that was not even begun is charged as the shortest there is.
        let end = at.max(session.starts_at + TimeDelta::microseconds(1));
        // More than was told and reserved is not to be had, whatever prices have become since.
        let quote = book.quote(session.starts_at, end)?;
        return Ok(StopMoney::Charge(quote.at_most(session.quote.amount_vnd)?));
    }
    let back = book.refund(session.starts_at, session.ends_at, at, of_paid)?;
    Ok(StopMoney::GiveBack { back, of_paid })
}

/// What a session that is paid for when it ends has cost by `now`, while it runs; `None` for any other.
///
/// # Errors
/// [`ApiError::Unprocessable`] where that time cannot be priced.
pub fn cost_so_far(
    bay: &BayPlace,
    session: &Session,
    now: Timestamp,
) -> Result<Option<Quote>, ApiError> {
    let runs = session.status == SessionStatus::Paid && session.stopped_at.is_none();
    if !session.metered || !runs {
        return Ok(None);
    }
    match money(bay, session, Vnd::ZERO, now.min(session.ends_at))? {
        StopMoney::Charge(quote) => Ok(Some(quote)),
        StopMoney::GiveBack { .. } => Ok(None),
    }
}

/// What of `paid` would go back if a session ended at `at`.
///
/// # Errors
/// [`ApiError::Unprocessable`] where the time used cannot be priced.
pub fn refund_if_stopped(
    bay: &BayPlace,
    session: &Session,
    paid: Vnd,
    at: Timestamp,
) -> Result<Vnd, ApiError> {
    if session.metered || at >= session.ends_at || session.status != SessionStatus::Paid {
        return Ok(Vnd::ZERO);
    }
    match money(bay, session, paid, at)? {
        StopMoney::GiveBack { back, .. } => Ok(back),
        StopMoney::Charge(_) => Ok(Vnd::ZERO),
    }
}

/// A session of one's own lots.
///
/// # Errors
/// [`ApiError::NotFound`] where there is none; [`ApiError::Forbidden`] where it is another operator's.
pub async fn of_staff(
    app: &App,
    staff: &Staff,
    id: SessionId,
    now: Timestamp,
) -> Result<Session, ApiError> {
    let session = app.store.session(id).await?;
    let place = app.store.bay_place(&session.bay_code).await?;
    own_lot(app, staff, &place.lot_code, now).await?;
    Ok(session)
}

/// Whoever pays a notice need not be the driver.
const OF_NOTICE: ApiError =
    ApiError::Conflict("this session pays a notice: it stays with its vehicle and bay");

/// Whether a driver may give a session to another vehicle or bay.
async fn may_be_moved(app: &App, session: &Session) -> Result<(), ApiError> {
    match app.store.session_notice(session.id).await? {
        Some(_) => Err(OF_NOTICE),
        None => Ok(()),
    }
}

/// Corrects a session's plate: its driver within [`PLATE_WINDOW`] of its beginning, staff, who see the
/// vehicle, as long as it is in force.
///
/// # Errors
/// [`ApiError::Conflict`] where it is too late, or the price rests on the plate.
pub async fn correct_plate(
    app: &App,
    session: &Session,
    plate: &Plate,
    staff: Option<&Staff>,
    now: Timestamp,
) -> Result<(), ApiError> {
    if session.entitlement.is_some() {
        return Err(ApiError::Conflict(
            "this price is for that plate only: stop this session and start one for the other",
        ));
    }
    if staff.is_none() {
        may_be_moved(app, session).await?;
    }
    let late = staff.is_none() && now > session.created_at + PLATE_WINDOW;
    let actor = staff.map_or_else(|| DRIVER.to_owned(), Staff::actor);
    let changed = !late
        && app
            .store
            .session_replate(session.id, plate, &actor, now)
            .await?;
    if changed {
        Ok(())
    } else {
        Err(ApiError::Conflict(
            "a plate can be corrected within 15 minutes, while the session is in force",
        ))
    }
}

/// Whether a driver may move a session to that bay.
///
/// # Errors
/// Where the database fails, or there is no such bay.
pub async fn may_move(app: &App, session: &Session, bay: &str) -> Result<bool, ApiError> {
    match movable(app, session, bay, DRIVER).await {
        Ok(_) => Ok(true),
        Err(ApiError::Conflict(_) | ApiError::Unprocessable(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The bay to which a session may be moved: of the same price, operator and class.
async fn movable(
    app: &App,
    session: &Session,
    bay: &str,
    actor: &str,
) -> Result<BayPlace, ApiError> {
    if actor == DRIVER {
        may_be_moved(app, session).await?;
    }
    // Both at once, so that their prices are read alike.
    let both = [session.bay_code.clone(), bay.to_owned()];
    let places = app.store.bay_places(&both).await?;
    let place = |code: &str| {
        let found = places.iter().find(|place| place.code == code);
        found.ok_or(ApiError::NotFound("bay"))
    };
    let (from, to) = (place(&session.bay_code)?, place(bay)?);
    let price = |bay: &BayPlace| bay.tariffs.iter().map(|v| v.id).collect::<Vec<_>>();
    if price(from) != price(to) || from.operator != to.operator || from.class != to.class {
        return Err(ApiError::Unprocessable(format!(
            "bay {} has another price or operator: stop this session and start one there",
            to.code
        )));
    }
    Ok(to.clone())
}

/// Moves a session to the bay in which the vehicle stands. Its paid time stays, so both bays must
/// have the same price and the same operator.
///
/// # Errors
/// [`ApiError::Unprocessable`] where they do not; [`ApiError::Conflict`] where the session is not
/// in force.
pub async fn move_to(
    app: &App,
    session: &Session,
    bay: &str,
    actor: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let to = movable(app, session, bay, actor).await?;
    let left = app
        .store
        .session_move(session.id, to.id, actor, now)
        .await?
        .ok_or(NOT_IN_FORCE)?;
    app.live.unpay(left, session.id, now).await;
    let time = (to.id, session.starts_at, session.ends_at);
    show(app, session.id, time, now).await;
    Ok(())
}
