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
    let title = lang.t("Không có mạng", "No signal");
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
                <p>{lang.t(
                    "Máy của bạn không có mạng, nhưng vẫn bắt đầu đỗ được: giờ bắt đầu được ghi trên máy này và tự gửi khi có mạng. Khi đó bạn thấy giá và trả tiền.",
                    "Your phone has no signal, but you can start parking: the time is noted on this phone and sent by itself once there is a signal. Then you see the price and pay.",
                )}</p>
                <label class="field">
                    <span>{lang.t("Mã chỗ đỗ trên biển", "The bay's code on the sign")}</span>
                    <input name="bay" required autocomplete="off" autocapitalize="characters" spellcheck="false" pattern="[A-Za-z0-9-]+" maxlength="40" />
                </label>
                <label class="field">
                    <span>{lang.t("Biển số xe", "Licence plate")}</span>
                    <input name="plate" required minlength="4" maxlength="20" autocomplete="off"
                        autocapitalize="characters" spellcheck="false" placeholder="30A-123.45" data-remember="plate" />
                </label>
                <label class="field">
                    <span>{lang.t("Đỗ bao lâu?", "For how long?")}</span>
                    <select name="minutes">{choices.collect_view()}</select>
                </label>
                <button class="primary">{lang.t("Ghi giờ bắt đầu", "Note the start")}</button>
            </form>
        }
    })
}

/// Above a driver's page: that it is a copy, and which starts wait for a signal. `offline.js` fills
/// and shows them.
pub(super) fn notices(lang: Lang) -> impl IntoView {
    view! {
        <p id="copy" class="hint" role="status" hidden>
            {lang.t("Không có mạng. Đây là trang lúc ", "No signal. This is the page as of ")}<time></time>
            {lang.t(": giá và chỗ trống có thể đã khác.", ": prices and free bays may have changed.")}
        </p>
        <section id="waiting" class="hint" role="status" hidden>
            <b>{lang.t("Đang chờ mạng để gửi", "Waiting for a signal to send")}</b>
            <ul></ul>
            <small>{lang.t(
                "Giờ bắt đầu đã được ghi. Giữ trang này hoặc mở lại khi có mạng.",
                "The start is noted. Keep this page, or open it again when there is a signal.",
            )}</small>
            <template>
                <li><b></b> " " <span></span> " " <em></em>
                    <button type="button" class="quiet">{lang.t("Bỏ", "Discard")}</button></li>
            </template>
        </section>
    }
}
