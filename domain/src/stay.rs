//! The fold from a bay's events to its stays.
//!
//! Stays are a function of the *set* of a bay's events, ordered by [`EventKey`]. Whoever folds new
//! events onto a [`BayTrack`] must do so in that order; an event that belongs before the last one
//! seen makes the caller fold again from an earlier point ([`BayTrack::accepts`] tells which).

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::EventKey;
use crate::occupancy::{BayWatch, KnownTime, Span, Tallies};

/// A sensed, occupied interval of one bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stay {
    /// The first event that said "occupied".
    pub started_at: Timestamp,
    /// The first event after it that said "free"; `None` while the vehicle is there.
    pub ended_at: Option<Timestamp>,
}

/// What is known of a bay after some prefix of its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BayTrack {
    /// The last event, in the order of keys.
    pub last: Option<EventKey>,
    /// When the present state began; `None` before the first event.
    pub since: Option<Timestamp>,
    /// From when on the present state has been told without a silence too long to be believed, or
    /// `since` where it never was silent.
    pub known_from: Option<Timestamp>,
}

/// What one event changes in the list of a bay's stays, each named by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StayChange {
    /// A vehicle arrived.
    Opened(Timestamp),
    /// The vehicle that arrived at `started_at` left at `ended_at`.
    Closed {
        /// The stay's start.
        started_at: Timestamp,
        /// The stay's end, later than its start.
        ended_at: Timestamp,
    },
    /// "Occupied" and "free" carry the same time: there was no stay.
    Withdrawn(Timestamp),
}

/// What one event makes certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// What it changes in the list of stays.
    pub stay: Option<StayChange>,
    /// The known time that it brings to an end.
    pub known: Option<KnownTime>,
}

impl BayTrack {
    /// A bay whose vehicle arrived at `started_at`, as of that instant.
    pub fn arrived(started_at: Timestamp) -> Self {
        Self {
            last: Some(EventKey {
                at: started_at,
                seq: i64::MIN,
                occupied: true,
            }),
            since: Some(started_at),
            known_from: Some(started_at),
        }
    }

    /// Whether an event of this key is later than all folded so far.
    pub fn accepts(&self, key: &EventKey) -> bool {
        self.last.is_none_or(|last| *key > last)
    }

    /// Folds the next event. A key that is not later than the last is ignored.
    pub fn fold(&mut self, key: EventKey, watch: &BayWatch) -> Folded {
        if !self.accepts(&key) {
            return Folded::default();
        }
        let Some(last) = self.last.replace(key) else {
            (self.since, self.known_from) = (Some(key.at), Some(key.at));
            return Folded {
                stay: key.occupied.then_some(StayChange::Opened(key.at)),
                known: None,
            };
        };
        let changed = key.occupied != last.occupied;
        let known_until = watch.believed_until(last.at).min(key.at);
        let known = if changed || known_until < key.at {
            self.known_from
                .replace(key.at)
                .and_then(|from| known_time(from, known_until, last.occupied))
        } else {
            None
        };
        if !changed {
            return Folded { stay: None, known };
        }
        let stay = match (last.occupied, self.since.replace(key.at)) {
            (true, Some(started_at)) if started_at == key.at => {
                Some(StayChange::Withdrawn(started_at))
            }
            (true, Some(started_at)) => Some(StayChange::Closed {
                started_at,
                ended_at: key.at,
            }),
            _ => Some(StayChange::Opened(key.at)),
        };
        Folded { stay, known }
    }

    /// The known time that has not come to an end, as of `now`.
    pub fn known_so_far(&self, watch: &BayWatch, now: Timestamp) -> Option<KnownTime> {
        let last = self.last?;
        let until = watch.believed_until(last.at).min(now);
        known_time(self.known_from?, until, last.occupied)
    }
}

fn known_time(from: Timestamp, until: Timestamp, occupied: bool) -> Option<KnownTime> {
    let span = Span { from, until };
    (from < until).then_some(KnownTime { span, occupied })
}

/// Applies `change` to a bay's stays, which are in order of time.
pub fn apply(stays: &mut Vec<Stay>, change: StayChange) {
    match change {
        StayChange::Opened(started_at) => stays.push(Stay {
            started_at,
            ended_at: None,
        }),
        StayChange::Closed {
            started_at,
            ended_at,
        } => {
            if let Some(stay) = stays
                .iter_mut()
                .rev()
                .find(|stay| stay.started_at == started_at)
            {
                stay.ended_at = Some(ended_at);
            }
        }
        StayChange::Withdrawn(started_at) => stays.retain(|stay| stay.started_at != started_at),
    }
}

/// What follows from a bay's events, from some point on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The stays, in order of time.
    pub stays: Vec<Stay>,
    /// Occupied and free time that has come to an end, and arrivals.
    pub tallies: Tallies,
    /// What is known at the end.
    pub track: BayTrack,
}

impl History {
    /// Folds events, in whatever order they are given, onto what was known before them.
    pub fn of(before: BayTrack, mut keys: Vec<EventKey>, watch: &BayWatch) -> Self {
        keys.sort_unstable();
        let mut history = Self {
            track: before,
            ..Self::default()
        };
        if let (Some(last), Some(started_at)) = (before.last, before.since)
            && last.occupied
        {
            apply(&mut history.stays, StayChange::Opened(started_at));
        }
        for key in keys {
            let folded = history.track.fold(key, watch);
            if let Some(change) = folded.stay {
                apply(&mut history.stays, change);
            }
            if let Some(known) = folded.known {
                history.tallies.add_known(watch, known);
            }
        }
        for stay in &history.stays {
            history.tallies.add_arrival(watch, stay.started_at);
        }
        history
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;

    use super::*;
    use crate::occupancy::Tally;

    fn keys() -> impl Strategy<Value = Vec<EventKey>> {
        prop::collection::vec((0i64..40, 0i64..4, any::<bool>()), 0..40).prop_map(|told| {
            told.into_iter()
                .map(|(second, seq, occupied)| EventKey {
                    at: DateTime::UNIX_EPOCH + TimeDelta::seconds(second),
                    seq,
                    occupied,
                })
                .collect()
        })
    }

    fn history(keys: Vec<EventKey>, silence_after_s: i32) -> History {
        let watch = BayWatch::always(Some(silence_after_s));
        History::of(BayTrack::default(), keys, &watch)
    }

    /// What a bay was at an instant, by the rule alone: what its last word says, while it is
    /// believed.
    fn state_at(sorted: &[EventKey], at: Timestamp, silence_after_s: i32) -> Option<bool> {
        let last = sorted.iter().rfind(|key| key.at <= at)?;
        let silent = at - last.at >= TimeDelta::seconds(silence_after_s.into());
        (!silent).then_some(last.occupied)
    }

    proptest! {
        /// Any permutation and repetition of the same events gives the same history.
        #[test]
        fn order_and_repetition_do_not_matter(
            (keys, shuffled) in keys().prop_flat_map(|keys| {
                let doubled: Vec<_> = keys.iter().chain(&keys).copied().collect();
                (Just(keys), Just(doubled).prop_shuffle())
            }),
            silence_after_s in 1..60,
        ) {
            prop_assert_eq!(history(keys, silence_after_s), history(shuffled, silence_after_s));
        }

        /// Stays are disjoint, in order, longer than nothing, and only the last may be open.
        #[test]
        fn stays_are_well_formed(keys in keys()) {
            let History { stays, track, .. } = history(keys, 3_600);
            for pair in stays.windows(2) {
                prop_assert!(pair[0].ended_at.is_some_and(|end| end <= pair[1].started_at));
            }
            for stay in &stays {
                prop_assert!(stay.ended_at.is_none_or(|end| end > stay.started_at));
            }
            let open = stays.last().is_some_and(|stay| stay.ended_at.is_none());
            prop_assert_eq!(open, track.last.is_some_and(|last| last.occupied));
        }

        /// Occupied and free time is what one finds by asking second by second, and arrivals are the
        /// stays' starts, with what is in doubt left out.
        #[test]
        fn known_time_is_what_was_told_and_believed(
            mut keys in keys(),
            silence_after_s in 1..60,
            now_s in 40i64..120,
            doubt in (0i64..60, 1i64..30),
        ) {
            let second = |s: i64| DateTime::UNIX_EPOCH + TimeDelta::seconds(s);
            let doubt = Span { from: second(doubt.0), until: second(doubt.0 + doubt.1) };
            let mut watch = BayWatch::always(Some(silence_after_s));
            watch.doubts.push(doubt);
            let mut history = History::of(BayTrack::default(), keys.clone(), &watch);
            if let Some(known) = history.track.known_so_far(&watch, second(now_s)) {
                history.tallies.add_known(&watch, known);
            }
            keys.sort_unstable();
            let (mut occupied_us, mut free_us) = (0, 0);
            for s in (0..now_s).filter(|s| !doubt.contains(second(*s))) {
                match state_at(&keys, second(s), silence_after_s) {
                    Some(true) => occupied_us += 1_000_000,
                    Some(false) => free_us += 1_000_000,
                    None => {}
                }
            }
            let sum = history.tallies.0.values().fold(Tally::default(), |sum, tally| sum.plus(*tally));
            prop_assert_eq!((sum.occupied_us, sum.free_us), (occupied_us, free_us));
            let arrivals = history.stays.iter().filter(|stay| !doubt.contains(stay.started_at));
            prop_assert_eq!(sum.arrivals, arrivals.count() as i64);
        }

        /// The fold may begin at a stay's start, knowing nothing from before.
        #[test]
        fn a_history_may_begin_with_any_stay(keys in keys()) {
            let whole = history(keys.clone(), 20);
            for (index, stay) in whole.stays.iter().enumerate() {
                let later = keys.iter().copied().filter(|key| key.at >= stay.started_at).collect();
                let watch = BayWatch::always(Some(20));
                let rest = History::of(BayTrack::arrived(stay.started_at), later, &watch);
                prop_assert_eq!(&rest.stays, &whole.stays[index..]);
                prop_assert_eq!(rest.track, whole.track);
            }
        }
    }

    #[test]
    fn known_time_is_told_by_buckets() {
        let minute = |n| DateTime::UNIX_EPOCH + TimeDelta::minutes(n);
        let key = |at, occupied| EventKey {
            at,
            seq: 0,
            occupied,
        };
        let keys = vec![
            key(minute(10), true),
            key(minute(40), false),
            key(minute(50), false),
        ];
        let tallies = history(keys, 3_600).tallies.0;
        let by_bucket: Vec<_> = tallies
            .iter()
            .map(|(at, tally)| {
                (
                    (*at - minute(0)).num_minutes(),
                    tally.occupied_us / 60_000_000,
                    tally.arrivals,
                )
            })
            .collect();
        assert_eq!(by_bucket, [(0, 5, 1), (15, 15, 0), (30, 10, 0)]);
    }
}
