//! `/staff/identity`: a member of staff says by which identity they come in as well as by their password.

use api::service::sign_in::Destination;
use api::service::{identity, staff_identity};
use api::{ApiError, App};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use domain::identity::Identity;
use leptos::prelude::*;
use serde::Deserialize;
use store::staff::Staff;
use store::staff_identity::StaffIdentity;

use super::document::Document;
use super::parts::day;
use super::sign_in::{Told, confirmed_by, link, words};
use super::staff::{SignedIn, staff_bar};
use super::staff_confirm::ConfirmedForm;
use super::{Reader, problem};
use crate::lang::Lang;

/// `GET /staff/identity`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    headers: HeaderMap,
    Query(told): Query<Told>,
) -> Response {
    let why = told.why().map(|why| words(why, reader.lang));
    show(&app, &reader, who, &headers, (StatusCode::OK, why)).await
}

#[derive(Deserialize)]
pub(crate) struct IdentityForm {
    deed: String,
    /// The mark of the name that the form showed.
    #[serde(default)]
    confirmed: String,
}

/// `POST /staff/identity`: links the identity that the page showed, or takes one's own away.
pub(crate) async fn change(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    ConfirmedForm(who, form): ConfirmedForm<IdentityForm>,
) -> Response {
    let text = reader.lang.staff_identity();
    let now = App::now();
    let again = Redirect::to("/staff/identity");
    if form.deed == "unlink" {
        return match staff_identity::unlink_own(&app, who.staff(), now).await {
            Ok(()) => again.into_response(),
            Err(error) => problem(&reader, &error),
        };
    }
    let done = match identity::of_form(&app, &headers, &form.confirmed, now) {
        Ok(Some(identity)) => staff_identity::link(&app, &who, &identity, now).await,
        Ok(None) | Err(_) => {
            let gone = (StatusCode::CONFLICT, Some(text.too_long_ago));
            return show(&app, &reader, who.into_staff(), &headers, gone).await;
        }
    };
    let why = match done {
        Ok(()) => {
            let forget = [(header::SET_COOKIE, identity::forget_cookie(&app))];
            return (forget, again).into_response();
        }
        Err(ApiError::Forbidden) => text.by_password_alone,
        Err(ApiError::Conflict(_)) => text.is_taken,
        Err(error) => return problem(&reader, &error),
    };
    show(
        &app,
        &reader,
        who.into_staff(),
        &headers,
        (StatusCode::CONFLICT, Some(why)),
    )
    .await
}

async fn show(
    app: &App,
    reader: &Reader,
    who: Staff,
    headers: &HeaderMap,
    (status, told): (StatusCode, Option<&'static str>),
) -> Response {
    let Some(oidc) = app.oidc.clone() else {
        return problem(reader, &ApiError::NotFound("page"));
    };
    let own = match staff_identity::own(app, &who).await {
        Ok(own) => own,
        Err(error) => return problem(reader, &error),
    };
    let held = identity::held(app, headers, App::now());
    let held = held.map(|held| (identity::mark(app, &held), held));
    let (lang, tz) = (reader.lang, app.city.timezone);
    let title = format!("{} {}", lang.sign_in().sign_in_with, oidc.name());
    let heading = title.clone();
    Document {
        title: &heading,
        active: "/staff",
        live: None,
    }
    .respond(reader, status, move || {
        let step = match (own, held) {
            (Some(own), _) => {
                let by = confirmed_by(Some(&oidc), &own.issuer, lang);
                let since = day(own.linked_at, tz);
                linked_view(own, by, since, lang).into_any()
            }
            (None, Some((mark, held))) => {
                let by = confirmed_by(Some(&oidc), &held.issuer, lang);
                ask_view(held, mark, by, lang).into_any()
            }
            (None, None) => view! {
                <p>{lang.staff_identity().come_in_this_way_too}</p>
                <p>{link(lang.staff_identity().sign_in_at, &oidc, &Destination::StaffLink.to_string())}</p>
            }
            .into_any(),
        };
        view! {
            {staff_bar(&who, "/staff/identity", lang)}
            <section class="card narrow">
                <h1>{title}</h1>
                {told.map(|text| view! { <p class="error" role="alert">{text}</p> })}
                {step}
            </section>
        }
    })
}

fn linked_view(own: StaffIdentity, by: String, since: String, lang: Lang) -> impl IntoView {
    let text = lang.staff_identity();
    view! {
        <p>{text.you_may_come_in_as} " " <b data-linked>{own.name}</b> ". "</p>
        <p class="note">{by} ", " {text.since} " " {since} "."</p>
        <form method="post" action="/staff/identity">
            <p class="note">{text.then_by_password_alone}</p>
            <button name="deed" value="unlink">{text.unlink}</button>
        </form>
    }
}

fn ask_view(held: Identity, mark: String, by: String, lang: Lang) -> impl IntoView {
    let text = lang.staff_identity();
    view! {
        <p>{text.signed_in_there_as} " " <b data-confirmed-name>{held.name}</b> ". "</p>
        <p class="note">{by} "."</p>
        <form method="post" action="/staff/identity">
            <input type="hidden" name="confirmed" value=mark />
            <button class="primary" name="deed" value="link">{text.that_is_me}</button>
        </form>
        <form method="post" action="/sign-in/forget">
            <input type="hidden" name="to" value=Destination::StaffLink.to_string() />
            <button>{text.that_is_not_me}</button>
        </form>
    }
}
