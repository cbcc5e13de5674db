//! What a device said: the only source of occupancy.

use chrono::{SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How far a device's clock may run ahead of ours before its word is refused.
pub const MAX_CLOCK_LEAD: TimeDelta = TimeDelta::minutes(5);

/// A decoded statement of one device about the bay that it watches, which the registry knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
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

/// The order of a bay's events, and the identity of a device's: an event with an equal key is a
/// repetition.
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
    /// The event's place in its device's order, and in its bay's.
    pub fn key(&self) -> EventKey {
        EventKey {
            at: self.at,
            seq: self.seq,
            occupied: self.occupied,
        }
    }
}

/// How far behind ours a device's clock may run before its word is refused, unless the operator
/// says otherwise: longer than any device keeps messages back. A clock that lost its time starts at
/// 1970 or 2000, and would spread one bay's events over decades.
pub const MAX_CLOCK_LAG: TimeDelta = TimeDelta::days(400);

/// Why a device's time is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// Further ahead of ours than [`MAX_CLOCK_LEAD`].
    Ahead,
    /// Further behind ours than its limit.
    Behind,
}

/// 2000-01-01T00:00:00Z in seconds since 1970. No recording of a parking sensor is older; a time before
/// it is a fault, and what follows from it would fill every quarter of an hour since.
const EARLIEST_S: i64 = 946_684_800;

/// The device's time as we keep it, to the microsecond. Without `max_lag` it may be of this century:
/// a recording's devices speak of years ago.
///
/// # Errors
/// [`ClockFault`] where it lies too far from `received_at`.
pub fn device_time(
    at: Timestamp,
    received_at: Timestamp,
    max_lag: Option<TimeDelta>,
) -> Result<Timestamp, ClockFault> {
    if at > received_at + MAX_CLOCK_LEAD {
        return Err(ClockFault::Ahead);
    }
    let too_old = max_lag.is_some_and(|max| received_at.signed_duration_since(at) > max);
    if too_old || at.timestamp() < EARLIEST_S {
        return Err(ClockFault::Behind);
    }
    Ok(at.trunc_subsecs(6))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_clock_may_be_a_little_wrong() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let check = |at| device_time(at, now, Some(MAX_CLOCK_LAG));
        for at in [now + MAX_CLOCK_LEAD, now, now - MAX_CLOCK_LAG] {
            assert_eq!(check(at), Ok(at));
        }
        let moment = TimeDelta::microseconds(1);
        assert_eq!(check(now + MAX_CLOCK_LEAD + moment), Err(ClockFault::Ahead));
        assert_eq!(check(now - MAX_CLOCK_LAG - moment), Err(ClockFault::Behind));
        assert_eq!(
            check(DateTime::<chrono::Utc>::MIN_UTC),
            Err(ClockFault::Behind)
        );
        let long_ago = now - MAX_CLOCK_LAG * 20;
        assert_eq!(device_time(long_ago, now, None), Ok(long_ago));
        let century = DateTime::UNIX_EPOCH + TimeDelta::seconds(EARLIEST_S);
        assert_eq!(device_time(century, now, None), Ok(century));
        assert_eq!(
            device_time(century - moment, now, None),
            Err(ClockFault::Behind)
        );
    }
}
