//! How full a lot will be in the next two hours, learnt from its own past alone.
//!
//! The change from now to a later time is a weighted sum of what usually happens between these two
//! times of the week, what happened last week and yesterday, how far the present is from the usual,
//! and where it has been moving (`week`). The weights are found for each horizon and hour of the
//! day, by a regression that forgets and that a few odd days do not bend (`fit`). The interval is
//! what the same regression missed in weeks that it had not seen (`interval`).
//!
//! Shares are of the known bays: what nobody knows about is neither free nor full.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::occupancy::{BUCKET, BayCount, OccupancyBucket};

mod fit;
mod interval;
mod week;

use fit::{Model, Sample};
use interval::Interval;
use week::{Quarter, Week};

/// How many steps a forecast has.
pub const STEPS: usize = 8;
/// Between two steps.
pub const STEP: TimeDelta = BUCKET;
/// Of ten later values, eight are meant to lie in the interval: one in ten lies below and above.
pub const INTERVAL_BP: u32 = 8_000;
/// How much history counts at most, before `until`.
pub const HISTORY: TimeDelta = TimeDelta::days(84);
/// How far back history must reach: what happens every week must have happened twice.
pub const HISTORY_MIN: TimeDelta = TimeDelta::days(14);

/// How far back changes are learnt from, in quarters of an hour; before that, only what is usual.
const LEARNT_QUARTERS: i64 = 42 * DAY;
/// How many changes over a horizon must have been seen for it to be forecast.
const SAMPLES_MIN: usize = 200;
/// A bucket of which less than this part is known, compared with the usual, tells nothing.
const KNOWN_PART: i64 = 4;
/// Quarters of an hour in a day.
const DAY: i64 = 96;
const QUARTER_MS: i64 = BUCKET.num_milliseconds();

/// What is expected at one later time. All shares are parts of the known bays in basis points, from
/// 0 to 10000, and `low_bp <= expected_bp <= high_bp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForecastStep {
    /// When.
    pub at: DateTime<Utc>,
    /// The occupied share that is as likely too low as too high.
    pub expected_bp: u32,
    /// One time in ten it is less than this.
    pub low_bp: u32,
    /// One time in ten it is more than this.
    pub high_bp: u32,
}

/// Why nothing is said about a lot's next hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoForecast {
    /// The lot is known for less than two weeks, or too little of it.
    #[error("the lot's history is too short for a forecast")]
    ShortHistory,
    /// Too few of the lot's sensors are heard at present.
    #[error("too little is known of the lot at present")]
    PresentUnknown,
    /// History holds nothing about this time of the day.
    #[error("the lot was never observed at this time of the day")]
    UnknownTime,
    /// The history that was learnt from reaches beyond `now`.
    #[error("the forecast was learnt after the time it is asked for")]
    LearntLater,
}

/// What the next two hours of one lot look like from any present.
#[derive(Clone, Debug)]
pub struct Forecaster {
    tz: Tz,
    until: Timestamp,
    /// A bucket with less is not believed.
    known_min_us: i64,
    week: Week,
    /// By horizon; `None` where too few changes were seen.
    horizons: Vec<Option<Horizon>>,
}

#[derive(Clone, Debug)]
struct Horizon {
    model: Model,
    interval: Interval,
}

impl Forecaster {
    /// Learns from those of a lot's buckets, in whatever order and however often given, that had
    /// ended by `until` and not more than [`HISTORY`] before. `tz` is the city's.
    ///
    /// # Errors
    /// [`NoForecast::ShortHistory`].
    pub fn learn(
        history: &[OccupancyBucket],
        tz: Tz,
        until: Timestamp,
    ) -> Result<Self, NoForecast> {
        let from_ms = until.timestamp_millis() - HISTORY.num_milliseconds();
        let known = known(history, from_ms, until);
        let known_min_us = usual_known_us(&known) / KNOWN_PART;
        let series = shares(known, known_min_us);
        let (first, end) = (series.first(), index_of(until));
        if first
            .is_none_or(|(first, _)| (end - first) * QUARTER_MS < HISTORY_MIN.num_milliseconds())
        {
            return Err(NoForecast::ShortHistory);
        }
        let (week, samples) = walk(&series, tz, end);
        let horizons: Vec<_> = samples.into_iter().map(Horizon::learn).collect();
        if horizons.iter().all(Option::is_none) {
            return Err(NoForecast::ShortHistory);
        }
        Ok(Self {
            tz,
            until,
            known_min_us,
            week,
            horizons,
        })
    }

    /// Until when the history reached that was learnt from.
    pub fn learnt_until(&self) -> Timestamp {
        self.until
    }

    /// The next two hours from `now` on, when `present` bays are occupied and free. `recent` are
    /// the lot's buckets since `until`; of these, too, only what had ended by `now` counts. Times
    /// of the day of which history tells nothing are left out.
    ///
    /// # Errors
    /// Every [`NoForecast`] but a short history.
    pub fn forecast(
        &self,
        recent: &[OccupancyBucket],
        present: BayCount,
        now: Timestamp,
    ) -> Result<Vec<ForecastStep>, NoForecast> {
        if now < self.until {
            return Err(NoForecast::LearntLater);
        }
        let present = present.bucket(now);
        let share = present
            .occupied_share()
            .filter(|_| present.known_us() >= self.known_min_us)
            .ok_or(NoForecast::PresentUnknown)?;
        let mut week = self.week.clone();
        let learnt_ms = index_of(self.until) * QUARTER_MS;
        for (index, share) in shares(known(recent, learnt_ms, now), self.known_min_us) {
            week.take(Quarter::new(index, self.tz), share);
        }
        let quarter = Quarter::new(index_of(now), self.tz);
        let here = week.look(quarter, share).ok_or(NoForecast::UnknownTime)?;
        let steps = (1i32..).zip(&self.horizons).filter_map(|(ahead, horizon)| {
            let horizon = horizon.as_ref()?;
            let at = now.checked_add_signed(STEP * ahead)?;
            let then = Quarter::new(quarter.index + i64::from(ahead), self.tz);
            let expected = share + horizon.model.change(quarter, &here.features(&week, then)?);
            let (low, high) = horizon.interval.around(quarter);
            let expected_bp = basis_points(expected);
            Some(ForecastStep {
                at,
                expected_bp,
                low_bp: basis_points(expected + low).min(expected_bp),
                high_bp: basis_points(expected + high).max(expected_bp),
            })
        });
        let steps: Vec<_> = steps.collect();
        if steps.is_empty() {
            return Err(NoForecast::UnknownTime);
        }
        Ok(steps)
    }
}

impl Horizon {
    fn learn(samples: Vec<Sample>) -> Option<Self> {
        if samples.len() < SAMPLES_MIN {
            return None;
        }
        let (model, missed) = fit::fit(&samples);
        Some(Self {
            model,
            interval: Interval::of(&missed),
        })
    }
}

/// What is known of a bucket, and what of that was occupied, by its number of quarters since 1970.
type Known = (i64, i64, i64);

/// The buckets that tell something, that began at `from_ms` or later and had ended by `until`, in
/// order. Of several with one start the one that knows most counts.
fn known(buckets: &[OccupancyBucket], from_ms: i64, until: Timestamp) -> Vec<Known> {
    let until_ms = until.timestamp_millis();
    let ended = buckets.iter().filter(|bucket| {
        let at_ms = bucket.at.timestamp_millis();
        at_ms >= from_ms && at_ms + QUARTER_MS <= until_ms
    });
    let mut known: Vec<_> = ended
        .map(|bucket| {
            (
                index_of(bucket.at),
                bucket.known_us(),
                bucket.tally.occupied_us,
            )
        })
        .filter(|(_, known_us, _)| *known_us > 0)
        .collect();
    known.sort_unstable_by(|a, b| b.cmp(a));
    known.dedup_by_key(|(index, ..)| *index);
    known.reverse();
    known
}

/// The median of what is known.
fn usual_known_us(known: &[Known]) -> i64 {
    let mut known_us: Vec<_> = known.iter().map(|(_, known_us, _)| *known_us).collect();
    if known_us.is_empty() {
        return 0;
    }
    let middle = known_us.len() / 2;
    *known_us.select_nth_unstable(middle).1
}

/// The shares of the buckets that are believed.
fn shares(known: Vec<Known>, known_min_us: i64) -> Vec<(i64, f64)> {
    let believed = known.into_iter().filter(|(_, us, _)| *us >= known_min_us);
    believed
        .map(|(index, known_us, occupied_us)| (index, occupied_us as f64 / known_us as f64))
        .collect()
}

/// Goes through history once. What is usual at a time is, in every sample, what was usual before
/// it: a sample never knows the future that it is to foretell.
fn walk(series: &[(i64, f64)], tz: Tz, end: i64) -> (Week, Vec<Vec<Sample>>) {
    let mut week = Week::default();
    let mut samples = vec![Vec::new(); STEPS];
    let quarters: Vec<_> = series
        .iter()
        .map(|(index, _)| Quarter::new(*index, tz))
        .collect();
    for (place, (quarter, (_, share))) in quarters.iter().zip(series).enumerate() {
        let near = series.iter().zip(&quarters).skip(place + 1).take(STEPS);
        if let Some(here) = week
            .look(*quarter, *share)
            .filter(|_| end - quarter.index <= LEARNT_QUARTERS)
        {
            for ((index, later), then) in near {
                let ahead = usize::try_from(index - quarter.index).unwrap_or(usize::MAX);
                let Some(samples) = samples.get_mut(ahead.saturating_sub(1)) else {
                    break;
                };
                if let Some(features) = here.features(&week, *then) {
                    samples.push(Sample::new(*quarter, features, later - share, end));
                }
            }
        }
        week.take(*quarter, *share);
    }
    (week, samples)
}

fn index_of(at: Timestamp) -> i64 {
    at.timestamp_millis().div_euclid(QUARTER_MS)
}

/// A share as basis points; what cannot be is the nearest that can.
fn basis_points(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 10_000.0).round() as u32
}

#[cfg(test)]
mod tests;
