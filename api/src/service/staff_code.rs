//! Between the password and the code: whoever has shown the one is asked for the other, and may do nothing else.

use axum::http::HeaderMap;
use chrono::TimeDelta;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use store::staff::Staff;

use super::identity::{opened, sealed};
use super::second_factor::{self, Answer};
use super::staff::{Browser, open, refusal, told, turn};
use crate::cookie::SameSite;
use crate::secret::{equal, sha256};
use crate::{ApiError, App};

/// How long the password counts without the code.
const TIME: TimeDelta = TimeDelta::minutes(5);

/// The cookie that says whose password was right. It opens nothing.
const COOKIE: &str = "clearbay_staff_code";

#[derive(Serialize, Deserialize)]
struct Half {
    login: String,
    /// SHA-256 of the password's hash: with another password it is good for nothing.
    checked: [u8; 32],
    until: Timestamp,
}

/// The value of `Set-Cookie` by which a browser may answer with a code.
///
/// # Errors
/// [`ApiError::Internal`] where the machine encrypts nothing.
pub(super) fn ask(
    app: &App,
    staff: &Staff,
    checked: &str,
    now: Timestamp,
) -> Result<String, ApiError> {
    let half = Half {
        login: staff.login.clone(),
        checked: sha256(checked.as_bytes()),
        until: now + TIME,
    };
    let value = sealed(app, COOKIE, &half).ok_or(ApiError::Internal)?;
    let age_s = TIME.num_seconds();
    Ok(app.cookies().set(COOKIE, &value, age_s, SameSite::Strict))
}

fn held(app: &App, headers: &HeaderMap, now: Timestamp) -> Option<Half> {
    let half: Half = opened(app, COOKIE, app.cookies().get(headers, COOKIE)?)?;
    (now < half.until).then_some(half)
}

/// Whether a browser is being asked for a code.
pub fn is_asked(app: &App, headers: &HeaderMap, now: Timestamp) -> bool {
    held(app, headers, now).is_some()
}

/// The value of `Set-Cookie` by which a browser is asked no more.
pub fn forget_cookie(app: &App) -> String {
    app.cookies().set(COOKIE, "", 0, SameSite::Strict)
}

/// Signs a browser in by the code that it was asked for; the result is its token.
///
/// # Errors
/// [`ApiError::Unauthorized`] where it was not asked, or too long ago, or the password is another by now;
/// [`ApiError::WrongCode`] alike for every code that is not taken; [`ApiError::TooOften`] after some of these.
pub async fn sign_in(
    app: &App,
    answer: Option<&Answer>,
    headers: &HeaderMap,
    browser: Browser<'_>,
    now: Timestamp,
) -> Result<String, ApiError> {
    let half = held(app, headers, now).ok_or(ApiError::Unauthorized)?;
    let signed_in = try_to_sign_in(app, &half, answer, browser, now).await;
    let outcome = signed_in.as_ref().map_or_else(refusal, |_| "in");
    told(outcome, &half.login, browser.client);
    signed_in
}

async fn try_to_sign_in(
    app: &App,
    half: &Half,
    answer: Option<&Answer>,
    browser: Browser<'_>,
    now: Timestamp,
) -> Result<String, ApiError> {
    turn(app, browser.client, now)?;
    let answer = answer.ok_or(ApiError::WrongCode)?;
    let found = app.store.staff_find(&half.login).await?;
    let (staff, checked) = found
        .filter(|(_, hash)| equal(&sha256(hash.as_bytes()), &half.checked))
        .ok_or(ApiError::Unauthorized)?;
    let proof = second_factor::check(app, &staff, answer, browser.client, now).await?;
    open(app, &staff, &checked, proof, browser, now).await
}
