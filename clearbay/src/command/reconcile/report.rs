//! The result, for people and for machines.

use std::fmt::Write;

use chrono::NaiveDate;
use domain::Timestamp;
use domain::money::Vnd;
use domain::reconcile::{Booked, Pair, Reconciliation, StatementRow, Total, Totals};
use serde_json::{Value, json};

use super::format::LOCAL;
use super::statement::Line;

/// How many agreeing rows are listed where not all are asked for.
const SHOWN: usize = 20;

/// All that there is to say.
pub struct Report<'a> {
    pub gateway: &'a str,
    /// The first and the last day.
    pub days: (NaiveDate, NaiveDate),
    /// How many movements we booked.
    pub booked: usize,
    /// How many the statement has.
    pub statement_rows: usize,
    pub found: Reconciliation<'a>,
    pub totals: Totals,
    pub unreadable: &'a [Line],
    pub passed_over: &'a [Line],
    /// Rows of the file that belong to another day than was asked for.
    pub other_days: &'a [StatementRow],
}

impl Report<'_> {
    /// Whether nothing needs a look.
    pub fn agrees(&self) -> bool {
        self.found.agrees() && self.unreadable.is_empty()
    }

    /// For machines. Amounts are whole đồng, refunds negative in sums.
    pub fn json(&self) -> Value {
        json!({
            "gateway": self.gateway,
            "from": self.days.0,
            "to": self.days.1,
            "agrees": self.agrees(),
            "totals": self.totals,
            "matched": self.found.matched,
            "differing": self.found.differing,
            "missing_here": self.found.missing_here,
            "missing_there": self.found.missing_there,
            "repeated": self.found.repeated,
            "not_moved": self.found.not_moved,
            "unreadable": self.unreadable,
            "passed_over": self.passed_over,
            "other_days": self.other_days,
        })
    }

    /// For people: a summary, then a table of each list that is not empty, what needs a look first.
    pub fn text(&self, all: bool) -> String {
        let mut out = self.summary();
        let (found, totals) = (&self.found, &self.totals);
        let differing = found.differing.iter().map(pair_row).collect();
        section(&mut out, "Differing", &PAIRS, differing, &totals.differing);
        let rows = found
            .missing_here
            .iter()
            .map(|row| their_row(row))
            .collect();
        section(
            &mut out,
            "Missing here: in the statement, not booked",
            &THEIRS,
            rows,
            &totals.missing_here,
        );
        let rows = found.missing_there.iter().map(|row| our_row(row)).collect();
        section(
            &mut out,
            "Missing there: booked, not in the statement",
            &OURS,
            rows,
            &totals.missing_there,
        );
        let rows = found.repeated.iter().map(|row| their_row(row)).collect();
        section(
            &mut out,
            "Repeated in the statement",
            &THEIRS,
            rows,
            &totals.repeated,
        );
        lines(&mut out, "Unreadable", self.unreadable);
        let rows = found.not_moved.iter().map(|row| their_row(row)).collect();
        section(
            &mut out,
            "Not moved: attempts that failed, nothing booked",
            &THEIRS,
            rows,
            &totals.not_moved,
        );
        lines(&mut out, "Passed over", self.passed_over);
        let shown = if all { usize::MAX } else { SHOWN };
        let matched = found.matched.iter().take(shown).map(pair_row).collect();
        section(&mut out, "Agreeing", &PAIRS, matched, &totals.matched);
        let left = found.matched.len().saturating_sub(shown);
        if left > 0 {
            let _ = writeln!(out, "... and {left} more; --all lists them");
        }
        out
    }

    fn summary(&self) -> String {
        let (first, last) = self.days;
        let days = if first == last {
            first.to_string()
        } else {
            format!("{first} to {last}")
        };
        let mut out = format!(
            "{}, {days}. In the statement: {}. Booked: {}.\n\n",
            self.gateway, self.statement_rows, self.booked
        );
        let totals = &self.totals;
        let rows = [
            ("agreeing", &totals.matched),
            ("differing", &totals.differing),
            ("missing here", &totals.missing_here),
            ("missing there", &totals.missing_there),
            ("repeated", &totals.repeated),
            ("not moved", &totals.not_moved),
        ];
        let rows = rows.map(|(name, total)| {
            vec![
                name.to_owned(),
                total.rows.to_string(),
                dong(total.ours_vnd),
                dong(total.theirs_vnd),
            ]
        });
        let headings = [
            left(""),
            right("rows"),
            right("ours, VND"),
            right("theirs, VND"),
        ];
        table(&mut out, &headings, &rows);
        out.push('\n');
        for (what, count) in [
            ("Lines that could not be read", self.unreadable.len()),
            ("Lines that hold no movement", self.passed_over.len()),
            ("Movements of other days, left out", self.other_days.len()),
        ] {
            if count > 0 {
                let _ = writeln!(out, "{what}: {count}.");
            }
        }
        if self.booked == 0 && self.statement_rows > 0 {
            out.push_str("Nothing at all is booked of these days: is it this city's statement?\n");
        }
        out.push_str(if self.agrees() {
            "All agrees.\n"
        } else {
            "This needs a look.\n"
        });
        out
    }
}

struct Heading {
    name: &'static str,
    /// Numbers stand to the right.
    right: bool,
}

const fn left(name: &'static str) -> Heading {
    Heading { name, right: false }
}

const fn right(name: &'static str) -> Heading {
    Heading { name, right: true }
}

const THEIRS: [Heading; 6] = [
    right("line"),
    left("time"),
    left("kind"),
    left("gateway_ref"),
    left("reference"),
    right("theirs, VND"),
];

const OURS: [Heading; 6] = [
    left("time"),
    left("kind"),
    left("gateway_ref"),
    left("reference"),
    right("ours, VND"),
    left("outcome"),
];

const PAIRS: [Heading; 8] = [
    right("line"),
    left("time"),
    left("kind"),
    left("gateway_ref"),
    right("ours, VND"),
    right("theirs, VND"),
    left("outcome"),
    left("differs in"),
];

fn their_row(row: &StatementRow) -> Vec<String> {
    vec![
        row.line.to_string(),
        span(row),
        row.kind.to_string(),
        row.gateway_ref.clone(),
        told(row.reference.as_deref()),
        dong(row.flow()),
    ]
}

fn our_row(row: &Booked) -> Vec<String> {
    vec![
        local(row.at),
        row.kind.to_string(),
        told(row.gateway_ref.as_deref()),
        told(row.reference.as_deref()),
        dong(row.flow()),
        row.outcome.clone(),
    ]
}

fn pair_row(pair: &Pair<'_>) -> Vec<String> {
    let differs: Vec<String> = pair
        .differs
        .iter()
        .map(|difference| match difference {
            domain::reconcile::Difference::Time => format!("time (theirs {})", span(pair.theirs)),
            domain::reconcile::Difference::Status => "status (theirs: not moved)".to_owned(),
            domain::reconcile::Difference::Amount => difference.to_string(),
        })
        .collect();
    vec![
        pair.theirs.line.to_string(),
        local(pair.ours.at),
        pair.ours.kind.to_string(),
        pair.theirs.gateway_ref.clone(),
        dong(pair.ours.flow()),
        dong(pair.theirs.flow()),
        pair.ours.outcome.clone(),
        differs.join(", "),
    ]
}

fn told(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

fn dong(amount: Vnd) -> String {
    amount.grouped('.')
}

fn local(at: Timestamp) -> String {
    let local = at.with_timezone(&LOCAL);
    local.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn span(row: &StatementRow) -> String {
    if row.at == row.latest {
        local(row.at)
    } else {
        row.at.with_timezone(&LOCAL).date_naive().to_string()
    }
}

fn section(
    out: &mut String,
    title: &str,
    headings: &[Heading],
    rows: Vec<Vec<String>>,
    total: &Total,
) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}\n");
    table(out, headings, &rows);
    let _ = writeln!(
        out,
        "  Rows: {}. Ours: {} VND. Theirs: {} VND.",
        total.rows,
        dong(total.ours_vnd),
        dong(total.theirs_vnd)
    );
}

fn lines(out: &mut String, title: &str, lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}\n");
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| vec![line.line.to_string(), line.why.clone(), line.text.clone()])
        .collect();
    table(out, &[right("line"), left("why"), left("cells")], &rows);
}

/// Columns as wide as their widest cell.
fn table(out: &mut String, headings: &[Heading], rows: &[Vec<String>]) {
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(at, heading)| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            cells
                .map(|cell| width(cell))
                .fold(width(heading.name), usize::max)
        })
        .collect();
    let mut line = |cells: Vec<&str>| {
        let mut text = String::new();
        for ((cell, heading), width) in cells.into_iter().zip(headings).zip(&widths) {
            let _ = if heading.right {
                write!(text, "  {cell:>width$}")
            } else {
                write!(text, "  {cell:<width$}")
            };
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(headings.iter().map(|heading| heading.name).collect());
    for row in rows {
        // What a file says must not command the terminal, nor break the lines.
        let shown: Vec<String> = row
            .iter()
            .map(|cell| cell.replace(char::is_control, "?"))
            .collect();
        line(shown.iter().map(String::as_str).collect());
    }
}
