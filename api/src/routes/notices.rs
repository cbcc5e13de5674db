use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::id::{PaymentId, ReceiptId};
use domain::money::Vnd;
use domain::notice::{NoticeCode, NoticeState};
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::plate_reading::Begun;
use domain::tariff::QuoteLine;
use serde::{Deserialize, Serialize};
use store::parking_notice::ParkingNotice;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{IdempotencyKey, Json, Path};
use crate::service::parking_notice::{self, Explained};
use crate::service::payment::Means;
use crate::service::{plate, staff};

/// A notice of unpaid parking, for whoever has its number.
#[derive(Serialize, ToSchema)]
pub(super) struct NoticeView {
    /// Its number.
    #[schema(value_type = String, example = "K7QM2-XPD4R")]
    code: NoticeCode,
    /// Where it stands.
    status: NoticeState,
    /// The bay's code.
    bay: String,
    /// The lot's code.
    lot: String,
    /// The plate, masked.
    #[schema(example = "30A•••45")]
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// From when on nobody paid.
    starts_at: DateTime<Utc>,
    /// Until when that was seen.
    ends_at: DateTime<Utc>,
    /// What is to be paid.
    #[schema(value_type = i64)]
    amount_vnd: Vnd,
    /// Why.
    lines: Vec<QuoteLine>,
    /// When it was written.
    issued_at: DateTime<Utc>,
    /// The receipt, once it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_id: Option<ReceiptId>,
}

impl From<Explained> for NoticeView {
    fn from(known: Explained) -> Self {
        let notice = known.notice;
        Self {
            status: notice.state(),
            plate: notice.plate.masked(),
            code: notice.code,
            bay: notice.bay,
            lot: notice.lot,
            class: notice.class,
            starts_at: notice.starts_at,
            ends_at: notice.ends_at,
            amount_vnd: known.priced.quote.amount_vnd,
            lines: known.priced.quote.lines,
            issued_at: notice.issued_at,
            receipt_id: notice.receipt,
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewNotice {
    /// The licence plate of the vehicle that stands there.
    plate: String,
}

/// Writes a notice for the vehicle in a bay, for the time since it came that nobody has paid for, or
/// finds the one that its plate has for that time; for staff of the lot.
#[utoipa::path(post, path = "/api/v1/staff/bays/{code}/notices", tag = "staff",
    params(("code" = String, Path, description = "The bay's code")),
    request_body = NewNotice, security(("staff" = [])),
    responses((status = 201, body = NoticeView), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn write_notice(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Json(new): Json<NewNotice>,
) -> Result<(StatusCode, Reply<NoticeView>), ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    let plate = Plate::parse(&new.plate)?;
    let notice = parking_notice::issue(&app, &who, &code, plate, now).await?;
    let known = parking_notice::find(&app, &notice.code).await?;
    Ok((StatusCode::CREATED, Reply(known.into())))
}

/// A notice and why it costs what it costs.
#[utoipa::path(get, path = "/api/v1/notices/{code}", tag = "pay",
    params(("code" = String, Path, description = "The notice's number")),
    responses((status = 200, body = NoticeView), (status = 404, body = Problem)))]
pub(super) async fn get_notice(
    State(app): State<App>,
    Path(code): Path<String>,
) -> Result<Reply<NoticeView>, ApiError> {
    let known = parking_notice::find(&app, &read(&code)?).await?;
    Ok(Reply(known.into()))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NoticePayment {
    /// The gateway's code.
    #[schema(example = "vietqr")]
    gateway: String,
}

/// What was asked for to pay a notice.
#[derive(Serialize, ToSchema)]
pub(super) struct AskedFor {
    /// The payment, as `/api/v1/payments/{id}` shows it; none where nothing is to be paid any more.
    payment_id: Option<PaymentId>,
    /// The session that it pays for.
    #[schema(value_type = String)]
    session_id: domain::id::SessionId,
    /// The only key to that session.
    token: String,
    /// The payload of the VietQR code, where the gateway has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
    /// Where the driver goes to pay, where the gateway has such a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<String>,
}

/// Begins to pay a notice; anybody may who has its number.
#[utoipa::path(post, path = "/api/v1/notices/{code}/payments", tag = "pay",
    params(("code" = String, Path, description = "The notice's number"),
        ("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    request_body = NoticePayment,
    responses((status = 201, body = AskedFor), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn pay_notice(
    State(app): State<App>,
    Path(code): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<NoticePayment>,
) -> Result<(StatusCode, Reply<AskedFor>), ApiError> {
    let means = Means::gateway(&body.gateway);
    let (opened, payment) =
        parking_notice::pay(&app, &read(&code)?, means, key, App::now()).await?;
    let asked = AskedFor {
        payment_id: payment.as_ref().map(|payment| payment.id),
        session_id: opened.session.id,
        token: opened.token,
        qr: payment.as_ref().and_then(|payment| payment.qr.clone()),
        redirect_url: payment.and_then(|payment| payment.redirect_url),
    };
    Ok((StatusCode::CREATED, Reply(asked)))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Withdrawal {
    /// Why, in at most 500 characters.
    why: String,
}

/// Takes a notice back; for staff of the lot.
#[utoipa::path(post, path = "/api/v1/staff/notices/{code}/withdrawal", tag = "staff",
    params(("code" = String, Path, description = "The notice's number")),
    request_body = Withdrawal, security(("staff" = [])),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn withdraw_notice(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Json(body): Json<Withdrawal>,
) -> Result<StatusCode, ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    parking_notice::withdraw(&app, &who, &read(&code)?, &body.why, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
pub(super) struct PlateQuery {
    /// The licence plate.
    plate: String,
}

/// Whether a vehicle may stand where it stands.
#[derive(Serialize, ToSchema)]
pub(super) struct PlateView {
    /// Its sessions in the lots of whoever asks that end within the last 24 hours or later, newest first.
    sessions: Vec<PlateSessionView>,
    /// Passes and exemptions that count now.
    rights: Vec<PlateRightView>,
    /// The numbers of its notices that wait for their money.
    #[schema(value_type = Vec<String>)]
    open_notices: Vec<NoticeCode>,
}

#[derive(Serialize, ToSchema)]
struct PlateSessionView {
    /// The bay's code.
    bay: String,
    /// From when.
    starts_at: DateTime<Utc>,
    /// Until when.
    ends_at: DateTime<Utc>,
    /// Where it stands.
    status: domain::session::SessionStatus,
}

#[derive(Serialize, ToSchema)]
struct PlateRightView {
    /// An exemption, else a pass.
    exempt: bool,
    /// The zone's name; everywhere where there is none.
    zone: Option<String>,
    /// For what vehicle.
    class: VehicleClass,
    /// Until when.
    ends_at: DateTime<Utc>,
}

/// Looks a plate up; for staff. Who asks is recorded. The plate stands in the body, as addresses are
/// logged and kept.
#[utoipa::path(post, path = "/api/v1/staff/plates", tag = "staff", request_body = PlateQuery,
    security(("staff" = [])),
    responses((status = 200, body = PlateView), (status = 401, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn look_up_plate(
    State(app): State<App>,
    headers: HeaderMap,
    Json(query): Json<PlateQuery>,
) -> Result<Reply<PlateView>, ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    let plate = Plate::parse(&query.plate)?;
    let known = plate::look_up(&app, &who, &plate, Begun::Typed, now).await?;
    let session = |session: store::plate::PlateSession| PlateSessionView {
        bay: session.bay,
        starts_at: session.starts_at,
        ends_at: session.ends_at,
        status: session.status,
    };
    let right = |right: store::plate::PlateRight| PlateRightView {
        exempt: right.exempt,
        zone: right.zone,
        class: right.class,
        ends_at: right.ends_at,
    };
    let open = |notice: ParkingNotice| notice.is_open().then_some(notice.code);
    Ok(Reply(PlateView {
        sessions: known.sessions.into_iter().map(session).collect(),
        rights: known.rights.into_iter().map(right).collect(),
        open_notices: known.notices.into_iter().filter_map(open).collect(),
    }))
}

fn read(code: &str) -> Result<NoticeCode, ApiError> {
    code.parse().map_err(|_| ApiError::NotFound("notice"))
}
