//! `/staff/notices`: the notices of one's lots: what is unpaid, then what is settled, newest first.

use api::App;
use api::service::parking_notice::{self, Notices};
use axum::extract::State;
use axum::response::Response;
use chrono_tz::Tz;
use domain::Timestamp;
use leptos::prelude::*;
use store::parking_notice::ParkingNotice;

use super::document::Document;
use super::notice::state_words;
use super::parts::clock;
use super::staff::{SignedIn, staff_bar};
use super::staff_plate::plate_form;
use super::{Reader, problem};
use crate::lang::Lang;

/// `/staff/notices`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
) -> Response {
    let loaded = tokio::try_join!(
        parking_notice::open(&app, &who),
        parking_notice::settled(&app, &who)
    );
    let (open, settled) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let (lang, clocks) = (reader.lang, (app.city.timezone, App::now()));
    let text = lang.staff_notices();
    let title = text.notices_of_unpaid_parking;
    let none_open = match settled.newest.is_empty() {
        true => text.none_so_far,
        false => text.none_unpaid,
    };
    let are_more = open.are_more || settled.are_more;
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .page(&reader, move || {
        view! {
            {staff_bar(&who, "/staff/notices", lang)}
            <h1>{title}</h1>
            <h2>{text.unpaid} " " <small>{open.newest.len()} {open.are_more.then_some("+")}</small></h2>
            {open.newest.is_empty().then(|| view! { <p class="empty">{none_open}</p> })}
            {table(open, clocks, lang)}
            {(!settled.newest.is_empty()).then(|| view! { <h2>{text.settled}</h2> })}
            {table(settled, clocks, lang)}
            {are_more.then(|| view! {
                <p class="note">{text.older_by_plate}</p>
                {plate_form(String::new(), String::new(), lang)}
            })}
        }
    })
}

fn table(notices: Notices, (tz, now): (Tz, Timestamp), lang: Lang) -> impl IntoView + use<> {
    let row = move |notice: ParkingNotice| {
        let state = state_words(notice.state(), lang);
        let amount = match notice.paid {
            Some(_) => notice.received_vnd,
            None => notice.amount_vnd,
        };
        view! {
            <tr>
                <th scope="row"><a href=format!("/n/{}", notice.code)>{notice.code.to_string()}</a></th>
                <td>{clock(notice.issued_at, tz, now)}</td>
                <td>{notice.bay}</td>
                <td>{notice.plate.reveal().to_owned()}</td>
                <td>{state}</td>
                <td>{notice.issued_by}</td>
                <td class="amount">{lang.money(amount)}</td>
            </tr>
        }
    };
    (!notices.newest.is_empty()).then(|| {
        view! {
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
                <tbody>{notices.newest.into_iter().map(row).collect_view()}</tbody>
            </table></div>
        }
    })
}
