//! Clearbay's own JSON:
//! `{"device":"d000123","at":"2026-11-22T00:00:00.123Z","seq":45,"occupied":true,"battery_mv":3600}`.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{Content, Unwrapped, json};
use crate::Refusal;
use crate::decoder::Reading;

#[derive(Deserialize)]
struct Message<'a> {
    device: std::borrow::Cow<'a, str>,
    at: DateTime<Utc>,
    seq: i64,
    occupied: bool,
    battery_mv: Option<i32>,
    temperature_dc: Option<i16>,
}

pub(super) fn unwrap(topic_device: &str, payload: &[u8]) -> Result<Unwrapped, Refusal> {
    let message: Message<'_> = json(payload)?;
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
            battery_mv: message.battery_mv,
            temperature_dc: message.temperature_dc,
            ..Reading::default()
        }),
    })
}
