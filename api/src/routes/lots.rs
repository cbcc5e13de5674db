use axum::Json as Reply;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::board::{BaySummary, LotSummary, StaffBay};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Path, Query};
use crate::service::staff;

#[derive(Deserialize, IntoParams)]
pub(super) struct LotsQuery {
    /// Only this city's lots, by its code.
    city: Option<String>,
}

/// Lots with their live counts.
#[derive(Serialize, ToSchema)]
pub(super) struct Lots {
    lots: Vec<LotSummary>,
}

/// A lot with its bays.
#[derive(Serialize, ToSchema)]
pub(super) struct LotWithBays {
    #[serde(flatten)]
    lot: LotSummary,
    bays: Vec<BaySummary>,
}

/// A lot with its bays as staff see them.
#[derive(Serialize, ToSchema)]
pub(super) struct StaffLot {
    #[serde(flatten)]
    lot: LotSummary,
    bays: Vec<StaffBay>,
}

/// Every lot with its live counts.
///
/// `unknown` bays have a silent sensor: they are neither free nor occupied.
#[utoipa::path(get, path = "/api/v1/lots", tag = "lots", params(LotsQuery),
    responses((status = 200, body = Lots)))]
pub(super) async fn list_lots(
    State(app): State<App>,
    Query(query): Query<LotsQuery>,
) -> Reply<Lots> {
    Reply(Lots {
        lots: app.live.lots(query.city.as_deref(), App::now()).await,
    })
}

/// One lot with its bays.
#[utoipa::path(get, path = "/api/v1/lots/{code}", tag = "lots",
    params(("code" = String, Path, description = "The lot's code")),
    responses((status = 200, body = LotWithBays), (status = 404, body = Problem)))]
pub(super) async fn get_lot(
    State(app): State<App>,
    Path(code): Path<String>,
) -> Result<Reply<LotWithBays>, ApiError> {
    let (lot, bays) = app
        .live
        .lot(&code, App::now())
        .await
        .ok_or(ApiError::NotFound("lot"))?;
    Ok(Reply(LotWithBays { lot, bays }))
}

/// One lot with its bays as its staff see them: paid, unpaid, overstayed.
#[utoipa::path(get, path = "/api/v1/staff/lots/{code}", tag = "lots",
    params(("code" = String, Path, description = "The lot's code")),
    security(("staff" = [])),
    responses((status = 200, body = StaffLot), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn get_staff_lot(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Result<Reply<StaffLot>, ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    let (lot, bays) = staff::own_lot(&app, &who, &code, now).await?;
    Ok(Reply(StaffLot { lot, bays }))
}
