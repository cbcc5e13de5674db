//! What calls providers, over HTTP and HTTPS.

use std::time::Duration;

/// Why providers cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] transport::TlsError),
    /// The client cannot be made.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// What calls gateways: bounded in time, and never led elsewhere by a redirection. Whoever answers
/// for `https` must show a certificate that this machine's authorities have signed;
/// `SSL_CERT_FILE` names others.
///
/// # Errors
/// Where the client cannot be made.
pub fn client() -> Result<reqwest::Client, ClientError> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(transport::tls()?)
        .connect_timeout(Duration::from_secs(4))
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("clearbay")
        .build()?)
}
