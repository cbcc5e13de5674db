//! `/city`: what was collected, how full the city was, and whether the two agree.

use api::service::demand::{self, LotAdvice, WeekHour};
use api::service::report::{self, Range, Revenue};
use api::{ApiError, App};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{Datelike, Days, NaiveDate};
use domain::Timestamp;
use domain::advice::PriceRules;
use domain::money::Vnd;
use domain::place::VehicleClass;
use leptos::prelude::*;
use serde::Deserialize;
use store::report::{RevenueBy, SensedPaid};

use super::chart::{Axis, Bar, bars, meter};
use super::document::Document;
use super::parts::stat;
use super::{Reader, problem};
use crate::lang::Lang;

mod week;

#[derive(Deserialize)]
pub(crate) struct RangeQuery {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

/// By what revenue is broken down, with the title of each.
const BY: [(RevenueBy, &str, &str, &str); 6] = [
    (RevenueBy::Ward, "ward", "Theo phường", "By ward"),
    (RevenueBy::Zone, "zone", "Theo khu giá", "By price zone"),
    (RevenueBy::Lot, "lot", "Theo điểm đỗ", "By lot"),
    (
        RevenueBy::Operator,
        "operator",
        "Theo đơn vị",
        "By operator",
    ),
    (
        RevenueBy::Class,
        "class",
        "Theo loại xe",
        "By vehicle class",
    ),
    (
        RevenueBy::Method,
        "method",
        "Theo cách trả",
        "By payment method",
    ),
];

struct Figures {
    range: Range,
    by_day: Revenue,
    /// The days of the range that have ended, and what they and as many days before it brought.
    change: Option<Change>,
    /// In the order of [`BY`].
    parts: Vec<Revenue>,
    week: Vec<WeekHour>,
    parking: Vec<SensedPaid>,
    rules: PriceRules,
    advice: Vec<LotAdvice>,
}

pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Response {
    // A day that cannot be read is as none: the page shows the last week.
    let query = query.map_or(
        RangeQuery {
            from: None,
            to: None,
        },
        |Query(query)| query,
    );
    match load(&app, &query).await {
        Ok(figures) => {
            let lang = reader.lang;
            let title = lang.t("Thành phố", "City");
            let city = app.city.name.clone();
            Document {
                title,
                active: "/city",
                live: None,
            }
            .page(&reader, move || view(figures, &city, lang))
        }
        Err(error) => problem(&reader, &error),
    }
}

async fn load(app: &App, query: &RangeQuery) -> Result<Figures, ApiError> {
    let now = App::now();
    let range = Range::new(app, query.from, query.to, now)?;
    let finished = finished(app, range, now);
    let (by_day, before, week, parking, (rules, advice)) = tokio::try_join!(
        report::revenue(app, range, RevenueBy::Day),
        async {
            match finished {
                Some((_, before)) => Some(report::revenue(app, before, RevenueBy::Day).await),
                None => None,
            }
            .transpose()
        },
        demand::week(app, range, now),
        report::sensed_paid(app, range, now),
        demand::advice(app, range, now),
    )?;
    let change = finished.zip(before).map(|((days, before), then)| Change {
        days,
        before,
        vnd: until(&by_day, days.to),
        before_vnd: then.total_vnd,
    });
    let mut parts = Vec::new();
    for (by, ..) in BY {
        let mut part = report::revenue(app, range, by).await?;
        if by == RevenueBy::Method {
            for row in &mut part.rows {
                let gateway = app
                    .gateways
                    .iter()
                    .find(|gateway| gateway.code() == row.key);
                row.name = gateway.map_or(row.key.clone(), |gateway| gateway.name().to_owned());
            }
        }
        parts.push(part);
    }
    Ok(Figures {
        range,
        by_day,
        change,
        parts,
        week,
        parking,
        rules,
        advice,
    })
}

/// Finished days against as many days before them.
struct Change {
    days: Range,
    before: Range,
    vnd: i64,
    before_vnd: i64,
}

/// The days of a range that have ended, and as many before them; `None` where none has.
fn finished(app: &App, range: Range, now: Timestamp) -> Option<(Range, Range)> {
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
fn until(by_day: &Revenue, last: NaiveDate) -> i64 {
    let last = last.to_string();
    let days = by_day.rows.iter().filter(|row| row.key <= last);
    days.map(|row| row.amount_vnd).sum()
}

fn view(figures: Figures, city: &str, lang: Lang) -> impl IntoView + use<> {
    let Figures {
        range,
        by_day,
        change,
        parts,
        week,
        parking,
        rules,
        advice,
    } = figures;
    let day = demand::by_hour(&week);
    let receipts: i64 = by_day.rows.iter().map(|row| row.receipts).sum();
    let (sensed, paid) = parking.iter().fold((0, 0), |sum, day| {
        (sum.0 + day.sensed_s, sum.1 + day.paid_s)
    });
    let stays: i64 = parking.iter().map(|day| day.stays).sum();
    let peak = day
        .iter()
        .filter(|hour| hour.is_known())
        .max_by_key(|hour| hour.occupied_bp());
    let (fullest, when) = match peak {
        Some(hour) => (
            format!("{} %", hour.occupied_bp() / 100),
            format!("{}:00 – {}:00", hour.hour, hour.hour + 1),
        ),
        None => ("?".to_owned(), lang.t("không rõ", "not known").to_owned()),
    };
    let total = by_day.total_vnd;
    let total_text = Vnd::new(total).to_string();
    let change = change.map(|change| change_text(&change, lang));
    let parts = BY
        .into_iter()
        .zip(parts)
        .map(|((_, by, vi, en), mut part)| {
            if by == "class" {
                for row in &mut part.rows {
                    let class = VehicleClass::from_code(&row.key);
                    row.name = class.map_or(row.key.clone(), |class| lang.class(class).to_owned());
                }
            }
            ranking(lang.t(vi, en), &part, &range, by, lang)
        });
    let parts = parts.collect_view();
    view! {
        <header class="city-head">
            <div>
                <h1>{city.to_owned()} ": " {lang.t("thu phí đỗ xe", "parking revenue")}</h1>
                <p class="note">{lang.t("Số liệu từ chính các biên lai mà người lái xe giữ.", "From the very receipts that drivers hold.")}</p>
            </div>
            <form class="range" method="get" action="/city">
                {presets(range, lang)}
                <label><span>{lang.t("Từ", "From")}</span><input type="date" name="from" value=range.from.to_string() /></label>
                <label><span>{lang.t("Đến", "To")}</span><input type="date" name="to" value=range.to.to_string() /></label>
                <button>{lang.t("Xem", "Show")}</button>
            </form>
        </header>
        <div class="stats">
            <div class="stat lead" data-total=total.to_string()>
                <small>{lang.t("Tổng thu", "Collected")}</small>
                <b>{total_text}</b>
                <span>{range.from.format("%d/%m").to_string()} " – " {range.to.format("%d/%m/%Y").to_string()}</span>
                <span class="change">{change}</span>
            </div>
            {stat(Vnd::new(receipts).grouped('.'), lang.t("Biên lai", "Receipts"), average(total, receipts, lang))}
            {stat(format!("{} %", percent(paid, sensed)), lang.t("Giờ đỗ đã trả tiền", "Parked time that was paid"), format!("{} {}", Vnd::new(stays).grouped('.'), lang.t("lượt đỗ cảm biến thấy", "stays sensed")))}
            {stat(fullest, lang.t("Lúc đông nhất", "At its fullest"), when)}
        </div>
        <section class="card">
            <h2>{lang.t("Thu theo ngày", "Revenue by day")} {csv(&range, "revenue", "&by=day")}</h2>
            {days(&by_day, lang)}
            <p class="source">{lang.t(
                "Nguồn: biên lai, trừ các khoản đã hoàn, theo ngày lập.",
                "Source: receipts, less what was refunded, by the day of issue.",
            )}</p>
        </section>
        <div class="three">{parts}</div>
        <div class="two">
            <section class="card">
                <h2>{lang.t("Đỗ xe và trả tiền", "Parking against payments")} {csv(&range, "parking", "")}</h2>
                {sensed_and_paid(&parking, lang)}
            </section>
            <section class="card">
                <h2>{lang.t("Độ kín chỗ trong ngày", "Occupancy over the day")} {csv(&range, "week", "")}</h2>
                {occupancy(&day, lang)}
            </section>
        </div>
        {week::price_advice(rules, advice, &range, lang)}
        {week::heat_maps(&week, &range, lang)}
    }
}

fn percent(part: i64, whole: i64) -> i64 {
    if whole > 0 {
        (part.saturating_mul(100) + whole / 2) / whole
    } else {
        0
    }
}

fn average(total: i64, receipts: i64, lang: Lang) -> String {
    match receipts {
        0 => lang.t("chưa có", "none yet").to_owned(),
        _ => format!(
            "{} {}",
            lang.t("trung bình", "on average"),
            Vnd::new(total / receipts)
        ),
    }
}

/// How much more or less than before it was.
fn change_text(change: &Change, lang: Lang) -> String {
    let dates = |range: Range| {
        format!(
            "{}–{}",
            range.from.format("%d/%m"),
            range.to.format("%d/%m")
        )
    };
    let (days, before) = (dates(change.days), dates(change.before));
    let than = lang.t("so với", "against");
    if change.before_vnd <= 0 {
        let none = lang.t("chưa có khoản thu", "nothing collected");
        return format!("{before}: {none}");
    }
    let more = i128::from(change.vnd - change.before_vnd) * 100 / i128::from(change.before_vnd);
    let sign = if more < 0 { "−" } else { "+" };
    format!("{days}: {sign}{} % {than} {before}", more.abs())
}

/// Periods that people ask for most.
fn presets(range: Range, lang: Lang) -> impl IntoView + use<> {
    let back = |days: u64| range.to - Days::new(days);
    let month = range.to.with_day(1).unwrap_or(range.to);
    let offered = [
        (lang.t("7 ngày", "7 days"), back(6)),
        (lang.t("30 ngày", "30 days"), back(29)),
        (lang.t("Từ đầu tháng", "This month"), month),
    ];
    let links = offered.map(|(text, from)| {
        let current = (range.from == from).then_some("true");
        view! { <a class="chip" aria-current=current href=format!("/city?from={from}&to={}", range.to)>{text}</a> }
    });
    view! { <span class="chips">{links.into_iter().collect_view()}</span> }
}

fn csv(range: &Range, report: &'static str, more: &str) -> impl IntoView + use<> {
    let href = format!(
        "/api/v1/reports/{report}?from={}&to={}{more}&format=csv",
        range.from, range.to
    );
    view! { <a class="csv" href=href download>"CSV"</a> }
}

/// Millions of đồng, rounded to one digit after the comma.
fn millions(amount: i64, lang: Lang) -> String {
    let tenths = (amount + 50_000).div_euclid(100_000);
    let (whole, tenth) = (tenths.div_euclid(10), tenths.rem_euclid(10));
    match lang {
        Lang::Vi => format!("{whole},{tenth} tr"),
        Lang::En => format!("{whole}.{tenth} M"),
    }
}

fn weekday(day: &str, lang: Lang) -> String {
    let Ok(date) = day.parse::<NaiveDate>() else {
        return day.to_owned();
    };
    let name = week::weekday_name(date.weekday().num_days_from_monday(), lang);
    format!("{name} {}", date.format("%d/%m"))
}

fn days(revenue: &Revenue, lang: Lang) -> impl IntoView + use<> {
    let drawn: Vec<Bar> = revenue
        .rows
        .iter()
        .map(|row| Bar {
            label: if revenue.rows.len() > 14 {
                row.key[5..].to_owned()
            } else {
                weekday(&row.key, lang)
            },
            value: row.amount_vnd,
            part: row.amount_vnd,
            title: format!("{}: {}", row.key, Vnd::new(row.amount_vnd)),
        })
        .collect();
    let rows = revenue
        .rows
        .iter()
        .map(|row| {
            view! {
                <tr>
                    <th scope="row">{weekday(&row.key, lang)}</th>
                    <td class="amount">{Vnd::new(row.receipts).grouped('.')}</td>
                    <td class="amount">{Vnd::new(row.amount_vnd).to_string()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="chart-and-table">
            {bars(&drawn, &money_axis(&drawn, lang))}
            <div class="scroll">
                <table class="grid">
                    <thead><tr>
                        <th>{lang.t("Ngày", "Day")}</th>
                        <th class="amount">{lang.t("Biên lai", "Receipts")}</th>
                        <th class="amount">{lang.t("Thu", "Revenue")}</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                    <tfoot><tr>
                        <th scope="row">{lang.t("Tổng", "Total")}</th>
                        <td></td>
                        <td class="amount">{Vnd::new(revenue.total_vnd).to_string()}</td>
                    </tr></tfoot>
                </table>
            </div>
        </div>
    }
}

/// Millions where there are millions, else thousands.
fn money_axis(bars: &[Bar], lang: Lang) -> Axis {
    let about = lang.t("Thu theo ngày", "Revenue by day");
    if bars.iter().any(|bar| bar.value >= 10_000_000) {
        return Axis {
            about,
            unit: lang.t("triệu đồng", "million đồng"),
            write: |vnd| (vnd / 1_000_000).to_string(),
        };
    }
    Axis {
        about,
        unit: lang.t("nghìn đồng", "thousand đồng"),
        write: |vnd| Vnd::new(vnd / 1_000).grouped('.'),
    }
}

fn occupancy(hours: &[WeekHour], lang: Lang) -> impl IntoView + use<> {
    let drawn: Vec<Bar> = hours
        .iter()
        .map(|row| Bar {
            label: row.hour.to_string(),
            value: i64::from(row.occupied_bp()),
            part: 0,
            title: format!("{}:00: {} %", row.hour, row.occupied_bp() / 100),
        })
        .collect();
    let rows = hours
        .iter()
        .map(|row| view! { <tr><th scope="row">{row.hour} ":00"</th><td class="amount">{if row.is_known() { format!("{} %", row.occupied_bp() / 100) } else { lang.t("không rõ", "unknown").to_owned() }}</td></tr> })
        .collect_view();
    view! {
        {bars(&drawn, &Axis {
            about: lang.t("Độ kín chỗ theo giờ", "Occupancy by hour"),
            unit: lang.t("% chỗ có xe, theo giờ", "% of bays occupied, by hour"),
            write: |bp| (bp / 100).to_string(),
        })}
        <details>
            <summary>{lang.t("Bảng số", "Table")}</summary>
            <table class="grid">
                <thead><tr><th>{lang.t("Giờ", "Hour")}</th><th class="amount">{lang.t("Có xe", "Occupied")}</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </details>
    }
}

fn sensed_and_paid(days: &[SensedPaid], lang: Lang) -> impl IntoView + use<> {
    let drawn: Vec<Bar> = days
        .iter()
        .map(|day| Bar {
            label: if days.len() > 14 {
                day.day.format("%d/%m").to_string()
            } else {
                weekday(&day.day.to_string(), lang)
            },
            value: day.sensed_s / 3600,
            part: day.paid_s / 3600,
            title: format!("{}: {} %", day.day, percent(day.paid_s, day.sensed_s)),
        })
        .collect();
    let hours = |seconds: i64| Vnd::new(seconds / 3600).grouped('.');
    let rows = days
        .iter()
        .map(|day| {
            view! {
                <tr>
                    <th scope="row">{weekday(&day.day.to_string(), lang)}</th>
                    <td class="amount">{hours(day.sensed_s)}</td>
                    <td class="amount">{hours(day.paid_s)}</td>
                    <td class="amount">{percent(day.paid_s, day.sensed_s)} " %"</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        {bars(&drawn, &Axis {
            about: lang.t("Giờ đỗ và giờ đã trả", "Hours parked and paid"),
            unit: lang.t("giờ", "hours"),
            write: |hours| Vnd::new(hours).grouped('.'),
        })}
        <p class="legend">
            <span class="dot sensed"></span>{lang.t("cảm biến thấy", "sensed")}
            <span class="dot paid"></span>{lang.t("đã trả tiền", "paid")}
        </p>
        <details>
            <summary>{lang.t("Bảng số (giờ)", "Table (hours)")}</summary>
            <table class="grid">
                <thead><tr>
                    <th>{lang.t("Ngày", "Day")}</th>
                    <th class="amount">{lang.t("Thấy", "Sensed")}</th>
                    <th class="amount">{lang.t("Trả", "Paid")}</th>
                    <th class="amount">"%"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </details>
    }
}

/// Rows from the most to the least, with a bar behind each.
fn ranking(
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
                <td class="amount" title=Vnd::new(row.amount_vnd).to_string()>{millions(row.amount_vnd, lang)}</td>
            </tr>
        }
    };
    let rest = rows.split_off(rows.len().min(12));
    let count = rest.len();
    view! {
        <section class="card">
            <h2>{title} {csv(range, "revenue", &format!("&by={by}"))}</h2>
            {rows.is_empty().then(|| view! { <p class="empty">{lang.t("Chưa có khoản thu nào.", "Nothing collected yet.")}</p> })}
            <table class="grid">
                <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
            </table>
            {(count > 0).then(|| view! {
                <details>
                    <summary>{count} " " {lang.t("nữa", "more")}</summary>
                    <table class="grid"><tbody>{rest.into_iter().map(row).collect_view()}</tbody></table>
                </details>
            })}
        </section>
    }
}
