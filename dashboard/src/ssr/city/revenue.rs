//! What was collected: by day, against the days before, and broken down.

use api::App;
use api::service::report::{Range, Revenue};
use chrono::{Days, NaiveDate};
use domain::Timestamp;
use domain::money::Vnd;
use leptos::prelude::*;

use super::super::chart::{Axis, Bar, bars, meter};
use super::{csv, weekday};
use crate::lang::Lang;

/// Finished days against as many days before them.
pub(super) struct Change {
    pub(super) days: Range,
    pub(super) before: Range,
    pub(super) vnd: i64,
    pub(super) before_vnd: i64,
}

/// The days of a range that have ended, and as many before them; `None` where none has.
pub(super) fn finished(app: &App, range: Range, now: Timestamp) -> Option<(Range, Range)> {
    let today = now.with_timezone(&app.city.timezone).date_naive();
    let to = range.to.min(today - Days::new(1));
    if to < range.from {
        return None;
    }
    let length = Days::new((to - range.from).num_days().unsigned_abs() + 1);
    let before = Range {
        from: range.from - length,
        to: to - length,
    };
    Some((Range { to, ..range }, before))
}

/// The revenue of the days up to one, that one included.
pub(super) fn until(by_day: &Revenue, last: NaiveDate) -> i64 {
    let last = last.to_string();
    let days = by_day.rows.iter().filter(|row| row.key <= last);
    days.map(|row| row.amount_vnd).sum()
}

pub(super) fn average(total: i64, receipts: i64, lang: Lang) -> String {
    match receipts {
        0 => lang.city_revenue().none_yet.to_owned(),
        _ => format!(
            "{} {}",
            lang.city_revenue().on_average,
            lang.money(Vnd::new(total / receipts))
        ),
    }
}

/// How much more or less than before it was, as far as the time before is known.
pub(super) fn compared(
    change: &Change,
    first_day: Option<NaiveDate>,
    lang: Lang,
) -> impl IntoView + use<> {
    match first_day {
        None => ().into_any(),
        // That nothing was collected before the city began says nothing of it.
        Some(first) if change.before.from < first => {
            let text = format!(
                "{} {}.",
                lang.city().nothing_known_before,
                first.format("%d/%m/%Y")
            );
            view! { <span class="change unknown">{text}</span> }.into_any()
        }
        Some(_) => view! { <span class="change">{change_text(change, lang)}</span> }.into_any(),
    }
}

fn change_text(change: &Change, lang: Lang) -> String {
    let dates = |range: Range| {
        format!(
            "{}–{}",
            range.from.format("%d/%m"),
            range.to.format("%d/%m")
        )
    };
    let (days, before) = (dates(change.days), dates(change.before));
    let than = lang.city_revenue().against;
    if change.before_vnd <= 0 {
        let none = lang.city_revenue().nothing_collected;
        return format!("{before}: {none}");
    }
    let tenths = i128::from(change.vnd - change.before_vnd) * 1_000 / i128::from(change.before_vnd);
    let sign = if tenths < 0 { "−" } else { "+" };
    let (whole, tenth) = (tenths.abs() / 10, tenths.abs() % 10);
    let comma = lang.pick(",", ".");
    format!("{days}: {sign}{whole}{comma}{tenth} % {than} {before}")
}

/// Millions of đồng, rounded to one digit after the comma; what is less, to the đồng.
fn millions(amount: i64, lang: Lang) -> String {
    if amount.abs() < 1_000_000 {
        return lang.money(Vnd::new(amount));
    }
    // More may have gone back than came in.
    let sign = if amount < 0 { "−" } else { "" };
    let tenths = (amount.saturating_abs() / 50_000).saturating_add(1) / 2;
    let (whole, tenth) = (lang.number(tenths / 10), tenths % 10);
    match lang {
        Lang::Vi => format!("{sign}{whole},{tenth}\u{a0}tr\u{a0}₫"),
        Lang::En => format!("{sign}{whole}.{tenth}\u{a0}M\u{a0}₫"),
    }
}

/// Day by day; nothing is said of days before the first that is known.
pub(super) fn days(revenue: &Revenue, known_from: NaiveDate, lang: Lang) -> impl IntoView + use<> {
    let known_from = known_from.to_string();
    let drawn: Vec<Bar> = revenue
        .rows
        .iter()
        .map(|row| Bar {
            label: if revenue.rows.len() > 14 {
                day_and_month(&row.key)
            } else {
                weekday(&row.key, lang)
            },
            value: row.amount_vnd,
            part: row.amount_vnd,
            title: format!("{}: {}", row.key, lang.money(Vnd::new(row.amount_vnd))),
        })
        .collect();
    let rows = revenue
        .rows
        .iter()
        .map(|row| {
            let figures = match row.key < known_from {
                true => view! { <td colspan="2" class="amount none">{lang.city().not_known}</td> }
                    .into_any(),
                false => view! {
                    <td class="amount">{lang.number(row.receipts)}</td>
                    <td class="amount">{lang.money(Vnd::new(row.amount_vnd))}</td>
                }
                .into_any(),
            };
            view! { <tr><th scope="row">{weekday(&row.key, lang)}</th>{figures}</tr> }
        })
        .collect_view();
    view! {
        <div class="chart-and-table">
            {bars(&drawn, &money_axis(&drawn, lang))}
            <div class="scroll">
                <table class="grid">
                    <thead><tr>
                        <th>{lang.city_revenue().day}</th>
                        <th class="amount">{lang.city_revenue().receipts}</th>
                        <th class="amount">{lang.city_revenue().revenue}</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                    <tfoot><tr>
                        <th scope="row">{lang.city_revenue().total}</th>
                        <td></td>
                        <td class="amount">{lang.money(Vnd::new(revenue.total_vnd))}</td>
                    </tr></tfoot>
                </table>
            </div>
        </div>
    }
}

/// A date as it is said here, day before month.
fn day_and_month(date: &str) -> String {
    let date: Option<NaiveDate> = date.parse().ok();
    date.map(|date| date.format("%d/%m").to_string())
        .unwrap_or_default()
}

/// Millions where there are millions, else thousands.
fn money_axis(bars: &[Bar], lang: Lang) -> Axis {
    let about = lang.city_revenue().revenue_by_day;
    if bars.iter().any(|bar| bar.value >= 10_000_000) {
        return Axis {
            about,
            unit: lang.city_revenue().million_dong,
            write: Box::new(|vnd| (vnd / 1_000_000).to_string()),
        };
    }
    Axis {
        about,
        unit: lang.city_revenue().thousand_dong,
        write: Box::new(move |vnd| lang.number(vnd / 1_000)),
    }
}

/// Rows from the most to the least, with a bar behind each.
pub(super) fn ranking(
    title: &'static str,
    revenue: &Revenue,
    range: &Range,
    by: &'static str,
    lang: Lang,
) -> impl IntoView + use<> {
    let mut rows: Vec<_> = revenue.rows.clone();
    rows.sort_by_key(|row| std::cmp::Reverse(row.amount_vnd));
    let most = rows.first().map_or(1, |row| row.amount_vnd.max(1));
    let row = move |row: store::report::RevenueRow| {
        let share = row.amount_vnd * 100 / most;
        view! {
            <tr>
                <th scope="row">
                    {row.name}
                    {meter("", share)}
                </th>
                <td class="amount" data-vnd=row.amount_vnd.to_string() title=lang.money(Vnd::new(row.amount_vnd))>{millions(row.amount_vnd, lang)}</td>
            </tr>
        }
    };
    let rest = rows.split_off(rows.len().min(12));
    let count = rest.len();
    view! {
        <section class="card" data-by=by>
            <h2>{title} {csv(range, "revenue", &format!("&by={by}"))}</h2>
            {rows.is_empty().then(|| view! { <p class="empty">{lang.city_revenue().nothing_collected_yet}</p> })}
            <table class="grid">
                <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
            </table>
            {(count > 0).then(|| view! {
                <details>
                    <summary>{count} " " {lang.city_revenue().more}</summary>
                    <table class="grid"><tbody>{rest.into_iter().map(row).collect_view()}</tbody></table>
                </details>
            })}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millions_are_rounded_alike_whichever_way_they_went() {
        let told = [1_500_000, -1_500_000, 1_049_999, -1_050_000].map(|it| millions(it, Lang::En));
        assert_eq!(
            told.map(|it| it.replace('\u{a0}', " ")),
            ["1.5 M ₫", "−1.5 M ₫", "1.0 M ₫", "−1.1 M ₫"]
        );
    }
}
