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
    let title = lang.t("Cảm biến cần sửa", "Sensors to repair");
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
                    {lang.t("Mọi điểm đỗ", "All lots")}
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
        .t(
            "{well} trên {all} cảm biến hoạt động tốt.",
            "{well} of {all} sensors are well.",
        )
        .replace("{well}", &well.to_string())
        .replace("{all}", &devices.to_string());
    let first = lang
        .t(
            "Dưới đây là {count} cảm biến đầu tiên.",
            "These are the first {count}.",
        )
        .replace("{count}", &repairs.len().to_string());
    let body = match (devices, faulty) {
        (0, _) => view! {
            <p class="empty">{lang.t("Chưa lắp cảm biến nào.", "No sensor is installed.")}</p>
        }
        .into_any(),
        (_, 0) => view! {
            <p class="ok">{lang.t("Mọi cảm biến đều hoạt động tốt.", "All sensors are well.")}</p>
        }
        .into_any(),
        _ => view! {
            <p>{summary} {left_out.then(|| format!(" {first}"))}</p>
            <p class="note">{lang.t(
                "Trước hết là cảm biến làm chỗ đỗ không rõ trạng thái, ở điểm đông xe nhất; sau đó là pin yếu. Chỗ không rõ không được tính là trống hay có xe.",
                "First those that leave a bay unknown, in the busiest lots; then weak batteries. An unknown bay counts neither as free nor as occupied.",
            )}</p>
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
        None => lang.t("chưa bao giờ", "never").to_owned(),
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
                <div><dt>{lang.t("Tin cuối", "Last seen")}</dt><dd>{last_seen}</dd></div>
                <div><dt>{lang.t("Pin", "Battery")}</dt><dd>{battery}</dd></div>
            </dl>
        </li>
    }
}

fn fault_view(fault: OpenFault, tz: Tz, now: Timestamp, lang: Lang) -> impl IntoView {
    let words = fault_words(fault.kind, lang);
    let detail = fault.detail.and_then(|detail| detail_words(&detail, lang));
    let since = format!(
        "{} {} ({})",
        lang.t("từ", "since"),
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
        FaultKind::CommsLost => lang.t("Mất liên lạc", "Lost"),
        FaultKind::Stuck => lang.t("Bị kẹt", "Stuck"),
        FaultKind::Flapping => lang.t("Báo chập chờn", "Flapping"),
        FaultKind::Clock => lang.t("Đồng hồ sai", "Clock wrong"),
        FaultKind::Battery => lang.t("Pin yếu", "Weak battery"),
    }
}

const fn advice(kind: FaultKind, lang: Lang) -> &'static str {
    match kind {
        FaultKind::CommsLost => lang.t(
            "kiểm tra nguồn, ăng-ten và vùng phủ sóng",
            "check power, antenna and coverage",
        ),
        FaultKind::Stuck => lang.t(
            "xem tại chỗ có xe thật không; hiệu chỉnh lại",
            "see whether a vehicle really stands there; calibrate anew",
        ),
        FaultKind::Flapping => lang.t(
            "xem có bị lung lay; hiệu chỉnh lại",
            "see whether it is loose; calibrate anew",
        ),
        FaultKind::Clock => lang.t("đặt lại giờ", "set its time"),
        FaultKind::Battery => lang.t("thay pin", "replace the battery"),
    }
}

fn detail_words(detail: &FaultDetail, lang: Lang) -> Option<String> {
    Some(match detail {
        FaultDetail::CommsLost { heard_at: Some(_) } => return None,
        FaultDetail::CommsLost { heard_at: None } => lang
            .t(
                "chưa gửi tin nào từ khi lắp",
                "never heard since it was installed",
            )
            .to_owned(),
        FaultDetail::Stuck { occupied, arrivals } => lang
            .t(
                "luôn báo {state}, trong khi chỗ bên cạnh đón {count} lượt xe",
                "always says {state}, while a bay beside it saw {count} vehicles",
            )
            .replace(
                "{state}",
                match occupied {
                    true => lang.t("có xe", "occupied"),
                    false => lang.t("trống", "free"),
                },
            )
            .replace("{count}", &arrivals.to_string()),
        FaultDetail::Flapping { changes } => lang
            .t(
                "{count} lần đổi trong một giờ",
                "{count} changes within an hour",
            )
            .replace("{count}", &changes.to_string()),
        FaultDetail::ClockRefused { refused } => lang
            .t(
                "{count} tin bị từ chối vì sai giờ",
                "{count} messages refused for their time",
            )
            .replace("{count}", &refused.to_string()),
        FaultDetail::Clock { behind_s } => {
            let by = lang.duration(TimeDelta::seconds(behind_s.saturating_abs()));
            match behind_s {
                0.. => format!("{} {by}", lang.t("chậm", "behind by")),
                _ => format!("{} {by}", lang.t("nhanh", "ahead by")),
            }
        }
        FaultDetail::Battery {
            battery_mv,
            limit_mv,
        } => format!(
            "{}, {} {}",
            volts(*battery_mv, lang),
            lang.t("cần trên", "needs more than"),
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
