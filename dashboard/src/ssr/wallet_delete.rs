//! `/wallet/delete`: a driver gives up their wallet, and their number goes.

use api::service::{driver, driver_data};
use api::{ApiError, App};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use domain::money::Vnd;
use leptos::prelude::*;
use store::driver::Driver;
use store::driver_close::{Closing, Kept};

use super::document::Document;
use super::parts::message;
use super::{Reader, problem};
use crate::lang::Lang;

/// `/wallet/delete`: what goes and what stays, before anything is done.
pub(crate) async fn page(State(app): State<App>, reader: Reader, headers: HeaderMap) -> Response {
    let driver = match driver::signed_in(&app, &headers, App::now()).await {
        Ok(Some(driver)) => driver,
        Ok(None) => return Redirect::to("/wallet").into_response(),
        Err(error) => return problem(&reader, &error),
    };
    let balance = driver.wallet.balance_vnd;
    let kept = (balance > Vnd::ZERO).then_some(Kept::Money(balance));
    shown(&app, &reader, &driver, StatusCode::OK, kept).await
}

/// `POST /wallet/delete`: done, or why not.
pub(crate) async fn delete(State(app): State<App>, reader: Reader, headers: HeaderMap) -> Response {
    let now = App::now();
    let driver = match driver::signed_in(&app, &headers, now).await {
        Ok(Some(driver)) => driver,
        Ok(None) => return Redirect::to("/wallet").into_response(),
        Err(error) => return problem(&reader, &error),
    };
    match driver_data::delete(&app, &driver, now).await {
        Ok(Closing::Closed) => {
            let cookie = driver::set_cookie(&app, "");
            let lang = reader.lang;
            let gone = document(lang).page(&reader, move || {
                let text = lang.wallet_delete().your_number_is_gone_from_here;
                message(lang.wallet_delete().deleted, text.to_owned(), lang)
            });
            ([(header::SET_COOKIE, cookie)], gone).into_response()
        }
        Ok(Closing::Kept(why)) => {
            let status = driver_data::refusal(why).status();
            shown(&app, &reader, &driver, status, Some(why)).await
        }
        // Another browser of theirs was quicker.
        Err(ApiError::Unauthorized) => Redirect::to("/wallet").into_response(),
        Err(error) => problem(&reader, &error),
    }
}

fn document(lang: Lang) -> Document<'static> {
    Document {
        title: lang.wallet_delete().delete_number_and_wallet,
        active: "/wallet",
        live: None,
    }
}

async fn shown(
    app: &App,
    reader: &Reader,
    driver: &Driver,
    status: StatusCode,
    kept: Option<Kept>,
) -> Response {
    let lang = reader.lang;
    let collector = match app.store.wallet_collector().await {
        Ok(collector) => collector.name,
        Err(error) => return problem(reader, &error.into()),
    };
    let reason = kept.map(|why| reason(why, &collector, lang));
    let number = driver.phone.national();
    let has_money = matches!(kept, Some(Kept::Money(_)));
    document(lang).respond(reader, status, move || {
        view! {
            <section class="card narrow">
                <h1>{lang.wallet_delete().delete_number_and_wallet}</h1>
                <p class="note">{lang.wallet().of_the_number} {number}</p>
                {reason.map(|text| view! { <p class="error" role="alert">{text}</p> })}
                <ul>
                    <li>{lang.wallet_delete().number_goes_every_phone_signed_out}</li>
                    <li>{lang.wallet_delete().what_was_paid_stays_without_number}</li>
                    <li>{lang.wallet_delete().object_first_money_cannot_come_back}</li>
                    <li>{lang.wallet_delete().same_number_later_new_wallet}</li>
                </ul>
                <p><a href="/api/v1/drivers/current/export" download="clearbay.json">
                    {lang.wallet().download_my_data}
                </a></p>
                {(!has_money).then(|| view! {
                    <form method="post" action="/wallet/delete">
                        <button class="primary">{lang.wallet_delete().delete_for_good}</button>
                    </form>
                })}
                <p><a href="/wallet">{lang.wallet_delete().keep_the_wallet}</a></p>
            </section>
        }
    })
}

/// What stands in the way, and what to do.
fn reason(why: Kept, collector: &str, lang: Lang) -> String {
    let text = lang.wallet_delete();
    match why {
        Kept::Money(left) => format!(
            "{} {}. {} {collector}{}",
            text.in_the_wallet_there_is,
            lang.money(left),
            text.spend_it_or_ask,
            text.to_pay_it_back
        ),
        Kept::Session => text.a_session_runs.to_owned(),
        Kept::Refund => text.money_is_on_its_way_back.to_owned(),
        Kept::Payment => text.a_payment_has_just_been_asked.to_owned(),
    }
}
