//! How full a lot will be in the next two hours, as a drawing and in words.

use api::service::forecast::Outlook;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::forecast::{ForecastStep, NoForecast};
use domain::offer::free_bays;
use leptos::prelude::*;

use super::parts::clock;
use crate::lang::Lang;

const WIDTH: i64 = 480;
const HEIGHT: i64 = 140;
/// Room for the values on the left, and for the times below.
const LEFT: i64 = 40;
const FOOT: i64 = 24;
/// Which quarters of an hour are said in words: after 15 and 30 minutes, one hour and two.
const SAID: [usize; 4] = [0, 1, 3, 7];

/// Free places in the next two hours, or why nothing can be said.
pub(super) fn outlook(found: Outlook, tz: Tz, now: Timestamp, lang: Lang) -> impl IntoView {
    let capacity = found.lot.capacity;
    let body = match found.steps {
        Ok(steps) if !steps.is_empty() => drawn(&steps, capacity, tz, now, lang).into_any(),
        Ok(_) => view! { <p class="empty">{why(NoForecast::UnknownTime, lang)}</p> }.into_any(),
        Err(error) => view! { <p class="empty">{why(error, lang)}</p> }.into_any(),
    };
    view! {
        <section class="card">
            <h2>{lang.outlook().the_next_two_hours}</h2>
            {body}
        </section>
    }
}

fn why(error: NoForecast, lang: Lang) -> &'static str {
    match error {
        NoForecast::ShortHistory => lang.outlook().less_than_two_weeks_known,
        NoForecast::PresentUnknown => lang.outlook().too_few_sensors_heard_moment,
        NoForecast::UnknownTime | NoForecast::LearntLater => lang.outlook().nothing_known_time_day,
    }
}

fn drawn(
    steps: &[ForecastStep],
    capacity: u32,
    tz: Tz,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let count = i64::try_from(steps.len()).unwrap_or(1);
    let x = |index: i64| LEFT + (WIDTH - LEFT - 20) * (index + 1) / count;
    let y = |occupied_bp: u32| {
        let free = i64::from(10_000_u32.saturating_sub(occupied_bp));
        8 + (HEIGHT - 8) * (10_000 - free) / 10_000
    };
    let point =
        |(index, bp): (usize, u32)| format!("{},{}", x(i64::try_from(index).unwrap_or(0)), y(bp));
    let low = steps.iter().map(|step| step.low_bp).enumerate();
    let high = steps.iter().map(|step| step.high_bp).enumerate().rev();
    let range: Vec<String> = low.chain(high).map(point).collect();
    let expected: Vec<String> = steps
        .iter()
        .map(|step| step.expected_bp)
        .enumerate()
        .map(point)
        .collect();
    let lines = [0, 5_000, 10_000]
        .map(|bp| {
            let y = y(bp).to_string();
            view! {
                <line class="axis" x1=LEFT.to_string() y1=y.clone() x2=WIDTH.to_string() y2=y.clone() />
                <text class="value" x=(LEFT - 6).to_string() y=y dy="5">{free_bays(capacity, bp)}</text>
            }
        })
        .into_iter()
        .collect_view();
    let times = steps
        .iter()
        .enumerate()
        .skip(1)
        .step_by(2)
        .map(|(index, step)| {
            let x = x(i64::try_from(index).unwrap_or(0));
            view! { <text class="time" x=x.to_string() y=(HEIGHT + 18).to_string()>{clock(step.at, tz, now)}</text> }
        })
        .collect_view();
    let about = lang.outlook().free_bays_expected;
    let said = SAID
        .iter()
        .filter_map(|index| steps.get(*index))
        .map(|step| {
            // The more is occupied, the fewer are free.
            let (least, most) = (
                free_bays(capacity, step.high_bp),
                free_bays(capacity, step.low_bp),
            );
            view! {
                <tr>
                    <th scope="row">{clock(step.at, tz, now)}</th>
                    <td class="amount"><b>{free_bays(capacity, step.expected_bp)}</b></td>
                    <td class="amount">{least} "–" {most}</td>
                </tr>
            }
        });
    view! {
        <svg class="outlook" viewBox=format!("0 0 {WIDTH} {}", HEIGHT + FOOT) role="img" aria-label=about>
            {lines}
            <polygon class="range" points=range.join(" ") />
            <polyline class="expected" points=expected.join(" ") />
            {times}
        </svg>
        <table class="grid">
            <thead><tr>
                <th scope="col">{lang.words().at}</th>
                <th scope="col" class="amount">{lang.outlook().free}</th>
                <th scope="col" class="amount">{lang.outlook().n_8_times_in_10}</th>
            </tr></thead>
            <tbody>{said.collect_view()}</tbody>
        </table>
        <p class="source">{lang.outlook().foretold_from_lot_own_past}</p>
    }
}
