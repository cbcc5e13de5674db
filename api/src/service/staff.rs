//! Signing staff in.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::http::HeaderMap;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::board::{LotSummary, StaffBay};
use store::staff::{Proof, Staff, StaffLogin, StaffSignIn};

use super::{second_factor, staff_code};
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

/// How far a password leads.
#[derive(Debug)]
pub enum SignIn {
    /// In: this is the browser's token.
    Done(String),
    /// To the question for a code. This value of `Set-Cookie` lets the browser answer it, and nothing else.
    CodeNeeded(String),
}

/// Signs a browser in by a password, as far as that leads.
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
) -> Result<SignIn, ApiError> {
    let signed_in = try_to_sign_in(app, login, password, browser, now).await;
    let outcome = match &signed_in {
        Ok(SignIn::Done(_)) => "in",
        Ok(SignIn::CodeNeeded(_)) => "code_asked",
        Err(error) => refusal(error),
    };
    told(outcome, login, browser.client);
    signed_in
}

/// What a metric calls a sign-in that was refused.
pub(super) fn refusal(error: &ApiError) -> &'static str {
    match error {
        ApiError::Unauthorized => "refused",
        ApiError::WrongCode => "wrong_code",
        ApiError::TooOften { .. } => "must_wait",
        _ => "failed",
    }
}

/// Counts a sign-in and tells the log of it.
pub(super) fn told(outcome: &'static str, login: &str, client: Client) {
    metrics::counter!("clearbay_staff_sign_ins_total", "outcome" => outcome).increment(1);
    // Who mistypes may have written a password for the login: neither is in the log.
    let login = hex::encode(&sha256(login.as_bytes())[..4]);
    match outcome {
        "in" => tracing::info!(login_sha256 = login, from = %client, "staff signed in"),
        "code_asked" => {
            tracing::info!(login_sha256 = login, from = %client, "staff are asked for a code");
        }
        _ => {
            tracing::warn!(login_sha256 = login, outcome, from = %client, "staff could not sign in");
        }
    }
}

async fn try_to_sign_in(
    app: &App,
    login: &str,
    password: String,
    browser: Browser<'_>,
    now: Timestamp,
) -> Result<SignIn, ApiError> {
    let found = tried(app, login, password, browser.client, now).await?;
    let (staff, checked) = found.ok_or(ApiError::Unauthorized)?;
    if second_factor::own(app, &staff).await?.is_some() {
        return staff_code::ask(app, &staff, &checked, now).map(SignIn::CodeNeeded);
    }
    let opened = open(app, &staff, &checked, Proof::Password, browser, now).await;
    opened.map(SignIn::Done)
}

/// Opens a browser's session; the result is its token.
///
/// # Errors
/// [`ApiError::Unauthorized`] where the password is another by now, or they were shut out, or a second factor has come or
/// gone since.
pub(super) async fn open(
    app: &App,
    staff: &Staff,
    checked: &str,
    proof: Proof,
    browser: Browser<'_>,
    now: Timestamp,
) -> Result<String, ApiError> {
    let token = random_token();
    let sign_in = browser.signs_in(&token, now);
    let opened = app
        .store
        .staff_login_open(staff.staff_id, checked, proof, &sign_in);
    match opened.await? {
        true => Ok(token),
        false => Err(ApiError::Unauthorized),
    }
}

/// Whose login and password these are, with the hash by which that was found; an attempt that counts.
///
/// # Errors
/// [`ApiError::TooOften`] after some that were wrong, by login and by address; [`ApiError::Unavailable`] where too
/// many are tried at once.
pub(super) async fn tried(
    app: &App,
    login: &str,
    password: String,
    client: Client,
    now: Timestamp,
) -> Result<Option<(Staff, String)>, ApiError> {
    turn(app, client, now)?;
    // First, so that nothing is written down for whoever finds no place.
    let place = app.limits.hashing.place(client.turns_of())?;
    let attempt = throttle::attempt(app, login, client, now).await?;
    let found = check(app, login, password, place).await;
    match &found {
        Ok(Some(_)) => attempt.went_well(now).await,
        Ok(None) => {}
        // Our own trouble is nobody's failure.
        Err(_) => attempt.withdrawn().await,
    }
    found
}

/// Takes one of the attempts to sign in that an address has.
pub(super) fn turn(app: &App, client: Client, now: Timestamp) -> Result<(), ApiError> {
    let turns = &app.limits.sign_ins_from;
    let taken = turns.take_of_known(client.turns_of(), now);
    taken.map_err(|wait_s| ApiError::TooOften { wait_s })
}

/// Whose login and password these are, with the hash by which that was found.
async fn check(
    app: &App,
    login: &str,
    password: String,
    place: Place,
) -> Result<Option<(Staff, String)>, ApiError> {
    let found = app.store.staff_find(login).await?;
    let hash = found.as_ref().map(|(_, hash)| hash.clone());
    let check = move || is_password(hash.as_deref(), &password);
    let right = app.limits.hashing.run(place, check).await?;
    Ok(found.filter(|_| right))
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
/// [`ApiError::Unauthorized`] where it is nobody's or has run out; [`ApiError::SecondFactorRequired`] where they must
/// enrol before they do anything.
pub async fn find(app: &App, token: Option<&str>, now: Timestamp) -> Result<Staff, ApiError> {
    let login = login(app, token, now).await?;
    if second_factor::is_missing(app, &login) {
        return Err(ApiError::SecondFactorRequired);
    }
    Ok(login.staff)
}

/// Who is signed in with that token, be it that they may do nothing yet but enrol.
///
/// # Errors
/// [`ApiError::Unauthorized`] where it is nobody's or has run out.
pub async fn login(app: &App, token: Option<&str>, now: Timestamp) -> Result<StaffLogin, ApiError> {
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
