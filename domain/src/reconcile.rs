//! What a gateway says of a day's money against what we booked: every row of both ends in exactly
//! one list, whatever the order they come in.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::id::PaymentId;
use crate::money::Vnd;
use crate::place::codes;

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;

/// Which way money went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoneyKind {
    /// To us.
    Payment,
    /// Back to the driver.
    Refund,
}

codes!(MoneyKind { Payment = "payment", Refund = "refund" });

/// Money that we booked: it came or went back. What lies in suspense came too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Booked {
    /// When it moved, by the gateway's clock.
    pub at: Timestamp,
    /// Which way.
    pub kind: MoneyKind,
    /// The gateway's number of it; none for a refund that people made by hand.
    pub gateway_ref: Option<String>,
    /// The text by which it is recognised; none for money that named no payment.
    pub reference: Option<String>,
    /// How much. A negative amount is a refund, whatever the kind says.
    pub amount_vnd: Vnd,
    /// What became of it: `posted`, why it lies in suspense, or `done`.
    pub outcome: String,
    /// The payment it belongs to, where there is one.
    pub payment: Option<PaymentId>,
}

/// One row of the gateway's statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StatementRow {
    /// The earliest it may have moved: the time told, or the beginning of the day told.
    pub at: Timestamp,
    /// The latest: the same time, or the end of that day.
    pub latest: Timestamp,
    /// Which way.
    pub kind: MoneyKind,
    /// The gateway's number of it.
    pub gateway_ref: String,
    /// Our text, where the statement carries it.
    pub reference: Option<String>,
    /// How much. A negative amount is a refund, whatever the kind says.
    pub amount_vnd: Vnd,
    /// Whether the gateway says that the money moved: not for attempts that failed.
    pub moved: bool,
    /// Where in the file it stands, to find it again.
    pub line: u64,
}

/// In what the two sides of one movement differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The amount, to the đồng.
    Amount,
    /// They say it never moved, we booked it.
    Status,
    /// The time, by more than the tolerance.
    Time,
}

codes!(Difference { Amount = "amount", Status = "status", Time = "time" });

/// One movement as both sides know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pair<'a> {
    /// What we booked.
    pub ours: &'a Booked,
    /// What they say.
    pub theirs: &'a StatementRow,
    /// In what they differ; empty where they agree.
    pub differs: Vec<Difference>,
}

/// The result: every row of both sides, once. Each list is in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reconciliation<'a> {
    /// Both have it and agree.
    pub matched: Vec<Pair<'a>>,
    /// They have it, we do not.
    pub missing_here: Vec<&'a StatementRow>,
    /// We have it, they do not.
    pub missing_there: Vec<&'a Booked>,
    /// Both have it and do not agree.
    pub differing: Vec<Pair<'a>>,
    /// They have it under a number that another row already has.
    pub repeated: Vec<&'a StatementRow>,
    /// They say it never moved, and we booked nothing: no trouble.
    pub not_moved: Vec<&'a StatementRow>,
}

/// The sum of one list: payments less refunds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// How many rows.
    pub rows: usize,
    /// What we booked.
    pub ours_vnd: Vnd,
    /// What they say.
    pub theirs_vnd: Vnd,
}

/// The sum of each list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Of [`Reconciliation::matched`].
    pub matched: Total,
    /// Of [`Reconciliation::missing_here`].
    pub missing_here: Total,
    /// Of [`Reconciliation::missing_there`].
    pub missing_there: Total,
    /// Of [`Reconciliation::differing`].
    pub differing: Total,
    /// Of [`Reconciliation::repeated`].
    pub repeated: Total,
    /// Of [`Reconciliation::not_moved`].
    pub not_moved: Total,
}

/// Signed by the way it went: a refund is negative.
fn flow(kind: MoneyKind, amount: Vnd) -> Vnd {
    match kind {
        // An i64 has a negative of every positive number.
        MoneyKind::Refund if amount > Vnd::ZERO => Vnd::new(-amount.get()),
        _ => amount,
    }
}

fn direction(kind: MoneyKind, amount: Vnd) -> MoneyKind {
    if amount < Vnd::ZERO {
        MoneyKind::Refund
    } else {
        kind
    }
}

impl Booked {
    /// The amount, negative for a refund.
    pub fn flow(&self) -> Vnd {
        flow(self.kind, self.amount_vnd)
    }

    fn direction(&self) -> MoneyKind {
        direction(self.kind, self.amount_vnd)
    }
}

impl StatementRow {
    /// The amount, negative for a refund.
    pub fn flow(&self) -> Vnd {
        flow(self.kind, self.amount_vnd)
    }

    fn direction(&self) -> MoneyKind {
        direction(self.kind, self.amount_vnd)
    }
}

impl<'a> Pair<'a> {
    fn new(ours: &'a Booked, theirs: &'a StatementRow, tolerance: TimeDelta) -> Self {
        let away = (theirs.at - ours.at).max(ours.at - theirs.latest);
        let differs = [
            (Difference::Amount, ours.flow() != theirs.flow()),
            (Difference::Status, !theirs.moved),
            (Difference::Time, away > tolerance),
        ];
        Self {
            ours,
            theirs,
            differs: differs
                .into_iter()
                .filter_map(|(difference, holds)| holds.then_some(difference))
                .collect(),
        }
    }
}

/// Compares what we booked with a statement; times may differ by up to `tolerance`.
///
/// A movement is the same on both sides where its direction and the gateway's number are the same.
/// What we booked without a number is looked for by its reference, among what is left: the same
/// amount first. Of rows that repeat a number, the one that agrees with ours counts, else the first that moved.
pub fn reconcile<'a>(
    ours: &'a [Booked],
    theirs: &'a [StatementRow],
    tolerance: TimeDelta,
) -> Reconciliation<'a> {
    let mut out = Reconciliation::default();
    let mut by_number: BTreeMap<(MoneyKind, &str), Vec<&Booked>> = BTreeMap::new();
    let mut without_number = Vec::new();
    for row in sorted(ours) {
        match &row.gateway_ref {
            Some(number) => by_number
                .entry((row.direction(), number))
                .or_default()
                .push(row),
            None => without_number.push(row),
        }
    }
    let mut statement: BTreeMap<(MoneyKind, &str), Vec<&StatementRow>> = BTreeMap::new();
    for row in sorted(theirs) {
        let key = (row.direction(), row.gateway_ref.as_str());
        statement.entry(key).or_default().push(row);
    }

    let mut unclaimed = Vec::new();
    for (key, rows) in statement {
        let mut booked = by_number.remove(&key).unwrap_or_default().into_iter();
        let first = booked.next();
        // Our own rows have a number once; should one have it twice, the second has no counterpart.
        out.missing_there.extend(booked);
        let agrees = |row: &&StatementRow| {
            first.is_some_and(|first| Pair::new(first, row, tolerance).differs.is_empty())
        };
        let chosen = rows.iter().position(agrees);
        let chosen = chosen.or_else(|| rows.iter().position(|row| row.moved));
        for (index, row) in rows.into_iter().enumerate() {
            if index != chosen.unwrap_or(0) {
                out.repeated.push(row);
            } else if let Some(first) = first {
                out.pair(first, row, tolerance);
            } else {
                unclaimed.push(row);
            }
        }
    }
    out.missing_there.extend(by_number.into_values().flatten());

    for exact in [true, false] {
        without_number.retain(|booked| {
            let found = unclaimed.iter().position(|row| {
                row.reference.is_some()
                    && row.reference == booked.reference
                    && row.direction() == booked.direction()
                    && (!exact || row.flow() == booked.flow())
            });
            if let Some(index) = found {
                out.pair(booked, unclaimed.remove(index), tolerance);
            }
            found.is_none()
        });
    }
    out.missing_there.extend(without_number);
    let (moved, not_moved) = unclaimed.into_iter().partition(|row| row.moved);
    out.missing_here = moved;
    out.not_moved = not_moved;
    out.sort();
    out
}

fn sorted<T: Ord>(rows: &[T]) -> Vec<&T> {
    let mut rows: Vec<&T> = rows.iter().collect();
    rows.sort();
    rows
}

impl<'a> Reconciliation<'a> {
    fn pair(&mut self, ours: &'a Booked, theirs: &'a StatementRow, tolerance: TimeDelta) {
        let pair = Pair::new(ours, theirs, tolerance);
        if pair.differs.is_empty() {
            self.matched.push(pair);
        } else {
            self.differing.push(pair);
        }
    }

    fn sort(&mut self) {
        self.matched.sort();
        self.missing_here.sort();
        self.missing_there.sort();
        self.differing.sort();
        self.repeated.sort();
        self.not_moved.sort();
    }

    /// Whether nothing needs a look.
    pub fn agrees(&self) -> bool {
        self.missing_here.is_empty()
            && self.missing_there.is_empty()
            && self.differing.is_empty()
            && self.repeated.is_empty()
    }

    /// The sum of each list; `None` where one does not fit.
    pub fn totals(&self) -> Option<Totals> {
        Some(Totals {
            matched: of_pairs(&self.matched)?,
            missing_here: of_theirs(&self.missing_here)?,
            missing_there: Total {
                rows: self.missing_there.len(),
                ours_vnd: Vnd::checked_sum(self.missing_there.iter().map(|row| row.flow()))?,
                theirs_vnd: Vnd::ZERO,
            },
            differing: of_pairs(&self.differing)?,
            repeated: of_theirs(&self.repeated)?,
            not_moved: of_theirs(&self.not_moved)?,
        })
    }
}

fn of_pairs(pairs: &[Pair<'_>]) -> Option<Total> {
    Some(Total {
        rows: pairs.len(),
        ours_vnd: Vnd::checked_sum(pairs.iter().map(|pair| pair.ours.flow()))?,
        theirs_vnd: Vnd::checked_sum(pairs.iter().map(|pair| pair.theirs.flow()))?,
    })
}

fn of_theirs(rows: &[&StatementRow]) -> Option<Total> {
    Some(Total {
        rows: rows.len(),
        ours_vnd: Vnd::ZERO,
        theirs_vnd: Vnd::checked_sum(rows.iter().map(|row| row.flow()))?,
    })
}
