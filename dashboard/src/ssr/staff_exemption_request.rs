//! `/staff/exemptions/requests/{id}`: a driver's request, its document, and the city's decision.

use api::service::exemption_decision::{self, Case};
use api::service::staff;
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{Months, NaiveDate};
use chrono_tz::Tz;
use domain::exemption::{REASON_MAX, RequestStatus};
use domain::id::ExemptionRequestId;
use leptos::prelude::*;
use serde::Deserialize;
use store::exemption::{GrantedExemption, KnownGround};
use store::exemption_request::ExemptionRequest;
use store::exemption_scan::Look;
use store::staff::Staff;

use super::document::Document;
use super::exemption_request::Now;
use super::parts::{clock, day, ground_name, last_day, minute, whose};
use super::sign_in::confirmed_by;
use super::staff::{refused, staff_bar};
use super::{Reader, problem};
use crate::lang::Lang;

/// What an official typed that could not be done, and why.
#[derive(Default)]
struct Tried {
    days: Option<(String, String)>,
    reason: String,
    error: Option<ApiError>,
}

/// `GET /staff/exemptions/requests/{id}`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionRequestId>,
    headers: HeaderMap,
) -> Response {
    show(&app, &reader, &headers, id, Tried::default()).await
}

/// `GET /staff/exemptions/requests/{id}/document`: the picture or PDF itself. It is shown and kept
/// nowhere, and that it was opened is on the record.
pub(crate) async fn document(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionRequestId>,
    headers: HeaderMap,
) -> Response {
    let now = App::now();
    let found = async {
        let who = staff::signed_in(&app, &headers, now).await?;
        exemption_decision::scan(&app, &who, id, now).await
    };
    let scan = match found.await {
        Ok(scan) => scan,
        Err(error) => return problem(&reader, &error),
    };
    // Its sender's name for the file may say anything; ours says nothing.
    let name = format!("inline; filename=\"document.{}\"", scan.kind.code());
    (
        [
            (header::CONTENT_TYPE, scan.kind.media_type().to_owned()),
            (header::CONTENT_DISPOSITION, name),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (
                HeaderName::from_static("cross-origin-resource-policy"),
                "same-origin".to_owned(),
            ),
        ],
        scan.content,
    )
        .into_response()
}

#[derive(Deserialize)]
pub(crate) struct GrantForm {
    first: String,
    last: String,
}

/// `POST /staff/exemptions/requests/{id}/grant`.
pub(crate) async fn grant(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionRequestId>,
    headers: HeaderMap,
    Form(form): Form<GrantForm>,
) -> Response {
    let done = async {
        let now = App::now();
        let who = staff::signed_in(&app, &headers, now).await?;
        let day = |text: &str| -> Result<NaiveDate, ApiError> {
            text.parse()
                .map_err(|_| ApiError::Unprocessable("a day is missing".to_owned()))
        };
        let days = (day(&form.first)?, day(&form.last)?);
        exemption_decision::grant(&app, &who, id, days, now).await?;
        Ok(())
    };
    let done = done.await;
    let tried = Tried {
        days: Some((form.first, form.last)),
        ..Tried::default()
    };
    decided(&app, &reader, &headers, id, done, tried).await
}

#[derive(Deserialize)]
pub(crate) struct RefusalForm {
    reason: String,
}

/// `POST /staff/exemptions/requests/{id}/refuse`.
pub(crate) async fn refuse(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionRequestId>,
    headers: HeaderMap,
    Form(form): Form<RefusalForm>,
) -> Response {
    let done = async {
        let now = App::now();
        let who = staff::signed_in(&app, &headers, now).await?;
        exemption_decision::refuse(&app, &who, id, &form.reason, now).await
    };
    let done = done.await;
    let tried = Tried {
        reason: form.reason,
        ..Tried::default()
    };
    decided(&app, &reader, &headers, id, done, tried).await
}

/// On to the next that waits, or back to what could not be done.
async fn decided(
    app: &App,
    reader: &Reader,
    headers: &HeaderMap,
    id: ExemptionRequestId,
    done: Result<(), ApiError>,
    tried: Tried,
) -> Response {
    match done {
        Ok(()) => Redirect::to("/staff/exemptions").into_response(),
        Err(error @ (ApiError::Conflict(_) | ApiError::Unprocessable(_))) => {
            let error = Some(error);
            show(app, reader, headers, id, Tried { error, ..tried }).await
        }
        Err(error) => refused(reader, &error),
    }
}

async fn show(
    app: &App,
    reader: &Reader,
    headers: &HeaderMap,
    id: ExemptionRequestId,
    tried: Tried,
) -> Response {
    let now = App::now();
    let loaded = async {
        let who = staff::signed_in(app, headers, now).await?;
        let case = exemption_decision::case(app, &who, id).await?;
        Ok((who, case, app.store.exemption_grounds(None).await?))
    };
    let (who, case, grounds) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return refused(reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let title = lang.staff_exemption_request().a_request_for_an_exemption;
    let status = tried
        .error
        .as_ref()
        .map_or(StatusCode::OK, ApiError::status);
    let today = now.with_timezone(&tz).date_naive();
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .respond(reader, status, move || {
        view(&who, case, &grounds, tried, today, tz, reader)
    })
}

fn view(
    who: &Staff,
    case: Case,
    grounds: &[KnownGround],
    tried: Tried,
    today: NaiveDate,
    tz: Tz,
    reader: &Reader,
) -> impl IntoView + use<> {
    let lang = reader.lang;
    let Case {
        request,
        exemptions,
        others,
        looks,
    } = case;
    let ground = ground_name(grounds, &request.ground, lang);
    let head = format!("{} · {ground}", lang.class(request.class));
    let plate = request.plate.reveal().to_owned();
    let late = matches!(tried.error, Some(ApiError::Conflict(_))).then(|| {
        view! { <p class="error" role="alert">{lang.staff_exemption_request().request_has_just_been_decided}</p> }
    });
    let document = document_view(&request, looks, tz, reader).into_any();
    let decision = match request.status {
        RequestStatus::Waiting if who.reads_only() => ().into_any(),
        RequestStatus::Waiting => forms_view(request.id, tried, today, lang).into_any(),
        _ => decision_view(&request, tz, lang).into_any(),
    };
    let past = past_view(exemptions, others, grounds, tz, lang).into_any();
    view! {
        {staff_bar(who, "/staff/exemptions", lang)}
        <p class="crumbs"><a href="/staff/exemptions">{lang.staff_exemption_request().exemptions}</a></p>
        <h1>{plate} " " <small>{head}</small></h1>
        {late}
        <div class="two">
            {document}
            <div>{decision} {past}</div>
        </div>
    }
}

fn document_view(
    request: &ExemptionRequest,
    looks: Vec<Look>,
    tz: Tz,
    reader: &Reader,
) -> impl IntoView + use<> {
    let lang = reader.lang;
    let named = request.identity.as_ref().map(|identity| {
        let by = confirmed_by(reader.oidc.as_deref(), &identity.issuer, lang);
        view! { <div><dt>{by}</dt><dd data-confirmed-name>{identity.name.clone()}</dd></div> }
    });
    let url = format!("/staff/exemptions/requests/{}/document", request.id);
    let alt = format!(
        "{} {}",
        lang.staff_exemption_request().picture_of_the_document,
        request.document_kind
    );
    let scan = match request.scan {
        Some(kind) if kind.is_picture() => view! {
            <a href=url.clone() target="_blank" rel="noopener"><img src=url.clone() alt=alt /></a>
        }
        .into_any(),
        Some(_) => view! {
            <p><a class="button" href=url target="_blank" rel="noopener">{lang.staff_exemption_request().open_the_pdf}</a></p>
        }
        .into_any(),
        None => view! { <p class="empty">{lang.staff_exemption_request().the_picture_is_kept_no_longer}</p> }
            .into_any(),
    };
    let kept = request.scan.and(request.scan_until).map(|at| {
        view! { <p class="note">{lang.staff_exemption_request().the_picture_is_deleted_on} {day(at, tz)} "."</p> }
    });
    let look = move |look: Look| {
        let who = whose(&look.actor);
        view! { <li>{minute(look.at, tz)} " · " {who}</li> }
    };
    let looked = !looks.is_empty();
    view! {
        <section class="card scan">
            <h2>{lang.words().document}</h2>
            <dl class="facts">
                <div><dt>{lang.staff_exemption_request().kind}</dt><dd>{request.document_kind.clone()}</dd></div>
                <div><dt>{lang.words().number}</dt><dd>{request.document_number.clone()}</dd></div>
                {named}
                <div><dt>{lang.staff_exemption_request().sent}</dt><dd>{minute(request.asked_at, tz)}</dd></div>
            </dl>
            {scan}
            {kept}
            {looked.then(|| view! {
                <details>
                    <summary>{lang.staff_exemption_request().who_opened_it}</summary>
                    <ul>{looks.into_iter().map(look).collect_view()}</ul>
                </details>
            })}
            <p class="note">{lang.staff_exemption_request().each_time_document_opened_recorded}</p>
        </section>
    }
}

fn forms_view(id: ExemptionRequestId, tried: Tried, today: NaiveDate, lang: Lang) -> impl IntoView {
    let home = format!("/staff/exemptions/requests/{id}");
    let year = today.checked_add_months(Months::new(12)).unwrap_or(today);
    let wrong = matches!(tried.error, Some(ApiError::Unprocessable(_)));
    let (wrong_days, wrong_reason) = (wrong && tried.days.is_some(), wrong && tried.days.is_none());
    let (first, last) = tried
        .days
        .unwrap_or_else(|| (today.to_string(), year.to_string()));
    let invalid = |wrong: bool| wrong.then_some("true");
    let grant = view! {
        <form class="card" method="post" action=format!("{home}/grant")>
            <h2>{lang.staff_exemption_request().grant}</h2>
            <label class="field">
                <span>{lang.staff_exemption_request().first_day}</span>
                <input type="date" name="first" required value=first />
            </label>
            <label class="field">
                <span>{lang.staff_exemption_request().last_day}</span>
                <input type="date" name="last" required value=last min=today.to_string()
                    aria-invalid=invalid(wrong_days) aria-describedby=wrong_days.then_some("days-error") autofocus=wrong_days />
                {wrong_days.then(|| view! { <small id="days-error" class="error" role="alert">{lang.staff_exemption_request().last_day_must_not_lie}</small> })}
            </label>
            <p class="note">{lang.staff_exemption_request().counts_every_zone_city}</p>
            <button class="primary">{lang.staff_exemption_request().grant}</button>
        </form>
    }
    .into_any();
    let refuse = view! {
        <form class="card" method="post" action=format!("{home}/refuse")>
            <h2>{lang.staff_exemption_request().refuse}</h2>
            <label class="field">
                <span>{lang.staff_exemption_request().why_the_driver_reads_it}</span>
                <textarea name="reason" required maxlength=REASON_MAX.to_string() rows="3"
                    aria-invalid=invalid(wrong_reason) aria-describedby=wrong_reason.then_some("reason-error")
                    autofocus=wrong_reason>{tried.reason}</textarea>
                {wrong_reason.then(|| view! { <small id="reason-error" class="error" role="alert">{lang.staff_exemption_request().driver_needs_know_why_please}</small> })}
            </label>
            <button>{lang.staff_exemption_request().refuse}</button>
        </form>
    }
    .into_any();
    view! { {grant} {refuse} }
}

/// What was decided, by whom.
fn decision_view(request: &ExemptionRequest, tz: Tz, lang: Lang) -> impl IntoView + use<> {
    let state = Now::of(request, App::now());
    let granted = request.granted.map(|granted| {
        format!(
            "{} – {}",
            day(granted.starts_at, tz),
            last_day(granted.ends_at, tz)
        )
    });
    view! {
        <section class="card" data-decision=request.status.code()>
            <h2>{lang.staff_exemption_request().decided} {state.words(lang)}</h2>
            {granted.map(|days| view! { <p>{days}</p> })}
            {request.reason.clone().map(|reason| view! { <blockquote>{reason}</blockquote> })}
            <p class="note">{request.decided_at.map(|at| minute(at, tz))}
                {request.decided_by.clone().map(|login| format!(" · {login}"))}</p>
        </section>
    }
}

/// What else the plate has, had, and was asked for.
fn past_view(
    exemptions: Vec<GrantedExemption>,
    others: Vec<ExemptionRequest>,
    grounds: &[KnownGround],
    tz: Tz,
    lang: Lang,
) -> impl IntoView + use<> {
    let now = App::now();
    let empty = exemptions.is_empty() && others.is_empty();
    let exemption = |granted: GrantedExemption| {
        let known = granted.exemption;
        let state = if granted.withdrawn_at.is_some() {
            lang.staff_exemption_request().taken_back_by_the_city
        } else if known.ends_at <= now {
            lang.staff_exemption_request().ended
        } else {
            lang.staff_exemption_request().granted
        };
        view! {
            <tr>
                <th scope="row">{ground_name(grounds, &known.ground, lang)} <small>{known.document}</small></th>
                <td>{day(known.starts_at, tz)} " – " {last_day(known.ends_at, tz)}</td>
                <td>{state}</td>
            </tr>
        }
    };
    let other = |request: ExemptionRequest| {
        let state = Now::of(&request, now).words(lang);
        view! {
            <tr>
                <th scope="row"><a href=format!("/staff/exemptions/requests/{}", request.id)>
                    {lang.staff_exemption_request().request_of} {clock(request.asked_at, tz, now)}</a>
                    <small>{ground_name(grounds, &request.ground, lang)}</small></th>
                <td>{request.reason}</td>
                <td>{state}</td>
            </tr>
        }
    };
    let exemptions = exemptions.into_iter().map(exemption).collect_view();
    let others = others.into_iter().map(other).collect_view();
    view! {
        <section class="card">
            <h2>{lang.staff_exemption_request().this_plate_before}</h2>
            {empty.then(|| view! { <p class="empty">{lang.staff_exemption_request().no_other_exemption_no_other}</p> })}
            {(!empty).then(|| view! {
                <div class="scroll"><table class="grid rows"><tbody>{exemptions} {others}</tbody></table></div>
            })}
        </section>
    }
}
