//! `/wallet`: a driver's money with us, for whoever has signed in by a phone number. Nobody has to.

use api::service::{driver, wallet};
use api::{ApiError, App};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use domain::money::Vnd;
use domain::payment::PaymentStatus;
use domain::phone::Phone;
use domain::purchase::PurchaseKind;
use leptos::prelude::*;
use serde::Deserialize;
use store::driver::Driver;
use store::payment::Payment;
use store::wallet::{WalletEntry, WalletUse};

use super::document::Document;
use super::parts::{clock, message};
use super::payment::{Pending, pending_view};
use super::ways::Ways;
use super::{Reader, problem};
use crate::lang::Lang;

/// What can be put in at a touch, in đồng.
const AMOUNTS: [i64; 4] = [100_000, 200_000, 500_000, 1_000_000];

/// A page of ours to go on to; nowhere else.
fn inside(to: Option<&str>) -> Option<String> {
    to.filter(|to| to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\n', '\r']))
        .map(str::to_owned)
}

#[derive(Deserialize)]
pub(crate) struct BackQuery {
    to: Option<String>,
}

/// `/wallet`; `?to=` is the page to go on to after signing in.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Query(query): Query<BackQuery>,
    headers: HeaderMap,
) -> Response {
    match driver::signed_in(&app, &headers, App::now()).await {
        Ok(Some(driver)) => shown(&app, &reader, driver, None).await,
        Ok(None) => ask_phone(&app, &reader, inside(query.to.as_deref()), None),
        Err(error) => problem(&reader, &error),
    }
}

#[derive(Clone, Deserialize)]
pub(crate) struct PhoneForm {
    phone: String,
    to: Option<String>,
}

/// `POST /wallet/code`: sends a code and asks for it. The number is in no address.
pub(crate) async fn send_code(
    State(app): State<App>,
    reader: Reader,
    Form(filled): Form<PhoneForm>,
) -> Response {
    let to = inside(filled.to.as_deref());
    let sent = async {
        let phone = Phone::parse(&filled.phone)?;
        driver::send_code(&app, &phone, App::now()).await?;
        Ok(phone)
    };
    match sent.await {
        Ok(phone) => ask_code(&reader, &phone, to, None),
        // Sent a moment ago: whoever has it may type it.
        Err(error) => ask_phone(&app, &reader, to, Some((filled.phone, error))),
    }
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    phone: String,
    code: String,
    to: Option<String>,
}

/// `POST /wallet/sign-in`: by the code that was sent.
pub(crate) async fn sign_in(
    State(app): State<App>,
    reader: Reader,
    Form(filled): Form<CodeForm>,
) -> Response {
    let to = inside(filled.to.as_deref());
    let phone = match Phone::parse(&filled.phone) {
        Ok(phone) => phone,
        Err(error) => return ask_phone(&app, &reader, to, Some((filled.phone, error.into()))),
    };
    match driver::sign_in(&app, &phone, &filled.code, App::now()).await {
        Ok(signed_in) => {
            let cookie = driver::set_cookie(&app, &signed_in.token);
            let to = to.unwrap_or_else(|| "/wallet".to_owned());
            ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
        }
        Err(error @ ApiError::WrongCode) => ask_code(&reader, &phone, to, Some(error)),
        Err(error) => problem(&reader, &error),
    }
}

#[derive(Deserialize)]
pub(crate) struct SignOutForm {
    #[serde(default)]
    everywhere: bool,
}

/// `POST /wallet/sign-out`: this browser, or all.
pub(crate) async fn sign_out(
    State(app): State<App>,
    reader: Reader,
    headers: HeaderMap,
    Form(form): Form<SignOutForm>,
) -> Response {
    if let Some(token) = driver::held_token(&headers)
        && let Err(error) = driver::sign_out(&app, token, form.everywhere).await
    {
        return problem(&reader, &error);
    }
    let cookie = driver::set_cookie(&app, "");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/wallet")).into_response()
}

#[derive(Deserialize)]
pub(crate) struct TopUpForm {
    amount: i64,
    key: String,
    #[serde(default)]
    gateway: String,
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
        let gateway = match form.gateway.as_str() {
            "" => api::gateway::vietqr::CODE,
            named => named,
        };
        let amount = Vnd::new(form.amount);
        wallet::top_up(&app, &driver.wallet, amount, gateway, form.key.clone(), now).await
    };
    match asked.await {
        Ok(payment) => Redirect::to(&format!("/pay/{}", payment.id)).into_response(),
        Err(error @ (ApiError::Unprocessable(_) | ApiError::KeyReused)) => {
            shown(&app, &reader, driver, Some(error)).await
        }
        Err(error) => problem(&reader, &error),
    }
}

/// `/pay/{id}` of money for a wallet: how to pay it, or, once it is paid, the wallet.
pub(super) async fn payment_page(app: &App, reader: &Reader, payment: Payment) -> Response {
    let lang = reader.lang;
    let live = match payment.status {
        PaymentStatus::Pending => Some(format!("/api/v1/live/payments/{}", payment.id)),
        PaymentStatus::Voided => None,
        PaymentStatus::Posted | PaymentStatus::Refunded => {
            return Redirect::to("/wallet").into_response();
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
            return message(title, text.to_owned(), lang).into_any();
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

fn document(lang: Lang) -> Document<'static> {
    Document {
        title: lang.wallet().clearbay_wallet,
        active: "/wallet",
        live: None,
    }
}

fn back_field(to: Option<String>) -> impl IntoView {
    to.map(|to| view! { <input type="hidden" name="to" value=to /> })
}

fn ask_phone(
    app: &App,
    reader: &Reader,
    to: Option<String>,
    failed: Option<(String, ApiError)>,
) -> Response {
    let lang = reader.lang;
    if !driver::is_offered(app) {
        let error = ApiError::NotFound("page");
        return problem(reader, &error);
    }
    let status = failed
        .as_ref()
        .map_or(StatusCode::OK, |(_, error)| error.status());
    let (phone, error) = failed.unzip();
    let error = error.map(|error| reason(&error, lang));
    document(lang).respond(reader, status, move || {
        let invalid = error.is_some();
        view! {
            <form class="card narrow" method="post" action="/wallet/code">
                <h1>{lang.wallet().clearbay_wallet}</h1>
                <p>{lang.wallet().fill_once_park_often_pay}</p>
                {back_field(to)}
                <label class="field">
                    <span>{lang.wallet().mobile_phone_number}</span>
                    <input name="phone" type="tel" inputmode="tel" autocomplete="tel-national" required maxlength="20"
                        value=phone placeholder="0912 345 678" data-remember="phone"
                        aria-invalid=invalid.then_some("true") aria-describedby=invalid.then_some("phone-error") />
                    {error.map(|text| view! { <small id="phone-error" class="error" role="alert">{text}</small> })}
                </label>
                <button class="primary">{lang.wallet().send_me_a_code}</button>
                <p class="note">{lang.wallet().we_send_one_time_code}</p>
            </form>
        }
    })
}

fn ask_code(
    reader: &Reader,
    phone: &Phone,
    to: Option<String>,
    failed: Option<ApiError>,
) -> Response {
    let lang = reader.lang;
    let status = failed.as_ref().map_or(StatusCode::OK, ApiError::status);
    let error = failed.map(|error| reason(&error, lang));
    let (number, again) = (phone.national(), to.clone());
    document(lang).respond(reader, status, move || {
        let invalid = error.is_some();
        view! {
            <section class="card narrow">
                <form method="post" action="/wallet/sign-in">
                    <h1>{lang.wallet().enter_the_code_from_the_message}</h1>
                    <p>{lang.wallet().sent_to} <b>{number.clone()}</b> {lang.wallet().it_is_good_for_5_minutes}</p>
                    {back_field(to)}
                    <input type="hidden" name="phone" value=number.clone() />
                    <label class="field">
                        <span>{lang.wallet().the_code_of_six_digits}</span>
                        <input name="code" class="one-time-code" inputmode="numeric" autocomplete="one-time-code" required
                            pattern="[0-9 ]{6,7}" maxlength="7" autofocus
                            aria-invalid=invalid.then_some("true") aria-describedby=invalid.then_some("code-error") />
                        {error.map(|text| view! { <small id="code-error" class="error" role="alert">{text}</small> })}
                    </label>
                    <button class="primary wide">{lang.wallet().open_the_wallet}</button>
                </form>
                <form method="post" action="/wallet/code">
                    {back_field(again)}
                    <input type="hidden" name="phone" value=number />
                    <p class="note">{lang.wallet().nothing_came_after_minute_can}</p>
                    <button class="quiet">{lang.wallet().send_another_code}</button>
                </form>
                <p><a href="/wallet">{lang.wallet().use_another_number}</a></p>
            </section>
        }
    })
}

/// Why signing in goes no further, in the reader's language.
fn reason(error: &ApiError, lang: Lang) -> String {
    match error {
        ApiError::WrongCode => lang.wallet().code_wrong_or_no_longer.to_owned(),
        ApiError::TooOften { wait_s } => {
            let wait = lang.duration(chrono::TimeDelta::seconds(wait_s + 59));
            format!("{} {wait}.", lang.wallet().code_has_been_sent_number)
        }
        ApiError::Unavailable(_) => lang.wallet().code_cannot_sent_right_now.to_owned(),
        _ => lang.wallet().vietnamese_mobile_number_has_ten.to_owned(),
    }
}

async fn shown(app: &App, reader: &Reader, driver: Driver, failed: Option<ApiError>) -> Response {
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
                {top_up_form(&ways, failed.is_some(), lang)}
            </section>
            {history(entries, tz, lang)}
            <section class="card narrow">
                <form method="post" action="/wallet/sign-out">
                    <button>{lang.wallet().sign_out_on_this_phone}</button>
                    <button class="quiet" name="everywhere" value="true">{lang.wallet().sign_out_everywhere}</button>
                </form>
                <p class="note">{lang.wallet().lost_phone_sign_another_same}</p>
            </section>
        }
    })
}

fn top_up_form(ways: &Ways, failed: bool, lang: Lang) -> impl IntoView + use<> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_to_pages_of_ours_only() {
        assert_eq!(
            inside(Some("/b/HK-01-001")).as_deref(),
            Some("/b/HK-01-001")
        );
        for to in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "b",
            "/a\nb",
        ] {
            assert_eq!(inside(Some(to)), None, "{to}");
        }
    }
}
