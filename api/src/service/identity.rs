//! Who somebody is, on the word of the city's identity provider: only where a name is needed. Until it is used it
//! lies in a cookie that nobody can read or make; there is no account.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::identity::{Identity, name};
use serde::{Deserialize, Serialize};

use super::session_cookie::cookie;
use super::sign_in::NotSignedIn;
use crate::oidc::{Claims, Oidc};
use crate::secret::equal;
use crate::{ApiError, App};

/// How long a confirmed name can be used.
pub const IDENTITY_TIME: TimeDelta = TimeDelta::minutes(30);

/// The cookie that holds who somebody is.
const COOKIE: &str = "clearbay_identity";

/// The identity of somebody who has signed in.
///
/// # Errors
/// [`NotSignedIn::Nameless`] where the provider tells no name that can be shown.
pub fn of(oidc: &Oidc, claims: Claims) -> Result<Identity, NotSignedIn> {
    let told = claims.name.as_deref().and_then(name);
    Ok(Identity {
        issuer: oidc.issuer().to_owned(),
        subject: claims.subject,
        name: told.ok_or(NotSignedIn::Nameless)?,
    })
}

#[derive(Serialize, Deserialize)]
struct Held {
    identity: Identity,
    until: Timestamp,
}

/// The cookie by which a browser keeps who somebody is, for [`IDENTITY_TIME`].
///
/// # Errors
/// [`ApiError::Internal`] where the machine encrypts nothing.
pub fn set_cookie(app: &App, identity: Identity, now: Timestamp) -> Result<String, ApiError> {
    let until = now + IDENTITY_TIME;
    let value = sealed(app, COOKIE, &Held { identity, until }).ok_or(ApiError::Internal)?;
    Ok(cookie(app, COOKIE, &value, IDENTITY_TIME.num_seconds()))
}

/// The cookie by which a browser forgets who somebody is.
pub fn forget_cookie(app: &App) -> String {
    cookie(app, COOKIE, "", 0)
}

/// Who the browser's reader is, if they confirmed it lately.
pub fn held(app: &App, headers: &HeaderMap, now: Timestamp) -> Option<Identity> {
    let issuer = app.oidc.as_ref()?.issuer();
    let held: Held = opened(app, COOKIE, app.cookies().get(headers, COOKIE)?)?;
    (now < held.until && held.identity.issuer == issuer).then_some(held.identity)
}

/// What a form carries that shows a name, so that what is sent is sent under that name and no other.
pub fn mark(app: &App, identity: &Identity) -> String {
    let Identity {
        issuer,
        subject,
        name,
    } = identity;
    let shown = format!("{issuer}\n{subject}\n{name}");
    let mark = app.secrets.mac(&[b"identity mark ", shown.as_bytes()]);
    URL_SAFE_NO_PAD.encode(&mark[..16])
}

/// The name under which a form is sent: none where it showed none.
///
/// # Errors
/// [`ApiError::Conflict`] where it showed one that this browser holds no longer: it is the reader's to say whether
/// they still want to send it.
pub fn of_form(
    app: &App,
    headers: &HeaderMap,
    shown: &str,
    now: Timestamp,
) -> Result<Option<Identity>, ApiError> {
    if shown.is_empty() {
        return Ok(None);
    }
    held(app, headers, now)
        .filter(|identity| equal(mark(app, identity).as_bytes(), shown.as_bytes()))
        .map(Some)
        .ok_or(ApiError::Conflict("the name was confirmed too long ago"))
}

pub(super) fn sealed<T: Serialize>(app: &App, purpose: &str, value: &T) -> Option<String> {
    app.secrets.seal(purpose, &serde_json::to_vec(value).ok()?)
}

pub(super) fn opened<T: for<'de> Deserialize<'de>>(
    app: &App,
    purpose: &str,
    text: &str,
) -> Option<T> {
    serde_json::from_slice(&app.secrets.open(purpose, text)?).ok()
}
