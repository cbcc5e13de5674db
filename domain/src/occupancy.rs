//! What was known of bays over time: the raw material of every occupancy figure of the past.
//!
//! A bay is occupied, free or unknown. It is known from a device's word on, until the device has
//! been silent for too long, is taken away, or is found to be in doubt. Known time is added up by
//! lot in buckets of [`BUCKET`]; what is in a bucket neither occupied nor free was unknown.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// The length of a bucket. Every time zone in use lies a multiple of it from UTC.
pub const BUCKET: TimeDelta = TimeDelta::minutes(15);
const BUCKET_US: i64 = 15 * 60 * 1_000_000;

/// From an instant to another, the second one not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from: Timestamp,
    /// The instant after the last.
    pub until: Timestamp,
}

/// Time during which a bay was known to be occupied, or free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownTime {
    /// When.
    pub span: Span,
    /// Which of the two.
    pub occupied: bool,
}

/// One device's watch over one bay, from its installation to its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// When.
    pub span: Span,
    /// After how many seconds without a word the bay is unknown; `None` for recordings.
    pub silence_after_s: Option<i32>,
}

/// All that decides how long what was told of a bay is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BayWatch {
    /// The devices' watches, one after the other, in order of time.
    pub watches: Vec<Watch>,
    /// When the device at the time was in doubt, in any order.
    pub doubts: Vec<Span>,
}

impl BayWatch {
    /// A bay that one device watches for ever.
    pub fn always(silence_after_s: Option<i32>) -> Self {
        Self {
            watches: vec![Watch {
                span: Span {
                    from: Timestamp::MIN_UTC,
                    until: Timestamp::MAX_UTC,
                },
                silence_after_s,
            }],
            doubts: Vec::new(),
        }
    }

    /// Until when a word told at `at` is believed, if no other follows; `at` itself where nobody
    /// watched.
    pub fn believed_until(&self, at: Timestamp) -> Timestamp {
        let Some(watch) = self.watches.iter().rfind(|watch| watch.span.contains(at)) else {
            return at;
        };
        let limit = watch
            .silence_after_s
            .and_then(|limit_s| at.checked_add_signed(TimeDelta::seconds(limit_s.into())));
        limit.unwrap_or(watch.span.until).min(watch.span.until)
    }

    /// Whether the device at the time was in doubt.
    fn is_doubtful(&self, at: Timestamp) -> bool {
        self.doubts.iter().any(|doubt| doubt.contains(at))
    }

    /// Of a known time, what lies outside all doubts.
    fn beyond_doubt(&self, known: KnownTime) -> Vec<KnownTime> {
        let mut rest = vec![known.span];
        for doubt in &self.doubts {
            rest = rest.iter().flat_map(|span| span.without(doubt)).collect();
        }
        rest.into_iter()
            .map(|span| KnownTime { span, ..known })
            .collect()
    }
}

impl Span {
    /// Whether the instant lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// What both have in common; `None` where that is nothing.
    pub fn overlap(&self, other: &Self) -> Option<Self> {
        let (from, until) = (self.from.max(other.from), self.until.min(other.until));
        (from < until).then_some(Self { from, until })
    }

    /// What of it lies outside `other`: nothing, one part or two, in order of time.
    pub fn without(&self, other: &Self) -> impl Iterator<Item = Self> + use<> {
        let (from, until) = (self.from, self.until);
        let before = Self {
            from,
            until: until.min(other.from),
        };
        let after = Self {
            from: from.max(other.until),
            until,
        };
        [before, after]
            .into_iter()
            .filter(|span| span.from < span.until)
    }

    /// How long it is, in microseconds.
    pub fn length_us(&self) -> i64 {
        (self.until - self.from)
            .num_microseconds()
            .unwrap_or(i64::MAX)
    }
}

/// The same time in spans that neither touch nor overlap, in order of time.
pub fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.from < span.until);
    spans.sort_unstable_by_key(|span| (span.from, span.until));
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
            _ => apart.push(span),
        }
    }
    apart
}

/// What of a span lies outside some that are [`merged`], in order of time.
pub fn outside(span: Span, merged: &[Span]) -> Vec<Span> {
    let first = merged.partition_point(|other| other.until <= span.from);
    let mut rest = vec![span];
    for other in merged[first..]
        .iter()
        .take_while(|other| other.from < span.until)
    {
        let Some(last) = rest.pop() else { break };
        rest.extend(last.without(other));
    }
    rest
}

/// What a lot's bays did together in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Bay-microseconds known to be occupied.
    pub occupied_us: i64,
    /// Bay-microseconds known to be free.
    pub free_us: i64,
    /// Vehicles that arrived, as far as that is beyond doubt.
    pub arrivals: i64,
}

impl Tally {
    /// The sum of both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            occupied_us: self.occupied_us.saturating_add(other.occupied_us),
            free_us: self.free_us.saturating_add(other.free_us),
            arrivals: self.arrivals.saturating_add(other.arrivals),
        }
    }

    /// The opposite, to take something back.
    pub fn negated(self) -> Self {
        Self {
            occupied_us: -self.occupied_us,
            free_us: -self.free_us,
            arrivals: -self.arrivals,
        }
    }
}

/// Tallies by the start of their bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies(pub BTreeMap<Timestamp, Tally>);

impl Tallies {
    /// Adds to the bucket in which `at` lies.
    pub fn add(&mut self, at: Timestamp, tally: Tally) {
        let sum = self.0.entry(bucket_of(at)).or_default();
        *sum = sum.plus(tally);
    }

    /// Adds a bay's known time, as far as it is beyond doubt, to the buckets in which it lies.
    pub fn add_known(&mut self, watch: &BayWatch, known: KnownTime) {
        for KnownTime { span, occupied } in watch.beyond_doubt(known) {
            let mut from = span.from;
            while from < span.until {
                let until = (bucket_of(from) + BUCKET).min(span.until);
                let length_us = Span { from, until }.length_us();
                let (occupied_us, free_us) = if occupied {
                    (length_us, 0)
                } else {
                    (0, length_us)
                };
                self.add(
                    from,
                    Tally {
                        occupied_us,
                        free_us,
                        arrivals: 0,
                    },
                );
                from = until;
            }
        }
    }

    /// Counts a vehicle that arrived, unless that is in doubt.
    pub fn add_arrival(&mut self, watch: &BayWatch, at: Timestamp) {
        self.add_arrivals(watch, at, 1);
    }

    /// Takes back a vehicle that has turned out not to have arrived.
    pub fn remove_arrival(&mut self, watch: &BayWatch, at: Timestamp) {
        self.add_arrivals(watch, at, -1);
    }

    fn add_arrivals(&mut self, watch: &BayWatch, at: Timestamp, arrivals: i64) {
        if !watch.is_doubtful(at) {
            self.add(
                at,
                Tally {
                    arrivals,
                    ..Tally::default()
                },
            );
        }
    }

    /// Adds what `other` holds.
    pub fn add_all(&mut self, other: Self) {
        for (at, tally) in other.0 {
            self.add(at, tally);
        }
    }

    /// What is not nothing, in order of time.
    pub fn changes(&self) -> impl Iterator<Item = (Timestamp, Tally)> {
        let changed = |(_, tally): &(&Timestamp, &Tally)| **tally != Tally::default();
        self.0
            .iter()
            .filter(changed)
            .map(|(at, tally)| (*at, *tally))
    }

    /// Takes back what `other` holds.
    pub fn subtract(&mut self, other: Self) {
        for (at, tally) in other.0 {
            self.add(at, tally.negated());
        }
    }
}

/// The start of the bucket in which `at` lies.
pub fn bucket_of(at: Timestamp) -> Timestamp {
    let bucket_s = BUCKET.num_seconds();
    let start_s = at.timestamp().div_euclid(bucket_s) * bucket_s;
    // Nothing before the earliest instant that can be told.
    Timestamp::from_timestamp(start_s, 0).unwrap_or(Timestamp::MIN_UTC)
}

/// What a lot's bays did in one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OccupancyBucket {
    /// The bucket's start.
    pub at: Timestamp,
    /// What they did.
    pub tally: Tally,
}

impl OccupancyBucket {
    /// A bucket of which only occupied and free bay-microseconds matter.
    pub fn of(at: Timestamp, occupied_us: i64, free_us: i64) -> Self {
        Self {
            at,
            tally: Tally {
                occupied_us,
                free_us,
                arrivals: 0,
            },
        }
    }

    /// The known bay-time in microseconds: 0 where nothing is known, or where the figures cannot be
    /// true.
    pub fn known_us(&self) -> i64 {
        let Tally {
            occupied_us,
            free_us,
            ..
        } = self.tally;
        if occupied_us < 0 || free_us < 0 {
            return 0;
        }
        occupied_us.checked_add(free_us).unwrap_or(0)
    }

    /// The occupied part of what is known, from 0 to 1.
    pub fn occupied_share(&self) -> Option<f64> {
        let known_us = self.known_us();
        (known_us > 0).then(|| self.tally.occupied_us as f64 / known_us as f64)
    }
}

/// How many bays of a lot are occupied and free at one instant; the others are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BayCount {
    /// How many hold a vehicle.
    pub occupied: u32,
    /// How many hold none.
    pub free: u32,
}

impl BayCount {
    /// The same as if it were a bucket's whole time from `at`.
    pub(crate) fn bucket(self, at: Timestamp) -> OccupancyBucket {
        let us = |bays: u32| i64::from(bays) * BUCKET_US;
        OccupancyBucket::of(at, us(self.occupied), us(self.free))
    }
}
