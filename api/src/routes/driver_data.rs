use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::id::{PassId, PaymentId, ReceiptId, SessionId, WalletId};
use domain::money::Vnd;
use domain::phone::Phone;
use serde::{Deserialize, Serialize};
use store::driver_close::Closing;
use store::driver_export::{ExportedLogin, ExportedParking, ExportedPayment};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Query, bearer};
use crate::service::driver;
use crate::service::driver_data::{self, PAGE_MAX};

/// Deletes the driver who holds the token: their number, every sign-in, their wallet.
///
/// Only while nothing is open: the wallet is empty, no session runs that it has paid for, no objection waits, no money is
/// on its way back. What was paid stays in the books, without the number. Whoever signs in by the number later has a new
/// wallet.
#[utoipa::path(delete, path = "/api/v1/drivers/current", tag = "pay",
    security(("driver" = [])),
    responses((status = 204), (status = 401, body = Problem),
        (status = 409, body = Problem, description = "Something is open; the problem says what, and what to do")))]
pub(super) async fn delete_driver(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let now = App::now();
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    let driver = driver::find(&app, token, now).await?;
    match driver_data::delete(&app, &driver, now).await? {
        Closing::Closed => Ok(StatusCode::NO_CONTENT),
        Closing::Kept(why) => Err(driver_data::refusal(why)),
    }
}

#[derive(Deserialize, IntoParams)]
pub(super) struct ExportQuery {
    /// Payments before this one; the latest where left out. `next` says the next.
    #[serde(default)]
    #[param(inline)]
    before: Option<PaymentId>,
    /// How many payments at once, from 1 to 1,000; as many where left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

/// What is known of a driver.
#[derive(Serialize, ToSchema)]
pub(super) struct DriverExport {
    /// The number.
    phone: Phone,
    /// Since when it is known.
    since: DateTime<Utc>,
    /// The wallet.
    wallet: WalletId,
    /// What is in it.
    balance_vnd: Vnd,
    /// Of that, what sessions that run have reserved.
    held_vnd: Vnd,
    /// Browsers that are signed in, the latest first, at most 100.
    logins: Vec<LoginExport>,
    /// The vehicles of the payments below, by their plates.
    plates: Vec<String>,
    /// What came into the wallet and what it paid, the latest first. Parking that was paid otherwise belongs to no number,
    /// so that nobody can find it by one.
    payments: Vec<PaymentExport>,
    /// Where earlier payments are, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A browser that is signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct LoginExport {
    /// Since when.
    since: DateTime<Utc>,
    /// Until when.
    until: DateTime<Utc>,
}

/// A payment with what it was for.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentExport {
    /// Its identity.
    id: PaymentId,
    /// `start`, `extension`, `pass`, or `top_up`: money for the wallet.
    kind: String,
    /// Through whom.
    gateway: String,
    /// The text by which the transfer is recognised.
    reference: String,
    /// How much was asked for.
    amount_vnd: Vnd,
    /// Of that, what has gone back.
    refunded_vnd: Vnd,
    /// `pending`, `posted`, `voided` or `refunded`.
    status: String,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    posted_at: Option<DateTime<Utc>>,
    /// The start of the time that it bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<DateTime<Utc>>,
    /// The end of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
    /// The proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_id: Option<ReceiptId>,
    /// The session or the pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    parking: Option<ParkingExport>,
}

/// A session or a pass, as it is now.
#[derive(Serialize, ToSchema)]
pub(super) struct ParkingExport {
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    /// Or the pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pass_id: Option<PassId>,
    /// The bay's code.
    bay: String,
    /// The vehicle's plate; `•••••` once it is kept no longer.
    plate: String,
    /// `car` or `motorbike`.
    class: String,
    /// From when it was good.
    starts_at: DateTime<Utc>,
    /// Until when.
    ends_at: DateTime<Utc>,
}

impl From<ExportedLogin> for LoginExport {
    fn from(login: ExportedLogin) -> Self {
        Self {
            since: login.created_at,
            until: login.expires_at,
        }
    }
}

impl From<ExportedParking> for ParkingExport {
    fn from(parked: ExportedParking) -> Self {
        Self {
            session_id: parked.session,
            pass_id: parked.pass,
            bay: parked.bay,
            plate: parked.plate.reveal().to_owned(),
            class: parked.class,
            starts_at: parked.starts_at,
            ends_at: parked.ends_at,
        }
    }
}

impl From<ExportedPayment> for PaymentExport {
    fn from(payment: ExportedPayment) -> Self {
        let (from, until) = payment.time.unzip();
        Self {
            id: payment.id,
            kind: payment.kind,
            gateway: payment.gateway,
            reference: payment.reference,
            amount_vnd: payment.amount_vnd,
            refunded_vnd: payment.refunded_vnd,
            status: payment.status,
            created_at: payment.created_at,
            posted_at: payment.posted_at,
            from,
            until,
            receipt_id: payment.receipt,
            parking: payment.parked.map(ParkingExport::from),
        }
    }
}

/// What is known of the driver who holds the token, or whose browser is signed in: number, vehicles, sessions, payments
/// and receipts, page by page.
#[utoipa::path(get, path = "/api/v1/drivers/current/export", tag = "pay", params(ExportQuery),
    security(("driver" = [])),
    responses((status = 200, body = DriverExport), (status = 401, body = Problem),
        (status = 422, body = Problem, description = "Another number of payments than can be had at once")))]
pub(super) async fn export_driver(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<ExportQuery>,
) -> Result<Response, ApiError> {
    let now = App::now();
    let token = bearer(&headers).or_else(|| driver::held_token(&app, &headers));
    let driver = driver::find(&app, token.ok_or(ApiError::Unauthorized)?, now).await?;
    let limit = query.limit.unwrap_or(PAGE_MAX);
    let data = driver_data::export(&app, &driver, query.before, limit, now).await?;
    let next = data
        .next
        .map(|before| format!("/api/v1/drivers/current/export?before={before}&limit={limit}"));
    let payments: Vec<PaymentExport> = data.payments.into_iter().map(Into::into).collect();
    let parked = payments.iter().filter_map(|one| one.parking.as_ref());
    let mut plates: Vec<String> = parked.map(|parking| parking.plate.clone()).collect();
    plates.sort_unstable();
    plates.dedup();
    let export = DriverExport {
        phone: driver.phone,
        since: data.since,
        wallet: driver.wallet.id,
        balance_vnd: driver.wallet.balance_vnd,
        held_vnd: driver.wallet.held_vnd,
        logins: data.logins.into_iter().map(Into::into).collect(),
        plates,
        payments,
        next,
    };
    let told = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"clearbay.json\"",
        ),
    ];
    Ok((told, Reply(export)).into_response())
}
