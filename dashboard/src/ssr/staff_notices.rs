//! `/staff/notices`: the notices of one's lots, newest first.

use api::App;
use api::service::parking_notice;
use axum::extract::State;
use axum::response::Response;
use leptos::prelude::*;
use store::parking_notice::ParkingNotice;

use super::document::Document;
use super::notice::state_words;
use super::parts::clock;
use super::staff::{SignedIn, staff_bar};
use super::{Reader, problem};

/// `/staff/notices`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
) -> Response {
    let now = App::now();
    let notices = match parking_notice::list(&app, &who).await {
        Ok(notices) => notices,
        Err(error) => return problem(&reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let title = lang.staff_notices().notices_of_unpaid_parking;
    let empty = notices.is_empty();
    let row = move |notice: ParkingNotice| {
        let state = state_words(notice.state(), lang);
        view! {
            <tr>
                <th scope="row"><a href=format!("/n/{}", notice.code)>{notice.code.to_string()}</a></th>
                <td>{clock(notice.issued_at, tz, now)}</td>
                <td>{notice.bay}</td>
                <td>{notice.plate.reveal().to_owned()}</td>
                <td>{state}</td>
                <td>{notice.issued_by}</td>
                <td class="amount">{lang.money(notice.amount_vnd)}</td>
            </tr>
        }
    };
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .page(&reader, move || {
        view! {
            {staff_bar(&who, "/staff/notices", lang)}
            <h1>{title}</h1>
            {empty.then(|| view! { <p class="empty">{lang.staff_notices().none_so_far}</p> })}
            {(!empty).then(|| view! {
                <div class="scroll card"><table class="grid rows">
                    <thead><tr>
                        <th scope="col">{lang.words().number}</th>
                        <th scope="col">{lang.words().at}</th>
                        <th scope="col">{lang.words().bay}</th>
                        <th scope="col">{lang.words().vehicle}</th>
                        <th scope="col">{lang.staff_notices().state}</th>
                        <th scope="col">{lang.staff_notices().by}</th>
                        <th scope="col" class="amount">{lang.words().amount}</th>
                    </tr></thead>
                    <tbody>{notices.into_iter().map(row).collect_view()}</tbody>
                </table></div>
            })}
        }
    })
}
