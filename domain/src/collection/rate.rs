//! What an hour of unknown time would have cost.

use super::Collection;

/// How many stays make an average that is relied on. Clearbay's own: of fewer, one that was free or one
/// block long would decide alone.
const STAYS_ENOUGH: i64 = 20;
const HOUR_US: i64 = 3_600_000_000;

/// What stays cost for the time that they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    due_vnd: i64,
    seen_us: i64,
    stays: i64,
}

impl Rate {
    /// On average, of stays that were seen.
    pub const fn of(sum: &Collection) -> Self {
        Self {
            due_vnd: sum.due_vnd,
            seen_us: sum.seen_us,
            stays: sum.stays,
        }
    }

    /// By the board, of one hour, in đồng.
    pub const fn hour(vnd: i64) -> Self {
        Self {
            due_vnd: vnd,
            seen_us: HOUR_US,
            stays: STAYS_ENOUGH,
        }
    }

    /// What so many microseconds cost, rounded up to the đồng: by the first of these rates that rests
    /// on 20 stays or more, or by one before it where that is dearer. 0 where there is none.
    pub fn cost_vnd(rates: &[Self], us: i64) -> i64 {
        let enough = rates.iter().position(|rate| rate.stays >= STAYS_ENOUGH);
        let looked_at = enough.map_or(rates, |last| &rates[..=last]);
        let cost = |rate: &Self| rate.one_vnd(us);
        looked_at.iter().map(cost).max().unwrap_or(0)
    }

    fn one_vnd(&self, us: i64) -> i64 {
        let (due, seen) = (i128::from(self.due_vnd.max(0)), i128::from(self.seen_us));
        if seen <= 0 || us <= 0 {
            return 0;
        }
        let cost = (due * i128::from(us) + seen - 1) / seen;
        i64::try_from(cost).unwrap_or(i64::MAX)
    }
}
