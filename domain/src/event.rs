//! What a device said: the only source of occupancy.

use chrono::{SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::id::BayId;

/// How far a device's clock may run ahead of ours before its word is refused.
pub const MAX_CLOCK_LEAD: TimeDelta = TimeDelta::minutes(5);

/// A decoded, attributed statement of one device about its bay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The bay that the device watches.
    pub bay: BayId,
    /// The device's own name.
    pub device: String,
    /// The device's time, to the microsecond.
    pub at: Timestamp,
    /// The device's message counter; resets on a restart, so it orders only equal times.
    pub seq: i64,
    /// Whether a vehicle is there.
    pub occupied: bool,
    /// Battery voltage in millivolts.
    pub battery_mv: Option<i32>,
    /// Temperature in tenths of a degree Celsius.
    pub temperature_dc: Option<i16>,
    /// When the message reached us.
    pub received_at: Timestamp,
}

/// The order of a bay's events and their identity: an event with an equal key is a repetition.
///
/// `occupied` is part of it so that the outcome does not depend on arrival even where a device
/// contradicts itself under one time and counter: both statements are kept and "occupied" is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    /// The device's time.
    pub at: Timestamp,
    /// The device's message counter.
    pub seq: i64,
    /// The state told.
    pub occupied: bool,
}

impl Event {
    /// The event's place in its bay's order.
    pub fn key(&self) -> EventKey {
        EventKey {
            at: self.at,
            seq: self.seq,
            occupied: self.occupied,
        }
    }
}

/// The device's time as we keep it, or `None` where it lies further ahead than [`MAX_CLOCK_LEAD`].
pub fn device_time(at: Timestamp, received_at: Timestamp) -> Option<Timestamp> {
    (at <= received_at + MAX_CLOCK_LEAD).then(|| at.trunc_subsecs(6))
}
