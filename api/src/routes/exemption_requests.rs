use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::exemption::RequestStatus;
use domain::id::ExemptionRequestId;
use domain::place::VehicleClass;
use serde::{Deserialize, Serialize};
use store::exemption_request::ExemptionRequest;
use utoipa::ToSchema;

use crate::App;
use crate::client::Client;
use crate::error::{ApiError, Problem};
use crate::extract::{IdempotencyKey, Json, Path, bearer};
use crate::service::exemption_request::{self, Asking};

#[derive(Deserialize, ToSchema)]
pub(super) struct NewExemptionRequest {
    /// The code of a ground that the city's tariffs know.
    #[schema(example = "disabled")]
    ground: String,
    /// The licence plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// What kind of document proves it, in at most 100 characters.
    #[schema(example = "Giấy xác nhận khuyết tật")]
    document_kind: String,
    /// The document's number, in at most 60 characters.
    document_number: String,
    /// A picture or PDF of the document in base64 (RFC 4648, section 4): JPEG, PNG, WebP or PDF, as its
    /// first bytes say, of at most 4 MiB before encoding. Staff of the city see it, and nobody else; it
    /// is deleted 30 days after their decision, or as soon as the request is withdrawn.
    #[schema(value_type = String, format = Byte)]
    scan: String,
}

/// A new request with its key.
#[derive(Serialize, ToSchema)]
pub(super) struct SentExemptionRequest {
    /// The only key to it: send it as `Authorization: Bearer`.
    token: String,
    #[serde(flatten)]
    request: ExemptionRequestView,
}

/// A request for an exemption, for its driver.
#[derive(Serialize, ToSchema)]
pub(super) struct ExemptionRequestView {
    /// Its identity.
    id: ExemptionRequestId,
    /// Where it stands.
    status: RequestStatus,
    /// The code of its ground.
    ground: String,
    /// The plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// What kind of document proves it.
    document_kind: String,
    /// The document's number.
    document_number: String,
    /// When it was sent.
    asked_at: DateTime<Utc>,
    /// When it was decided or withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<DateTime<Utc>>,
    /// With `refused`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// With `granted`: from when.
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<DateTime<Utc>>,
    /// With `granted`: until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<DateTime<Utc>>,
    /// With `granted`: when the city took the exemption back, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<DateTime<Utc>>,
    /// Once it is decided, when the document's picture is deleted, while it is still kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    scan_until: Option<DateTime<Utc>>,
    /// The driver's name, where they let one stand with it that the city's identity provider vouches for; it
    /// is deleted 30 days after the decision, or as soon as the request is withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_name: Option<String>,
}

impl From<ExemptionRequest> for ExemptionRequestView {
    fn from(request: ExemptionRequest) -> Self {
        Self {
            id: request.id,
            status: request.status,
            ground: request.ground,
            plate: request.plate.reveal().to_owned(),
            class: request.class,
            document_kind: request.document_kind,
            document_number: request.document_number,
            asked_at: request.asked_at,
            decided_at: request.decided_at,
            reason: request.reason,
            starts_at: request.granted.map(|granted| granted.starts_at),
            ends_at: request.granted.map(|granted| granted.ends_at),
            withdrawn_at: request.granted.and_then(|granted| granted.withdrawn_at),
            scan_until: request.scan_until,
            confirmed_name: request.identity.map(|identity| identity.name),
        }
    }
}

/// Asks the city for an exemption, with a picture of the document that proves it.
///
/// At most three requests for a plate wait at once; one address sends twenty a day. The body has at most 8 MiB.
#[utoipa::path(post, path = "/api/v1/exemption-requests", tag = "pay",
    request_body = NewExemptionRequest,
    params(("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    responses((status = 201, body = SentExemptionRequest), (status = 400, body = Problem),
        (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn create_exemption_request(
    State(app): State<App>,
    client: Client,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewExemptionRequest>,
) -> Result<(StatusCode, Reply<SentExemptionRequest>), ApiError> {
    let scan = STANDARD
        .decode(&new.scan)
        .map_err(|_| ApiError::BadRequest("`scan` is not base64".to_owned()))?;
    let asking = Asking {
        ground: new.ground,
        plate: new.plate,
        class: new.class,
        document_kind: new.document_kind,
        document_number: new.document_number,
        scans: vec![scan],
        identity: None,
        key,
    };
    let asked = exemption_request::ask(&app, asking, client, App::now()).await?;
    let reply = SentExemptionRequest {
        token: asked.token,
        request: asked.request.into(),
    };
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// A request for an exemption, for whoever holds its token.
#[utoipa::path(get, path = "/api/v1/exemption-requests/{id}", tag = "pay",
    params(("id" = String, Path, description = "The request's id")),
    security(("exemption_request" = [])),
    responses((status = 200, body = ExemptionRequestView), (status = 401, body = Problem)))]
pub(super) async fn get_exemption_request(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<ExemptionRequestId>,
) -> Result<Reply<ExemptionRequestView>, ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    let request = exemption_request::find(&app, id, token).await?;
    Ok(Reply(request.into()))
}

/// Takes a request back that nobody has decided yet; the document's picture is deleted at once.
#[utoipa::path(delete, path = "/api/v1/exemption-requests/{id}", tag = "pay",
    params(("id" = String, Path, description = "The request's id")),
    security(("exemption_request" = [])),
    responses((status = 204), (status = 401, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn withdraw_exemption_request(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<ExemptionRequestId>,
) -> Result<StatusCode, ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    exemption_request::withdraw(&app, id, token, App::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
