//! `clearbay country`: several cities, each with a database, a broker and processes of its own.
//!
//! A city is what a country is divided by: no transaction ever needs two. So the country-wide report asks each
//! city's public address for its signed reports, as any citizen may, and believes none that is not signed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use chrono::{Days, NaiveDate, Utc};
use domain::log::{DayReport, LogKeys, Sums};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use verifier::Answer;

use super::verify::{DOES_NOT_HOLD, answer, row};
use crate::out::out;
use table::{City, TableFile};

mod table;

/// Days that are asked for where none are named.
const DAYS: u64 = 30;
/// As many as a report may span: ten years.
const DAYS_MAX: i64 = 3_660;
/// How much is fetched from a city at once.
const AT_ONCE: usize = 8;
/// Cities that are asked at once.
const CITIES_AT_ONCE: usize = 16;

/// Several cities, each with a database of its own.
#[derive(Debug, clap::Subcommand)]
pub enum Country {
    /// Add up what cities have signed, and say what is not known.
    Report(Report),
    /// Print which host leads to which city, as a map for HAProxy.
    Routes(Routes),
}

/// Add up what cities have signed, and say what is not known.
#[derive(Debug, clap::Args)]
pub struct Report {
    #[command(flatten)]
    table: TableFile,
    /// The first day, each city's own [default: 30 days before the last].
    #[arg(long)]
    from: Option<NaiveDate>,
    /// The last day [default: yesterday by UTC].
    #[arg(long)]
    to: Option<NaiveDate>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Print which host leads to which city, as a map for HAProxy.
#[derive(Debug, clap::Args)]
pub struct Routes {
    #[command(flatten)]
    table: TableFile,
}

impl Country {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Report(report) => report.run().await,
            Self::Routes(routes) => routes.run(),
        }
    }
}

impl Routes {
    fn run(self) -> anyhow::Result<ExitCode> {
        let cities = self.table.read()?;
        let mut routes = BTreeMap::new();
        for (city, host) in &cities {
            // The proxy looks up a host without its port.
            if let Some(other) = routes.insert(host, &city.code) {
                bail!("the cities {other} and {} have one host, {host}", city.code);
            }
        }
        for (city, host) in &cities {
            out!("{host} {}", city.backend);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is known of a city.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
enum State {
    /// All that it has reported is signed by its key.
    Known {
        #[serde(flatten)]
        sums: Sums,
        revenue_vnd: i64,
        days_reported: usize,
        /// In order; nothing is said of what was collected then.
        days_missing: Vec<NaiveDate>,
    },
    /// It does not answer.
    Unknown { why: String },
    /// It has answered what its key has not signed.
    Wrong { why: String },
}

#[derive(Debug, Serialize)]
struct CityReport {
    code: String,
    name: String,
    #[serde(flatten)]
    state: State,
}

#[derive(Debug, Serialize)]
struct CountryReport {
    from: NaiveDate,
    to: NaiveDate,
    cities: Vec<CityReport>,
    /// Of how many cities every day is known.
    complete: usize,
    /// The sum of what is known: less than all, where a city or a day is missing.
    total: Sums,
    revenue_vnd: i64,
}

impl Report {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let mut cities = Vec::new();
        for (city, _) in self.table.read()? {
            let keys = city.log_keys();
            let keys = keys.with_context(|| {
                let file = self.table.cities.display();
                format!("{file}: city {}", city.code)
            })?;
            cities.push((city, keys));
        }
        let yesterday = Utc::now().date_naive() - Days::new(1);
        let to = self.to.unwrap_or(yesterday);
        let from = self.from.unwrap_or(to - Days::new(DAYS - 1));
        ensure!(from <= to, "the first day is after the last");
        let span = (to - from).num_days() + 1;
        ensure!(
            span <= DAYS_MAX,
            "{span} days are too many: ten years at most"
        );
        let client = api::gateway::client()?;
        let client = &client;
        let asked = stream::iter(cities).map(|(city, keys)| async move {
            let state = match known(client, &city, &keys, from, to).await {
                Ok(state) => state,
                Err(error) => State::Unknown {
                    why: format!("{error:#}"),
                },
            };
            CityReport {
                code: city.code,
                name: city.name,
                state,
            }
        });
        let cities: Vec<CityReport> = asked.buffered(CITIES_AT_ONCE).collect().await;
        let report = CountryReport::of(cities, from, to);
        match self.json {
            true => out!("{}", serde_json::to_string_pretty(&report)?),
            false => report.tell(),
        }
        let is_wrong = |city: &CityReport| matches!(city.state, State::Wrong { .. });
        Ok(match report.cities.iter().any(is_wrong) {
            true => ExitCode::from(DOES_NOT_HOLD),
            false if report.complete < report.cities.len() => ExitCode::FAILURE,
            false => ExitCode::SUCCESS,
        })
    }
}

/// What a city has signed of those days.
///
/// # Errors
/// Where it does not answer.
async fn known(
    client: &reqwest::Client,
    city: &City,
    keys: &LogKeys,
    from: NaiveDate,
    to: NaiveDate,
) -> anyhow::Result<State> {
    #[derive(Deserialize)]
    struct Listed {
        reports: Vec<ListedReport>,
    }
    #[derive(Deserialize)]
    struct ListedReport {
        day: NaiveDate,
    }
    let get = async |path: String| {
        let reply = client.get(format!("{}{path}", city.url)).send().await;
        match answer(reply, &path).await? {
            Answer::Body(body) => anyhow::Ok(body),
            Answer::NotFound => anyhow::bail!("{}{path} is not there", city.url),
        }
    };
    let get = &get;
    let listed: Listed = serde_json::from_slice(&get("/log/reports".to_owned()).await?)
        .with_context(|| format!("{}/log/reports is no list of reports", city.url))?;
    let listed = listed.reports.into_iter().map(|report| report.day);
    let days: BTreeSet<NaiveDate> = listed.filter(|day| (from..=to).contains(day)).collect();
    let notes: BTreeMap<NaiveDate, Vec<u8>> = stream::iter(days)
        .map(|day| async move { anyhow::Ok((day, get(format!("/log/report/{day}")).await?)) })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut sums = Sums::default();
    for (day, note) in &notes {
        let report = match DayReport::open(note, keys) {
            Ok(report) => report,
            Err(why) => {
                return Ok(State::Wrong {
                    why: format!("the report of {day}: {why}"),
                });
            }
        };
        if report.day != *day {
            return Ok(State::Wrong {
                why: format!("the report of {day} is one of {}", report.day),
            });
        }
        sums.plus(&report.total());
    }
    let all = from.iter_days().take_while(|day| *day <= to);
    Ok(State::Known {
        sums,
        revenue_vnd: sums.revenue_vnd(),
        days_reported: notes.len(),
        days_missing: all.filter(|day| !notes.contains_key(day)).collect(),
    })
}

impl CountryReport {
    fn of(cities: Vec<CityReport>, from: NaiveDate, to: NaiveDate) -> Self {
        let mut total = Sums::default();
        let mut complete = 0;
        for city in &cities {
            if let State::Known {
                sums, days_missing, ..
            } = &city.state
            {
                total.plus(sums);
                complete += usize::from(days_missing.is_empty());
            }
        }
        Self {
            from,
            to,
            cities,
            complete,
            total,
            revenue_vnd: total.revenue_vnd(),
        }
    }

    fn tell(&self) {
        let (from, to, of) = (self.from, self.to, self.cities.len());
        out!("{from} to {to}, as each city has signed it");
        out!("");
        out!("City        receipts  refunds          revenue  days");
        let span = (to - from).num_days() + 1;
        for city in &self.cities {
            match &city.state {
                State::Known {
                    sums,
                    days_reported,
                    days_missing,
                    ..
                } => {
                    let missing = match days_missing.is_empty() {
                        true => String::new(),
                        false => format!("; not reported: {}", spans(days_missing)),
                    };
                    let row = row(&city.name, sums);
                    out!("{row}  {days_reported} of {span}{missing}");
                }
                State::Unknown { why } => out!("{:<10}  UNKNOWN: {why}", city.name),
                State::Wrong { why } => out!("{:<10}  WRONG: {why}", city.name),
            }
        }
        out!("{}", row("all known", &self.total));
        out!("");
        match self.complete == of {
            true => out!("COMPLETE: every day of {of} cities."),
            false => out!(
                "NOT COMPLETE: every day is known of {} of {of} cities. What is not known is in no sum.",
                self.complete
            ),
        }
    }
}

/// Days in their order, those that follow one another as `first to last`; the first few of many.
fn spans(days: &[NaiveDate]) -> String {
    const SHOWN: usize = 3;
    let follows = |day: &NaiveDate, next: &NaiveDate| day.succ_opt() == Some(*next);
    let spans: Vec<String> = days
        .chunk_by(follows)
        .map(|span| match span {
            [first, .., last] => format!("{first} to {last}"),
            _ => span.iter().map(NaiveDate::to_string).collect(),
        })
        .collect();
    match spans.len() {
        0..=SHOWN => spans.join(", "),
        count => format!(
            "{} and {} gaps more",
            spans[..SHOWN].join(", "),
            count - SHOWN
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::spans;

    #[test]
    fn days_that_are_missing_are_told_by_gaps() {
        let told = |days: &[&str]| {
            let days: Vec<_> = days.iter().map(|day| day.parse().unwrap()).collect();
            spans(&days)
        };
        assert_eq!(told(&["2026-11-25"]), "2026-11-25");
        assert_eq!(
            told(&["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-03"]),
            "2026-10-30 to 2026-11-01, 2026-11-03"
        );
        let odd = [
            "2026-11-01",
            "2026-11-03",
            "2026-11-05",
            "2026-11-07",
            "2026-11-09",
        ];
        assert_eq!(
            told(&odd),
            "2026-11-01, 2026-11-03, 2026-11-05 and 2 gaps more"
        );
    }
}
