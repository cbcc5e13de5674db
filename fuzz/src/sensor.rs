//! Sensors' messages: the vendors' decoders, the envelopes around them, and signatures.

use std::sync::OnceLock;

use chrono::DateTime;
use domain::device::Mounting;
use domain::event::{MAX_CLOCK_LAG, device_time};
use domain::signing::{PublicKey, Signing};
use ingest::Refusal;
use ingest::decoder::{Profile, Reading, profiles};
use ingest::envelope::{Content, own, unwrap};
use ingest::signature::{DeviceKeys, verify};

/// The topics of the known messages in `ingest/tests/golden`, from which fuzzing starts.
pub const OWN: &str = "clearbay/v1/devices/d000123/up";
/// As [`OWN`], of The Things Stack.
pub const TTS: &str = "v3/parking@city/devices/sensor-1/up";
/// As [`OWN`], of ChirpStack.
pub const CHIRPSTACK: &str = "application/1f0e/device/a81758fffe000001/event/up";

/// Decodes a payload. Its first byte chooses one of the vendor's models, the second is the port, and
/// two more, little-endian, the distance in millimetres below which a vehicle is there; 0 is none.
pub fn decoder(models: &[Profile], data: &[u8]) {
    let [model, f_port, low, high, payload @ ..] = data else {
        return;
    };
    let below_mm = u32::from(u16::from_le_bytes([*low, *high]));
    let mounting = Mounting {
        occupied_below_mm: (below_mm > 0).then_some(below_mm),
    };
    let profile = &models[usize::from(*model) % models.len()];
    bounded(&(profile.decode)(&mounting, *f_port, payload), payload);
}

/// Unwraps a message, and decodes what is in it as every model.
pub fn envelope(topic: &str, data: &[u8]) {
    let Ok(unwrapped) = unwrap(topic, data) else {
        return;
    };
    let now = DateTime::UNIX_EPOCH;
    let _ = device_time(unwrapped.at, now, Some(MAX_CLOCK_LAG));
    assert!(unwrapped.device.len() <= data.len().max(topic.len()));
    if let Content::LoRaWan { f_port, payload } = unwrapped.content {
        assert!(payload.len() <= data.len());
        for profile in profiles() {
            bounded(
                &(profile.decode)(&Mounting::default(), f_port, &payload),
                &payload,
            );
        }
    }
}

/// A reading says no more than its payload can hold.
fn bounded(read: &Result<Reading, Refusal>, payload: &[u8]) {
    match read {
        Ok(reading) => {
            let tag = reading.tag.as_ref().map_or(0, String::len);
            assert!(reading.debug_codes.len() + tag <= 2 * payload.len());
        }
        Err(refusal) => assert!(refusal.detail.len() <= 200),
    }
}

/// The two messages that are signed rightly, of `own-signed.json`.
const RIGHT: [&str; 2] = [
    concat!(
        r#"{"device":"d000123","at":"2026-11-22T00:00:00.123Z","seq":45,"occupied":true,"battery_mv":3600}"#,
        "\nhs256:0bf818c295c3f29bd141b7e6cebf68320de8ef36e775d2bb89da30527fe0b135"
    ),
    concat!(
        r#"{"device":"d000123","at":"2026-11-22T00:00:00.123Z","seq":45,"occupied":true,"battery_mv":3600}"#,
        "\ned25519:f2a395d66a882e3fb54c0b63b2bfb9d1bfe598625b971aaca8de65a69ed2a955",
        "131d1ad860e3ebb9ae7cba7938a5de4196f3e76766b805e592e8fe19d976e60d"
    ),
];
const PUBLIC_KEY: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// Checks a message against both kinds of keys: no other passes than the one that was signed.
pub fn signature(data: &[u8]) {
    static KEYS: OnceLock<DeviceKeys> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        let master = "an example's master key, 32 or more characters";
        DeviceKeys::derived_from(master).expect("it is long enough")
    });
    let (json, seal) = own::split(data);
    assert!(json.len() + seal.map_or(0, |seal| seal.len() + 1) == data.len());
    let signings = [Signing::Hmac, Signing::Ed25519(PublicKey(PUBLIC_KEY))];
    for (signing, right) in signings.iter().zip(RIGHT) {
        let passes = verify(signing, keys, OWN, data).is_ok();
        assert_eq!(passes, data == right.as_bytes());
    }
    envelope(OWN, data);
}
