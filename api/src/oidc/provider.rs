//! A provider as it describes itself (OpenID Connect Discovery 1.0), and what it is asked.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use domain::Timestamp;
use reqwest::{Client, RequestBuilder, Url};
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};

use super::keys::{JwkSet, Keys};
use super::token::{self, Claims, Expected, Refused};
use super::{OidcError, Settings, fetch, pkce};
use crate::percent::percent_encoded;
use crate::remembered::is_within;

/// How long what a provider says of itself is believed, and its keys with it.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// How long a provider that failed to say it is not asked again, so that whoever comes meanwhile need not wait.
const PAUSE: TimeDelta = TimeDelta::seconds(10);
/// How long keys stay before a token of an unknown one makes us ask for others: whoever makes tokens up must not
/// make us call.
const KEYS_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// How many sign-ins call the provider at once.
const AT_ONCE: usize = 32;

/// What a provider says of itself, as far as it matters here (Discovery, section 3; RFC 9207, section 3).
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct TokenReply {
    id_token: String,
    access_token: Option<String>,
}

/// Claims at the UserInfo endpoint (OpenID Connect Core, section 5.3).
#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    name: Option<String>,
}

/// What a browser is sent to a provider with, and what must come back.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Where the provider sends the browser back to.
    pub redirect_uri: &'a str,
    /// Comes back in the address.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// Proves that the code is redeemed by who asked for it (RFC 7636, section 4.1).
    pub verifier: &'a str,
}

#[derive(Debug)]
struct Asked<T> {
    value: Arc<T>,
    at: Timestamp,
}

impl<T> Asked<T> {
    fn is_older(&self, than: TimeDelta, now: Timestamp) -> bool {
        !is_within(than, self.at, now)
    }
}

#[derive(Debug, Default)]
struct Known {
    metadata: Option<Asked<Metadata>>,
    keys: Option<Asked<Keys>>,
    failed_at: Option<Timestamp>,
    keys_tried_at: Option<Timestamp>,
}

/// An identity provider. It is called when somebody signs in, never before: that it is away stops nothing else.
#[derive(Debug)]
pub struct Oidc {
    settings: Settings,
    // Held while the provider is asked, so that many who come at once ask once.
    known: Mutex<Known>,
    places: Semaphore,
}

impl Oidc {
    /// The provider of those settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            known: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its identifier.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Where a browser is sent to sign in (OpenID Connect Core, section 3.1.2.1).
    ///
    /// # Errors
    /// [`OidcError::Unavailable`].
    pub async fn sign_in_address(
        &self,
        http: &Client,
        question: Question<'_>,
        now: Timestamp,
    ) -> Result<String, OidcError> {
        let _place = self.place()?;
        let metadata = self.metadata(http, now).await?;
        let mut url = self.usable(&metadata.authorization_endpoint)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", question.redirect_uri)
            .append_pair("scope", "openid profile")
            .append_pair("state", question.state)
            .append_pair("nonce", question.nonce)
            .append_pair("code_challenge", &pkce::challenge(question.verifier))
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// Refuses an answer that another provider gave (RFC 9207, section 2.4): where this one says who it is in each
    /// answer, one without that is another's.
    ///
    /// # Errors
    /// [`OidcError::Issuer`]; [`OidcError::Unavailable`].
    pub async fn check_issuer(
        &self,
        http: &Client,
        iss: Option<&str>,
        now: Timestamp,
    ) -> Result<(), OidcError> {
        match iss {
            Some(iss) if iss == self.settings.issuer => Ok(()),
            Some(_) => Err(OidcError::Issuer),
            None => {
                let _place = self.place()?;
                let metadata = self.metadata(http, now).await?;
                match metadata.authorization_response_iss_parameter_supported {
                    true => Err(OidcError::Issuer),
                    false => Ok(()),
                }
            }
        }
    }

    /// Who it is that a code stands for (OpenID Connect Core, sections 3.1.3 and 5.3). The name may be missing.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn identify(
        &self,
        http: &Client,
        code: &str,
        question: Question<'_>,
        now: Timestamp,
    ) -> Result<Claims, OidcError> {
        let _place = self.place()?;
        let metadata = self.metadata(http, now).await?;
        let request = self.token_request(http, &metadata, code, question)?;
        let reply: TokenReply = fetch::json(request).await?;
        let mut claims = self
            .checked(http, &metadata, &reply.id_token, question.nonce, now)
            .await?;
        if claims.name.is_none()
            && let (Some(endpoint), Some(token)) =
                (&metadata.userinfo_endpoint, &reply.access_token)
        {
            let request = http.get(self.usable(endpoint)?).bearer_auth(token);
            let told: UserInfo = fetch::json(request).await?;
            // Another person's claims, put in the place of theirs (section 5.3.2).
            if told.sub != claims.subject {
                return Err(Refused::Subject.into());
            }
            claims.name = told.name;
        }
        Ok(claims)
    }

    fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, OidcError> {
        self.places
            .try_acquire()
            .map_err(|_| OidcError::Unavailable("too many sign in at once"))
    }

    fn usable(&self, address: &str) -> Result<Url, OidcError> {
        self.settings.usable(address).ok_or(OidcError::Unavailable(
            "the provider names an address that is not safe",
        ))
    }

    fn token_request(
        &self,
        http: &Client,
        metadata: &Metadata,
        code: &str,
        question: Question<'_>,
    ) -> Result<RequestBuilder, OidcError> {
        let Settings {
            client_id,
            client_secret,
            ..
        } = &self.settings;
        let request = http.post(self.usable(&metadata.token_endpoint)?);
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", question.redirect_uri),
            ("code_verifier", question.verifier),
        ];
        // A provider that says nothing takes the secret in the header (Discovery, section 3).
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        let takes =
            |method: &str| methods.is_none_or(|known| known.iter().any(|one| one == method));
        let request = match client_secret {
            Some(secret) if takes("client_secret_basic") || !takes("client_secret_post") => {
                request.header("authorization", basic(client_id, secret))
            }
            Some(secret) => {
                form.extend([("client_id", client_id.as_str()), ("client_secret", secret)]);
                request
            }
            None => {
                form.push(("client_id", client_id));
                request
            }
        };
        Ok(request.form(&form))
    }

    /// What an ID token says; once more by new keys where none that is known can have signed it.
    async fn checked(
        &self,
        http: &Client,
        metadata: &Metadata,
        id_token: &str,
        nonce: &str,
        now: Timestamp,
    ) -> Result<Claims, OidcError> {
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce,
        };
        let keys = self.keys(http, metadata, None, now).await?;
        match token::check(id_token, &keys, expected, now) {
            Err(Refused::Key) => {
                let newer = self.keys(http, metadata, Some(&keys), now).await?;
                Ok(token::check(id_token, &newer, expected, now)?)
            }
            checked => Ok(checked?),
        }
    }

    async fn metadata(&self, http: &Client, now: Timestamp) -> Result<Arc<Metadata>, OidcError> {
        let mut known = self.known.lock().await;
        if let Some(metadata) = known.metadata.as_ref().filter(|m| !m.is_older(KEPT, now)) {
            return Ok(metadata.value.clone());
        }
        if known.failed_at.is_some_and(|at| is_within(PAUSE, at, now)) {
            return Err(OidcError::Unavailable("the provider was away a moment ago"));
        }
        match self.discover(http).await {
            Ok(metadata) => {
                let value = Arc::new(metadata);
                *known = Known {
                    metadata: Some(Asked {
                        value: value.clone(),
                        at: now,
                    }),
                    ..Known::default()
                };
                Ok(value)
            }
            Err(error) => {
                known.failed_at = Some(now);
                Err(error)
            }
        }
    }

    /// Discovery, section 4: from an address that the issuer's identifier says, and by that very issuer.
    async fn discover(&self, http: &Client) -> Result<Metadata, OidcError> {
        let issuer = &self.settings.issuer;
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let metadata: Metadata = fetch::json(http.get(self.usable(&address)?)).await?;
        if metadata.issuer != *issuer {
            return Err(OidcError::Unavailable(
                "the provider says that it is another issuer",
            ));
        }
        Ok(metadata)
    }

    /// The provider's keys: others than `than`, where it may be asked for such already.
    async fn keys(
        &self,
        http: &Client,
        metadata: &Metadata,
        than: Option<&Arc<Keys>>,
        now: Timestamp,
    ) -> Result<Arc<Keys>, OidcError> {
        let mut known = self.known.lock().await;
        let tried = known.keys_tried_at;
        let may_ask = |pause: TimeDelta| tried.is_none_or(|at| !is_within(pause, at, now));
        if let Some(keys) = known.keys.as_ref().filter(|keys| !keys.is_older(KEPT, now)) {
            // Somebody else may have asked for them meanwhile.
            let is_new = than.is_none_or(|old| !Arc::ptr_eq(old, &keys.value));
            if is_new || !may_ask(KEYS_PAUSE) {
                return Ok(keys.value.clone());
            }
        } else if !may_ask(PAUSE) {
            return Err(OidcError::Unavailable(
                "the provider's keys were away a moment ago",
            ));
        }
        known.keys_tried_at = Some(now);
        let request = http.get(self.usable(&metadata.jwks_uri)?);
        let value = Arc::new(Keys::from(fetch::json::<JwkSet>(request).await?));
        known.keys = Some(Asked {
            value: value.clone(),
            at: now,
        });
        Ok(value)
    }
}

/// The header by which a confidential client says who it is (RFC 6749, section 2.3.1).
fn basic(client_id: &str, secret: &str) -> String {
    let encoded = |text| percent_encoded(text, "-._");
    let both = format!("{}:{}", encoded(client_id), encoded(secret));
    format!("Basic {}", STANDARD.encode(both))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
