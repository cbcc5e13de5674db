//! Every known message decodes to its facts or is refused with its reason.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::device::{DeviceModel, Mounting};
use domain::signing::{PublicKey, Signing};
use ingest::Refusal;
use ingest::decoder::{Reading, decode, profiles};
use ingest::envelope::{Content, Unwrapped, unwrap};
use ingest::signature::{DeviceKeys, verify};
use serde_json::{Map, Value, json};

use crate::common::{bytes_of, files};

mod common;

/// A reading as golden files write it: what it does not say is left out.
fn reading_json(reading: &Reading) -> Value {
    // Named one by one, so that none is forgotten.
    let Reading {
        occupied,
        battery_mv,
        battery_percent,
        battery_low,
        temperature_dc,
        distance_mm,
        tilted,
        previous_state_min,
        previous_state_error_min,
        tag,
        firmware,
        start_cause,
        debug_codes,
    } = reading;
    let codes = (!debug_codes.is_empty()).then_some(debug_codes);
    let all = json!({
        "occupied": occupied, "battery_mv": battery_mv, "battery_percent": battery_percent,
        "battery_low": battery_low, "temperature_dc": temperature_dc, "distance_mm": distance_mm,
        "tilted": tilted, "previous_state_min": previous_state_min,
        "previous_state_error_min": previous_state_error_min, "tag": tag, "firmware": firmware,
        "start_cause": start_cause, "debug_codes": codes,
    });
    let all = all.as_object().unwrap().clone();
    let said: Map<String, Value> = all.into_iter().filter(|(_, v)| !v.is_null()).collect();
    said.into()
}

/// Whether a refusal is the one that a vector expects: its reason, and words of its detail.
fn is_refusal(refusal: &Refusal, expected: &Value) -> bool {
    expected["reason"] == refusal.reason.code()
        && refusal
            .detail
            .contains(expected["detail"].as_str().unwrap())
}

fn check_decoder(vector: &Value) {
    let mounting = Mounting {
        occupied_below_mm: vector["occupied_below_mm"]
            .as_u64()
            .map(|mm| mm.try_into().unwrap()),
    };
    let model = DeviceModel::from(vector["model"].as_str().unwrap().to_owned());
    let f_port = u8::try_from(vector["f_port"].as_u64().unwrap()).unwrap();
    match decode(&model, &mounting, f_port, &bytes_of(vector)) {
        Ok(reading) => assert_eq!(reading_json(&reading), vector["reading"], "{vector}"),
        Err(refusal) => assert!(
            is_refusal(&refusal, &vector["refusal"]),
            "{refusal}: {vector}"
        ),
    }
}

fn unwrapped_json(unwrapped: &Unwrapped) -> Value {
    let mut json = json!({"device": unwrapped.device, "seq": unwrapped.seq});
    match &unwrapped.content {
        Content::Reading(reading) => json["reading"] = reading_json(reading),
        Content::LoRaWan { f_port, payload } => {
            json["f_port"] = (*f_port).into();
            json["hex"] = hex::encode(payload).into();
        }
    }
    json
}

fn check_envelope(vector: &Value) {
    let text = |name: &str| vector[name].as_str().unwrap();
    match unwrap(text("topic"), text("payload").as_bytes()) {
        Ok(unwrapped) => {
            let mut expected = vector["unwrapped"].clone();
            let at = expected.as_object_mut().and_then(|all| all.remove("at"));
            let at: DateTime<Utc> = serde_json::from_value(at.unwrap()).unwrap();
            assert_eq!(unwrapped.at, at, "{vector}");
            assert_eq!(unwrapped_json(&unwrapped), expected, "{vector}");
        }
        Err(refusal) => assert!(
            is_refusal(&refusal, &vector["refusal"]),
            "{refusal}: {vector}"
        ),
    }
}

fn check_signature(vector: &Value) {
    let text = |name: &str| vector[name].as_str().unwrap();
    let signing = match text("signing") {
        "hmac" => Signing::Hmac,
        _ => {
            let key = hex::decode(text("public_key")).unwrap();
            Signing::Ed25519(PublicKey(key.try_into().unwrap()))
        }
    };
    let master = vector["master"].as_str();
    let keys = master.map(|master| DeviceKeys::derived_from(master).unwrap());
    let verified = verify(
        &signing,
        &keys.unwrap_or_default(),
        text("topic"),
        text("payload").as_bytes(),
    );
    let verdict = verified.map_or_else(|refusal| refusal.reason.code(), |()| "right");
    assert_eq!(verdict, text("verdict"), "{vector}");
}

#[test]
fn every_known_message_means_what_stands_beside_it() {
    let (mut models, mut count) = (HashSet::new(), 0);
    for (name, vectors) in files() {
        assert!(!vectors.is_empty(), "{name} is empty");
        for vector in &vectors {
            if let Some(model) = vector["model"].as_str() {
                models.insert(model.to_owned());
                check_decoder(vector);
            } else if vector["signing"].is_string() {
                check_signature(vector);
            } else {
                check_envelope(vector);
            }
            count += 1;
        }
    }
    assert!(count >= 150, "{count} vectors");
    for profile in profiles().filter(|profile| profile.model != DeviceModel::CLEARBAY.code()) {
        let model = profile.model;
        assert!(models.contains(model), "no vector of {model}");
    }
}
