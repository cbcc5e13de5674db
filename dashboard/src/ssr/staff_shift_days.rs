//! The days of the shift plan: who is where, and which charged hours have nobody.

use api::service::shift_plan::PlannedDay;
use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::shift::Span;
use leptos::prelude::*;
use store::shift::PlannedShift;

use crate::lang::Lang;

/// The days, those of this week that are past folded away.
pub(super) fn days_view(
    days: Vec<PlannedDay>,
    city: bool,
    tz: Tz,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView {
    let today = now.with_timezone(&tz).date_naive();
    let (past, coming): (Vec<_>, Vec<_>) = days.into_iter().partition(|day| day.day < today);
    let view = move |day: PlannedDay| day_view(day, city, tz, lang);
    let past = past.into_iter().map(view).collect_view();
    let coming = coming.into_iter().map(view).collect_view();
    let monday = today.weekday().num_days_from_monday() == 0;
    view! {
        {(!monday).then(|| view! {
            <details class="card"><summary>{lang.staff_shift_days().earlier_this_week}</summary>{past}</details>
        })}
        {coming}
    }
}

fn day_view(day: PlannedDay, city: bool, tz: Tz, lang: Lang) -> AnyView {
    let PlannedDay { day, shifts, gaps } = day;
    let empty = shifts.is_empty();
    let entry = move |shift: PlannedShift| {
        let operator = city.then(|| shift.operator.clone()).flatten();
        let out = shift.shut_out.then(|| lang.staff_shift_days().shut_out);
        view! {
            <li>
                <b>{hours((shift.starts_at, shift.ends_at), tz, lang)}</b>
                <span>{shift.name} {operator.map(|code| format!(" · {code}"))} {out}</span>
                <span>{shift.lots.join(", ")}</span>
                {(!shift.note.is_empty()).then(|| view! { <small>{shift.note.clone()}</small> })}
                <span class="links">
                    <a href=format!("/staff/shifts/{}", shift.id)>{lang.staff_shift_days().change}</a>
                    <a href=format!("/staff/shift?planned={}", shift.id)>{lang.staff_shift_days().summary}</a>
                </span>
            </li>
        }
    };
    let gap_count: usize = gaps.len();
    let gap = move |(span, lots): (Span, Vec<String>)| {
        view! { <li><b>{hours(span, tz, lang)}</b> " " {lots.join(", ")}</li> }
    };
    view! {
        <section class="card day" data-day=day.to_string()>
            <h2>{day_words(day, lang)}</h2>
            {empty.then(|| view! { <p class="empty">{lang.staff_shift_days().nobody_is_planned}</p> })}
            <ul class="shifts">{shifts.into_iter().map(entry).collect_view()}</ul>
            {(gap_count > 0).then(|| view! {
                <details class="gaps">
                    <summary>{lang.staff_shift_days().charged_hours_without_anybody} " (" {gap_count} ")"</summary>
                    <ul>{gaps.into_iter().map(gap).collect_view()}</ul>
                </details>
            })}
        </section>
    }
    .into_any()
}

/// From when until when by the local clock; told where it ends on another day.
pub(super) fn hours((from, until): Span, tz: Tz, lang: Lang) -> String {
    let (from, until) = (from.with_timezone(&tz), until.with_timezone(&tz));
    let end = match until.format("%H:%M").to_string() {
        end if end == "00:00" => "24:00".to_owned(),
        end if until.date_naive() > from.date_naive() => {
            format!("{end} {}", lang.staff_shift_days().next_day)
        }
        end => end,
    };
    format!("{}–{end}", from.format("%H:%M"))
}

/// A day in words, with its day of the week.
pub(super) fn day_words(day: NaiveDate, lang: Lang) -> String {
    let names = match lang {
        Lang::Vi => [
            "Thứ Hai",
            "Thứ Ba",
            "Thứ Tư",
            "Thứ Năm",
            "Thứ Sáu",
            "Thứ Bảy",
            "Chủ nhật",
        ],
        Lang::En => [
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
        ],
    };
    let name = names[day.weekday().num_days_from_monday() as usize % 7];
    format!("{name} {}", day.format("%d/%m"))
}
