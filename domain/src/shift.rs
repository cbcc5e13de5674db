//! Shifts: when somebody is to be at some lots, and when nobody is.

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::Timestamp;
use crate::money::Vnd;
use crate::tariff::TariffBook;

/// The shortest shift.
pub const LENGTH_MIN: TimeDelta = TimeDelta::minutes(15);
/// The longest shift: the law's twelve hours with overtime, and the way of handing over.
pub const LENGTH_MAX: TimeDelta = TimeDelta::hours(16);
/// How far ahead shifts are planned.
pub const AHEAD_MAX: TimeDelta = TimeDelta::days(60);
/// Charged hours are looked for in steps of this: half an hour.
const STEP: TimeDelta = TimeDelta::minutes(30);

/// From when until when, the end excluded.
pub type Span = (Timestamp, Timestamp);

/// Why there cannot be such a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShiftError {
    /// The clocks skip one of its times.
    #[error("there is no such time on that day")]
    NoSuchTime,
    /// It is too short or too long.
    #[error("a shift lasts from 15 minutes to 16 hours")]
    Length,
    /// It is over already.
    #[error("that time is past")]
    Past,
    /// It begins too far ahead.
    #[error("shifts are planned at most 60 days ahead")]
    TooFarAhead,
}

/// A shift by the local clock: one that ends at or before the time at which it begins ends on the next day.
///
/// # Errors
/// [`ShiftError`], as seen at `now`.
pub fn span(
    day: NaiveDate,
    (from, until): (NaiveTime, NaiveTime),
    tz: Tz,
    now: Timestamp,
) -> Result<Span, ShiftError> {
    let last = if until > from {
        Some(day)
    } else {
        day.succ_opt()
    };
    let at = |day: NaiveDate, time: NaiveTime| tz.from_local_datetime(&day.and_time(time));
    let starts = at(day, from).earliest().map(|at| at.to_utc());
    // Where the clocks show a time twice, whoever works until then stays for the second.
    let ends = last.and_then(|day| at(day, until).latest().map(|at| at.to_utc()));
    let (Some(starts), Some(ends)) = (starts, ends) else {
        return Err(ShiftError::NoSuchTime);
    };
    if !(LENGTH_MIN..=LENGTH_MAX).contains(&(ends - starts)) {
        return Err(ShiftError::Length);
    }
    if ends <= now {
        return Err(ShiftError::Past);
    }
    if starts - now > AHEAD_MAX {
        return Err(ShiftError::TooFarAhead);
    }
    Ok((starts, ends))
}

/// When parking costs something between two times, to half an hour.
pub fn charged(book: &TariffBook<'_>, (from, until): Span) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    let mut at = from;
    while at < until {
        let next = at + STEP;
        let costs = book
            .quote(at, next)
            .is_ok_and(|quote| quote.amount_vnd > Vnd::ZERO);
        if costs {
            let ends = next.min(until);
            match found.last_mut() {
                Some(last) if last.1 == at => last.1 = ends,
                _ => found.push((at, ends)),
            }
        }
        at = next;
    }
    found
}

/// What is left of some spans without others, in order.
pub fn without(spans: &[Span], others: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut left = spans.to_vec();
    for (from, until) in others {
        left = left
            .into_iter()
            .flat_map(|(starts, ends)| {
                let before = (starts, ends.min(from));
                let after = (starts.max(until), ends);
                // Apart from each other: as it was, once.
                let both = if from >= ends || until <= starts {
                    [Some((starts, ends)), None]
                } else {
                    [Some(before), Some(after)]
                };
                both.into_iter()
                    .flatten()
                    .filter(|(starts, ends)| starts < ends)
            })
            .collect();
    }
    left
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;
    use chrono_tz::America::Santiago;
    use chrono_tz::Asia::Ho_Chi_Minh;
    use proptest::prelude::*;

    use super::*;
    use crate::place::VehicleClass;
    use crate::tariff::{Pricing, Tariff, Window};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn planned(day: &str, from: &str, until: &str, tz: Tz) -> Result<Span, ShiftError> {
        let now = at("2026-08-20T00:00:00Z");
        let time = |text: &str| text.parse().unwrap();
        span(day.parse().unwrap(), (time(from), time(until)), tz, now)
    }

    #[test]
    fn a_shift_may_pass_midnight() {
        let night = planned("2026-09-01", "22:00:00", "06:00:00", Ho_Chi_Minh);
        let hours = (at("2026-09-01T15:00:00Z"), at("2026-09-01T23:00:00Z"));
        assert_eq!(night, Ok(hours));
    }

    #[test]
    fn what_cannot_be_is_told() {
        let hanoi = |day, from, until| planned(day, from, until, Ho_Chi_Minh);
        for (shift, why) in [
            (
                hanoi("2026-09-01", "08:00:00", "08:00:00"),
                ShiftError::Length,
            ),
            (
                hanoi("2026-09-01", "08:00:00", "08:10:00"),
                ShiftError::Length,
            ),
            (
                hanoi("2026-09-01", "06:00:00", "23:00:00"),
                ShiftError::Length,
            ),
            (
                hanoi("2026-08-19", "08:00:00", "16:00:00"),
                ShiftError::Past,
            ),
            (
                hanoi("2027-01-01", "08:00:00", "16:00:00"),
                ShiftError::TooFarAhead,
            ),
            // Chile's clocks go from 23:59 on Saturday to 1:00 on Sunday.
            (
                planned("2026-09-06", "00:30:00", "08:00:00", Santiago),
                ShiftError::NoSuchTime,
            ),
        ] {
            assert_eq!(shift, Err(why));
        }
    }

    #[test]
    fn hours_that_cost_nothing_need_nobody() {
        let window = |from: &str, to: &str, rate| Window {
            name_vi: String::new(),
            name_en: String::new(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            rate_vnd: Vnd::new(rate),
            blocks: Vec::new(),
        };
        let windows = vec![
            window("07:00:00", "19:00:00", 10_000),
            window("19:00:00", "07:00:00", 0),
        ];
        let since = at("2020-01-01T00:00:00Z");
        let tariff = Tariff::new(VehicleClass::Car, since, Pricing::Windows(windows));
        let book = TariffBook::new([&tariff], VehicleClass::Car, Ho_Chi_Minh);
        let day = (at("2026-09-01T17:00:00Z"), at("2026-09-02T17:00:00Z"));
        let charged = charged(&book, day);
        let expected = (at("2026-09-02T00:00:00Z"), at("2026-09-02T12:00:00Z"));
        assert_eq!(charged, [expected]);
        // Somebody comes an hour late.
        let there = (at("2026-09-02T01:00:00Z"), at("2026-09-02T13:00:00Z"));
        assert_eq!(without(&charged, [there]), [(expected.0, there.0)]);
    }

    proptest! {
        /// A moment is left if it was there and nobody took it.
        #[test]
        fn what_is_left_is_what_nobody_took(
            spans in prop::collection::vec((0i64..50, 1i64..20), 0..4),
            others in prop::collection::vec((0i64..50, 1i64..20), 0..6),
            moment in 0i64..80,
        ) {
            let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
            let span = |(from, length): &(i64, i64)| (at(*from), at(from + length));
            let has = |spans: &[Span]| spans.iter().any(|(from, until)| (*from..*until).contains(&at(moment)));
            let spans: Vec<Span> = spans.iter().map(span).collect();
            let others: Vec<Span> = others.iter().map(span).collect();
            let left = without(&spans, others.iter().copied());
            prop_assert_eq!(has(&left), has(&spans) && !has(&others));
        }
    }
}
