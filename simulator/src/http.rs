//! Requests that are made again until they are answered.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

const TRIES: u32 = 8;

/// A client for one API.
#[derive(Clone)]
pub struct Api {
    client: Client,
    url: String,
    import_token: String,
}

impl Api {
    /// A client for the API at `url`.
    ///
    /// # Errors
    /// Where no client can be made.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let client = Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self {
            client,
            url,
            import_token: String::new(),
        })
    }

    /// The same client with the token of terminals that upload sales.
    #[must_use]
    pub fn with_import_token(self, token: &str) -> Self {
        Self {
            import_token: token.to_owned(),
            ..self
        }
    }

    /// A POST to a path, as a terminal makes it.
    pub fn import(&self, path: &str) -> RequestBuilder {
        self.post(path).bearer_auth(&self.import_token)
    }

    /// A POST to a path.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// Whether the API says that it is ready.
    pub async fn is_ready(&self) -> bool {
        let request = self.client.get(format!("{}/readyz", self.url)).send();
        request
            .await
            .is_ok_and(|response| response.status().is_success())
    }
}

/// Sends a request until it is answered with anything but "later"; doubles the pause each time.
///
/// # Errors
/// Where it is refused, or not answered at all.
pub async fn insist<T: DeserializeOwned>(
    request: impl Fn() -> RequestBuilder,
) -> anyhow::Result<T> {
    let mut pause = Duration::from_millis(200);
    for attempt in 1..=TRIES {
        match request().send().await {
            Ok(response) if response.status().is_success() => {
                return response
                    .json()
                    .await
                    .context("the API's reply cannot be read");
            }
            Ok(response) if !is_later(response.status()) => {
                let status = response.status();
                let text = response.text().await.unwrap_or_default();
                anyhow::bail!("the API refused ({status}): {text}");
            }
            Ok(response) if attempt == TRIES => {
                anyhow::bail!("the API answers {}", response.status())
            }
            Err(error) if attempt == TRIES => return Err(error).context("the API does not answer"),
            _ => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
    anyhow::bail!("the API does not answer")
}

fn is_later(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}
