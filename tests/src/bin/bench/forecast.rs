//! How well the next two hours are foretold, on recorded car parks whose last weeks are held back.
//! Each lot is learnt anew every night from all that is then past. `CLEARBAY_BENCH_DATA` names
//! another folder of recordings than `../shared/data`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, Days, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use domain::day::midnight;
use domain::forecast::{ForecastStep, Forecaster, STEP};
use domain::occupancy::{BayCount, OccupancyBucket};
use simulator::replay::Recording;

type Timestamp = DateTime<Utc>;

/// How long a reading holds where no other follows.
const HOLDS: TimeDelta = TimeDelta::minutes(45);
/// How far ahead is scored, in steps.
const AHEAD: [i32; 4] = [1, 2, 4, 8];

/// Recorded lots of one city.
struct City {
    name: &'static str,
    tz: Tz,
    lots: Vec<Lot>,
}

/// A recorded lot.
struct Lot {
    readings: BTreeMap<Timestamp, BayCount>,
    /// In order of time.
    buckets: Vec<OccupancyBucket>,
    /// From when on it is held back.
    held_back: Timestamp,
}

/// What was missed at one horizon, in shares, summed over the same points for all three.
#[derive(Clone, Copy, Default)]
struct Score {
    points: u32,
    ours: f64,
    as_now: f64,
    last_week: f64,
    inside: u32,
    width: f64,
    /// Points that could have been scored, but nothing was said.
    unsaid: u32,
}

/// Measures and prints.
pub fn run() -> anyhow::Result<()> {
    let folder = std::env::var_os("CLEARBAY_BENCH_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("forecast: skipped, for ../shared/data with its recordings is not here");
        return Ok(());
    }
    let cities = [birmingham(&folder)?, dresden(&folder)?];
    let mut learn_ms = Vec::new();
    let scores = cities.each_ref().map(|city| {
        let (mut learning, mut learnt) = (Duration::ZERO, 0);
        let mut scores = [Score::default(); AHEAD.len()];
        for lot in &city.lots {
            lot.score(city.tz, &mut scores, &mut learning, &mut learnt);
        }
        learn_ms.push(learning.as_secs_f64() * 1_000.0 / f64::from(learnt));
        scores
    });
    let each = || {
        let scores = cities.iter().zip(&scores);
        scores.flat_map(|(city, scores)| {
            let scores = AHEAD.iter().zip(scores);
            scores
                .map(|(ahead, score)| (format!("forecast_{}_{}min", city.name, ahead * 15), score))
        })
    };
    for (name, score) in each() {
        anyhow::ensure!(score.points > 0, "{name}: nothing could be scored");
        println!("{name}_vs_as_now: {:.2}", score.ours / score.as_now);
        println!("{name}_vs_last_week: {:.2}", score.ours / score.last_week);
    }
    for (name, score) in each() {
        let points = f64::from(score.points);
        println!("{name}_mae_pp: {:.2}", score.ours / points * 100.0);
        println!("{name}_as_now_pp: {:.2}", score.as_now / points * 100.0);
        println!(
            "{name}_last_week_pp: {:.2}",
            score.last_week / points * 100.0
        );
        let inside = f64::from(score.inside) / points;
        println!("{name}_interval_80_coverage: {inside:.3}");
        println!(
            "{name}_interval_80_width_pp: {:.2}",
            score.width / points * 100.0
        );
        println!("{name}_points: {}", score.points);
        println!("{name}_unsaid_points: {}", score.unsaid);
    }
    for (city, learn_ms) in cities.iter().zip(learn_ms) {
        println!("forecast_{}_learn_ms_per_lot: {learn_ms:.2}", city.name);
    }
    for (name, score) in each() {
        let baselines = [
            ("as now", score.as_now),
            ("the same time last week", score.last_week),
        ];
        for (baseline, missed) in baselines {
            if score.ours >= missed {
                println!("{name} is not better than \"{baseline}\".");
            }
        }
    }
    Ok(())
}

/// Birmingham's car parks; the last two weeks are held back. Rows that cannot be true are refused
/// as for a replay.
fn birmingham(folder: &Path) -> anyhow::Result<City> {
    let tz = chrono_tz::Europe::London;
    let recording = Recording::read(&folder.join("birmingham.csv"))?;
    let held_back = midnight("2016-12-06".parse()?, tz);
    let lots = recording.car_parks().iter().enumerate();
    let lots = lots.map(|(index, car_park)| {
        let readings = recording.readings(index).map(|(at, occupied)| {
            let free = car_park.capacity.saturating_sub(occupied);
            (at, BayCount { occupied, free })
        });
        Lot::of(readings.collect(), held_back)
    });
    Ok(City {
        name: "birmingham",
        tz,
        lots: lots.collect(),
    })
}

/// Dresden's car parks, whose rows are percentages at local times; the last two months are held
/// back. Less than none, more than all, and times that clocks skipped are refused.
fn dresden(folder: &Path) -> anyhow::Result<City> {
    let tz = chrono_tz::Europe::Berlin;
    let files = [
        ("dresdenaltmarkt", "2016-11-01"),
        ("dresdencentrumgalerie", "2019-11-01"),
        ("dresdencitycenter", "2016-11-01"),
    ];
    let lots = files.iter().map(|(file, held_back)| {
        let path = folder.join("dresden").join(file).with_extension("csv");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let reading = |line: &str| {
            let (at, percent) = line.split_once(',')?;
            let local: NaiveDateTime = at.parse().ok()?;
            let occupied: u32 = percent.trim().parse().ok()?;
            let free = 100u32.checked_sub(occupied)?;
            let at = tz.from_local_datetime(&local).earliest()?;
            Some((at.to_utc(), BayCount { occupied, free }))
        };
        let readings: BTreeMap<_, _> = text.lines().filter_map(reading).collect();
        Ok(Lot::of(readings, midnight(held_back.parse()?, tz)))
    });
    Ok(City {
        name: "dresden",
        tz,
        lots: lots.collect::<anyhow::Result<_>>()?,
    })
}

impl Lot {
    /// Resamples: a reading holds until the next one.
    fn of(readings: BTreeMap<Timestamp, BayCount>, held_back: Timestamp) -> Self {
        let mut buckets = BTreeMap::new();
        let ends = readings.keys().skip(1).map(Some).chain([None]);
        for ((from, count), next) in readings.iter().zip(ends) {
            let until = next.map_or(*from + HOLDS, |next| *next.min(&(*from + HOLDS)));
            let mut at = quarter(*from);
            while at < until {
                let bucket = buckets.entry(at).or_insert(OccupancyBucket::of(at, 0, 0));
                let held = (at + STEP).min(until) - at.max(*from);
                let held_us = held.num_milliseconds() * 1_000;
                bucket.tally.occupied_us += held_us * i64::from(count.occupied);
                bucket.tally.free_us += held_us * i64::from(count.free);
                at += STEP;
            }
        }
        Self {
            readings,
            buckets: buckets.into_values().collect(),
            held_back,
        }
    }

    /// What a driver who asks at `now` could be told of the present.
    fn present(&self, now: Timestamp) -> Option<BayCount> {
        let (at, count) = self.readings.range(..=now).next_back()?;
        (now - at < HOLDS).then_some(*count)
    }

    fn share(&self, at: Timestamp) -> Option<f64> {
        let place = self.buckets.binary_search_by_key(&at, |bucket| bucket.at);
        self.buckets[place.ok()?].occupied_share()
    }

    /// Those of its buckets that had ended.
    fn ended(&self, by: Timestamp) -> &[OccupancyBucket] {
        let ended = |bucket: &OccupancyBucket| bucket.at + STEP <= by;
        &self.buckets[..self.buckets.partition_point(ended)]
    }

    /// Goes through what is held back, quarter by quarter.
    fn score(&self, tz: Tz, scores: &mut [Score], learning: &mut Duration, learnt: &mut u32) {
        let Some(end) = self.readings.keys().next_back() else {
            return;
        };
        let mut night = self.held_back;
        while night < *end {
            let started = Instant::now();
            let forecaster = Forecaster::learn(self.ended(night), tz, night);
            *learning += started.elapsed();
            *learnt += 1;
            let day = night.with_timezone(&tz).date_naive();
            let next_night = midnight(day + Days::new(1), tz);
            let past = self.ended(night).len();
            let mut now = night;
            while now < next_night {
                if let Some(present) = self.present(now) {
                    let recent = &self.ended(now)[past..];
                    let steps = forecaster
                        .as_ref()
                        .ok()
                        .and_then(|forecaster| forecaster.forecast(recent, present, now).ok());
                    self.score_at(now, present, tz, &steps.unwrap_or_default(), scores);
                }
                now += STEP;
            }
            night = next_night;
        }
    }

    fn score_at(
        &self,
        now: Timestamp,
        present: BayCount,
        tz: Tz,
        steps: &[ForecastStep],
        scores: &mut [Score],
    ) {
        let as_now = f64::from(present.occupied) / f64::from(present.occupied + present.free);
        for (ahead, score) in AHEAD.iter().zip(scores) {
            let at = now + STEP * *ahead;
            let last_week = at.with_timezone(&tz).naive_local() - TimeDelta::weeks(1);
            let last_week = tz
                .from_local_datetime(&last_week)
                .earliest()
                .and_then(|then| self.share(then.to_utc()));
            let (Some(truth), Some(last_week)) = (self.share(at), last_week) else {
                continue;
            };
            let Some(step) = steps.iter().find(|step| step.at == at) else {
                score.unsaid += 1;
                continue;
            };
            let share = |bp: u32| f64::from(bp) / 10_000.0;
            score.points += 1;
            score.ours += (share(step.expected_bp) - truth).abs();
            score.as_now += (as_now - truth).abs();
            score.last_week += (last_week - truth).abs();
            // The truth is rounded as the interval is.
            let truth_bp = (truth * 10_000.0).round() as u32;
            score.inside += u32::from((step.low_bp..=step.high_bp).contains(&truth_bp));
            score.width += share(step.high_bp - step.low_bp);
        }
    }
}

/// The start of the quarter of an hour that `at` lies in.
fn quarter(at: Timestamp) -> Timestamp {
    at - TimeDelta::milliseconds(at.timestamp_millis().rem_euclid(STEP.num_milliseconds()))
}
