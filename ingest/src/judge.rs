//! What a message is worth: an event of an installed device, or a refusal. Pure, but for the time of
//! receipt that is handed in.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use chrono::TimeDelta;
use domain::Timestamp;
use domain::event::{ClockFault, Event, device_time};
use store::device::KnownDevice;
use store::quarantine::RefusedMessage;

use crate::decoder::{Reading, decode};
use crate::envelope::{Content, Unwrapped, unwrap};
use crate::signature::{DeviceKeys, check, of_unreadable};
use crate::{Options, Reason, Refusal};

/// A message as it came from the broker.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Its topic.
    pub(crate) topic: String,
    /// Its payload, or the start of one that is too large.
    pub(crate) payload: Bytes,
    /// The payload's size in bytes as it was sent.
    pub(crate) size: usize,
    /// When it reached us.
    pub(crate) received_at: Timestamp,
}

/// Every installed device by the name it calls itself.
pub(crate) type Directory = HashMap<String, KnownDevice>;

/// How far behind ours devices' clocks may run.
#[derive(Clone, Copy, Debug)]
struct MaxLag {
    living: TimeDelta,
    recorded: Option<TimeDelta>,
}

impl MaxLag {
    /// As the operator wants it. Nothing is taken that is older than what is kept.
    fn of(options: &Options) -> Self {
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

/// What a message is worth.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// An event.
    Event(Sound),
    /// What a device says that stood in no directory when it was judged.
    Stranger(Unwrapped),
    /// Nothing, and of which device, where that could be read.
    Refused(Option<String>, Refusal),
}

/// An event of an installed device.
#[derive(Clone, Debug)]
pub(crate) struct Sound {
    /// The device's key.
    pub(crate) device: i32,
    /// Whether it is signed, so that its counter is to be claimed.
    pub(crate) signed: bool,
    /// What it said.
    pub(crate) event: Event,
}

/// Judges messages by the installed devices. The task that reads does so as messages come; the
/// worker keeps the directory up to date.
#[derive(Debug)]
pub(crate) struct Judge {
    directory: RwLock<Directory>,
    keys: DeviceKeys,
    max_lag: MaxLag,
}

impl Judge {
    pub(crate) fn new(directory: Directory, options: &Options) -> Self {
        Self {
            directory: RwLock::new(directory),
            keys: options.device_keys.clone(),
            max_lag: MaxLag::of(options),
        }
    }

    fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory, to be brought up to date.
    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether signatures by HMAC can be checked.
    pub(crate) fn has_master_key(&self) -> bool {
        self.keys.has_master()
    }

    /// Finds who sent a message, when, and what is in it.
    pub(crate) fn judge(&self, message: &Message) -> Verdict {
        if message.size > message.payload.len() {
            let refusal = Refusal::new(Reason::TooLarge, format!("{} bytes", message.size));
            return self.unreadable(message, refusal);
        }
        match unwrap(&message.topic, &message.payload) {
            Ok(unwrapped) => self.unwrapped(message, unwrapped),
            Err(refusal) => self.unreadable(message, refusal),
        }
    }

    /// Judges by what was in a message.
    pub(crate) fn unwrapped(&self, message: &Message, unwrapped: Unwrapped) -> Verdict {
        let directory = self.directory();
        let Some(device) = directory.get(&unwrapped.device) else {
            return Verdict::Stranger(unwrapped);
        };
        match self.believe(device, message, &unwrapped) {
            Ok((reading, at)) => Verdict::Event(Sound {
                device: device.id,
                signed: device.signing.is_some(),
                event: Event {
                    device: unwrapped.device,
                    at,
                    seq: unwrapped.seq,
                    occupied: reading.occupied,
                    battery_mv: reading.battery_mv,
                    temperature_dc: reading.temperature_dc,
                    received_at: message.received_at,
                },
            }),
            Err(refusal) => Verdict::Refused(Some(unwrapped.device), refusal),
        }
    }

    fn unreadable(&self, message: &Message, refusal: Refusal) -> Verdict {
        let (device, refusal) = of_unreadable(&self.directory(), &self.keys, message, refusal);
        Verdict::Refused(device, refusal)
    }

    /// What a device says and when. Only a recording's devices may be further behind than living
    /// ones. What a device that signs says is worth something only with its signature.
    fn believe(
        &self,
        device: &KnownDevice,
        message: &Message,
        unwrapped: &Unwrapped,
    ) -> Result<(Reading, Timestamp), Refusal> {
        check(device, &self.keys, message, unwrapped)?;
        let reading = match &unwrapped.content {
            Content::Reading(reading) => reading.clone(),
            Content::LoRaWan { f_port, payload } => {
                decode(&device.model, &device.mounting, *f_port, payload)?
            }
        };
        let max_lag = self.max_lag.of_device(device);
        let at = device_time(unwrapped.at, message.received_at, max_lag).map_err(|fault| {
            let reason = match fault {
                ClockFault::Ahead => Reason::ClockAhead,
                ClockFault::Behind => Reason::ClockBehind,
            };
            Refusal::new(reason, format!("it says {}", unwrapped.at))
        })?;
        Ok((reading, at))
    }
}

/// Why what an unknown device says is put aside.
pub(crate) fn unknown_device() -> Refusal {
    Refusal::new(Reason::UnknownDevice, "no such device is installed")
}

/// As much as is kept of a message of a kind of which an hour keeps only some, in bytes: more than
/// any device says.
const USELESS_MAX: usize = 1_024;

/// The message as it is kept when it gives no event; `device` is whom it names, where that could be
/// read.
pub(crate) fn refused(
    message: &Message,
    device: Option<String>,
    refusal: Refusal,
) -> RefusedMessage {
    tracing::debug!(topic = %message.topic, %refusal, "message refused");
    let kept_per_hour = refusal.reason.kept_per_hour();
    let kept_bytes = kept_per_hour.map_or(usize::MAX, |_| USELESS_MAX);
    RefusedMessage {
        received_at: message.received_at,
        topic: message.topic.clone(),
        payload: message.payload[..kept_bytes.min(message.payload.len())].to_vec(),
        device,
        reason: refusal.reason.code(),
        detail: refusal.detail,
        kept_per_hour,
    }
}
