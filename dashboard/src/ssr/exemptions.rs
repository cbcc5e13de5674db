//! `/staff/exemptions`: who asks to park for nothing; who does, on what ground, and who said so.

use api::service::exemption::{self, NewGrant};
use api::service::exemption_decision;
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{Months, NaiveDate};
use chrono_tz::Tz;
use domain::id::ExemptionId;
use domain::place::VehicleClass;
use domain::plate::Plate;
use leptos::prelude::*;
use serde::Deserialize;
use store::exemption::{GrantedExemption, KnownGround};
use store::staff::Staff;

use super::document::Document;
use super::parts::{day, ground_name, last_day};
use super::staff::{SignedIn, staff_bar};
use super::{Reader, problem, staff_exemption_list};
use crate::lang::Lang;

/// What stands on the page beside what it always shows.
#[derive(Default)]
struct Shown {
    /// What was to be granted, and why it was not.
    refused: Option<(GrantForm, ApiError)>,
    /// The plate whose exemptions are shown instead of all, as it was typed.
    plate: Option<String>,
}

/// `/staff/exemptions`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
) -> Response {
    shown(&app, &reader, who, Shown::default()).await
}

/// Where a plate's were shown and the page is asked for again, in another language say: all.
pub(crate) async fn back_to_all() -> Redirect {
    Redirect::to("/staff/exemptions")
}

#[derive(Deserialize)]
pub(crate) struct PlateForm {
    plate: String,
}

/// `POST /staff/exemptions/of`: those of a plate, which its address does not name.
pub(crate) async fn of_plate(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Form(form): Form<PlateForm>,
) -> Response {
    let shown_too = Shown {
        plate: Some(form.plate),
        ..Shown::default()
    };
    shown(&app, &reader, who, shown_too).await
}

async fn shown(app: &App, reader: &Reader, who: Staff, beside: Shown) -> Response {
    let Shown { refused, plate } = beside;
    let now = App::now();
    let wanted = plate.as_deref().map(Plate::parse);
    let no_plate = matches!(wanted, Some(Err(_)));
    let loaded = async {
        let known = match &wanted {
            Some(Ok(plate)) => exemption::of_plate(app, &who, plate).await?,
            _ => exemption::list(app, &who, now).await?,
        };
        let requests = exemption_decision::list(app, &who, now).await?;
        let grounds = app.store.exemption_grounds(None).await?;
        Ok((known, requests, grounds))
    };
    let (known, requests, grounds) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(reader, &error),
    };
    let lang = reader.lang;
    let title = lang.exemptions().exemptions;
    let tz = app.city.timezone;
    let today = now.with_timezone(&tz).date_naive();
    let status = match &refused {
        Some((_, error)) => error.status(),
        None if no_plate => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .respond(reader, status, move || {
        view! {
            {staff_bar(&who, "/staff/exemptions", lang)}
            <h1>{title}</h1>
            {staff_exemption_list::view(requests, &grounds, tz, lang).into_any()}
            {(!who.reads_only()).then(|| grant_form(&grounds, today, refused, lang))}
            {find_form(plate.unwrap_or_default(), no_plate, lang)}
            {known.are_more.then(|| view! { <p class="note">{lang.exemptions().older_by_plate}</p> })}
            {list_view(known.newest, grounds, who.reads_only(), tz, lang)}
        }
    })
}

fn find_form(plate: String, no_plate: bool, lang: Lang) -> impl IntoView {
    let text = lang.exemptions();
    let is_all = plate.is_empty();
    view! {
        <form class="inline plate-search" method="post" action="/staff/exemptions/of" role="search">
            <label class="field">
                <span>{text.of_a_plate}</span>
                <input name="plate" value=plate required minlength="4" maxlength="20" autocomplete="off"
                    autocapitalize="characters" spellcheck="false" placeholder="30A-123.45" />
            </label>
            <button>{text.find}</button>
            {(!is_all).then(|| view! { <a class="button" href="/staff/exemptions">{text.all_again}</a> })}
        </form>
        {no_plate.then(|| view! { <p class="error" role="alert">{text.plate_is_wrong}</p> })}
    }
}

#[derive(Deserialize)]
pub(crate) struct GrantForm {
    plate: String,
    class: VehicleClass,
    ground: String,
    document: String,
    first: NaiveDate,
    last: NaiveDate,
}

/// `POST /staff/exemptions`: grants one, in all zones.
pub(crate) async fn grant(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Form(form): Form<GrantForm>,
) -> Response {
    let done = async {
        let request = NewGrant {
            zone: None,
            plate: Plate::parse(&form.plate)?,
            class: form.class,
            ground: form.ground.clone(),
            document: form.document.clone(),
            first: form.first,
            last: form.last,
        };
        exemption::grant(&app, request, &who, App::now()).await
    };
    match done.await {
        Err(error @ ApiError::Unprocessable(_)) => {
            let beside = Shown {
                refused: Some((form, error)),
                ..Shown::default()
            };
            shown(&app, &reader, who, beside).await
        }
        done => back(&reader, done.map(|_| ())),
    }
}

/// `POST /staff/exemptions/{id}/withdraw`.
pub(crate) async fn withdraw(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<ExemptionId>,
    SignedIn(who): SignedIn,
) -> Response {
    let done = exemption::withdraw(&app, id, &who, App::now());
    back(&reader, done.await)
}

fn back(reader: &Reader, done: Result<(), ApiError>) -> Response {
    match done {
        Ok(()) => Redirect::to("/staff/exemptions").into_response(),
        Err(error) => problem(reader, &error),
    }
}

fn grant_form(
    grounds: &[KnownGround],
    today: NaiveDate,
    refused: Option<(GrantForm, ApiError)>,
    lang: Lang,
) -> AnyView {
    if grounds.is_empty() {
        return view! {
            <p class="empty">{lang.exemptions().tariffs_know_no_ground_which}</p>
        }
        .into_any();
    }
    let why = refused
        .as_ref()
        .map(|(form, _)| match Plate::parse(&form.plate) {
            Ok(_) => lang.exemptions().please_check,
            Err(_) => lang.exemptions().plate_is_wrong,
        });
    let year = today.checked_add_months(Months::new(12)).unwrap_or(today);
    let filled = refused.map_or_else(
        || GrantForm {
            plate: String::new(),
            class: VehicleClass::Car,
            ground: String::new(),
            document: String::new(),
            first: today,
            last: year,
        },
        |(form, _)| form,
    );
    let option = |ground: &KnownGround| {
        let name = lang.pick(&ground.name_vi, &ground.name_en).to_owned();
        let is_it = ground.code == filled.ground;
        view! { <option value=ground.code.clone() selected=is_it>{name}</option> }
    };
    let options = grounds.iter().map(option).collect_view();
    let classes = [VehicleClass::Car, VehicleClass::Motorbike].map(|class| {
        view! { <option value=class.code() selected={class == filled.class}>{lang.class(class)}</option> }
    });
    view! {
        <section class="card narrow">
            <h2>{lang.exemptions().grant_an_exemption}</h2>
            <form method="post" action="/staff/exemptions">
                {why.map(|why| view! { <p class="error" role="alert">{why}</p> })}
                <label class="field">
                    <span>{lang.words().plate}</span>
                    <input name="plate" value=filled.plate required minlength="4" maxlength="20" autocomplete="off" autocapitalize="characters" />
                </label>
                <label class="field">
                    <span>{lang.words().vehicle_class}</span>
                    <select name="class">{classes.collect_view()}</select>
                </label>
                <label class="field">
                    <span>{lang.words().ground}</span>
                    <select name="ground">{options}</select>
                </label>
                <label class="field">
                    <span>{lang.exemptions().proved_by_document_and_number}</span>
                    <input name="document" value=filled.document required maxlength="200" autocomplete="off" />
                </label>
                <label class="field">
                    <span>{lang.exemptions().first_day}</span>
                    <input type="date" name="first" required value=filled.first.to_string() />
                </label>
                <label class="field">
                    <span>{lang.exemptions().last_day}</span>
                    <input type="date" name="last" required value=filled.last.to_string() />
                </label>
                <button class="primary">{lang.exemptions().grant}</button>
            </form>
        </section>
    }
    .into_any()
}

fn list_view(
    rows: Vec<GrantedExemption>,
    grounds: Vec<KnownGround>,
    reads_only: bool,
    tz: Tz,
    lang: Lang,
) -> impl IntoView {
    let empty = rows.is_empty();
    let row = move |granted: GrantedExemption| {
        let known = granted.exemption;
        let state = match granted.withdrawn_at {
            Some(at) => view! { {lang.exemptions().withdrawn} {day(at, tz)} }.into_any(),
            None if reads_only => ().into_any(),
            None => view! {
                <form class="inline" method="post" action=format!("/staff/exemptions/{}/withdraw", known.id)>
                    <button>{lang.exemptions().withdraw}</button>
                </form>
            }
            .into_any(),
        };
        let zone = known
            .zone
            .unwrap_or_else(|| lang.exemptions().all_the_city.to_owned());
        view! {
            <tr>
                <td><b>{known.plate.reveal().to_owned()}</b> " " {lang.class(known.class)}</td>
                <td>{ground_name(&grounds, &known.ground, lang)} <br/> <small>{known.document}</small></td>
                <td>{day(known.starts_at, tz)} " – " {last_day(known.ends_at, tz)} <br/> <small>{zone}</small></td>
                <td>{granted.granted_by}</td>
                <td class="amount">{granted.sessions}</td>
                <td>{state}</td>
            </tr>
        }
    };
    view! {
        <section class="card">
            <h2>{lang.exemptions().in_force}</h2>
            {empty.then(|| view! { <p class="empty">{lang.exemptions().none_yet}</p> })}
            {(!empty).then(|| view! {
                <div class="scroll"><table class="grid">
                    <thead><tr>
                        <th>{lang.words().vehicle}</th>
                        <th>{lang.words().ground}</th>
                        <th>{lang.exemptions().time}</th>
                        <th>{lang.exemptions().granted_by}</th>
                        <th class="amount">{lang.exemptions().sessions}</th>
                        <th></th>
                    </tr></thead>
                    <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
                </table></div>
            })}
        </section>
    }
}
