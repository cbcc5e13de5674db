//! How full the city was by hour and weekday, and what that advises about its prices.

use api::service::demand::{LotAdvice, WeekHour};
use api::service::report::Range;
use chrono::{Datelike, NaiveDate, NaiveDateTime};
use domain::advice::{Advice, Band, PriceRules};
use leptos::prelude::*;

use super::csv;
use crate::lang::Lang;

/// How many rows of advice stand open.
const OPEN: usize = 10;

pub(super) fn weekday_name(weekday: u32, lang: Lang) -> &'static str {
    let vi = ["T2", "T3", "T4", "T5", "T6", "T7", "CN"];
    let en = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let names = if lang == Lang::Vi { vi } else { en };
    names[(weekday % 7) as usize]
}

/// Hours down, weekdays across: it fits a phone, and is its own table.
pub(super) fn heat_maps(
    week: &[WeekHour],
    range: &Range,
    now: NaiveDateTime,
    lang: Lang,
) -> impl IntoView + use<> {
    let days: Vec<NaiveDate> = range
        .from
        .iter_days()
        .take_while(|day| *day <= range.to)
        .collect();
    let to_come = |weekday: u32, hour: u32| {
        let of_weekday = |day: &&NaiveDate| day.weekday().num_days_from_monday() == weekday;
        let mut days = days.iter().filter(of_weekday).peekable();
        days.peek().is_some()
            && days.all(|day| day.and_hms_opt(hour, 0, 0).is_some_and(|at| at > now))
    };
    let most = week.iter().map(WeekHour::arrivals_per_100).max();
    let most = most.unwrap_or(0).max(1);
    let occupied = heat_map(
        week,
        lang.city_week().percent_bays_occupied_hour_weekday,
        &|hour| {
            (
                i64::from(hour.occupied_bp()) / 100,
                i64::from(hour.occupied_bp()) / 1_000,
            )
        },
        &to_come,
        lang,
    );
    let turnover = heat_map(
        week,
        lang.city_week().vehicles_came_100_bays_hour,
        &move |hour| (hour.arrivals_per_100(), hour.arrivals_per_100() * 9 / most),
        &to_come,
        lang,
    );
    view! {
        <div class="two">
            <section class="card">
                <h2>{lang.city_week().occupancy} {csv(range, "week", "")}</h2>
                {occupied}
                <p class="source">{lang.city_week().source_sensors_only_time_which}</p>
            </section>
            <section class="card">
                <h2>{lang.city_week().turnover} {csv(range, "week", "")}</h2>
                {turnover}
                <p class="source">{lang.city_week().source_sensors_vehicles_came_hundred}</p>
            </section>
        </div>
    }
}

/// `cell` is what stands in an hour's cell, and its shade from 0 to 9.
fn heat_map(
    week: &[WeekHour],
    about: &'static str,
    cell: &dyn Fn(&WeekHour) -> (i64, i64),
    to_come: &dyn Fn(u32, u32) -> bool,
    lang: Lang,
) -> impl IntoView + use<> {
    let heads = (0..7)
        .map(|weekday| view! { <th scope="col">{weekday_name(weekday, lang)}</th> })
        .collect_view();
    let row = |hour: u32| {
        let cells = (0..7)
            .map(|weekday| {
                let found = week
                    .iter()
                    .find(|found| (found.weekday, found.hour) == (weekday, hour));
                let (class, text) = match found.filter(|found| found.is_known()) {
                    Some(found) => {
                        let (value, shade) = cell(found);
                        (format!("h{}", shade.clamp(0, 9)), value.to_string())
                    }
                    // An hour that is yet to come is no sensor's fault.
                    None if to_come(weekday, hour) => {
                        ("to-come".to_owned(), lang.city().not_yet.to_owned())
                    }
                    None => ("none".to_owned(), lang.words().unknown.to_owned()),
                };
                view! { <td class=class>{text}</td> }
            })
            .collect_view();
        view! { <tr><th scope="row">{format!("{hour:02}")}</th>{cells}</tr> }
    };
    view! {
        <table class="heat">
            <caption>{about}</caption>
            <thead><tr><th scope="col">{lang.city_week().hour}</th>{heads}</tr></thead>
            <tbody>{(0..24).map(row).collect_view()}</tbody>
        </table>
    }
}

/// Which prices the city's rules would change, those furthest from the mark first.
pub(super) fn price_advice(
    rules: PriceRules,
    mut rows: Vec<LotAdvice>,
    range: &Range,
    lang: Lang,
) -> impl IntoView + use<> {
    let all = rows.len();
    rows.retain(|row| matches!(row.advice, Advice::Raise { .. } | Advice::Lower { .. }));
    let away = |row: &LotAdvice| match row.advice {
        Advice::Raise { .. } => row.used.occupied_bp.abs_diff(rules.raise_from_bp) + 10_000,
        _ => row.used.occupied_bp.abs_diff(rules.lower_below_bp),
    };
    rows.sort_by_key(|row| std::cmp::Reverse(away(row)));
    let rest = rows.split_off(rows.len().min(OPEN));
    let count = rest.len();
    let (raise, lower) = (rules.raise_from_bp / 100, rules.lower_below_bp / 100);
    let (step, floor, ceiling) = (
        lang.money(rules.step_vnd),
        lang.money(rules.floor_vnd),
        lang.money(rules.ceiling_vnd),
    );
    let rule = match lang {
        Lang::Vi => format!(
            "Quy tắc của thành phố: có xe từ {raise} % thời gian thì tăng, dưới {lower} % thì giảm, mỗi lần {step}/giờ, không dưới {floor} và không quá {ceiling}. Đây là gợi ý; giá do thành phố quyết định."
        ),
        Lang::En => format!(
            "The city's rules: raise from {raise} % occupied, lower below {lower} %, by {step} an hour at a time, never below {floor} nor above {ceiling}. This is advice; the city decides."
        ),
    };
    let table = move |rows: Vec<LotAdvice>| {
        view! {
            <table class="grid rows">
                <thead><tr>
                    <th scope="col">{lang.words().lot}</th>
                    <th scope="col">{lang.city_week().when}</th>
                    <th scope="col" class="amount">{lang.city_week().occupied}</th>
                    <th scope="col" class="amount">{lang.city_week().one_hour}</th>
                    <th scope="col">{lang.city_week().advice}</th>
                </tr></thead>
                <tbody>{rows.into_iter().map(|row| advice_row(row, lang)).collect_view()}</tbody>
            </table>
        }
    };
    let empty = rows.is_empty();
    let nothing = match all {
        0 => lang.city_week().there_no_prices_or_figures,
        _ => lang.city_week().no_price_needs_to_change,
    };
    view! {
        <section class="card">
            <h2>{lang.city_week().price_advice} {csv(range, "price-advice", "")}</h2>
            <p class="note">{rule}</p>
            {empty.then(|| view! { <p class="empty">{nothing}</p> })}
            {(!empty).then(|| table(rows))}
            {(count > 0).then(|| view! {
                <details>
                    <summary>{count} " " {lang.city_week().more}</summary>
                    {table(rest)}
                </details>
            })}
        </section>
    }
}

fn advice_row(row: LotAdvice, lang: Lang) -> impl IntoView {
    let (class, text) = match row.advice {
        Advice::Raise { to_vnd } => (
            "raise",
            format!(
                "↑ {} — {}",
                lang.money(to_vnd),
                lang.city_week().places_are_hard_to_find
            ),
        ),
        Advice::Lower { to_vnd } => (
            "lower",
            format!(
                "↓ {} — {}",
                lang.money(to_vnd),
                lang.city_week().places_stand_empty
            ),
        ),
        _ => ("", lang.city_week().hold.to_owned()),
    };
    view! {
        <tr>
            <th scope="row"><a href=format!("/lots/{}", row.lot)>{row.name}</a> <small>{lang.class(row.class)}</small></th>
            <td>{when(row.band, lang)}</td>
            <td class="amount" data-label=lang.city_week().occupied>{row.used.occupied_bp / 100} " %"</td>
            <td class="amount" data-label=lang.city_week().one_hour>{lang.money(row.price_vnd)}</td>
            <td class=class data-label=lang.city_week().advice>{text}</td>
        </tr>
    }
}

fn when(band: Band, lang: Lang) -> String {
    let days = match band.weekend {
        true => lang.city_week().sat_sun,
        false => lang.city_week().mon_fri,
    };
    format!("{days} {}–{} h", band.from_hour, band.to_hour)
}
