//! Why a message gives no event.

use std::fmt;

use store::signing::REPLAYED;

/// The kind of a refusal. Its code is kept beside the message and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The topic is none that devices publish on.
    UnknownTopic,
    /// No device of that name is installed.
    UnknownDevice,
    /// The envelope or the payload is not of its format.
    Undecodable,
    /// The message is whole but says nothing of occupancy: a start-up, a join, a status.
    NoOccupancy,
    /// The device's clock runs ahead of ours by too much.
    ClockAhead,
    /// The device's clock runs behind ours by too much.
    ClockBehind,
    /// Nothing here reads messages of the device's model.
    UnknownModel,
    /// What the device says means something only with a value that its installer has not recorded.
    Unconfigured,
    /// The payload is larger than any device's.
    TooLarge,
    /// The database refuses the event itself.
    Rejected,
    /// The device signs, but this message is not signed.
    Unsigned,
    /// The signature is not the device's.
    Forged,
    /// The counter belongs to another message, or the message is so old that this cannot be told.
    Replayed,
    /// The device signs with HMAC, and this process has no key for that.
    NoKey,
}

/// How many messages of a device that nobody can use an hour keeps of each kind, so that a broken
/// sensor, or whoever forges without end, does not fill the disk. More than a device says in an hour by
/// itself: of one that does not sign yet, though it should, nothing is lost.
const USELESS_PER_HOUR: u32 = 20;

impl Reason {
    /// Its name in the database and in metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownTopic => "unknown_topic",
            Self::UnknownDevice => "unknown_device",
            Self::Undecodable => "undecodable",
            Self::NoOccupancy => "no_occupancy",
            Self::ClockAhead => "clock_ahead",
            Self::ClockBehind => "clock_behind",
            Self::UnknownModel => "unknown_model",
            Self::Unconfigured => "unconfigured",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::Unsigned => "unsigned",
            Self::Forged => "forged",
            Self::Replayed => REPLAYED,
            Self::NoKey => "no_key",
        }
    }

    /// How many such messages of one installed device are kept in an hour; `None` is all. Every one is
    /// counted.
    pub const fn kept_per_hour(self) -> Option<u32> {
        match self {
            Self::Unsigned | Self::Forged | Self::Replayed | Self::Undecodable | Self::TooLarge => {
                Some(USELESS_PER_HOUR)
            }
            _ => None,
        }
    }
}

/// A reason with its particulars.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The kind.
    pub reason: Reason,
    /// This very case in words.
    pub detail: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self {
            reason,
            detail: detail.to_string(),
        }
    }

    /// Whether it rests on what time it is.
    pub(crate) fn is_about_time(&self) -> bool {
        matches!(self.reason, Reason::ClockAhead | Reason::ClockBehind)
    }

    pub(crate) fn undecodable(detail: impl fmt::Display) -> Self {
        Self::new(Reason::Undecodable, detail)
    }

    pub(crate) fn no_occupancy(detail: impl fmt::Display) -> Self {
        Self::new(Reason::NoOccupancy, detail)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.code(), self.detail)
    }
}
