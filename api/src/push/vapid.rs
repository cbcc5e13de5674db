//! By which push services know us: RFC 8292, a token signed with ES256.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use domain::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use super::encrypt::EncryptError;

/// How long a token is good: RFC 8292 allows a day; clocks differ.
const GOOD_FOR: TimeDelta = TimeDelta::hours(12);

/// The key by which browsers subscribe to us and push services know us. `Debug` shows none of it.
pub struct VapidKey {
    pair: EcdsaKeyPair,
    public: String,
}

impl std::fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VapidKey(..)")
    }
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not a key of P-256 as PKCS#8 in base64.
    #[error("not a private key of P-256 as PKCS#8 in base64; `clearbay push-key` makes one")]
    Unreadable,
    /// The machine gives no random numbers.
    #[error("no key can be made here")]
    Unavailable,
}

impl VapidKey {
    /// A new key as text, to be kept secret and given to [`VapidKey::parse`].
    ///
    /// # Errors
    /// [`KeyError::Unavailable`].
    pub fn generate() -> Result<String, KeyError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = document.map_err(|_| KeyError::Unavailable)?;
        Ok(URL_SAFE_NO_PAD.encode(document.as_ref()))
    }

    /// The key of that text: PKCS#8 with its public key in it, in base64 of either alphabet.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim().trim_end_matches('=');
        let document = URL_SAFE_NO_PAD
            .decode(text)
            .or_else(|_| STANDARD_NO_PAD.decode(text))
            .map_err(|_| KeyError::Unreadable)?;
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &document,
            &SystemRandom::new(),
        )
        .map_err(|_| KeyError::Unreadable)?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { pair, public })
    }

    /// The public key as browsers take it: a point in its uncompressed form, in base64url.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The value of `Authorization` for the push service at `origin`.
    ///
    /// # Errors
    /// Where the machine gives no random numbers.
    pub fn authorization(
        &self,
        origin: &str,
        contact: Option<&str>,
        now: Timestamp,
    ) -> Result<String, EncryptError> {
        let mut claims = json!({ "aud": origin, "exp": (now + GOOD_FOR).timestamp() });
        if let Some(contact) = contact {
            claims["sub"] = contact.into();
        }
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "typ": "JWT", "alg": "ES256" });
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes())?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(format!("vapid t={signed}.{signature}, k={}", self.public))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
    }

    #[test]
    fn a_push_service_can_check_the_token() {
        let key = VapidKey::generate().and_then(|text| VapidKey::parse(&text));
        let key = key.expect("a key");
        let now = Timestamp::UNIX_EPOCH;
        let value = key.authorization("https://push.example", Some("mailto:us@city.example"), now);
        let value = value.expect("a token");
        let (token, public) = value
            .strip_prefix("vapid t=")
            .and_then(|rest| rest.split_once(", k="))
            .expect("token and key");
        assert_eq!(public, key.public());
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let checked = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(public))
            .verify(signed.as_bytes(), &decode(signature));
        assert_eq!(checked, Ok(()));
        let (header, claims) = signed.split_once('.').expect("header and claims");
        let read = |part: &str| serde_json::from_slice::<Value>(&decode(part)).ok();
        assert_eq!(read(header), Some(json!({"typ": "JWT", "alg": "ES256"})));
        let claimed =
            json!({"aud": "https://push.example", "exp": 43_200, "sub": "mailto:us@city.example"});
        assert_eq!(read(claims), Some(claimed));
        assert!(!format!("{key:?}").contains(public));
    }

    #[test]
    fn a_key_of_openssl_is_read_and_what_is_none_is_refused() {
        // openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -outform DER | base64 -w0
        let made = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRCdNiemMMk1TkOiWf3Nmx7FRDjt1Pg6Dv6s/KGs3FGuhRANCAATpQ7fpNAsaA94bIwmnaPVJHtvoTKzWL3vGelwhmGvwT41IfJxMofevAkdJJ4hJ3eX3rRXPWNHpYXLWZIxXBYsz";
        let key = VapidKey::parse(made).expect("openssl's key");
        assert_eq!(
            key.public(),
            "BOlDt-k0CxoD3hsjCado9Uke2-hMrNYve8Z6XCGYa_BPjUh8nEyh968CR0kniEnd5fetFc9Y0elhctZkjFcFizM"
        );
        for bad in [
            "",
            "x",
            "AAAA",
            "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
        ] {
            assert_eq!(VapidKey::parse(bad).err(), Some(KeyError::Unreadable));
        }
    }
}
