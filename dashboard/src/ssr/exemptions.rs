//! `/staff/exemptions`: who asks to park for nothing; who does, on what ground, and who said so.

use api::service::exemption::{self, NewGrant};
use api::service::exemption_decision;
use api::{ApiError, App};
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{Months, NaiveDate};
use chrono_tz::Tz;
use domain::id::ExemptionId;
use domain::place::VehicleClass;
use domain::plate::Plate;
use leptos::prelude::*;
use serde::Deserialize;
use store::exemption::{GrantedExemption, KnownGround};

use super::document::Document;
use super::parts::{day, ground_name, last_day};
use super::staff::{SignedIn, staff_bar};
use super::{Reader, problem, staff_exemption_list};
use crate::lang::Lang;

/// `/staff/exemptions`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
) -> Response {
    let now = App::now();
    let loaded = async {
        let known = exemption::list(&app, &who, now).await?;
        let requests = exemption_decision::list(&app, &who, now).await?;
        let grounds = app.store.exemption_grounds(None).await?;
        Ok((who, known, requests, grounds))
    };
    let (who, known, requests, grounds) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let lang = reader.lang;
    let title = lang.exemptions().exemptions;
    let tz = app.city.timezone;
    let today = now.with_timezone(&tz).date_naive();
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .page(&reader, move || {
        view! {
            {staff_bar(&who, "/staff/exemptions", lang)}
            <h1>{title}</h1>
            {staff_exemption_list::view(requests, &grounds, tz, lang).into_any()}
            {(!who.reads_only()).then(|| grant_form(&grounds, today, lang))}
            {list_view(known, grounds, who.reads_only(), tz, lang)}
        }
    })
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
            ground: form.ground,
            document: form.document,
            first: form.first,
            last: form.last,
        };
        exemption::grant(&app, request, &who, App::now()).await
    };
    back(&reader, done.await.map(|_| ()))
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

fn grant_form(grounds: &[KnownGround], today: NaiveDate, lang: Lang) -> AnyView {
    if grounds.is_empty() {
        return view! {
            <p class="empty">{lang.exemptions().tariffs_know_no_ground_which}</p>
        }
        .into_any();
    }
    let option = |ground: &KnownGround| {
        let name = lang.pick(&ground.name_vi, &ground.name_en).to_owned();
        view! { <option value=ground.code.clone()>{name}</option> }
    };
    let options = grounds.iter().map(option).collect_view();
    let classes = [VehicleClass::Car, VehicleClass::Motorbike]
        .map(|class| view! { <option value=class.code()>{lang.class(class)}</option> });
    let year = today.checked_add_months(Months::new(12)).unwrap_or(today);
    view! {
        <section class="card narrow">
            <h2>{lang.exemptions().grant_an_exemption}</h2>
            <form method="post" action="/staff/exemptions">
                <label class="field">
                    <span>{lang.words().plate}</span>
                    <input name="plate" required minlength="4" maxlength="20" autocomplete="off" autocapitalize="characters" />
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
                    <input name="document" required maxlength="200" autocomplete="off" />
                </label>
                <label class="field">
                    <span>{lang.exemptions().first_day}</span>
                    <input type="date" name="first" required value=today.to_string() />
                </label>
                <label class="field">
                    <span>{lang.exemptions().last_day}</span>
                    <input type="date" name="last" required value=year.to_string() />
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
