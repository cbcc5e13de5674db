//! Signing in at an identity provider: OpenID Connect Core 1.0, the authorization code flow (section 3.1) with
//! PKCE (RFC 7636). Nobody needs it to park or to pay; it is for those places where a name is.
//!
//! ID tokens are verified here on `ring`, which rustls needs anyway. No crate for JWT would save much of that:
//! the one in common use has no backend on `ring`, reads the clock by itself, takes an `iss` that is a list, and
//! leaves `azp`, `nonce` and `iat` to its caller.

pub mod fetch;
pub mod keys;
pub mod pkce;
pub mod provider;
pub mod settings;
pub mod token;

pub use provider::Oidc;
pub use settings::{Settings, SettingsError};
pub use token::Claims;

/// Why nobody was signed in. None of them says what the provider said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The provider cannot be reached, or is out of order; later it may not be.
    #[error("{0}")]
    Unavailable(&'static str),
    /// The provider does not take the code, or us.
    #[error("{0}")]
    Rejected(&'static str),
    /// What came is not what it should be.
    #[error(transparent)]
    Token(#[from] token::Refused),
    /// The answer is another provider's (RFC 9207, section 2.4).
    #[error("the answer is another issuer's")]
    Issuer,
}
