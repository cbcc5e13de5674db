//! Whether a lot held more vehicles than it is licensed for.
//!
//! A lot's licence names how many vehicles it may hold at once, however many bays are painted. Only what
//! sensors knew counts: a bay of which nothing is known holds neither a vehicle nor none, so that what is
//! told is the least that there was.

use std::collections::BTreeMap;

use crate::Timestamp;
use crate::collection::SeenStay;
use crate::occupancy::{Span, outside};

/// The fewest and the most places that a licence can name.
pub const LICENSED_PLACES: std::ops::RangeInclusive<u32> = 1..=100_000;

/// A time during which a bay was known to hold a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// When.
    pub span: Span,
    /// Whether the vehicle came at its beginning. Else it was there before, and became known again.
    pub is_arrival: bool,
}

/// The known parts of a stay. `unknown` is [merged](crate::occupancy::merged).
pub fn held(stay: &SeenStay, unknown: &[Span]) -> impl Iterator<Item = Held> {
    let came = stay.from;
    outside(stay.span(), unknown)
        .into_iter()
        .filter(|span| span.from < span.until)
        .map(move |span| Held {
            span,
            is_arrival: span.from == came,
        })
}

/// What a lot held within a time, as far as it was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The most vehicles at once.
    pub most: u32,
    /// Stays that began while the lot already held as many vehicles as it is licensed for, or more.
    pub stays_beyond: u32,
    /// For how many microseconds it held more than that.
    pub beyond_us: i64,
}

impl Load {
    /// Whether the lot ever held more than it is licensed for.
    pub const fn is_beyond(&self) -> bool {
        self.stays_beyond > 0 || self.beyond_us > 0
    }
}

/// What changes at an instant.
#[derive(Clone, Copy, Default)]
struct Change {
    gone: u32,
    known_again: u32,
    arrived: u32,
}

/// What a lot of so many licensed places held in each of some days, which are in order of time and do not
/// overlap. `held` is of all its bays, in any order. Who leaves makes room for who comes at the same
/// instant.
pub fn loads(held: &[Held], licensed: u32, days: &[Span]) -> Vec<Load> {
    let mut changes: BTreeMap<Timestamp, Change> = BTreeMap::new();
    for Held { span, is_arrival } in held {
        let begins = changes.entry(span.from).or_default();
        match is_arrival {
            true => begins.arrived += 1,
            false => begins.known_again += 1,
        }
        changes.entry(span.until).or_default().gone += 1;
    }
    let mut loads = vec![Load::default(); days.len()];
    let mut there: u32 = 0;
    let mut changes = changes.into_iter().peekable();
    while let Some((at, change)) = changes.next() {
        there = (there + change.known_again).saturating_sub(change.gone);
        let before = there;
        there += change.arrived;
        let beyond = there.saturating_sub(licensed.max(before));
        let first = days.partition_point(|day| day.until <= at);
        if days.get(first).is_some_and(|day| day.contains(at)) {
            loads[first].stays_beyond += beyond;
        }
        let Some((until, _)) = changes.peek() else {
            break;
        };
        let during = Span {
            from: at,
            until: *until,
        };
        for (day, load) in days[first..].iter().zip(&mut loads[first..]) {
            let Some(within) = day.overlap(&during) else {
                break;
            };
            load.most = load.most.max(there);
            if there > licensed {
                load.beyond_us = load.beyond_us.saturating_add(within.length_us());
            }
        }
    }
    loads
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(minute)
    }

    fn span(from: i64, until: i64) -> Span {
        Span {
            from: at(from),
            until: at(until),
        }
    }

    fn came(from: i64, until: i64) -> Held {
        Held {
            span: span(from, until),
            is_arrival: true,
        }
    }

    const MINUTE_US: i64 = 60_000_000;

    #[test]
    fn vehicles_beyond_the_licence_are_counted_from_the_one_that_came_too_many() {
        let held = [
            came(0, 100),
            came(10, 60),
            came(20, 40),
            came(60, 90),
            came(50, 55),
        ];
        let [load] = loads(&held, 2, &[span(0, 1_440)])[..] else {
            panic!("one day")
        };
        // From 20 to 40 and from 50 to 55; at 60 one leaves as another comes.
        let expected = Load {
            most: 3,
            stays_beyond: 2,
            beyond_us: 25 * MINUTE_US,
        };
        assert_eq!(load, expected);
        assert!(!loads(&held, 3, &[span(0, 1_440)])[0].is_beyond());
    }

    #[test]
    fn a_day_begins_with_what_is_there() {
        let held = [came(0, 200), came(90, 150)];
        let found = loads(&held, 1, &[span(0, 100), span(100, 180), span(300, 400)]);
        let load = |most, stays_beyond, minutes| Load {
            most,
            stays_beyond,
            beyond_us: minutes * MINUTE_US,
        };
        assert_eq!(found, [load(2, 1, 10), load(2, 0, 50), load(0, 0, 0)]);
    }

    #[test]
    fn what_is_unknown_is_neither() {
        let stay = SeenStay {
            from: at(0),
            to: at(100),
            is_open: false,
        };
        let parts: Vec<Held> = held(&stay, &[span(20, 50)]).collect();
        let known_again = Held {
            span: span(50, 100),
            is_arrival: false,
        };
        assert_eq!(parts, [came(0, 20), known_again]);
        let held = [parts, vec![came(0, 100)]].concat();
        let found = loads(&held, 1, &[span(0, 1_440)]);
        // One of two that came at once; nobody came at 50.
        assert_eq!(
            (found[0].stays_beyond, found[0].beyond_us),
            (1, 70 * MINUTE_US)
        );
        // A start in doubt is no arrival.
        let doubtful: Vec<Held> = super::held(&stay, &[span(-5, 5)]).collect();
        assert!(doubtful.iter().all(|part| !part.is_arrival));
    }

    proptest! {
        /// Minute by minute one finds the same, whatever the order.
        #[test]
        fn it_is_what_one_counts(
            (stays, shuffled) in prop::collection::vec((0..300_i64, 1..120_i64), 0..25)
                .prop_flat_map(|stays| (Just(stays.clone()), Just(stays).prop_shuffle())),
            licensed in 1..6_u32,
        ) {
            let held = |stays: &[(i64, i64)]| -> Vec<Held> {
                stays.iter().map(|(from, length)| came(*from, from + length)).collect()
            };
            let days = [span(0, 150), span(150, 500)];
            let found = loads(&held(&stays), licensed, &days);
            prop_assert_eq!(&found, &loads(&held(&shuffled), licensed, &days));
            for (day, load) in [(0..150), (150..500)].into_iter().zip(found) {
                let there = |minute: i64| {
                    stays.iter().filter(|(from, length)| *from <= minute && minute < from + length).count()
                };
                let most = day.clone().map(there).max().unwrap_or_default();
                let beyond = day.clone().filter(|minute| there(*minute) > licensed as usize).count();
                prop_assert_eq!(load.most as usize, most);
                prop_assert_eq!(load.beyond_us, beyond as i64 * MINUTE_US);
                let begun: usize = day.map(|minute| {
                    let arrived = stays.iter().filter(|(from, _)| *from == minute).count();
                    let before = there(minute) - arrived;
                    there(minute).saturating_sub(before.max(licensed as usize))
                }).sum();
                prop_assert_eq!(load.stays_beyond as usize, begun);
            }
        }
    }
}
