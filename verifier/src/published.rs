//! What the city publishes of finished days, by day, ward, lot and operator, against the log.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use domain::log::{Place, Sums};
use serde::Deserialize;

use crate::Answer;
use crate::finding::Finding;
use crate::tally::Tally;

/// How many days one published report covers at most.
const DAYS_MAX: u64 = 366;
/// By what it is published.
const BY: [&str; 4] = ["day", "ward", "lot", "operator"];

#[derive(Deserialize)]
struct Revenue {
    rows: Vec<Row>,
    total_vnd: i64,
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

impl Published {
    /// Of the days that have a signed report: they are finished.
    pub(crate) fn new(days: BTreeSet<NaiveDate>) -> Self {
        let (Some(first), Some(last)) = (days.first().copied(), days.last().copied()) else {
            return Self { ranges: Vec::new() };
        };
        let mut ranges = Vec::new();
        let mut from = first;
        while from <= last {
            let end = from
                .checked_add_days(Days::new(DAYS_MAX - 1))
                .unwrap_or(last);
            ranges.push((from, end.min(last)));
            match from.checked_add_days(Days::new(DAYS_MAX)) {
                Some(next) => from = next,
                None => break,
            }
        }
        Self { ranges }
    }

    pub(crate) fn wants(&self) -> Vec<String> {
        let all = self.ranges.iter();
        all.flat_map(|range| BY.map(|by| path(*range, by)))
            .collect()
    }

    /// Compares each; how many totals there were.
    pub(crate) fn compare(
        &self,
        answers: &BTreeMap<String, Answer>,
        tally: &Tally,
        findings: &mut Vec<Finding>,
    ) -> usize {
        let mut totals = 0;
        for range in &self.ranges {
            for by in BY {
                let path = path(*range, by);
                let Some(Answer::Body(body)) = answers.get(&path) else {
                    findings.push(Finding::NotServed(path));
                    continue;
                };
                match serde_json::from_slice::<Revenue>(body) {
                    Ok(revenue) => {
                        totals += revenue.rows.len() + 1;
                        differences(by, *range, revenue, tally, findings);
                    }
                    Err(why) => findings.push(Finding::Unreadable {
                        what: path,
                        why: why.to_string(),
                    }),
                }
            }
        }
        totals
    }
}

fn differences(
    by: &str,
    (from, to): (NaiveDate, NaiveDate),
    revenue: Revenue,
    tally: &Tally,
    findings: &mut Vec<Finding>,
) {
    let mut logged: BTreeMap<String, i64> = BTreeMap::new();
    for (day, places) in tally.sums().range(from..=to) {
        for (place, sums) in places {
            *logged.entry(key(by, *day, place)).or_default() += Sums::revenue_vnd(sums);
        }
    }
    let days = format!("{from} to {to}");
    let total: i64 = logged.values().sum();
    let mut differ = |what: String, published: i64, logged: i64| {
        if published != logged {
            findings.push(Finding::Published {
                what,
                published,
                logged,
            });
        }
    };
    differ(
        format!("the total by {by} of {days}"),
        revenue.total_vnd,
        total,
    );
    let mut published: BTreeMap<String, i64> = BTreeMap::new();
    for row in revenue.rows {
        *published.entry(row.key).or_default() += row.amount_vnd;
    }
    let keys: BTreeSet<&String> = published.keys().chain(logged.keys()).collect();
    for key in keys {
        let of = |sums: &BTreeMap<String, i64>| sums.get(key).copied().unwrap_or_default();
        differ(format!("{by} {key}, {days}"), of(&published), of(&logged));
    }
}

fn key(by: &str, day: NaiveDate, place: &Place) -> String {
    match by {
        "day" => day.to_string(),
        "ward" => place.ward.clone(),
        "lot" => place.lot.clone(),
        _ => place.operator.clone(),
    }
}

fn path((from, to): (NaiveDate, NaiveDate), by: &str) -> String {
    format!("/api/v1/reports/revenue?from={from}&to={to}&by={by}")
}
