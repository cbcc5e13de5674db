//! When a driver is warned that paid time ends, and in which words.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::place::codes;
use crate::session::{GRACE, WARN_BEFORE};

/// What a driver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reminder {
    /// The paid time ends soon.
    Ending,
    /// It has run out, and the vehicle is still there.
    Over,
}

codes!(Reminder { Ending = "ending", Over = "over" });

/// The ends of which a driver has been told. An end that is moved is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The end of which they were warned last.
    pub warned_of: Option<Timestamp>,
    /// The end that they were told last has passed, or were not told because the vehicle had left.
    pub over_of: Option<Timestamp>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing before then.
    Wait(Timestamp),
    /// To tell this now.
    Tell(Reminder),
    /// Nothing more, ever.
    Nothing,
}

/// When a driver is warned: [`WARN_BEFORE`] the end; at half of a session that is shorter than twice
/// that, so that nobody is warned while they still walk away from the vehicle.
pub fn warns_at(starts_at: Timestamp, ends_at: Timestamp) -> Timestamp {
    ends_at - WARN_BEFORE.min((ends_at - starts_at) / 2)
}

/// What is to be done at `now` for a driver of a session in force who wishes to be warned.
pub fn next(starts_at: Timestamp, ends_at: Timestamp, told: Told, now: Timestamp) -> Next {
    let over = ends_at + GRACE;
    if now >= over {
        return Next::Nothing;
    }
    if now >= ends_at {
        return match told.over_of {
            Some(end) if end == ends_at => Next::Wait(over),
            _ => Next::Tell(Reminder::Over),
        };
    }
    let warns_at = warns_at(starts_at, ends_at);
    match told.warned_of {
        Some(end) if end == ends_at => Next::Wait(ends_at),
        _ if now < warns_at => Next::Wait(warns_at),
        _ => Next::Tell(Reminder::Ending),
    }
}

/// What somebody has been told by the page on which they wish to be warned: a warning whose time has
/// passed would come at once and say nothing new.
pub fn told_by_page(starts_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Told {
    Told {
        warned_of: (now >= warns_at(starts_at, ends_at)).then_some(ends_at),
        over_of: None,
    }
}

/// Until when a reminder is worth delivering.
pub fn worth_until(reminder: Reminder, ends_at: Timestamp) -> Timestamp {
    match reminder {
        Reminder::Ending => ends_at,
        Reminder::Over => ends_at + GRACE,
    }
}

/// The language of a reminder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

codes!(Language { Vi = "vi", En = "en" });

impl Language {
    /// Title and text of a reminder for a bay whose time ends at `until`, as the city's clocks show it; and whether
    /// more time can be had.
    pub fn words(
        self,
        reminder: Reminder,
        bay: &str,
        until: &str,
        can_add: bool,
    ) -> (&'static str, String) {
        let (title, body) = match (self, reminder) {
            (Self::Vi, Reminder::Ending) => (
                "Sắp hết giờ đỗ xe",
                format!("Chỗ {bay}: được đỗ đến {until}."),
            ),
            (Self::Vi, Reminder::Over) => (
                "Đã hết giờ đỗ xe",
                format!("Chỗ {bay}: hết giờ lúc {until}, xe vẫn ở chỗ."),
            ),
            (Self::En, Reminder::Ending) => (
                "Your parking ends soon",
                format!("Bay {bay}: you may park until {until}."),
            ),
            (Self::En, Reminder::Over) => (
                "Your parking has ended",
                format!("Bay {bay}: your time ended at {until}, and your vehicle is still there."),
            ),
        };
        let then = match (self, can_add) {
            (Self::Vi, true) => "Chạm vào đây để thêm giờ.",
            (Self::Vi, false) => "Không thêm giờ được nữa.",
            (Self::En, true) => "Tap to add time.",
            (Self::En, false) => "No more time can be added.",
        };
        (title, format!("{body} {then}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn a_driver_is_warned_ten_minutes_before_or_at_half_of_a_short_time() {
        assert_eq!(warns_at(at(0), at(60)), at(50));
        assert_eq!(warns_at(at(0), at(20)), at(10));
        assert_eq!(
            warns_at(at(0), at(15)),
            at(7) + TimeDelta::seconds(30),
            "half of a quarter of an hour"
        );
    }

    #[test]
    fn each_end_is_warned_of_once_and_over_once() {
        let mut told = Told::default();
        assert_eq!(next(at(0), at(60), told, at(49)), Next::Wait(at(50)));
        assert_eq!(
            next(at(0), at(60), told, at(50)),
            Next::Tell(Reminder::Ending)
        );
        told.warned_of = Some(at(60));
        assert_eq!(next(at(0), at(60), told, at(51)), Next::Wait(at(60)));
        // More time: another end.
        assert_eq!(next(at(0), at(90), told, at(52)), Next::Wait(at(80)));
        // Not much more: it is due at once.
        assert_eq!(
            next(at(0), at(61), told, at(52)),
            Next::Tell(Reminder::Ending)
        );
        assert_eq!(
            next(at(0), at(60), told, at(60)),
            Next::Tell(Reminder::Over)
        );
        told.over_of = Some(at(60));
        assert_eq!(next(at(0), at(60), told, at(61)), Next::Wait(at(65)));
        // More time within the grace is warned of like any other.
        assert_eq!(next(at(0), at(90), told, at(62)), Next::Wait(at(80)));
        assert_eq!(next(at(0), at(60), told, at(65)), Next::Nothing);
    }

    #[test]
    fn who_asks_late_has_read_the_page() {
        let told = told_by_page(at(0), at(60), at(55));
        assert_eq!(next(at(0), at(60), told, at(55)), Next::Wait(at(60)));
        assert_eq!(told_by_page(at(0), at(60), at(49)), Told::default());
    }

    proptest! {
        #[test]
        fn what_waits_waits_for_something_later(
            length in 1i64..2000, warned in any::<bool>(), over in any::<bool>(), now in -10i64..2100,
        ) {
            let ends_at = at(length);
            let told = Told {
                warned_of: warned.then_some(ends_at),
                over_of: over.then_some(ends_at),
            };
            if let Next::Wait(until) = next(at(0), ends_at, told, at(now)) {
                prop_assert!(until > at(now));
                prop_assert_ne!(next(at(0), ends_at, told, until), Next::Wait(until));
            }
        }
    }
}
