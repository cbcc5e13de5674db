//! Every known payload decodes to the facts beside it, and every malformed one is refused.

#![allow(clippy::unwrap_used)]

use domain::device::DeviceModel;
use ingest::Reason;
use ingest::decoder::{Reading, decode};
use serde_json::Value;

/// The vectors of that kind; `None` where the folder is missing, which has been said then.
fn vectors(kind: &str) -> Option<Vec<Value>> {
    let all = tests::shared("vectors/sensors.json")?;
    let all: Value = serde_json::from_slice(&all).unwrap();
    // The distance sensor is not spoken: what it means depends on how it is mounted.
    let spoken = |vector: &&Value| vector["vendor"] != "milesight";
    let of_kind = all[kind].as_array().unwrap().iter();
    Some(of_kind.filter(spoken).cloned().collect())
}

fn decoded(vector: &Value) -> Result<Reading, ingest::Refusal> {
    let model = match (vector["model"].as_str().unwrap(), vector["layout"].as_str()) {
        ("tps110", None) => DeviceModel::BoschTps110,
        ("nps405", None) => DeviceModel::NwaveNps405,
        ("nps405", Some("with-battery")) => DeviceModel::NwaveNps405Battery,
        other => panic!("no such model: {other:?}"),
    };
    let f_port = u8::try_from(vector["f_port"].as_u64().unwrap()).unwrap();
    decode(
        model,
        f_port,
        &hex::decode(vector["hex"].as_str().unwrap()).unwrap(),
    )
}

#[test]
fn every_known_payload_decodes_to_its_facts() {
    let Some(vectors) = vectors("uplinks") else {
        return;
    };
    assert_eq!(vectors.len(), 8);
    for vector in vectors {
        let reading = decoded(&vector).unwrap_or_else(|refusal| panic!("{vector}: {refusal}"));
        let codes = |value: &Value| {
            let codes = value
                .as_array()?
                .iter()
                .map(|code| u16::try_from(code.as_u64()?).ok());
            codes.collect::<Option<Vec<_>>>()
        };
        let expected = Reading {
            occupied: vector["occupied"].as_bool().unwrap(),
            battery_mv: vector["battery_mv"]
                .as_i64()
                .map(|mv| mv.try_into().unwrap()),
            temperature_dc: vector["temperature_c"]
                .as_i64()
                .map(|c| (c * 10).try_into().unwrap()),
            // Not every vector states every fact that its payload holds.
            previous_state_min: vector["previous_state_min"]
                .as_u64()
                .map_or(reading.previous_state_min, |min| {
                    Some(min.try_into().unwrap())
                }),
            previous_state_error_min: vector["previous_state_error_min"]
                .as_u64()
                .map_or(reading.previous_state_error_min, |min| {
                    Some(min.try_into().unwrap())
                }),
            tag: vector["tag"].as_str().map(str::to_owned),
            firmware: vector["firmware"].as_str().map(str::to_owned),
            start_cause: reading
                .start_cause
                .filter(|cause| vector["start_cause"] == *cause),
            debug_codes: codes(&vector["debug_codes"]).unwrap_or_default(),
        };
        assert_eq!(reading, expected, "{vector}");
        assert_eq!(
            reading.start_cause,
            vector["start_cause"].as_str(),
            "{vector}"
        );
    }
}

#[test]
fn every_malformed_payload_is_refused_with_its_own_reason() {
    let Some(vectors) = vectors("malformed") else {
        return;
    };
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let refusal = decoded(&vector).expect_err(&vector.to_string());
        assert_eq!(refusal.reason, Reason::Undecodable, "{vector}");
        assert!(
            refusal
                .detail
                .starts_with(vector["reason"].as_str().unwrap()),
            "{refusal}"
        );
    }
}

#[test]
fn no_payload_of_any_length_on_any_port_makes_a_decoder_fail_otherwise() {
    for model in DeviceModel::ALL {
        for f_port in 0..=u8::MAX {
            for length in 0..24 {
                for fill in [0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF] {
                    let _ = decode(model, f_port, &vec![fill; length]);
                }
            }
        }
    }
}
