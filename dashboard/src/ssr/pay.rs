//! Paying for a bay: the form behind the sticker's QR code.

use api::service::{payment, session};
use api::{ApiError, App};
use axum::extract::{Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::board::Occupancy;
use domain::plate::Plate;
use leptos::prelude::*;
use serde::Deserialize;
use store::payment::Payment;
use store::place::BayPlace;
use store::session::Session;

use super::document::Document;
use super::parts::{clock, message, price_lines};
use super::{Reader, problem};
use crate::lang::Lang;

/// The lengths of time that are offered, in minutes.
const CHOICES: [u32; 8] = [30, 60, 120, 180, 240, 480, 720, 1440];

#[derive(Deserialize)]
pub(crate) struct BayQuery {
    code: Option<String>,
}

/// `/b?code=`: from a code that was typed to its page.
pub(crate) async fn find_bay(reader: Reader, Query(query): Query<BayQuery>) -> Response {
    let code: String = query
        .code
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(40)
        .collect();
    if code.is_empty() {
        return problem(&reader, &ApiError::NotFound("bay"));
    }
    Redirect::to(&format!("/b/{}", code.to_uppercase())).into_response()
}

/// What a driver fills in.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct PayForm {
    plate: String,
    minutes: u32,
    key: String,
}

/// `/b/{code}`: the price and why, the plate, how long.
pub(crate) async fn form_page(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
) -> Response {
    form(&app, &reader, &code, None).await
}

/// `POST /b/{code}`: opens the session and goes to its payment. A second click carries the same
/// key and comes to the same payment.
pub(crate) async fn submit(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    Form(filled): Form<PayForm>,
) -> Response {
    match open(&app, &code, &filled).await {
        Ok((session, token, payment)) => {
            let value = format!("{}.{token}", session.id);
            let cookie = format!(
                "{}={value}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax",
                session::COOKIE
            );
            let to = match payment {
                Some(payment) => format!("/pay/{}", payment.id),
                None => format!("/b/{code}"),
            };
            ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
        }
        Err(error) if error.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            form(&app, &reader, &code, Some((filled, error))).await
        }
        Err(error) => problem(&reader, &error),
    }
}

async fn open(
    app: &App,
    code: &str,
    filled: &PayForm,
) -> Result<(Session, String, Option<Payment>), ApiError> {
    api::extract::check_key(&filled.key)?;
    let now = App::now();
    let bay = app.store.bay_place(code).await?;
    let request = session::SessionRequest {
        bay: code.to_owned(),
        plate: Plate::parse(&filled.plate)?,
        class: bay.class,
        minutes: filled.minutes,
        at: None,
        key: filled.key.clone(),
    };
    let opened = session::open(app, request, now).await?;
    if opened.session.quote.amount_vnd.get() == 0 {
        return Ok((opened.session, opened.token, None));
    }
    let gateway = api::gateway::vietqr::CODE;
    let payment = payment::request(app, &opened.session, gateway, filled.key.clone(), now).await?;
    Ok((opened.session, opened.token, Some(payment)))
}

async fn form(
    app: &App,
    reader: &Reader,
    code: &str,
    failed: Option<(PayForm, ApiError)>,
) -> Response {
    let lang = reader.lang;
    let bay = match app.store.bay_place(code).await {
        Ok(bay) => bay,
        Err(error) => return problem(reader, &error.into()),
    };
    let now = App::now();
    let options: Vec<(u32, session::Priced)> = CHOICES
        .into_iter()
        .filter_map(|minutes| Some((minutes, session::price(&bay, bay.class, minutes, now).ok()?)))
        .collect();
    let occupancy = app
        .live
        .lot(&bay.lot_code, now)
        .await
        .and_then(|(_, bays)| bays.into_iter().find(|seen| seen.code == bay.code))
        .map(|seen| seen.state);
    let status = if failed.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let title = format!("{} {}", lang.t("Đỗ xe ở", "Park at"), bay.code);
    Document {
        title: &title,
        active: "",
        live: None,
    }
    .respond(reader, status, move || {
        if options.is_empty() {
            let text = lang.t(
                "Chỗ này chưa có giá nên chưa thu tiền được.",
                "This bay has no price yet, so nothing can be paid.",
            );
            return message(
                lang.t("Chưa thu tiền", "Not for sale"),
                text.to_owned(),
                lang,
            )
            .into_any();
        }
        form_view(&bay, options, occupancy, failed, lang).into_any()
    })
}

fn form_view(
    bay: &BayPlace,
    options: Vec<(u32, session::Priced)>,
    occupancy: Option<Occupancy>,
    failed: Option<(PayForm, ApiError)>,
    lang: Lang,
) -> impl IntoView + use<> {
    let (filled, error) = match failed {
        Some((filled, error)) => (filled, Some(reason(&error, lang))),
        None => (PayForm::default(), None),
    };
    let chosen = if filled.minutes == 0 {
        60
    } else {
        filled.minutes
    };
    let has_chosen = options.iter().any(|(minutes, _)| *minutes == chosen);
    let tz = bay.timezone;
    let choices = options
        .into_iter()
        .enumerate()
        .map(|(index, (minutes, priced))| {
            let checked = if has_chosen {
                minutes == chosen
            } else {
                index == 0
            };
            choice(minutes, &priced, checked, tz, lang)
        })
        .collect_view();
    let invalid = error.is_some();
    let seen_free = occupancy == Some(Occupancy::Free);
    view! {
        <form class="pay narrow" method="post" action=format!("/b/{}", bay.code)>
            <input type="hidden" name="key" value=api::secret::random_token() />
            <header class="bay-sign">
                <span class="bay-code-sign">{bay.code.clone()}</span>
                <span>
                    <b>{bay.lot_name.clone()}</b>
                    <small>{lang.class(bay.class)} " · " {bay.zone_name.clone()}</small>
                </span>
            </header>
            {error.map(|text| view! { <p class="error" role="alert">{text}</p> })}
            {seen_free.then(|| view! {
                <p class="hint">{lang.t(
                    "Cảm biến chưa thấy xe ở chỗ này. Xin xem lại mã trên biển.",
                    "The sensor sees no vehicle here yet. Please check the code on the sign.",
                )}</p>
            })}
            <label class="field">
                <span>{lang.t("Biển số xe", "Licence plate")}</span>
                <input
                    name="plate"
                    value=filled.plate
                    required
                    minlength="4"
                    maxlength="20"
                    autocomplete="off"
                    autocapitalize="characters"
                    spellcheck="false"
                    placeholder="30A-123.45"
                    aria-invalid=invalid.then_some("true")
                />
            </label>
            <fieldset>
                <legend>{lang.t("Đỗ bao lâu?", "For how long?")}</legend>
                <div class="choices">{choices}</div>
            </fieldset>
            <button class="primary">{lang.t("Trả bằng mã VietQR", "Pay by VietQR")}</button>
            <p class="note">
                {lang.t(
                    "Không cần tài khoản hay ứng dụng. Không trả thêm tiền mặt cho ai.",
                    "No account, no app. Do not pay anybody in cash on top.",
                )}
            </p>
        </form>
    }
}

fn choice(
    minutes: u32,
    priced: &session::Priced,
    checked: bool,
    tz: Tz,
    lang: Lang,
) -> impl IntoView + use<> {
    let amount = priced.quote.amount_vnd.to_string();
    let until = clock(priced.ends_at, tz, priced.starts_at);
    let lines = price_lines(&priced.quote.lines, amount.clone(), lang);
    view! {
        <label class="choice">
            <input type="radio" name="minutes" value=minutes.to_string() checked=checked />
            <span class="choice-head">
                <b>{lang.duration(TimeDelta::minutes(i64::from(minutes)))}</b>
                <small>{lang.t("đến ", "until ")} {until}</small>
                <b class="amount">{amount}</b>
            </span>
            <span class="why">{lines}</span>
        </label>
    }
}

/// Why a form was refused, in the reader's language.
fn reason(error: &ApiError, lang: Lang) -> String {
    match (error, lang) {
        (ApiError::KeyReused, _) => lang
            .t(
                "Thông tin đã đổi sau lần gửi trước. Xin kiểm tra rồi gửi lại.",
                "The details have changed since they were first sent. Please check and send again.",
            )
            .to_owned(),
        (_, Lang::Vi) => {
            "Biển số hoặc thời gian chưa đúng. Biển số có từ 4 đến 12 chữ và số, ví dụ 30A-123.45."
                .to_owned()
        }
        (error, Lang::En) => format!("Please check: {error}."),
    }
}
