//! On a session's page: the wish to be told before the time ends, although the page is closed.
//! `remind.js` shows what of it fits this browser; without it nothing is shown.

use api::service::reminder::warning;
use api::service::session::driver_status;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::session::WARN_BEFORE;
use leptos::prelude::*;
use store::session::Session;

use super::assets;
use super::parts::clock;
use crate::lang::Lang;

/// The button, and in words what came of it. `key` is the one by which browsers subscribe to us. Who has
/// less time left than a warning needs can only switch it off.
pub(super) fn block(
    key: String,
    session: &Session,
    tz: Tz,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let script = view! { <script type="module" src=assets::url("remind.js")></script> };
    let is_running = driver_status(session, now) == "paid";
    let address = format!("/api/v1/sessions/{}/push-subscriptions", session.id);
    let warns_at = warning(session, now);
    let at = warns_at.map(|at| clock(at, tz, now));
    let is_short = session.ends_at - session.starts_at < WARN_BEFORE * 2;
    let minutes = WARN_BEFORE.num_minutes();
    let wish = match (&at, lang) {
        (Some(at), Lang::Vi) if is_short => format!("Báo cho tôi lúc {at}, trước khi hết giờ"),
        (Some(at), Lang::En) if is_short => format!("Warn me at {at}, before it ends"),
        (_, Lang::Vi) => format!("Báo cho tôi {minutes} phút trước khi hết giờ"),
        (_, Lang::En) => format!("Warn me {minutes} minutes before it ends"),
    };
    let promise = match (&at, lang) {
        (Some(at), Lang::Vi) => {
            format!("Máy này sẽ được báo lúc {at}, kể cả khi trang đã đóng.")
        }
        (Some(at), Lang::En) => {
            format!("This device will be told at {at}, even when the page is closed.")
        }
        (None, Lang::Vi) => "Máy này sẽ được báo nếu hết giờ mà xe vẫn ở chỗ.".to_owned(),
        (None, Lang::En) => {
            "This device will be told if time runs out while your vehicle is still there."
                .to_owned()
        }
    };
    let parts = view! {
        <div class="remind" data-push=address data-key=key hidden>
            {warns_at.map(|_| view! { <button type="button" data-when="off failed" hidden>{wish}</button> })}
            <div role="status">
                <p data-when="busy" hidden>{lang.reminder().one_moment}</p>
                <p data-when="on" hidden>{promise}</p>
                <p data-when="denied" hidden>{lang.reminder().browser_blocks_notifications_from_site}</p>
                <p data-when="failed" hidden>{lang.reminder().did_not_work_please_try}</p>
            </div>
            <button type="button" class="quiet" data-when="on" hidden>{lang.reminder().do_not_warn_me}</button>
        </div>
    };
    view! { {script}{is_running.then_some(parts)} }
}
