//! A driver's paid right to park in one bay for a time.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::place::codes;

/// The shortest session that can be bought, in minutes.
pub const MIN_STAY_MIN: u32 = 15;

/// How long a session waits for its payment before it lapses.
pub const PAYMENT_WINDOW: TimeDelta = TimeDelta::minutes(15);

/// How long after a driver opened a session its plate may be corrected.
pub const PLATE_WINDOW: TimeDelta = TimeDelta::minutes(15);

/// How long a vehicle may stay after its paid time before it counts as overstayed.
pub const GRACE: TimeDelta = TimeDelta::minutes(5);

/// How long before its end a driver is warned.
pub const WARN_BEFORE: TimeDelta = TimeDelta::minutes(10);

/// How long a bay must have been empty before its session is ended for the driver: a sensor may
/// see a gap while somebody manoeuvres.
pub const GONE_AFTER: TimeDelta = TimeDelta::minutes(2);

/// How long before now a start made without a signal may lie, where no sensor can tell.
pub const OFFLINE_WINDOW: TimeDelta = TimeDelta::hours(12);

/// What is stored of a session's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Waits for its payment.
    Pending,
    /// Paid; in force from its start to its end.
    Paid,
    /// Never paid within [`PAYMENT_WINDOW`].
    Lapsed,
}

codes!(SessionStatus { Pending = "pending", Paid = "paid", Lapsed = "lapsed" });

/// On whose word a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// The driver's.
    Driver,
    /// The sensor's: the bay is empty.
    Sensor,
    /// Staff's.
    Staff,
    /// It had been paid for by another session, and was given back: of sessions of some time ago.
    Double,
}

codes!(StoppedBy { Driver = "driver", Sensor = "sensor", Staff = "staff", Double = "double" });

/// Why no session of that length can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Shorter than [`MIN_STAY_MIN`].
    #[error("a session lasts at least 15 minutes")]
    TooShort,
    /// Longer than the tariff's longest.
    #[error("a session here lasts at most {0} minutes")]
    TooLong(u32),
}

/// The end of a session of `minutes` that starts at `start`.
///
/// # Errors
/// [`DurationError`] outside the limits of the tariff.
pub fn end_of(
    start: Timestamp,
    minutes: u32,
    max_stay_min: u32,
) -> Result<Timestamp, DurationError> {
    if minutes < MIN_STAY_MIN {
        return Err(DurationError::TooShort);
    }
    if minutes > max_stay_min {
        return Err(DurationError::TooLong(max_stay_min));
    }
    Ok(start + TimeDelta::minutes(i64::from(minutes)))
}
