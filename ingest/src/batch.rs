//! From messages to what the store keeps. Pure, but for the time of receipt that is handed in.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::event::{ClockFault, Event, device_time};
use store::device::KnownDevice;
use store::quarantine::RefusedMessage;

use crate::decoder::{Reading, decode};
use crate::envelope::{Content, Unwrapped, unwrap};
use crate::signature::{DeviceKeys, check};
use crate::{Options, Reason, Refusal};

/// A message as it came from the broker.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload, or the start of one that is too large.
    pub payload: Bytes,
    /// The payload's size in bytes as it was sent.
    pub size: usize,
    /// When it reached us.
    pub received_at: Timestamp,
}

/// Every installed device by the name it calls itself.
pub type Directory = HashMap<String, KnownDevice>;

/// How far behind ours devices' clocks may run.
#[derive(Clone, Copy, Debug)]
pub struct MaxLag {
    living: TimeDelta,
    recorded: Option<TimeDelta>,
}

impl MaxLag {
    /// As the operator wants it. Nothing is taken that is older than what is kept.
    pub fn of(options: &Options) -> Self {
        let (lag, keep) = (options.max_clock_lag, options.keep_events);
        Self {
            living: keep.map_or(lag, |keep| keep.min(lag)),
            recorded: keep,
        }
    }

    fn of_device(self, device: &KnownDevice) -> Option<TimeDelta> {
        if device.recorded {
            self.recorded
        } else {
            Some(self.living)
        }
    }
}

/// Finds who sent a message, when, and what is in it.
///
/// # Errors
/// [`Refusal`] where it is too large, its topic is none of ours or its envelope is not whole.
pub fn open(message: &Message) -> Result<Unwrapped, Refusal> {
    if message.size > message.payload.len() {
        return Err(Refusal::new(
            Reason::TooLarge,
            format!("{} bytes", message.size),
        ));
    }
    unwrap(&message.topic, &message.payload)
}

/// Decodes what was in a message; the result names the device's key. Only a recording's devices may
/// be more than `max_lag` behind. What a device that signs says is worth something only with its
/// signature.
///
/// # Errors
/// The device's name and a [`Refusal`] where it gives no event.
pub fn event_of(
    directory: &Directory,
    keys: &DeviceKeys,
    message: &Message,
    unwrapped: &Unwrapped,
    max_lag: MaxLag,
) -> Result<(i32, Event), (String, Refusal)> {
    match judge(directory, keys, message, unwrapped, max_lag) {
        Ok((device, reading, at)) => {
            let event = Event {
                device: unwrapped.device.clone(),
                at,
                seq: unwrapped.seq,
                occupied: reading.occupied,
                battery_mv: reading.battery_mv,
                temperature_dc: reading.temperature_dc,
                received_at: message.received_at,
            };
            Ok((device.id, event))
        }
        Err(refusal) => Err((unwrapped.device.clone(), refusal)),
    }
}

fn judge<'a>(
    directory: &'a Directory,
    keys: &DeviceKeys,
    message: &Message,
    unwrapped: &Unwrapped,
    max_lag: MaxLag,
) -> Result<(&'a KnownDevice, Reading, Timestamp), Refusal> {
    let device = directory
        .get(&unwrapped.device)
        .ok_or_else(|| Refusal::new(Reason::UnknownDevice, "no such device is installed"))?;
    check(device, keys, message, unwrapped)?;
    let reading = match &unwrapped.content {
        Content::Reading(reading) => reading.clone(),
        Content::LoRaWan { f_port, payload } => {
            decode(&device.model, &device.mounting, *f_port, payload)?
        }
    };
    let max_lag = max_lag.of_device(device);
    let at = device_time(unwrapped.at, message.received_at, max_lag).map_err(|fault| {
        let reason = match fault {
            ClockFault::Ahead => Reason::ClockAhead,
            ClockFault::Behind => Reason::ClockBehind,
        };
        Refusal::new(reason, format!("it says {}", unwrapped.at))
    })?;
    Ok((device, reading, at))
}

/// As much as is kept of a message of a kind of which an hour keeps only some, in bytes: more than
/// any device says.
const USELESS_MAX: usize = 1_024;

/// The message as it is kept when it gives no event; `device` is whom it names, where that could be
/// read.
pub fn refused(message: &Message, device: Option<String>, refusal: &Refusal) -> RefusedMessage {
    let kept_per_hour = refusal.reason.kept_per_hour();
    let kept_bytes = kept_per_hour.map_or(usize::MAX, |_| USELESS_MAX);
    RefusedMessage {
        received_at: message.received_at,
        topic: message.topic.clone(),
        payload: message.payload[..kept_bytes.min(message.payload.len())].to_vec(),
        device,
        reason: refusal.reason.code(),
        detail: refusal.detail.clone(),
        kept_per_hour,
    }
}
