//! What happens on one bay on one day: a function of seed, bay and date, so that the same past can
//! be sent again and changes nothing.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Weekday};
use chrono_tz::Asia::Ho_Chi_Minh;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::place::VehicleClass;
use domain::session::MIN_STAY_MIN;

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
    /// Is gone before anybody would have to pay.
    StopsBriefly,
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

/// The share of a kind's bays that should be taken at an instant: weekends empty offices and fill
/// shops.
fn target(demand: Demand, at: Timestamp) -> f64 {
    let local = local(at);
    let hours = curve(demand).map(f64::from);
    let hour = local.hour() as usize % 24;
    let into = f64::from(local.minute()) / 60.0;
    let percent = hours[hour] * (1.0 - into) + hours[(hour + 1) % 24] * into;
    let weekend = matches!(local.weekday(), Weekday::Sat | Weekday::Sun);
    let factor = match (demand, weekend) {
        (Demand::Office, true) => 0.45,
        (Demand::Shopping, true) => 1.12,
        (Demand::OldQuarter, true) => 1.05,
        _ => 1.0,
    };
    (percent / 100.0 * factor).min(0.97)
}

/// The local hour at which a kind's planned day begins: one of its quietest, because no stay
/// crosses it, so that each day stands alone.
const fn day_begins(demand: Demand) -> u32 {
    match demand {
        Demand::Office | Demand::OldQuarter | Demand::Shopping => 4,
        Demand::Residential => 10,
    }
}

/// When the planned day `day` begins for a kind of bays.
pub fn day_start(demand: Demand, day: NaiveDate) -> Timestamp {
    let local = day.and_time(NaiveTime::from_hms_opt(day_begins(demand), 0, 0).unwrap_or_default());
    Ho_Chi_Minh
        .from_local_datetime(&local)
        .earliest()
        .map_or_else(|| local.and_utc(), |at| at.to_utc())
}

/// The planned day of a kind of bays in which an instant lies.
pub fn day_of(demand: Demand, at: Timestamp) -> NaiveDate {
    (local(at) - TimeDelta::hours(i64::from(day_begins(demand)))).date_naive()
}

/// An instant on Hanoi's clocks.
pub fn local(at: Timestamp) -> DateTime<Tz> {
    at.with_timezone(&Ho_Chi_Minh)
}

/// Numbers into one that looks like chance: SplitMix64 over each. Written out because it must be
/// the same in every version of every library: idempotency keys come from it.
pub fn hash<const N: usize>(parts: [u64; N]) -> u64 {
    parts.into_iter().fold(0, |state: u64, part| {
        let mut z = (state ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// A source of chance.
struct Chance {
    state: u64,
}

impl Chance {
    fn next(&mut self) -> u64 {
        self.state = hash([self.state]);
        self.state
    }

    /// A number from `low` up to `high`.
    fn range(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.next() % (high - low).unsigned_abs().max(1)).unwrap_or(0)
    }

    /// The same for what is never negative.
    fn count(&mut self, low: u32, high: u32) -> u32 {
        u32::try_from(self.range(i64::from(low), i64::from(high))).unwrap_or(low)
    }

    /// From 0 up to 1.
    fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / 4_294_967_296.0
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }
}

/// The stays of a bay on a planned day, in order, without overlap, within that day.
pub fn stays(
    seed: u64,
    bay: u32,
    class: VehicleClass,
    demand: Demand,
    day: NaiveDate,
) -> Vec<PlannedStay> {
    let date = u64::from(day.num_days_from_ce().unsigned_abs());
    let mut chance = Chance {
        state: hash([seed, u64::from(bay), date]),
    };
    let start = day_start(demand, day);
    let end = start + TimeDelta::days(1) - TimeDelta::seconds(chance.range(60, 900));
    let mut at = start + TimeDelta::seconds(chance.range(5, 600));
    let mut arrives = chance.happens(target(demand, start));
    let mut out = Vec::new();
    while at < end {
        if arrives {
            let to = (at + stay_length(&mut chance, class, demand, at)).min(end);
            if to - at >= SHORTEST {
                out.push(planned(&mut chance, class, at, to));
            }
            at = to + TimeDelta::seconds(chance.range(20, 120));
            arrives = false;
        } else {
            at += TimeDelta::seconds(chance.range(1, STEP.num_seconds() * 2));
            arrives = chance.happens(arrival(class, demand, at));
        }
    }
    out
}

const SHORTEST: TimeDelta = TimeDelta::minutes(4);
/// How long a free bay waits on average before it is asked again whether somebody comes.
const STEP: TimeDelta = TimeDelta::minutes(5);

/// How likely somebody takes a free bay within a step, for the taken share to follow its curve:
/// as many as leave, and as many as the curve rises by, shared among the free bays.
fn arrival(class: VehicleClass, demand: Demand, at: Timestamp) -> f64 {
    let now = target(demand, at);
    let rise = target(demand, at + STEP) - now;
    // Who leaves now came some time ago, when other stays were usual.
    let (low, high) = stay_minutes(class, demand, at - TimeDelta::hours(2));
    let mean = (low + high) as f64 / 2.0;
    let leave = now * STEP.num_minutes() as f64 / mean;
    ((rise + leave) / (1.0 - now)).clamp(0.0, 1.0)
}

/// The shortest and the longest usual stay, in minutes.
fn stay_minutes(class: VehicleClass, demand: Demand, arrives: Timestamp) -> (i64, i64) {
    let hour = local(arrives).hour();
    let (low, high) = match (demand, hour) {
        (Demand::Office, _) => (40, 260),
        (Demand::OldQuarter, 6..21) => (35, 170),
        (Demand::OldQuarter, _) => (60, 300),
        (Demand::Shopping, _) => (30, 160),
        // Who comes home in the evening stays until the morning.
        (Demand::Residential, 17..24) => (480, 780),
        (Demand::Residential, 0..5) => (120, 360),
        (Demand::Residential, _) => (30, 200),
    };
    match class {
        VehicleClass::Car => (low, high),
        VehicleClass::Motorbike => (low * 2 / 3, high * 2 / 3),
    }
}

fn stay_length(
    chance: &mut Chance,
    class: VehicleClass,
    demand: Demand,
    at: Timestamp,
) -> TimeDelta {
    let (low, high) = stay_minutes(class, demand, at);
    // A few only stop for a moment.
    let (low, high) = if chance.happens(0.05) {
        (4, 10)
    } else {
        (low, high)
    };
    TimeDelta::seconds(chance.range(low * 60, high * 60))
}

/// A stay of at most this long needs no payment.
const FREE: TimeDelta = TimeDelta::minutes(10);

fn planned(
    chance: &mut Chance,
    class: VehicleClass,
    from: Timestamp,
    to: Timestamp,
) -> PlannedStay {
    let habit = match chance.range(0, 1_000) {
        _ if to - from <= FREE => Habit::StopsBriefly,
        0..720 => Habit::Pays,
        720..820 => Habit::Overstays,
        820..840 => Habit::PaysLate,
        840..850 => Habit::WrongAmount,
        850..880 => Habit::GivesUp,
        _ => Habit::NeverPays,
    };
    let length_s = u32::try_from((to - from).num_seconds()).unwrap_or(0);
    let pays_after_s = match habit {
        Habit::PaysLate => chance.count(480, 1_800),
        _ => chance.count(20, 150),
    };
    let pays_after_s = pays_after_s.min(length_s / 2);
    let rest_min = (length_s - pays_after_s).div_ceil(60);
    let wanted = match habit {
        Habit::Overstays => rest_min * chance.count(35, 80) / 100,
        _ => rest_min,
    };
    // Whole half hours, as people buy them; who means to overstay rounds down.
    let halves = if habit == Habit::Overstays {
        wanted / 30
    } else {
        wanted.div_ceil(30)
    };
    PlannedStay {
        from,
        to,
        habit,
        paid_min: (halves * 30).clamp(MIN_STAY_MIN, 24 * 60),
        pays_after_s,
        plate: plate(chance, class),
    }
}

fn plate(chance: &mut Chance, class: VehicleClass) -> String {
    const LETTERS: &[u8; 20] = b"ABCDEFGHKLMNPSTUVXYZ";
    let letter = char::from(LETTERS[chance.count(0, 20) as usize % LETTERS.len()]);
    let number = chance.count(0, 100_000);
    match class {
        VehicleClass::Car => format!("30{letter}{number:05}"),
        VehicleClass::Motorbike => format!("29{letter}{}{number:05}", chance.count(1, 10)),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
