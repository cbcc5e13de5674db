//! Signing in to a wallet: a phone number, then the code that was sent to it.

use api::client::Client;
use api::service::driver::{self, CodeSent};
use api::{ApiError, App};
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use domain::phone::Phone;
use leptos::prelude::*;
use serde::Deserialize;

use super::wallet::document;
use super::{Reader, problem};
use crate::lang::Lang;

/// A page of ours to go on to; nowhere else.
pub(super) fn inside(to: Option<&str>) -> Option<String> {
    to.filter(|to| {
        to.starts_with('/')
            && !to.starts_with("//")
            // Browsers leave some characters out, and so read another address.
            && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    })
    .map(str::to_owned)
}

#[derive(Clone, Deserialize)]
pub(crate) struct PhoneForm {
    phone: String,
    to: Option<String>,
}

/// `POST /wallet/code`: sends a code and asks for it. The number is in no address.
pub(crate) async fn send_code(
    State(app): State<App>,
    reader: Reader,
    client: Client,
    Form(filled): Form<PhoneForm>,
) -> Response {
    let to = inside(filled.to.as_deref());
    let phone = match Phone::parse(&filled.phone) {
        Ok(phone) => phone,
        Err(error) => return ask_phone(&app, &reader, to, Some((filled.phone, error.into()))),
    };
    match driver::send_code(&app, &phone, client, App::now()).await {
        Ok(CodeSent::Now(_)) => ask_code(&reader, &phone, to, None),
        // Whoever has that one may type it.
        Ok(CodeSent::Lately(wait_s)) => {
            ask_code(&reader, &phone, to, Some(ApiError::TooOften { wait_s }))
        }
        Err(error) => ask_phone(&app, &reader, to, Some((filled.phone, error))),
    }
}

/// The addresses of the wallet's forms, where one of them was answered and the page is asked for again: in another
/// language, or by the browser's history.
pub(crate) async fn back() -> Redirect {
    Redirect::to("/wallet")
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    phone: String,
    code: String,
    to: Option<String>,
}

/// `POST /wallet/sign-in`: by the code that was sent.
pub(crate) async fn sign_in(
    State(app): State<App>,
    reader: Reader,
    Form(filled): Form<CodeForm>,
) -> Response {
    let to = inside(filled.to.as_deref());
    let phone = match Phone::parse(&filled.phone) {
        Ok(phone) => phone,
        Err(error) => return ask_phone(&app, &reader, to, Some((filled.phone, error.into()))),
    };
    match driver::sign_in(&app, &phone, &filled.code, App::now()).await {
        Ok(signed_in) => {
            let cookie = driver::set_cookie(&app, &signed_in.token);
            let to = to.unwrap_or_else(|| "/wallet".to_owned());
            ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
        }
        Err(error @ ApiError::WrongCode) => ask_code(&reader, &phone, to, Some(error)),
        Err(error) => problem(&reader, &error),
    }
}

#[derive(Deserialize)]
pub(crate) struct SignOutForm {
    #[serde(default)]
    everywhere: bool,
}

/// `POST /wallet/sign-out`: this browser, or all.
pub(crate) async fn sign_out(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    Form(form): Form<SignOutForm>,
) -> Response {
    if let Some(token) = driver::held_token(&app, &headers)
        && let Err(error) = driver::sign_out(&app, token, form.everywhere).await
    {
        return problem(&reader, &error);
    }
    let cookie = driver::set_cookie(&app, "");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/wallet")).into_response()
}

fn back_field(to: Option<String>) -> impl IntoView {
    to.map(|to| view! { <input type="hidden" name="to" value=to /> })
}

pub(super) fn ask_phone(
    app: &App,
    reader: &Reader,
    to: Option<String>,
    failed: Option<(String, ApiError)>,
) -> Response {
    let lang = reader.lang;
    if !driver::is_offered(app) {
        let error = ApiError::NotFound("page");
        return problem(reader, &error);
    }
    let status = failed
        .as_ref()
        .map_or(StatusCode::OK, |(_, error)| error.status());
    let (phone, error) = failed.unzip();
    let error = error.map(|error| reason(&error, lang));
    document(lang).respond(reader, status, move || {
        let invalid = error.is_some();
        view! {
            <form class="card narrow" method="post" action="/wallet/code">
                <h1>{lang.wallet_sign_in().clearbay_wallet}</h1>
                <p>{lang.wallet_sign_in().fill_once_park_often_pay}</p>
                {back_field(to)}
                <label class="field">
                    <span>{lang.wallet_sign_in().mobile_phone_number}</span>
                    <input name="phone" type="tel" inputmode="tel" autocomplete="tel-national" required maxlength="20"
                        value=phone placeholder="0912 345 678" data-remember="phone"
                        aria-invalid=invalid.then_some("true") aria-describedby=invalid.then_some("phone-error") />
                    {error.map(|text| view! { <small id="phone-error" class="error" role="alert">{text}</small> })}
                </label>
                <button class="primary">{lang.wallet_sign_in().send_me_a_code}</button>
                <p class="note">{lang.wallet_sign_in().we_send_one_time_code}</p>
            </form>
        }
    })
}

fn ask_code(
    reader: &Reader,
    phone: &Phone,
    to: Option<String>,
    failed: Option<ApiError>,
) -> Response {
    let lang = reader.lang;
    let status = failed.as_ref().map_or(StatusCode::OK, ApiError::status);
    let error = failed.map(|error| reason(&error, lang));
    let (number, again) = (phone.national(), to.clone());
    document(lang).respond(reader, status, move || {
        let invalid = error.is_some();
        view! {
            <section class="card narrow">
                <form method="post" action="/wallet/sign-in">
                    <h1>{lang.wallet_sign_in().enter_the_code_from_the_message}</h1>
                    <p>{lang.wallet_sign_in().sent_to} <b>{number.clone()}</b> {lang.wallet_sign_in().it_is_good_for_5_minutes}</p>
                    {back_field(to)}
                    <input type="hidden" name="phone" value=number.clone() />
                    <label class="field">
                        <span>{lang.wallet_sign_in().the_code_of_six_digits}</span>
                        <input name="code" class="one-time-code" inputmode="numeric" autocomplete="one-time-code" required
                            pattern="[0-9 ]{6,7}" maxlength="7" autofocus
                            aria-invalid=invalid.then_some("true") aria-describedby=invalid.then_some("code-error") />
                        {error.map(|text| view! { <small id="code-error" class="error" role="alert">{text}</small> })}
                    </label>
                    <button class="primary wide">{lang.wallet_sign_in().open_the_wallet}</button>
                </form>
                <form method="post" action="/wallet/code">
                    {back_field(again)}
                    <input type="hidden" name="phone" value=number />
                    <p class="note">{lang.wallet_sign_in().nothing_came_after_minute_can}</p>
                    <button class="quiet">{lang.wallet_sign_in().send_another_code}</button>
                </form>
                <p><a href="/wallet">{lang.wallet_sign_in().use_another_number}</a></p>
            </section>
        }
    })
}

/// Why signing in goes no further, in the reader's language.
fn reason(error: &ApiError, lang: Lang) -> String {
    match error {
        ApiError::WrongCode => lang.wallet_sign_in().code_wrong_or_no_longer.to_owned(),
        ApiError::TooOften { wait_s } => {
            let wait = lang.duration(chrono::TimeDelta::seconds(wait_s + 59));
            format!(
                "{} {wait}.",
                lang.wallet_sign_in().code_has_been_sent_number
            )
        }
        ApiError::Unavailable(_) => lang.wallet_sign_in().code_cannot_sent_right_now.to_owned(),
        _ => lang
            .wallet_sign_in()
            .vietnamese_mobile_number_has_ten
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_to_pages_of_ours_only() {
        assert_eq!(
            inside(Some("/b/HK-01-001")).as_deref(),
            Some("/b/HK-01-001")
        );
        for to in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "b",
            "/a\nb",
            "/\t/evil.example",
        ] {
            assert_eq!(inside(Some(to)), None, "{to}");
        }
    }
}
