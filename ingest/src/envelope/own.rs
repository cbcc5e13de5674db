//! Clearbay's own JSON:
//! `{"device":"d000123","at":"2026-11-22T00:00:00.123Z","seq":45,"occupied":true,"battery_mv":3600}`,
//! alone or signed.
//!
//! # Signed
//!
//! A signed payload is the JSON, a line feed, and one of `hs256:` with the HMAC-SHA256 and
//! `ed25519:` with the Ed25519 signature (RFC 8032), in lower-case hex, to the last byte. What is
//! signed is the topic, a line feed, and the JSON's bytes as they are sent: nothing is put into a
//! canonical form by either side, and a message of one device is no message of another's. The key of
//! HMAC is HMAC-SHA256 of `clearbay device` and the device's name, keyed with the operator's master
//! key. `docs/device-signing.md` has it for makers of devices, with examples.
//!
//! Which devices must sign, and how, is in the registry. There, an unsigned message is refused as
//! `unsigned` and one whose signature is wrong or of the other kind as `forged`, readable or not.
//! Of a device that need not sign, a signature is passed over: whoever forges could leave it away.
//!
//! # Repetition and replay
//!
//! `seq` of a device that signs is a counter that it never uses twice, not even after a restart; it
//! may leave numbers out. The first message with a right signature that comes under a counter keeps
//! it. Then
//!
//! - the same statement (time, state) under the same counter is a repetition, by the broker or by
//!   somebody who listened: it changes nothing and is counted as such;
//! - another one under that counter is refused as `replayed`, and so is the same one where it would
//!   tell of another bay than it did;
//! - a message is refused as `replayed` that says it is older than [`COUNTERS_KEPT`] when it arrives:
//!   so long counters are remembered, and its repetition could no longer be told.
//!
//! Counters may come in any order and as late as that: of a device that keeps to the rule, any order
//! of its messages leaves the same events. To hold a message back, and to send it later, tells
//! nothing new, since it counts for the time that it names.
//!
//! [`COUNTERS_KEPT`]: domain::signing::COUNTERS_KEPT

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Content, Unwrapped, json};
use crate::Refusal;
use crate::decoder::Reading;

/// What goes before an HMAC-SHA256 in hex.
pub const HMAC: &[u8] = b"hs256:";
/// What goes before an Ed25519 signature in hex.
pub const ED25519: &[u8] = b"ed25519:";

/// What a battery may have, in millivolts.
const BATTERY_MV: std::ops::RangeInclusive<i32> = 1..=60_000;

#[derive(Deserialize)]
struct Message<'a> {
    device: std::borrow::Cow<'a, str>,
    #[serde(deserialize_with = "super::instant::deserialize")]
    at: DateTime<Utc>,
    seq: i64,
    occupied: bool,
    battery_mv: Option<i32>,
    temperature_dc: Option<i16>,
}

/// The device whose topic it is.
pub fn device_of(topic: &str) -> Option<&str> {
    let device = topic
        .strip_prefix("clearbay/v1/devices/")?
        .strip_suffix("/up")?;
    (!device.contains('/')).then_some(device)
}

/// The JSON of a payload, and the line that signs it where there is one.
pub fn split(payload: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = payload.iter().rposition(|byte| *byte == b'\n');
    if let Some((json, [_, last @ ..])) = end.and_then(|end| payload.split_at_checked(end))
        && (last.starts_with(HMAC) || last.starts_with(ED25519))
    {
        return (json, Some(last));
    }
    (payload, None)
}

pub(super) fn unwrap(topic_device: &str, payload: &[u8]) -> Result<Unwrapped, Refusal> {
    let message: Message<'_> = json(split(payload).0)?;
    if message.device != topic_device {
        return Err(Refusal::undecodable(
            "the message names another device than its topic",
        ));
    }
    Ok(Unwrapped {
        device: topic_device.to_owned(),
        at: message.at,
        seq: message.seq,
        content: Content::Reading(Reading {
            occupied: message.occupied,
            // A voltage that no cell has says nothing of the battery, and leaves the state as good.
            battery_mv: message.battery_mv.filter(|mv| BATTERY_MV.contains(mv)),
            temperature_dc: message.temperature_dc,
            ..Reading::default()
        }),
    })
}
