//! Quotes and sessions.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::board::EARLY_PAYMENT;
use domain::id::{SessionId, TariffId};
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::session::{OFFLINE_WINDOW, PAYMENT_WINDOW, SessionStatus, end_of};
use domain::tariff::{Quote, Tariff, TariffBook};
use store::entitlement::Holder;
use store::idempotency::{Claim, Intent};
use store::place::BayPlace;
use store::session::{NewSession, Session};
use store::terminal::Terminal;
use store::wallet::Wallet;
use uuid::Uuid;

use super::entitlement::{Rights, holder, rights};
use super::payment::{Due, Means, request};
use super::settlement::show;
use crate::secret::sha256;
use crate::{ApiError, App};

/// How far a phone's note of a start may lie from the time in its key, and ahead of our clock.
const KEY_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// How far back an uploaded session may start.
pub const MAX_UPLOAD_AGE: TimeDelta = TimeDelta::days(62);

/// A price for a bay and a time, with all that a session of it needs.
#[derive(Clone, Debug)]
pub struct Priced {
    /// The tariff version by which it was quoted.
    pub tariff: TariffId,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// The price and its reasons.
    pub quote: Quote,
    /// The value-added tax contained in it, in basis points.
    pub vat_bp: u16,
}

impl Priced {
    /// Until when the price is good: as long as a session made now may wait for its money.
    pub fn valid_until(&self) -> Timestamp {
        self.starts_at + PAYMENT_WINDOW
    }
}

/// What a driver asks for.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// The bay's code.
    pub bay: String,
    /// The driver's plate.
    pub plate: Plate,
    /// The vehicle.
    pub class: VehicleClass,
    /// For how long, in minutes.
    pub minutes: u32,
    /// From when, for what was sold or begun without a signal; `None` is now.
    pub at: Option<Timestamp>,
    /// Whether the time is paid for when it ends.
    pub metered: bool,
    /// The client's idempotency key.
    pub key: String,
}

impl SessionRequest {
    fn intent(&self) -> Intent {
        let Self {
            bay,
            plate,
            class,
            minutes,
            at,
            metered,
            key,
        } = self;
        let at = at.map(|at| at.timestamp_micros());
        let text = format!(
            "{bay}\n{}\n{class}\n{minutes}\n{at:?}\n{metered}",
            plate.reveal()
        );
        Intent::new(key.clone(), sha256(text.as_bytes()))
    }
}

/// The tariff in force for a vehicle in a bay.
///
/// # Errors
/// [`ApiError::Unprocessable`] where the bay is not made for the vehicle or has no price.
pub fn tariff_of(
    bay: &BayPlace,
    class: VehicleClass,
    at: Timestamp,
) -> Result<(TariffId, &Tariff), ApiError> {
    if class != bay.class {
        return Err(ApiError::Unprocessable(format!(
            "bay {} is for a {}, not for a {}",
            bay.code,
            bay.class.code(),
            class.code()
        )));
    }
    bay.tariffs
        .iter()
        .filter(|version| version.tariff.class == class && version.tariff.effective_from <= at)
        .max_by_key(|version| version.tariff.effective_from)
        .map(|version| (version.id, &version.tariff))
        .ok_or_else(|| ApiError::Unprocessable(format!("bay {} has no price yet", bay.code)))
}

/// All versions of a bay's prices, for another may come into force during a stay.
pub fn book(bay: &BayPlace, class: VehicleClass) -> TariffBook<'_> {
    let versions = bay.tariffs.iter().map(|version| &version.tariff);
    TariffBook::new(versions, class, bay.timezone)
}

/// The price of `minutes` from `at` in `bay`, as the board has it.
///
/// # Errors
/// [`ApiError::Unprocessable`] with the reason.
pub fn price(
    bay: &BayPlace,
    class: VehicleClass,
    minutes: u32,
    at: Timestamp,
) -> Result<Priced, ApiError> {
    let (tariff, rules) = tariff_of(bay, class, at)?;
    let ends_at = end_of(at, minutes, rules.max_stay_min)?;
    let quote = book(bay, class).quote(at, ends_at)?;
    Ok(Priced {
        tariff,
        starts_at: at,
        ends_at,
        quote,
        vat_bp: rules.vat_bp,
    })
}

/// A session with its key.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The session.
    pub session: Session,
    /// The only key to it.
    pub token: String,
}

/// Opens one session in a bay, once per key. A start that the phone noted is bounded by its key
/// and the sensor; a driver who starts now, and has not `confirmed` the bay, is asked where it
/// looks like the wrong one.
///
/// # Errors
/// [`ApiError::WrongBay`] with the bay next door; [`ApiError::ParkedElsewhere`] where an entitlement is in
/// use in another bay; [`ApiError::Unprocessable`] for what cannot be
/// priced or a time that cannot be; [`ApiError::KeyReused`] for a key of another request.
pub async fn open(
    app: &App,
    bay: &BayPlace,
    request: &SessionRequest,
    confirmed: bool,
    now: Timestamp,
) -> Result<Opened, ApiError> {
    let starts_at = match request.at {
        Some(noted) => offline_start(app, bay, noted, &request.key, now).await?,
        None if confirmed => now,
        None => {
            guard_bay(app, bay, request, now).await?;
            now
        }
    };
    let insists = confirmed || request.at.is_some();
    open_at(app, bay, request, (starts_at, insists), now).await
}

/// Opens one session, once per key, from a time that we believe. Who does not insist is asked where the
/// plate pays less than the board's price, but not here and now, for it stands elsewhere.
pub(super) async fn open_at(
    app: &App,
    bay: &BayPlace,
    request: &SessionRequest,
    (starts_at, insists): (Timestamp, bool),
    now: Timestamp,
) -> Result<Opened, ApiError> {
    let priced = price(bay, request.class, request.minutes, starts_at)?;
    let holder = holder(bay, &request.plate, request.class, &priced);
    let rights = rights(app, &[holder]).await?.pop().unwrap_or_default();
    if !insists && rights.are_missed(bay, request.class, &priced) && !is_known(app, request).await?
    {
        return Err(ApiError::ParkedElsewhere);
    }
    let new = prepare(bay, request, priced, rights);
    let claims = app.store.session_open(std::slice::from_ref(&new), now);
    let id = claimed(new.id, claims.await?.pop())?;
    let session = app.store.session(id).await?;
    if session.quote.amount_vnd.get() == 0 {
        let time = (session.bay, session.starts_at, session.ends_at);
        show(app, session.id, time, now).await;
    }
    Ok(Opened {
        token: app.secrets.session_token(id),
        session,
    })
}

/// Whether a request has opened a session before.
///
/// # Errors
/// Where the database fails.
pub async fn is_known(app: &App, request: &SessionRequest) -> Result<bool, ApiError> {
    let intent = request.intent();
    let found = app.store.idempotency_find("session", &intent).await?;
    Ok(found.is_some())
}

/// The session that was opened under a key, whatever else was asked with it: who has the key has opened it.
///
/// # Errors
/// Where the database fails.
pub async fn opened_under(app: &App, key: &str) -> Result<Option<Session>, ApiError> {
    let intent = Intent::new(key.to_owned(), Default::default());
    match app.store.idempotency_resource("session", &intent).await? {
        Some(id) => Ok(Some(app.store.session(SessionId(id)).await?)),
        None => Ok(None),
    }
}

/// Reserves the price of a metered session's longest stay in a wallet: the driver may park.
///
/// # Errors
/// [`ApiError::Conflict`] where the wallet does not cover it; the session then lapses.
pub async fn hold(
    app: &App,
    bay: &BayPlace,
    session: &Session,
    wallet: Wallet,
    key: String,
    now: Timestamp,
) -> Result<(), ApiError> {
    let due = Due {
        // It is settled when the time has ended, whenever that is.
        expires_at: session.ends_at + PAYMENT_WINDOW,
        ..Due::longest(bay, session)?
    };
    let means = Means {
        gateway: crate::gateway::wallet::CODE,
        wallet: Some(wallet),
        hold: true,
    };
    request(app, &due, means, key, now).await?;
    let time = (session.bay, session.starts_at, session.ends_at);
    show(app, session.id, time, now).await;
    Ok(())
}

/// Asks before a driver pays for a bay that looks empty while a vehicle has just come next door.
/// Who repeats a request has been asked before.
async fn guard_bay(
    app: &App,
    bay: &BayPlace,
    request: &SessionRequest,
    now: Timestamp,
) -> Result<(), ApiError> {
    match app.live.likelier_bay(&bay.lot_code, &bay.code, now).await {
        Some(likelier) if !is_known(app, request).await? => Err(ApiError::WrongBay {
            meant: bay.code.clone(),
            likelier,
        }),
        _ => Ok(()),
    }
}

/// The start of a session that was begun without a signal: the time that the phone noted, which
/// must be that of the key it made then, and never before the vehicle came, if a sensor saw it.
async fn offline_start(
    app: &App,
    bay: &BayPlace,
    noted: Timestamp,
    key: &str,
    now: Timestamp,
) -> Result<Timestamp, ApiError> {
    let refuse = |why: &str| Err(ApiError::Unprocessable(why.to_owned()));
    let made_at = Uuid::parse_str(key)
        .ok()
        .filter(|key| key.get_version_num() == 7)
        .and_then(|key| key.get_timestamp())
        .and_then(|time| {
            let (seconds, nanos) = time.to_unix();
            Timestamp::from_timestamp(i64::try_from(seconds).ok()?, nanos)
        });
    let Some(made_at) = made_at else {
        return refuse("a start without a signal needs a version 7 UUID as its Idempotency-Key");
    };
    if (noted - made_at).abs() > KEY_TOLERANCE {
        return refuse("the time of the start is not that of its Idempotency-Key");
    }
    // A phone's clock may be a little ahead of ours.
    if noted > now + KEY_TOLERANCE || noted < now - OFFLINE_WINDOW {
        return refuse("a start without a signal lies within the last 12 hours");
    }
    let noted = noted.min(now);
    let stays = app
        .store
        .bay_stays(bay.id, noted - EARLY_PAYMENT, now)
        .await?;
    // The first vehicle since then that is still there, or was last.
    let arrived = stays.last().map(|(arrived, _)| *arrived);
    Ok(arrived.map_or(noted, |arrived| noted.max(arrived - EARLY_PAYMENT)))
}

/// Opens many sessions, each once per key. Keys must differ. The result is in the order of the
/// argument: one that cannot be opened does not stop the others. A `terminal` sells in its operator's lots only.
///
/// # Errors
/// Where the database fails; then none is opened.
pub async fn open_many(
    app: &App,
    requests: &[SessionRequest],
    terminal: Option<&Terminal>,
    now: Timestamp,
) -> Result<Vec<Result<SessionId, ApiError>>, ApiError> {
    let codes: Vec<String> = requests.iter().map(|request| request.bay.clone()).collect();
    let bays = app.store.bay_places(&codes).await?;
    let priced: Vec<Result<(&BayPlace, Priced), ApiError>> = requests
        .iter()
        .map(|request| {
            let bay = bays.iter().find(|bay| bay.code == request.bay);
            let bay = bay.ok_or(ApiError::NotFound("bay"))?;
            if terminal.is_some_and(|terminal| terminal.operator != bay.operator) {
                return Err(ApiError::Unprocessable(format!(
                    "bay {} is another operator's than this terminal",
                    bay.code
                )));
            }
            let at = request.at.unwrap_or(now);
            if at > now || at < now - MAX_UPLOAD_AGE {
                return Err(ApiError::Unprocessable(
                    "a session cannot start in the future or more than 62 days ago".to_owned(),
                ));
            }
            Ok((bay, price(bay, request.class, request.minutes, at)?))
        })
        .collect();
    let holders: Vec<Holder> = requests
        .iter()
        .zip(&priced)
        .filter_map(|(request, priced)| {
            let (bay, priced) = priced.as_ref().ok()?;
            Some(holder(bay, &request.plate, request.class, priced))
        })
        .collect();
    let mut rights = rights(app, &holders).await?.into_iter();
    let prepared: Vec<Result<NewSession, ApiError>> = requests
        .iter()
        .zip(priced)
        .map(|(request, priced)| {
            let (bay, priced) = priced?;
            let rights = rights.next().unwrap_or_default();
            Ok(NewSession {
                terminal: terminal.map(|terminal| terminal.id),
                ..prepare(bay, request, priced, rights)
            })
        })
        .collect();
    let new: Vec<NewSession> = prepared
        .iter()
        .filter_map(|prepared| prepared.as_ref().ok())
        .cloned()
        .collect();
    let mut claims = app.store.session_open(&new, now).await?.into_iter();
    Ok(prepared
        .into_iter()
        .map(|prepared| {
            let new = prepared?;
            claimed(new.id, claims.next())
        })
        .collect())
}

/// The session that an intent has opened, now or before.
fn claimed(new: SessionId, claim: Option<Claim>) -> Result<SessionId, ApiError> {
    match claim {
        Some(Claim::New) => Ok(new),
        Some(Claim::Done(id)) => Ok(SessionId(id)),
        Some(Claim::Mismatch) => Err(ApiError::KeyReused),
        None => Err(ApiError::Internal),
    }
}

/// A session at the least price to which its driver is entitled.
fn prepare(bay: &BayPlace, request: &SessionRequest, priced: Priced, rights: Rights) -> NewSession {
    let parked_before = rights.parked_before;
    let (quote, entitled) = rights.least(bay, request.class, &priced);
    NewSession {
        id: SessionId(Uuid::now_v7()),
        bay: bay.id,
        tariff: priced.tariff,
        plate: request.plate.clone(),
        class: request.class,
        starts_at: priced.starts_at,
        ends_at: priced.ends_at,
        quote,
        vat_bp: priced.vat_bp,
        metered: request.metered,
        entitled,
        parked_before,
        terminal: None,
        intent: request.intent(),
    }
}

/// The session of that identity, for whoever holds its token.
///
/// # Errors
/// [`ApiError::Unauthorized`] for a wrong token, whether or not the session exists.
pub async fn find(app: &App, id: SessionId, token: &str) -> Result<Session, ApiError> {
    if !app.secrets.session_token_matches(id, token) {
        return Err(ApiError::Unauthorized);
    }
    Ok(app.store.session(id).await?)
}

/// What the driver is told of a session at `now`.
pub fn driver_status(session: &Session, now: Timestamp) -> &'static str {
    match session.status {
        SessionStatus::Paid if session.stopped_at.is_some() => "ended",
        SessionStatus::Paid if now < session.ends_at => "paid",
        SessionStatus::Paid => "ended",
        SessionStatus::Pending => "pending",
        SessionStatus::Lapsed => "lapsed",
    }
}
