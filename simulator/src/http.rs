//! The API as its clients see it: JSON over HTTP, tried again while the other side is busy.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

/// How long one request may take: a little longer than the API gives itself.
const REQUEST_WITHIN: Duration = Duration::from_secs(20);
const ATTEMPTS_MAX: u32 = 8;
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Why a request had no success.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The API says no; asking again would not help.
    #[error("the API refuses with {status}: {detail}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The reply, shortened.
        detail: String,
    },
    /// No reply, or none that is of use, however often it was asked.
    #[error("the API does not answer: {0}")]
    Unavailable(String),
    /// The reply is not of the documented shape.
    #[error("the API's reply cannot be read: {0}")]
    Reply(String),
}

/// A client of what is on this machine or its network, to be completed by the caller: a proxy for
/// the outside is in the way, and nobody's certificate is trusted.
pub fn local() -> reqwest::ClientBuilder {
    // One provider of cryptography for the whole process; whoever came first stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .tls_certs_only([])
        .user_agent("clearbay-simulator")
        .no_proxy()
}

/// A connection to the API.
#[derive(Clone, Debug)]
pub struct Api {
    client: reqwest::Client,
    base: String,
}

impl Api {
    /// A client of the API at `base_url`, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// Where the client cannot be made.
    pub fn new(base_url: &str) -> Result<Self, HttpError> {
        let client = local()
            .timeout(REQUEST_WITHIN)
            .build()
            .map_err(|error| HttpError::Unavailable(error.to_string()))?;
        Ok(Self {
            client,
            base: base_url.trim_end_matches('/').to_owned(),
        })
    }

    /// A POST of a JSON body, to be completed by the caller.
    pub fn post(&self, path: &str, body: Vec<u8>) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client
            .post(url)
            .header("content-type", "application/json")
            .body(body)
    }

    /// A GET.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    /// Whether the API says that it can work.
    pub async fn is_ready(&self) -> bool {
        let reply = self.get("/readyz").send().await;
        reply.is_ok_and(|reply| reply.status().is_success())
    }

    /// Sends what `request` makes until it succeeds or is refused. `request` is called for every
    /// attempt, because a signature holds its time.
    ///
    /// # Errors
    /// [`HttpError`]; after eight attempts in about half a minute it gives up.
    pub async fn send<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, HttpError> {
        let mut backoff = BACKOFF_MIN;
        let mut last = String::new();
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            let reply = match request().send().await {
                Ok(reply) => reply,
                Err(error) => {
                    last = format!("{:#}", anyhow::Error::from(error));
                    continue;
                }
            };
            let status = reply.status();
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                last = status.to_string();
                continue;
            }
            let body = match reply.bytes().await {
                Ok(body) => body,
                Err(error) => {
                    last = error.to_string();
                    continue;
                }
            };
            if !status.is_success() {
                let detail = String::from_utf8_lossy(&body).chars().take(300).collect();
                return Err(HttpError::Refused { status, detail });
            }
            return serde_json::from_slice(&body).map_err(|e| HttpError::Reply(e.to_string()));
        }
        Err(HttpError::Unavailable(last))
    }
}
