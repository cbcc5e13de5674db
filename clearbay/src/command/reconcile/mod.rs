//! `clearbay reconcile`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use api::gateway::config::WITH_STATEMENTS;
use chrono::{NaiveDate, TimeDelta};
use domain::Timestamp;
use domain::reconcile::{Booked, StatementRow, reconcile};

use super::Database;
use crate::out::out;
use columns::{Provider, Told};
use report::Report;
use statement::Statement;

mod columns;
mod format;
mod report;
mod statement;

/// More than any day's statement; a larger file is a mistake.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// What is booked this far outside the days is looked at too: its row may name it by number.
const AROUND: TimeDelta = TimeDelta::days(1);

/// Something needs a look. Errors are 1.
const DIFFERS: u8 = 2;

const EXAMPLES: &str = "\
The file is CSV in UTF-8, separated by commas, semicolons or tabs, with a line of headings. Understood
are gateway_ref, reference, kind (payment or refund), amount_vnd, at and status, and for the gateways
vnpay, momo and zalopay the names of their protocols and Vietnamese headings. Other headings are named
with --column. Amounts may be written 25000, 25.000, 25,000 or 25.000 ₫. Times without an offset are
Vietnam's.

Exit code: 0 when all agrees, 2 when something needs a look, 1 on errors.

Examples:
  clearbay reconcile --gateway vnpay --day 2026-11-24 vnpay-20261124.csv
  clearbay reconcile --gateway momo --column gateway_ref=\"Mã GD\" --column at=\"Lúc\" momo.csv
  clearbay reconcile --gateway vietqr --json bank.csv | jq .totals

  bank.csv:
    gateway_ref;reference;kind;amount_vnd;at
    FT26328123456;CB0123456789AB;payment;25.000;24/11/2026 09:00:05";

/// Compare a gateway's statement with what was booked, and show every difference.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Reconcile {
    #[command(flatten)]
    database: Database,
    /// The gateway whose statement it is.
    #[arg(long, value_parser = WITH_STATEMENTS)]
    gateway: String,
    /// The day in Vietnam to compare [default: all days of the file].
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<NaiveDate>,
    /// By how many minutes the two sides' times may differ.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(0..=1440))]
    tolerance_min: u16,
    /// Name a column by its heading, as amount_vnd="Số tiền"; may be given for several.
    #[arg(long = "column", value_name = "FIELD=HEADING")]
    columns: Vec<Told>,
    /// Print JSON for machines.
    #[arg(long)]
    json: bool,
    /// List all that agrees too, not only the first rows.
    #[arg(long)]
    all: bool,
    /// The statement.
    file: PathBuf,
}

/// Why a statement tells no day.
fn no_day(statement: &Statement) -> String {
    match statement.unreadable.first() {
        None => "the file holds no movement, so it tells no day: name it with --day".to_owned(),
        Some(first) => format!(
            "none of the {} movements in the file can be read, so it tells no day; line {}: {}",
            statement.unreadable.len(),
            first.line,
            first.why
        ),
    }
}

impl Reconcile {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let provider = Provider::of(&self.gateway, &self.columns);
        let mut statement = Statement::read(&read(&self.file)?, &provider)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        let (first, last) = match self.day {
            Some(day) => (day, day),
            None => statement.days().with_context(|| no_day(&statement))?,
        };
        let other_days = self.day.map(|day| statement.keep_day(day));
        let (from, _) = format::day(first).context("the day is out of range")?;
        let (_, to) = format::day(last).context("the day is out of range")?;

        let store = self.database.open_to_read().await?;
        let booked = store
            .reconcile_booked(&self.gateway, from - AROUND, to + AROUND)
            .await?;
        store.close().await;
        let booked = of_days(booked, from, to, &statement.rows);

        let tolerance = TimeDelta::minutes(self.tolerance_min.into());
        let found = reconcile(&booked, &statement.rows, tolerance);
        let report = Report {
            gateway: &self.gateway,
            days: (first, last),
            totals: found.totals().context("the amounts are too large")?,
            booked: booked.len(),
            statement_rows: statement.rows.len(),
            found,
            unreadable: &statement.unreadable,
            passed_over: &statement.passed_over,
            other_days: other_days.as_deref().unwrap_or_default(),
        };
        if self.json {
            out!("{}", serde_json::to_string_pretty(&report.json())?);
        } else {
            out!("{}", report.text(self.all).trim_end());
        }
        Ok(if report.agrees() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(DIFFERS)
        })
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let context = || format!("cannot read {}", file.display());
    let size = std::fs::metadata(file).with_context(context)?.len();
    anyhow::ensure!(
        size <= MAX_FILE_BYTES,
        "{} has {size} bytes; a statement has at most {MAX_FILE_BYTES}",
        file.display()
    );
    std::fs::read(file).with_context(context)
}

/// What was booked on these days, and what a row names although it was booked just outside: a
/// movement at midnight may be on one day here and on the next there.
fn of_days(
    mut booked: Vec<Booked>,
    from: Timestamp,
    to: Timestamp,
    rows: &[StatementRow],
) -> Vec<Booked> {
    let numbers: HashSet<&str> = rows.iter().map(|row| row.gateway_ref.as_str()).collect();
    let references: HashSet<&str> = rows
        .iter()
        .filter_map(|row| row.reference.as_deref())
        .collect();
    booked.retain(|booked| {
        let named = match &booked.gateway_ref {
            Some(number) => numbers.contains(number.as_str()),
            None => booked
                .reference
                .as_deref()
                .is_some_and(|reference| references.contains(reference)),
        };
        named || (from..to).contains(&booked.at)
    });
    booked
}
