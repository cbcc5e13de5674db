use chrono::DateTime;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use super::*;
use crate::oidc::keys::JwkSet;

const EXPECTED: Expected<'_> = Expected {
    issuer: "https://id.example",
    client_id: "clearbay",
    nonce: "a-nonce",
};

/// What jose made once (`tests/oidc-provider/vectors.mjs`).
fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

fn keys(set: &Value) -> Keys {
    serde_json::from_value::<JwkSet>(set.clone())
        .unwrap()
        .into()
}

fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

/// When the vectors were issued.
const ISSUED: i64 = 1_790_000_000;

#[test]
fn what_another_library_signed_is_believed() {
    let vectors = vectors();
    let keys = keys(&vectors["jwks"]);
    for alg in ["RS256", "ES256", "EdDSA", "without_kid"] {
        let token = vectors["tokens"][alg].as_str().unwrap();
        let claims = check(token, &keys, EXPECTED, at(ISSUED)).unwrap();
        assert_eq!(claims.subject, "subject-1");
        assert_eq!(claims.name.as_deref(), Some("Nguyễn Văn A"));
        assert_eq!(format!("{claims:?}"), "Claims(..)");
    }
}

#[test]
fn a_token_that_is_not_signed_by_a_key_of_the_provider_s_is_refused() {
    let vectors = vectors();
    let all = keys(&vectors["jwks"]);
    let refused = |token: &str, keys: &Keys| check(token, keys, EXPECTED, at(ISSUED)).unwrap_err();
    let token = |name: &str| vectors["tokens"][name].as_str().unwrap();
    assert_eq!(refused(token("none"), &all), Refused::Algorithm);
    assert_eq!(refused(token("HS256"), &all), Refused::Algorithm);
    assert_eq!(refused(token("crit"), &all), Refused::Critical);
    assert_eq!(refused(token("RS256"), &Keys::default()), Refused::Key);
    // A key of the right name and of another kind is another key.
    let mut renamed = vectors["jwks"].clone();
    renamed["keys"][1]["kid"] = json!("key-RS256");
    renamed["keys"].as_array_mut().unwrap().remove(0);
    assert_eq!(refused(token("RS256"), &keys(&renamed)), Refused::Key);

    // One bit of any part changed, and parts of two tokens put together.
    let parts: Vec<&str> = token("RS256").split('.').collect();
    let others: Vec<&str> = token("without_kid").split('.').collect();
    let mixed = format!("{}.{}.{}", parts[0], parts[1], others[2]);
    assert_eq!(refused(&mixed, &all), Refused::Signature);
    let unnamed = format!("{}.{}.{}", others[0], others[1], parts[2]);
    assert_eq!(refused(&unnamed, &all), Refused::Key);
    let mut forged: Vec<u8> = token("ES256").bytes().collect();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    assert_eq!(refused(&forged, &all), Refused::Signature);
    for nonsense in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "eyJ9.e30.",
        &"a.".repeat(TOKEN_MAX),
    ] {
        assert_eq!(
            refused(nonsense, &all),
            Refused::Unreadable,
            "{nonsense:.20}"
        );
    }
}

/// A key of ours, and a token signed by it.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
    }

    fn keys(&self) -> Keys {
        let point = self.0.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        keys(&json!({"keys": [{"kty": "EC", "crv": "P-256",
            "x": part(&point[1..33]), "y": part(&point[33..])}]}))
    }

    fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "ES256"})), part(claims));
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[test]
fn each_claim_must_be_as_it_was_asked_for() {
    let signer = Signer::new();
    let keys = signer.keys();
    let right = vectors()["claims"].clone();
    let with = |name: &str, value: Value| {
        let mut claims = right.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        check(&signer.token(&claims), &keys, EXPECTED, at(ISSUED)).map(|claims| claims.subject)
    };
    assert_eq!(with("more", json!("claims")), Ok("subject-1".to_owned()));
    let cases = [
        ("iss", json!("https://id.example/"), Refused::Issuer),
        ("iss", json!("https://other.example"), Refused::Issuer),
        ("iss", json!(["https://id.example"]), Refused::Unreadable),
        ("iss", Value::Null, Refused::Unreadable),
        ("aud", json!("another"), Refused::Audience),
        ("aud", json!([]), Refused::Audience),
        ("aud", json!(["another"]), Refused::Audience),
        ("aud", json!(["clearbay", "another"]), Refused::Audience),
        ("aud", Value::Null, Refused::Unreadable),
        ("azp", json!("another"), Refused::Audience),
        ("exp", json!(ISSUED - 60), Refused::Expired),
        ("exp", json!("1790000300"), Refused::Unreadable),
        ("exp", Value::Null, Refused::Unreadable),
        ("iat", json!(ISSUED + 61), Refused::IssuedAt),
        ("iat", json!(ISSUED - 661), Refused::IssuedAt),
        ("iat", Value::Null, Refused::Unreadable),
        ("nbf", json!(ISSUED + 61), Refused::IssuedAt),
        ("nonce", json!("another"), Refused::Nonce),
        ("nonce", json!(""), Refused::Nonce),
        ("nonce", Value::Null, Refused::Nonce),
        ("sub", json!(""), Refused::Subject),
        ("sub", json!("x".repeat(256)), Refused::Subject),
        ("sub", Value::Null, Refused::Unreadable),
    ];
    for (name, value, why) in cases {
        assert_eq!(with(name, value.clone()), Err(why), "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(["clearbay"])),
        ("azp", json!("clearbay")),
        ("exp", json!(ISSUED - 59)),
        ("exp", json!(ISSUED as f64 + 0.5)),
        ("iat", json!(ISSUED + 60)),
        ("nbf", json!(ISSUED + 60)),
        ("name", json!(["no text"])),
    ] {
        assert_eq!(
            with(name, value.clone()),
            Ok("subject-1".to_owned()),
            "{name}: {value}"
        );
    }
    // Others may be told of it, if it was given to us.
    let mut shared = right.clone();
    shared["aud"] = json!(["another", "clearbay"]);
    shared["azp"] = json!("clearbay");
    assert!(check(&signer.token(&shared), &keys, EXPECTED, at(ISSUED)).is_ok());
    shared["azp"] = json!("another");
    let refused = check(&signer.token(&shared), &keys, EXPECTED, at(ISSUED));
    assert_eq!(refused, Err(Refused::Audience));
}
