//! What a message is wrapped in: who sent it, when, and with which counter.

use chrono::{DateTime, TimeDelta, Utc};
use domain::Timestamp;
use serde::Deserialize;

use crate::decoder::Reading;
use crate::{Reason, Refusal};

pub mod chirpstack;
mod instant;
pub mod own;
pub mod tts;

/// A message without its wrapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// What the device calls itself, as in the directory.
    pub device: String,
    /// The device's time, or the earliest at which a gateway heard it.
    pub at: Timestamp,
    /// The device's counter.
    pub seq: i64,
    /// What it says.
    pub content: Content,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The state itself.
    Reading(Reading),
    /// Bytes for a vendor's decoder.
    LoRaWan {
        /// The port, which tells the kind of payload.
        f_port: u8,
        /// The payload.
        payload: Vec<u8>,
    },
}

/// The filters under which devices publish.
pub const FILTERS: [&str; 3] = [
    "clearbay/v1/devices/+/up",
    "v3/+/devices/+/up",
    "application/+/device/+/event/+",
];

/// Unwraps a message by its topic.
///
/// # Errors
/// [`Refusal`] where the topic is none of ours or the message is not of its format.
pub fn unwrap(topic: &str, payload: &[u8]) -> Result<Unwrapped, Refusal> {
    if let Some(device) = own::device_of(topic) {
        return own::unwrap(device, payload);
    }
    let levels: Vec<&str> = topic.split('/').collect();
    match levels[..] {
        ["v3", _, "devices", device, "up"] => tts::unwrap(device, payload),
        ["application", _, "device", device, "event", "up"] => chirpstack::unwrap(device, payload),
        ["application", _, "device", _, "event", kind] => Err(Refusal::no_occupancy(format!(
            "a network server's {kind} event"
        ))),
        _ => Err(Refusal::new(
            Reason::UnknownTopic,
            "no device publishes here",
        )),
    }
}

fn json<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(payload).map_err(Refusal::undecodable)
}

fn base64(text: &str) -> Result<Vec<u8>, Refusal> {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(Refusal::undecodable)
}

/// What a gateway tells of one reception.
#[derive(Deserialize)]
struct Reception {
    #[serde(default, alias = "gwTime")]
    time: Option<DateTime<Utc>>,
    /// ChirpStack's own time of this reception.
    #[serde(default, rename = "nsTime")]
    server_time: Option<DateTime<Utc>>,
}

/// How far a gateway's clock may be from the network server's and still be believed. A gateway
/// without a time source starts at 1970 or with the day it was last saved.
const GATEWAY_CLOCK_FAULT: TimeDelta = TimeDelta::minutes(10);

/// When a message was heard: the earliest time of a gateway whose clock agrees with the network
/// server's in the same message, so that it is the same whichever copy arrives first; the server's
/// own where no gateway's does.
fn heard_at(receptions: &[Reception], server: Option<Timestamp>) -> Option<Timestamp> {
    let agrees = |time: &Timestamp| {
        server.is_none_or(|server| time.signed_duration_since(server).abs() <= GATEWAY_CLOCK_FAULT)
    };
    receptions
        .iter()
        .filter_map(|reception| reception.time)
        .filter(agrees)
        .min()
        .or(server)
}
