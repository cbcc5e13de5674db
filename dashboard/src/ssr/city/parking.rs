//! How full the city was, and whether parking and payments agree.

use api::service::demand::WeekHour;
use leptos::prelude::*;
use store::report::SensedPaid;

use super::super::chart::{Axis, Bar, bars};
use super::weekday;
use crate::lang::Lang;

pub(super) fn percent(part: i64, whole: i64) -> i64 {
    if whole > 0 {
        (part.saturating_mul(100) + whole / 2) / whole
    } else {
        0
    }
}

pub(super) fn occupancy(hours: &[WeekHour], lang: Lang) -> impl IntoView + use<> {
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
        .map(|row| view! { <tr><th scope="row">{row.hour} ":00"</th><td class="amount">{if row.is_known() { format!("{} %", row.occupied_bp() / 100) } else { lang.words().unknown.to_owned() }}</td></tr> })
        .collect_view();
    view! {
        {bars(&drawn, &Axis {
            about: lang.city_parking().occupancy_by_hour,
            unit: lang.city_parking().of_bays_occupied_by_hour,
            write: Box::new(|bp| (bp / 100).to_string()),
        })}
        <details>
            <summary>{lang.city_parking().table}</summary>
            <table class="grid">
                <thead><tr><th>{lang.city_parking().hour}</th><th class="amount">{lang.city_parking().occupied}</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </details>
    }
}

pub(super) fn sensed_and_paid(days: &[SensedPaid], lang: Lang) -> impl IntoView + use<> {
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
    let hours = |seconds: i64| lang.number(seconds / 3600);
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
            about: lang.city_parking().hours_parked_and_paid,
            unit: lang.city_parking().hours,
            write: Box::new(move |hours| lang.number(hours)),
        })}
        <p class="legend">
            <span class="dot sensed"></span>{lang.city_parking().sensed_hours}
            <span class="dot paid"></span>{lang.city_parking().paid_hours}
        </p>
        <details>
            <summary>{lang.city_parking().table_hours}</summary>
            <table class="grid">
                <thead><tr>
                    <th>{lang.city_parking().day}</th>
                    <th class="amount">{lang.city_parking().sensed}</th>
                    <th class="amount">{lang.city_parking().paid}</th>
                    <th class="amount">"%"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </details>
    }
}
