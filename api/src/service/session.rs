//! Quotes and sessions.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{SessionId, TariffId};
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::session::{PAYMENT_WINDOW, SessionStatus, end_of};
use domain::tariff::{Quote, Tariff, TariffBook};
use store::idempotency::{Claim, Intent};
use store::place::BayPlace;
use store::session::{NewSession, Session};
use uuid::Uuid;

use crate::secret::sha256;
use crate::{ApiError, App};

/// The cookie in which a page keeps its driver's session: `<session id>.<token>`.
pub const COOKIE: &str = "clearbay_session";

/// How far back an uploaded session may start.
const MAX_UPLOAD_AGE: TimeDelta = TimeDelta::days(62);

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
    /// From when, for uploads of what was sold offline; `None` is now.
    pub at: Option<Timestamp>,
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
            key,
        } = self;
        let at = at.map(|at| at.timestamp_micros());
        let text = format!("{bay}\n{}\n{class}\n{minutes}\n{at:?}", plate.reveal());
        Intent {
            key: key.clone(),
            fingerprint: sha256(text.as_bytes()),
        }
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

/// The price of `minutes` from `at` in `bay`.
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
    let versions = bay.tariffs.iter().map(|version| &version.tariff);
    // All versions, for another may come into force during the stay.
    let quote = TariffBook::new(versions, class, bay.timezone).quote(at, ends_at)?;
    Ok(Priced {
        tariff,
        starts_at: at,
        ends_at,
        quote,
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

/// Opens one session, once per key.
///
/// # Errors
/// [`ApiError::NotFound`] for an unknown bay, [`ApiError::Unprocessable`] for what cannot be
/// priced, [`ApiError::KeyReused`] for a key of another request.
pub async fn open(app: &App, request: SessionRequest, now: Timestamp) -> Result<Opened, ApiError> {
    let mut results = open_many(app, std::slice::from_ref(&request), now).await?;
    let id = results.pop().unwrap_or(Err(ApiError::Internal))?;
    let session = app.store.session(id).await?;
    Ok(Opened {
        token: app.secrets.session_token(id),
        session,
    })
}

/// Opens many sessions, each once per key. Keys must differ. The result is in the order of the
/// argument: one that cannot be opened does not stop the others.
///
/// # Errors
/// Where the database fails; then none is opened.
pub async fn open_many(
    app: &App,
    requests: &[SessionRequest],
    now: Timestamp,
) -> Result<Vec<Result<SessionId, ApiError>>, ApiError> {
    let codes: Vec<String> = requests.iter().map(|request| request.bay.clone()).collect();
    let bays = app.store.bay_places(&codes).await?;
    let prepared: Vec<Result<NewSession, ApiError>> = requests
        .iter()
        .map(|request| {
            let bay = bays.iter().find(|bay| bay.code == request.bay);
            prepare(bay.ok_or(ApiError::NotFound("bay"))?, request, now)
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
            match claims.next() {
                Some(Claim::New) => Ok(new.id),
                Some(Claim::Done(id)) => Ok(SessionId(id)),
                Some(Claim::Mismatch) => Err(ApiError::KeyReused),
                None => Err(ApiError::Internal),
            }
        })
        .collect())
}

fn prepare(
    bay: &BayPlace,
    request: &SessionRequest,
    now: Timestamp,
) -> Result<NewSession, ApiError> {
    let at = request.at.unwrap_or(now);
    if at > now || at < now - MAX_UPLOAD_AGE {
        return Err(ApiError::Unprocessable(
            "a session cannot start in the future or more than 62 days ago".to_owned(),
        ));
    }
    let priced = price(bay, request.class, request.minutes, at)?;
    Ok(NewSession {
        id: SessionId(Uuid::now_v7()),
        bay: bay.id,
        tariff: priced.tariff,
        plate: request.plate.clone(),
        class: request.class,
        starts_at: priced.starts_at,
        ends_at: priced.ends_at,
        quote: priced.quote,
        intent: request.intent(),
    })
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
        SessionStatus::Paid if now < session.ends_at => "paid",
        SessionStatus::Paid => "ended",
        SessionStatus::Pending => "pending",
        SessionStatus::Lapsed => "lapsed",
    }
}
