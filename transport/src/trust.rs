//! Whom this machine trusts.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Why TLS cannot be set up.
pub type TlsError = rustls::Error;

/// TLS 1.2 and newer towards a server that must show a certificate for its name which one of this machine's
/// authorities has signed. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others instead.
///
/// # Errors
/// Where rustls cannot be set up.
pub fn tls() -> Result<ClientConfig, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificates of this machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        tracing::warn!(
            "this machine trusts no certificate authority: nobody can be called over TLS"
        );
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(config.with_no_client_auth())
}
