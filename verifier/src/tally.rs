//! What the entries sum up to, and whether their days follow each other.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use domain::log::{Entry, LATE_DAYS, Place, Sums};

use crate::finding::Finding;
use crate::{DaySums, reports};

/// How many backdated entries are named.
const NAMED_MAX: usize = 20;

/// The sums of entries, in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    sums: DaySums,
    /// The last entry of each day.
    last: BTreeMap<NaiveDate, u64>,
    latest: Option<NaiveDate>,
    entries: u64,
    backdated: Vec<Finding>,
}

impl Tally {
    /// Adds the next entry.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let index = self.entries;
        self.entries += 1;
        let earliest = self
            .latest
            .and_then(|latest| latest.checked_sub_days(Days::new(LATE_DAYS.into())));
        if let (Some(after), Some(earliest)) = (self.latest, earliest)
            && entry.day < earliest
            && self.backdated.len() < NAMED_MAX
        {
            self.backdated.push(Finding::Backdated {
                index,
                day: entry.day,
                after,
            });
        }
        self.latest = self.latest.max(Some(entry.day));
        self.last.insert(entry.day, index);
        let day = self.sums.entry(entry.day).or_default();
        day.entry(Place::of(entry)).or_default().add(entry);
    }

    /// Counts an entry that cannot be read.
    pub(crate) const fn skip(&mut self) {
        self.entries += 1;
    }

    pub(crate) const fn entries(&self) -> u64 {
        self.entries
    }

    pub(crate) const fn latest(&self) -> Option<NaiveDate> {
        self.latest
    }

    /// The last entry of each day.
    pub(crate) const fn last(&self) -> &BTreeMap<NaiveDate, u64> {
        &self.last
    }

    pub(crate) const fn sums(&self) -> &DaySums {
        &self.sums
    }

    /// The sums of a day so far.
    pub(crate) fn day(&self, day: NaiveDate) -> Option<&BTreeMap<Place, Sums>> {
        self.sums.get(&day)
    }

    pub(crate) fn days(&self) -> BTreeMap<NaiveDate, Sums> {
        let day =
            |(day, places): (&NaiveDate, &BTreeMap<Place, Sums>)| (*day, reports::total(places));
        self.sums.iter().map(day).collect()
    }

    pub(crate) fn finish(&mut self, findings: &mut Vec<Finding>) {
        findings.append(&mut self.backdated);
    }
}
