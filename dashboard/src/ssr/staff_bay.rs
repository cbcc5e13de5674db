//! `/staff/bays/{code}`: before one vehicle. What it owes, how it can pay here, a notice for it.

use api::service::parking_notice::{self, BayAtHand};
use api::service::session::Priced;
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::board::BayStatus;
use domain::plate::Plate;
use domain::session::GRACE;
use leptos::prelude::*;
use serde::Deserialize;
use store::staff::Staff;

use super::document::Document;
use super::parts::{clock, price_lines};
use super::staff::{SignedIn, staff_bar, status_words};
use super::{Reader, problem};
use crate::icon;
use crate::lang::Lang;

/// `/staff/bays/{code}`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    SignedIn(who): SignedIn,
) -> Response {
    show(&app, &reader, &code, who, None).await
}

#[derive(Deserialize)]
pub(crate) struct NoticeForm {
    plate: String,
}

/// `POST /staff/bays/{code}/notice`: writes a notice and shows it, to be printed or copied.
pub(crate) async fn write_notice(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    SignedIn(who): SignedIn,
    Form(form): Form<NoticeForm>,
) -> Response {
    let written = async {
        let plate = Plate::parse(&form.plate)?;
        parking_notice::issue(&app, &who, &code, plate, App::now()).await
    };
    match written.await {
        Ok(notice) => Redirect::to(&format!("/n/{}", notice.code)).into_response(),
        Err(error @ (ApiError::Unprocessable(_) | ApiError::Conflict(_))) => {
            show(&app, &reader, &code, who, Some((form.plate, error))).await
        }
        Err(error) => problem(&reader, &error),
    }
}

async fn show(
    app: &App,
    reader: &Reader,
    code: &str,
    who: Staff,
    failed: Option<(String, ApiError)>,
) -> Response {
    let now = App::now();
    let at_hand = match parking_notice::bay(app, &who, code, now).await {
        Ok(at_hand) => at_hand,
        Err(error) => return problem(reader, &error),
    };
    let status = failed
        .as_ref()
        .map_or(StatusCode::OK, |(_, error)| error.status());
    let lang = reader.lang;
    Document {
        title: &at_hand.place.code.clone(),
        active: "/staff",
        live: Some(format!("/api/v1/live?lot={}", at_hand.lot.code)),
    }
    .respond(reader, status, move || view(&who, at_hand, failed, lang))
}

fn view(
    who: &Staff,
    at_hand: BayAtHand,
    failed: Option<(String, ApiError)>,
    lang: Lang,
) -> impl IntoView + use<> {
    let BayAtHand {
        place,
        lot,
        bay,
        owed,
    } = at_hand;
    let (now, tz) = (App::now(), place.timezone);
    let code = place.code.clone();
    let since = bay.since.map(|since| {
        format!(
            "{} {} · {}",
            lang.t("từ", "since"),
            clock(since, tz, now),
            lang.duration(now - since)
        )
    });
    let paid_until = bay.paid_until.map(|until| {
        format!(
            "{} {}",
            lang.t("đã trả đến", "paid until"),
            clock(until, tz, now)
        )
    });
    let owes = owed.is_some();
    let nothing = match bay.status {
        BayStatus::Unknown => lang.t(
            "Cảm biến không báo gì: không biết có xe hay không. Xin tự xem; muốn lập phiếu phải có cảm biến thấy xe.",
            "The sensor says nothing: nobody knows whether a vehicle is here. A notice needs a sensor that sees one.",
        ),
        BayStatus::Free => lang.t("Cảm biến không thấy xe.", "The sensor sees no vehicle."),
        _ => lang.t("Xe này không nợ gì.", "This vehicle owes nothing."),
    };
    view! {
        {icon::symbols()}
        {staff_bar(who, "/staff", lang)}
        <nav class="crumbs">
            <a href="/staff">{lang.t("Các điểm đỗ", "Lots")}</a> " › "
            <a href=format!("/staff/lots/{}", lot.code)>{lot.name.clone()}</a>
        </nav>
        <section class="card narrow">
            <header class="bay-sign">
                <span class="bay-code-sign" aria-hidden="true">{code.clone()}</span>
                <div>
                    <h1 class=format!("status {}", bay.status) data-status=bay.status.to_string()>
                        <span class="spoken">{code.clone()} ": "</span>{status_words(bay.status, lang)}
                    </h1>
                    <small>{since}</small>
                    <small>{paid_until}</small>
                    <small class="amenities">{icon::labels(bay.amenities(), lang)}</small>
                </div>
            </header>
            {owed.map(|owed| owed_view(&code, owed, failed, lang))}
            {(!owes).then(|| view! { <p class="hint">{nothing}</p> })}
            <p><a class="button" href=format!("/b/{code}")>
                {lang.t("Thu tại đây: mở trang trả tiền của chỗ này", "Take payment here: open this bay's page")}
            </a></p>
            <p class="note">{lang.t(
                "Lái xe không có điện thoại thì trả bằng thẻ hoặc mã trên máy này. Không nhận tiền mặt.",
                "A driver without a phone pays by card or code on this device. Never take cash.",
            )}</p>
        </section>
    }
}

fn owed_view(
    code: &str,
    owed: Priced,
    failed: Option<(String, ApiError)>,
    lang: Lang,
) -> impl IntoView + use<> {
    let total = lang.money(owed.quote.amount_vnd);
    let fresh = App::now() - owed.starts_at < GRACE;
    let (plate, error) = match failed {
        Some((plate, error)) => (plate, Some(reason(&error, lang))),
        None => (String::new(), None),
    };
    view! {
        {price_lines(&owed.quote.lines, total, lang)}
        {fresh.then(|| view! { <p class="hint">{lang.t(
            "Xe vừa đến: cho lái xe vài phút để trả.",
            "The vehicle has just come: give the driver a few minutes to pay.",
        )}</p> })}
        {error.map(|text| view! { <p class="error" role="alert">{text}</p> })}
        <form method="post" action=format!("/staff/bays/{code}/notice")>
            <label class="field">
                <span>{lang.t("Biển số xe", "Licence plate")}</span>
                <input name="plate" value=plate required minlength="4" maxlength="20" autocomplete="off"
                    autocapitalize="characters" spellcheck="false" placeholder="30A-123.45" />
            </label>
            <button class="primary">{lang.t("Lập phiếu báo chưa trả", "Write a notice")}</button>
        </form>
    }
}

fn reason(error: &ApiError, lang: Lang) -> String {
    match (error, lang) {
        (ApiError::Conflict(_), Lang::Vi) => {
            "Không lập được: cảm biến không còn thấy xe, xe đã trả, hoặc xe có vé tháng hay được miễn phí."
                .to_owned()
        }
        (_, Lang::Vi) => "Biển số chưa đúng: cần 4 đến 12 chữ và số.".to_owned(),
        (error, Lang::En) => error.to_string(),
    }
}
