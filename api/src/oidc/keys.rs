//! The keys by which a provider signs: a JWK set (RFC 7517), as far as its keys can sign ID tokens for us.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;

/// How many keys of a set are looked at. Providers have one or two.
const KEYS_MAX: usize = 32;

/// The algorithms that are accepted. What is not here is refused, first of all `none`, and those whose key
/// would be a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).
    Rs256,
    /// ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4).
    Es256,
    /// Ed25519 (RFC 8037, section 3.1).
    EdDsa,
}

impl Algorithm {
    /// The algorithm that a token's header names.
    pub fn named(alg: &str) -> Option<Self> {
        match alg {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            // RFC 9864 names it by its curve.
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A set as a provider publishes it.
#[derive(Deserialize)]
pub struct JwkSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A public key that may sign ID tokens.
#[derive(Debug)]
pub struct Key {
    kid: Option<String>,
    public: Public,
}

#[derive(Debug)]
enum Public {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A provider's keys.
#[derive(Debug, Default)]
pub struct Keys(Vec<Key>);

impl From<JwkSet> for Keys {
    /// Those of the set that can be used. Others, of kinds that may come to be, are passed over (RFC 7517,
    /// section 5).
    fn from(set: JwkSet) -> Self {
        let keys = set.keys.into_iter().take(KEYS_MAX);
        let key = |value| Key::of(serde_json::from_value(value).ok()?);
        Self(keys.filter_map(key).collect())
    }
}

impl Keys {
    /// The one key that may have signed a token of that algorithm: the one that its header names, else the
    /// only one there is (OpenID Connect Core, section 10.1).
    pub fn signing(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let may_sign = |key: &&Key| {
            key.algorithm() == algorithm && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))
        };
        let mut fitting = self.0.iter().filter(may_sign);
        let key = fitting.next()?;
        fitting.next().is_none().then_some(key)
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        if jwk.used_for.as_deref().is_some_and(|used| used != "sig") {
            return None;
        }
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Public::Rsa(RsaPublicKeyComponents {
                n: number(bytes(&jwk.n)?)?,
                e: number(bytes(&jwk.e)?)?,
            }),
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
                // A point in its uncompressed form (SEC 1, section 2.3.3).
                (x.len() == 32 && y.len() == 32)
                    .then(|| Public::P256([&[4], &x[..], &y].concat()))?
            }
            ("OKP", Some("Ed25519")) => {
                let x = bytes(&jwk.x)?;
                (x.len() == 32).then_some(Public::Ed25519(x))?
            }
            _ => return None,
        };
        let key = Self {
            kid: jwk.kid,
            public,
        };
        // A key that says what it signs by signs by nothing else.
        match jwk.alg.as_deref() {
            Some(alg) if Algorithm::named(alg) != Some(key.algorithm()) => None,
            _ => Some(key),
        }
    }

    const fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Rsa(_) => Algorithm::Rs256,
            Public::P256(_) => Algorithm::Es256,
            Public::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether this key made that signature. An RSA key of less than 2048 bits makes none.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let checked = match &self.public {
            Public::Rsa(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Public::Ed25519(key) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature)
            }
        };
        checked.is_ok()
    }
}

/// A positive number without the zeros before it, which `ring` takes for a mistake and some providers write.
fn number(bytes: Vec<u8>) -> Option<Vec<u8>> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    (zeros < bytes.len()).then(|| bytes[zeros..].to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(keys: serde_json::Value) -> Keys {
        serde_json::from_value::<JwkSet>(json!({ "keys": keys }))
            .unwrap()
            .into()
    }

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 7515, appendix A.3, and RFC 8037, appendix A.4.
    #[test]
    fn the_rfcs_signatures_are_right_and_others_are_not() {
        let es256 = keys(json!([{"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]));
        let message = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = decode(
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        );
        let key = es256.signing(None, Algorithm::Es256).unwrap();
        assert!(key.signed(message, &signature));
        assert!(!key.signed(&message[1..], &signature));
        assert!(es256.signing(None, Algorithm::Rs256).is_none());

        let ed25519 = keys(json!([{"kty": "OKP", "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]));
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = decode(
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        );
        let key = ed25519.signing(None, Algorithm::EdDsa).unwrap();
        assert!(key.signed(message, &signature));
        assert!(!key.signed(message, &signature[..63]));
    }

    #[test]
    fn a_key_is_named_or_the_only_one() {
        let x = URL_SAFE_NO_PAD.encode([7; 32]);
        let key = |kid: &str| json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid});
        let two = keys(json!([key("a"), key("b")]));
        assert!(two.signing(Some("b"), Algorithm::EdDsa).is_some());
        assert!(two.signing(Some("c"), Algorithm::EdDsa).is_none());
        assert!(
            two.signing(None, Algorithm::EdDsa).is_none(),
            "which of the two?"
        );
        let one = keys(json!([key("a")]));
        assert!(one.signing(None, Algorithm::EdDsa).is_some());
        let twins = keys(json!([key("a"), key("a")]));
        assert!(twins.signing(Some("a"), Algorithm::EdDsa).is_none());
    }

    #[test]
    fn keys_for_something_else_are_passed_over() {
        let x = URL_SAFE_NO_PAD.encode([7; 32]);
        let ed25519 = |more: serde_json::Value| {
            let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
            key.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            key
        };
        let set = keys(json!([
            ed25519(json!({"use": "enc"})),
            ed25519(json!({"alg": "ES256"})),
            {"kty": "oct", "k": "c2VjcmV0"},
            {"kty": "OKP", "crv": "Ed448", "x": x},
            {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
            {"kty": "EC", "crv": "P-256", "x": x},
            {"kty": "RSA", "n": "AAAA", "e": "AQAB"},
            {"kid": 7},
            "nonsense",
        ]));
        assert_eq!(set.0.len(), 0);
    }
}
