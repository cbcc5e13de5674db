//! The cookies in which a browser keeps the tokens of its sessions, passes and requests for exemptions.

use std::cmp::Reverse;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, SET_COOKIE};
use axum::response::AppendHeaders;
use domain::Timestamp;
use domain::id::{ExemptionRequestId, PassId, SessionId};

use crate::App;
use crate::cookie::SameSite;

/// How the cookies begin in which a browser keeps the tokens of its sessions, one each, so that a
/// second session does not lock the driver out of the first. The session's id follows.
pub const COOKIE: &str = "clearbay_session_";

/// How long a browser keeps a session's token, in seconds: two days.
const COOKIE_AGE_S: u32 = 172_800;

/// How many sessions a browser keeps, and of how many of each kind it is asked: the newest.
const COOKIES_MAX: usize = 20;

/// What a browser holds under names that begin so, by what follows, not yet checked.
fn held_under<Id: FromStr>(app: &App, headers: &HeaderMap, prefix: &str) -> Vec<(Id, String)> {
    app.cookies()
        .beginning(headers, prefix)
        .filter_map(|(id, token)| Some((id.parse().ok()?, token.to_owned())))
        .collect()
}

/// The newest of them: browsers send the oldest first (RFC 6265, section 5.4).
fn newest<Id: FromStr>(app: &App, headers: &HeaderMap, prefix: &str) -> Vec<(Id, String)> {
    let held = held_under(app, headers, prefix).into_iter();
    held.rev().take(COOKIES_MAX).collect()
}

/// The token of one of them.
fn token_of<Id: FromStr + PartialEq>(
    app: &App,
    headers: &HeaderMap,
    prefix: &str,
    id: Id,
) -> Option<String> {
    let mut held = held_under::<Id>(app, headers, prefix).into_iter();
    let (_, token) = held.find(|(held, _)| *held == id)?;
    Some(token)
}

/// A cookie that holds a token and no script reads; over TLS only, where browsers reach us so.
pub(super) fn cookie(app: &App, name: &str, token: &str, age_s: impl std::fmt::Display) -> String {
    app.cookies().set(name, token, age_s, SameSite::Lax)
}

/// The cookie by which a browser keeps a session's token, and the end of those of its oldest: who takes payments on one
/// device all day long opens more sessions than a request has room to name.
pub fn keep(
    app: &App,
    headers: &HeaderMap,
    id: SessionId,
    token: &str,
) -> AppendHeaders<Vec<(HeaderName, String)>> {
    let named = |id: SessionId| format!("{COOKIE}{}", id.0.simple());
    let mut held: Vec<SessionId> = held_under(app, headers, COOKIE)
        .into_iter()
        .map(|(id, _)| id)
        .filter(|held| *held != id)
        .collect();
    // They are numbered in the order of their time.
    held.sort_unstable_by_key(|id| Reverse(*id));
    let ended = held.into_iter().skip(COOKIES_MAX - 1);
    let ended = ended.map(|id| cookie(app, &named(id), "", 0));
    let kept = cookie(app, &named(id), token, COOKIE_AGE_S);
    let cookies = std::iter::once(kept).chain(ended);
    AppendHeaders(cookies.map(|cookie| (SET_COOKIE, cookie)).collect())
}

/// The newest sessions whose tokens a browser holds, with the tokens, not yet checked.
pub fn held(app: &App, headers: &HeaderMap) -> Vec<(SessionId, String)> {
    newest(app, headers, COOKIE)
}

/// The token of a session that a browser holds.
pub fn held_token(app: &App, headers: &HeaderMap, id: SessionId) -> Option<String> {
    token_of(app, headers, COOKIE, id)
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

/// The newest passes whose tokens a browser holds, with the tokens, not yet checked.
pub fn held_passes(app: &App, headers: &HeaderMap) -> Vec<(PassId, String)> {
    newest(app, headers, PASS_COOKIE)
}

/// The token of a pass that a browser holds.
pub fn held_pass_token(app: &App, headers: &HeaderMap, id: PassId) -> Option<String> {
    token_of(app, headers, PASS_COOKIE, id)
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

/// The newest requests whose tokens a browser holds, with the tokens, not yet checked.
pub fn held_requests(app: &App, headers: &HeaderMap) -> Vec<(ExemptionRequestId, String)> {
    newest(app, headers, REQUEST_COOKIE)
}

/// The token of a request that a browser holds.
pub fn held_request_token(
    app: &App,
    headers: &HeaderMap,
    id: ExemptionRequestId,
) -> Option<String> {
    token_of(app, headers, REQUEST_COOKIE, id)
}
