//! Calls of a provider: bounded in time and size, and no word of a reply in any log.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;

use super::OidcError;

/// How long each call may take. A sign-in makes four at most, within the time of a request.
const CALL_WITHIN: Duration = Duration::from_secs(3);
/// The largest reply, in bytes.
const REPLY_MAX: usize = 64 * 1024;

/// The JSON that a call gets.
///
/// # Errors
/// [`OidcError::Unavailable`] where nothing that can be read comes; [`OidcError::Rejected`] where the provider
/// says that the call is wrong (RFC 6749, section 5.2).
pub async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, OidcError> {
    let request = request
        .timeout(CALL_WITHIN)
        .header("accept", "application/json");
    let mut reply = request.send().await.map_err(away)?;
    match reply.status() {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(OidcError::Rejected("the provider rejects what it was sent"));
        }
        _ => return Err(OidcError::Unavailable("the provider is out of order")),
    }
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > REPLY_MAX {
            return Err(OidcError::Unavailable("the provider's reply is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    // What is wrong with it could quote what stands in it.
    serde_json::from_slice(&body)
        .map_err(|_| OidcError::Unavailable("the provider's reply cannot be read"))
}

fn away(_: reqwest::Error) -> OidcError {
    OidcError::Unavailable("the provider does not answer")
}
