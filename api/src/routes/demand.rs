use axum::Json as Reply;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::advice::{Advice, PriceRules};
use domain::place::VehicleClass;
use serde::Serialize;
use utoipa::ToSchema;

use super::reports::{Format, FormattedRange, csv};
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Query;
use crate::service::demand;
use crate::service::report::Range;

/// One hour of the week.
#[derive(Serialize, ToSchema)]
pub(super) struct WeekRow {
    /// 0 is Monday.
    weekday: u32,
    /// The local hour, 0 to 23.
    hour: u32,
    /// The share of bays that held a vehicle, among those of which it was known, in basis points;
    /// null where nothing was known.
    occupied_bp: Option<u32>,
    /// How many vehicles came to a hundred bays in an hour.
    arrivals_per_100: Option<i64>,
}

/// The city's week.
#[derive(Serialize, ToSchema)]
pub(super) struct WeekReport {
    /// 168 rows.
    rows: Vec<WeekRow>,
}

/// How full the city was and how many vehicles came, by hour of the week.
#[utoipa::path(get, path = "/api/v1/reports/week", tag = "reports", params(FormattedRange),
    responses((status = 200, content((WeekReport = "application/json"), (String = "text/csv"))),
        (status = 422, body = Problem)))]
pub(super) async fn get_week(
    State(app): State<App>,
    Query(query): Query<FormattedRange>,
) -> Result<Response, ApiError> {
    let now = App::now();
    let range = Range::new(&app, query.from, query.to, now)?;
    let hours = demand::week(&app, range, now).await?;
    let row = |hour: demand::WeekHour| WeekRow {
        weekday: hour.weekday,
        hour: hour.hour,
        occupied_bp: hour.is_known().then(|| hour.occupied_bp()),
        arrivals_per_100: hour.is_known().then(|| hour.arrivals_per_100()),
    };
    let rows: Vec<WeekRow> = hours.into_iter().map(row).collect();
    if let Format::Csv = query.format {
        let cell = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
        let cells = rows.iter().map(|row| {
            [
                row.weekday.to_string(),
                row.hour.to_string(),
                cell(row.occupied_bp.map(i64::from)),
                cell(row.arrivals_per_100),
            ]
        });
        let headings = ["weekday", "hour", "occupied_bp", "arrivals_per_100"];
        return Ok(csv("week", range, &headings, cells));
    }
    Ok(Reply(WeekReport { rows }).into_response())
}

/// What is advised about one lot's price in one band of the day.
#[derive(Serialize, ToSchema)]
pub(super) struct AdviceRow {
    /// The lot's code.
    lot: String,
    /// Its name.
    name: String,
    /// Whose price it is.
    class: VehicleClass,
    /// Whether it is about weekends, or about working days.
    weekend: bool,
    /// The first local hour.
    from_hour: u32,
    /// The hour at which it ends.
    to_hour: u32,
    /// The share of known time in which a bay was occupied, in basis points.
    occupied_bp: u32,
    /// The share of all time that is known, in basis points.
    known_bp: u32,
    /// What an hour costs now.
    price_vnd: i64,
    /// `raise`, `hold`, `lower`, `at_ceiling`, `at_floor` or `not_known`.
    advice: &'static str,
    /// What it should cost; left out where nothing should change.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_vnd: Option<i64>,
}

/// The rules, and what follows from them.
#[derive(Serialize, ToSchema)]
pub(super) struct AdviceReport {
    /// At this share and above, raise; in basis points.
    raise_from_bp: u32,
    /// Below this share, lower.
    lower_below_bp: u32,
    /// By how much at once.
    step_vnd: i64,
    /// Never below this.
    floor_vnd: i64,
    /// Never above this.
    ceiling_vnd: i64,
    /// A row for each lot and band.
    rows: Vec<AdviceRow>,
}

/// Which prices the city's rules would change, and why.
#[utoipa::path(get, path = "/api/v1/reports/price-advice", tag = "reports", params(FormattedRange),
    responses((status = 200, content((AdviceReport = "application/json"), (String = "text/csv"))),
        (status = 422, body = Problem)))]
pub(super) async fn get_price_advice(
    State(app): State<App>,
    Query(query): Query<FormattedRange>,
) -> Result<Response, ApiError> {
    let now = App::now();
    let range = Range::new(&app, query.from, query.to, now)?;
    let (rules, found) = demand::advice(&app, range, now).await?;
    let rows: Vec<AdviceRow> = found.into_iter().map(row).collect();
    if let Format::Csv = query.format {
        let cells = rows.iter().map(|row| {
            [
                row.lot.clone(),
                row.name.clone(),
                row.class.code().to_owned(),
                row.weekend.to_string(),
                row.from_hour.to_string(),
                row.to_hour.to_string(),
                row.occupied_bp.to_string(),
                row.known_bp.to_string(),
                row.price_vnd.to_string(),
                row.advice.to_owned(),
                row.to_vnd.map(|vnd| vnd.to_string()).unwrap_or_default(),
            ]
        });
        let headings = [
            "lot",
            "name",
            "class",
            "weekend",
            "from_hour",
            "to_hour",
            "occupied_bp",
            "known_bp",
            "price_vnd",
            "advice",
            "to_vnd",
        ];
        return Ok(csv("price-advice", range, &headings, cells));
    }
    Ok(Reply(report(rules, rows)).into_response())
}

fn report(rules: PriceRules, rows: Vec<AdviceRow>) -> AdviceReport {
    AdviceReport {
        raise_from_bp: rules.raise_from_bp,
        lower_below_bp: rules.lower_below_bp,
        step_vnd: rules.step_vnd.get(),
        floor_vnd: rules.floor_vnd.get(),
        ceiling_vnd: rules.ceiling_vnd.get(),
        rows,
    }
}

fn row(found: demand::LotAdvice) -> AdviceRow {
    let (advice, to_vnd) = match found.advice {
        Advice::Raise { to_vnd } => ("raise", Some(to_vnd.get())),
        Advice::Hold => ("hold", None),
        Advice::Lower { to_vnd } => ("lower", Some(to_vnd.get())),
        Advice::AtCeiling => ("at_ceiling", None),
        Advice::AtFloor => ("at_floor", None),
        Advice::NotKnown => ("not_known", None),
    };
    AdviceRow {
        lot: found.lot,
        name: found.name,
        class: found.class,
        weekend: found.band.weekend,
        from_hour: found.band.from_hour,
        to_hour: found.band.to_hour,
        occupied_bp: found.used.occupied_bp,
        known_bp: found.used.known_bp,
        price_vnd: found.price_vnd.get(),
        advice,
        to_vnd,
    }
}
