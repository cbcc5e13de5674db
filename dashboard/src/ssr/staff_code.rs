//! `/staff/login/code`: the code beside the password.

use api::client::Client;
use api::service::second_factor::Answer;
use api::service::staff::{self, Browser};
use api::service::staff_code;
use api::{ApiError, App};
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use leptos::prelude::*;
use serde::Deserialize;

use super::document::Document;
use super::staff::must_wait;
use super::{Reader, problem};
use crate::lang::Lang;

/// `GET /staff/login/code`.
pub(crate) async fn page(State(app): State<App>, reader: Reader, headers: HeaderMap) -> Response {
    match staff_code::is_asked(&app, &headers, App::now()) {
        true => show(&reader, StatusCode::OK, None),
        false => Redirect::to("/staff").into_response(),
    }
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    #[serde(default)]
    code: String,
    #[serde(default)]
    recovery: String,
}

/// `POST /staff/login/code`.
pub(crate) async fn sign_in(
    State(app): State<App>,
    reader: Reader,
    client: Client,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Response {
    let answer = Answer::of(&form.code, &form.recovery);
    let browser = Browser::new(&app, client, &headers);
    let done = staff_code::sign_in(&app, answer.as_ref(), &headers, browser, App::now()).await;
    let text = reader.lang.staff_second_factor();
    match done {
        Ok(token) => {
            let cookies = [
                staff::set_cookie(&app, &token),
                staff_code::forget_cookie(&app),
            ];
            let cookies = cookies.map(|cookie| (header::SET_COOKIE, cookie));
            (AppendHeaders(cookies), Redirect::to("/staff")).into_response()
        }
        // The password counts no longer: it is asked for anew.
        Err(ApiError::Unauthorized) => {
            let forget = [(header::SET_COOKIE, staff_code::forget_cookie(&app))];
            (forget, Redirect::to("/staff/login")).into_response()
        }
        Err(error @ ApiError::WrongCode) => {
            show(&reader, error.status(), Some(text.code_is_wrong.to_owned()))
        }
        Err(error) => match must_wait(&error, reader.lang) {
            Some(why) => show(&reader, error.status(), Some(why)),
            None => problem(&reader, &error),
        },
    }
}

fn show(reader: &Reader, status: StatusCode, why: Option<String>) -> Response {
    let lang = reader.lang;
    let text = lang.staff_second_factor();
    Document {
        title: text.title,
        active: "/staff",
        live: None,
    }
    .respond(reader, status, move || {
        view! {
            <form class="card narrow" method="post" action="/staff/login/code">
                <h1>{text.enter_code}</h1>
                {why.map(|why| view! { <p class="error" role="alert">{why}</p> })}
                {code_fields("code", "recovery", lang)}
                <button class="primary wide">{text.go_on}</button>
                <p><a href="/staff/login">{text.another_login}</a></p>
            </form>
        }
    })
}

/// The fields of a code: that of now, or one of those for a lost phone.
pub(super) fn code_fields(
    code: &'static str,
    recovery: &'static str,
    lang: Lang,
) -> impl IntoView + use<> {
    let text = lang.staff_second_factor();
    view! {
        <label class="field">
            <span>{text.code}</span>
            <input name=code class="one-time-code" inputmode="numeric" autocomplete="one-time-code"
                pattern="[0-9 ]{6,7}" maxlength="7" />
            <small class="note">{text.new_each_30_seconds}</small>
        </label>
        <details>
            <summary>{text.without_the_phone}</summary>
            <label class="field">
                <span>{text.recovery_code}</span>
                <input name=recovery autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="40" />
            </label>
            <p class="note">{text.or_an_administrator}</p>
        </details>
    }
}
