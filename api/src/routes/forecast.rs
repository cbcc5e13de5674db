use axum::Json as Reply;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::forecast::{ForecastStep, INTERVAL_BP};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Path;
use crate::service::forecast;

/// How full a lot is expected to be. All shares are of the bays whose state is known, in basis points.
#[derive(Serialize, ToSchema)]
pub(super) struct LotForecast {
    /// The lot's code.
    lot: String,
    /// When this was said.
    at: DateTime<Utc>,
    /// How many bays it has.
    capacity: u32,
    /// How many of them are occupied now.
    occupied: u32,
    /// How many of them nobody knows about now.
    unknown: u32,
    /// How often the later value is meant to lie between `low_bp` and `high_bp`.
    interval_bp: u32,
    /// A row for each quarter of an hour; none where nothing can be said.
    steps: Vec<ForecastStep>,
    /// Why nothing can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    none_because: Option<String>,
}

/// How full a lot will be in the next two hours, learnt from its own past, with its uncertainty.
#[utoipa::path(get, path = "/api/v1/lots/{code}/forecast", tag = "lots",
    params(("code" = String, Path, description = "The lot's code")),
    responses((status = 200, body = LotForecast), (status = 404, body = Problem)))]
pub(super) async fn get_lot_forecast(
    State(app): State<App>,
    Path(code): Path<String>,
) -> Result<Reply<LotForecast>, ApiError> {
    let now = App::now();
    let outlook = forecast::outlook(&app, &code, now).await?;
    let (steps, none_because) = match outlook.steps {
        Ok(steps) => (steps, None),
        Err(why) => (Vec::new(), Some(why.to_string())),
    };
    Ok(Reply(LotForecast {
        lot: outlook.lot.code,
        at: now,
        capacity: outlook.lot.capacity,
        occupied: outlook.lot.occupied,
        unknown: outlook.lot.unknown,
        interval_bp: INTERVAL_BP,
        steps,
        none_because,
    }))
}
