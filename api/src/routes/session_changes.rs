use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::id::{PurchaseId, SessionId};
use domain::plate::Plate;
use domain::session::StoppedBy;
use domain::tariff::Quote;
use serde::{Deserialize, Serialize};
use store::audit::DRIVER;
use utoipa::ToSchema;

use super::sessions::{SessionView, authorised, view};
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{IdempotencyKey, Json, Path};
use crate::service::change;

#[derive(Deserialize, ToSchema)]
pub(super) struct NewExtension {
    /// How many minutes more.
    #[schema(example = 60)]
    minutes: u32,
}

/// More time, granted once it is paid.
#[derive(Serialize, ToSchema)]
pub(super) struct ExtensionView {
    /// What is to be paid: give it as `purchase` when asking for the payment.
    purchase: PurchaseId,
    /// The new end.
    ends_at: DateTime<Utc>,
    /// What the whole stay costs, less what has been paid.
    quote: Quote,
}

/// Wishes for more time. It is granted once it is paid; at once where it costs nothing.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/extensions", tag = "pay",
    request_body = NewExtension,
    params(("id" = String, Path, description = "The session's id"),
        ("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    security(("session" = [])),
    responses((status = 201, body = ExtensionView), (status = 401, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn extend_session(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewExtension>,
) -> Result<(StatusCode, Reply<ExtensionView>), ApiError> {
    let session = authorised(&app, id, &headers).await?;
    let extension = change::extend(&app, &session, new.minutes, key, App::now()).await?;
    let reply = ExtensionView {
        purchase: extension.purchase,
        ends_at: extension.ends_at,
        quote: extension.quote,
    };
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// Ends a session now. What becomes of the unused time is the tariff's decision; what goes back is
/// on its way when this answers. Ending it again changes nothing.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/stop", tag = "pay",
    params(("id" = String, Path, description = "The session's id")),
    security(("session" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = Problem),
        (status = 409, body = Problem)))]
pub(super) async fn stop_session(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
) -> Result<Reply<SessionView>, ApiError> {
    let session = authorised(&app, id, &headers).await?;
    let now = App::now();
    let by = (StoppedBy::Driver, DRIVER);
    let session = change::stop(&app, &session, now, by, now).await?;
    Ok(Reply(view(&app, session).await?))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewPlate {
    /// The right plate.
    plate: String,
}

/// Corrects the plate, within 15 minutes of the session's beginning.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/plate", tag = "pay", request_body = NewPlate,
    params(("id" = String, Path, description = "The session's id")),
    security(("session" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn correct_plate(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
    Json(new): Json<NewPlate>,
) -> Result<Reply<SessionView>, ApiError> {
    let session = authorised(&app, id, &headers).await?;
    let plate = Plate::parse(&new.plate)?;
    change::correct_plate(&app, &session, &plate, None, App::now()).await?;
    let session = app.store.session(id).await?;
    Ok(Reply(view(&app, session).await?))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewBay {
    /// The bay in which the vehicle stands.
    #[schema(example = "HK-01-002")]
    bay: String,
}

/// Moves a session to the bay in which the vehicle stands, with its paid time. Both bays must have
/// the same price and operator.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/bay", tag = "pay", request_body = NewBay,
    params(("id" = String, Path, description = "The session's id")),
    security(("session" = [])),
    responses((status = 200, body = SessionView), (status = 401, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn move_session(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
    Json(new): Json<NewBay>,
) -> Result<Reply<SessionView>, ApiError> {
    let session = authorised(&app, id, &headers).await?;
    change::move_to(&app, &session, &new.bay, DRIVER, App::now()).await?;
    let session = app.store.session(id).await?;
    Ok(Reply(view(&app, session).await?))
}
