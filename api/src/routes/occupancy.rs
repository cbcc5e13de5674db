use axum::Json as Reply;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Path, Query, instant};
use crate::service::occupancy::{self, OccupancyStep, Period};

#[derive(Deserialize, IntoParams)]
pub(super) struct PeriodQuery {
    /// The first instant, RFC 3339; a day before the last where left out. Rounded down to a quarter
    /// of an hour.
    #[serde(default, deserialize_with = "instant")]
    from: Option<DateTime<Utc>>,
    /// The instant after the last; now where left out.
    #[serde(default, deserialize_with = "instant")]
    to: Option<DateTime<Utc>>,
    /// The length of a step in minutes, a multiple of 15; 60 where left out.
    step: Option<i64>,
}

/// How full a lot was on average during a step, in bays. The three add up to the lot's capacity.
#[derive(Serialize, ToSchema)]
pub(super) struct LotOccupancyRow {
    /// When it began.
    at: DateTime<Utc>,
    /// Bays known to be occupied.
    occupied: f64,
    /// Bays known to be free.
    free: f64,
    /// Bays of which nothing was known: a sensor was silent, away or in doubt.
    unknown: f64,
    /// Vehicles that arrived in the step.
    arrivals: i64,
}

/// How full a lot was.
#[derive(Serialize, ToSchema)]
pub(super) struct LotOccupancy {
    /// The lot's code.
    lot: String,
    /// How many bays it has.
    capacity: u32,
    /// The first instant.
    from: DateTime<Utc>,
    /// The instant after the last.
    to: DateTime<Utc>,
    /// The length of a step in minutes.
    step_minutes: i64,
    /// A row for each step that has begun, in order of time.
    rows: Vec<LotOccupancyRow>,
}

/// How full a lot was, step by step: averages of what its sensors told.
#[utoipa::path(get, path = "/api/v1/lots/{code}/occupancy", tag = "lots",
    params(("code" = String, Path, description = "The lot's code"), PeriodQuery),
    responses((status = 200, body = LotOccupancy), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn get_lot_occupancy(
    State(app): State<App>,
    Path(code): Path<String>,
    Query(query): Query<PeriodQuery>,
) -> Result<Reply<LotOccupancy>, ApiError> {
    let now = App::now();
    let period = Period::new(query.from, query.to, query.step, now)?;
    let (capacity, steps) = occupancy::history(&app, &code, period, now).await?;
    // A hundredth of a bay is more than anybody can use.
    let round = |bays: f64| (bays * 100.0).round() / 100.0;
    let row = |step: OccupancyStep| LotOccupancyRow {
        at: step.at,
        occupied: round(step.occupied),
        free: round(step.free),
        unknown: round(step.unknown),
        arrivals: step.arrivals,
    };
    Ok(Reply(LotOccupancy {
        lot: code,
        capacity,
        from: period.from,
        to: period.to,
        step_minutes: period.step.num_minutes(),
        rows: steps.into_iter().map(row).collect(),
    }))
}
