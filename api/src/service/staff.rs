//! Signing staff in.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::http::HeaderMap;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::board::{LotSummary, StaffBay};
use store::staff::{Staff, StaffSignIn};

use crate::client::Client;
use crate::cookie::SameSite;
use crate::places::Place;
use crate::secret::{random_token, sha256};
use crate::{ApiError, App, throttle};

/// How long a browser stays signed in: a shift with its overtime.
pub const LOGIN_TIME: TimeDelta = TimeDelta::hours(12);

/// The cookie that holds a staff token.
pub const COOKIE: &str = "clearbay_staff";

/// A browser at the door.
#[derive(Clone, Copy, Debug)]
pub struct Browser<'a> {
    /// Where it is.
    pub client: Client,
    /// The token that it still holds, not looked at yet.
    held: Option<&'a str>,
}

impl<'a> Browser<'a> {
    /// The browser that sends these headers.
    pub fn new(app: &App, client: Client, headers: &'a HeaderMap) -> Self {
        let held = held_token(app, headers);
        Self { client, held }
    }

    /// It is given a new token, which takes the place of the one that it holds.
    pub(super) fn signs_in(self, token: &str, now: Timestamp) -> StaffSignIn {
        StaffSignIn {
            token_hash: sha256(token.as_bytes()),
            replaces: self.held.map(|held| sha256(held.as_bytes())),
            from: self.client.to_string(),
            at: now,
            expires_at: now + LOGIN_TIME,
        }
    }
}

/// OWASP's recommendation for argon2id: 19 MiB, two passes, one lane.
fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// The hash of a password, in PHC form.
///
/// # Errors
/// [`ApiError::Internal`] where hashing fails.
pub fn hash_password(password: &str) -> Result<String, ApiError> {
    let salt =
        SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(|_| ApiError::Internal)?;
    let hash = hasher().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|_| ApiError::Internal)
}

/// Signs a browser in; the result is its token.
///
/// # Errors
/// [`ApiError::Unauthorized`], after the same work whether the login or the password is wrong;
/// [`ApiError::TooOften`] after some failures, whether or not there is such a login, or after many attempts from one
/// address, and
/// [`ApiError::Unavailable`] where too many sign in at once.
pub async fn sign_in(
    app: &App,
    login: &str,
    password: String,
    browser: Browser<'_>,
    now: Timestamp,
) -> Result<String, ApiError> {
    let client = browser.client;
    let turns = &app.limits.sign_ins_from;
    let signed_in = match turns.take_of_known(client.turns_of(), now) {
        Ok(()) => try_to_sign_in(app, login, password, browser, now).await,
        Err(wait_s) => Err(ApiError::TooOften { wait_s }),
    };
    let outcome = match &signed_in {
        Ok(_) => "in",
        Err(ApiError::Unauthorized) => "refused",
        Err(ApiError::TooOften { .. }) => "must_wait",
        Err(_) => "failed",
    };
    metrics::counter!("clearbay_staff_sign_ins_total", "outcome" => outcome).increment(1);
    // Who mistypes may have written a password for the login: neither is in the log.
    let login = hex::encode(&sha256(login.as_bytes())[..4]);
    match outcome {
        "in" => tracing::info!(login_sha256 = login, from = %client, "staff signed in"),
        _ => {
            tracing::warn!(login_sha256 = login, outcome, from = %client, "staff could not sign in")
        }
    }
    signed_in
}

async fn try_to_sign_in(
    app: &App,
    login: &str,
    password: String,
    browser: Browser<'_>,
    now: Timestamp,
) -> Result<String, ApiError> {
    // First, so that nothing is written down for whoever finds no place.
    let place = app.limits.hashing.place(browser.client.turns_of())?;
    let attempt = throttle::attempt(app, login, browser.client, now).await?;
    let token = random_token();
    match open(app, login, password, place, &browser.signs_in(&token, now)).await {
        Ok(true) => {
            attempt.went_well(now).await;
            Ok(token)
        }
        Ok(false) => Err(ApiError::Unauthorized),
        Err(error) => {
            attempt.withdrawn().await;
            Err(error)
        }
    }
}

/// Opens a session for whose login and password these are; whether they are anybody's.
async fn open(
    app: &App,
    login: &str,
    password: String,
    place: Place,
    sign_in: &StaffSignIn,
) -> Result<bool, ApiError> {
    let found = app.store.staff_find(login).await?;
    let hash = found.as_ref().map(|(_, hash)| hash.clone());
    let check = move || is_password(hash.as_deref(), &password);
    let is_right = app.limits.hashing.run(place, check).await?;
    let Some((staff, hash)) = found.filter(|_| is_right) else {
        return Ok(false);
    };
    Ok(app
        .store
        .staff_login_open(staff.staff_id, &hash, sign_in)
        .await?)
}

/// Whether that is the password, after the same work where there is no hash to compare it with.
fn is_password(hash: Option<&str>, password: &str) -> bool {
    match hash {
        Some(hash) => PasswordHash::new(hash)
            .is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok()),
        None => {
            let _ = hash_password(password);
            false
        }
    }
}

/// Who has signed in with the browser that sends these headers.
///
/// # Errors
/// As [`find`].
pub async fn signed_in(app: &App, headers: &HeaderMap, now: Timestamp) -> Result<Staff, ApiError> {
    find(app, held_token(app, headers), now).await
}

/// The token that a browser holds, not yet checked.
pub fn held_token<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    app.cookies().get(headers, COOKIE)
}

/// The cookie by which a browser keeps a staff token; an empty token makes it forget.
pub fn set_cookie(app: &App, token: &str) -> String {
    let age_s = if token.is_empty() {
        0
    } else {
        LOGIN_TIME.num_seconds()
    };
    app.cookies().set(COOKIE, token, age_s, SameSite::Strict)
}

/// Whose token that is.
///
/// # Errors
/// [`ApiError::Unauthorized`] where it is nobody's or has run out.
pub async fn find(app: &App, token: Option<&str>, now: Timestamp) -> Result<Staff, ApiError> {
    let token = token.ok_or(ApiError::Unauthorized)?;
    app.store
        .staff_login(&sha256(token.as_bytes()), now)
        .await?
        .ok_or(ApiError::Unauthorized)
}

/// Signs a browser out, on the record.
///
/// # Errors
/// Where the database fails.
pub async fn sign_out(app: &App, browser: Browser<'_>, now: Timestamp) -> Result<(), ApiError> {
    let Some(token) = browser.held else {
        return Ok(());
    };
    let hash = sha256(token.as_bytes());
    let from = browser.client.to_string();
    Ok(app.store.staff_login_close(&hash, &from, now).await?)
}

/// Refuses whoever is not the city's own staff.
///
/// # Errors
/// [`ApiError::Forbidden`].
pub fn city_only(staff: &Staff) -> Result<(), ApiError> {
    match staff.operator {
        Some(_) => Err(ApiError::Forbidden),
        None => Ok(()),
    }
}

/// A lot of one's own with its bays.
///
/// # Errors
/// [`ApiError::NotFound`] where there is none; [`ApiError::Forbidden`] where it is another operator's.
pub async fn own_lot(
    app: &App,
    staff: &Staff,
    code: &str,
    now: Timestamp,
) -> Result<(LotSummary, Vec<StaffBay>), ApiError> {
    match app.live.staff_lot(code, now).await {
        Some((lot, bays)) if may_see(staff, &lot) => Ok((lot, bays)),
        Some(_) => Err(ApiError::Forbidden),
        None => Err(ApiError::NotFound("lot")),
    }
}

/// Whether a member of staff may see a lot.
pub fn may_see(staff: &Staff, lot: &LotSummary) -> bool {
    staff
        .operator
        .as_ref()
        .is_none_or(|operator| *operator == lot.operator)
}
