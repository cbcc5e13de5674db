//! How far from the expected a lot is found: quantiles of what was missed before.

use super::INTERVAL_BP;
use super::fit::{HOURS, Missed};
use super::week::Quarter;

/// How many misses make a quantile.
const MISSES_MIN: usize = 100;

/// What the misses are taken from, from the nearest to all: hours to each side, and whether
/// working days and weekends are kept apart.
const REACHES: [(usize, bool); 4] = [(1, true), (3, true), (HOURS, true), (HOURS, false)];

/// The lower and upper miss of each hour of working days, then of weekends.
#[derive(Clone, Debug)]
pub(super) struct Interval(Vec<(f64, f64)>);

impl Interval {
    /// From all misses of one horizon, of which there is at least one.
    pub(super) fn of(missed: &[Missed]) -> Self {
        let mut cells = vec![Vec::new(); 2 * HOURS];
        for miss in missed {
            cells[cell(miss.quarter)].push(miss.share);
        }
        let bounds = |cell: usize| {
            let mut near = Vec::new();
            for (hours, apart) in REACHES {
                near.clear();
                for (other, misses) in cells.iter().enumerate() {
                    let alike = cell / HOURS == other / HOURS || !apart;
                    let between = (cell % HOURS).abs_diff(other % HOURS);
                    if alike && between.min(HOURS - between) <= hours {
                        near.extend_from_slice(misses);
                    }
                }
                if near.len() >= MISSES_MIN {
                    break;
                }
            }
            let outside = f64::from(10_000 - INTERVAL_BP) / 20_000.0;
            (
                quantile(&mut near, outside),
                quantile(&mut near, 1.0 - outside),
            )
        };
        Self((0..2 * HOURS).map(bounds).collect())
    }

    /// The lower and upper miss, as shares, of a forecast made in this quarter.
    pub(super) fn around(&self, now: Quarter) -> (f64, f64) {
        self.0[cell(now)]
    }
}

fn cell(quarter: Quarter) -> usize {
    quarter.hour() + if quarter.is_weekend() { HOURS } else { 0 }
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else {
        return 0.0;
    };
    let rank = (part * last as f64).round() as usize;
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}
