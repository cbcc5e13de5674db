//! Without a signal: the page that takes a start, what makes the site installable, and the worker that
//! keeps both on the phone.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use leptos::prelude::*;

use super::Reader;
use super::document::Document;
use super::pay_form::CHOICES;
use crate::lang::Lang;

const WORKER: &str = include_str!("../../static/sw.js");
const MANIFEST: &str = include_str!("../../static/manifest.webmanifest");

/// `/sw.js`: at the top, for a worker answers for what lies below it. Browsers ask for it anew.
pub(crate) async fn worker() -> Response {
    let kind = "text/javascript; charset=utf-8";
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        WORKER,
    )
        .into_response()
}

/// `/manifest.webmanifest`: name and picture on a phone's home screen.
pub(crate) async fn manifest() -> Response {
    let kind = "application/manifest+json";
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "max-age=86400"),
        ],
        MANIFEST,
    )
        .into_response()
}

/// `/offline`: shown in place of a page of which there is no copy.
pub(crate) async fn page(reader: Reader) -> Response {
    let lang = reader.lang;
    let title = lang.offline().no_signal;
    Document {
        title,
        active: "",
        live: None,
    }
    .page(&reader, move || {
        let choices = CHOICES.map(|minutes| {
            let label = lang.duration(TimeDelta::minutes(i64::from(minutes)));
            let usual = minutes == 60;
            view! { <option value=minutes.to_string() selected=usual>{label}</option> }
        });
        view! {
            <form class="card narrow" data-offline>
                <h1>{title}</h1>
                <p>{lang.offline().phone_has_no_signal_but}</p>
                <label class="field">
                    <span>{lang.offline().the_bay_code_on_the_sign}</span>
                    <input name="bay" required autocomplete="off" autocapitalize="characters" spellcheck="false" pattern="[A-Za-z0-9-]+" maxlength="40" />
                </label>
                <label class="field">
                    <span>{lang.words().licence_plate}</span>
                    <input name="plate" required minlength="4" maxlength="20" autocomplete="off"
                        autocapitalize="characters" spellcheck="false" placeholder="30A-123.45" data-remember="plate" />
                </label>
                <label class="field">
                    <span>{lang.offline().for_how_long}</span>
                    <select name="minutes">{choices.collect_view()}</select>
                </label>
                <button class="primary">{lang.offline().note_the_start}</button>
            </form>
        }
    })
}

/// Above a driver's page: that it is a copy, and which starts wait for a signal. `offline.js` fills
/// and shows them.
pub(super) fn notices(lang: Lang) -> impl IntoView {
    view! {
        <p id="copy" class="hint" role="status" hidden>
            {lang.offline().no_signal_page_as}<time></time>
            {lang.offline().prices_free_bays_may_have}
        </p>
        <section id="waiting" class="hint" role="status" hidden>
            <b>{lang.offline().waiting_for_a_signal_to_send}</b>
            <ul></ul>
            <small>{lang.offline().start_noted_keep_page_or}</small>
            <template>
                <li><b></b> " " <span></span> " " <em></em>
                    <button type="button" class="quiet">{lang.offline().discard}</button></li>
            </template>
        </section>
    }
}
