//! `/staff/bays/{code}`: before one vehicle. What it owes, how it can pay here, a notice for it.

use api::service::parking_notice::{self, BayAtHand};
use api::service::session::Priced;
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::board::BayStatus;
use domain::plate::Plate;
use domain::session::GRACE;
use leptos::prelude::*;
use serde::Deserialize;
use store::parking_notice::ParkingNotice;
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
    /// Whether the driver stands there and pays now.
    #[serde(default)]
    collect: bool,
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
        Ok(notice) => {
            let then = if form.collect { "" } else { "?written" };
            Redirect::to(&format!("/n/{}{then}", notice.code)).into_response()
        }
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
        notices,
        paid_for,
    } = at_hand;
    let (now, tz) = (App::now(), place.timezone);
    let code = place.code.clone();
    let since = bay.since.map(|since| {
        format!(
            "{} {} · {}",
            lang.staff_bay().since,
            clock(since, tz, now),
            lang.duration(now - since)
        )
    });
    let paid_until = bay
        .paid_until
        .map(|until| format!("{} {}", lang.staff_bay().paid_until, clock(until, tz, now)));
    let owes = owed.is_some();
    let nothing = match bay.status {
        BayStatus::Unknown => lang.staff_bay().sensor_says_nothing_nobody_knows,
        BayStatus::Free => lang.staff_bay().the_sensor_sees_no_vehicle,
        _ => lang.staff_bay().this_vehicle_owes_nothing,
    };
    view! {
        {icon::symbols()}
        {staff_bar(who, "/staff", lang)}
        <nav class="crumbs">
            <a href="/staff">{lang.staff_bay().lots}</a> " › "
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
                    {paid_for.into_iter().map(|(plate, until)| view! {
                        <small data-paid-for>{lang.staff_bay().paid_for} " " <b>{plate}</b> " " {lang.words().until} " " {clock(until, tz, now)}</small>
                    }).collect_view()}
                    <small class="amenities">{icon::labels(bay.amenities(), lang)}</small>
                </div>
            </header>
            {noticed(&notices, tz, now, lang)}
            {owed.map(|owed| owed_view(&code, owed, !notices.is_empty(), who.reads_only(), failed, lang))}
            {(!owes).then(|| view! { <p class="hint">{nothing}</p> })}
            // What is due is collected by its notice: the bay's own page sells time from now on.
            {(!owes && !who.reads_only()).then(|| view! {
                <p><a class="button" href=format!("/b/{code}")>
                    {lang.staff_bay().take_payment_here_open_bay}
                </a></p>
            })}
            <p class="note">{lang.staff_bay().driver_without_phone_pays_card}</p>
        </section>
    }
}

/// The notices that the vehicle has already, for who comes by again.
fn noticed(notices: &[ParkingNotice], tz: Tz, now: Timestamp, lang: Lang) -> impl IntoView + use<> {
    let row = |notice: &ParkingNotice| {
        view! {
            <p class="hint" data-notice=notice.code.to_string()>
                <b>{lang.staff_bay().has_a_notice}</b> " · " {notice.plate.reveal().to_owned()} " · "
                {lang.money(notice.amount_vnd)} " · " {lang.staff_bay().written_at} " " {clock(notice.issued_at, tz, now)} " "
                <a href=format!("/n/{}", notice.code)>{lang.staff_bay().open_and_print}</a>
            </p>
        }
    };
    notices.iter().map(row).collect_view()
}

fn owed_view(
    code: &str,
    owed: Priced,
    has_notice: bool,
    reads_only: bool,
    failed: Option<(String, ApiError)>,
    lang: Lang,
) -> impl IntoView + use<> {
    let total = lang.money(owed.quote.amount_vnd);
    let fresh = App::now() - owed.starts_at < GRACE;
    let (plate, error) = match failed {
        Some((plate, error)) => (plate, Some(reason(&error, lang))),
        None => (String::new(), None),
    };
    let failed = error.is_some();
    let form = view! {
        <form method="post" action=format!("/staff/bays/{code}/notice")>
            <label class="field">
                <span>{lang.words().licence_plate}</span>
                <input name="plate" value=plate required minlength="4" maxlength="20" autocomplete="off"
                    autocapitalize="characters" spellcheck="false" placeholder="30A-123.45" />
            </label>
            <button class="primary">{lang.staff_bay().write_a_notice}</button>
            <button name="collect" value="true" class="wide">{lang.staff_bay().collect_here}</button>
            <p class="note">{lang.staff_bay().collect_note}</p>
        </form>
    };
    // Nobody writes a second one by mistake.
    let form = if has_notice {
        view! {
            <details open=failed>
                <summary>{lang.staff_bay().notice_for_another_plate}</summary>
                {form}
            </details>
        }
        .into_any()
    } else {
        form.into_any()
    };
    view! {
        {price_lines(&owed.quote.lines, total, lang)}
        {fresh.then(|| view! { <p class="hint">{lang.staff_bay().vehicle_has_just_come_give}</p> })}
        {error.map(|text| view! { <p class="error" role="alert">{text}</p> })}
        {(!reads_only).then_some(form)}
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
