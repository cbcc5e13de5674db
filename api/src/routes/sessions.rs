use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::id::SessionId;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::tariff::Quote;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::payments::PaymentView;
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{IdempotencyKey, Json, Path, bearer};
use crate::service::{payment, session};

#[derive(Deserialize, ToSchema)]
pub(super) struct NewSession {
    /// The bay's code, as on its sticker.
    #[schema(example = "HK-01-001")]
    bay: String,
    /// The licence plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// For how long, in minutes.
    #[schema(example = 120)]
    minutes: u32,
}

/// A new session with its key.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenedSession {
    /// Its identity.
    id: SessionId,
    /// The only key to it: send it as `Authorization: Bearer`.
    token: String,
    /// `pending` until it is paid; `paid` at once where it costs nothing.
    status: &'static str,
    /// The price and its reasons.
    quote: Quote,
    /// From when.
    starts_at: DateTime<Utc>,
    /// Until when.
    ends_at: DateTime<Utc>,
}

/// A session, for its driver.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionView {
    /// Its identity.
    id: SessionId,
    /// The bay's code.
    bay: String,
    /// The plate.
    plate: String,
    /// `pending`, `paid`, `ended` or `lapsed`.
    status: &'static str,
    /// The price and its reasons.
    quote: Quote,
    /// From when.
    starts_at: DateTime<Utc>,
    /// Until when.
    ends_at: DateTime<Utc>,
}

/// Opens a session; it is in force once it is paid.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "pay", request_body = NewSession,
    params(("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    responses((status = 201, body = OpenedSession), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create_session(
    State(app): State<App>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewSession>,
) -> Result<(StatusCode, Reply<OpenedSession>), ApiError> {
    let request = session::SessionRequest {
        plate: Plate::parse(&new.plate)?,
        bay: new.bay,
        class: new.class,
        minutes: new.minutes,
        at: None,
        key,
    };
    let opened = session::open(&app, request, App::now()).await?;
    let session = opened.session;
    // What it was when it was made, so that a repeated request gets the same reply.
    let status = if session.quote.amount_vnd.get() == 0 {
        "paid"
    } else {
        "pending"
    };
    let reply = OpenedSession {
        id: session.id,
        token: opened.token,
        status,
        quote: session.quote,
        starts_at: session.starts_at,
        ends_at: session.ends_at,
    };
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// A session, for whoever holds its token.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", tag = "pay",
    params(("id" = String, Path, description = "The session's id")),
    security(("session" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = Problem)))]
pub(super) async fn get_session(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
) -> Result<Reply<SessionView>, ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    let session = session::find(&app, id, token).await?;
    Ok(Reply(SessionView {
        id: session.id,
        status: session::driver_status(&session, App::now()),
        plate: session.plate.reveal().to_owned(),
        bay: session.bay_code,
        quote: session.quote,
        starts_at: session.starts_at,
        ends_at: session.ends_at,
    }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewPayment {
    /// Through whom to pay: `vietqr`.
    #[schema(example = "vietqr")]
    gateway: String,
}

/// Asks for a session's money.
///
/// A session that already waits for money gets the payment it has.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/payments", tag = "pay", request_body = NewPayment,
    params(("id" = String, Path, description = "The session's id"),
        ("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    security(("session" = [])),
    responses((status = 201, body = PaymentView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create_payment(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewPayment>,
) -> Result<(StatusCode, Reply<PaymentView>), ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    let session = session::find(&app, id, token).await?;
    let payment = payment::request(&app, &session, &new.gateway, key, App::now()).await?;
    Ok((StatusCode::CREATED, Reply(PaymentView::from(&payment))))
}
