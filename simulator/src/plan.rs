//! What happens on one bay on one day: a function of seed, bay and date, so that the same past can
//! be sent again and changes nothing.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Asia::Ho_Chi_Minh;
use domain::Timestamp;
use domain::place::VehicleClass;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::city::Demand;

/// What a driver does about paying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Pays for the whole stay.
    Pays,
    /// Pays for less than the stay and stays on.
    Overstays,
    /// Pays, but only after a while.
    PaysLate,
    /// Transfers another amount than was asked for.
    WrongAmount,
    /// Looks at the code and does not pay.
    GivesUp,
    /// Does not even look.
    NeverPays,
}

/// One vehicle's time on a bay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStay {
    /// When it arrives.
    pub from: Timestamp,
    /// When it leaves.
    pub to: Timestamp,
    /// What its driver does.
    pub habit: Habit,
    /// For how many minutes the driver pays.
    pub paid_min: u32,
    /// How many seconds after arriving the driver asks for the price.
    pub pays_after_s: u32,
    /// The plate.
    pub plate: String,
}

/// The share of bays that are taken at each hour from 0 to 23 on a working day, in per cent.
#[rustfmt::skip]
const fn curve(demand: Demand) -> [u8; 24] {
    match demand {
        Demand::Office => [12, 10, 9, 9, 10, 14, 28, 58, 82, 92, 95, 92, 80, 84, 92, 90, 84, 68, 45, 32, 26, 22, 18, 14],
        Demand::OldQuarter => [28, 22, 18, 16, 18, 24, 38, 55, 70, 80, 86, 90, 88, 84, 85, 87, 90, 93, 95, 95, 93, 86, 66, 42],
        Demand::Shopping => [10, 8, 7, 7, 8, 10, 16, 26, 40, 55, 66, 70, 66, 62, 64, 68, 74, 84, 92, 94, 88, 70, 40, 18],
        Demand::Residential => [92, 93, 94, 94, 93, 88, 72, 52, 40, 36, 34, 36, 40, 38, 36, 38, 46, 60, 72, 80, 85, 88, 90, 92],
    }
}

/// The share at an hour of a day: weekends empty offices and fill shops.
fn level(demand: Demand, day: NaiveDate, hour: usize) -> f64 {
    let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let factor = match (demand, weekend) {
        (Demand::Office, true) => 0.45,
        (Demand::Shopping, true) => 1.12,
        (Demand::OldQuarter, true) => 1.05,
        _ => 1.0,
    };
    (f64::from(curve(demand)[hour % 24]) / 100.0 * factor).min(0.97)
}

/// The hour at which a planned day begins. No stay crosses it, so that each day stands alone.
const DAY_BEGINS: u32 = 4;

/// When the planned day `day` begins.
pub fn day_start(day: NaiveDate) -> Timestamp {
    let local = day.and_time(NaiveTime::from_hms_opt(DAY_BEGINS, 0, 0).unwrap_or_default());
    Ho_Chi_Minh
        .from_local_datetime(&local)
        .earliest()
        .map_or_else(|| local.and_utc(), |at| at.to_utc())
}

/// The planned day in which an instant lies.
pub fn day_of(at: Timestamp) -> NaiveDate {
    (at.with_timezone(&Ho_Chi_Minh) - TimeDelta::hours(i64::from(DAY_BEGINS))).date_naive()
}

/// A source of chance for one bay and day.
pub fn chance(seed: u64, bay: u32, day: NaiveDate, salt: u64) -> StdRng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&bay.to_le_bytes());
    key[12..16].copy_from_slice(&day.num_days_from_ce().to_le_bytes());
    key[16..24].copy_from_slice(&salt.to_le_bytes());
    StdRng::from_seed(key)
}

/// The stays of a bay on a planned day, in order, without overlap, within that day.
pub fn stays(
    seed: u64,
    bay: u32,
    class: VehicleClass,
    demand: Demand,
    day: NaiveDate,
) -> Vec<PlannedStay> {
    let mut rng = chance(seed, bay, day, 0);
    let start = day_start(day);
    let end = start + TimeDelta::days(1) - TimeDelta::minutes(2);
    let mut at = start + TimeDelta::seconds(rng.random_range(5..600));
    let mut taken = rng.random_bool(level(demand, day, DAY_BEGINS as usize));
    let mut out = Vec::new();
    while at < end {
        let hour = hour_of(at);
        let share = level(demand, day, hour);
        let stay = stay_length(&mut rng, class, demand, hour);
        if taken {
            let to = (at + stay).min(end);
            if to - at >= TimeDelta::minutes(4) {
                out.push(planned(&mut rng, class, at, to));
            }
            at = to + TimeDelta::seconds(rng.random_range(20..120));
            taken = false;
        } else {
            // Free for as long as keeps the share of taken time at the curve's.
            let mean_s = stay.num_seconds() as f64 * (1.0 - share) / share;
            let free_s = mean_s * rng.random_range(0.3..1.7);
            // The curve may rise meanwhile: look again within the hour.
            let capped = free_s.min(3_000.0);
            at += TimeDelta::seconds(capped as i64 + 30);
            taken = free_s <= 3_000.0 || rng.random_bool(share * 0.5);
        }
    }
    out
}

fn hour_of(at: DateTime<Utc>) -> usize {
    chrono::Timelike::hour(&at.with_timezone(&Ho_Chi_Minh)) as usize
}

fn stay_length(rng: &mut StdRng, class: VehicleClass, demand: Demand, hour: usize) -> TimeDelta {
    let night = !(5..20).contains(&hour);
    let (low, high) = match (demand, night) {
        // Who parked overnight leaves for work.
        (Demand::Residential, true) if hour < 8 => (90, 270),
        (Demand::Residential, true) => (360, 600),
        (Demand::Residential, false) => (40, 240),
        (Demand::Office, _) => (60, 330),
        (Demand::OldQuarter, true) => (90, 420),
        (Demand::OldQuarter, false) => (35, 170),
        (Demand::Shopping, _) => (30, 160),
    };
    let minutes: i64 = rng.random_range(low..high);
    let minutes = if class == VehicleClass::Motorbike {
        minutes * 3 / 4
    } else {
        minutes
    };
    // A few only stop for a moment.
    let minutes = if rng.random_bool(0.06) {
        rng.random_range(4..12)
    } else {
        minutes
    };
    TimeDelta::seconds(minutes * 60 + rng.random_range(0..60))
}

fn planned(rng: &mut StdRng, class: VehicleClass, from: Timestamp, to: Timestamp) -> PlannedStay {
    let habit = match rng.random_range(0..1_000) {
        0..720 => Habit::Pays,
        720..820 => Habit::Overstays,
        820..850 => Habit::PaysLate,
        850..858 => Habit::WrongAmount,
        858..885 => Habit::GivesUp,
        _ => Habit::NeverPays,
    };
    let length = u32::try_from((to - from).num_minutes()).unwrap_or(0) + 1;
    let wanted = match habit {
        Habit::Overstays => length * rng.random_range(35..80) / 100,
        _ => length,
    };
    let pays_after_s = match habit {
        Habit::PaysLate => rng.random_range(600..1_800),
        _ => rng.random_range(20..150),
    };
    PlannedStay {
        from,
        to,
        habit,
        // Whole half hours, as people buy them.
        paid_min: (wanted.div_ceil(30) * 30).clamp(30, 24 * 60),
        pays_after_s: pays_after_s.min(u32::try_from((to - from).num_seconds()).unwrap_or(0) / 2),
        plate: plate(rng, class),
    }
}

fn plate(rng: &mut StdRng, class: VehicleClass) -> String {
    let letter = |rng: &mut StdRng| char::from(b"ABCDEFGHKLMNPSTUVXYZ"[rng.random_range(0..20)]);
    let number = rng.random_range(0..100_000);
    match class {
        VehicleClass::Car => format!("30{}{number:05}", letter(rng)),
        VehicleClass::Motorbike => {
            format!("29{}{}{number:05}", letter(rng), rng.random_range(1..10))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days() -> impl Iterator<Item = NaiveDate> {
        NaiveDate::from_ymd_opt(2026, 11, 16)
            .into_iter()
            .flat_map(|day| day.iter_days().take(7))
    }

    #[test]
    fn a_day_can_be_planned_again_and_stands_alone() {
        for demand in [
            Demand::Office,
            Demand::OldQuarter,
            Demand::Shopping,
            Demand::Residential,
        ] {
            for (bay, day) in (0..40).flat_map(|bay| days().map(move |day| (bay, day))) {
                let plan = stays(7, bay, VehicleClass::Car, demand, day);
                assert_eq!(plan, stays(7, bay, VehicleClass::Car, demand, day));
                let (start, end) = (day_start(day), day_start(day + TimeDelta::days(1)));
                assert!(
                    plan.iter()
                        .all(|stay| start <= stay.from && stay.from < stay.to && stay.to < end)
                );
                assert!(plan.windows(2).all(|pair| pair[0].to < pair[1].from));
            }
        }
    }

    #[test]
    fn the_city_looks_like_a_city() {
        for (demand, busy, quiet) in [
            (Demand::Office, 10, 22),
            (Demand::OldQuarter, 18, 5),
            (Demand::Shopping, 19, 6),
            (Demand::Residential, 1, 10),
        ] {
            let day = NaiveDate::from_ymd_opt(2026, 11, 18).unwrap_or_default();
            let plans: Vec<_> = (0..400)
                .map(|bay| stays(1, bay, VehicleClass::Car, demand, day))
                .collect();
            let taken = |hour: i64| {
                let hour = if hour < 4 { hour + 24 } else { hour };
                let at = day_start(day) + TimeDelta::minutes((hour - 4) * 60 + 30);
                plans
                    .iter()
                    .flatten()
                    .filter(|stay| stay.from <= at && at < stay.to)
                    .count()
            };
            assert!(
                taken(busy) > 280,
                "{demand:?} is full at {busy}: {}",
                taken(busy)
            );
            assert!(
                taken(busy) > taken(quiet) + 60,
                "{demand:?}: {} {}",
                taken(busy),
                taken(quiet)
            );
            let per_bay = plans.iter().flatten().count() as f64 / 400.0;
            assert!(
                (2.0..14.0).contains(&per_bay),
                "{demand:?}: {per_bay} stays a day"
            );
        }
    }
}
