//! Whether an ID token is what it says: OpenID Connect Core 1.0, section 3.1.3.7. Nothing here reads a clock
//! or calls anybody.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::identity::is_subject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

use super::keys::{Algorithm, Keys};
use crate::secret::equal;

/// The longest token, in bytes.
const TOKEN_MAX: usize = 16 * 1024;
/// How far clocks may differ.
const SKEW: TimeDelta = TimeDelta::seconds(60);
/// How old a token may be: it comes straight from the provider.
const AGE_MAX: TimeDelta = TimeDelta::minutes(10);

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// By what name it knows us.
    pub client_id: &'a str,
    /// What was sent along when the browser was sent there.
    pub nonce: &'a str,
}

/// What a token says of a person. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    /// The issuer's identifier of the person.
    pub subject: String,
    /// Their name, where it stands here.
    pub name: Option<String>,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claims(..)")
    }
}

/// Why a token is not believed. None of them says what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no signed JWT in its compact form, or not one that can be read.
    #[error("the ID token cannot be read")]
    Unreadable,
    /// Its header asks for something that must be understood and is not (RFC 7515, section 4.1.11).
    #[error("the ID token has a critical header")]
    Critical,
    /// It names another algorithm than the ones that are accepted.
    #[error("the ID token is not signed by an algorithm that is accepted")]
    Algorithm,
    /// None of the keys that are known can have signed it.
    #[error("the ID token is signed by a key that is not known")]
    Key,
    /// The signature is another's.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// Another provider issued it.
    #[error("the ID token is another issuer's")]
    Issuer,
    /// It is for somebody else.
    #[error("the ID token is for another client")]
    Audience,
    /// It has run out.
    #[error("the ID token has run out")]
    Expired,
    /// It was issued long ago, or is yet to be.
    #[error("the ID token's time of issue is wrong")]
    IssuedAt,
    /// It answers another request.
    #[error("the ID token answers another request")]
    Nonce,
    /// It names nobody.
    #[error("the ID token names nobody")]
    Subject,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Told {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: Number,
    iat: Number,
    nbf: Option<Number>,
    nonce: Option<String>,
    // A name that is no text is no reason not to believe the rest.
    name: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What a token says, where all of it is as it must be.
///
/// # Errors
/// [`Refused`], the first reason that is found.
pub fn check(
    token: &str,
    keys: &Keys,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Claims, Refused> {
    let told: Told = part(signed_part(token, keys)?)?;
    // Exactly: a difference in a slash is another issuer.
    if told.iss != expected.issuer {
        return Err(Refused::Issuer);
    }
    if !is_for(&told, expected.client_id) {
        return Err(Refused::Audience);
    }
    let seconds = now.timestamp();
    if seconds >= date(&told.exp)?.saturating_add(SKEW.num_seconds()) {
        return Err(Refused::Expired);
    }
    let issued = date(&told.iat)?;
    let begins = match &told.nbf {
        Some(nbf) => date(nbf)?.max(issued),
        None => issued,
    };
    let is_old = issued < (now - AGE_MAX - SKEW).timestamp();
    if is_old || begins > (now + SKEW).timestamp() {
        return Err(Refused::IssuedAt);
    }
    let nonce = told.nonce.as_deref().unwrap_or_default();
    if !equal(nonce.as_bytes(), expected.nonce.as_bytes()) {
        return Err(Refused::Nonce);
    }
    if !is_subject(&told.sub) {
        return Err(Refused::Subject);
    }
    Ok(Claims {
        subject: told.sub,
        name: told
            .name
            .as_ref()
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

/// The part with the claims, once its signature is found to be right (RFC 7515, section 5.2).
fn signed_part<'a>(token: &'a str, keys: &Keys) -> Result<&'a str, Refused> {
    if token.len() > TOKEN_MAX {
        return Err(Refused::Unreadable);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Unreadable)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused::Unreadable)?;
    let header: Header = part(header)?;
    if header.crit.is_some() {
        return Err(Refused::Critical);
    }
    let algorithm = Algorithm::named(&header.alg).ok_or(Refused::Algorithm)?;
    let key = keys
        .signing(header.kid.as_deref(), algorithm)
        .ok_or(Refused::Key)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Refused::Unreadable)?;
    match (key.signed(signed.as_bytes(), &signature), header.kid) {
        (true, _) => Ok(claims),
        (false, Some(_)) => Err(Refused::Signature),
        // Without a name for its key, a new key of the provider's looks like this.
        (false, None) => Err(Refused::Key),
    }
}

fn part<T: DeserializeOwned>(text: &str) -> Result<T, Refused> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Refused::Unreadable)?;
    serde_json::from_slice(&bytes).map_err(|_| Refused::Unreadable)
}

/// We are among those it is for; where there are others, or it says to whom it was given, that is us
/// (section 3.1.3.7, points 3 to 5).
fn is_for(told: &Told, client_id: &str) -> bool {
    let (listed, count) = match &told.aud {
        Audience::One(one) => (one == client_id, 1),
        Audience::Many(many) => (many.iter().any(|one| one == client_id), many.len()),
    };
    let given_to_us = match &told.azp {
        Some(azp) => azp == client_id,
        None => count == 1,
    };
    listed && given_to_us
}

/// A NumericDate in whole seconds (RFC 7519, section 2): a number, never a text.
fn date(number: &Number) -> Result<i64, Refused> {
    let whole = || number.as_f64().filter(|s| s.abs() < 1e12).map(|s| s as i64);
    number.as_i64().or_else(whole).ok_or(Refused::Unreadable)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
