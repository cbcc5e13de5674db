use axum::Json as Reply;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use store::report::RevenueBy;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::csv::line;
use crate::error::{ApiError, Problem};
use crate::extract::{Query, day};
use crate::service::demand;
use crate::service::report::{self, Range, Revenue};

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    #[default]
    Day,
    Ward,
    Zone,
    Lot,
    Operator,
    Class,
    Method,
}

impl By {
    const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Ward => "ward",
            Self::Zone => "zone",
            Self::Lot => "lot",
            Self::Operator => "operator",
            Self::Class => "class",
            Self::Method => "method",
        }
    }
}

impl From<By> for RevenueBy {
    fn from(by: By) -> Self {
        match by {
            By::Day => Self::Day,
            By::Ward => Self::Ward,
            By::Zone => Self::Zone,
            By::Lot => Self::Lot,
            By::Operator => Self::Operator,
            By::Class => Self::Class,
            By::Method => Self::Method,
        }
    }
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    #[default]
    Json,
    Csv,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct RangeQuery {
    /// The first day, in the city's time; six days before the last where left out.
    #[serde(default, deserialize_with = "day")]
    from: Option<NaiveDate>,
    /// The last day; today where left out.
    #[serde(default, deserialize_with = "day")]
    to: Option<NaiveDate>,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct FormattedRange {
    /// The first day, in the city's time; six days before the last where left out.
    #[serde(default, deserialize_with = "day")]
    pub(super) from: Option<NaiveDate>,
    /// The last day; today where left out.
    #[serde(default, deserialize_with = "day")]
    pub(super) to: Option<NaiveDate>,
    /// `csv` for a spreadsheet.
    #[serde(default)]
    #[param(inline)]
    pub(super) format: Format,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct RevenueQuery {
    /// The first day, in the city's time; six days before the last where left out.
    #[serde(default, deserialize_with = "day")]
    from: Option<NaiveDate>,
    /// The last day; today where left out.
    #[serde(default, deserialize_with = "day")]
    to: Option<NaiveDate>,
    /// By what to sum; by day where left out.
    #[serde(default)]
    #[param(inline)]
    by: By,
    /// `csv` for a spreadsheet.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// Revenue under one key.
#[derive(Serialize, ToSchema)]
pub(super) struct RevenueRow {
    /// The date or the code.
    key: String,
    /// Its name, for people.
    name: String,
    /// How many receipts.
    receipts: i64,
    /// Their sum in đồng, less `refunded_vnd`.
    amount_vnd: i64,
    /// What went back, on the days on which it did.
    refunded_vnd: i64,
}

/// Revenue by key.
#[derive(Serialize, ToSchema)]
pub(super) struct RevenueReport {
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    /// The rows.
    rows: Vec<RevenueRow>,
    /// Their sum in đồng.
    total_vnd: i64,
    /// Until when every receipt is in it.
    complete_until: DateTime<Utc>,
}

/// What was collected, from the same receipts that drivers hold.
#[utoipa::path(get, path = "/api/v1/reports/revenue", tag = "reports", params(RevenueQuery),
    responses((status = 200, content((RevenueReport = "application/json"), (String = "text/csv"))),
        (status = 422, body = Problem)))]
pub(super) async fn get_revenue(
    State(app): State<App>,
    Query(query): Query<RevenueQuery>,
) -> Result<Response, ApiError> {
    let range = Range::new(&app, query.from, query.to, App::now())?;
    let revenue = report::revenue(&app, range, query.by.into()).await?;
    if let Format::Csv = query.format {
        return Ok(csv_revenue(range, query.by, &revenue));
    }
    let rows = revenue.rows.into_iter().map(|row| RevenueRow {
        key: row.key,
        name: row.name,
        receipts: row.receipts,
        amount_vnd: row.amount_vnd,
        refunded_vnd: row.refunded_vnd,
    });
    let (from, to) = (range.from, range.to);
    let report = RevenueReport {
        from,
        to,
        rows: rows.collect(),
        total_vnd: revenue.total_vnd,
        complete_until: revenue.complete_until,
    };
    Ok(Reply(report).into_response())
}

/// Revenue as a CSV file.
fn csv_revenue(range: Range, by: By, revenue: &Revenue) -> Response {
    let rows = revenue.rows.iter().map(|row| {
        [
            row.key.clone(),
            row.name.clone(),
            row.receipts.to_string(),
            row.amount_vnd.to_string(),
            row.refunded_vnd.to_string(),
        ]
    });
    let headings = ["key", "name", "receipts", "amount_vnd", "refunded_vnd"];
    csv(&format!("revenue-by-{}", by.name()), range, &headings, rows)
}

/// By this a spreadsheet knows that a file is UTF-8: without it Excel garbles Vietnamese.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A report as a CSV file (RFC 4180) with a header row, for a spreadsheet: programs read JSON.
pub(super) fn csv<R: AsRef<[String]>>(
    report: &str,
    range: Range,
    headings: &[&str],
    rows: impl Iterator<Item = R>,
) -> Response {
    let mut text = String::from(BYTE_ORDER_MARK);
    line(&mut text, headings.iter().copied());
    for row in rows {
        line(&mut text, row.as_ref().iter().map(String::as_str));
    }
    let name = format!(
        "attachment; filename=\"clearbay-{report}-{}-{}.csv\"",
        range.from, range.to
    );
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    (headers, text).into_response()
}

/// Occupancy in one hour of the day.
#[derive(Serialize, ToSchema)]
pub(super) struct OccupancyRow {
    /// The local hour, 0 to 23.
    hour: u32,
    /// The share of bays that held a vehicle, among those of which it was known, in basis points; null
    /// where nothing was known.
    occupied_bp: Option<u32>,
}

/// Occupancy over the day.
#[derive(Serialize, ToSchema)]
pub(super) struct OccupancyReport {
    /// 24 rows.
    rows: Vec<OccupancyRow>,
}

/// How full the city was, by hour of the day, over all days of the range.
#[utoipa::path(get, path = "/api/v1/reports/occupancy", tag = "reports", params(RangeQuery),
    responses((status = 200, body = OccupancyReport), (status = 422, body = Problem)))]
pub(super) async fn get_occupancy(
    State(app): State<App>,
    Query(query): Query<RangeQuery>,
) -> Result<Reply<OccupancyReport>, ApiError> {
    let now = App::now();
    let range = Range::new(&app, query.from, query.to, now)?;
    let week = demand::week(&app, range, now).await?;
    let rows = demand::by_hour(&week)
        .into_iter()
        .map(|row| OccupancyRow {
            hour: row.hour,
            occupied_bp: row.is_known().then(|| row.occupied_bp()),
        })
        .collect();
    Ok(Reply(OccupancyReport { rows }))
}

/// Sensed against paid parking on one day.
#[derive(Serialize, ToSchema)]
pub(super) struct ParkingRow {
    /// The city's local date.
    day: NaiveDate,
    /// Stays that began on it.
    stays: i64,
    /// Their sensed length in seconds.
    sensed_s: i64,
    /// Of that, seconds covered by a paid session.
    paid_s: i64,
}

/// Sensed against paid parking.
#[derive(Serialize, ToSchema)]
pub(super) struct ParkingReport {
    /// A row a day.
    rows: Vec<ParkingRow>,
}

/// What sensors saw against what was paid, by day.
#[utoipa::path(get, path = "/api/v1/reports/parking", tag = "reports", params(FormattedRange),
    responses((status = 200, content((ParkingReport = "application/json"), (String = "text/csv"))),
        (status = 422, body = Problem)))]
pub(super) async fn get_parking(
    State(app): State<App>,
    Query(query): Query<FormattedRange>,
) -> Result<Response, ApiError> {
    let now = App::now();
    let range = Range::new(&app, query.from, query.to, now)?;
    let days = report::sensed_paid(&app, range, now).await?;
    if let Format::Csv = query.format {
        let rows = days.iter().map(|row| {
            [
                row.day.to_string(),
                row.stays.to_string(),
                row.sensed_s.to_string(),
                row.paid_s.to_string(),
            ]
        });
        let headings = ["day", "stays", "sensed_s", "paid_s"];
        return Ok(csv("parking", range, &headings, rows));
    }
    let rows = days
        .into_iter()
        .map(|row| ParkingRow {
            day: row.day,
            stays: row.stays,
            sensed_s: row.sensed_s,
            paid_s: row.paid_s,
        })
        .collect();
    Ok(Reply(ParkingReport { rows }).into_response())
}
