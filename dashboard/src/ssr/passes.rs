//! `/b/{code}/pass` and `/passes/{id}`: a monthly pass, bought by plate, without an account.

use api::service::session::tariff_of;
use api::service::{pass, payment, session_cookie};
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{NaiveDate, TimeDelta};
use domain::id::{PassId, PurchaseId};
use domain::payment::PaymentStatus;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::purchase::PurchaseStatus;
use domain::tariff::{PassKind, PassOffer};
use leptos::prelude::*;
use serde::Deserialize;
use store::pass::BoughtPass;
use store::payment::Payment;
use store::place::BayPlace;

use super::document::Document;
use super::parts::{message, price_lines};
use super::payment::{Pending, pending_view};
use super::session_view::Begin;
use super::ways::{self, Ways};
use super::{Reader, problem, wallet};
use crate::lang::Lang;

/// What a driver fills in.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct PassForm {
    plate: String,
    kind: String,
    first: Option<NaiveDate>,
    key: String,
    #[serde(default)]
    gateway: String,
}

/// `/b/{code}/pass`: the passes of the bay's zone.
pub(crate) async fn form_page(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Response {
    form(&app, &reader, &code, &headers, None).await
}

/// `POST /b/{code}/pass`: opens the pass and goes to its payment.
pub(crate) async fn submit(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    headers: HeaderMap,
    Form(filled): Form<PassForm>,
) -> Response {
    match buy(&app, &code, &filled, &headers).await {
        Ok((pass, token, payment)) => {
            let cookie = session_cookie::set_pass_cookie(&app, pass.id, &token, pass.pass.to);
            let to = format!("/pay/{}", payment.id);
            ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
        }
        Err(
            error @ (ApiError::Unprocessable(_) | ApiError::Conflict(_) | ApiError::NotCovered),
        ) => form(&app, &reader, &code, &headers, Some((filled, error))).await,
        Err(ApiError::Unauthorized) => wallet::sign_in_first(&format!("/b/{code}/pass")),
        Err(error) => problem(&reader, &error),
    }
}

async fn buy(
    app: &App,
    code: &str,
    filled: &PassForm,
    headers: &HeaderMap,
) -> Result<(BoughtPass, String, Payment), ApiError> {
    api::extract::check_key(&filled.key)?;
    let now = App::now();
    let means = ways::chosen(app, headers, &filled.gateway).await?;
    let bay = app.store.bay_place(code).await?;
    let kind = PassKind::from_code(&filled.kind)
        .ok_or_else(|| ApiError::Unprocessable("choose one of the passes".to_owned()))?;
    let request = pass::PassRequest {
        bay: code.to_owned(),
        plate: Plate::parse(&filled.plate)?,
        class: bay.class,
        kind,
        first: filled
            .first
            .unwrap_or_else(|| now.with_timezone(&bay.timezone).date_naive()),
        key: filled.key.clone(),
    };
    let opened = pass::buy(app, &request, now).await?;
    let due = payment::Due::of_bay(
        &bay,
        PurchaseId(opened.pass.id.0),
        opened.pass.pass.offer.price_vnd,
        opened.pass.created_at,
    )?;
    let payment = payment::request(app, &due, means, filled.key.clone(), now).await?;
    Ok((opened.pass, opened.token, payment))
}

async fn form(
    app: &App,
    reader: &Reader,
    code: &str,
    headers: &HeaderMap,
    failed: Option<(PassForm, ApiError)>,
) -> Response {
    let lang = reader.lang;
    let bay = match app.store.bay_place(code).await {
        Ok(bay) => bay,
        Err(error) => return problem(reader, &error.into()),
    };
    let now = App::now();
    let offers: Vec<PassOffer> = tariff_of(&bay, bay.class, now)
        .map_or_else(|_| Vec::new(), |(_, rules)| rules.passes.clone());
    let today = now.with_timezone(&bay.timezone).date_naive();
    let status = failed
        .as_ref()
        .map_or(StatusCode::OK, |(_, error)| error.status());
    let title = lang.passes().buy_a_monthly_pass;
    let ways = Ways::of(app, headers).await;
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(reader, status, move || {
        if offers.is_empty() {
            let text = lang.passes().bay_zone_sells_no_monthly;
            return message(title, text.to_owned(), lang).into_any();
        }
        form_view(&bay, &offers, today, failed, &ways, lang).into_any()
    })
}

fn form_view(
    bay: &BayPlace,
    offers: &[PassOffer],
    today: NaiveDate,
    failed: Option<(PassForm, ApiError)>,
    ways: &Ways,
    lang: Lang,
) -> impl IntoView + use<> {
    let (filled, error) = match failed {
        Some((filled, error)) => (filled, Some(reason(&error, lang))),
        None => (PassForm::default(), None),
    };
    let invalid = error.is_some();
    let choices = offers
        .iter()
        .enumerate()
        .map(|(index, offer)| {
            let checked = match filled.kind.as_str() {
                "" => index == 0,
                kind => kind == offer.kind.code(),
            };
            view! {
                <label class="choice">
                    <input type="radio" name="kind" value=offer.kind.code() checked=checked />
                    <span class="choice-head">
                        <b>{kind_words(offer, lang)}</b>
                        <b class="amount">{lang.money(offer.price_vnd)}</b>
                    </span>
                </label>
            }
        })
        .collect_view();
    let first = filled.first.unwrap_or(today);
    view! {
        <form class="pay narrow" method="post" action=format!("/b/{}/pass", bay.code)>
            <input type="hidden" name="key" value=api::secret::random_token() />
            <h1>{lang.passes().buy_a_monthly_pass}</h1>
            <p>{lang.passes().good_every_bay_zone} <b>{bay.zone_name.clone()}</b>
                " · " {lang.class(bay.class)}</p>
            {error.map(|text| view! { <p class="error" role="alert">{text}</p> })}
            <fieldset>
                <legend>{lang.passes().which_pass}</legend>
                <div class="choices">{choices}</div>
            </fieldset>
            <label class="field">
                <span>{lang.words().licence_plate}</span>
                <input name="plate" value=filled.plate required minlength="4" maxlength="20" autocomplete="off"
                    autocapitalize="characters" spellcheck="false" placeholder="30A-123.45" data-remember="plate"
                    aria-invalid=invalid.then_some("true") />
            </label>
            <label class="field">
                <span>{lang.passes().from_which_day}</span>
                <input type="date" name="first" value=first.to_string() min=today.to_string()
                    max=(today + TimeDelta::days(62)).to_string() required />
            </label>
            {ways.buttons(lang)}
            <p class="note">{lang.passes().pass_goes_plate_when_park}</p>
        </form>
    }
}

fn reason(error: &ApiError, lang: Lang) -> &'static str {
    let text = lang.passes();
    match error {
        ApiError::NotCovered => text.there_not_enough_wallet_please,
        ApiError::Conflict(pass::HAS_ONE) => text.has_one,
        ApiError::Conflict(_) => text.begin_anew,
        _ => text.please_check,
    }
}

/// A pass in words.
fn kind_words(offer: &PassOffer, lang: Lang) -> String {
    match (offer.kind, offer.hours) {
        (PassKind::DayAndNight, _) => lang.passes().day_and_night.to_owned(),
        (PassKind::Day, Some(hours)) => format!(
            "{} {}–{}",
            lang.passes().by_day,
            hours.from.format("%H:%M"),
            hours.to.format("%H:%M")
        ),
        (PassKind::Day, None) => lang.passes().by_day.to_owned(),
    }
}

/// `/pay/{id}` of a pass: how to pay it, or, once it is paid, the pass.
pub(super) async fn payment_page(app: &App, reader: &Reader, payment: Payment) -> Response {
    let id = PassId(payment.purchase.0);
    if payment.status != PaymentStatus::Pending {
        return Redirect::to(&format!("/passes/{id}")).into_response();
    }
    let loaded = async {
        let pass = app.store.pass(id).await?;
        let bay = app.store.bay_place(&pass.bay_code).await?;
        Ok::<_, ApiError>((pass, bay))
    };
    let (pass, bay) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(reader, &error),
    };
    let lang = reader.lang;
    Document {
        title: lang.words().pay,
        active: "",
        live: Some(format!("/api/v1/live/payments/{}", payment.id)),
    }
    .page(reader, move || {
        let amount = lang.money(payment.amount_vnd);
        let lines = price_lines(&pass.pass.quote().lines, amount, lang);
        let summary = facts(&pass, &bay, lang);
        pending_view(
            Pending {
                payment,
                payee: bay.operator_name.clone(),
                again: format!("/b/{}/pass", bay.code),
                timezone: bay.timezone,
                summary: summary.into_any(),
                lines: Some(lines.into_any()),
            },
            lang,
        )
    })
}

/// `/passes/{id}`: the pass, for the browser that bought it.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<PassId>,
    headers: HeaderMap,
) -> Response {
    let loaded = async {
        let token =
            session_cookie::held_pass_token(&app, &headers, id).ok_or(ApiError::Unauthorized)?;
        let pass = pass::find(&app, id, &token).await?;
        let bay = app.store.bay_place(&pass.bay_code).await?;
        let receipts = app.store.receipts_of(&[], &[id]).await?;
        let begin = match pass.status {
            PurchaseStatus::Paid => None,
            _ => Some(
                match app
                    .store
                    .payment_waiting(PurchaseId(id.0), App::now())
                    .await?
                {
                    Some(payment) => Begin::GoOn(format!("/pay/{payment}")),
                    None => Begin::Anew(format!("/b/{}/pass", bay.code)),
                },
            ),
        };
        Ok::<_, ApiError>((pass, bay, receipts, begin))
    };
    let (pass, bay, receipts, begin) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let lang = reader.lang;
    let title = lang.words().monthly_pass;
    Document {
        title,
        active: "",
        live: None,
    }
    .page(&reader, move || {
        let paid = pass.status == PurchaseStatus::Paid;
        let facts = facts(&pass, &bay, lang);
        view! {
            <section class="card narrow center" class:paid=paid data-status=if paid { "paid" } else { "pending" }>
                {paid.then(|| view! { <div class="tick" aria-hidden="true">"✓"</div> })}
                <h1>{if paid { lang.passes().your_pass_is_paid } else { title }}</h1>
                {(!paid).then(|| view! { <p class="hint">{lang.passes().money_has_not_arrived_if}</p> })}
                {facts}
                {begin.map(|begin| begin.button(lang))}
                {receipts.iter().map(|receipt| view! {
                    <p><a class="button primary" href=format!("/r/{}", receipt.id)>{lang.words().receipt}</a></p>
                }).collect_view()}
                <p><a class="button" href="/">{lang.passes().find_parking}</a></p>
            </section>
        }
    })
}

fn facts(pass: &BoughtPass, bay: &BayPlace, lang: Lang) -> impl IntoView + use<> {
    let tz = bay.timezone;
    let date = |at: domain::Timestamp| at.with_timezone(&tz).format("%d/%m/%Y").to_string();
    // It counts until the midnight that begins the day after its last.
    let last = date(pass.pass.to - TimeDelta::seconds(1));
    let class: VehicleClass = pass.pass.class;
    view! {
        <dl class="facts">
            <div><dt>{lang.passes().pass}</dt><dd>{kind_words(&pass.pass.offer, lang)}</dd></div>
            <div><dt>{lang.words().plate}</dt><dd>{pass.plate.reveal().to_owned()} " · " {lang.class(class)}</dd></div>
            <div><dt>{lang.passes().zone}</dt><dd>{bay.zone_name.clone()}</dd></div>
            <div><dt>{lang.passes().from}</dt><dd>{date(pass.pass.from)}</dd></div>
            <div><dt>{lang.passes().until_the_end_of}</dt><dd>{last}</dd></div>
        </dl>
    }
}
