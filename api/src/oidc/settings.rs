//! What is needed to be a provider's client.

use domain::identity::ISSUER_MAX;
use reqwest::Url;

/// A provider, and by what it knows us. `Debug` shows no secret.
#[derive(Clone)]
pub struct Settings {
    /// The provider's identifier: an address without a query, exactly as it writes it (OpenID Connect Core,
    /// section 2).
    pub issuer: String,
    /// By what name it knows us.
    pub client_id: String,
    /// By what secret, where we are a confidential client; a public one has PKCE alone.
    pub client_secret: Option<String>,
    /// What people call it: VNeID.
    pub name: String,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why settings are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Some of what belongs together is missing.
    #[error(
        "set CLEARBAY_OIDC_ISSUER, CLEARBAY_OIDC_CLIENT_ID and CLEARBAY_OIDC_NAME, or none of them"
    )]
    Half,
    /// Whoever sits between could be the provider.
    #[error(
        "CLEARBAY_OIDC_ISSUER is no https:// address without a query (http:// on this machine alone)"
    )]
    Issuer,
}

impl Settings {
    /// The settings of those values, where there are any; empty ones count as missing.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn of(
        issuer: Option<String>,
        client_id: Option<String>,
        client_secret: Option<String>,
        name: Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let told = |value: Option<String>| value.filter(|value| !value.trim().is_empty());
        match (told(issuer), told(client_id), told(name)) {
            (None, None, None) => Ok(None),
            (Some(issuer), Some(client_id), Some(name)) => {
                let url = Url::parse(&issuer).map_err(|_| SettingsError::Issuer)?;
                let plain = url.query().is_none() && url.fragment().is_none();
                if !plain || !is_safe(&url, true) || issuer.len() > ISSUER_MAX {
                    return Err(SettingsError::Issuer);
                }
                Ok(Some(Self {
                    issuer,
                    client_id,
                    client_secret: told(client_secret),
                    name,
                }))
            }
            _ => Err(SettingsError::Half),
        }
    }

    /// An address of the provider's that may be called or shown: over TLS, or on this machine where the
    /// provider itself is.
    pub fn usable(&self, address: &str) -> Option<Url> {
        let url = Url::parse(address).ok()?;
        is_safe(&url, self.issuer.starts_with("http:")).then_some(url)
    }
}

fn is_safe(url: &Url, plain_here: bool) -> bool {
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let whole = url.host_str().is_some() && url.username().is_empty() && url.password().is_none();
    whole && (url.scheme() == "https" || (url.scheme() == "http" && plain_here && is_here))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(issuer: &str) -> Result<Option<Settings>, SettingsError> {
        let some = |text: &str| Some(text.to_owned());
        Settings::of(some(issuer), some("clearbay"), some(""), some("VNeID"))
    }

    #[test]
    fn all_is_there_or_nothing() {
        assert!(matches!(Settings::of(None, None, None, None), Ok(None)));
        let empty = || Some(String::new());
        assert!(matches!(
            Settings::of(empty(), empty(), empty(), empty()),
            Ok(None)
        ));
        let half = Settings::of(Some("https://id.example".to_owned()), None, None, None);
        assert_eq!(half.err(), Some(SettingsError::Half));
        let whole = of("https://id.example/realms/city");
        assert!(matches!(
            whole,
            Ok(Some(Settings {
                client_secret: None,
                ..
            }))
        ));
    }

    #[test]
    fn the_provider_is_called_over_tls_or_on_this_machine() {
        for good in [
            "https://id.example",
            "http://127.0.0.1:8000",
            "http://localhost/x",
            "http://[::1]:1",
        ] {
            assert!(matches!(of(good), Ok(Some(_))), "{good}");
        }
        for bad in [
            "http://id.example",
            "http://127.0.0.1.example",
            "https://id.example?a=b",
            "https://id.example#a",
            "https://user@id.example",
            "ftp://id.example",
            "id.example",
        ] {
            assert_eq!(of(bad).err(), Some(SettingsError::Issuer), "{bad}");
        }
        let there = of("https://id.example").ok().flatten().expect("settings");
        assert!(there.usable("https://keys.example/jwks").is_some());
        assert!(
            there.usable("http://127.0.0.1/token").is_none(),
            "no way back to this machine"
        );
    }
}
