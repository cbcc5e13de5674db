//! `/staff/shift`: what one did in one's shift, to be handed over or printed.

use api::App;
use api::service::{shift, staff};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use leptos::prelude::*;
use store::audit::Deed;

use super::document::Document;
use super::parts::{clock, stat};
use super::staff::{refused, staff_bar};
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
        "session.stop" => lang.t("Kết thúc lượt đỗ", "Session ended"),
        other => other,
    };
    known.to_owned()
}

/// `/staff/shift`.
pub(crate) async fn page(State(app): State<App>, reader: Reader, headers: HeaderMap) -> Response {
    let now = App::now();
    let who = match staff::signed_in(&app, &headers, now).await {
        Ok(who) => who,
        Err(error) => return refused(&reader, &error),
    };
    let shift = match shift::shift(&app, &who, now).await {
        Ok(shift) => shift,
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
        view! {
            {staff_bar(&who, "/staff/shift", lang)}
            <h1>{title} " " <small>{who.name.clone()} " · " {clock(shift.from, tz, now)} " – " {clock(now, tz, now)}</small></h1>
            <div class="stats">
                {stat(written.to_string(), lang.t("Phiếu đã lập", "Notices written"), String::new())}
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
