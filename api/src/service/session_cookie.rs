//! The cookies in which a browser keeps the tokens of its sessions, passes and requests for exemptions.

use axum::http::HeaderMap;
use domain::Timestamp;
use domain::id::{ExemptionRequestId, PassId, SessionId};

use crate::App;
use crate::cookie::SameSite;

/// How the cookies begin in which a browser keeps the tokens of its sessions, one each, so that a
/// second session does not lock the driver out of the first. The session's id follows.
pub const COOKIE: &str = "clearbay_session_";

/// How long a browser keeps a session's token, in seconds: two days.
const COOKIE_AGE_S: u32 = 172_800;

/// How many sessions a browser is believed to hold.
const COOKIES_MAX: usize = 20;

/// A cookie that holds a token and no script reads; over TLS only, where browsers reach us so.
pub(super) fn cookie(app: &App, name: &str, token: &str, age_s: impl std::fmt::Display) -> String {
    app.cookies().set(name, token, age_s, SameSite::Lax)
}

/// The cookie by which a browser keeps a session's token.
pub fn set_cookie(app: &App, id: SessionId, token: &str) -> String {
    cookie(
        app,
        &format!("{COOKIE}{}", id.0.simple()),
        token,
        COOKIE_AGE_S,
    )
}

/// The sessions whose tokens a browser holds, with the tokens, not yet checked.
pub fn held(app: &App, headers: &HeaderMap) -> Vec<(SessionId, String)> {
    app.cookies()
        .beginning(headers, COOKIE)
        .filter_map(|(id, token)| Some((id.parse().ok()?, token.to_owned())))
        .take(COOKIES_MAX)
        .collect()
}

/// The token of a session that a browser holds.
pub fn held_token(app: &App, headers: &HeaderMap, id: SessionId) -> Option<String> {
    held(app, headers)
        .into_iter()
        .find(|(held, _)| *held == id)
        .map(|(_, token)| token)
}

/// How the cookies begin in which a browser keeps the tokens of its passes. The pass's id follows.
const PASS_COOKIE: &str = "clearbay_pass_";

/// The cookie by which a browser keeps a pass's token until the pass has ended.
pub fn set_pass_cookie(app: &App, id: PassId, token: &str, until: Timestamp) -> String {
    let age_s = (until - App::now())
        .num_seconds()
        .max(i64::from(COOKIE_AGE_S));
    cookie(
        app,
        &format!("{PASS_COOKIE}{}", id.0.simple()),
        token,
        age_s,
    )
}

/// The passes whose tokens a browser holds, with the tokens, not yet checked.
pub fn held_passes(app: &App, headers: &HeaderMap) -> Vec<(PassId, String)> {
    app.cookies()
        .beginning(headers, PASS_COOKIE)
        .filter_map(|(id, token)| Some((id.parse().ok()?, token.to_owned())))
        .take(COOKIES_MAX)
        .collect()
}

/// The token of a pass that a browser holds.
pub fn held_pass_token(app: &App, headers: &HeaderMap, id: PassId) -> Option<String> {
    held_passes(app, headers)
        .into_iter()
        .find(|(held, _)| *held == id)
        .map(|(_, token)| token)
}

/// How the cookies begin in which a browser keeps the tokens of its requests for exemptions. The
/// request's id follows.
const REQUEST_COOKIE: &str = "clearbay_exemption_";

/// How long a browser keeps a request's token, in seconds: 400 days, as long as browsers keep any, for
/// an exemption lasts a year and more.
const REQUEST_COOKIE_AGE_S: u32 = 34_560_000;

/// The cookie by which a browser keeps a request's token; once it is taken back, for as long as a
/// session's.
pub fn set_request_cookie(
    app: &App,
    id: ExemptionRequestId,
    token: &str,
    is_withdrawn: bool,
) -> String {
    let age_s = if is_withdrawn {
        COOKIE_AGE_S
    } else {
        REQUEST_COOKIE_AGE_S
    };
    cookie(
        app,
        &format!("{REQUEST_COOKIE}{}", id.0.simple()),
        token,
        age_s,
    )
}

/// The requests whose tokens a browser holds, with the tokens, not yet checked.
pub fn held_requests(app: &App, headers: &HeaderMap) -> Vec<(ExemptionRequestId, String)> {
    app.cookies()
        .beginning(headers, REQUEST_COOKIE)
        .filter_map(|(id, token)| Some((id.parse().ok()?, token.to_owned())))
        .take(COOKIES_MAX)
        .collect()
}

/// The token of a request that a browser holds.
pub fn held_request_token(
    app: &App,
    headers: &HeaderMap,
    id: ExemptionRequestId,
) -> Option<String> {
    held_requests(app, headers)
        .into_iter()
        .find(|(held, _)| *held == id)
        .map(|(_, token)| token)
}
