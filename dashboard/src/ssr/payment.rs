//! The page that waits for the money: the QR code, and the word "paid" when the bank has told.

use api::service::payment;
use api::{ApiError, App};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::PaymentId;
use domain::notice::NoticeCode;
use domain::payment::PaymentStatus;
use domain::purchase::PurchaseStatus;
use domain::session::SessionStatus;
use domain::tariff::Quote;
use domain::vietqr::{VietQr, bank_name};
use leptos::prelude::*;
use store::payment::Payment;
use store::place::BayPlace;
use store::session::Session;

use super::document::Document;
use super::parts::{clock, price_lines, qr_svg, try_again};
use super::{Reader, passes, problem, wallet};
use crate::island::PaymentWatch;
use crate::lang::Lang;

/// `/pay/{id}`: the QR code, and the word "paid" when the bank has told.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    Query(query): Query<wallet::BackQuery>,
    headers: HeaderMap,
) -> Response {
    let payment = async {
        let id: PaymentId = id.parse().map_err(|_| ApiError::NotFound("payment"))?;
        payment::find_held(&app, id, &headers).await
    };
    let payment = match payment.await {
        Ok(payment) if payment.wallet.is_some() => {
            return wallet::payment_page(&app, &reader, payment, query.to.as_deref()).await;
        }
        Ok(payment) if payment.session.is_none() => {
            return passes::payment_page(&app, &reader, payment).await;
        }
        Ok(payment) => payment,
        Err(error) => return problem(&reader, &error),
    };
    match load(&app, payment).await {
        Ok(Loaded {
            payment,
            session,
            quote,
            until,
            plate,
            bought,
            bay,
            again,
        }) => {
            if bought && payment.status == PaymentStatus::Pending {
                return paid_otherwise(&reader, &payment, &session);
            }
            let lang = reader.lang;
            let live = (payment.status == PaymentStatus::Pending)
                .then(|| format!("/api/v1/live/payments/{}", payment.id));
            let title = match payment.status {
                PaymentStatus::Pending => lang.words().pay,
                PaymentStatus::Voided => lang.payment().not_paid,
                PaymentStatus::Posted | PaymentStatus::Refunded => lang.payment().paid,
            };
            Document {
                title,
                active: "",
                live,
            }
            .page(&reader, move || {
                payment_view(
                    payment,
                    session,
                    plate,
                    (&quote, until),
                    (&bay, again),
                    lang,
                )
            })
        }
        Err(error) => problem(&reader, &error),
    }
}

struct Loaded {
    payment: Payment,
    session: Session,
    /// What the payment is for, which may be more time.
    quote: Quote,
    /// Until when the vehicle may park with it.
    until: Timestamp,
    /// The vehicle's plate, masked for who has a notice, which anybody may who finds it.
    plate: String,
    /// Whether that has been paid for, by this payment or another.
    bought: bool,
    bay: BayPlace,
    /// The page on which one begins again.
    again: String,
}

async fn load(app: &App, payment: Payment) -> Result<Loaded, ApiError> {
    let session = payment.session.ok_or(ApiError::NotFound("session"))?;
    let session = app.store.session(session).await?;
    let purchases = app.store.session_purchases(session.id).await?;
    let purchase = purchases
        .into_iter()
        .find(|purchase| purchase.id == payment.purchase);
    let bought = purchase
        .as_ref()
        .is_some_and(|purchase| purchase.status == PurchaseStatus::Paid);
    let time = purchase.as_ref().and_then(|purchase| purchase.time);
    let quote = purchase.map_or_else(|| session.quote.clone(), |purchase| purchase.quote);
    let bay = app.store.bay_place(&session.bay_code).await?;
    let notice = app.store.session_notice(session.id).await?;
    let plate = match notice {
        Some(_) => session.plate.masked(),
        None => session.plate.reveal().to_owned(),
    };
    Ok(Loaded {
        again: begin_again(&session, notice.as_ref()),
        plate,
        payment,
        until: time.map_or(session.ends_at, |(_, until)| until),
        session,
        quote,
        bought,
        bay,
    })
}

/// Where what a session was opened for is begun anew: more time where the session is, a notice where it is told.
pub(super) fn begin_again(session: &Session, notice: Option<&NoticeCode>) -> String {
    match (session.status, notice) {
        (SessionStatus::Paid, _) => format!("/s/{}", session.id),
        (_, Some(notice)) => format!("/n/{notice}"),
        (_, None) => format!("/b/{}", session.bay_code),
    }
}

/// What was to be paid here has been paid another way: nobody may be asked for it again.
fn paid_otherwise(reader: &Reader, payment: &Payment, session: &Session) -> Response {
    let lang = reader.lang;
    let (reference, manage) = (payment.reference.clone(), format!("/s/{}", session.id));
    let document = Document {
        title: lang.payment().paid_another_way,
        active: "",
        live: None,
    };
    document.page(reader, move || {
        view! {
            <section class="card narrow center" data-status="paid-otherwise">
                <div class="tick" aria-hidden="true">"✓"</div>
                <h1>{lang.payment().paid_another_way}</h1>
                <p>{lang.payment().parking_has_been_paid_please}</p>
                <p class="note">{lang.payment().if_money_has_gone_way}<code>{reference}</code></p>
                <p><a class="button primary" href=manage>{lang.payment().see_the_session}</a></p>
            </section>
        }
    })
}

fn payment_view(
    payment: Payment,
    session: Session,
    plate: String,
    (quote, until): (&Quote, Timestamp),
    (bay, again): (&BayPlace, String),
    lang: Lang,
) -> impl IntoView + use<> {
    let now = App::now();
    // Time that is bought in addition is not the session's yet.
    let until = until.max(session.ends_at);
    let tz = bay.timezone;
    let amount = lang.money(payment.amount_vnd);
    let summary = view! {
        <dl class="facts">
            <div><dt>{lang.words().bay}</dt><dd>{bay.code.clone()} " · " {bay.lot_name.clone()}</dd></div>
            <div><dt>{lang.words().plate}</dt><dd>{plate}</dd></div>
            <div><dt>{lang.words().time}</dt><dd>{clock(session.starts_at, tz, now)} " – " {clock(until, tz, now)}</dd></div>
        </dl>
    };
    let lines = price_lines(&quote.lines, amount.clone(), lang);
    match payment.status {
        PaymentStatus::Posted | PaymentStatus::Refunded => {
            let ended = now >= session.ends_at;
            let receipt = payment.receipt.map(|id| format!("/r/{id}"));
            let manage = format!("/s/{}", session.id);
            view! {
                <section class="card narrow center paid" data-status="paid">
                    <div class="tick" aria-hidden="true">"✓"</div>
                    <h1>{lang.payment().paid}</h1>
                    <p class="big">{amount}</p>
                    <p>
                        {if ended { lang.payment().ended_at } else { lang.payment().you_may_park_until }}
                        <b>{clock(session.ends_at, tz, now)}</b>
                    </p>
                    {summary}
                    {receipt.map(|href| view! { <p><a class="button primary" href=href>{lang.payment().receipt}</a></p> })}
                    <p><a class="button" href=manage>{lang.payment().more_time_stop_correct_the_plate}</a></p>
                </section>
            }
            .into_any()
        }
        PaymentStatus::Voided => try_again(
            lang.payment().not_paid,
            format!(
                "{} {}",
                lang.payment().payment_did_not_go_through,
                payment.reference
            ),
            again,
            lang,
        )
        .into_any(),
        PaymentStatus::Pending => pending_view(
            Pending {
                payment,
                payee: bay.operator_name.clone(),
                again,
                timezone: tz,
                summary: summary.into_any(),
                lines: Some(lines.into_any()),
            },
            lang,
        )
        .into_any(),
    }
}

/// What waits for its money.
pub(super) struct Pending {
    pub(super) payment: Payment,
    /// Who is paid.
    pub(super) payee: String,
    /// The page on which one begins again, when this has expired.
    pub(super) again: String,
    pub(super) timezone: Tz,
    /// What is bought.
    pub(super) summary: AnyView,
    /// Why it costs what it costs.
    pub(super) lines: Option<AnyView>,
}

/// How to pay, and the wait for it.
pub(super) fn pending_view(pending: Pending, lang: Lang) -> impl IntoView + use<> {
    let Pending {
        payment,
        payee,
        again,
        timezone,
        summary,
        lines,
    } = pending;
    let elsewhere = again.clone();
    let now = App::now();
    let amount = lang.money(payment.amount_vnd);
    let late = now >= payment.expires_at;
    let amount_shown = amount.clone();
    let code = payment.qr.as_deref().and_then(|qr| VietQr::parse(qr).ok());
    let spoken = format!("QR: {amount}, {payee}");
    let picture = payment.qr.as_deref().map(qr_svg).unwrap_or_default();
    let events = format!("/api/v1/live/payments/{}", payment.id);
    let address = payment.redirect_url.clone().filter(|_| !late);
    let has_code = payment.qr.is_some() && !late;
    let by_bank = payment.gateway == "vietqr";
    let name = gateway_name(&payment.gateway, lang);
    // The provider has not answered yet: look again soon.
    let asking = payment.qr.is_none() && payment.redirect_url.is_none() && !late;
    view! {
        <section class="card narrow center" data-status="pending">
            <h1>
                {if has_code && by_bank { lang.payment().scan_to_pay } else { lang.payment().pay }}
                " " <span class="amount">{amount}</span>
            </h1>
            {late.then(|| view! {
                <p class="error" role="alert">
                    {lang.payment().code_has_expired_please_do}
                    <a href=again>{lang.payment().start_again}</a> "."
                </p>
            })}
            {address.map(|href| view! {
                <p><a class="button primary" rel="noreferrer" href=href>
                    {if by_bank { lang.payment().open_a_banking_app.to_owned() } else { format!("{} {name}", lang.payment().pay_through) }}
                </a></p>
            })}
            {has_code.then(|| view! {
                <div class="qr" role="img" aria-label=spoken inner_html=picture></div>
                <p><button type="button" hidden data-picture=payment.reference.clone() data-done=lang.payment().saved>{lang.payment().save_the_qr_picture}</button></p>
                <p class="note">
                    {if by_bank {
                        lang.payment().open_any_vietnamese_bank_app
                        .to_owned()
                    } else {
                        format!(
                            "{} {name}.",
                            lang.payment().or_scan_app,
                        )
                    }}
                </p>
            })}
            {asking.then(|| view! {
                <meta http-equiv="refresh" content="3" />
                <p class="hint" role="status">{lang.payment().connecting_payment_provider_page_tries}</p>
            })}
            {(!late).then(|| view! { <PaymentWatch events=events lang=lang /> })}
            <noscript>
                {(!late).then(|| view! { <meta http-equiv="refresh" content="8" /> })}
                <p><a class="button" href=format!("/pay/{}", payment.id)>{lang.payment().see_whether_the_money_is_there}</a></p>
            </noscript>
            <dl class="facts">
                <div><dt>{if by_bank { lang.payment().transfer_text } else { lang.payment().reference }}</dt><dd><code>{payment.reference.clone()}</code> {copy(payment.reference, lang)}</dd></div>
                {by_bank.then(|| view! { <div><dt>{lang.words().amount}</dt><dd>{amount_shown} " " {copy(payment.amount_vnd.get().to_string(), lang)}</dd></div> })}
                {code.as_ref().map(|code| view! { <div><dt>{lang.payment().bank}</dt><dd>{bank_name(&code.bin).map(|name| format!("{name} "))} <small>{code.bin.clone()}</small></dd></div> })}
                {code.map(|code| view! { <div><dt>{lang.payment().account}</dt><dd><code>{code.account.clone()}</code> {copy(code.account, lang)}</dd></div> })}
                <div><dt>{lang.payment().to}</dt><dd>{payee}</dd></div>
                <div><dt>{lang.payment().pay_before}</dt><dd>{clock(payment.expires_at, timezone, now)}</dd></div>
            </dl>
            {summary}
            {lines.map(|lines| view! {
                <details>
                    <summary>{lang.payment().why_this_price}</summary>
                    {lines}
                </details>
            })}
            {(!late).then(|| view! { <p><a href=elsewhere>{lang.payment().pay_another_way}</a></p> })}
        </section>
    }
}

/// A button that copies, where the browser can.
fn copy(text: String, lang: Lang) -> impl IntoView {
    view! {
        <button type="button" class="copy" hidden data-copy=text data-done=lang.payment().copied>
            {lang.payment().copy}
        </button>
    }
}

/// A gateway's name as drivers know it.
pub(crate) fn gateway_name(code: &str, lang: Lang) -> &'static str {
    match code {
        "vnpay" => "VNPAY",
        "momo" => "MoMo",
        "zalopay" => "ZaloPay",
        "wallet" => lang.ways().wallet,
        _ => "VietQR",
    }
}
