//! The fold from a bay's events to its stays.
//!
//! Stays are a function of the *set* of a bay's events, ordered by [`EventKey`]. Whoever folds new
//! events onto a [`BayTrack`] must do so in that order; an event that belongs before the last one
//! seen makes the caller fold again from an earlier point ([`BayTrack::accepts`] tells which).

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::EventKey;

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

impl BayTrack {
    /// Whether an event of this key is later than all folded so far.
    pub fn accepts(&self, key: &EventKey) -> bool {
        self.last.is_none_or(|last| *key > last)
    }

    /// Folds the next event. A key that is not later than the last is ignored.
    pub fn fold(&mut self, key: EventKey) -> Option<StayChange> {
        if !self.accepts(&key) {
            return None;
        }
        let before = self.last.replace(key).map(|last| last.occupied);
        if before == Some(key.occupied) {
            return None;
        }
        let since = self.since.replace(key.at);
        match (before, since) {
            (Some(true), Some(started_at)) if started_at == key.at => {
                Some(StayChange::Withdrawn(started_at))
            }
            (Some(true), Some(started_at)) => Some(StayChange::Closed {
                started_at,
                ended_at: key.at,
            }),
            _ => key.occupied.then_some(StayChange::Opened(key.at)),
        }
    }
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

/// The stays and the final track of a set of events, in whatever order they are given.
pub fn stays_of(mut keys: Vec<EventKey>) -> (Vec<Stay>, BayTrack) {
    keys.sort_unstable();
    let (mut stays, mut track) = (Vec::new(), BayTrack::default());
    for key in keys {
        if let Some(change) = track.fold(key) {
            apply(&mut stays, change);
        }
    }
    (stays, track)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        /// Any permutation and repetition of the same events gives the same stays and state.
        #[test]
        fn order_and_repetition_do_not_matter(
            (keys, shuffled) in keys().prop_flat_map(|keys| {
                let doubled: Vec<_> = keys.iter().chain(&keys).copied().collect();
                (Just(keys), Just(doubled).prop_shuffle())
            })
        ) {
            prop_assert_eq!(stays_of(keys), stays_of(shuffled));
        }

        /// Stays are disjoint, in order, longer than nothing, and only the last may be open.
        #[test]
        fn stays_are_well_formed(keys in keys()) {
            let (stays, track) = stays_of(keys);
            for pair in stays.windows(2) {
                prop_assert!(pair[0].ended_at.is_some_and(|end| end <= pair[1].started_at));
            }
            for stay in &stays {
                prop_assert!(stay.ended_at.is_none_or(|end| end > stay.started_at));
            }
            let open = stays.last().is_some_and(|stay| stay.ended_at.is_none());
            prop_assert_eq!(open, track.last.is_some_and(|last| last.occupied));
        }
    }
}
