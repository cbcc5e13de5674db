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

/// Where the decision of staff stands that money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecisionStatus {
    /// One person decided it, within their limits.
    Alone,
    /// Proposed: a second person is to look at it.
    Open,
    /// A second person confirmed it.
    Confirmed,
    /// A second person did not.
    Refused,
}

codes!(DecisionStatus {
    Alone = "alone",
    Open = "open",
    Confirmed = "confirmed",
    Refused = "refused",
});

/// What one member of staff gives back without a second person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AloneLimits {
    /// Of one payment.
    pub payment_vnd: Vnd,
    /// Since midnight in the city, of all payments.
    pub day_vnd: Vnd,
}

impl AloneLimits {
    /// The highest that may be set: beyond it two people decide, whoever sets limits.
    pub const HIGHEST: Self = Self {
        payment_vnd: Vnd::new(10_000_000),
        day_vnd: Vnd::new(100_000_000),
    };

    /// Whether they may be set.
    pub fn are_sound(&self) -> bool {
        let within = |limit: Vnd, highest: Vnd| (Vnd::ZERO..=highest).contains(&limit);
        within(self.payment_vnd, Self::HIGHEST.payment_vnd)
            && within(self.day_vnd, Self::HIGHEST.day_vnd)
    }

    /// Whether one person decides that `amount` goes back, where so much of the same money went back on one
    /// person's word, and so much today on theirs.
    pub fn allow(&self, amount: Vnd, of_money: Vnd, of_day: Vnd) -> bool {
        let within = |before: Vnd, limit: Vnd| {
            before
                .checked_add(amount)
                .is_some_and(|after| after <= limit)
        };
        within(of_money, self.payment_vnd) && within(of_day, self.day_vnd)
    }
}

/// The part of a session's price that was paid for time which other sessions had paid for.
///
/// `paid` is the session's time, `others` are the others' in order of their starts; the part is by time and rounded down.
/// It is the whole amount where they cover all of `paid`, but for less than a minute, or a tenth where that is less: time
/// is sold by the minute, and nobody presses twice at the same instant.
pub fn overlap_refund(
    amount_vnd: Vnd,
    paid: (Timestamp, Timestamp),
    others: &[(Timestamp, Timestamp)],
) -> Vnd {
    let micros = |length: TimeDelta| length.num_microseconds().unwrap_or_default();
    let (mut reached, mut common) = (paid.0, TimeDelta::zero());
    for (from, to) in others {
        let (from, to) = ((*from).max(reached), (*to).min(paid.1));
        if from < to {
            common += to - from;
            reached = to;
        }
    }
    let length = paid.1 - paid.0;
    let moment = TimeDelta::minutes(1).min(length / 10);
    if common > TimeDelta::zero() && length - common < moment {
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
    fn one_person_gives_back_as_much_as_both_limits_allow() {
        let limits = AloneLimits {
            payment_vnd: Vnd::new(200_000),
            day_vnd: Vnd::new(1_000_000),
        };
        let allows = |amount, of_money, of_day| {
            limits.allow(Vnd::new(amount), Vnd::new(of_money), Vnd::new(of_day))
        };
        assert!(allows(200_000, 0, 800_000));
        assert!(!allows(200_001, 0, 0));
        assert!(!allows(200_000, 1, 0), "of one payment in parts");
        assert!(!allows(200_000, 0, 800_001));
        assert!(!allows(i64::MAX, 1, 1));
        assert!(limits.are_sound() && AloneLimits::HIGHEST.are_sound());
        for (payment, day) in [(-1, 0), (0, -1), (10_000_001, 0), (0, 100_000_001)] {
            let (payment_vnd, day_vnd) = (Vnd::new(payment), Vnd::new(day));
            let limits = AloneLimits {
                payment_vnd,
                day_vnd,
            };
            assert!(!limits.are_sound(), "{payment} {day}");
        }
    }

    #[test]
    fn what_was_paid_twice_goes_back() {
        let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let paid = (at(10), at(70));
        let amount = Vnd::new(25_000);
        let part = |from, to| overlap_refund(amount, paid, &[(at(from), at(to))]).get();
        assert_eq!(part(0, 100), 25_000);
        assert_eq!(part(0, 40), 12_500);
        assert_eq!(part(0, 10), 0);
        assert_eq!(part(80, 90), 0);
        assert_eq!(part(0, 11), 416);
        let moment = TimeDelta::seconds(40);
        let other = [(at(0), at(70) - moment)];
        assert_eq!(overlap_refund(amount, paid, &other), amount);
        // Of short ones that hardly meet, each is a time of its own.
        let second = |second| at(0) + TimeDelta::seconds(second);
        let short = (second(58), second(117));
        let met = overlap_refund(amount, short, &[(second(0), second(59))]);
        assert_eq!(met.get(), 423);
        // No minute counts twice.
        let several = |others: &[(i64, i64)]| {
            let others: Vec<_> = others
                .iter()
                .map(|(from, to)| (at(*from), at(*to)))
                .collect();
            overlap_refund(amount, paid, &others).get()
        };
        assert_eq!(several(&[]), 0);
        assert_eq!(several(&[(0, 30), (0, 40), (20, 40)]), 12_500);
        assert_eq!(several(&[(0, 25), (40, 55)]), 12_500);
        assert_eq!(several(&[(0, 40), (40, 100)]), 25_000);
    }
}
