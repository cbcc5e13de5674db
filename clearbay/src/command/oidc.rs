//! Where people confirm who they are: settings.

use api::Oidc;
use api::oidc::Settings;

/// Where people confirm who they are, for what needs a name. Without it nobody is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct OidcOptions {
    /// The OpenID Connect provider's issuer, exactly as it writes it, such as https://id.example. Register
    /// <public URL>/sign-in/return with it as the address to come back to.
    #[arg(long, env = "CLEARBAY_OIDC_ISSUER")]
    oidc_issuer: Option<String>,
    /// By what name the provider knows this service.
    #[arg(long, env = "CLEARBAY_OIDC_CLIENT_ID")]
    oidc_client_id: Option<String>,
    /// The secret that the provider gave it; a public client, which has none, is known by PKCE alone.
    #[arg(long, env = "CLEARBAY_OIDC_CLIENT_SECRET", hide_env_values = true)]
    oidc_client_secret: Option<String>,
    /// What people call the provider, such as VNeID.
    #[arg(long, env = "CLEARBAY_OIDC_NAME")]
    oidc_name: Option<String>,
}

impl OidcOptions {
    /// The provider, where there is one. It is not called yet.
    ///
    /// # Errors
    /// For settings that are incomplete, and an issuer that is none.
    pub fn provider(&self) -> anyhow::Result<Option<Oidc>> {
        let settings = Settings::of(
            self.oidc_issuer.clone(),
            self.oidc_client_id.clone(),
            self.oidc_client_secret.clone(),
            self.oidc_name.clone(),
        )?;
        Ok(settings.map(Oidc::new))
    }
}
