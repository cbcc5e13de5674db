//! `/city`: what was collected, how full the city was, and whether the two agree.

use api::service::report::{self, HourShare, Range, Revenue};
use api::{ApiError, App};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{Datelike, NaiveDate};
use domain::money::Vnd;
use leptos::prelude::*;
use serde::Deserialize;
use store::report::{RevenueBy, SensedPaid};

use super::chart::{Bar, bars};
use super::document::Document;
use super::parts::stat;
use super::{Reader, problem};
use crate::lang::Lang;

#[derive(Deserialize)]
pub(crate) struct RangeQuery {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
}

struct Figures {
    range: Range,
    by_day: Revenue,
    by_ward: Revenue,
    by_lot: Revenue,
    by_operator: Revenue,
    hours: Vec<HourShare>,
    parking: Vec<SensedPaid>,
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
    let (by_day, by_ward, by_lot, by_operator, hours, parking) = tokio::try_join!(
        report::revenue(app, range, RevenueBy::Day),
        report::revenue(app, range, RevenueBy::Ward),
        report::revenue(app, range, RevenueBy::Lot),
        report::revenue(app, range, RevenueBy::Operator),
        report::occupancy(app, range, now),
        report::sensed_paid(app, range, now),
    )?;
    Ok(Figures {
        range,
        by_day,
        by_ward,
        by_lot,
        by_operator,
        hours,
        parking,
    })
}

fn view(figures: Figures, city: &str, lang: Lang) -> impl IntoView + use<> {
    let Figures {
        range,
        by_day,
        by_ward,
        by_lot,
        by_operator,
        hours,
        parking,
    } = figures;
    let receipts: i64 = by_day.rows.iter().map(|row| row.receipts).sum();
    let (sensed, paid) = parking.iter().fold((0, 0), |sum, day| {
        (sum.0 + day.sensed_s, sum.1 + day.paid_s)
    });
    let stays: i64 = parking.iter().map(|day| day.stays).sum();
    let peak = hours
        .iter()
        .max_by_key(|hour| hour.occupied_bp)
        .map_or((0, 0), |hour| (hour.hour, hour.occupied_bp));
    let total = by_day.total_vnd;
    let total_text = Vnd::new(total).to_string();
    view! {
        <header class="city-head">
            <div>
                <h1>{city.to_owned()} ": " {lang.t("thu phí đỗ xe", "parking revenue")}</h1>
                <p class="note">{lang.t("Số liệu từ chính các biên lai mà người lái xe giữ.", "From the very receipts that drivers hold.")}</p>
            </div>
            <form class="range" method="get" action="/city">
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
            </div>
            {stat(Vnd::new(receipts).grouped('.'), lang.t("Biên lai", "Receipts"), average(total, receipts, lang))}
            {stat(format!("{} %", percent(paid, sensed)), lang.t("Giờ đỗ đã trả tiền", "Parked time that was paid"), format!("{} {}", Vnd::new(stays).grouped('.'), lang.t("lượt đỗ cảm biến thấy", "stays sensed")))}
            {stat(format!("{} %", peak.1 / 100), lang.t("Lúc đông nhất", "At its fullest"), format!("{}:00 – {}:00", peak.0, peak.0 + 1))}
        </div>
        <section class="card">
            <h2>{lang.t("Thu theo ngày", "Revenue by day")} {csv(&range, "day")}</h2>
            {days(&by_day, lang)}
        </section>
        <div class="two">
            <section class="card">
                <h2>{lang.t("Độ kín chỗ trong ngày", "Occupancy over the day")}</h2>
                {occupancy(&hours, lang)}
            </section>
            <section class="card">
                <h2>{lang.t("Đỗ xe và trả tiền", "Parking against payments")}</h2>
                {sensed_and_paid(&parking, lang)}
            </section>
        </div>
        <div class="three">
            {ranking(lang.t("Theo phường", "By ward"), &by_ward, &range, "ward", lang)}
            {ranking(lang.t("Theo điểm đỗ", "By lot"), &by_lot, &range, "lot", lang)}
            {ranking(lang.t("Theo đơn vị", "By operator"), &by_operator, &range, "operator", lang)}
        </div>
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

fn csv(range: &Range, by: &'static str) -> impl IntoView + use<> {
    let href = format!(
        "/api/v1/reports/revenue?from={}&to={}&by={by}&format=csv",
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
    let index = date.weekday().num_days_from_monday() as usize;
    let vi = ["T2", "T3", "T4", "T5", "T6", "T7", "CN"];
    let en = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let name = if lang == Lang::Vi {
        vi[index]
    } else {
        en[index]
    };
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
            {bars(&drawn, lang.t("Thu theo ngày", "Revenue by day"))}
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

fn occupancy(hours: &[HourShare], lang: Lang) -> impl IntoView + use<> {
    let drawn: Vec<Bar> = hours
        .iter()
        .map(|row| Bar {
            label: format!("{} h", row.hour),
            value: i64::from(row.occupied_bp),
            part: 0,
            title: format!("{}:00: {} %", row.hour, row.occupied_bp / 100),
        })
        .collect();
    let rows = hours
        .iter()
        .map(|row| view! { <tr><th scope="row">{row.hour} ":00"</th><td class="amount">{row.occupied_bp / 100} " %"</td></tr> })
        .collect_view();
    view! {
        {bars(&drawn, lang.t("Độ kín chỗ theo giờ", "Occupancy by hour"))}
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
            value: day.sensed_s,
            part: day.paid_s,
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
        {bars(&drawn, lang.t("Giờ đỗ và giờ đã trả", "Hours parked and paid"))}
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
                    <span class="meter" aria-hidden="true"><i style=format!("width:{share}%")></i></span>
                </th>
                <td class="amount" title=Vnd::new(row.amount_vnd).to_string()>{millions(row.amount_vnd, lang)}</td>
            </tr>
        }
    };
    let rest = rows.split_off(rows.len().min(12));
    let count = rest.len();
    view! {
        <section class="card">
            <h2>{title} {csv(range, by)}</h2>
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
