//! Every known payload decodes to the facts beside it, and every malformed one is refused.

use domain::device::{DeviceModel, Mounting};
use ingest::Reason;
use ingest::decoder::{Reading, decode};
use serde_json::Value;

/// The vectors of that kind; `None` where the folder is missing, which has been said then.
fn vectors(kind: &str) -> Option<Vec<Value>> {
    let all = tests::shared("vectors/sensors.json")?;
    let all: Value = serde_json::from_slice(&all).unwrap();
    Some(all[kind].as_array().unwrap().clone())
}

fn decoded(vector: &Value) -> Result<Reading, ingest::Refusal> {
    let model = match (vector["model"].as_str().unwrap(), vector["layout"].as_str()) {
        ("tps110", None) => "bosch-tps110",
        ("nps405", None) => "nwave-nps405",
        ("nps405", Some("with-battery")) => "nwave-nps405-battery",
        ("em400-mud", None) => "milesight-em400-mud",
        other => panic!("no such model: {other:?}"),
    };
    let mounting = Mounting {
        occupied_below_mm: Some(1_500),
    };
    let f_port = u8::try_from(vector["f_port"].as_u64().unwrap()).unwrap();
    decode(
        &DeviceModel::named(model),
        &mounting,
        f_port,
        &hex::decode(vector["hex"].as_str().unwrap()).unwrap(),
    )
}

#[test]
fn every_known_payload_decodes_to_its_facts() {
    let Some(vectors) = vectors("uplinks") else {
        return;
    };
    assert_eq!(vectors.len(), 9);
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
            // A distance alone does not say it.
            occupied: vector["occupied"].as_bool().unwrap_or(reading.occupied),
            battery_mv: vector["battery_mv"]
                .as_i64()
                .map(|mv| mv.try_into().unwrap()),
            battery_percent: vector["battery_percent"]
                .as_u64()
                .map(|percent| percent.try_into().unwrap()),
            battery_low: None,
            temperature_dc: vector["temperature_c"]
                .as_f64()
                .map(|celsius| (celsius * 10.0).round() as i16),
            distance_mm: vector["distance_mm"]
                .as_u64()
                .map(|mm| mm.try_into().unwrap()),
            tilted: vector["tilted"].as_bool(),
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
fn a_model_that_nobody_reads_is_told_by_its_name() {
    let model = DeviceModel::named("acme-9");
    let refusal = decode(&model, &Mounting::default(), 1, &[1]).unwrap_err();
    assert_eq!(refusal.reason, Reason::UnknownModel);
    assert!(refusal.detail.contains("acme-9"), "{refusal}");
}
