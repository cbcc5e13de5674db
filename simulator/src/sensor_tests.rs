#![allow(clippy::unwrap_used)]

use std::path::Path;

use domain::device::Mounting;
use serde_json::Value;

use super::*;

fn report(occupied: bool, heartbeat: bool) -> Report {
    let at = Timestamp::from_timestamp_millis(1_795_305_600_123).unwrap();
    Report {
        bay: 0,
        at,
        sent_at: at,
        occupied,
        heartbeat,
        previous_state_min: Some(74),
        battery_mv: 3_344,
        temperature_c: -10,
    }
}

fn device(id: &str, model: DeviceModel) -> Device {
    Device {
        id: id.to_owned(),
        model,
        mounting: Mounting::default(),
        silence_after_s: None,
    }
}

fn json(device: &Device, report: &Report) -> Value {
    serde_json::from_slice(&payload(device, report)).unwrap()
}

/// The bytes of every vector of a model that this module can say.
#[test]
fn bytes_are_the_vendors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/sensors.json");
    let Ok(text) = std::fs::read(&path) else {
        println!("skipped: {} is not on this machine", path.display());
        return;
    };
    let vectors: Value = serde_json::from_slice(&text).unwrap();
    let mut checked = 0;
    for vector in vectors["uplinks"].as_array().unwrap() {
        let port = u8::try_from(vector["f_port"].as_u64().unwrap()).unwrap();
        let mut wanted = hex::decode(vector["hex"].as_str().unwrap()).unwrap();
        let said = Report {
            previous_state_min: vector["previous_state_min"]
                .as_u64()
                .map(|m| u16::try_from(m).unwrap()),
            battery_mv: vector["battery_mv"]
                .as_u64()
                .map_or(0, |mv| u16::try_from(mv).unwrap()),
            temperature_c: vector["temperature_c"].as_f64().map_or(0, |c| c as i8),
            ..report(vector["occupied"].as_bool().unwrap_or(false), port == 2)
        };
        let bytes = match (vector["model"].as_str().unwrap(), port) {
            ("tps110", 1 | 2) => bosch(&said),
            ("nps405", 1) => nwave(&said),
            ("nps405", 2) => {
                // The vendor's own three bytes at the end are not documented.
                wanted.truncate(3);
                nwave(&said)
            }
            _ => continue,
        };
        assert_eq!(bytes, (port, wanted), "{vector}");
        checked += 1;
    }
    assert_eq!(checked, 4);
}

#[test]
fn lengths_of_states_are_coded_as_nwave_does() {
    let codes = [
        (0, 0),
        (89, 89),
        (90, 90),
        (160, 104),
        (239, 119),
        (240, 120),
        (659, 126),
        (660, 127),
        (9_999, 127),
    ];
    for (minutes, code) in codes {
        assert_eq!(duration_code(Some(minutes)), code, "{minutes} min");
    }
    assert_eq!(duration_code(None), 127);
}

#[test]
fn own_json_is_as_documented() {
    let device = device("d000123", DeviceModel::CLEARBAY);
    assert_eq!(topic(&device), "clearbay/v1/devices/d000123/up");
    let said = report(true, false);
    assert_eq!(
        payload(&device, &said),
        format!(
            r#"{{"device":"d000123","at":"2026-11-22T00:00:00.123Z","seq":{},"occupied":true,"battery_mv":3344}}"#,
            seq_at(said.at)
        )
    );
}

#[test]
fn envelopes_are_those_of_the_network_servers() {
    let bosch = device("0200b05c0000000c", BOSCH);
    assert_eq!(
        topic(&bosch),
        "v3/hanoi-parking@clearbay/devices/eui-0200b05c0000000c/up"
    );
    let message = json(&bosch, &report(true, false));
    assert_eq!(
        message["end_device_ids"]["device_id"],
        "eui-0200b05c0000000c"
    );
    assert_eq!(message["end_device_ids"]["dev_eui"], "0200B05C0000000C");
    assert_eq!(message["uplink_message"]["f_port"], 1);
    assert_eq!(
        message["uplink_message"]["frm_payload"],
        STANDARD.encode([1])
    );
    assert_eq!(
        message["uplink_message"]["rx_metadata"][0]["time"],
        "2026-11-22T00:00:00.123Z"
    );
    let nwave = device("02004e5700000011", NWAVE);
    let expected =
        "application/5f0c4d2e-8a51-4c0b-9b7e-2d1f6a3c9e10/device/02004e5700000011/event/up";
    assert_eq!(topic(&nwave), expected);
    let message = json(&nwave, &report(true, false));
    assert_eq!(message["deviceInfo"]["devEui"], "02004e5700000011");
    assert_eq!(
        (&message["fPort"], &message["data"]),
        (&1.into(), &STANDARD.encode([0x95]).into())
    );
    assert_eq!(message["time"], "2026-11-22T00:00:00.123Z");
    assert_eq!(message["fCnt"], seq_at(report(true, false).at));
    let counter = message["fCnt"].as_u64().unwrap();
    assert!(counter <= u64::from(u32::MAX), "LoRaWAN counts in 32 bits");
}
