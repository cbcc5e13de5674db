//! Which gateways a city offers.

use super::Gateway;
use super::vietqr::VietQr;
use super::wallet::Wallet;

/// The gateways that are configured.
#[derive(Debug, Default)]
pub struct Gateways(Vec<Box<dyn Gateway>>);

impl Gateways {
    /// Those whose secrets `env` has, by the names of the environment.
    ///
    /// # Errors
    /// A sentence that names what is missing, where a gateway is half configured.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut gateways: Vec<Box<dyn Gateway>> = vec![Box::new(Wallet)];
        if let Some(key) = env("CLEARBAY_WEBHOOK_KEY") {
            gateways.push(Box::new(VietQr {
                key: key.into_bytes(),
                payout_url: env("CLEARBAY_VIETQR_PAYOUT_URL"),
            }));
        }
        Ok(Self(gateways))
    }

    /// The gateway of that code.
    pub fn get(&self, code: &str) -> Option<&dyn Gateway> {
        self.iter().find(|gateway| gateway.code() == code)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Gateway> {
        self.0.iter().map(AsRef::as_ref)
    }
}
