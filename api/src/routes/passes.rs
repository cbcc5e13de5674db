use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, NaiveDate, Utc};
use domain::id::PassId;
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::purchase::PurchaseStatus;
use domain::tariff::{PassKind, Quote};
use serde::{Deserialize, Serialize};
use store::pass::BoughtPass;
use utoipa::ToSchema;

use super::payments::PaymentView;
use super::sessions::NewPayment;
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{IdempotencyKey, Json, Path, bearer};
use crate::service::{pass, payment};

#[derive(Deserialize, ToSchema)]
pub(super) struct NewPass {
    /// The code of a bay in the zone; the pass is sold by its operator and counts in all the zone.
    #[schema(example = "HK-01-001")]
    bay: String,
    /// The licence plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// When it is to count.
    kind: PassKind,
    /// Its first day, today or within 62 days, in the city's local time.
    first: NaiveDate,
}

/// A new pass with its key.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenedPass {
    /// The only key to it: send it as `Authorization: Bearer`.
    token: String,
    #[serde(flatten)]
    pass: PassView,
}

/// A pass, for its driver.
#[derive(Serialize, ToSchema)]
pub(super) struct PassView {
    /// Its identity.
    id: PassId,
    /// The code of the zone in which it counts.
    zone: String,
    /// The plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// When it counts.
    kind: PassKind,
    /// `pending` until it is paid; it counts once it is `paid`.
    status: PurchaseStatus,
    /// The price and its reason.
    quote: Quote,
    /// From when.
    starts_at: DateTime<Utc>,
    /// Until when.
    ends_at: DateTime<Utc>,
}

impl From<BoughtPass> for PassView {
    fn from(bought: BoughtPass) -> Self {
        Self {
            id: bought.id,
            plate: bought.plate.reveal().to_owned(),
            class: bought.pass.class,
            kind: bought.pass.offer.kind,
            status: bought.status,
            quote: bought.pass.quote(),
            starts_at: bought.pass.from,
            ends_at: bought.pass.to,
            zone: bought.pass.zone,
        }
    }
}

/// Opens a monthly pass; it counts once it is paid.
#[utoipa::path(post, path = "/api/v1/passes", tag = "pay", request_body = NewPass,
    params(("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    responses((status = 201, body = OpenedPass), (status = 400, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn create_pass(
    State(app): State<App>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewPass>,
) -> Result<(StatusCode, Reply<OpenedPass>), ApiError> {
    let request = pass::PassRequest {
        plate: Plate::parse(&new.plate)?,
        bay: new.bay,
        class: new.class,
        kind: new.kind,
        first: new.first,
        key,
    };
    let opened = pass::buy(&app, &request, App::now()).await?;
    let reply = OpenedPass {
        token: opened.token,
        pass: opened.pass.into(),
    };
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// A pass, for whoever holds its token.
#[utoipa::path(get, path = "/api/v1/passes/{id}", tag = "pay",
    params(("id" = String, Path, description = "The pass's id")),
    security(("pass" = [])),
    responses((status = 200, body = PassView), (status = 401, body = Problem)))]
pub(super) async fn get_pass(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<PassId>,
) -> Result<Reply<PassView>, ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    Ok(Reply(pass::find(&app, id, token).await?.into()))
}

/// Asks for a pass's money.
///
/// A pass that already waits for money gets the payment it has.
#[utoipa::path(post, path = "/api/v1/passes/{id}/payments", tag = "pay", request_body = NewPayment,
    params(("id" = String, Path, description = "The pass's id"),
        ("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    security(("pass" = [])),
    responses((status = 201, body = PaymentView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn pay_pass(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<PassId>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewPayment>,
) -> Result<(StatusCode, Reply<PaymentView>), ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    let pass = pass::find(&app, id, token).await?;
    let bay = app.store.bay_place(&pass.bay_code).await?;
    let price: Vnd = pass.pass.offer.price_vnd;
    let purchase = domain::id::PurchaseId(id.0);
    let due = payment::Due::of_bay(&bay, purchase, price, pass.created_at)?;
    let means = new.means(&app).await?;
    let payment = payment::request(&app, &due, means, key, App::now()).await?;
    Ok((StatusCode::CREATED, Reply(PaymentView::from(&payment))))
}
