//! What a driver is asked before paying, where paying is likely a mistake.

use api::App;
use axum::http::StatusCode;
use axum::response::Response;
use leptos::prelude::*;
use store::session::Session;

use super::Reader;
use super::document::Document;
use super::parts::clock;
use super::pay::PayForm;

/// The filled form again, for a bay, insisting on it.
fn again(filled: &PayForm, bay: &str, class: &'static str, text: String) -> impl IntoView + use<> {
    view! {
        <form method="post" action=format!("/b/{bay}")>
            <input type="hidden" name="plate" value=filled.plate.clone() />
            <input type="hidden" name="minutes" value=filled.minutes.to_string() />
            <input type="hidden" name="gateway" value=filled.gateway.clone() />
            {filled.longest.map(|longest| view! { <input type="hidden" name="longest" value=longest.to_string() /> })}
            <input type="hidden" name="key" value=api::secret::random_token() />
            <input type="hidden" name="confirm" value="true" />
            <button class=class>{text}</button>
        </form>
    }
}

fn asked<V: IntoView + 'static>(
    reader: &Reader,
    title: &'static str,
    what: &'static str,
    content: impl FnOnce() -> V,
) -> Response {
    let lang = reader.lang;
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(reader, StatusCode::CONFLICT, || {
        view! {
            <section class="card narrow which-bay" data-status=what>
                <h1>{title}</h1>
                {content()}
                <p class="note">{lang.pay().nothing_has_been_charged_yet}</p>
            </section>
        }
    })
}

/// Asks which of two bays the driver stands in.
pub(super) fn which_bay(
    reader: &Reader,
    filled: &PayForm,
    meant: &str,
    likelier: &str,
) -> Response {
    let lang = reader.lang;
    asked(reader, lang.pay().which_bay_are_you_in, "which-bay", || {
        let there = format!("{likelier} — {}", lang.pay().this_is_where_i_am);
        let here = format!("{meant} — {}", lang.pay().i_am_sure);
        view! {
            <p>
                {lang.pay().the_sensors_see_that_bay} <b>{meant.to_owned()}</b>
                {lang.pay().empty_vehicle_has_just_come}
                <b>{likelier.to_owned()}</b> {lang.pay().please_look_at_the_sign}
            </p>
            {again(filled, likelier, "primary", there)}
            {again(filled, meant, "", here)}
        }
    })
}

/// Asks whether to move the time that this browser has paid for the same vehicle in another bay; where it cannot be
/// moved, whether to pay for both.
pub(super) fn move_or_pay(
    reader: &Reader,
    filled: &PayForm,
    bay: &str,
    running: &Session,
    may_move: bool,
    app: &App,
) -> Response {
    let lang = reader.lang;
    let until = clock(running.ends_at, app.city.timezone, App::now());
    asked(
        reader,
        lang.pay().you_have_time_elsewhere,
        "move-or-pay",
        || {
            let home = format!("/s/{}", running.id);
            view! {
                <p>
                    <b>{running.plate.reveal().to_owned()}</b> " " {lang.pay().has_paid_time_in} " "
                    <b>{running.bay_code.clone()}</b> ", " {lang.words().until} " " <b>{until}</b> ". "
                    {if may_move { lang.pay().if_it_stands_here_now } else { lang.pay().cannot_be_moved_here }}
                </p>
                {may_move.then(|| view! {
                    <form method="post" action=format!("{home}/bay")>
                        <input type="hidden" name="bay" value=bay.to_owned() />
                        <button class="primary">{lang.pay().move_my_time_to} " " {bay.to_owned()}</button>
                    </form>
                })}
                {again(filled, bay, "", lang.pay().pay_for_both.to_owned())}
                <p><a href=home>{lang.pay().look_at_that_session}</a></p>
            }
        },
    )
}

/// Tells that the plate pays less, but is seen in another bay; whose that is, is not told.
pub(super) fn entitled_elsewhere(reader: &Reader, filled: &PayForm, bay: &str) -> Response {
    let lang = reader.lang;
    asked(
        reader,
        lang.pay().entitlement_is_in_use,
        "parked-elsewhere",
        || {
            view! {
                <p>{lang.pay().sensor_sees_this_plates_vehicle} " " {lang.pay().serves_one_vehicle}</p>
                {again(filled, bay, "primary", lang.pay().go_on_at_the_usual_price.to_owned())}
                <p><a href=format!("/b/{bay}")>{lang.pay().another_plate}</a></p>
            }
        },
    )
}
