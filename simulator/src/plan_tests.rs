#![allow(clippy::unwrap_used)]

use super::*;

const KINDS: [Demand; 4] = [
    Demand::Office,
    Demand::OldQuarter,
    Demand::Shopping,
    Demand::Residential,
];

fn week() -> impl Iterator<Item = NaiveDate> {
    // A Monday.
    NaiveDate::from_ymd_opt(2026, 11, 16)
        .unwrap()
        .iter_days()
        .take(7)
}

#[test]
fn a_day_can_be_planned_again_and_stands_alone() {
    for demand in KINDS {
        for (bay, day) in (0..40).flat_map(|bay| week().map(move |day| (bay, day))) {
            let plan = stays(7, bay, VehicleClass::Car, demand, day);
            assert_eq!(plan, stays(7, bay, VehicleClass::Car, demand, day));
            assert_ne!(plan, stays(8, bay, VehicleClass::Car, demand, day));
            let (start, end) = (
                day_start(demand, day),
                day_start(demand, day + TimeDelta::days(1)),
            );
            for stay in &plan {
                assert!(start <= stay.from && stay.from + SHORTEST <= stay.to && stay.to < end);
                assert_eq!(day_of(demand, stay.from), day);
                let asks = stay.from + TimeDelta::seconds(i64::from(stay.pays_after_s));
                assert!(asks < stay.to, "nobody pays after leaving");
            }
            assert!(
                plan.windows(2).all(|pair| pair[0].to < pair[1].from),
                "stays overlap"
            );
        }
    }
}

/// The share of 400 bays that are taken at half past an hour, in per cent.
fn taken(plans: &[Vec<PlannedStay>], day: NaiveDate, hour: u32) -> usize {
    let local = day.and_hms_opt(hour, 30, 0).unwrap();
    let at = Ho_Chi_Minh.from_local_datetime(&local).unwrap().to_utc();
    let there = |stays: &&Vec<PlannedStay>| stays.iter().any(|s| s.from <= at && at < s.to);
    plans.iter().filter(there).count() * 100 / plans.len()
}

#[test]
fn occupancy_follows_its_curve() {
    for demand in KINDS {
        // Wednesday, with the planned days that touch it.
        let day = week().nth(2).unwrap();
        let plans: Vec<Vec<PlannedStay>> = (0..400)
            .map(|bay| {
                [day.pred_opt().unwrap(), day]
                    .into_iter()
                    .flat_map(|day| stays(1, bay, VehicleClass::Car, demand, day))
                    .collect()
            })
            .collect();
        let shares: Vec<usize> = (0..24).map(|hour| taken(&plans, day, hour)).collect();
        println!("{demand:?} by hour, per cent: {shares:?}");
        for (hour, share) in shares.iter().enumerate() {
            let next = curve(demand)[(hour + 1) % 24];
            let wanted = usize::from(curve(demand)[hour]).midpoint(usize::from(next));
            assert!(
                share.abs_diff(wanted) <= 20,
                "{demand:?} at {hour}:30: {share}, not {wanted}"
            );
        }
        assert!(
            shares.iter().max().unwrap() >= &82,
            "{demand:?} is never busy"
        );
        assert!(
            shares.iter().min().unwrap() <= &45,
            "{demand:?} is never quiet"
        );
    }
}

#[test]
fn a_days_stays_are_as_many_as_in_a_city() {
    for demand in KINDS {
        let per_bay = |class| {
            let plans = (0..200)
                .flat_map(|bay| week().map(move |day| stays(1, bay, class, demand, day).len()));
            plans.sum::<usize>() as f64 / 1_400.0
        };
        let (cars, motorbikes) = (per_bay(VehicleClass::Car), per_bay(VehicleClass::Motorbike));
        println!(
            "{demand:?}: {cars:.1} stays a day on a bay for cars, {motorbikes:.1} for motorbikes"
        );
        assert!((3.0..9.5).contains(&cars), "{cars}");
        assert!(motorbikes > cars, "{motorbikes}");
    }
}

#[test]
fn most_pay_and_some_do_not() {
    let plans: Vec<PlannedStay> = (0..400)
        .flat_map(|bay| week().map(move |day| (bay, day)))
        .flat_map(|(bay, day)| stays(3, bay, VehicleClass::Car, Demand::OldQuarter, day))
        .collect();
    let per_mille =
        |habit| plans.iter().filter(|stay| stay.habit == habit).count() * 1_000 / plans.len();
    for (habit, low, high) in [
        (Habit::Pays, 640, 740),
        (Habit::Overstays, 80, 110),
        (Habit::PaysLate, 10, 30),
        (Habit::WrongAmount, 4, 15),
        (Habit::GivesUp, 20, 40),
        (Habit::NeverPays, 95, 135),
        (Habit::StopsBriefly, 20, 80),
    ] {
        println!("{habit:?}: {} per mille", per_mille(habit));
        assert!(
            (low..high).contains(&per_mille(habit)),
            "{habit:?}: {}",
            per_mille(habit)
        );
    }
    for stay in plans {
        let length = u32::try_from((stay.to - stay.from).num_minutes()).unwrap();
        match stay.habit {
            Habit::Pays => assert!(stay.paid_min + 35 >= length, "pays right"),
            Habit::Overstays if length > 60 => assert!(stay.paid_min < length, "pays too little"),
            _ => {}
        }
    }
}
