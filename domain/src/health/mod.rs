//! Whether a sensor can be relied on: what is wrong with it, since when, and when that is over.
//!
//! [`assess`] compares what the database knows of a device ([`DeviceRecord`]) with the rules below
//! and tells which faults begin and which end. Every rule has two thresholds, so that a fault that
//! has just begun does not end at once, and none begins again at once. A device that says nothing
//! proves nothing: while it is silent only the loss itself begins or ends.
//!
//! | fault      | begins                                                          | ends                                       |
//! |------------|-----------------------------------------------------------------|--------------------------------------------|
//! | comms_lost | nothing heard for longer than the device's limit of silence     | with its next word; the limit must pass again |
//! | stuck      | no change for [`STUCK_AFTER`] beside lively bays ([`STUCK_ARRIVALS`]) | with a change; all that time must pass again |
//! | flapping   | [`FLAPPING_CHANGES`] in an hour, most of them short             | below [`FLAPPING_OVER`] in an hour          |
//! | clock      | times refused, or wrong for an hour ([`CLOCK_BEHIND`], [`CLOCK_AHEAD`]) | right for [`CLOCK_RIGHT_FOR`]       |
//! | battery    | the best of the newest readings is below the model's limit      | the worst of them is [`BATTERY_RISE_MV`] above it |
//!
//! The thresholds are Clearbay's own, but for a battery's, which is its model's, and the limit of
//! silence, which is its installer's. The names of a loss are those of the Curb Data Specification:
//! a `comms_lost` that ends is its `comms_restored`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::place::codes;

mod assess;
mod record;

pub use assess::*;
pub use record::*;

/// What can be wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Nothing is heard of it.
    CommsLost,
    /// It always says the same.
    Stuck,
    /// It says something else all the time.
    Flapping,
    /// Its times are wrong.
    Clock,
    /// Its battery is nearly empty.
    Battery,
}

codes!(FaultKind {
    CommsLost = "comms_lost",
    Stuck = "stuck",
    Flapping = "flapping",
    Clock = "clock",
    Battery = "battery",
});

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::CommsLost,
        Self::Stuck,
        Self::Flapping,
        Self::Clock,
        Self::Battery,
    ];

    /// Whether what such a device says is not believed: its bay is unknown while this lasts. A lost
    /// device's bay is unknown by its silence.
    pub const fn is_doubt(self) -> bool {
        matches!(self, Self::Stuck | Self::Flapping | Self::Clock)
    }
}

/// The particulars of a fault, for whoever repairs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged, deny_unknown_fields)]
pub enum FaultDetail {
    /// Of a battery.
    Battery {
        /// The best of the newest readings, in millivolts.
        battery_mv: i32,
        /// Below this it is weak.
        limit_mv: i32,
    },
    /// Of a sensor that is stuck.
    Stuck {
        /// What it always says.
        occupied: bool,
        /// How many vehicles came meanwhile to a bay beside it, at the median.
        arrivals: u32,
    },
    /// Of a sensor that flaps.
    Flapping {
        /// How often its bay changed within an hour.
        changes: u32,
    },
    /// Of a clock that is wrong by so much that nothing is believed.
    ClockRefused {
        /// How many messages were refused for their time.
        refused: u32,
    },
    /// Of a clock that is wrong.
    Clock {
        /// How many seconds it runs behind, at least; less than zero is ahead.
        behind_s: i64,
    },
    /// Of a device that is lost.
    CommsLost {
        /// When it was heard last; null where it never was.
        heard_at: Option<DateTime<Utc>>,
    },
}

impl std::fmt::Display for FaultDetail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Battery {
                battery_mv,
                limit_mv,
            } => write!(f, "{battery_mv} mV, weak below {limit_mv} mV"),
            Self::Stuck { occupied, arrivals } => {
                let state = if *occupied { "occupied" } else { "free" };
                write!(f, "always {state}; a bay beside it saw {arrivals} vehicles")
            }
            Self::Flapping { changes } => write!(f, "{changes} changes within an hour"),
            Self::ClockRefused { refused } => {
                write!(f, "{refused} messages refused for their time")
            }
            Self::Clock { behind_s } if *behind_s < 0 => {
                write!(f, "its clock runs {} s ahead", -behind_s)
            }
            Self::Clock { behind_s } => write!(f, "its clock runs {behind_s} s behind"),
            Self::CommsLost { heard_at: None } => f.write_str("never heard"),
            Self::CommsLost {
                heard_at: Some(heard_at),
            } => write!(f, "last heard {}", heard_at.format("%Y-%m-%d %H:%M:%SZ")),
        }
    }
}

/// Something that is wrong with a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Since when, by the device's own time.
    pub since: Timestamp,
    /// Its particulars.
    pub detail: FaultDetail,
}

/// What an assessment changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultChange {
    /// Something has gone wrong.
    Begins(Fault),
    /// Something is right again.
    Ends {
        /// What.
        kind: FaultKind,
        /// Until when it was wrong.
        until: Timestamp,
    },
}

impl FaultChange {
    /// Of which kind of fault.
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::Begins(fault) => fault.kind,
            Self::Ends { kind, .. } => *kind,
        }
    }
}
