//! `/exemptions/{id}`: what has become of a driver's request, for the browser that sent it.

use api::service::{exemption_request, session_cookie};
use api::{ApiError, App};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use domain::Timestamp;
use domain::exemption::RequestStatus;
use domain::id::ExemptionRequestId;
use leptos::prelude::*;
use store::exemption::KnownGround;
use store::exemption_request::ExemptionRequest;

use super::document::Document;
use super::parts::{day, ground_name, last_day, minute};
use super::sign_in::confirmed_by;
use super::{Reader, problem};
use crate::lang::Lang;

/// What a request is for its driver now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Now {
    Waiting,
    /// Granted; not over yet.
    Granted,
    /// Granted, and taken back by the city.
    TakenBack,
    /// Granted, and over.
    Ended,
    Refused,
    Withdrawn,
}

impl Now {
    pub(super) fn of(request: &ExemptionRequest, now: Timestamp) -> Self {
        match (request.status, request.granted) {
            (RequestStatus::Waiting, _) => Self::Waiting,
            (RequestStatus::Refused, _) => Self::Refused,
            (RequestStatus::Withdrawn, _) => Self::Withdrawn,
            (RequestStatus::Granted, Some(granted)) if granted.withdrawn_at.is_some() => {
                Self::TakenBack
            }
            (RequestStatus::Granted, Some(granted)) if granted.ends_at <= now => Self::Ended,
            (RequestStatus::Granted, _) => Self::Granted,
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Granted => "granted",
            Self::TakenBack => "taken-back",
            Self::Ended => "ended",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// In a word of a list.
    pub(super) const fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Waiting => lang.exemption_request().waits,
            Self::Granted => lang.exemption_request().granted,
            Self::TakenBack => lang.exemption_request().taken_back_by_the_city,
            Self::Ended => lang.exemption_request().ended,
            Self::Refused => lang.exemption_request().refused,
            Self::Withdrawn => lang.exemption_request().withdrawn,
        }
    }

    const fn title(self, lang: Lang) -> &'static str {
        match self {
            Self::Waiting => lang.exemption_request().waiting_for_the_city,
            Self::Granted => lang.exemption_request().you_are_exempt,
            Self::TakenBack => lang.exemption_request().the_city_took_the_exemption_back,
            Self::Ended => lang.exemption_request().the_exemption_has_ended,
            Self::Refused => lang.exemption_request().the_request_was_refused,
            Self::Withdrawn => lang.exemption_request().you_withdrew_this_request,
        }
    }
}

async fn load(
    app: &App,
    headers: &HeaderMap,
    id: ExemptionRequestId,
) -> Result<(ExemptionRequest, Vec<KnownGround>), ApiError> {
    let token =
        session_cookie::held_request_token(app, headers, id).ok_or(ApiError::Unauthorized)?;
    let request = exemption_request::find(app, id, &token).await?;
    Ok((request, app.store.exemption_grounds(None).await?))
}

/// `/exemptions/{id}`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionRequestId>,
    headers: HeaderMap,
) -> Response {
    let (request, grounds) = match load(&app, &headers, id).await {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let state = Now::of(&request, App::now());
    let named = request.identity.as_ref().map(|identity| {
        let by = confirmed_by(reader.oidc.as_deref(), &identity.issuer, lang);
        (by, identity.name.clone())
    });
    Document {
        title: state.title(lang),
        active: "/my",
        live: None,
    }
    .page(&reader, move || {
        let ground = ground_name(&grounds, &request.ground, lang);
        view(state, request, ground, named, tz, lang)
    })
}

/// `POST /exemptions/{id}/withdraw`.
pub(crate) async fn withdraw(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionRequestId>,
    headers: HeaderMap,
) -> Response {
    let done = async {
        let token =
            session_cookie::held_request_token(&app, &headers, id).ok_or(ApiError::Unauthorized)?;
        exemption_request::withdraw(&app, id, &token, App::now()).await?;
        Ok(token)
    };
    let back = Redirect::to(&format!("/exemptions/{id}"));
    match done.await {
        Ok(token) => {
            let cookie = session_cookie::set_request_cookie(&app, id, &token, true);
            ([(header::SET_COOKIE, cookie)], back).into_response()
        }
        // Decided meanwhile: the page says how.
        Err(ApiError::Conflict(_)) => back.into_response(),
        Err(error) => problem(&reader, &error),
    }
}

fn view(
    state: Now,
    request: ExemptionRequest,
    ground: String,
    named: Option<(String, String)>,
    tz: Tz,
    lang: Lang,
) -> impl IntoView {
    let granted = state == Now::Granted;
    let title = state.title(lang);
    let told = told_view(state, &request, tz, lang).into_any();
    let next = next_view(state, request.id, lang).into_any();
    let facts = facts_view(request, ground, named, tz, lang).into_any();
    view! {
        <section class="card narrow" class:paid=granted data-request=state.code()>
            {granted.then(|| view! { <div class="tick" aria-hidden="true">"✓"</div> })}
            <h1>{title}</h1>
            {told}
            {facts}
            {next}
        </section>
    }
}

/// What that means, and what happens next.
fn told_view(state: Now, request: &ExemptionRequest, tz: Tz, lang: Lang) -> impl IntoView + use<> {
    let days = request
        .granted
        .map(|granted| (day(granted.starts_at, tz), last_day(granted.ends_at, tz)));
    let span = days.map(|(first, last)| {
        view! {
            <p>{lang.exemption_request().from} <b>{first}</b>
                {lang.exemption_request().until_the_end_of} <b>{last}</b> "."</p>
        }
    });
    match state {
        Now::Waiting => view! {
            <p class="waiting"><span class="pulse" aria-hidden="true"></span>
                <span>{lang.exemption_request().sent_at} {minute(request.asked_at, tz)}</span></p>
            <p>{lang.exemption_request().city_staff_look_document_answer}</p>
            <p class="hint">
                {lang.exemption_request().please_come_back_few_days}
                <a href="/my">{lang.words().my_parking}</a>
                {lang.exemption_request().on_this_device_only}
            </p>
        }
        .into_any(),
        Now::Granted => view! {
            {span}
            <p>{lang.exemption_request().wherever_park_city_enter_plate}</p>
        }
        .into_any(),
        Now::TakenBack => view! {
            <p>{lang.exemption_request().city_has_taken_vehicle_exemption}</p>
        }
        .into_any(),
        Now::Ended => view! { {span} }.into_any(),
        Now::Refused => view! {
            <p>{lang.exemption_request().the_city_answers}</p>
            <blockquote>{request.reason.clone()}</blockquote>
            <p>{lang.exemption_request().another_document_or_better_picture}</p>
        }
        .into_any(),
        Now::Withdrawn => view! {
            <p>{lang.exemption_request().picture_document_deleted_nobody_looks}</p>
        }
        .into_any(),
    }
}

fn facts_view(
    request: ExemptionRequest,
    ground: String,
    named: Option<(String, String)>,
    tz: Tz,
    lang: Lang,
) -> impl IntoView {
    let decided = (request.status != RequestStatus::Waiting)
        .then_some(request.decided_at)
        .flatten();
    let kept = request.scan.and(request.scan_until);
    let fact = |name: &'static str, value: String| {
        view! { <div><dt>{name}</dt><dd>{value}</dd></div> }
    };
    let vehicle = format!("{} · {}", request.plate.reveal(), lang.class(request.class));
    let document = format!("{} · {}", request.document_kind, request.document_number);
    view! {
        <dl class="facts">
            {fact(lang.words().ground, ground)}
            {fact(lang.words().vehicle, vehicle)}
            {fact(lang.words().document, document)}
            {named.map(|(by, name)| view! { <div><dt>{by}</dt><dd>{name}</dd></div> })}
            {fact(lang.exemption_request().sent, minute(request.asked_at, tz))}
            {decided.map(|at| fact(lang.exemption_request().answered, minute(at, tz)))}
            {kept.map(|at| fact(lang.exemption_request().picture_kept_until, day(at, tz)))}
        </dl>
    }
}

/// What the driver may do now.
fn next_view(state: Now, id: ExemptionRequestId, lang: Lang) -> impl IntoView {
    match state {
        Now::Waiting => view! {
            <details>
                <summary>{lang.exemption_request().withdraw_the_request}</summary>
                <p>{lang.exemption_request().city_looks_no_more_picture}</p>
                <form method="post" action=format!("/exemptions/{id}/withdraw")>
                    <button>{lang.exemption_request().withdraw_and_delete_the_picture}</button>
                </form>
            </details>
        }
        .into_any(),
        Now::Granted => view! {
            <p><a class="button" href="/">{lang.exemption_request().find_parking}</a></p>
        }
        .into_any(),
        Now::TakenBack | Now::Ended | Now::Refused => view! {
            <p><a class="button" href=format!("/exemptions?again={id}")>{lang.exemption_request().ask_again}</a></p>
        }
        .into_any(),
        Now::Withdrawn => view! {
            <p><a class="button" href="/exemptions">{lang.exemption_request().send_another_request}</a></p>
        }
        .into_any(),
    }
}
