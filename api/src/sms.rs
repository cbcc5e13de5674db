//! Text messages, through eSMS: `SendMultipleMessage_V4_post_json` of its published protocol
//! (<https://developers.esms.vn>), the kind for customers' care (`SmsType` 2), which carries codes.

use domain::phone::Phone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The names by which the environment holds what eSMS needs. `true` marks secrets.
pub const NAMES: [(&str, bool); 4] = [
    ("CLEARBAY_ESMS_URL", false),
    ("CLEARBAY_ESMS_API_KEY", true),
    ("CLEARBAY_ESMS_SECRET_KEY", true),
    ("CLEARBAY_ESMS_BRANDNAME", false),
];

/// Where eSMS is reached, unless the environment says otherwise.
const URL: &str = "https://rest.esms.vn";
const PATH: &str = "/MainService.svc/json/SendMultipleMessage_V4_post_json/";
/// The reply to what was taken for delivery.
const TAKEN: &str = "100";

/// Sends text messages in a registered brand's name. `Debug` shows no key.
#[derive(Clone)]
pub struct Sms {
    url: String,
    api_key: String,
    secret_key: String,
    brandname: String,
}

impl std::fmt::Debug for Sms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sms")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SmsError {
    /// eSMS cannot be reached, or what it says cannot be read.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// eSMS refuses, by the code of its reply.
    #[error("eSMS refuses with code {0}")]
    Refused(String),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Order<'a> {
    api_key: &'a str,
    secret_key: &'a str,
    brandname: &'a str,
    sms_type: &'a str,
    phone: String,
    content: &'a str,
    /// eSMS takes one order of a name.
    request_id: Uuid,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    code_result: String,
}

impl Sms {
    /// What `env` configures, by the names of the environment; `None` where it has none of the keys.
    ///
    /// # Errors
    /// A sentence that names what is missing, where it is half configured.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let [(url, _), keys @ ..] = NAMES;
        let values = keys.map(|(name, _)| env(name));
        if values.iter().all(Option::is_none) {
            return Ok(None);
        }
        let [Some(api_key), Some(secret_key), Some(brandname)] = values else {
            let keys = keys.map(|(name, _)| name).join(", ");
            return Err(format!("set all of {keys}, or none"));
        };
        let url = env(url).unwrap_or_else(|| URL.to_owned());
        Ok(Some(Self {
            url: url.trim_end_matches('/').to_owned(),
            api_key,
            secret_key,
            brandname,
        }))
    }

    /// Sends a text in plain ASCII, which fits into one message of 160 characters.
    ///
    /// # Errors
    /// [`SmsError`]; then it may have been sent all the same.
    pub async fn send(
        &self,
        http: &reqwest::Client,
        phone: &Phone,
        text: &str,
    ) -> Result<(), SmsError> {
        let order = Order {
            api_key: &self.api_key,
            secret_key: &self.secret_key,
            brandname: &self.brandname,
            sms_type: "2",
            phone: phone.national(),
            content: text,
            request_id: Uuid::new_v4(),
        };
        let request = http.post(format!("{}{PATH}", self.url)).json(&order);
        let reply: Reply = request.send().await?.error_for_status()?.json().await?;
        if reply.code_result == TAKEN {
            Ok(())
        } else {
            Err(SmsError::Refused(reply.code_result))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn half_a_configuration_is_told() {
        assert!(Sms::from_env(|_| None).unwrap().is_none());
        let half = |name: &str| (name == "CLEARBAY_ESMS_API_KEY").then(|| "key".to_owned());
        assert!(
            Sms::from_env(half)
                .unwrap_err()
                .contains("CLEARBAY_ESMS_SECRET_KEY")
        );
        let whole = Sms::from_env(|name| name.contains("KEY").then(|| "k".to_owned()));
        assert!(whole.is_err(), "a brand's name is needed");
        let all = |name: &str| (name != "CLEARBAY_ESMS_URL").then(|| "secret".to_owned());
        let sms = Sms::from_env(all).unwrap().unwrap();
        assert_eq!(sms.url, URL);
        assert!(!format!("{sms:?}").contains("secret"));
    }

    #[test]
    fn an_order_is_written_as_esms_reads_it() {
        let order = Order {
            api_key: "a",
            secret_key: "s",
            brandname: "Clearbay",
            sms_type: "2",
            phone: Phone::parse("0912345678").unwrap().national(),
            content: "hello",
            request_id: Uuid::nil(),
        };
        let written = serde_json::to_value(&order).unwrap();
        assert_eq!(written["ApiKey"], "a");
        assert_eq!(written["SmsType"], "2");
        assert_eq!(written["Phone"], "0912345678");
        assert_eq!(written["RequestId"], "00000000-0000-0000-0000-000000000000");
    }
}
