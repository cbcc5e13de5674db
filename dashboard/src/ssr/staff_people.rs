//! `/staff/people`: who may work here, for administrators.

use api::service::people::{self, Change, NewMember};
use api::service::{second_factor, staff_identity};
use api::{ApiError, App};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono_tz::Tz;
use domain::staff::Role;
use leptos::prelude::*;
use serde::Deserialize;
use store::people::Member;
use store::staff::Staff;

use super::document::Document;
use super::parts::clock;
use super::staff::{SignedIn, staff_bar};
use super::staff_confirm::ConfirmedForm;
use super::{Reader, problem};
use crate::lang::Lang;

/// What the list of operators sends for those of the city, who see every lot: no operator's code.
const WHOLE_CITY: &str = "*";

/// What the page says of the deed before it.
enum Told {
    /// A login's new password, never shown again.
    Password(String, String),
    Done,
    Failed(ApiError),
}

/// `/staff/people`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
) -> Response {
    show(&app, &reader, who, None).await
}

#[derive(Deserialize)]
pub(crate) struct AddForm {
    login: String,
    name: String,
    #[serde(default)]
    operator: String,
    #[serde(default)]
    administrator: bool,
    #[serde(default)]
    auditor: bool,
}

/// `POST /staff/people`: adds somebody; the page shows the password once.
pub(crate) async fn add(
    State(app): State<App>,
    reader: Reader,
    ConfirmedForm(who, form): ConfirmedForm<AddForm>,
) -> Response {
    let done = async {
        let now = App::now();
        let operator = match (form.operator.trim(), &who.staff().operator) {
            (WHOLE_CITY, None) => None,
            // Nobody is let into every lot for want of a choice.
            ("", None) => {
                return Err(ApiError::Unprocessable("choose the operator".to_owned()));
            }
            ("", Some(own)) => Some(own.clone()),
            (code, _) => Some(code.to_owned()),
        };
        let role = match (form.administrator, form.auditor) {
            (true, true) => {
                return Err(ApiError::Unprocessable(
                    "an auditor changes nothing, an administrator does".to_owned(),
                ));
            }
            (true, false) => Role::Administrator,
            (false, true) => Role::Auditor,
            (false, false) => Role::Staff,
        };
        let new = NewMember {
            login: form.login.trim().to_owned(),
            name: form.name,
            operator,
            role,
        };
        let password = people::add(&app, &who, &new, now).await?;
        Ok(Told::Password(new.login, password))
    };
    let done = done.await;
    answer(&app, &reader, who.into_staff(), done).await
}

#[derive(Deserialize)]
pub(crate) struct ChangeForm {
    deed: String,
}

/// `POST /staff/people/{login}`: another role, a new password, out or in again, no identity or no second factor
/// any more.
pub(crate) async fn change(
    State(app): State<App>,
    reader: Reader,
    Path(login): Path<String>,
    ConfirmedForm(who, form): ConfirmedForm<ChangeForm>,
) -> Response {
    let done = async {
        let now = App::now();
        let change = match form.deed.as_str() {
            "password" => {
                let password = people::new_password_for(&app, &who, &login, now).await?;
                return Ok(Told::Password(login, password));
            }
            "unlink" => {
                staff_identity::unlink(&app, &who, &login, now).await?;
                return Ok(Told::Done);
            }
            "second_factor" => {
                second_factor::end(&app, &who, &login, now).await?;
                return Ok(Told::Done);
            }
            "administrator" => Change::Role(Role::Administrator),
            "staff" => Change::Role(Role::Staff),
            "out" => Change::ShutOut,
            "in" => Change::LetIn,
            _ => return Err(ApiError::Unprocessable("no such deed".to_owned())),
        };
        people::change(&app, &who, &login, change, now).await?;
        Ok(Told::Done)
    };
    let done = done.await;
    answer(&app, &reader, who.into_staff(), done).await
}

async fn answer(app: &App, reader: &Reader, who: Staff, done: Result<Told, ApiError>) -> Response {
    match done {
        Ok(told) => show(app, reader, who, Some(told)).await,
        Err(
            error @ (ApiError::Conflict(_) | ApiError::Unprocessable(_) | ApiError::NotFound(_)),
        ) => show(app, reader, who, Some(Told::Failed(error))).await,
        Err(error) => problem(reader, &error),
    }
}

async fn show(app: &App, reader: &Reader, who: Staff, told: Option<Told>) -> Response {
    let loaded = tokio::try_join!(people::list(app, &who), people::operators(app, &who));
    let (members, operators) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return problem(reader, &error),
    };
    let lang = reader.lang;
    let title = lang.staff_people().people;
    let tz = app.city.timezone;
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
        let rows = members
            .into_iter()
            .map(|member| row(member, &who.login, tz, lang));
        let rows = rows.collect_view();
        view! {
            {staff_bar(&who, "/staff/people", lang)}
            <h1>{title}</h1>
            {told.map(|told| told_view(told, lang))}
            <div class="scroll card"><table class="grid rows">
                <thead><tr>
                    <th scope="col">{lang.staff_people().login}</th>
                    <th scope="col">{lang.staff_people().name}</th>
                    <th scope="col">{lang.staff_people().operator}</th>
                    <th scope="col">{lang.staff_people().role}</th>
                    <th scope="col">{lang.staff_people().signed_in}</th>
                    <th scope="col">{lang.staff_people().change}</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table></div>
            {add_view(&who, operators, lang)}
        }
    })
}

fn told_view(told: Told, lang: Lang) -> impl IntoView {
    match told {
        Told::Done => view! { <p class="ok" role="status">"✓ " {lang.staff_people().done}</p> }.into_any(),
        Told::Password(login, password) => view! {
            <p class="hint" role="status">
                {lang.staff_people().the_password_of} <b>{login}</b> ": " <code data-password>{password}</code> ". "
                {lang.staff_people().shown_once_hand_over_yourself}
            </p>
        }
        .into_any(),
        Told::Failed(error) => {
            let text = match (&error, lang) {
                (ApiError::Conflict(_), Lang::Vi) => {
                    "Tên đăng nhập đã có, bạn đang tự đổi quyền của mình, hoặc việc này cần đăng nhập bằng mật khẩu.".to_owned()
                }
                (_, Lang::Vi) => "Xin xem lại tên đăng nhập, tên và mã đơn vị.".to_owned(),
                (error, Lang::En) => error.to_string(),
            };
            view! { <p class="error" role="alert">{text}</p> }.into_any()
        }
    }
}

fn row(member: Member, own: &str, tz: Tz, lang: Lang) -> impl IntoView + use<> {
    let now = App::now();
    let is_own = member.login == own;
    let out = member.disabled_at.is_some();
    let role = match member.role {
        Role::Administrator => lang.staff_people().administrator,
        Role::Staff => lang.staff_people().staff,
        Role::Auditor => lang.staff_people().auditor,
    };
    let deed = |value: &'static str, text: &'static str| {
        view! { <button name="deed" value=value>{text}</button> }
    };
    let (other_role, other_text) = match member.role {
        Role::Administrator => ("staff", lang.staff_people().no_administrator),
        Role::Staff => ("administrator", lang.staff_people().make_administrator),
        Role::Auditor => ("staff", lang.staff_people().no_auditor),
    };
    // What cannot be taken back by a second touch is asked once more.
    let asked = |value: &'static str, text: &'static str, what: &'static str| {
        view! {
            <details>
                <summary>{text}</summary>
                <p class="note">{what}</p>
                {deed(value, lang.staff_people().yes_do_it)}
            </details>
        }
    };
    let linked = member.linked_at.map(|at| {
        let name = member.identity_name.unwrap_or_default();
        let since = clock(at, tz, now);
        let text = lang.staff_people();
        view! { <small data-linked>{format!("{} {name} · {since}", text.comes_in_as)}</small> }
    });
    let unlink = linked.is_some().then(|| {
        let text = lang.staff_people();
        asked("unlink", text.unlink, text.by_password_alone)
    });
    let factor = member.enrolled_at.map(|at| {
        let since = clock(at, tz, now);
        let text = lang.staff_people();
        view! { <small data-second-factor>{format!("{} {since}", text.second_factor_since)}</small> }
    });
    let end_factor = (factor.is_some() && !is_own).then(|| {
        let text = lang.staff_people();
        asked(
            "second_factor",
            text.end_second_factor,
            text.by_password_without_code,
        )
    });
    let changes = (!is_own).then(|| {
        view! {
            {deed(other_role, other_text)}
            {if out {
                deed("in", lang.staff_people().let_in_again).into_any()
            } else {
                asked("out", lang.staff_people().shut_them_out, lang.staff_people().signed_out_at_once).into_any()
            }}
        }
    });
    view! {
        <tr>
            <th scope="row">{member.login.clone()}</th>
            <td data-label=lang.staff_people().name>{member.name} " " {linked} " " {factor}</td>
            <td data-label=lang.staff_people().operator>{member.operator.unwrap_or_else(|| lang.staff_people().the_city.to_owned())}</td>
            <td data-label=lang.staff_people().role>{role} {out.then(|| format!(" · {}", lang.staff_people().shut_out))}</td>
            <td data-label=lang.staff_people().signed_in>{member.signed_in_at.map(|at| clock(at, tz, now))}</td>
            <td>
                <form class="inline" method="post" action=format!("/staff/people/{}", member.login)>
                    {asked("password", lang.staff_people().new_password, lang.staff_people().old_password_ends)}
                    {changes}
                    {unlink}
                    {end_factor}
                </form>
            </td>
        </tr>
    }
}

fn add_view(who: &Staff, operators: Vec<(String, String)>, lang: Lang) -> impl IntoView + use<> {
    let city = who.operator.is_none();
    view! {
        <form class="card narrow" method="post" action="/staff/people">
            <h2>{lang.staff_people().add_somebody}</h2>
            <label class="field">
                <span>{lang.staff_people().login_field}</span>
                <input name="login" required maxlength="60" pattern="[A-Za-z0-9._@\\-]+" autocomplete="off" autocapitalize="none" />
            </label>
            <label class="field">
                <span>{lang.staff_people().name_field}</span>
                <input name="name" required maxlength="60" autocomplete="off" />
            </label>
            {city.then(|| view! {
                <label class="field">
                    <span>{lang.staff_people().the_operator}</span>
                    <select name="operator" required>
                        <option value="">{lang.staff_people().please_choose}</option>
                        {operators.into_iter().map(|(code, name)| view! {
                            <option value=code.clone()>{format!("{name} ({code})")}</option>
                        }).collect_view()}
                        <option value=WHOLE_CITY>{lang.staff_people().whole_city_all_operators}</option>
                    </select>
                </label>
            })}
            <label><input type="checkbox" name="administrator" value="true" /> " " {lang.staff_people().is_an_administrator}</label>
            {city.then(|| view! {
                <label><input type="checkbox" name="auditor" value="true" /> " " {lang.staff_people().is_an_auditor}</label>
            })}
            <button class="primary">{lang.staff_people().add}</button>
        </form>
    }
}
