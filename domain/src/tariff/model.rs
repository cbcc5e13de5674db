//! What a tariff says.

use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::clock::time_of_day;
use super::pass::PassOffer;
use super::refund::Unused;
use crate::Timestamp;
use crate::money::Vnd;
use crate::place::{VehicleClass, codes};

/// One version of the price for one vehicle class in one zone.
///
/// It is stored as a document. Documents written before a field existed read as its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// Whom it is for.
    pub class: VehicleClass,
    /// From when on it prices what begins, until a later version begins.
    pub effective_from: Timestamp,
    /// Stays of at most this many minutes are free of charge; longer ones are charged from their
    /// start. (Minutes that are free in every stay are a first block of rate 0.) They are had once: not
    /// again within [`super::FREE_AGAIN_AFTER`].
    pub free_min: u32,
    /// The longest session that may be bought at once, in minutes.
    pub max_stay_min: u32,
    /// At most this for each 24 hours counted from the start of the stay. With it, blocks begin
    /// anew every 24 hours.
    #[serde(default)]
    pub cap_24h_vnd: Option<Vnd>,
    /// At most this for what begins on one local calendar day.
    #[serde(default)]
    pub cap_day_vnd: Option<Vnd>,
    /// How steps of blocks lie in time.
    #[serde(default)]
    pub increments: Increments,
    /// How the time is priced on days that `days` does not name.
    pub pricing: Pricing,
    /// Other prices on some days of the week or on holidays.
    #[serde(default)]
    pub days: Vec<DayRule>,
    /// The city's holidays, as far as `days` needs them.
    #[serde(default)]
    pub holidays: Vec<NaiveDate>,
    /// VAT contained in every price, in basis points of the price without it: 800 is 8 %.
    #[serde(default)]
    pub vat_bp: u16,
    /// What becomes of paid time that is given back.
    #[serde(default)]
    pub unused: Unused,
    /// Monthly passes on offer.
    #[serde(default)]
    pub passes: Vec<PassOffer>,
    /// On which grounds somebody parks for nothing.
    #[serde(default)]
    pub exemptions: Vec<Ground>,
}

/// How time becomes money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// Progressive blocks, counted from the start of the stay.
    Blocks(Vec<Block>),
    /// Windows of local time that fill the day, each with a price of its own.
    Windows(Vec<Window>),
}

/// Every started `per_min` minutes until `until_min` cost `rate_vnd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Minutes from the start of the stay at which the block ends; `None` for the last.
    #[serde(default)]
    pub until_min: Option<u32>,
    /// The price of one increment.
    pub rate_vnd: Vnd,
    /// The length of one increment in minutes; a started one counts whole.
    pub per_min: u32,
    /// At least this, once the block is reached.
    #[serde(default)]
    pub min_vnd: Option<Vnd>,
    /// At most this for the whole block.
    #[serde(default)]
    pub max_vnd: Option<Vnd>,
}

/// A part of the day with a price of its own. It may cross midnight; one that ends where it begins
/// is the whole day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its name in Vietnamese, as it stands on the price board.
    pub name_vi: String,
    /// Its name in English.
    pub name_en: String,
    /// Local time at which it begins.
    pub from: NaiveTime,
    /// Local time at which it ends, which is where the next begins.
    pub to: NaiveTime,
    /// The flat price of a stay that touches it; zero where `blocks` price it.
    pub rate_vnd: Vnd,
    /// Progressive blocks instead of the flat price, counted from the start of the stay.
    #[serde(default)]
    pub blocks: Vec<Block>,
}

/// How steps of blocks lie in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Increments {
    /// Counted from the start of the stay: 8:40 to 9:40 is one hour.
    #[default]
    Rolling,
    /// Those of the local clock, counted from midnight: 8:40 to 9:40 is two hours.
    Calendar,
}

codes!(Increments { Rolling = "rolling", Calendar = "calendar" });

/// Other prices on some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRule {
    /// Its name in Vietnamese.
    pub name_vi: String,
    /// Its name in English.
    pub name_en: String,
    /// On which days. On a holiday the rule that names holidays comes before the weekday's.
    pub on: Vec<Day>,
    /// How the time is priced then.
    pub pricing: Pricing,
}

/// A kind of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "days of the week")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
    /// Any of the tariff's holidays.
    Holiday,
}

codes!(Day {
    Mon = "mon", Tue = "tue", Wed = "wed", Thu = "thu", Fri = "fri", Sat = "sat", Sun = "sun",
    Holiday = "holiday",
});

/// Why somebody parks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Short code, unique in the tariff.
    pub code: String,
    /// Its name in Vietnamese.
    pub name_vi: String,
    /// Its name in English.
    pub name_en: String,
}

impl Tariff {
    /// A tariff of nothing but prices: no free minutes, no caps, sessions of at most a day.
    pub fn new(class: VehicleClass, effective_from: Timestamp, pricing: Pricing) -> Self {
        Self {
            class,
            effective_from,
            free_min: 0,
            max_stay_min: 24 * 60,
            cap_24h_vnd: None,
            cap_day_vnd: None,
            increments: Increments::Rolling,
            pricing,
            days: Vec::new(),
            holidays: Vec::new(),
            vat_bp: 0,
            unused: Unused::Kept,
            passes: Vec::new(),
            exemptions: Vec::new(),
        }
    }

    /// The tariff as far as it has priced anything by `today`: without the holidays of later days,
    /// which a city names year by year.
    pub fn past(&self, today: NaiveDate) -> Self {
        let known = self.holidays.iter().filter(|day| **day <= today);
        Self {
            holidays: known.copied().collect(),
            ..self.clone()
        }
    }

    /// The rule of that day, counted from 1970-01-01; `None` where the ordinary prices hold.
    pub(super) fn day_rule(&self, epoch_day: i64) -> Option<&DayRule> {
        let names = |day| self.days.iter().find(|rule| rule.on.contains(&day));
        let holiday = || {
            let is_today = |date: &NaiveDate| i64::from(date.to_epoch_days()) == epoch_day;
            self.holidays.iter().any(is_today)
        };
        names(Day::Holiday)
            .filter(|_| holiday())
            .or_else(|| names(weekday(epoch_day)))
    }
}

impl Block {
    /// An open block: every started `per_min` minutes cost `rate_vnd`, for ever.
    pub fn open(rate_vnd: Vnd, per_min: u32) -> Self {
        Self {
            until_min: None,
            rate_vnd,
            per_min,
            min_vnd: None,
            max_vnd: None,
        }
    }

    /// A block that ends `until_min` minutes after the start of the stay.
    pub fn until(until_min: u32, rate_vnd: Vnd, per_min: u32) -> Self {
        Self {
            until_min: Some(until_min),
            ..Self::open(rate_vnd, per_min)
        }
    }
}

impl Window {
    /// Whether clocks that show `time` since midnight are in it.
    pub(super) fn holds(&self, time: i64) -> bool {
        let (from, to) = (time_of_day(self.from), time_of_day(self.to));
        if from < to {
            from <= time && time < to
        } else {
            time >= from || time < to
        }
    }
}

fn weekday(epoch_day: i64) -> Day {
    // 1970-01-01 was a Thursday.
    match (epoch_day + 3).rem_euclid(7) {
        0 => Day::Mon,
        1 => Day::Tue,
        2 => Day::Wed,
        3 => Day::Thu,
        4 => Day::Fri,
        5 => Day::Sat,
        _ => Day::Sun,
    }
}
