//! Which gateways a city offers: those whose keys it was given.

use super::momo::Momo;
use super::vietqr::VietQr;
use super::vnpay::Vnpay;
use super::wallet::Wallet;
use super::zalopay::Zalopay;
use super::{Gateway, momo, vietqr, vnpay, zalopay};

/// The codes of those that hold money outside, and so send statements of it.
pub const WITH_STATEMENTS: [&str; 4] = [vietqr::CODE, vnpay::CODE, momo::CODE, zalopay::CODE];

/// The names by which the environment holds what gateways need. `true` marks secrets.
pub const NAMES: [(&str, bool); 14] = [
    ("CLEARBAY_WEBHOOK_KEY", true),
    ("CLEARBAY_VIETQR_PAYOUT_URL", false),
    ("CLEARBAY_VIETQR_APP_URL", false),
    ("CLEARBAY_VNPAY_TMN_CODE", false),
    ("CLEARBAY_VNPAY_HASH_SECRET", true),
    ("CLEARBAY_VNPAY_PAY_URL", false),
    ("CLEARBAY_VNPAY_API_URL", false),
    ("CLEARBAY_MOMO_PARTNER_CODE", false),
    ("CLEARBAY_MOMO_ACCESS_KEY", true),
    ("CLEARBAY_MOMO_SECRET_KEY", true),
    ("CLEARBAY_MOMO_URL", false),
    ("CLEARBAY_ZALOPAY_APP_ID", false),
    ("CLEARBAY_ZALOPAY_KEY1", true),
    ("CLEARBAY_ZALOPAY_KEY2", true),
];

/// Where ZaloPay is reached.
pub const ZALOPAY_URL: &str = "CLEARBAY_ZALOPAY_URL";

/// The gateways that are configured.
#[derive(Debug, Default)]
pub struct Gateways(Vec<Box<dyn Gateway>>);

impl Gateways {
    /// The wallet, and those gateways for which `env` has everything, by the names of the
    /// environment.
    ///
    /// # Errors
    /// A sentence that names what is missing, where a gateway is half configured.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let mut gateways: Vec<Box<dyn Gateway>> = vec![Box::new(Wallet)];
        if let Some(key) = env("CLEARBAY_WEBHOOK_KEY") {
            gateways.push(Box::new(VietQr {
                key: key.into_bytes(),
                payout_url: env("CLEARBAY_VIETQR_PAYOUT_URL"),
                app_url: env("CLEARBAY_VIETQR_APP_URL"),
            }));
        }
        if let Some([tmn_code, hash_secret, pay_url, api_url]) = whole(
            &env,
            [
                "CLEARBAY_VNPAY_TMN_CODE",
                "CLEARBAY_VNPAY_HASH_SECRET",
                "CLEARBAY_VNPAY_PAY_URL",
                "CLEARBAY_VNPAY_API_URL",
            ],
        )? {
            gateways.push(Box::new(Vnpay {
                tmn_code,
                hash_secret,
                pay_url,
                api_url,
            }));
        }
        if let Some([partner_code, access_key, secret_key, url]) = whole(
            &env,
            [
                "CLEARBAY_MOMO_PARTNER_CODE",
                "CLEARBAY_MOMO_ACCESS_KEY",
                "CLEARBAY_MOMO_SECRET_KEY",
                "CLEARBAY_MOMO_URL",
            ],
        )? {
            gateways.push(Box::new(Momo {
                partner_code,
                access_key,
                secret_key,
                url: url.trim_end_matches('/').to_owned(),
            }));
        }
        if let Some([app_id, key1, key2, url]) = whole(
            &env,
            [
                "CLEARBAY_ZALOPAY_APP_ID",
                "CLEARBAY_ZALOPAY_KEY1",
                "CLEARBAY_ZALOPAY_KEY2",
                ZALOPAY_URL,
            ],
        )? {
            gateways.push(Box::new(Zalopay {
                app_id,
                key1,
                key2,
                url: url.trim_end_matches('/').to_owned(),
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

/// All values or none of them.
fn whole<const N: usize>(
    env: &impl Fn(&str) -> Option<String>,
    names: [&str; N],
) -> Result<Option<[String; N]>, String> {
    let values = names.map(env);
    if values.iter().all(Option::is_none) {
        return Ok(None);
    }
    let missing: Vec<&str> = names
        .iter()
        .zip(&values)
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        Ok(Some(values.map(Option::unwrap_or_default)))
    } else {
        Err(format!(
            "missing: {}; set all of {}, or none",
            missing.join(", "),
            names.join(", ")
        ))
    }
}
