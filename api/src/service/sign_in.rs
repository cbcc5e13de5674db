//! The way to the city's identity provider and back: what is sent along, and what must come back to the same browser,
//! once.

use axum::http::HeaderMap;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{ExemptionRequestId, ReceiptId};
use serde::{Deserialize, Serialize};

use super::identity::{opened, sealed};
use super::session_cookie::cookie;
use crate::oidc::provider::Question;
use crate::oidc::{Claims, Oidc, OidcError};
use crate::secret::{equal, random_token, sha256};
use crate::{ApiError, App};

/// How long somebody may take at the provider.
const FLOW_TIME: TimeDelta = TimeDelta::minutes(10);
/// Where the provider sends browsers back to.
pub const RETURN_PATH: &str = "/sign-in/return";

/// How the cookies begin that hold a sign-in under way, one each, so that two pages at once do not spoil each
/// other. A part of the state's hash follows.
const FLOW_COOKIE: &str = "clearbay_sign_in_";
/// How many sign-ins a browser has under way at most: with the next one they are all forgotten.
const FLOWS_MAX: usize = 4;

/// For which page somebody signs in. One comes back to these and to no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To ask for an exemption, perhaps as once before.
    Exemption(Option<ExemptionRequestId>),
    /// To object to a receipt.
    Dispute(ReceiptId),
    /// To come in behind the counter.
    Staff,
    /// To come in behind the counter this way from now on.
    StaffLink,
}

impl Destination {
    /// The destination of that address.
    pub fn parse(path: &str) -> Option<Self> {
        Some(match path {
            "/exemptions" => Self::Exemption(None),
            "/staff" => Self::Staff,
            "/staff/identity" => Self::StaffLink,
            path => match path.strip_prefix("/exemptions?again=") {
                Some(id) => Self::Exemption(Some(id.parse().ok()?)),
                None => {
                    let id = path.strip_prefix("/r/")?.strip_suffix("/dispute")?;
                    Self::Dispute(id.parse().ok()?)
                }
            },
        })
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exemption(None) => f.write_str("/exemptions"),
            Self::Exemption(Some(id)) => write!(f, "/exemptions?again={id}"),
            Self::Dispute(id) => write!(f, "/r/{id}/dispute"),
            Self::Staff => f.write_str("/staff"),
            Self::StaffLink => f.write_str("/staff/identity"),
        }
    }
}

/// Why somebody is not signed in, as far as it is theirs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSignedIn {
    /// They did not want to, at the provider.
    Denied,
    /// What the provider said is not to be believed, or nothing that anybody can do anything about.
    Failed,
    /// The provider is away.
    Unavailable,
    /// The provider tells no name.
    Nameless,
    /// It is no member of staff's identity, or of one who may come in.
    Unlinked,
    /// They have tried too often.
    TooOften,
}

impl NotSignedIn {
    const ALL: [Self; 6] = [
        Self::Denied,
        Self::Failed,
        Self::Unavailable,
        Self::Nameless,
        Self::Unlinked,
        Self::TooOften,
    ];

    /// What an address calls it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
            Self::Nameless => "nameless",
            Self::Unlinked => "unlinked",
            Self::TooOften => "often",
        }
    }

    /// What an address means by that.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }
}

impl From<OidcError> for NotSignedIn {
    fn from(error: OidcError) -> Self {
        // The reason says nothing of who it was.
        tracing::warn!(%error, "somebody could not be signed in at the identity provider");
        match error {
            OidcError::Unavailable(_) => Self::Unavailable,
            OidcError::Rejected(_) | OidcError::Token(_) | OidcError::Issuer => Self::Failed,
        }
    }
}

/// A sign-in under way, as its browser keeps it.
#[derive(Serialize, Deserialize)]
struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    to: String,
    issuer: String,
    until: Timestamp,
}

impl Flow {
    fn question<'a>(&'a self, redirect_uri: &'a str) -> Question<'a> {
        Question {
            redirect_uri,
            state: &self.state,
            nonce: &self.nonce,
            verifier: &self.verifier,
        }
    }
}

fn flow_cookie(state: &str) -> String {
    format!(
        "{FLOW_COOKIE}{}",
        &hex::encode(sha256(state.as_bytes()))[..16]
    )
}

fn redirect_uri(app: &App) -> String {
    format!("{}{RETURN_PATH}", app.public_url)
}

/// Where a browser goes to sign in, and what it keeps meanwhile.
#[derive(Debug)]
pub struct Begun {
    /// The provider's page.
    pub address: String,
    /// Values of `Set-Cookie`.
    pub cookies: Vec<String>,
}

/// Begins a sign-in.
///
/// # Errors
/// [`NotSignedIn::Unavailable`].
pub async fn begin(
    app: &App,
    oidc: &Oidc,
    headers: &HeaderMap,
    destination: Destination,
    now: Timestamp,
) -> Result<Begun, NotSignedIn> {
    let flow = Flow {
        state: random_token(),
        nonce: random_token(),
        verifier: random_token(),
        to: destination.to_string(),
        issuer: oidc.issuer().to_owned(),
        until: now + FLOW_TIME,
    };
    let redirect_uri = redirect_uri(app);
    let question = flow.question(&redirect_uri);
    let address = oidc.sign_in_address(&app.http, question, now).await?;
    let value = sealed(app, FLOW_COOKIE, &flow).ok_or(NotSignedIn::Unavailable)?;
    let name = flow_cookie(&flow.state);
    let held = app.cookies().beginning(headers, FLOW_COOKIE);
    let mut cookies: Vec<String> = held
        .map(|(rest, _)| cookie(app, &format!("{FLOW_COOKIE}{rest}"), "", 0))
        .collect();
    if cookies.len() < FLOWS_MAX {
        cookies.clear();
    }
    cookies.push(cookie(app, &name, &value, FLOW_TIME.num_seconds()));
    Ok(Begun { address, cookies })
}

/// How a provider answers, in the address that a browser comes back with (OpenID Connect Core, sections 3.1.2.5 and
/// 3.1.2.6; RFC 9207). `Debug` shows none of it.
#[derive(Deserialize)]
pub struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(..)")
    }
}

/// What has become of a sign-in.
#[derive(Debug)]
pub struct Finished {
    /// For which page it was.
    pub destination: Destination,
    /// A value of `Set-Cookie` that ends it.
    pub forget: String,
    /// Who it is.
    pub who: Result<Claims, NotSignedIn>,
}

/// Ends a sign-in by the provider's answer. Nothing where this browser has no such sign-in under way, or its answer
/// came before.
///
/// # Errors
/// Where the database fails.
pub async fn finish(
    app: &App,
    oidc: &Oidc,
    headers: &HeaderMap,
    answer: &Answer,
    now: Timestamp,
) -> Result<Option<Finished>, ApiError> {
    let state = answer.state.as_deref().unwrap_or_default();
    let name = flow_cookie(state);
    let Some(flow) = app
        .cookies()
        .get(headers, &name)
        .and_then(|value| opened::<Flow>(app, FLOW_COOKIE, value))
        .filter(|flow| equal(flow.state.as_bytes(), state.as_bytes()))
        .filter(|flow| now < flow.until && flow.issuer == oidc.issuer())
    else {
        return Ok(None);
    };
    let Some(destination) = Destination::parse(&flow.to) else {
        return Ok(None);
    };
    // Before anything else, so that of two at once one goes on.
    let hash = sha256(state.as_bytes());
    if !app.store.sign_in_spend(&hash, flow.until, now).await? {
        return Ok(None);
    }
    let who = identified(app, oidc, answer, &flow, now).await;
    let outcome = who.as_ref().map_or_else(|why| why.code(), |_| "done");
    metrics::counter!("clearbay_identity_sign_ins_total", "outcome" => outcome).increment(1);
    Ok(Some(Finished {
        destination,
        forget: cookie(app, &name, "", 0),
        who,
    }))
}

async fn identified(
    app: &App,
    oidc: &Oidc,
    answer: &Answer,
    flow: &Flow,
    now: Timestamp,
) -> Result<Claims, NotSignedIn> {
    // An error, too, may be another provider's.
    oidc.check_issuer(&app.http, answer.iss.as_deref(), now)
        .await?;
    match answer.error.as_deref() {
        None => {}
        Some("access_denied") => return Err(NotSignedIn::Denied),
        Some("temporarily_unavailable" | "server_error") => return Err(NotSignedIn::Unavailable),
        Some(_) => return Err(NotSignedIn::Failed),
    }
    let code = answer.code.as_deref().filter(|code| !code.is_empty());
    let code = code.ok_or(NotSignedIn::Failed)?;
    let redirect_uri = redirect_uri(app);
    let question = flow.question(&redirect_uri);
    Ok(oidc.identify(&app.http, code, question, now).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_back_to_pages_that_need_a_name_and_to_no_other() {
        let id = "0189ad2f-0000-4000-8000-000000000001";
        for path in [
            "/exemptions",
            &format!("/exemptions?again={id}"),
            &format!("/r/{id}/dispute"),
            "/staff",
            "/staff/identity",
        ] {
            let destination = Destination::parse(path).expect(path);
            assert_eq!(destination.to_string(), path);
        }
        for path in [
            "",
            "/",
            "/staff/",
            "/staff/people",
            "https://evil.example/exemptions",
            "//evil.example",
            "/exemptions?again=/",
            "/r/x/dispute",
            "/r//evil.example/dispute",
            "/exemptions\r\nset-cookie: a=b",
        ] {
            assert_eq!(Destination::parse(path), None, "{path}");
        }
    }

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        for why in NotSignedIn::ALL {
            assert_eq!(NotSignedIn::from_code(why.code()), Some(why));
        }
        assert_eq!(NotSignedIn::from_code("<script>"), None);
    }
}
