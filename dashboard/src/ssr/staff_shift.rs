//! `/staff/shift`: when one's shifts are, and what one did in one, to be handed over or printed.

use api::App;
use api::extract::Query;
use api::service::shift;
use api::service::shift::OwnShifts;
use axum::extract::State;
use axum::response::Response;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::ShiftId;
use leptos::prelude::*;
use serde::Deserialize;
use store::audit::Deed;
use store::shift::PlannedShift;

use super::document::Document;
use super::parts::{clock, stat};
use super::staff::{SignedIn, staff_bar};
use super::staff_shifts::{day_words, hours};
use super::{Reader, problem};
use crate::lang::Lang;

/// What the record calls an action, in words.
fn words(action: &str, lang: Lang) -> String {
    let known = match action {
        "parking_notice.issue" => lang.t("Lập phiếu báo", "Notice written"),
        "parking_notice.withdraw" => lang.t("Hủy phiếu báo", "Notice withdrawn"),
        "plate.look_up" => lang.t("Tra biển số", "Plate looked up"),
        "dispute.decide" => lang.t("Trả lời khiếu nại", "Dispute decided"),
        "refund.promise" => lang.t("Hoàn tiền", "Refund promised"),
        "refund.done" => lang.t("Ghi đã hoàn tiền", "Refund noted as paid"),
        "exemption.grant" => lang.t("Cho miễn phí", "Exemption granted"),
        "exemption.withdraw" => lang.t("Thu hồi miễn phí", "Exemption withdrawn"),
        "exemption.refuse" => lang.t("Từ chối miễn phí", "Exemption refused"),
        "exemption.look" => lang.t("Mở giấy tờ xin miễn phí", "Document of a request opened"),
        "session.plate" => lang.t("Sửa biển số", "Plate corrected"),
        "session.move" => lang.t("Chuyển chỗ", "Session moved"),
        "staff.add" => lang.t("Thêm nhân viên", "Member of staff added"),
        "staff.role" => lang.t("Đổi vai trò", "Role changed"),
        "staff.password" => lang.t("Cấp mật khẩu", "Password given"),
        "staff.shut_out" => lang.t("Khóa nhân viên", "Member shut out"),
        "staff.let_in" => lang.t("Cho vào lại", "Member let in again"),
        "shift.plan" => lang.t("Xếp ca", "Shift planned"),
        "shift.change" => lang.t("Sửa ca", "Shift changed"),
        "shift.cancel" => lang.t("Hủy ca", "Shift cancelled"),
        "session.stop" => lang.t("Kết thúc lượt đỗ", "Session ended"),
        other => other,
    };
    known.to_owned()
}

#[derive(Deserialize)]
pub(crate) struct ShiftQuery {
    planned: Option<i32>,
}

/// `/staff/shift`: one's last hours, or a planned shift.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Query(query): Query<ShiftQuery>,
) -> Response {
    let now = App::now();
    let loaded = async {
        let own = shift::own(&app, &who, now).await?;
        let (planned, shift) = match query.planned {
            Some(id) => {
                let (planned, shift) = shift::of_planned(&app, &who, ShiftId(id)).await?;
                (Some(planned), shift)
            }
            None => (None, shift::shift(&app, &who, now).await?),
        };
        Ok((who, own, planned, shift))
    };
    let (who, own, planned, shift) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let title = lang.t("Ca của tôi", "My shift");
    let (paid, sum) = shift.paid();
    let written = shift.notices.len();
    let counts: Vec<(String, usize)> = shift
        .counts()
        .into_iter()
        .map(|(action, count)| (words(action, lang), count))
        .collect();
    let empty = shift.deeds.is_empty();
    let elsewhere = match shift.elsewhere {
        0 => String::new(),
        more => format!("+ {more} {}", lang.t("ở điểm khác", "elsewhere")),
    };
    let row = move |deed: Deed| {
        view! {
            <tr>
                <td>{clock(deed.at, tz, now)}</td>
                <td>{words(&deed.action, lang)}</td>
                <td>{deed.about}</td>
            </tr>
        }
    };
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .page(&reader, move || {
        let head = match planned {
            Some(planned) => planned_head(planned, now, tz, lang).into_any(),
            None => view! {
                <h1>{title} " " <small>{who.name.clone()} " · " {clock(shift.span.0, tz, now)} " – " {clock(now, tz, now)}</small></h1>
                {own_view(&own, now, tz, lang)}
                {ended_view(own.ended, tz, lang)}
            }
            .into_any(),
        };
        view! {
            {staff_bar(&who, "/staff/shift", lang)}
            {head}
            <div class="stats">
                {stat(written.to_string(), lang.t("Phiếu đã lập", "Notices written"), elsewhere)}
                {stat(paid.to_string(), lang.t("Phiếu đã trả", "Of those paid"), lang.money(sum))}
            </div>
            <p>{counts.into_iter().map(|(what, count)| view! { <span class="chip">{what} ": " <b>{count}</b></span> " " }).collect_view()}</p>
            {empty.then(|| view! { <p class="empty">{lang.t("Chưa làm gì trong ca này.", "Nothing done in this shift yet.")}</p> })}
            {(!empty).then(|| view! {
                <div class="scroll card"><table class="grid rows">
                    <thead><tr>
                        <th scope="col">{lang.t("Lúc", "At")}</th>
                        <th scope="col">{lang.t("Việc", "What")}</th>
                        <th scope="col">{lang.t("Về", "About")}</th>
                    </tr></thead>
                    <tbody>{shift.deeds.into_iter().map(row).collect_view()}</tbody>
                </table></div>
            })}
            <p><button type="button" hidden data-print>{lang.t("In", "Print")}</button></p>
        }
    })
}

/// Whose planned shift is summed up.
fn planned_head(planned: PlannedShift, now: Timestamp, tz: Tz, lang: Lang) -> impl IntoView {
    let day = day_words(planned.starts_at.with_timezone(&tz).date_naive(), lang);
    let state = match (planned.cancelled_at, planned.ends_at <= now) {
        (Some(_), _) => Some(lang.t("Ca này đã hủy.", "This shift was cancelled.")),
        (None, false) => Some(lang.t("Ca này chưa xong.", "This shift is not over yet.")),
        (None, true) => None,
    };
    view! {
        <nav class="crumbs"><a href="/staff/shift">{lang.t("Ca của tôi", "My shift")}</a></nav>
        <h1>{planned.name} " " <small>{day} " · " {hours((planned.starts_at, planned.ends_at), tz, lang)} " · " {planned.lots.join(", ")}</small></h1>
        {state.map(|text| view! { <p class="hint">{text}</p> })}
        {(!planned.note.is_empty()).then(|| view! { <p>{planned.note.clone()}</p> })}
    }
}

/// Where one is to be, now and next.
pub(super) fn own_view(
    own: &OwnShifts,
    now: Timestamp,
    tz: Tz,
    lang: Lang,
) -> impl IntoView + use<> {
    let on = own.now.as_ref().map(|shift| {
        let until = clock(shift.ends_at, tz, now);
        let text = match lang {
            Lang::Vi => format!("Bạn đang trong ca đến {until} ở {}", shift.lots.join(", ")),
            Lang::En => format!("You are on until {until} at {}", shift.lots.join(", ")),
        };
        view! { <p class="hint" data-shift="now"><b>{text}</b> {note(shift)} " "
            <a href=format!("/staff/shift?planned={}", shift.id)>{lang.t("Tổng kết ca này", "This shift's summary")}</a></p> }
    });
    let next = own.next.as_ref().map(|shift| {
        let day = day_words(shift.starts_at.with_timezone(&tz).date_naive(), lang);
        view! { <p data-shift="next">{lang.t("Ca tới: ", "Your next shift: ")} {day} " · "
            {hours((shift.starts_at, shift.ends_at), tz, lang)} " · " {shift.lots.join(", ")} {note(shift)}</p> }
    });
    view! { {on} {next} }
}

fn note(shift: &PlannedShift) -> Option<String> {
    (!shift.note.is_empty()).then(|| format!(" · {}", shift.note))
}

/// One's own shifts of the last days, each with its summary.
fn ended_view(ended: Vec<PlannedShift>, tz: Tz, lang: Lang) -> impl IntoView {
    let entry = move |shift: PlannedShift| {
        let day = day_words(shift.starts_at.with_timezone(&tz).date_naive(), lang);
        view! { <a class="chip" href=format!("/staff/shift?planned={}", shift.id)>
        {day} " · " {hours((shift.starts_at, shift.ends_at), tz, lang)}</a> " " }
    };
    (!ended.is_empty()).then(|| {
        view! {
            <details><summary>{lang.t("Tổng kết các ca vừa qua", "Summaries of your last shifts")}</summary>
                <p>{ended.into_iter().map(entry).collect_view()}</p></details>
        }
    })
}
