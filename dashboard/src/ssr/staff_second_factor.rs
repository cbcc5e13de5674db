//! `/staff/second-factor`: a member of staff gives themselves a second factor, or another one.

use api::service::confirm::{self, Enrolling};
use api::service::second_factor::{self, Enrolled, Offer};
use api::service::staff;
use api::{ApiError, App};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use leptos::prelude::*;
use serde::Deserialize;
use store::second_factor::SecondFactor;
use store::staff::Staff;

use super::Reader;
use super::document::Document;
use super::parts::{day, qr_svg};
use super::staff::{refused, staff_bar};
use super::staff_confirm::{Asked, ask};
use crate::lang::Lang;

const PAGE: &str = "/staff/second-factor";

/// `GET /staff/second-factor`.
pub(crate) async fn page(State(app): State<App>, reader: Reader, headers: HeaderMap) -> Response {
    let now = App::now();
    let login = match staff::login(&app, staff::held_token(&app, &headers), now).await {
        Ok(login) => login,
        Err(error) => return refused(&reader, &error),
    };
    match second_factor::own(&app, &login.staff).await {
        Ok(Some(own)) => return overview(&app, &reader, login.staff, own),
        Ok(None) => {}
        Err(error) => return refused(&reader, &error),
    }
    match confirm::enrolling(&app, &headers, now).await {
        Ok(who) => begin(&app, &reader, &who),
        Err(error @ ApiError::ConfirmationRequired) => {
            let kept = vec![("deed".to_owned(), "begin".to_owned())];
            let mark = confirm::mark(&app, &headers);
            ask(
                &reader,
                (login, mark),
                PAGE.to_owned(),
                kept,
                error.status(),
                None,
            )
        }
        Err(error) => refused(&reader, &error),
    }
}

#[derive(Deserialize)]
pub(crate) struct FactorForm {
    deed: String,
    /// The secret that the page showed.
    #[serde(default)]
    shown: String,
    #[serde(default)]
    code: String,
}

/// `POST /staff/second-factor`: a secret to enrol, enrolling it, new recovery codes, or none any more.
pub(crate) async fn change(State(app): State<App>, asked: Asked) -> Response {
    let now = App::now();
    let taken = async { Ok((asked.enrolling(&app).await?, asked.form().await?)) };
    let (who, form): (Enrolling, FactorForm) = match taken.await {
        Ok(taken) => taken,
        Err(error) => return asked.refused(&error),
    };
    let reader = &asked.reader;
    let text = reader.lang.staff_second_factor();
    let done = match form.deed.as_str() {
        "begin" => return begin(&app, reader, &who),
        "enrol" => second_factor::enrol(&app, &who, &form.shown, &form.code, now).await,
        "codes" => second_factor::renew_recovery_codes(&app, &who, now)
            .await
            .map(Enrolled::Done),
        "end" => match second_factor::end_own(&app, &who, now).await {
            Ok(()) => return Redirect::to(PAGE).into_response(),
            Err(error @ ApiError::Conflict(_)) => {
                let staff = who.staff().clone();
                return told(reader, staff, error.status(), text.by_password_only);
            }
            Err(error) => Err(error),
        },
        _ => Err(ApiError::Unprocessable("no such deed".to_owned())),
    };
    match done {
        Ok(Enrolled::Done(codes)) => codes_page(reader, who.staff().clone(), codes),
        Ok(Enrolled::WrongCode(offer)) => {
            let error = ApiError::WrongCode;
            let why = Some(text.code_is_wrong);
            offer_page(&app, reader, &who, offer, error.status(), why)
        }
        Err(error @ ApiError::Conflict(_)) => told(
            reader,
            who.staff().clone(),
            error.status(),
            text.shown_too_long_ago,
        ),
        Err(error) => refused(reader, &error),
    }
}

/// A new secret, where there is none that counts already.
fn begin(app: &App, reader: &Reader, who: &Enrolling) -> Response {
    match second_factor::offer(app, who, App::now()) {
        Ok(offer) => offer_page(app, reader, who, offer, StatusCode::OK, None),
        Err(error) => refused(reader, &error),
    }
}

fn document(lang: Lang) -> Document<'static> {
    Document {
        title: lang.staff_second_factor().title,
        active: "/staff",
        live: None,
    }
}

fn told(reader: &Reader, who: Staff, status: StatusCode, why: &'static str) -> Response {
    let lang = reader.lang;
    document(lang).respond(reader, status, move || {
        view! {
            {staff_bar(&who, PAGE, lang)}
            <section class="card narrow">
                <h1>{lang.staff_second_factor().title}</h1>
                <p class="error" role="alert">{why}</p>
                <p><a class="button" href=PAGE>{lang.staff_second_factor().go_on}</a></p>
            </section>
        }
    })
}

fn offer_page(
    app: &App,
    reader: &Reader,
    who: &Enrolling,
    offer: Offer,
    status: StatusCode,
    why: Option<&'static str>,
) -> Response {
    let lang = reader.lang;
    let text = lang.staff_second_factor();
    let staff = who.staff().clone();
    let needed = app
        .second_factor
        .requires(staff.role, staff.operator.is_none());
    document(lang).respond(reader, status, move || {
        // In groups, as people read it off.
        let letters: Vec<char> = offer.base32.chars().collect();
        let groups = letters.chunks(4).map(|group| group.iter().collect::<String>());
        let typed = groups.collect::<Vec<_>>().join(" ");
        view! {
            {staff_bar(&staff, PAGE, lang)}
            <form class="card narrow" method="post" action=PAGE>
                <h1>{text.title}</h1>
                {needed.then(|| view! { <p class="hint">{text.needed_first}</p> })}
                <p>{text.what_it_is}</p>
                <h2>{text.scan_it}</h2>
                <div class="qr" role="img" aria-label=text.scan_it inner_html=qr_svg(&offer.address)></div>
                <p><a class="button" href=offer.address.clone()>{text.open_in_app}</a></p>
                <p>{text.or_type_it} ": " <code data-secret>{typed}</code></p>
                <input type="hidden" name="shown" value=offer.sealed />
                <label class="field">
                    <span>{text.then_its_code}</span>
                    <input name="code" class="one-time-code" inputmode="numeric" autocomplete="one-time-code" required
                        pattern="[0-9 ]{6,7}" maxlength="7" />
                    {why.map(|why| view! { <small class="error" role="alert">{why}</small> })}
                </label>
                <p class="note">{text.elsewhere_signed_out}</p>
                <button class="primary wide" name="deed" value="enrol">{text.turn_on}</button>
            </form>
        }
    })
}

fn codes_page(reader: &Reader, who: Staff, codes: Vec<String>) -> Response {
    let lang = reader.lang;
    let text = lang.staff_second_factor();
    document(lang).page(reader, move || {
        view! {
            {staff_bar(&who, PAGE, lang)}
            <section class="card narrow">
                <h1>{text.your_recovery_codes}</h1>
                <p class="hint" role="status">{text.keep_them}</p>
                <ol>{codes.into_iter().map(|code| view! { <li><code data-recovery>{code}</code></li> }).collect_view()}</ol>
                <p><a class="button" href="/staff">{text.they_are_kept}</a></p>
            </section>
        }
    })
}

fn overview(app: &App, reader: &Reader, who: Staff, own: SecondFactor) -> Response {
    let (lang, tz) = (reader.lang, app.city.timezone);
    let text = lang.staff_second_factor();
    document(lang).page(reader, move || {
        view! {
            {staff_bar(&who, PAGE, lang)}
            <section class="card narrow">
                <h1>{text.title}</h1>
                <p class="ok">"✓ " {text.is_on} " " {day(own.enrolled_at, tz)}</p>
                <p>{text.recovery_left} ": " <b data-recovery-left>{own.recovery_left}</b></p>
                <form method="post" action=PAGE>
                    <p class="note">{text.old_ones_end}</p>
                    <button name="deed" value="codes">{text.new_recovery_codes}</button>
                </form>
                <form method="post" action=PAGE>
                    <p class="note">{text.for_another_phone}</p>
                    <button name="deed" value="end">{text.turn_off}</button>
                </form>
            </section>
        }
    })
}
