use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, NaiveDate, Utc};
use domain::id::ExemptionId;
use domain::place::VehicleClass;
use domain::plate::Plate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Json, Path};
use crate::service::{exemption, staff};

#[derive(Deserialize, ToSchema)]
pub(super) struct NewExemption {
    /// The code of the zone in which it counts; all zones where none is named.
    zone: Option<String>,
    /// The licence plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// The code of a ground that the tariffs there know.
    #[schema(example = "disabled")]
    ground: String,
    /// By which document it was proved: its kind and number, at most 200 characters.
    document: String,
    /// Its first day, in the city's local time.
    first: NaiveDate,
    /// Its last day.
    last: NaiveDate,
}

/// An exemption, granted.
#[derive(Serialize, ToSchema)]
pub(super) struct GrantedExemption {
    /// Its identity.
    id: ExemptionId,
}

/// An exemption, for the city's staff.
#[derive(Serialize, ToSchema)]
pub(super) struct ExemptionView {
    /// Its identity.
    id: ExemptionId,
    /// The code of the zone in which it counts; all zones where there is none.
    zone: Option<String>,
    /// The licence plate.
    plate: String,
    /// The vehicle.
    class: VehicleClass,
    /// The code of its ground.
    ground: String,
    /// By which document it was proved.
    document: String,
    /// From when.
    starts_at: DateTime<Utc>,
    /// Until when.
    ends_at: DateTime<Utc>,
    /// The login of whoever granted it.
    granted_by: String,
    /// When it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<DateTime<Utc>>,
    /// How many sessions rest on it.
    sessions: i64,
}

/// Exemptions.
#[derive(Serialize, ToSchema)]
pub(super) struct Exemptions {
    exemptions: Vec<ExemptionView>,
    /// Whether there are older ones, which `/staff/exemptions` finds by their plates.
    are_more: bool,
}

impl From<store::exemption::GrantedExemption> for ExemptionView {
    fn from(granted: store::exemption::GrantedExemption) -> Self {
        let known = granted.exemption;
        Self {
            id: known.id,
            zone: known.zone,
            plate: known.plate.reveal().to_owned(),
            class: known.class,
            ground: known.ground,
            document: known.document,
            starts_at: known.starts_at,
            ends_at: known.ends_at,
            granted_by: granted.granted_by,
            withdrawn_at: granted.withdrawn_at,
            sessions: granted.sessions,
        }
    }
}

/// The 500 newest exemptions that have not ended, withdrawn ones last; for the city's staff.
#[utoipa::path(get, path = "/api/v1/staff/exemptions", tag = "staff", security(("staff" = [])),
    responses((status = 200, body = Exemptions), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(super) async fn list_exemptions(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Reply<Exemptions>, ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    let found = exemption::list(&app, &who, now).await?;
    Ok(Reply(Exemptions {
        are_more: found.are_more,
        exemptions: found.newest.into_iter().map(ExemptionView::from).collect(),
    }))
}

/// Grants an exemption; for the city's staff.
#[utoipa::path(post, path = "/api/v1/staff/exemptions", tag = "staff", request_body = NewExemption,
    security(("staff" = [])),
    responses((status = 201, body = GrantedExemption), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn grant_exemption(
    State(app): State<App>,
    headers: HeaderMap,
    Json(new): Json<NewExemption>,
) -> Result<(StatusCode, Reply<GrantedExemption>), ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    let request = exemption::NewGrant {
        zone: new.zone,
        plate: Plate::parse(&new.plate)?,
        class: new.class,
        ground: new.ground,
        document: new.document,
        first: new.first,
        last: new.last,
    };
    let id = exemption::grant(&app, request, &who, now).await?;
    Ok((StatusCode::CREATED, Reply(GrantedExemption { id })))
}

/// Withdraws an exemption: what begins from now on is charged.
#[utoipa::path(delete, path = "/api/v1/staff/exemptions/{id}", tag = "staff",
    params(("id" = String, Path, description = "The exemption's id")),
    security(("staff" = [])),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn withdraw_exemption(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<ExemptionId>,
) -> Result<StatusCode, ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    exemption::withdraw(&app, id, &who, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
