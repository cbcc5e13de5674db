//! What a bay's sensor tells of what happens on it, with all that goes wrong on the way.

use chrono::TimeDelta;
use domain::Timestamp;

use crate::city::SensedBay;
use crate::plan::{self, PlannedStay};

/// The longest that a message is held up on its way.
pub const LATE_MAX: TimeDelta = TimeDelta::minutes(40);
/// A device says at least this often that it is there.
pub const HEARTBEAT_EVERY: TimeDelta = TimeDelta::hours(2);

/// How long a message that is not held up is on its way at most.
const WAY_MAX: TimeDelta = TimeDelta::seconds(4);

/// Of ten thousand changes, how many are never heard of, how many come late, how many twice.
const LOST: u64 = 50;
const LATE: u64 = 100;
const REPEATED: u64 = 100;
/// Of ten thousand devices, how many fail within one of their weeks. They fail at any time of it
/// and are repaired at its end, so that about half as many are dead at a time.
const FAILING: u64 = 200;
/// Of ten thousand devices, how many always say that a vehicle is there, and how many have a battery
/// that is nearly empty.
const STUCK: i64 = 20;
const WEAK: i64 = 60;
const WEEK_S: i64 = 7 * 24 * 3600;

/// One message of a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The bay's number in the city.
    pub bay: u32,
    /// The device's time.
    pub at: Timestamp,
    /// When it reaches the broker.
    pub sent_at: Timestamp,
    /// Whether a vehicle is there.
    pub occupied: bool,
    /// Whether this only says that the device is there.
    pub heartbeat: bool,
    /// How long the state before this one lasted, in minutes, where the device knows.
    pub previous_state_min: Option<u16>,
    /// Battery voltage in millivolts.
    pub battery_mv: u16,
    /// Temperature in degrees Celsius.
    pub temperature_c: i8,
}

/// A part of time.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Messages that reach the broker from this time on,
    pub from: Timestamp,
    /// and before this.
    pub to: Timestamp,
}

/// The messages of a bay's device that reach the broker in a window, not in order.
/// `stays` are the bay's stays of every planned day that the window touches, in order.
pub fn reports(seed: u64, bay: &SensedBay, stays: &[PlannedStay], window: Window) -> Vec<Report> {
    let device = Sensor {
        seed,
        bay: bay.index,
    };
    let mut out = Vec::new();
    let mut before = None;
    let stuck = device.is_stuck();
    let changes = stays
        .iter()
        .filter(|_| !stuck)
        .flat_map(|stay| [(stay.from, true), (stay.to, false)]);
    for (at, occupied) in changes {
        let lasted = before.replace(at).map(|before| at - before);
        if at < window.from - LATE_MAX || at >= window.to || device.is_dead(at) {
            continue;
        }
        let (lost, delay) = device.way(at);
        if lost {
            continue;
        }
        let told = Report {
            previous_state_min: lasted
                .map(|time| u16::try_from(time.num_minutes()).unwrap_or(u16::MAX)),
            ..device.report(at, occupied, delay)
        };
        if device.chance(at, 3) % 10_000 < REPEATED {
            let again = TimeDelta::milliseconds(device.roll(at, 4, 1_000, 20_000));
            out.push(Report {
                sent_at: told.sent_at + again,
                ..told.clone()
            });
        }
        out.push(told);
    }
    // One from just before the window is still on its way.
    let mut beat = device.heartbeat_after(window.from - WAY_MAX);
    while beat < window.to {
        if !device.is_dead(beat) {
            let occupied = stuck || stays.iter().any(|stay| stay.from <= beat && beat < stay.to);
            out.push(Report {
                heartbeat: true,
                ..device.report(beat, occupied, TimeDelta::zero())
            });
        }
        beat += HEARTBEAT_EVERY;
    }
    out.retain(|report| window.from <= report.sent_at && report.sent_at < window.to);
    out
}

/// The chances of one device.
#[derive(Clone, Copy)]
struct Sensor {
    seed: u64,
    bay: u32,
}

impl Sensor {
    fn chance(self, at: Timestamp, salt: u64) -> u64 {
        plan::hash([
            self.seed,
            u64::from(self.bay),
            at.timestamp_millis().cast_unsigned(),
            salt,
        ])
    }

    /// A number from `low` up to `high`.
    fn roll(self, at: Timestamp, salt: u64, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.chance(at, salt) % (high - low).unsigned_abs()).unwrap_or(0)
    }

    /// A property of the device itself.
    fn trait_of(self, salt: u64, below: i64) -> i64 {
        self.roll(Timestamp::UNIX_EPOCH, salt, 0, below)
    }

    /// Whether a message is lost, and by how much it is late.
    fn way(self, at: Timestamp) -> (bool, TimeDelta) {
        let fate = self.chance(at, 1) % 10_000;
        let late = (LOST..LOST + LATE).contains(&fate);
        let seconds = if late {
            self.roll(at, 2, 120, LATE_MAX.num_seconds() - 60)
        } else {
            0
        };
        (fate < LOST, TimeDelta::seconds(seconds))
    }

    fn report(self, at: Timestamp, occupied: bool, delay: TimeDelta) -> Report {
        // Each device's clock is a little off, always by the same, and the way takes longer than
        // the worst clock runs ahead.
        let drift = TimeDelta::milliseconds(self.trait_of(10, 3_000) - 1_500);
        let way = TimeDelta::milliseconds(self.roll(at, 5, 1_600, WAY_MAX.num_milliseconds()));
        let hour = i64::from(chrono::Timelike::hour(&plan::local(at)));
        let warmth = 5 - (hour - 14).abs() / 2;
        Report {
            bay: self.bay,
            at: at + drift,
            sent_at: at + way + delay,
            occupied,
            heartbeat: false,
            previous_state_min: None,
            battery_mv: u16::try_from(self.battery_mv()).unwrap_or_default(),
            temperature_c: i8::try_from(20 + warmth + self.trait_of(12, 4)).unwrap_or(20),
        }
    }

    /// The voltage of its cell: nearly the same for years, and then no more.
    fn battery_mv(self) -> i64 {
        let full = if self.trait_of(18, 10_000) < WEAK {
            3_050
        } else {
            3_450
        };
        full + self.trait_of(11, 200)
    }

    fn is_stuck(self) -> bool {
        self.trait_of(17, 10_000) < STUCK
    }

    /// The first heartbeat at or after an instant; every device has its own minute.
    fn heartbeat_after(self, at: Timestamp) -> Timestamp {
        let every = HEARTBEAT_EVERY.num_milliseconds();
        let phase = self.trait_of(13, every);
        let since = (at.timestamp_millis() - phase).rem_euclid(every);
        let rest = if since == 0 { 0 } else { every - since };
        let millis = TimeDelta::milliseconds(at.timestamp_millis() + rest);
        Timestamp::UNIX_EPOCH + millis
    }

    /// The device's week in which an instant lies: its start, and when in it the device fails.
    fn week(self, at: Timestamp) -> (Timestamp, Option<Timestamp>) {
        let into = (at.timestamp() - self.trait_of(14, WEEK_S)).rem_euclid(WEEK_S);
        let begins = Timestamp::UNIX_EPOCH + TimeDelta::seconds(at.timestamp() - into);
        let fails = self.chance(begins, 15) % 10_000 < FAILING;
        (
            begins,
            fails.then(|| begins + TimeDelta::seconds(self.roll(begins, 16, 0, WEEK_S))),
        )
    }

    fn is_dead(self, at: Timestamp) -> bool {
        self.week(at).1.is_some_and(|fails| fails <= at)
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
