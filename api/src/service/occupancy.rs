//! How full lots were.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::occupancy::{BUCKET, OccupancyBucket, Tally, bucket_of};

use crate::{ApiError, App};

/// How many steps one answer has at most.
const STEPS_MAX: i64 = 2_000;
/// The longest step.
const STEP_MAX: TimeDelta = TimeDelta::days(7);

/// From when to when, and by what step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first instant, a quarter of an hour's beginning.
    pub from: Timestamp,
    /// The instant after the last.
    pub to: Timestamp,
    /// The length of a step, a multiple of a quarter of an hour.
    pub step: TimeDelta,
}

impl Period {
    /// The period between two instants; what is left out is the day that ends now, by the hour.
    ///
    /// # Errors
    /// [`ApiError::Unprocessable`] where it runs backwards, the step is no multiple of a quarter of an
    /// hour, or there are too many of them.
    pub fn new(
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        step_minutes: Option<i64>,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        let refuse = |why: &str| Err(ApiError::Unprocessable(why.to_owned()));
        let step = match step_minutes {
            None => TimeDelta::hours(1),
            Some(minutes) if minutes > 0 && minutes <= STEP_MAX.num_minutes() => {
                TimeDelta::minutes(minutes)
            }
            Some(_) => return refuse("step is in minutes, from 15 to 10080"),
        };
        if step.num_minutes() % BUCKET.num_minutes() != 0 {
            return refuse("step is a multiple of 15 minutes");
        }
        // Far from the ends of what can be reckoned with.
        let sane = |at: &Timestamp| (1900..=2200).contains(&chrono::Datelike::year(at));
        let to = to.unwrap_or(now);
        if !sane(&to) || !from.is_none_or(|from| sane(&from)) {
            return refuse("from and to lie between the years 1900 and 2200");
        }
        let from = bucket_of(from.unwrap_or(to - TimeDelta::days(1)));
        if from >= to {
            return refuse("from lies before to");
        }
        if (to - from).num_minutes() / step.num_minutes() >= STEPS_MAX {
            return refuse("that is more than 2000 steps; choose a longer step or a shorter time");
        }
        Ok(Self { from, to, step })
    }
}

/// How full a lot was on average during a step, in bays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OccupancyStep {
    /// When it began.
    pub at: Timestamp,
    /// Bays known to be occupied.
    pub occupied: f64,
    /// Bays known to be free.
    pub free: f64,
    /// Bays of which nothing was known.
    pub unknown: f64,
    /// Vehicles that arrived in the step.
    pub arrivals: i64,
}

/// How full a lot was: a row for each step that has begun, and the lot's number of bays.
///
/// # Errors
/// [`ApiError::NotFound`] where there is no such lot.
pub async fn history(
    app: &App,
    lot: &str,
    period: Period,
    now: Timestamp,
) -> Result<(u32, Vec<OccupancyStep>), ApiError> {
    let found = app.live.lot(lot, now).await;
    let capacity = found.ok_or(ApiError::NotFound("lot"))?.0.capacity;
    let (from, last) = (period.from, last_of(period));
    let asking = app.past.ask(now, |store, now| async move {
        Ok((store.lot_occupancy(lot, from, last, now).await?, now))
    });
    let (buckets, now) = asking.await?;
    Ok((capacity, steps(buckets, capacity, period, now)))
}

/// The same of several lots, given how many bays each has: a row for each step that has begun, by the lot's code.
///
/// # Errors
/// Where the database fails.
pub async fn histories(
    app: &App,
    capacities: &BTreeMap<String, u32>,
    period: Period,
    now: Timestamp,
) -> Result<BTreeMap<String, Vec<OccupancyStep>>, ApiError> {
    let lots: Vec<String> = capacities.keys().cloned().collect();
    let (lots, last) = (&lots, last_of(period));
    let asking = app.past.ask(now, |store, now| async move {
        let found = store.lots_occupancy(lots, period.from, last, now);
        Ok((found.await?, now))
    });
    let (found, now) = asking.await?;
    let lot = |(code, buckets): (String, Vec<OccupancyBucket>)| {
        let capacity = capacities.get(&code).copied().unwrap_or_default();
        (code, steps(buckets, capacity, period, now))
    };
    Ok(found.into_iter().map(lot).collect())
}

/// The end of the last quarter of an hour that a period touches.
fn last_of(period: Period) -> Timestamp {
    bucket_of(period.to - TimeDelta::microseconds(1)) + BUCKET
}

fn steps(
    buckets: Vec<OccupancyBucket>,
    capacity: u32,
    period: Period,
    now: Timestamp,
) -> Vec<OccupancyStep> {
    let Period { from, to, step } = period;
    let last = last_of(period);
    let mut buckets = buckets.into_iter().peekable();
    let mut steps = Vec::new();
    let mut at = from;
    while at < to.min(now) {
        let until = at + step;
        let mut sum = Tally::default();
        while let Some(OccupancyBucket { tally, .. }) = buckets.next_if(|found| found.at < until) {
            sum = sum.plus(tally);
        }
        // Of what is under way only the time that has passed counts.
        let passed = until.min(last).min(now.max(at)) - at;
        steps.push(average(at, sum, capacity, passed));
        at = until;
    }
    steps
}

fn average(at: Timestamp, sum: Tally, capacity: u32, passed: TimeDelta) -> OccupancyStep {
    let passed_us = passed.num_microseconds().unwrap_or(i64::MAX).max(1);
    let bays = |us: i64| us as f64 / passed_us as f64;
    let (occupied, free) = (bays(sum.occupied_us), bays(sum.free_us));
    OccupancyStep {
        at,
        occupied,
        free,
        unknown: (f64::from(capacity) - occupied - free).max(0.0),
        arrivals: sum.arrivals,
    }
}
