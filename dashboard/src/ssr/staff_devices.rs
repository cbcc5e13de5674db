//! `/staff/devices`: which sensors are to be repaired, the worst first.

use api::App;
use api::extract::Query;
use api::service::device;
use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::health::{FaultDetail, FaultKind};
use leptos::prelude::*;
use serde::Deserialize;
use store::repair::{DeviceHealth, FaultyDevice, OpenFault};

use super::document::Document;
use super::parts::clock;
use super::staff::{SignedIn, staff_bar};
use super::{Reader, problem};
use crate::lang::Lang;

#[derive(Deserialize)]
pub(crate) struct DevicesQuery {
    lot: Option<String>,
}

/// `/staff/devices`: of all lots that one may see, or of one.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Query(query): Query<DevicesQuery>,
) -> Response {
    let now = App::now();
    let lot = query.lot.filter(|code| !code.is_empty());
    let found = match device::health(&app, &who, lot.as_deref(), now).await {
        Ok(found) => found,
        Err(error) => return problem(&reader, &error),
    };
    let lang = reader.lang;
    let title = lang.staff_devices().sensors_to_repair;
    let tz = app.city.timezone;
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .page(&reader, move || {
        let back = lot.as_ref().map(|code| {
            view! { <nav class="crumbs"><a href=format!("/staff/lots/{code}")>{code.clone()}</a></nav> }
        });
        let all = lot.is_some().then(|| {
            view! {
                <p class="actions"><a class="button" href="/staff/devices">
                    {lang.staff_devices().all_lots}
                </a></p>
            }
        });
        view! {
            {staff_bar(&who, "/staff/devices", lang)}
            {back}
            <h1>{title} " " <small>{lot}</small></h1>
            {all}
            {health_view(found, tz, now, lang)}
        }
    })
}

fn health_view(found: DeviceHealth, tz: Tz, now: Timestamp, lang: Lang) -> impl IntoView {
    let DeviceHealth {
        devices,
        faulty,
        repairs,
    } = found;
    let well = devices - faulty;
    let left_out = usize::try_from(faulty).unwrap_or(0) > repairs.len();
    let summary = lang
        .staff_devices()
        .well_of_all_sensors_are_well
        .replace("{well}", &well.to_string())
        .replace("{all}", &devices.to_string());
    let first = lang
        .staff_devices()
        .these_are_the_first_count
        .replace("{count}", &repairs.len().to_string());
    let body = match (devices, faulty) {
        (0, _) => view! {
            <p class="empty">{lang.staff_devices().no_sensor_is_installed}</p>
        }
        .into_any(),
        (_, 0) => view! {
            <p class="ok">{lang.staff_devices().all_sensors_are_well}</p>
        }
        .into_any(),
        _ => view! {
            <p>{summary} {left_out.then(|| format!(" {first}"))}</p>
            <p class="note">{lang.staff_devices().first_those_leave_bay_unknown}</p>
            <ul class="repairs">
                {repairs.into_iter().map(|device| device_view(device, tz, now, lang)).collect_view()}
            </ul>
        }
        .into_any(),
    };
    view! { <section class="card">{body}</section> }
}

fn device_view(found: FaultyDevice, tz: Tz, now: Timestamp, lang: Lang) -> impl IntoView {
    let unknown = found
        .faults
        .iter()
        .any(|fault| fault.kind != FaultKind::Battery);
    let state = if unknown { "overstayed" } else { "unpaid" };
    let last_seen = match found.last_seen {
        Some(at) => clock(at, tz, now),
        None => lang.staff_devices().never.to_owned(),
    };
    let battery = found
        .battery_mv
        .map_or_else(|| "–".to_owned(), |mv| volts(mv, lang));
    let faults = found
        .faults
        .into_iter()
        .map(|fault| fault_view(fault, tz, now, lang))
        .collect_view();
    view! {
        <li class=state>
            <div class="where">
                <b>{found.bay}</b>
                <a href=format!("/staff/lots/{}", found.lot)>{found.lot_name}</a>
                <small><code class="id">{found.device}</code></small>
            </div>
            <ul class="faults">{faults}</ul>
            <dl>
                <div><dt>{lang.staff_devices().last_seen}</dt><dd>{last_seen}</dd></div>
                <div><dt>{lang.staff_devices().battery}</dt><dd>{battery}</dd></div>
            </dl>
        </li>
    }
}

fn fault_view(fault: OpenFault, tz: Tz, now: Timestamp, lang: Lang) -> impl IntoView {
    let words = fault_words(fault.kind, lang);
    let detail = fault.detail.and_then(|detail| detail_words(&detail, lang));
    let since = format!(
        "{} {} ({})",
        lang.staff_devices().since,
        clock(fault.since, tz, now),
        lang.duration(now - fault.since)
    );
    view! {
        <li>
            <b>{words}</b>
            {detail.map(|detail| format!(": {detail}"))}
            <small>{since} " · " {advice(fault.kind, lang)}</small>
        </li>
    }
}

const fn fault_words(kind: FaultKind, lang: Lang) -> &'static str {
    match kind {
        FaultKind::CommsLost => lang.staff_devices().lost,
        FaultKind::Stuck => lang.staff_devices().stuck,
        FaultKind::Flapping => lang.staff_devices().flapping,
        FaultKind::Clock => lang.staff_devices().clock_wrong,
        FaultKind::Battery => lang.staff_devices().weak_battery,
    }
}

const fn advice(kind: FaultKind, lang: Lang) -> &'static str {
    match kind {
        FaultKind::CommsLost => lang.staff_devices().check_power_antenna_and_coverage,
        FaultKind::Stuck => lang.staff_devices().see_whether_vehicle_really_stands,
        FaultKind::Flapping => lang.staff_devices().see_whether_loose_calibrate_anew,
        FaultKind::Clock => lang.staff_devices().set_its_time,
        FaultKind::Battery => lang.staff_devices().replace_the_battery,
    }
}

fn detail_words(detail: &FaultDetail, lang: Lang) -> Option<String> {
    Some(match detail {
        FaultDetail::CommsLost { heard_at: Some(_) } => return None,
        FaultDetail::CommsLost { heard_at: None } => lang
            .staff_devices()
            .never_heard_since_it_was_installed
            .to_owned(),
        FaultDetail::Stuck { occupied, arrivals } => lang
            .staff_devices()
            .always_says_state_while_bay
            .replace(
                "{state}",
                match occupied {
                    true => lang.staff_devices().occupied,
                    false => lang.words().free,
                },
            )
            .replace("{count}", &arrivals.to_string()),
        FaultDetail::Flapping { changes } => lang
            .staff_devices()
            .count_changes_within_an_hour
            .replace("{count}", &changes.to_string()),
        FaultDetail::ClockRefused { refused } => lang
            .staff_devices()
            .count_messages_refused_for_their_time
            .replace("{count}", &refused.to_string()),
        FaultDetail::Clock { behind_s } => {
            let by = lang.duration(TimeDelta::seconds(behind_s.saturating_abs()));
            match behind_s {
                0.. => format!("{} {by}", lang.staff_devices().behind_by),
                _ => format!("{} {by}", lang.staff_devices().ahead_by),
            }
        }
        FaultDetail::Battery {
            battery_mv,
            limit_mv,
        } => format!(
            "{}, {} {}",
            volts(*battery_mv, lang),
            lang.staff_devices().needs_more_than,
            volts(*limit_mv, lang)
        ),
    })
}

/// A voltage as people read it.
fn volts(mv: i32, lang: Lang) -> String {
    let text = format!("{:.2} V", f64::from(mv) / 1_000.0);
    match lang {
        Lang::Vi => text.replace('.', ","),
        Lang::En => text,
    }
}
