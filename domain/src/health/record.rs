//! What is known of a device: what [`assess`](super::assess) judges.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{FaultKind, STUCK_DAYS, STUCK_NEIGHBOURS};
use crate::Timestamp;
use crate::id::BayId;

/// What is known of one device that stands in a bay. What was not looked up is `None` and neither
/// begins nor ends a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Since when it stands there; `None` is from its first word on.
    pub installed_from: Option<Timestamp>,
    /// When that was made known.
    pub noted_at: Timestamp,
    /// Its limit of silence.
    pub silence_after_s: i32,
    /// Until when it would have been heard: see [`listened_until`].
    pub listened_until: Timestamp,
    /// What it said of its bay; `None` where it was never heard there.
    pub heard: Option<Heard>,
    /// How often its bay changed lately.
    pub lately: Changes,
    /// Its newest messages.
    pub newest: Option<Newest>,
    /// Its messages of the last day that were refused for their time.
    pub refused: Option<Refused>,
    /// How many vehicles came to a bay beside it while its own did not change, at the median and
    /// within [`STUCK_DAYS`]; `None` also where there are fewer than [`STUCK_NEIGHBOURS`].
    pub arrivals_beside: Option<u32>,
    /// Below how many millivolts its battery is weak.
    pub battery_limit_mv: i32,
    /// The faults that have begun and not ended.
    pub open: Vec<(FaultKind, Timestamp)>,
}

/// What the last look at the devices of a model found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastCheck {
    /// When it was.
    pub at: Timestamp,
    /// The newest word of any of them by then.
    pub newest: Option<Timestamp>,
}

/// After a pause this long between two looks at the devices nobody was there to hear them.
const AWAY: TimeDelta = TimeDelta::minutes(10);

/// Until when silence may be held against a model's devices, which come by one network, in order. While
/// what had waited comes in, after the broker, the network or we were away, that is no later than the
/// `newest` word of any of them; once no more comes it is `now`, for then it is a silence whoever may
/// be its cause.
pub fn listened_until(
    last: Option<LastCheck>,
    newest: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let (Some(last), Some(newest)) = (last, newest) else {
        return now;
    };
    let comes_in = last.newest.is_none_or(|before| before < newest);
    if comes_in || now - last.at > AWAY {
        newest.min(now)
    } else {
        now
    }
}

/// What a device's last word was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The device's time of it.
    pub at: Timestamp,
    /// What it said.
    pub occupied: bool,
    /// Since when it says so.
    pub since: Timestamp,
    /// Since when it has said so without a silence beyond its limit.
    pub known_from: Timestamp,
}

/// How often a bay changed in the hour that ends now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Vehicles that came, and that went again.
    pub count: u32,
    /// How many of the states between were shorter than [`SHORT_STATE`](super::SHORT_STATE).
    pub short: u32,
    /// When the first of those began.
    pub first_short_at: Option<Timestamp>,
}

/// A device's newest messages, by its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// How many they are.
    pub count: u32,
    /// The device's time of the oldest of them.
    pub first_at: Timestamp,
    /// When the first of them reached us.
    pub first_received_at: Timestamp,
    /// When the last of them reached us.
    pub last_received_at: Timestamp,
    /// How long after its own time the fastest reached us; less than zero is before it.
    pub lag_min: TimeDelta,
    /// How long after its own time the slowest reached us.
    pub lag_max: TimeDelta,
    /// When the last of those reached us whose time is as that of a clock that is wrong.
    pub wrong_received_at: Option<Timestamp>,
    /// What those that tell it say of the battery.
    pub battery: Option<Battery>,
}

/// What a device's newest messages say of its battery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Battery {
    /// The worst reading in millivolts.
    pub lowest_mv: i32,
    /// The best.
    pub highest_mv: i32,
    /// The device's time of the newest.
    pub at: Timestamp,
}

/// Messages that were refused for their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub count: u32,
    /// When the first of them reached us.
    pub first_at: Timestamp,
    /// When the last of them reached us.
    pub last_at: Timestamp,
}

/// How many vehicles came to each watched bay of a lot on each of the last days: first the 24 hours
/// that end now, then those before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LotArrivals(pub BTreeMap<BayId, [u32; STUCK_DAYS]>);

impl LotArrivals {
    /// How many came in the last `days` to a bay beside `bay`, at the median; of two in the middle the
    /// lower. `None` where there are fewer than [`STUCK_NEIGHBOURS`].
    pub fn beside(&self, bay: BayId, days: usize) -> Option<u32> {
        let others = self.0.iter().filter(|(other, _)| **other != bay);
        let mut counts: Vec<u32> = others
            .map(|(_, arrivals)| arrivals.iter().take(days).sum())
            .collect();
        counts.sort_unstable();
        (counts.len() >= STUCK_NEIGHBOURS).then(|| counts[(counts.len() - 1) / 2])
    }
}
