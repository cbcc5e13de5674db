//! What `clearbay verify` says of a log.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use domain::log::{Cosignature, LogKeys, Sums};
use domain::money::Vnd;
use verifier::{OtherKey, Verdict, total};

use crate::out::out;

/// How many days are shown: all are checked.
const DAYS_SHOWN: usize = 10;

/// All that was found, in the end, having asked so many times.
pub(super) fn verdict(verdict: &Verdict, times: u32, keys: &LogKeys, state: &Path) {
    if !verdict.holds() && state.exists() {
        out!("What was seen before is remembered in {}", state.display());
    }
    let Some(head) = verdict.head else {
        return findings(verdict, times);
    };
    out!("Log        {}, {}", keys.origin(), entries(head.size));
    out!("Root       {}", head.root);
    if verdict.holds() {
        out!("Signed     by a key that you trust");
        match &verdict.witnessed {
            Some((seen, by)) => {
                out!(
                    "Witnessed  {}, seen by {}",
                    entries(seen.size),
                    witnesses(by)
                );
            }
            None => out!("Witnessed  by nobody that you named: see --witness"),
        }
        match verdict.known {
            Some(known) => out!(
                "Last time  {}: the log begins with exactly those",
                entries(known.size)
            ),
            None => out!(
                "Last time  never; remembered from now on in {}",
                state.display()
            ),
        }
        out!("Entries    all read; they make exactly the tree that was signed");
        match verdict.reports {
            0 => out!("Reports    none yet: a day is reported when it is over"),
            count => out!("Reports    {count} signed, each the sum of its entries"),
        }
        match verdict.totals {
            0 => out!("Published  nothing yet to compare"),
            count => out!(
                "Published  {count} totals by day, ward, lot and operator, each the sum of the log's"
            ),
        }
    }
    out!("");
    match verdict.days.is_empty() {
        true => out!("No day has been published yet."),
        false => days("Days that are published, each compared", &verdict.days),
    }
    if !verdict.unpublished.is_empty() {
        out!("");
        days(
            "Days that are not published yet: what the log has of them so far, compared with nothing",
            &verdict.unpublished,
        );
    }
    for note in &verdict.notes {
        out!("Note: {note}");
    }
    out!("");
    findings(verdict, times);
}

/// How many entries, in words.
fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        _ => format!("{count} entries"),
    }
}

/// The last of some days, and the sum of all of them.
fn days(title: &str, days: &BTreeMap<NaiveDate, Sums>) {
    out!("{title}:");
    out!("Day         receipts  refunds          revenue");
    let skipped = days.len().saturating_sub(DAYS_SHOWN);
    match skipped {
        0 => {}
        1 => out!("... 1 day before"),
        _ => out!("... {skipped} days before"),
    }
    for (day, sums) in days.iter().skip(skipped) {
        out!("{}", row(&day.to_string(), sums));
    }
    out!("{}", row("all", &total(days)));
}

/// Who has seen a tree, and when.
pub(super) fn witnesses(by: &[Cosignature]) -> String {
    let one = |it: &Cosignature| {
        let at = i64::try_from(it.at_s).ok();
        let at = at.and_then(|at| chrono::DateTime::from_timestamp(at, 0));
        let at = at.map_or_else(String::new, |at| format!(" at {}", at.format("%F %T UTC")));
        format!("{}{at}", it.witness)
    };
    by.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn findings(verdict: &Verdict, times: u32) {
    if verdict.is_empty() {
        out!(
            "NOTHING TO ADD UP: nothing has been published yet. The log is empty, and signed by a key that you trust."
        );
        return;
    }
    if verdict.holds() {
        match verdict.days.is_empty() {
            true => out!(
                "ALL HOLDS. Nobody has changed the log; nothing is published yet to compare with it."
            ),
            false => out!(
                "ALL HOLDS. The published revenue is the sum of a log that nobody has changed."
            ),
        }
        out!("That your own payment is in it shows: clearbay verify receipt FILE");
        return;
    }
    if let Some(other) = verdict.other_key() {
        return other_key(other);
    }
    for finding in &verdict.findings {
        out!("WRONG: {finding}");
    }
    if times > 1 && verdict.may_settle() {
        out!(
            "It was so each of the {times} times that were asked, and the log took in nothing of these days that would have closed it."
        );
    }
    out!("");
    match verdict.findings.len() {
        1 => out!("DOES NOT HOLD: one thing is wrong. What was remembered is kept as it was."),
        count => {
            out!("DOES NOT HOLD: {count} things are wrong. What was remembered is kept as it was.")
        }
    }
}

/// That what is published is ahead of a log that takes in more of days that are over.
pub(super) fn not_yet(verdict: &Verdict, times: u32) {
    for finding in &verdict.findings {
        out!("NOT YET: {finding}");
    }
    out!("");
    out!(
        "CANNOT BE TOLD YET: what is published is ahead of the log, as it was each of the {times} times that were asked, and \
         the log takes in more of days that are over, as while a city brings in its past. Nothing else is wrong. Ask again \
         later: it has to catch up."
    );
}

/// That something is signed by another key than the pinned one, which may be nobody's fault.
pub(super) fn other_key(other: &OtherKey) {
    out!("NOT BY YOUR KEY: {other}.");
    out!(
        "Either your key is that of another log, or this log's key was exchanged: compare with what the city has \
         published elsewhere. Nothing else was checked."
    );
}

/// A line of a table.
pub(in crate::command) fn row(name: &str, sums: &Sums) -> String {
    let revenue = Vnd::new(sums.revenue_vnd()).to_string();
    format!(
        "{name:<10}  {:>8}  {:>7}  {revenue:>15}",
        sums.receipts, sums.refunds
    )
}
