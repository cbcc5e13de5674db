//! What is usual in each quarter of an hour of a lot's week, and what a present looks like
//! against it.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use super::DAY;

/// Quarters of an hour in a week.
const WEEK: i64 = 7 * DAY;
/// After how many weeks what was usual counts half.
const HALF_LIFE_WEEKS: f64 = 3.0;
/// How many weeks' observations of one quarter the same quarter of all working days, or of all
/// weekends, weighs as much as.
const SAME_TIME_WEIGHT: f64 = 0.7;

/// A quarter of an hour, and where in the city's week it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quarter {
    /// Quarters since 1970, UTC.
    pub index: i64,
    /// Quarters since Monday's local midnight.
    pub slot: i64,
}

impl Quarter {
    pub(super) fn new(index: i64, tz: Tz) -> Self {
        let at = DateTime::from_timestamp(index * 900, 0).unwrap_or_default();
        let offset_s = tz.offset_from_utc_datetime(&at.naive_utc()).fix();
        let local = index + i64::from(offset_s.local_minus_utc()).div_euclid(900);
        // 1970 began on a Thursday.
        let slot = (local + 3 * DAY).rem_euclid(WEEK);
        Self { index, slot }
    }

    /// So many quarters earlier, by the clock on the wall as by time.
    fn back(self, quarters: i64) -> Self {
        Self {
            index: self.index - quarters,
            slot: (self.slot - quarters).rem_euclid(WEEK),
        }
    }

    /// The hour of the local day.
    pub(super) fn hour(self) -> usize {
        (self.slot % DAY / 4) as usize
    }

    /// Whether it lies on a Saturday or Sunday.
    pub(super) fn is_weekend(self) -> bool {
        self.slot >= 5 * DAY
    }

    fn place(self) -> usize {
        self.slot as usize
    }

    /// The place among working days or weekends.
    fn day_place(self) -> usize {
        let weekend = if self.is_weekend() { DAY } else { 0 };
        (weekend + self.slot % DAY) as usize
    }
}

/// A mean that forgets.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn take(&mut self, share: f64, half_life: f64) {
        let kept = 0.5f64.powf(half_life.recip());
        self.sum = self.sum * kept + share;
        self.weight = self.weight * kept + 1.0;
    }
}

/// A lot's usual week, and the last that was seen of each of its quarters.
#[derive(Clone, Debug)]
pub(super) struct Week {
    slots: Vec<Mean>,
    /// The same times of working days, then of weekends.
    days: Vec<Mean>,
    /// When each quarter was seen last, and its share.
    last: Vec<Option<(i64, f64)>>,
}

impl Default for Week {
    fn default() -> Self {
        Self {
            slots: vec![Mean::default(); WEEK as usize],
            days: vec![Mean::default(); 2 * DAY as usize],
            last: vec![None; WEEK as usize],
        }
    }
}

impl Week {
    /// Takes the next observation; they come in order of time.
    pub(super) fn take(&mut self, quarter: Quarter, share: f64) {
        self.slots[quarter.place()].take(share, HALF_LIFE_WEEKS);
        let days = if quarter.is_weekend() { 2.0 } else { 5.0 };
        self.days[quarter.day_place()].take(share, HALF_LIFE_WEEKS * days);
        self.last[quarter.place()] = Some((quarter.index, share));
    }

    /// The usual share, from this quarter, the ones beside it and the same time of like days.
    fn usual(&self, quarter: Quarter) -> Option<f64> {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (near, part) in [
            (quarter.back(1), 0.5),
            (quarter, 1.0),
            (quarter.back(-1), 0.5),
        ] {
            let slot = self.slots[near.place()];
            sum += part * slot.sum;
            weight += part * slot.weight;
        }
        let days = self.days[quarter.day_place()];
        if days.weight > 0.0 {
            sum += SAME_TIME_WEIGHT * days.sum / days.weight;
            weight += SAME_TIME_WEIGHT;
        }
        (weight > 0.0).then(|| sum / weight)
    }

    /// What was seen last at this time of the week, not more than so many quarters before `now`.
    fn last(&self, slot: Quarter, now: i64, age_max: i64) -> Option<f64> {
        self.last[slot.place()]
            .filter(|(seen, _)| now - seen <= age_max)
            .map(|(_, share)| share)
    }

    fn last_week(&self, slot: Quarter, now: i64) -> Option<f64> {
        self.last(slot, now, 2 * WEEK)
    }

    /// A day ago by the clock on the wall, which may be an hour more or less.
    fn yesterday(&self, slot: Quarter, now: i64) -> Option<f64> {
        self.last(slot.back(DAY), now, DAY + 4)
    }

    /// What was seen exactly so many quarters ago.
    fn before(&self, now: Quarter, quarters: i64) -> Option<f64> {
        let then = now.back(quarters);
        self.last[then.place()]
            .filter(|(seen, _)| *seen == then.index)
            .map(|(_, share)| share)
    }

    /// A present share against all this; `None` where nothing is known of this time of the day.
    pub(super) fn look(&self, now: Quarter, share: f64) -> Option<Here> {
        let usual = self.usual(now)?;
        let last_week = self.last_week(now, now.index);
        let slope = self.before(now, 1).map_or(0.0, |before| share - before);
        let hour_slope = self.before(now, 4).map_or(slope, |before| share - before);
        let usual_slope = self.usual(now.back(4)).map_or(0.0, |before| usual - before);
        Some(Here {
            now: now.index,
            usual,
            last_week,
            yesterday: self.yesterday(now, now.index),
            same: [
                share - usual,
                last_week.map_or(share - usual, |then| share - then),
                slope,
                hour_slope,
                usual_slope,
            ],
        })
    }
}

/// How many figures a change is explained by.
pub(super) const FEATURES: usize = 9;
/// Where the usual change stands among them.
pub(super) const USUAL_CHANGE: usize = 1;
/// Small, so that a constant drift is believed late.
const CONSTANT: f64 = 0.1;

/// A present against the usual.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here {
    now: i64,
    usual: f64,
    last_week: Option<f64>,
    yesterday: Option<f64>,
    /// The features that are the same for every horizon.
    same: [f64; 5],
}

impl Here {
    /// What the change until `then` is explained by. Where last week or yesterday is not known, the
    /// usual stands in.
    pub(super) fn features(&self, week: &Week, then: Quarter) -> Option<[f64; FEATURES]> {
        let usual = week.usual(then)? - self.usual;
        let change = |from: Option<f64>, to: Option<f64>| from.zip(to).map(|(from, to)| to - from);
        let last_week = change(self.last_week, week.last_week(then, self.now));
        let yesterday = change(self.yesterday, week.yesterday(then, self.now));
        let [unusual, unlike_last_week, slope, hour_slope, usual_slope] = self.same;
        Some([
            CONSTANT,
            usual,
            last_week.unwrap_or(usual),
            yesterday.unwrap_or(usual),
            unusual,
            unlike_last_week,
            slope,
            hour_slope,
            usual_slope,
        ])
    }
}
