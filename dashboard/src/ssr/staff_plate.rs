//! `/staff/plates`: what a vehicle has paid for, for whoever stands before it.

use api::service::change;
use api::service::plate::{self, Known};
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono_tz::Tz;
use domain::id::SessionId;
use domain::plate::Plate;
use domain::plate_reading::Begun;
use domain::session::SessionStatus;
use leptos::prelude::*;
use serde::Deserialize;
use store::parking_notice::ParkingNotice;
use store::plate::{PlateRight, PlateSession};
use store::staff::Staff;

use super::document::Document;
use super::notice::state_words;
use super::parts::clock;
use super::staff::{SignedIn, staff_bar};
use super::{Reader, problem, staff_camera};
use crate::lang::Lang;

#[derive(Default, Deserialize)]
pub(crate) struct PlateForm {
    #[serde(default)]
    plate: String,
    /// What was read off a picture, if there was one.
    #[serde(default)]
    read: String,
}

/// What the page is to show.
#[derive(Default)]
pub(super) struct Asked {
    /// What is looked up.
    pub(super) plate: Option<String>,
    /// What was read off a picture when it was looked up.
    pub(super) read: String,
    /// What was read off a picture just now; empty where nothing could be.
    pub(super) suggested: Option<Vec<Plate>>,
    /// What was done before: to which of its things, and what came of it.
    pub(super) done: Option<(Deed, Result<(), ApiError>)>,
}

/// What staff put right.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    Bay,
    Plate,
}

/// `GET /staff/plates`: the form alone.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
) -> Response {
    answer(&app, &reader, who, Asked::default()).await
}

/// `POST /staff/plates`: what is known of a plate. Its address does not name it, as addresses are
/// logged, kept and shared.
pub(crate) async fn look_up(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Form(form): Form<PlateForm>,
) -> Response {
    let asked = Asked {
        plate: Some(form.plate),
        read: form.read,
        ..Asked::default()
    };
    answer(&app, &reader, who, asked).await
}

#[derive(Deserialize)]
pub(crate) struct MoveForm {
    plate: String,
    bay: String,
}

/// `POST /staff/sessions/{id}/bay`: the vehicle stands in another bay than was paid for.
pub(crate) async fn move_session(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<SessionId>,
    SignedIn(who): SignedIn,
    Form(form): Form<MoveForm>,
) -> Response {
    let done = async {
        let now = App::now();
        let session = change::of_staff(&app, &who, id, now).await?;
        let bay = form.bay.trim().to_ascii_uppercase();
        change::move_to(&app, &session, &bay, &who.actor(), now).await
    };
    let done = done.await;
    let asked = Asked {
        plate: Some(form.plate),
        done: Some((Deed::Bay, done)),
        ..Asked::default()
    };
    answer(&app, &reader, who, asked).await
}

#[derive(Deserialize)]
pub(crate) struct CorrectionForm {
    plate: String,
    right: String,
}

/// `POST /staff/sessions/{id}/plate`: the vehicle has another plate than was typed.
pub(crate) async fn correct(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<SessionId>,
    SignedIn(who): SignedIn,
    Form(form): Form<CorrectionForm>,
) -> Response {
    let done = async {
        let now = App::now();
        let session = change::of_staff(&app, &who, id, now).await?;
        let right = Plate::parse(&form.right)?;
        change::correct_plate(&app, &session, &right, Some(&who), now).await
    };
    let done = done.await;
    let plate = if done.is_ok() { form.right } else { form.plate };
    let asked = Asked {
        plate: Some(plate),
        done: Some((Deed::Plate, done)),
        ..Asked::default()
    };
    answer(&app, &reader, who, asked).await
}

pub(super) async fn answer(app: &App, reader: &Reader, who: Staff, asked: Asked) -> Response {
    let now = App::now();
    let Asked {
        plate: asked,
        read,
        suggested,
        done,
    } = asked;
    if let Some((_, Err(error))) = &done
        && !matches!(
            error,
            ApiError::Conflict(_) | ApiError::Unprocessable(_) | ApiError::NotFound("bay")
        )
    {
        return problem(reader, error);
    }
    let (plate, wrong) = match asked.as_deref().map(Plate::parse) {
        None => (None, false),
        Some(Ok(plate)) => (Some(plate), false),
        Some(Err(_)) => (None, true),
    };
    let known = match &plate {
        Some(plate) => {
            let begun = Begun::of(Plate::parse(&read).ok().as_ref(), plate);
            match plate::look_up(app, &who, plate, begun, now).await {
                Ok(known) => Some(known),
                Err(error) => return problem(reader, &error),
            }
        }
        None => None,
    };
    let lang = reader.lang;
    let title = lang.staff_plate().look_up_a_plate;
    let status = match &done {
        Some((_, Err(error))) => error.status(),
        _ if wrong => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    let tz = app.city.timezone;
    let can_read = app.plate_reader.is_some();
    let best = suggested.as_ref().and_then(|plates| plates.first());
    let (filled, read) = match best {
        Some(plate) => (plate.reveal().to_owned(), plate.reveal().to_owned()),
        None => (asked.clone().unwrap_or_default(), read),
    };
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .respond(reader, status, move || {
        view! {
            {staff_bar(&who, "/staff/plates", lang)}
            <h1>{title}</h1>
            {plate_form(filled, read, lang)}
            {suggested.map(|plates| staff_camera::suggested(plates, lang))}
            {can_read.then(|| staff_camera::form(lang))}
            {done.map(|done| done_view(done, lang))}
            {wrong.then(|| view! { <p class="error" role="alert">{lang.staff_plate().no_licence_plate}</p> })}
            {known.map(|known| known_view(known, asked.unwrap_or_default(), who.reads_only(), tz, lang))}
        }
    })
}

/// The field for a plate, with its button; `read` is what was read off a picture, if there was one.
pub(super) fn plate_form(plate: String, read: String, lang: Lang) -> impl IntoView {
    view! {
        <form class="inline plate-search" method="post" action="/staff/plates" role="search">
            <label class="field">
                <span>{lang.words().licence_plate}</span>
                <input name="plate" value=plate required minlength="4" maxlength="20" autocomplete="off"
                    autocapitalize="characters" spellcheck="false" placeholder="30A-123.45" />
            </label>
            {(!read.is_empty()).then(|| view! { <input type="hidden" name="read" value=read.clone() /> })}
            <button class="primary">{lang.staff_plate().look_up}</button>
        </form>
    }
}

fn done_view((deed, done): (Deed, Result<(), ApiError>), lang: Lang) -> impl IntoView + use<> {
    let text = lang.staff_plate();
    let why = match (done, deed) {
        (Ok(()), _) => {
            return view! { <p class="ok" role="status">"✓ " {text.done}</p> }.into_any();
        }
        (Err(ApiError::NotFound(_)), _) => text.no_such_bay,
        (Err(ApiError::Unprocessable(_)), Deed::Bay) => text.other_terms,
        (Err(ApiError::Unprocessable(_)), Deed::Plate) => text.right_plate_unclear,
        (Err(_), _) => text.stays_as_it_is,
    };
    view! { <p class="error" role="alert">{why}</p> }.into_any()
}

/// What staff may put right of a session in force.
fn put_right(session: &PlateSession, plate: &str, lang: Lang) -> impl IntoView + use<> {
    let home = format!("/staff/sessions/{}", session.id);
    view! {
        <details>
            <summary>{lang.staff_plate().put_right}</summary>
            <form class="inline" method="post" action=format!("{home}/bay")>
                <input type="hidden" name="plate" value=plate.to_owned() />
                <label class="field"><span>{lang.staff_plate().it_stands_in_bay}</span>
                    <input name="bay" required maxlength="40" autocapitalize="characters" autocomplete="off" /></label>
                <button>{lang.staff_plate().move_}</button>
            </form>
            <form class="inline" method="post" action=format!("{home}/plate")>
                <input type="hidden" name="plate" value=plate.to_owned() />
                <label class="field"><span>{lang.staff_plate().the_right_plate}</span>
                    <input name="right" required minlength="4" maxlength="20" autocapitalize="characters" autocomplete="off" /></label>
                <button>{lang.staff_plate().correct}</button>
            </form>
        </details>
    }
}

fn known_view(known: Known, plate: String, reads_only: bool, tz: Tz, lang: Lang) -> impl IntoView {
    let now = App::now();
    let Known {
        sessions,
        rights,
        notices,
    } = known;
    let in_force: Vec<String> = sessions
        .iter()
        .filter(|session| session.status == SessionStatus::Paid && session.ends_at > now)
        .map(|session| session.bay.clone())
        .collect();
    let verdict = if !in_force.is_empty() {
        format!("✓ {} {}", lang.staff_plate().paid_at, in_force.join(", "))
    } else if !rights.is_empty() {
        format!("✓ {}", lang.staff_plate().has_a_pass_or_an_exemption)
    } else {
        lang.staff_plate().nothing_paid_at_present.to_owned()
    };
    let paid = !in_force.is_empty() || !rights.is_empty();
    let row = move |session: PlateSession| {
        let status = match session.status {
            SessionStatus::Paid if session.ends_at > now => lang.staff_plate().in_force,
            SessionStatus::Paid => lang.staff_plate().ended,
            SessionStatus::Pending => lang.staff_plate().waits_for_its_money,
            SessionStatus::Lapsed => lang.staff_plate().never_paid,
        };
        let in_force = session.status == SessionStatus::Paid && session.ends_at > now;
        let right = (in_force && !reads_only).then(|| put_right(&session, &plate, lang));
        view! {
            <tr>
                <th scope="row"><a href=format!("/staff/bays/{}", session.bay)>{session.bay.clone()}</a></th>
                <td>{clock(session.starts_at, tz, now)} "–" {clock(session.ends_at, tz, now)}</td>
                <td>{status} {right}</td>
                <td class="amount">{lang.money(session.amount_vnd)}</td>
            </tr>
        }
    };
    let empty = sessions.is_empty();
    let right = move |right: PlateRight| {
        let what = if right.exempt {
            lang.staff_plate().exempt
        } else {
            lang.words().monthly_pass
        };
        let zone = right
            .zone
            .unwrap_or_else(|| lang.staff_plate().every_zone.to_owned());
        view! {
            <p class="ok">"✓ " {what} " · " {lang.class(right.class)} " · " {zone} " · "
                {lang.words().until} {clock(right.ends_at, tz, now)}</p>
        }
    };
    let rights = rights.into_iter().map(right).collect_view();
    let notice = move |notice: ParkingNotice| {
        let state = state_words(notice.state(), lang);
        view! {
            <tr>
                <th scope="row"><a href=format!("/n/{}", notice.code)>{notice.code.to_string()}</a></th>
                <td>{notice.bay} " · " {clock(notice.issued_at, tz, now)}</td>
                <td>{state}</td>
                <td class="amount">{lang.money(notice.amount_vnd)}</td>
            </tr>
        }
    };
    let has_notices = !notices.is_empty();
    view! {
        <section class="card" data-plate=if paid { "paid" } else { "unpaid" }>
            <h2 class=if paid { "ok" } else { "" }>{verdict}</h2>
            {rights}
            <h3>{lang.staff_plate().the_last_24_hours}</h3>
            {empty.then(|| view! { <p class="empty">{lang.staff_plate().no_sessions_in_your_lots}</p> })}
            <div class="scroll"><table class="grid rows"><tbody>{sessions.into_iter().map(row).collect_view()}</tbody></table></div>
            {has_notices.then(|| view! {
                <h3>{lang.staff_plate().notices}</h3>
                <div class="scroll"><table class="grid rows"><tbody>{notices.into_iter().map(notice).collect_view()}</tbody></table></div>
            })}
        </section>
    }
}
