//! Drivers who sign in by their phone number and a code that is sent to it. Nobody has to: it is for
//! those who want a wallet.

use axum::http::HeaderMap;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::phone::Phone;
use rand::Rng;
use store::driver::{CodeKept, CodeLimits, Driver, NewLogin};

use super::session_cookie;
use crate::client::Client;
use crate::secret::{equal, random_token, sha256};
use crate::{ApiError, App};

/// How long a code is good.
pub const CODE_TIME: TimeDelta = TimeDelta::minutes(5);
/// How long a browser stays signed in.
pub const LOGIN_TIME: TimeDelta = TimeDelta::days(90);
/// How often a code may be tried.
const ATTEMPTS_MAX: i16 = 5;
/// Messages cost money and annoy: so many a number, and so many numbers.
const LIMITS: CodeLimits = CodeLimits {
    pause: TimeDelta::seconds(60),
    per_day: 5,
    numbers_per_hour: 2_000,
};

/// Of what a code's hash is, beside number and code, under a key that the database does not have.
const CODE_HASH: &[u8] = b"login code";

/// The cookie that holds a driver's token.
const COOKIE: &str = "clearbay_driver";

/// A driver who has just signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The driver.
    pub driver: Driver,
    /// The browser's token.
    pub token: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Whether drivers can sign in here: somebody must deliver codes.
pub fn is_offered(app: &App) -> bool {
    app.sms.is_some()
}

/// What became of a wish for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeSent {
    /// One is on its way, and good until then.
    Now(Timestamp),
    /// The number has had one just now, or several today: another one is sent in so many seconds at the earliest.
    Lately(i64),
}

/// Sends a code to a number, whether or not its owner has been here before.
///
/// # Errors
/// [`ApiError::TooOften`] where whoever asks has asked for many; [`ApiError::Unavailable`] where too many are sent, or none can be.
pub async fn send_code(
    app: &App,
    phone: &Phone,
    client: Client,
    now: Timestamp,
) -> Result<CodeSent, ApiError> {
    let sms = app
        .sms
        .as_ref()
        .ok_or(ApiError::Unavailable("codes cannot be sent here"))?;
    let asked = app.limits.codes_from.take_of_known(client.turns_of(), now);
    asked.map_err(|wait_s| {
        tracing::warn!(from = %client, "many codes are asked for from one address");
        ApiError::TooOften { wait_s }
    })?;
    let code = format!("{:06}", rand::rng().random_range(0..1_000_000));
    let number = phone.reveal().as_bytes();
    let hash = app.secrets.mac(&[CODE_HASH, number, code.as_bytes()]);
    let expires_at = now + CODE_TIME;
    let kept = app
        .store
        .login_code_keep(phone, &hash, expires_at, LIMITS, now)
        .await?;
    match kept {
        CodeKept::Kept => {}
        CodeKept::Wait(wait) => {
            return Ok(CodeSent::Lately(wait.num_seconds() + 1));
        }
        CodeKept::TooMany => {
            tracing::warn!("too many codes are asked for: no more are sent for now");
            return Err(ApiError::Unavailable("too many codes are asked for"));
        }
    }
    if let Err(error) = sms.send(&app.http, phone, &text(app, &code)).await {
        // What a client says of a failed call may hold the address, which holds no number.
        tracing::warn!(%error, "a code could not be sent");
        app.store
            .login_code_unsent(phone, &hash, LIMITS, now)
            .await?;
        return Err(ApiError::Unavailable("the code could not be sent"));
    }
    Ok(CodeSent::Now(expires_at))
}

/// What is sent. Its last line lets a browser fill the code in, on our page only:
/// <https://wicg.github.io/sms-one-time-codes/>.
fn text(app: &App, code: &str) -> String {
    let host = app
        .public_url
        .split_once("://")
        .map_or(&*app.public_url, |(_, rest)| rest);
    let host = host.split([':', '/']).next().unwrap_or(host);
    let minutes = CODE_TIME.num_minutes();
    format!(
        "Clearbay: ma dang nhap {code}, dung trong {minutes} phut. Khong dua ma cho ai. \
         Sign-in code, tell nobody.\n@{host} #{code}"
    )
}

/// Signs a browser in by a number and the code that was sent to it. A code is good once.
///
/// # Errors
/// [`ApiError::WrongCode`] for another code, or one that has run out or was tried too often: nobody
/// learns which.
pub async fn sign_in(
    app: &App,
    phone: &Phone,
    code: &str,
    now: Timestamp,
) -> Result<SignedIn, ApiError> {
    let typed: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let known = app
        .store
        .login_code_attempt(phone, ATTEMPTS_MAX, now)
        .await?;
    let parts = [CODE_HASH, phone.reveal().as_bytes(), typed.as_bytes()];
    let hash = app
        .secrets
        .macs(&parts)
        .find(|hash| known.as_ref().is_some_and(|known| equal(known, hash)))
        .ok_or(ApiError::WrongCode)?;
    let token = random_token();
    let login = NewLogin {
        token_hash: sha256(token.as_bytes()),
        expires_at: now + LOGIN_TIME,
    };
    let driver = app.store.driver_sign_in(phone, &hash, login, now).await?;
    Ok(SignedIn {
        driver: driver.ok_or(ApiError::WrongCode)?,
        token,
        expires_at: login.expires_at,
    })
}

/// Whose token that is.
///
/// # Errors
/// [`ApiError::Unauthorized`] where it is nobody's or has run out.
pub async fn find(app: &App, token: &str, now: Timestamp) -> Result<Driver, ApiError> {
    app.store
        .driver_login(&sha256(token.as_bytes()), now)
        .await?
        .ok_or(ApiError::Unauthorized)
}

/// Who has signed in with the browser that sends these headers, if anybody has.
///
/// # Errors
/// Where the database fails.
pub async fn signed_in(
    app: &App,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Driver>, ApiError> {
    match held_token(app, headers) {
        Some(token) => match find(app, token, now).await {
            Err(ApiError::Unauthorized) => Ok(None),
            other => other.map(Some),
        },
        None => Ok(None),
    }
}

/// Signs a browser out, or all of the driver's.
///
/// # Errors
/// Where the database fails.
pub async fn sign_out(app: &App, token: &str, everywhere: bool) -> Result<(), ApiError> {
    let hash = sha256(token.as_bytes());
    Ok(app.store.driver_logout(&hash, everywhere).await?)
}

/// The token that a browser holds, not yet checked.
pub fn held_token<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    app.cookies().get(headers, COOKIE)
}

/// The cookie by which a browser keeps a driver's token; an empty token makes it forget.
pub fn set_cookie(app: &App, token: &str) -> String {
    let age_s = if token.is_empty() {
        0
    } else {
        LOGIN_TIME.num_seconds()
    };
    session_cookie::cookie(app, COOKIE, token, age_s)
}
