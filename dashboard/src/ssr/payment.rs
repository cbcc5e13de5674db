//! The page that waits for the money: the QR code, and the word "paid" when the bank has told.

use api::service::payment;
use api::{ApiError, App};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono_tz::Tz;
use domain::id::PaymentId;
use domain::payment::PaymentStatus;
use domain::purchase::PurchaseStatus;
use domain::tariff::Quote;
use domain::vietqr::VietQr;
use leptos::prelude::*;
use store::payment::Payment;
use store::place::BayPlace;
use store::session::Session;

use super::document::Document;
use super::parts::{clock, message, price_lines, qr_svg};
use super::{Reader, passes, problem, wallet};
use crate::island::PaymentWatch;
use crate::lang::Lang;

/// `/pay/{id}`: the QR code, and the word "paid" when the bank has told.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let payment = async {
        let id: PaymentId = id.parse().map_err(|_| ApiError::NotFound("payment"))?;
        payment::find_held(&app, id, &headers).await
    };
    let payment = match payment.await {
        Ok(payment) if payment.wallet.is_some() => {
            return wallet::payment_page(&app, &reader, payment).await;
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
            plate,
            bought,
            bay,
        }) => {
            if bought && payment.status == PaymentStatus::Pending {
                return paid_otherwise(&reader, &payment, &session);
            }
            let lang = reader.lang;
            let live = (payment.status == PaymentStatus::Pending)
                .then(|| format!("/api/v1/live/payments/{}", payment.id));
            let title = match payment.status {
                PaymentStatus::Pending => lang.t("Trả tiền", "Pay"),
                _ => lang.t("Đã trả tiền", "Paid"),
            };
            Document {
                title,
                active: "",
                live,
            }
            .page(&reader, move || {
                payment_view(payment, session, plate, &quote, &bay, lang)
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
    /// The vehicle's plate, masked for who has a notice, which anybody may who finds it.
    plate: String,
    /// Whether that has been paid for, by this payment or another.
    bought: bool,
    bay: BayPlace,
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
    let quote = purchase.map_or_else(|| session.quote.clone(), |purchase| purchase.quote);
    let bay = app.store.bay_place(&session.bay_code).await?;
    let plate = if app.store.session_is_of_notice(session.id).await? {
        session.plate.masked()
    } else {
        session.plate.reveal().to_owned()
    };
    Ok(Loaded {
        plate,
        payment,
        session,
        quote,
        bought,
        bay,
    })
}

/// What was to be paid here has been paid another way: nobody may be asked for it again.
fn paid_otherwise(reader: &Reader, payment: &Payment, session: &Session) -> Response {
    let lang = reader.lang;
    let (reference, manage) = (payment.reference.clone(), format!("/s/{}", session.id));
    let document = Document {
        title: lang.t("Đã trả cách khác", "Paid another way"),
        active: "",
        live: None,
    };
    document.page(reader, move || {
        view! {
            <section class="card narrow center" data-status="paid-otherwise">
                <div class="tick" aria-hidden="true">"✓"</div>
                <h1>{lang.t("Đã trả cách khác", "Paid another way")}</h1>
                <p>{lang.t(
                    "Lượt đỗ này đã được trả. Xin đừng trả nữa.",
                    "This parking has been paid for. Please do not pay again.",
                )}</p>
                <p class="note">{lang.t(
                    "Nếu tiền cũng đã đi qua đây, nó tự trở về; mã: ",
                    "If money has gone this way as well, it comes back by itself; its reference: ",
                )}<code>{reference}</code></p>
                <p><a class="button primary" href=manage>{lang.t("Xem lượt đỗ", "See the session")}</a></p>
            </section>
        }
    })
}

fn payment_view(
    payment: Payment,
    session: Session,
    plate: String,
    quote: &Quote,
    bay: &BayPlace,
    lang: Lang,
) -> impl IntoView + use<> {
    let now = App::now();
    let tz = bay.timezone;
    let amount = lang.money(payment.amount_vnd);
    let summary = view! {
        <dl class="facts">
            <div><dt>{lang.t("Chỗ", "Bay")}</dt><dd>{bay.code.clone()} " · " {bay.lot_name.clone()}</dd></div>
            <div><dt>{lang.t("Biển số", "Plate")}</dt><dd>{plate}</dd></div>
            <div><dt>{lang.t("Thời gian", "Time")}</dt><dd>{clock(session.starts_at, tz, now)} " – " {clock(session.ends_at, tz, now)}</dd></div>
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
                    <h1>{lang.t("Đã trả tiền", "Paid")}</h1>
                    <p class="big">{amount}</p>
                    <p>
                        {if ended { lang.t("Hết giờ lúc ", "Ended at ") } else { lang.t("Được đỗ đến ", "You may park until ") }}
                        <b>{clock(session.ends_at, tz, now)}</b>
                    </p>
                    {summary}
                    {receipt.map(|href| view! { <p><a class="button primary" href=href>{lang.t("Xem biên lai", "Receipt")}</a></p> })}
                    <p><a class="button" href=manage>{lang.t("Thêm giờ, kết thúc, sửa biển số", "More time, stop, correct the plate")}</a></p>
                </section>
            }
            .into_any()
        }
        PaymentStatus::Voided => message(
            lang.t("Không thu được", "Not paid"),
            format!(
                "{} {}",
                lang.t(
                    "Khoản này không thành. Nếu tiền đã rời tài khoản của bạn, nó được giữ lại và tự trả về; mã:",
                    "This payment did not go through. If money has left your account, it is kept and goes back by itself; its reference:",
                ),
                payment.reference
            ),
            lang,
        )
        .into_any(),
        PaymentStatus::Pending => pending_view(
            Pending {
                payment,
                payee: bay.operator_name.clone(),
                again: format!("/b/{}", bay.code),
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
    let name = gateway_name(&payment.gateway);
    // The provider has not answered yet: look again soon.
    let asking = payment.qr.is_none() && payment.redirect_url.is_none() && !late;
    view! {
        <section class="card narrow center" data-status="pending">
            <h1>
                {if has_code && by_bank { lang.t("Quét để trả", "Scan to pay") } else { lang.t("Trả", "Pay") }}
                " " <span class="amount">{amount}</span>
            </h1>
            {late.then(|| view! {
                <p class="error" role="alert">
                    {lang.t("Mã đã hết hạn. Xin đừng chuyển tiền nữa; ", "This code has expired. Please do not pay it any more; ")}
                    <a href=again>{lang.t("bắt đầu lại", "start again")}</a> "."
                </p>
            })}
            {address.map(|href| view! {
                <p><a class="button primary" rel="noreferrer" href=href>
                    {if by_bank { lang.t("Mở ứng dụng ngân hàng", "Open a banking app").to_owned() } else { format!("{} {name}", lang.t("Trả qua", "Pay through")) }}
                </a></p>
            })}
            {has_code.then(|| view! {
                <div class="qr" role="img" aria-label=spoken inner_html=picture></div>
                <p><button type="button" hidden data-picture=payment.reference.clone() data-done=lang.t("Đã lưu", "Saved")>{lang.t("Lưu ảnh mã QR", "Save the QR picture")}</button></p>
                <p class="note">
                    {if by_bank {
                        lang.t(
                            "Mở ứng dụng ngân hàng bất kỳ và quét; hoặc chụp màn hình rồi chọn ảnh trong ứng dụng.",
                            "Open any Vietnamese bank's app and scan; or take a screenshot and pick it in the app.",
                        )
                        .to_owned()
                    } else {
                        format!(
                            "{} {name}.",
                            lang.t("Hoặc quét bằng ứng dụng", "Or scan this with the app of"),
                        )
                    }}
                </p>
            })}
            {asking.then(|| view! {
                <meta http-equiv="refresh" content="3" />
                <p class="hint" role="status">{lang.t("Đang nối tới cổng thanh toán… Trang tự thử lại.", "Connecting to the payment provider… This page tries again by itself.")}</p>
            })}
            {(!late).then(|| view! { <PaymentWatch events=events lang=lang /> })}
            <noscript>
                {(!late).then(|| view! { <meta http-equiv="refresh" content="8" /> })}
                <p><a class="button" href=format!("/pay/{}", payment.id)>{lang.t("Xem đã nhận tiền chưa", "See whether the money is there")}</a></p>
            </noscript>
            <dl class="facts">
                <div><dt>{if by_bank { lang.t("Nội dung chuyển", "Transfer text") } else { lang.t("Mã giao dịch", "Reference") }}</dt><dd><code>{payment.reference.clone()}</code> {copy(payment.reference, lang)}</dd></div>
                {by_bank.then(|| view! { <div><dt>{lang.t("Số tiền", "Amount")}</dt><dd>{amount_shown} " " {copy(payment.amount_vnd.get().to_string(), lang)}</dd></div> })}
                {code.map(|code| view! { <div><dt>{lang.t("Tài khoản", "Account")}</dt><dd><code>{code.account.clone()}</code> {copy(code.account, lang)}</dd></div> })}
                <div><dt>{lang.t("Người nhận", "To")}</dt><dd>{payee}</dd></div>
                <div><dt>{lang.t("Trả trước", "Pay before")}</dt><dd>{clock(payment.expires_at, timezone, now)}</dd></div>
            </dl>
            {summary}
            {lines.map(|lines| view! {
                <details>
                    <summary>{lang.t("Vì sao giá này?", "Why this price?")}</summary>
                    {lines}
                </details>
            })}
        </section>
    }
}

/// A button that copies, where the browser can.
fn copy(text: String, lang: Lang) -> impl IntoView {
    view! {
        <button type="button" class="copy" hidden data-copy=text data-done=lang.t("Đã chép", "Copied")>
            {lang.t("Chép", "Copy")}
        </button>
    }
}

/// A gateway's name as drivers know it.
pub(crate) fn gateway_name(code: &str) -> &'static str {
    match code {
        "vnpay" => "VNPAY",
        "momo" => "MoMo",
        "zalopay" => "ZaloPay",
        "wallet" => "Clearbay",
        _ => "VietQR",
    }
}
