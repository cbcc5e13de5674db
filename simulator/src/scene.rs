//! The whole city's plan for a part of time: what its sensors say and what its drivers buy.

use chrono::{NaiveDate, TimeDelta};
use domain::place::Place;

use crate::city::{SensedBay, sensed_bays};
use crate::plan::{PlannedStay, day_of, stays};
use crate::purchase::Purchase;
use crate::timeline::{LATE_MAX, Report, Window, reports};

/// A city under a seed. The same seed and city always do the same.
#[derive(Clone, Debug)]
pub struct Scene {
    seed: u64,
    bays: Vec<SensedBay>,
}

/// What happens in a window of time, each list in order of time.
#[derive(Clone, Debug, Default)]
pub struct Happenings {
    /// Sensors' messages, by the time at which they reach the broker.
    pub reports: Vec<Report>,
    /// What drivers buy, by the time at which they ask.
    pub purchases: Vec<Purchase>,
}

impl Scene {
    /// The city `place` under `seed`.
    pub fn new(seed: u64, place: &Place) -> Self {
        Self {
            seed,
            bays: sensed_bays(place),
        }
    }

    /// The bay of a report.
    pub fn bay(&self, report: &Report) -> Option<&SensedBay> {
        self.bays
            .binary_search_by_key(&report.bay, |bay| bay.index)
            .ok()
            .map(|at| &self.bays[at])
    }

    /// What happens in a window. Windows that follow one another leave nothing out and repeat
    /// nothing.
    pub fn happenings(&self, window: Window) -> Happenings {
        let mut out = Happenings::default();
        for bay in &self.bays {
            let stays = self.stays(bay, window);
            out.reports.extend(reports(self.seed, bay, &stays, window));
            let bought = stays
                .iter()
                .filter_map(|stay| Purchase::of(self.seed, bay, stay));
            out.purchases
                .extend(bought.filter(|p| window.from <= p.at && p.at < window.to));
        }
        out.reports
            .sort_by_key(|report| (report.sent_at, report.bay));
        out.purchases
            .sort_by(|a, b| (a.at, &a.bay).cmp(&(b.at, &b.bay)));
        out
    }

    /// The bay's stays of every planned day that can have a part in the window.
    fn stays(&self, bay: &SensedBay, window: Window) -> Vec<PlannedStay> {
        // A day more than messages can be late by: the first change tells how long the state
        // before it lasted.
        let first = day_of(bay.demand, window.from - LATE_MAX) - TimeDelta::days(1);
        let last = day_of(bay.demand, window.to);
        first
            .iter_days()
            .take_while(|day: &NaiveDate| *day <= last)
            .flat_map(|day| stays(self.seed, bay.index, bay.class, bay.demand, day))
            .collect()
    }
}

#[cfg(test)]
#[path = "scene_tests.rs"]
mod tests;
