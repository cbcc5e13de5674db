//! Whatever arrives, it is read or refused: nothing panics, nothing says more than the message can
//! hold, and no altered message passes for a device's own.
//!
//! `cargo xtask fuzz` looks further, guided by the code that is reached.

#![allow(clippy::unwrap_used)]

use domain::device::{DeviceModel, Mounting};
use domain::signing::{PublicKey, Signing};
use ingest::decoder::{decode, profiles};
use ingest::envelope::{Content, unwrap};
use ingest::signature::{DeviceKeys, verify};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use serde_json::Value;

use crate::common::{bytes_of, files};

mod common;

/// How many messages each decoder and envelope is given; `CLEARBAY_TEST_FUZZ` asks for more.
fn runner(usual: u32) -> TestRunner {
    let asked = std::env::var("CLEARBAY_TEST_FUZZ").ok();
    TestRunner::new(Config {
        cases: asked.map_or(usual, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..Config::default()
    })
}

/// A message with a few bytes changed, cut out or put in, and its end cut off or repeated.
fn altered(known: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..3u8, any::<u8>());
    (
        prop::sample::select(known),
        prop::collection::vec(change, 0..6),
        prop::collection::vec(any::<u8>(), 0..8),
        any::<prop::sample::Index>(),
        0..3usize,
    )
        .prop_map(|(mut bytes, changes, tail, end, copies)| {
            for (index, kind, byte) in changes {
                let at = index.index(bytes.len() + 1);
                match kind {
                    0 => bytes.insert(at, byte),
                    1 if at < bytes.len() => _ = bytes.remove(at),
                    _ if at < bytes.len() => bytes[at] = byte,
                    _ => {}
                }
            }
            let copy = bytes[bytes.len() / 2..].to_vec();
            bytes.extend(copy.repeat(copies));
            bytes.extend(tail);
            bytes.truncate(end.index(bytes.len() + 1));
            bytes
        })
}

fn arbitrary_or_altered(known: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 0..300), altered(known)]
}

#[test]
fn no_payload_makes_a_decoder_fail_otherwise_than_by_refusing() {
    let vectors: Vec<Value> = files().into_iter().flat_map(|(_, all)| all).collect();
    let known: Vec<Vec<u8>> = vectors
        .iter()
        .filter(|vector| vector["model"].is_string())
        .map(bytes_of)
        .collect();
    let payloads = arbitrary_or_altered(known);
    for profile in profiles() {
        let ports = prop_oneof![Just(1u8), Just(2), Just(3), Just(10), Just(85), any::<u8>()];
        let given = (prop::option::of(any::<u32>()), ports, &payloads);
        let read = |(occupied_below_mm, f_port, bytes): (_, _, Vec<u8>)| -> TestCaseResult {
            let model = DeviceModel::named(profile.model);
            let told = match decode(&model, &Mounting { occupied_below_mm }, f_port, &bytes) {
                Ok(reading) => {
                    reading.debug_codes.len() * 2 + reading.tag.map_or(0, |tag| tag.len())
                }
                Err(refusal) => refusal.detail.len() / 100,
            };
            prop_assert!(told <= 2 * bytes.len() + 1, "{told}");
            Ok(())
        };
        let done = runner(20_000).run(&given, read);
        done.unwrap_or_else(|error| panic!("{}: {error}", profile.model));
    }
}

#[test]
fn no_envelope_fails_otherwise_than_by_being_refused() {
    for (name, vectors) in files() {
        let known: Vec<Vec<u8>> = vectors
            .iter()
            .filter_map(|vector| Some(vector["payload"].as_str()?.into()))
            .collect();
        let Some(topic) = vectors[0]["topic"].as_str() else {
            continue;
        };
        let read = |bytes: Vec<u8>| -> TestCaseResult {
            if let Ok(unwrapped) = unwrap(topic, &bytes)
                && let Content::LoRaWan { payload, .. } = unwrapped.content
            {
                prop_assert!(payload.len() <= bytes.len());
            }
            Ok(())
        };
        let done = runner(10_000).run(&arbitrary_or_altered(known), read);
        done.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The message of each kind that is signed rightly, as the golden file has it.
fn signed_rightly() -> Vec<(Signing, DeviceKeys, String, Vec<u8>)> {
    let vectors = files()
        .into_iter()
        .find(|(name, _)| name == "own-signed")
        .map(|(_, vectors)| vectors);
    vectors
        .unwrap()
        .iter()
        .filter(|vector| vector["verdict"] == "right")
        .map(|vector| {
            let signing = match vector["public_key"].as_str() {
                None => Signing::Hmac,
                Some(key) => {
                    Signing::Ed25519(PublicKey(hex::decode(key).unwrap().try_into().unwrap()))
                }
            };
            let keys = vector["master"]
                .as_str()
                .map_or_else(DeviceKeys::default, |master| {
                    DeviceKeys::derived_from(master).unwrap()
                });
            let text = |name: &str| vector[name].as_str().unwrap().to_owned();
            (signing, keys, text("topic"), text("payload").into_bytes())
        })
        .collect()
}

#[test]
fn of_ten_thousand_altered_messages_none_passes() {
    let rightly = signed_rightly();
    assert_eq!(rightly.len(), 2);
    for (signing, keys, topic, payload) in rightly {
        assert!(verify(&signing, &keys, &topic, &payload).is_ok());
        let mut given = 0;
        for position in 0..payload.len() {
            for bit in 0..8 {
                let mut one = payload.clone();
                one[position] ^= 1 << bit;
                assert!(verify(&signing, &keys, &topic, &one).is_err(), "{one:?}");
                given += 1;
            }
        }
        let others = altered(vec![payload.clone()]);
        let read = |bytes: Vec<u8>| -> TestCaseResult {
            let passes = verify(&signing, &keys, &topic, &bytes).is_ok();
            prop_assert!(!passes || bytes == payload);
            Ok(())
        };
        runner(10_000).run(&others, read).unwrap();
        assert!(given > 1_000, "{given}");
    }
}
