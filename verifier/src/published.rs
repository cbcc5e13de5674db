//! What the city publishes of finished days, by day, ward, lot and operator, against the log.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use chrono::{Days, NaiveDate};
use domain::Timestamp;
use domain::log::Place;
use serde::Deserialize;

use crate::finding::{By, Finding};
use crate::tally::Tally;
use crate::{Answer, Flaw};

/// How many days one published report covers at most.
const DAYS_MAX: u64 = 366;

#[derive(Deserialize)]
struct Revenue {
    rows: Vec<Row>,
    total_vnd: i64,
    /// Until when every receipt is in it: a replica tells what its primary had then.
    complete_until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Row {
    key: String,
    amount_vnd: i64,
}

/// The published reports that are compared.
#[derive(Debug)]
pub(crate) struct Published {
    ranges: Vec<(NaiveDate, NaiveDate)>,
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    /// How many totals.
    pub(crate) totals: usize,
    /// Until when all of them are complete, where that is told.
    pub(crate) complete_until: Option<Timestamp>,
}

impl Published {
    /// Of the days that have a signed report: they are finished. Where there is none for longer than a report
    /// covers, nothing is asked: a day that is made up long ago or ahead costs no more than another.
    pub(crate) fn new(days: &BTreeSet<NaiveDate>) -> Self {
        let mut ranges = Vec::new();
        let (mut next, last) = (days.first().copied(), days.last().copied());
        while let (Some(from), Some(last)) = (next, last) {
            let end = from.checked_add_days(Days::new(DAYS_MAX - 1));
            let end = end.unwrap_or(last).min(last);
            ranges.push((from, end));
            let later = (Bound::Excluded(end), Bound::Unbounded);
            next = days.range(later).next().copied();
        }
        Self { ranges }
    }

    pub(crate) fn wants(&self) -> Vec<String> {
        let all = self.ranges.iter();
        all.flat_map(|range| By::ALL.map(|by| path(*range, by)))
            .collect()
    }

    /// Compares each.
    pub(crate) fn compare(
        &self,
        answers: &BTreeMap<String, Answer>,
        tally: &Tally,
        findings: &mut Vec<Finding>,
    ) -> Compared {
        let mut compared = Compared::default();
        for range in &self.ranges {
            for by in By::ALL {
                let path = path(*range, by);
                let Some(Answer::Body(body)) = answers.get(&path) else {
                    findings.push(Finding::NotServed(path));
                    continue;
                };
                match serde_json::from_slice::<Revenue>(body) {
                    Ok(revenue) => {
                        compared.totals += revenue.rows.len() + 1;
                        let until = compared.complete_until.into_iter();
                        compared.complete_until = until.chain(revenue.complete_until).min();
                        differences(by, *range, revenue, tally, findings);
                    }
                    Err(why) => findings.push(Finding::Unreadable {
                        why: Flaw::json(&why),
                        path,
                    }),
                }
            }
        }
        compared
    }
}

/// Sums of what somebody else says: no number of rows makes one pass for another.
type Wide = i128;

/// As it is shown.
fn narrow(sum: Wide) -> i64 {
    let end = if sum < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(sum).unwrap_or(end)
}

fn differences(
    by: By,
    days: (NaiveDate, NaiveDate),
    revenue: Revenue,
    tally: &Tally,
    findings: &mut Vec<Finding>,
) {
    let mut logged: BTreeMap<String, Wide> = BTreeMap::new();
    for (day, places) in tally.sums().range(days.0..=days.1) {
        for (place, sums) in places {
            *logged.entry(key(by, *day, place)).or_default() += Wide::from(sums.revenue_vnd());
        }
    }
    let total: Wide = logged.values().sum();
    let mut differ = |key: Option<&String>, published: Wide, logged: Wide| {
        if published != logged {
            findings.push(Finding::Published {
                by,
                key: key.cloned(),
                days,
                published: narrow(published),
                logged: narrow(logged),
            });
        }
    };
    differ(None, revenue.total_vnd.into(), total);
    let mut published: BTreeMap<String, Wide> = BTreeMap::new();
    for row in revenue.rows {
        *published.entry(row.key).or_default() += Wide::from(row.amount_vnd);
    }
    let keys: BTreeSet<&String> = published.keys().chain(logged.keys()).collect();
    for key in keys {
        let of = |sums: &BTreeMap<String, Wide>| sums.get(key).copied().unwrap_or_default();
        differ(Some(key), of(&published), of(&logged));
    }
}

fn key(by: By, day: NaiveDate, place: &Place) -> String {
    match by {
        By::Day => day.to_string(),
        By::Ward => place.ward.clone(),
        By::Lot => place.lot.clone(),
        By::Operator => place.operator.clone(),
    }
}

fn path((from, to): (NaiveDate, NaiveDate), by: By) -> String {
    let by = by.code();
    format!("/api/v1/reports/revenue?from={from}&to={to}&by={by}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn ranges(days: &[&str]) -> Vec<(NaiveDate, NaiveDate)> {
        Published::new(&days.iter().map(|text| day(text)).collect()).ranges
    }

    #[test]
    fn only_years_with_a_report_are_asked_for() {
        assert_eq!(ranges(&[]), []);
        let days = ["-262143-01-01", "2026-11-01", "2027-11-02", "+262142-12-31"];
        let last = day("+262142-12-31");
        assert_eq!(
            ranges(&days),
            [
                (day("-262143-01-01"), day("-262142-01-01")),
                (day("2026-11-01"), day("2027-11-01")),
                (day("2027-11-02"), day("2028-11-01")),
                (last, last),
            ]
        );
    }

    #[test]
    fn rows_that_no_number_holds_are_no_other_sum() {
        let row = |amount_vnd| Row {
            key: "W1".to_owned(),
            amount_vnd,
        };
        // In 64 bits their sum would be 0, as the log has it.
        let revenue = Revenue {
            rows: vec![row(i64::MAX), row(i64::MAX), row(2)],
            total_vnd: 0,
            complete_until: None,
        };
        let range = (day("2026-11-01"), day("2026-11-02"));
        let mut findings = Vec::new();
        differences(By::Ward, range, revenue, &Tally::default(), &mut findings);
        assert_eq!(
            findings,
            [Finding::Published {
                by: By::Ward,
                key: Some("W1".to_owned()),
                days: range,
                published: i64::MAX,
                logged: 0,
            }]
        );
    }
}
