//! Local time for the walk, in microseconds since 1970.

use chrono::{DateTime, LocalResult, NaiveTime, Offset, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;

use crate::Timestamp;

/// Microseconds of a minute.
pub(super) const MINUTE: i64 = 60_000_000;

/// Microseconds of 24 hours.
pub(super) const DAY: i64 = 24 * 60 * MINUTE;

/// What clocks in a city show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(pub Tz);

/// The instant, which chrono can hold for any stay that is quoted.
pub(super) fn instant(micros: i64) -> Timestamp {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// Microseconds since midnight.
pub(super) fn time_of_day(time: NaiveTime) -> i64 {
    i64::from(time.num_seconds_from_midnight()) * 1_000_000
}

impl Clock {
    /// How far local time is ahead of UTC.
    fn offset(self, at: i64) -> i64 {
        let utc = instant(at).naive_utc();
        let offset = self.0.offset_from_utc_datetime(&utc).fix();
        i64::from(offset.local_minus_utc()) * 1_000_000
    }

    /// The local day, counted from 1970-01-01, and the time since its midnight.
    pub(super) fn local(self, at: i64) -> (i64, i64) {
        let local = at + self.offset(at);
        (local.div_euclid(DAY), local.rem_euclid(DAY))
    }

    /// The first instant after `at` at which clocks show `time` since midnight; where they skip
    /// it, the instant an hour later, so that every window ends.
    pub(super) fn next(self, at: i64, time: i64) -> i64 {
        let offset = self.offset(at);
        let local = at + offset;
        let today = local - local.rem_euclid(DAY) + time;
        let shown = if today > local { today } else { today + DAY };
        let found = shown - offset;
        if self.offset(found) == offset {
            found
        } else {
            self.next_of_change(at, time)
        }
    }

    /// As [`Clock::next`], where the clocks are changed before they show `time`.
    fn next_of_change(self, at: i64, time: i64) -> i64 {
        let time = NaiveTime::MIN + TimeDelta::microseconds(time);
        let mut date = instant(at).with_timezone(&self.0).date_naive();
        for _ in 0..3 {
            let local = date.and_time(time);
            let shown = match self.0.from_local_datetime(&local) {
                LocalResult::None => self.0.from_local_datetime(&(local + TimeDelta::hours(1))),
                shown => shown,
            };
            // Where clocks show it twice, the second time may be after `at` and the first not.
            let found = [shown.earliest(), shown.latest()]
                .into_iter()
                .flatten()
                .map(|local| local.timestamp_micros())
                .find(|found| *found > at);
            if let Some(found) = found {
                return found;
            }
            date = date.succ_opt().unwrap_or(date);
        }
        at + DAY
    }

    /// The end of the step of `length` in which `at` lies, where steps are counted from local
    /// midnight.
    pub(super) fn step_end(self, at: i64, length: i64) -> i64 {
        let (_, time) = self.local(at);
        at - time.rem_euclid(length) + length
    }

    /// Whether clocks run evenly from `from` to `to`, which are at most some days apart.
    pub(super) fn even(self, from: i64, to: i64) -> bool {
        self.offset(from) == self.offset(to)
    }
}
