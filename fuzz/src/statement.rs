//! Providers' statements, as `clearbay reconcile` reads them.

use chrono::TimeDelta;
use domain::reconcile::{Booked, StatementRow, reconcile};

// The files of the program itself: it cannot be a dependency without the pages that it serves.
#[path = "../../clearbay/src/command/reconcile/columns.rs"]
#[allow(dead_code, missing_docs)]
mod columns;
#[path = "../../clearbay/src/command/reconcile/format.rs"]
#[allow(dead_code, missing_docs)]
mod format;
#[path = "../../clearbay/src/command/reconcile/statement.rs"]
#[allow(dead_code, missing_docs)]
mod statement;

use columns::Provider;
use statement::Statement;

/// Chosen by the first byte.
const GATEWAYS: [&str; 4] = ["vietqr", "vnpay", "momo", "zalopay"];

/// Reads a statement and compares it with itself: every line of the file is in it at most once, and every row agrees
/// with what was booked as it says.
pub fn file(data: &[u8]) {
    let [gateway, file @ ..] = data else {
        return;
    };
    let gateway = GATEWAYS[usize::from(*gateway) % GATEWAYS.len()];
    let Ok(mut read) = Statement::read(file, &Provider::of(gateway, &[])) else {
        return;
    };
    let lines = file.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let told = read.unreadable.iter().chain(&read.passed_over);
    let numbers = read.rows.iter().map(|row| row.line);
    let mut numbers: Vec<u64> = numbers.chain(told.map(|line| line.line)).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().all(|number| (1..=lines).contains(number)));
    for row in &read.rows {
        assert!(row.at <= row.latest);
    }
    let booked: Vec<Booked> = read.rows.iter().map(booked).collect();
    let found = reconcile(&booked, &read.rows, TimeDelta::minutes(15));
    let both = found.matched.len() + found.differing.len();
    let theirs = both + found.missing_here.len() + found.repeated.len() + found.not_moved.len();
    assert_eq!(theirs, read.rows.len());
    assert_eq!(both + found.missing_there.len(), booked.len());
    let _ = found.totals();
    if let Some((first, last)) = read.days() {
        assert!(first <= last && format::day(first).is_some() && format::day(last).is_some());
        let all = read.rows.len();
        let others = read.keep_day(first);
        assert!(!read.rows.is_empty() && read.rows.len() + others.len() == all);
    }
}

/// What we would have booked of a row.
fn booked(row: &StatementRow) -> Booked {
    Booked {
        at: row.at,
        kind: row.kind,
        gateway_ref: Some(row.gateway_ref.clone()),
        reference: row.reference.clone(),
        amount_vnd: row.amount_vnd,
        outcome: "posted".to_owned(),
        payment: None,
    }
}
