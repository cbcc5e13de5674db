//! A quote as an aligned table, each reason in Vietnamese and below it in English.

use std::fmt::Write;

use chrono_tz::Tz;
use domain::Timestamp;
use domain::money::Vnd;
use domain::tariff::Quote;

/// A row below the lines.
pub(super) struct Total {
    pub label: String,
    pub amount: Vnd,
    pub note: &'static str,
}

/// The table of a quote; amounts stand below each other.
pub(super) fn table(quote: &Quote, totals: &[Total], tz: Tz) -> String {
    let clock = |at: Timestamp| at.with_timezone(&tz).format("%d/%m %H:%M").to_string();
    let times = "xx/xx xx:xx  xx/xx xx:xx".len();
    let amounts = quote.lines.iter().map(|line| line.amount_vnd);
    let amounts = amounts.chain(totals.iter().map(|total| total.amount));
    let labels = totals.iter().map(|total| total.label.chars().count());
    let amount_width = amounts
        .map(|amount| amount.to_string().chars().count())
        .chain(["Tiền / Amount".chars().count()])
        .max()
        .unwrap_or(0);
    // Totals may need more room than the times above them.
    let left = labels.chain([times]).max().unwrap_or(times);
    let mut out = String::new();
    let mut row = |left_cell: &str, amount: &str, text: &str| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{left_cell:<left$}  {amount:>amount_width$}  {text}");
        out.truncate(out.trim_end().len());
        out.push('\n');
    };
    row("Từ / From    Đến / To", "Tiền / Amount", "Lý do / Reason");
    for line in &quote.lines {
        let span = format!("{}  {}", clock(line.from), clock(line.to));
        row(&span, &line.amount_vnd.to_string(), &line.text);
        row("", "", &line.text_en);
    }
    for total in totals {
        row(&total.label, &total.amount.to_string(), total.note);
    }
    out
}
