//! `/wallet`: a driver's money with us, for whoever has signed in by a phone number. Nobody has to.

use api::service::{driver, wallet};
use api::{ApiError, App};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use domain::money::Vnd;
use domain::payment::PaymentStatus;
use domain::purchase::PurchaseKind;
use leptos::prelude::*;
use serde::Deserialize;
use store::driver::Driver;
use store::payment::Payment;
use store::wallet::{WalletEntry, WalletUse};

use super::document::Document;
use super::parts::{clock, try_again};
use super::payment::{Pending, pending_view};
use super::wallet_sign_in::{ask_phone, inside};
use super::ways::{self, Ways};
use super::{Reader, problem};
use crate::lang::Lang;

/// What can be put in at a touch, in đồng.
const AMOUNTS: [i64; 4] = [100_000, 200_000, 500_000, 1_000_000];

#[derive(Deserialize)]
pub(crate) struct BackQuery {
    pub(super) to: Option<String>,
}

/// `/wallet`; `?to=` is the page to go on to after signing in.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Query(query): Query<BackQuery>,
    headers: HeaderMap,
) -> Response {
    match driver::signed_in(&app, &headers, App::now()).await {
        Ok(Some(driver)) => shown(&app, &reader, driver, inside(query.to.as_deref()), None).await,
        Ok(None) => ask_phone(&app, &reader, inside(query.to.as_deref()), None),
        Err(error) => problem(&reader, &error),
    }
}

/// To the wallet's sign-in, where somebody chose to pay out of it who is not signed in any more, and back.
pub(super) fn sign_in_first(back: &str) -> Response {
    Redirect::to(&format!("/wallet?to={back}")).into_response()
}

#[derive(Deserialize)]
pub(crate) struct TopUpForm {
    amount: i64,
    key: String,
    #[serde(default)]
    gateway: String,
    to: Option<String>,
}

/// `POST /wallet/top-up`: to the payment of money for the wallet.
pub(crate) async fn top_up(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    Form(form): Form<TopUpForm>,
) -> Response {
    let now = App::now();
    let driver = match driver::signed_in(&app, &headers, now).await {
        Ok(Some(driver)) => driver,
        Ok(None) => return Redirect::to("/wallet").into_response(),
        Err(error) => return problem(&reader, &error),
    };
    let asked = async {
        api::extract::check_key(&form.key)?;
        let amount = Vnd::new(form.amount);
        let gateway = ways::pressed(&form.gateway);
        wallet::top_up(&app, &driver.wallet, amount, gateway, form.key.clone(), now).await
    };
    match asked.await {
        Ok(payment) => {
            let back = inside(form.to.as_deref()).map(|to| format!("?to={to}"));
            let back = back.unwrap_or_default();
            Redirect::to(&format!("/pay/{}{back}", payment.id)).into_response()
        }
        Err(error @ (ApiError::Unprocessable(_) | ApiError::KeyReused)) => {
            let to = inside(form.to.as_deref());
            shown(&app, &reader, driver, to, Some(error)).await
        }
        Err(error) => problem(&reader, &error),
    }
}

/// `/pay/{id}` of money for a wallet: how to pay it, or, once it is paid, the wallet.
pub(super) async fn payment_page(
    app: &App,
    reader: &Reader,
    payment: Payment,
    to: Option<&str>,
) -> Response {
    let lang = reader.lang;
    let live = match payment.status {
        PaymentStatus::Pending => Some(format!("/api/v1/live/payments/{}", payment.id)),
        PaymentStatus::Voided => None,
        PaymentStatus::Posted | PaymentStatus::Refunded => {
            let to = inside(to).unwrap_or_else(|| "/wallet".to_owned());
            return Redirect::to(&to).into_response();
        }
    };
    let collector = match app.store.wallet_collector().await {
        Ok(collector) => collector,
        Err(error) => return problem(reader, &error.into()),
    };
    let timezone = app.city.timezone;
    Document {
        title: lang.wallet().fill_the_wallet,
        active: "/wallet",
        live,
    }
    .page(reader, move || {
        if payment.status == PaymentStatus::Voided {
            let text = lang.wallet().did_not_go_through_if;
            let title = lang.wallet().not_filled;
            return try_again(title, text.to_owned(), "/wallet".to_owned(), lang).into_any();
        }
        let summary = view! { <p>{lang.wallet().money_goes_into_clearbay_wallet}</p> };
        let pending = Pending {
            payment,
            payee: collector.name,
            again: "/wallet".to_owned(),
            timezone,
            summary: summary.into_any(),
            lines: None,
        };
        pending_view(pending, lang).into_any()
    })
}

pub(super) fn document(lang: Lang) -> Document<'static> {
    Document {
        title: lang.wallet().clearbay_wallet,
        active: "/wallet",
        live: None,
    }
}

async fn shown(
    app: &App,
    reader: &Reader,
    driver: Driver,
    to: Option<String>,
    failed: Option<ApiError>,
) -> Response {
    let entries = match wallet::entries(app, &driver.wallet).await {
        Ok(entries) => entries,
        Err(error) => return problem(reader, &error),
    };
    let lang = reader.lang;
    let status = failed.as_ref().map_or(StatusCode::OK, ApiError::status);
    let (ways, tz) = (Ways::gateways(app), app.city.timezone);
    document(lang).respond(reader, status, move || {
        let wallet = driver.wallet;
        let held = wallet.held_vnd;
        view! {
            <section class="card narrow">
                <h1>{lang.wallet().clearbay_wallet}</h1>
                <p class="big" data-balance>{lang.money(wallet.available_vnd())}</p>
                {(held > Vnd::ZERO).then(|| view! {
                    <p class="hint">{lang.wallet().held_vehicle_parked} <b>{lang.money(held)}</b></p>
                })}
                <p class="note">{lang.wallet().of_the_number} {driver.phone.national()}</p>
                {to.clone().map(|to| view! { <p><a href=to>{lang.wallet().back_to_where_you_were}</a></p> })}
                {top_up_form(&ways, to, failed.is_some(), lang)}
            </section>
            {history(entries, tz, lang)}
            <section class="card narrow">
                <form method="post" action="/wallet/sign-out">
                    <button>{lang.wallet().sign_out_on_this_phone}</button>
                    <button class="quiet" name="everywhere" value="true">{lang.wallet().sign_out_everywhere}</button>
                </form>
                <p class="note">{lang.wallet().lost_phone_sign_another_same}</p>
                <p><a href="/api/v1/drivers/current/export" download="clearbay.json">
                    {lang.wallet().download_my_data}
                </a></p>
                <p><a href="/wallet/delete">{lang.wallet_delete().delete_number_and_wallet}</a></p>
            </section>
        }
    })
}

fn top_up_form(ways: &Ways, to: Option<String>, failed: bool, lang: Lang) -> impl IntoView + use<> {
    let amounts = AMOUNTS.map(|amount| {
        view! {
            <label class="choice">
                <input type="radio" name="amount" value=amount.to_string() checked={amount == AMOUNTS[1]} />
                <span class="choice-head"><b>{lang.money(Vnd::new(amount))}</b></span>
            </label>
        }
    });
    view! {
        <form class="pay" method="post" action="/wallet/top-up">
            <input type="hidden" name="key" value=api::secret::random_token() />
            {to.map(|to| view! { <input type="hidden" name="to" value=to /> })}
            {failed.then(|| view! { <p class="error" role="alert">{lang.wallet().amount_cannot_put_please_choose}</p> })}
            <fieldset>
                <legend>{lang.wallet().how_much_to_put_in}</legend>
                <div class="choices amounts">{amounts.into_iter().collect_view()}</div>
            </fieldset>
            {ways.buttons(lang)}
        </form>
    }
}

fn history(entries: Vec<WalletEntry>, tz: Tz, lang: Lang) -> impl IntoView {
    let now = App::now();
    let empty = entries.is_empty();
    let row = move |entry: WalletEntry| {
        let what = match entry.what {
            WalletUse::Refund => lang.wallet().given_back,
            WalletUse::Purchase(PurchaseKind::TopUp) => lang.wallet().put_in,
            WalletUse::Purchase(PurchaseKind::Start) => lang.wallet().parking,
            WalletUse::Purchase(PurchaseKind::Extension) => lang.wallet().more_time,
            WalletUse::Purchase(PurchaseKind::Pass) => lang.words().monthly_pass,
        };
        let amount = lang.money(entry.amount_vnd);
        let amount = if entry.amount_vnd > Vnd::ZERO {
            format!("+{amount}")
        } else {
            amount
        };
        view! {
            <tr>
                <th scope="row">{what} " " {entry.bay}</th>
                <td>{clock(entry.at, tz, now)}</td>
                <td>{entry.receipt.map(|id| view! { <a href=format!("/r/{id}")>{lang.words().receipt}</a> })}</td>
                <td class="amount">{amount}</td>
            </tr>
        }
    };
    view! {
        <section class="card narrow">
            <h2>{lang.wallet().what_came_and_went}</h2>
            {empty.then(|| view! { <p class="empty">{lang.wallet().nothing_yet}</p> })}
            {(!empty).then(|| view! {
                <div class="scroll"><table class="grid rows">
                    <thead><tr>
                        <th scope="col">{lang.wallet().what}</th>
                        <th scope="col">{lang.wallet().when}</th>
                        <th scope="col"><span class="spoken">{lang.wallet().receipt}</span></th>
                        <th scope="col" class="amount">{lang.words().amount}</th>
                    </tr></thead>
                    <tbody>{entries.into_iter().map(row).collect_view()}</tbody>
                </table></div>
            })}
        </section>
    }
}
