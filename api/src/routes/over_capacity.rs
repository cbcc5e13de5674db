use axum::Json as Reply;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::reports::{Format, csv};
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Query, day};
use crate::service::collection::{self, LoadRow};
use crate::service::report::Range;

#[derive(Deserialize, IntoParams)]
pub(super) struct OverCapacityQuery {
    /// The first day, in the city's time; six days before the last where left out.
    #[serde(default, deserialize_with = "day")]
    from: Option<NaiveDate>,
    /// The last day; today where left out.
    #[serde(default, deserialize_with = "day")]
    to: Option<NaiveDate>,
    /// Only days on which a lot held more than it is licensed for.
    #[serde(default)]
    only_beyond: bool,
    /// `csv` for a spreadsheet.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// What a lot held on one day. Only what sensors knew counts, so that the figures are the least that there
/// was.
#[derive(Serialize, ToSchema)]
pub(super) struct OverCapacityRow {
    /// The city's local date.
    day: NaiveDate,
    /// The lot's code.
    lot: String,
    /// Its name, for people.
    name: String,
    /// How many vehicles it is licensed to hold at once, as far as the city has told now.
    licensed_places: u32,
    /// The most vehicles that it held at once.
    most_vehicles: u32,
    /// Stays that began while it already held as many as it is licensed for, or more.
    stays_beyond: u32,
    /// For how long it held more than that, in milliseconds.
    beyond_ms: i64,
    /// Bay-milliseconds of which it was known whether a vehicle was there.
    known_ms: i64,
    /// Bay-milliseconds in all.
    total_ms: i64,
}

/// What lots held against their licences.
#[derive(Serialize, ToSchema)]
pub(super) struct OverCapacityReport {
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    /// A row for each lot whose licence is known, and each day of the range that has begun.
    rows: Vec<OverCapacityRow>,
}

fn row(row: LoadRow) -> OverCapacityRow {
    OverCapacityRow {
        day: row.day,
        lot: row.lot,
        name: row.name,
        licensed_places: row.licensed_places,
        most_vehicles: row.load.most,
        stays_beyond: row.load.stays_beyond,
        beyond_ms: row.load.beyond_us / 1_000,
        known_ms: row.known_us / 1_000,
        total_ms: row.total_us / 1_000,
    }
}

/// Which lots held more vehicles than they are licensed for, by lot and day.
#[utoipa::path(get, path = "/api/v1/reports/over-capacity", tag = "reports", params(OverCapacityQuery),
    responses((status = 200, content((OverCapacityReport = "application/json"), (String = "text/csv"))),
        (status = 422, body = Problem)))]
pub(super) async fn get_over_capacity(
    State(app): State<App>,
    Query(query): Query<OverCapacityQuery>,
) -> Result<Response, ApiError> {
    let now = App::now();
    let range = Range::new(&app, query.from, query.to, now)?;
    let collected = collection::collected(&app, range, now).await?;
    let wanted = |row: &LoadRow| !query.only_beyond || row.load.is_beyond();
    let rows: Vec<LoadRow> = collected.load_rows().into_iter().filter(wanted).collect();
    if rows.len() > crate::service::collection::ROWS_MAX {
        return Err(ApiError::Unprocessable(
            "that is more rows than one answer has; choose fewer days, or `only_beyond=true`"
                .to_owned(),
        ));
    }
    let rows = rows.into_iter().map(row);
    if let Format::Csv = query.format {
        let headings = [
            "day",
            "lot",
            "name",
            "licensed_places",
            "most_vehicles",
            "stays_beyond",
            "beyond_ms",
            "known_ms",
            "total_ms",
        ];
        let cells = rows.map(|row| {
            [
                row.day.to_string(),
                row.lot,
                row.name,
                row.licensed_places.to_string(),
                row.most_vehicles.to_string(),
                row.stays_beyond.to_string(),
                row.beyond_ms.to_string(),
                row.known_ms.to_string(),
                row.total_ms.to_string(),
            ]
        });
        return Ok(csv("over-capacity", range, &headings, cells));
    }
    let report = OverCapacityReport {
        from: range.from,
        to: range.to,
        rows: rows.collect(),
    };
    Ok(Reply(report).into_response())
}
