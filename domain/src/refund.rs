//! Money that goes back.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::money::Vnd;
use crate::place::codes;

/// Why money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefundGround {
    /// The vehicle left before its paid time ended.
    Unused,
    /// The same was paid for twice.
    Double,
    /// The money came after the time to pay had run out.
    Late,
    /// Another amount came than was asked for.
    Amount,
    /// A dispute was decided for the driver.
    Dispute,
    /// Staff gave it back for another reason.
    Staff,
}

codes!(RefundGround {
    Unused = "unused",
    Double = "double",
    Late = "late",
    Amount = "amount",
    Dispute = "dispute",
    Staff = "staff",
});

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// The gateway is being asked.
    Pending,
    /// The gateway cannot or will not: people give it back.
    Manual,
    /// The driver has it.
    Done,
}

codes!(RefundStatus { Pending = "pending", Manual = "manual", Done = "done" });

/// The part of a session's price that was paid for time which another session had paid for.
///
/// `paid` and `other` are the two sessions' times; the part is by time and rounded down. It is
/// the whole amount where `other` covers all of `paid`, but for less than a minute: time is sold by
/// the minute, and nobody presses twice at the same instant.
pub fn overlap_refund(
    amount_vnd: Vnd,
    paid: (Timestamp, Timestamp),
    other: (Timestamp, Timestamp),
) -> Vnd {
    let micros = |length: TimeDelta| length.num_microseconds().unwrap_or_default();
    let length = paid.1 - paid.0;
    let common = (paid.1.min(other.1) - paid.0.max(other.0)).max(TimeDelta::zero());
    if common > TimeDelta::zero() && length - common < TimeDelta::minutes(1) {
        return amount_vnd;
    }
    // At most the amount itself; nothing of a time without length.
    amount_vnd
        .portion(micros(common), micros(length))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn what_was_paid_twice_goes_back() {
        let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let paid = (at(10), at(70));
        let part = |from, to| overlap_refund(Vnd::new(25_000), paid, (at(from), at(to))).get();
        assert_eq!(part(0, 100), 25_000);
        assert_eq!(part(0, 40), 12_500);
        assert_eq!(part(0, 10), 0);
        assert_eq!(part(80, 90), 0);
        assert_eq!(part(0, 11), 416);
        let moment = TimeDelta::seconds(40);
        let other = (at(0), at(70) - moment);
        assert_eq!(overlap_refund(Vnd::new(25_000), paid, other).get(), 25_000);
    }
}
