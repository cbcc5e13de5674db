//! The signed reports of finished days, against the entries that they stand on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use chrono::{Days, NaiveDate};
use domain::log::{DayReport, Hash, LogKeys, Place, Sums, TreeHead};
use serde::Deserialize;

use crate::Flaw;
use crate::finding::Finding;
use crate::tally::Tally;

/// Which reports there are.
pub(crate) const LIST: &str = "/log/reports";
/// A day is closed and reported hours after it has ended: so many days after it there is a report.
const REPORTED_AFTER_DAYS: u64 = 2;
/// How many reports are read: a century of days.
const REPORTS_MAX: usize = 40_000;

#[derive(Deserialize)]
struct Listed {
    reports: Vec<ListedReport>,
}

#[derive(Deserialize)]
struct ListedReport {
    day: NaiveDate,
    revision: u32,
}

/// All reports of a log, by the size of the tree that each stands on.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    by_size: BTreeMap<u64, Vec<DayReport>>,
    /// By day: the tree's size and sum of each revision, in order.
    by_day: BTreeMap<NaiveDate, Vec<(u64, i64)>>,
}

impl Reports {
    /// The paths of the reports that are listed.
    pub(crate) fn list(&mut self, body: &[u8], findings: &mut Vec<Finding>) -> Option<Vec<String>> {
        let listed: Listed = match serde_json::from_slice(body) {
            Ok(listed) => listed,
            Err(why) => {
                findings.push(Finding::Unreadable {
                    path: LIST.to_owned(),
                    why: Flaw::json(&why),
                });
                return None;
            }
        };
        let paths = listed.reports.into_iter().take(REPORTS_MAX);
        Some(paths.map(|it| path(it.day, it.revision)).collect())
    }

    /// Takes a report.
    pub(crate) fn add(
        &mut self,
        from: &str,
        note: &[u8],
        keys: &LogKeys,
        findings: &mut Vec<Finding>,
    ) {
        let report = match DayReport::open(note, keys) {
            Ok(report) => report,
            Err(why) => {
                return findings.push(Finding::Report {
                    path: from.to_owned(),
                    why,
                });
            }
        };
        if path(report.day, report.revision) != from {
            return findings.push(Finding::ReportElsewhere {
                path: from.to_owned(),
                day: report.day,
            });
        }
        let sums = (report.head.size, report.total().revenue_vnd());
        self.by_day.entry(report.day).or_default().push(sums);
        self.by_size
            .entry(report.head.size)
            .or_default()
            .push(report);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_size.values().map(Vec::len).sum()
    }

    /// The days that have one.
    pub(crate) fn days(&self) -> BTreeSet<NaiveDate> {
        self.by_day.keys().copied().collect()
    }

    /// None stands on a tree larger than the signed one.
    pub(crate) fn stand_on(&self, head: TreeHead, findings: &mut Vec<Finding>) {
        let larger = self
            .by_size
            .range((Bound::Excluded(head.size), Bound::Unbounded));
        for report in larger.flat_map(|(_, reports)| reports) {
            findings.push(wrong_tree(report));
        }
    }

    /// Whether a report stands on the tree of that size.
    pub(crate) fn stands_at(&self, size: u64) -> bool {
        self.by_size.contains_key(&size)
    }

    /// Compares the reports that stand on the tree of that size, whose entries have just been counted.
    pub(crate) fn compare(
        &self,
        size: u64,
        root: Hash,
        tally: &Tally,
        findings: &mut Vec<Finding>,
    ) {
        for report in self.by_size.get(&size).into_iter().flatten() {
            if report.head.root != root {
                findings.push(wrong_tree(report));
            }
            let none = BTreeMap::new();
            let logged = tally.day(report.day).unwrap_or(&none);
            let places: BTreeSet<&Place> = report.lots.keys().chain(logged.keys()).collect();
            for place in places {
                let sums = |of: &BTreeMap<Place, Sums>| of.get(place).copied().unwrap_or_default();
                let (reported, logged) = (sums(&report.lots), sums(logged));
                if reported != logged {
                    findings.push(Finding::ReportSums {
                        day: report.day,
                        revision: report.revision,
                        place: place.clone(),
                        reported,
                        logged,
                    });
                }
            }
        }
    }

    /// Each day that is long over has a report of all its entries.
    pub(crate) fn finish(
        &self,
        tally: &Tally,
        findings: &mut Vec<Finding>,
        notes: &mut Vec<Finding>,
    ) {
        let due = tally
            .latest()
            .and_then(|latest| latest.checked_sub_days(Days::new(REPORTED_AFTER_DAYS)));
        for (day, last) in tally.last() {
            let revisions = self.by_day.get(day);
            let reported = revisions.and_then(|it| it.iter().map(|(size, _)| *size).max());
            let is_due = due.is_some_and(|due| *day <= due);
            if is_due && reported.is_none_or(|size| size <= *last) {
                let entries = tally.day(*day).map(total).unwrap_or_default();
                findings.push(Finding::Unreported {
                    day: *day,
                    entries: entries.receipts.saturating_add(entries.refunds),
                });
            }
        }
        for (day, revisions) in &self.by_day {
            if let [(_, first), .., (_, last)] = revisions[..] {
                notes.push(Finding::Revised {
                    day: *day,
                    added_vnd: last.saturating_sub(first),
                });
            }
        }
    }
}

/// The sum over all places.
pub(crate) fn total(places: &BTreeMap<Place, Sums>) -> Sums {
    let mut total = Sums::default();
    places.values().for_each(|sums| total.plus(sums));
    total
}

fn path(day: NaiveDate, revision: u32) -> String {
    format!("/log/report/{day}/{revision}")
}

fn wrong_tree(report: &DayReport) -> Finding {
    Finding::ReportTree {
        day: report.day,
        revision: report.revision,
        head: report.head,
    }
}
