//! `/staff/terminals`: handheld terminals, for administrators.

use api::service::{people, terminal};
use api::{ApiError, App};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use domain::id::TerminalId;
use leptos::prelude::*;
use serde::Deserialize;
use store::staff::Staff;
use store::terminal::Terminal;

use super::document::Document;
use super::parts::{day, whose};
use super::staff::{SignedIn, staff_bar};
use super::staff_confirm::ConfirmedForm;
use super::{Reader, problem};
use crate::lang::Lang;

/// What the page says of the deed before it.
enum Told {
    /// A terminal's token, never shown again.
    Token(String, String),
    Failed(ApiError),
}

/// `/staff/terminals`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
) -> Response {
    show(&app, &reader, who, None).await
}

#[derive(Deserialize)]
pub(crate) struct AddForm {
    name: String,
    /// For the city's administrators; others add to their own operator.
    #[serde(default)]
    operator: String,
}

/// `POST /staff/terminals`: adds one; the page shows its token once.
pub(crate) async fn add(
    State(app): State<App>,
    reader: Reader,
    ConfirmedForm(confirmed, form): ConfirmedForm<AddForm>,
) -> Response {
    let operator = match (form.operator.trim(), &confirmed.staff().operator) {
        ("", Some(own)) => own.clone(),
        (code, _) => code.to_owned(),
    };
    let added = terminal::add(&app, &confirmed, &operator, &form.name, App::now()).await;
    let who = confirmed.into_staff();
    match added {
        Ok(token) => {
            let told = Told::Token(form.name, token);
            show(&app, &reader, who, Some(told)).await
        }
        Err(
            error @ (ApiError::Conflict(_) | ApiError::Unprocessable(_) | ApiError::NotFound(_)),
        ) => show(&app, &reader, who, Some(Told::Failed(error))).await,
        Err(error) => problem(&reader, &error),
    }
}

/// `POST /staff/terminals/{id}/end`: its token is good no more.
pub(crate) async fn end(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<i32>,
    SignedIn(who): SignedIn,
) -> Response {
    match terminal::end(&app, &who, TerminalId(id), App::now()).await {
        Ok(()) => Redirect::to("/staff/terminals").into_response(),
        Err(error) => problem(&reader, &error),
    }
}

async fn show(app: &App, reader: &Reader, who: Staff, told: Option<Told>) -> Response {
    let loaded = tokio::try_join!(terminal::list(app, &who), people::operators(app, &who));
    let (terminals, operators) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return problem(reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let text = lang.staff_terminals();
    let title = text.terminals;
    let status = match &told {
        Some(Told::Failed(error)) => error.status(),
        _ => StatusCode::OK,
    };
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .respond(reader, status, move || {
        let empty = terminals.is_empty();
        let rows = terminals
            .into_iter()
            .map(|terminal| row(terminal, tz, lang));
        let rows = rows.collect_view();
        view! {
            {staff_bar(&who, "/staff/terminals", lang)}
            <h1>{title}</h1>
            <p class="note">{text.what_they_are}</p>
            {told.map(|told| told_view(told, lang))}
            {empty.then(|| view! { <p class="empty">{text.none}</p> })}
            {(!empty).then(|| view! {
                <div class="scroll card"><table class="grid rows">
                    <thead><tr>
                        <th scope="col">{text.name}</th>
                        <th scope="col">{text.operator}</th>
                        <th scope="col">{text.made}</th>
                        <th scope="col">{text.ended}</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table></div>
            })}
            {add_view(operators, lang)}
        }
    })
}

fn told_view(told: Told, lang: Lang) -> impl IntoView {
    let text = lang.staff_terminals();
    match told {
        Told::Token(name, token) => view! {
            <p class="hint" role="status">
                {text.the_token_of} " " <b>{name}</b> ": " <code class="id" data-token>{token}</code> ". "
                {text.shown_once}
            </p>
        }
        .into_any(),
        Told::Failed(error) => {
            let words = match error {
                ApiError::Conflict(_) => text.name_in_use,
                _ => text.look_at_name_and_operator,
            };
            view! { <p class="error" role="alert">{words}</p> }.into_any()
        }
    }
}

fn row(terminal: Terminal, tz: Tz, lang: Lang) -> impl IntoView + use<> {
    let text = lang.staff_terminals();
    let end = match (terminal.ended_at, terminal.ended_by) {
        (Some(at), by) => view! { {day(at, tz)} " · " {by.as_deref().map(whose)} }.into_any(),
        (None, _) => view! {
            <details>
                <summary>{text.end}</summary>
                <p class="note">{text.good_no_more}</p>
                <form method="post" action=format!("/staff/terminals/{}/end", terminal.id)>
                    <button>{text.yes_end_it}</button>
                </form>
            </details>
        }
        .into_any(),
    };
    view! {
        <tr>
            <th scope="row">{terminal.name}</th>
            <td>{terminal.operator_code}</td>
            <td>{day(terminal.made_at, tz)} " · " {whose(&terminal.made_by)}</td>
            <td>{end}</td>
        </tr>
    }
}

/// The form; with a list of operators for the city's administrators.
fn add_view(operators: Vec<(String, String)>, lang: Lang) -> impl IntoView + use<> {
    let text = lang.staff_terminals();
    let choose = (!operators.is_empty()).then(|| {
        view! {
            <label class="field">
                <span>{text.operator}</span>
                <select name="operator" required>
                    <option value="">{text.please_choose}</option>
                    {operators.into_iter().map(|(code, name)| view! {
                        <option value=code.clone()>{format!("{name} ({code})")}</option>
                    }).collect_view()}
                </select>
            </label>
        }
    });
    view! {
        <form class="card narrow" method="post" action="/staff/terminals">
            <h2>{text.add_one}</h2>
            <label class="field">
                <span>{text.name_such_as}</span>
                <input name="name" required maxlength=terminal::NAME_MAX.to_string() autocomplete="off" />
            </label>
            {choose}
            <button class="primary">{text.add}</button>
        </form>
    }
}
