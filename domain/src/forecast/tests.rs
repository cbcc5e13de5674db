#![allow(clippy::unwrap_used)]

use chrono::{DateTime, Timelike};
use chrono_tz::Asia::Ho_Chi_Minh;
use chrono_tz::Europe::London;
use proptest::prelude::*;

use super::*;

const BAYS: i64 = 100;

/// A Monday's midnight in Hanoi.
fn monday() -> Timestamp {
    "2026-08-31T00:00:00+07:00"
        .parse::<DateTime<chrono::FixedOffset>>()
        .unwrap()
        .to_utc()
}

fn bucket(at: Timestamp, share: f64) -> OccupancyBucket {
    let known_us = BAYS * QUARTER_MS * 1_000;
    let occupied_us = (share * known_us as f64) as i64;
    OccupancyBucket::of(at, occupied_us, known_us - occupied_us)
}

fn count(share: f64) -> BayCount {
    let occupied = (share * BAYS as f64).round() as u32;
    BayCount {
        occupied,
        free: BAYS as u32 - occupied,
    }
}

/// Buckets from `from` on, each with the share of its start.
fn buckets(from: Timestamp, days: i64, share: impl Fn(Timestamp) -> f64) -> Vec<OccupancyBucket> {
    (0..days * DAY)
        .map(|index| from + TimeDelta::milliseconds(index * QUARTER_MS))
        .map(|at| bucket(at, share(at)))
        .collect()
}

/// Full by ten, empty by eight in the evening; half of that on weekends.
fn office(at: Timestamp, tz: Tz) -> f64 {
    let local = at.with_timezone(&tz);
    let hour = f64::from(local.hour()) + f64::from(local.minute()) / 60.0;
    let full = ((hour - 6.0) / 4.0).min((20.0 - hour) / 4.0);
    let part = if Quarter::new(index_of(at), tz).is_weekend() {
        0.4
    } else {
        0.8
    };
    0.1 + part * full.clamp(0.0, 1.0)
}

/// A number from 0 to 1 that looks random and is always the same for `seed`.
fn noise(seed: i64) -> f64 {
    let mut bits = (seed as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (bits ^ (bits >> 31)) as f64 / u64::MAX as f64
}

#[test]
fn what_happens_every_week_is_foretold() {
    let from = monday();
    let until = from + TimeDelta::days(28);
    let history = buckets(from, 28, |at| office(at, Ho_Chi_Minh));
    let forecaster = Forecaster::learn(&history, Ho_Chi_Minh, until).unwrap();
    let recent = buckets(until, 7, |at| office(at, Ho_Chi_Minh));
    for quarters in 0..6 * DAY {
        let now = until + STEP * quarters as i32;
        let present = count(office(now, Ho_Chi_Minh));
        let steps = forecaster.forecast(&recent, present, now).unwrap();
        assert_eq!(steps.len(), STEPS);
        for (step, ahead) in steps.iter().zip(1..) {
            assert_eq!(step.at, now + STEP * ahead);
            let truth = office(step.at, Ho_Chi_Minh) * 10_000.0;
            let error = (f64::from(step.expected_bp) - truth).abs();
            assert!(error <= 200.0, "{error} at {}", step.at);
        }
    }
}

#[test]
fn a_week_follows_the_clock_on_the_wall() {
    // Summer time ends on 2026-10-25 at 01:00 UTC.
    let from = "2026-09-14T23:00:00Z".parse::<Timestamp>().unwrap();
    let until = "2026-10-26T00:00:00Z".parse::<Timestamp>().unwrap();
    let history = buckets(from, 45, |at| office(at, London));
    let forecaster = Forecaster::learn(&history, London, until).unwrap();
    let now = until + TimeDelta::hours(6);
    let steps = forecaster
        .forecast(&history, count(office(now, London)), now)
        .unwrap();
    // Monday morning's rise begins at six and not an hour sooner: after an hour it is at 0.3.
    assert!(steps[3].expected_bp.abs_diff(3_000) < 300, "{steps:?}");
}

#[test]
fn a_short_history_says_nothing() {
    let learn = |days: i64| {
        let until = monday() + TimeDelta::days(days);
        let history = buckets(monday(), days, |at| office(at, Ho_Chi_Minh));
        Forecaster::learn(&history, Ho_Chi_Minh, until).err()
    };
    assert_eq!(learn(0), Some(NoForecast::ShortHistory));
    assert_eq!(learn(13), Some(NoForecast::ShortHistory));
    assert_eq!(learn(14), None);
    // Two weeks, but only a day of them observed.
    let until = monday() + TimeDelta::days(14);
    let history = buckets(monday(), 1, |at| office(at, Ho_Chi_Minh));
    let learnt = Forecaster::learn(&history, Ho_Chi_Minh, until);
    assert_eq!(learnt.err(), Some(NoForecast::ShortHistory));
}

#[test]
fn what_is_not_known_is_not_made_up() {
    // Observed from eight to eight only.
    let until = monday() + TimeDelta::days(28);
    let open = |at: Timestamp| (8..20).contains(&at.with_timezone(&Ho_Chi_Minh).hour());
    let mut history = buckets(monday(), 28, |at| office(at, Ho_Chi_Minh));
    history.retain(|bucket| open(bucket.at));
    let forecaster = Forecaster::learn(&history, Ho_Chi_Minh, until).unwrap();
    let ask = |present, hours| forecaster.forecast(&[], present, until + TimeDelta::hours(hours));
    assert_eq!(ask(count(0.5), 3), Err(NoForecast::UnknownTime));
    assert_eq!(ask(count(0.5), 10).unwrap().len(), STEPS);
    // From seven in the evening on: what lies close to eight, and no more.
    let evening = ask(count(0.5), 19).unwrap();
    assert!(evening.len() < STEPS);
    assert!(
        evening
            .iter()
            .all(|step| step.at <= until + TimeDelta::hours(20))
    );

    let unheard = BayCount {
        occupied: 0,
        free: 0,
    };
    assert_eq!(ask(unheard, 10), Err(NoForecast::PresentUnknown));
    // Of 100 bays 5 are heard.
    let few = BayCount {
        occupied: 5,
        free: 0,
    };
    assert_eq!(ask(few, 10), Err(NoForecast::PresentUnknown));
    assert_eq!(ask(count(0.5), -1), Err(NoForecast::LearntLater));
}

#[test]
fn a_bucket_of_which_little_is_known_is_not_believed() {
    let until = monday() + TimeDelta::days(28);
    let history = buckets(monday(), 28, |at| office(at, Ho_Chi_Minh));
    let mut broken = history.clone();
    for bucket in broken.iter_mut().step_by(9) {
        // A few bays are heard, and those are taken.
        bucket.tally.occupied_us = 5 * QUARTER_MS * 1_000;
        bucket.tally.free_us = 0;
    }
    let mut unknown = history;
    for bucket in unknown.iter_mut().step_by(9) {
        bucket.tally.occupied_us = 0;
        bucket.tally.free_us = 0;
    }
    let ask = |history: &[OccupancyBucket]| {
        let forecaster = Forecaster::learn(history, Ho_Chi_Minh, until).unwrap();
        forecaster.forecast(&[], count(0.2), until + TimeDelta::hours(8))
    };
    assert_eq!(ask(&broken), ask(&unknown));
}

#[test]
fn only_what_had_ended_counts() {
    let until = monday() + TimeDelta::days(28);
    let now = until + TimeDelta::hours(8);
    let all = buckets(monday(), 35, |at| {
        office(at, Ho_Chi_Minh) * (0.8 + 0.2 * noise(at.timestamp()))
    });
    let ended = |by: Timestamp| -> Vec<_> {
        let ended = all.iter().filter(|bucket| bucket.at + STEP <= by);
        ended.copied().collect()
    };
    let ask = |history: &[OccupancyBucket], recent: &[OccupancyBucket]| {
        let forecaster = Forecaster::learn(history, Ho_Chi_Minh, until).unwrap();
        forecaster.forecast(recent, count(0.4), now).unwrap()
    };
    let honest = ask(&ended(until), &ended(now));
    assert_eq!(ask(&all, &all), honest);
    // The last that had ended does count.
    assert_ne!(ask(&ended(until), &ended(now - STEP)), honest);
    assert_ne!(ask(&ended(until - TimeDelta::days(1)), &ended(now)), honest);
}

#[test]
fn eight_of_ten_lie_in_the_interval() {
    let level = |at: Timestamp| {
        let (before, after) = (index_of(at).div_euclid(8), index_of(at).rem_euclid(8));
        let after = after as f64 / 8.0;
        let wave = noise(before) * (1.0 - after) + noise(before + 1) * after;
        office(at, Ho_Chi_Minh) * (0.6 + 0.4 * wave)
    };
    let until = monday() + TimeDelta::days(56);
    let all = buckets(monday(), 70, level);
    let forecaster = Forecaster::learn(&all, Ho_Chi_Minh, until).unwrap();
    let (mut inside, mut asked) = ([0; STEPS], 0);
    for quarters in 0..13 * DAY {
        let now = until + STEP * quarters as i32;
        let hour = now.with_timezone(&Ho_Chi_Minh).hour();
        if !(7..19).contains(&hour) {
            continue;
        }
        asked += 1;
        let steps = forecaster.forecast(&all, count(level(now)), now).unwrap();
        for (step, inside) in steps.iter().zip(&mut inside) {
            let truth = (level(step.at) * 10_000.0) as u32;
            *inside += u32::from((step.low_bp..=step.high_bp).contains(&truth));
        }
    }
    for inside in inside {
        let percent = inside * 100 / asked;
        assert!((70..=90).contains(&percent), "{percent} %");
    }
}

#[test]
fn nothing_from_outside_makes_it_panic() {
    let ends = [Timestamp::MIN_UTC, monday(), Timestamp::MAX_UTC];
    let shares = [
        (0, 0),
        (i64::MAX, i64::MAX),
        (-1, 5),
        (i64::MIN, 1),
        (i64::MAX, 0),
    ];
    let mut history = buckets(monday(), 28, |_| 0.5);
    for at in ends {
        for (occupied_us, free_us) in shares {
            history.push(OccupancyBucket::of(at, occupied_us, free_us));
        }
    }
    for until in [ends[0], monday() + TimeDelta::days(28), ends[2]] {
        let learnt = Forecaster::learn(&history, Ho_Chi_Minh, until);
        for now in [ends[0], monday() + TimeDelta::days(29), ends[2]] {
            let ask = |forecaster: &Forecaster| forecaster.forecast(&history, count(0.5), now);
            if let Ok(steps) = learnt.as_ref().map_err(|why| *why).and_then(ask) {
                let near = |step: &ForecastStep| step.expected_bp.abs_diff(5_000) < 100;
                assert!(steps.iter().all(near), "{steps:?}");
            }
        }
    }
}

/// A lot of some kind of days, noisy, with gaps, and with buckets that cannot be true.
fn any_history() -> impl Strategy<Value = Vec<OccupancyBucket>> {
    let kind = (0.0f64..1.0, 0.0f64..1.0, 0.0f64..0.5, 0.0f64..0.9);
    (kind, any::<i32>(), 10i64..35).prop_map(|((floor, swing, rough, gaps), seed, days)| {
        let seed = i64::from(seed) << 20;
        let share = |at: Timestamp| {
            let usual = floor + swing * office(at, Ho_Chi_Minh);
            (usual + rough * (noise(seed + index_of(at)) - 0.5)).clamp(0.0, 1.0)
        };
        let mut history = buckets(monday(), days, share);
        history.retain(|bucket| noise(seed ^ index_of(bucket.at)) > gaps);
        for bucket in history.iter_mut().step_by(37) {
            bucket.tally.occupied_us = -bucket.tally.occupied_us;
        }
        history
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Shares are shares, and the expected one lies in its interval.
    #[test]
    fn shares_are_in_order(
        history in any_history(),
        share in 0.0f64..=1.0,
        hours in 0i64..200,
    ) {
        let until = monday() + TimeDelta::days(30);
        let now = until + TimeDelta::minutes(hours * 60 + 7);
        if let Ok(forecaster) = Forecaster::learn(&history, Ho_Chi_Minh, until) {
            for step in forecaster.forecast(&history, count(share), now).unwrap_or_default() {
                prop_assert!(step.low_bp <= step.expected_bp);
                prop_assert!(step.expected_bp <= step.high_bp);
                prop_assert!(step.high_bp <= 10_000);
            }
        }
    }

    /// Any permutation and repetition of the same buckets gives the same forecast.
    #[test]
    fn order_and_repetition_do_not_matter(
        (history, shuffled) in any_history().prop_flat_map(|history| {
            let doubled: Vec<_> = history.iter().chain(&history).copied().collect();
            (Just(history), Just(doubled).prop_shuffle())
        }),
    ) {
        let until = monday() + TimeDelta::days(25);
        let ask = |history: &[OccupancyBucket]| {
            let forecaster = Forecaster::learn(history, Ho_Chi_Minh, until)?;
            forecaster.forecast(history, count(0.3), until + TimeDelta::hours(33))
        };
        prop_assert_eq!(ask(&history), ask(&shuffled));
    }
}
