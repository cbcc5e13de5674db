use axum::Json as Reply;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use domain::collection::Collection;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::reports::{Format, csv};
use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Query, day};
use crate::service::collection::{self, Collected, CollectedBy, CollectedRow, ROWS_MAX};
use crate::service::report::Range;

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    #[default]
    Day,
    Lot,
    LotDay,
    Ward,
    Operator,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct CollectionQuery {
    /// The first day, in the city's time; six days before the last where left out.
    #[serde(default, deserialize_with = "day")]
    from: Option<NaiveDate>,
    /// The last day; today where left out.
    #[serde(default, deserialize_with = "day")]
    to: Option<NaiveDate>,
    /// By what to sum; by day where left out. `lot_day` gives a row for each lot and day.
    #[serde(default)]
    #[param(inline)]
    by: By,
    /// The code of one lot; all of them where left out.
    lot: Option<String>,
    /// `csv` for a spreadsheet.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// What was due and what came, in đồng: `due = collected + given_back + grace + pass + exempt + paid_elsewhere +
/// unpaid + short + open - beyond - unseen`, with `unseen = unknown + elsewhere`.
///
/// That is what sensors saw. What nobody saw makes a range, from `owed_low_vnd` to `owed_high_vnd`. Low: where
/// nobody knows there was no vehicle, who is still there will pay, and a session of a bay that nobody could
/// see paid for the vehicle nearby that did not pay. High: where nobody knows there was always a vehicle,
/// which paid for the time of its bay's own sessions alone, at what a parked hour of the lot cost on average
/// (of fewer than 20 stays: where that is dearer, at what one of its price zone did, or of that few at the
/// board's dearest hour); who is still there will not pay. Neither says anything of sensors that err without
/// being noticed.
#[derive(Serialize, ToSchema)]
pub(super) struct CollectionRow {
    /// The date or the code; of a lot's day the code, a space and the date; `total` for the sum.
    key: String,
    /// Its name, for people.
    name: String,
    /// The lot's code, where the row is of one lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    lot: Option<String>,
    /// The day, where the row is of one day.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<NaiveDate>,
    /// The amounts.
    #[serde(flatten)]
    amounts: Amounts,
}

macro_rules! amounts {
    ($($(#[$doc:meta])* $field:ident: $Type:ty = $of:expr;)*) => {
        /// What was counted and summed.
        #[derive(Serialize, ToSchema)]
        pub(super) struct Amounts { $($(#[$doc])* $field: $Type,)* }

        impl Amounts {
            fn of(sum: &Collection) -> Self {
                Self { $($field: $of(sum),)* }
            }

            /// Their values, for a spreadsheet.
            fn cells(&self) -> Vec<String> {
                vec![$(self.$field.to_string(),)*]
            }
        }

        /// The fields of a row, as a spreadsheet has them.
        pub(crate) const FIELDS: &[&str] = &["key", "name", $(stringify!($field),)* "lot", "day"];
    };
}

amounts! {
    /// Stays that sensors saw whole, without doubt.
    stays: i64 = |sum: &Collection| sum.stays;
    /// What they should have brought by the board's prices.
    due_vnd: i64 = |sum: &Collection| sum.due_vnd;
    /// What sessions brought, less what went back.
    collected_vnd: i64 = |sum: &Collection| sum.collected_vnd;
    /// Due within the grace that everybody has.
    grace_vnd: i64 = |sum: &Collection| sum.grace_vnd;
    /// Due from vehicles with a pass, which was paid for when it was bought.
    pass_vnd: i64 = |sum: &Collection| sum.pass_vnd;
    /// Due from vehicles that are exempt.
    exempt_vnd: i64 = |sum: &Collection| sum.exempt_vnd;
    /// Due from vehicles without any session.
    unpaid_vnd: i64 = |sum: &Collection| sum.unpaid_vnd;
    /// Due from vehicles that stayed longer than they paid.
    short_vnd: i64 = |sum: &Collection| sum.short_vnd;
    /// Paid for time that was not used, or not yet.
    beyond_vnd: i64 = |sum: &Collection| sum.beyond_vnd;
    /// Paid where no vehicle was seen: `unknown_vnd` and `elsewhere_vnd` together.
    unseen_vnd: i64 = Collection::unseen_vnd;
    /// Paid where nobody knows whether a vehicle was there: in some of that time the sensor was silent or in
    /// doubt, the stay was not seen whole, or the time is not over.
    unknown_vnd: i64 = |sum: &Collection| sum.unknown_vnd;
    /// Paid where the sensor knew that no vehicle was there.
    elsewhere_vnd: i64 = |sum: &Collection| sum.elsewhere_vnd;
    /// Due from vehicles without a session of their bay, while one of the same lot and class was paid that was
    /// empty, for 15 minutes at least at the same time. Such a pair is found by time, not by plate.
    paid_elsewhere_vnd: i64 = |sum: &Collection| sum.paid_elsewhere_vnd;
    /// Due so far from vehicles that are still there, and not paid yet.
    open_vnd: i64 = |sum: &Collection| sum.open_vnd;
    /// Due from vehicles whose drivers had paid and were given it back by somebody's decision: after a complaint, or at
    /// an office. What went back by rule, for time that was not used or was paid twice, is not in it.
    given_back_vnd: i64 = |sum: &Collection| sum.given_back_vnd;
    /// Stays that are not over; they are among `stays`.
    open_stays: i64 = |sum: &Collection| sum.uncertainty.open_stays;
    /// Stays that reach into time of which nothing is known; they are not among `stays`.
    unsure_stays: i64 = |sum: &Collection| sum.uncertainty.unsure_stays;
    /// How long the stays were together, in milliseconds.
    sensed_ms: i64 = |sum: &Collection| sum.seen_us / 1_000;
    /// Bay-milliseconds of which it was known whether a vehicle was there.
    known_ms: i64 = |sum: &Collection| sum.uncertainty.known_us / 1_000;
    /// Bay-milliseconds in all: of the days of the range, as far as they have passed.
    total_ms: i64 = |sum: &Collection| sum.uncertainty.total_us / 1_000;
    /// What nobody paid who should have, as far as it was seen: `unpaid_vnd` and `short_vnd` together.
    owed_vnd: i64 = Collection::owed_vnd;
    /// The least that this can be.
    owed_low_vnd: i64 = |sum: &Collection| sum.owed().low_vnd;
    /// The most that this can be.
    owed_high_vnd: i64 = |sum: &Collection| sum.owed().high_vnd;
    /// The most that was due; `due_vnd` is the least.
    due_high_vnd: i64 = |sum: &Collection| sum.due().high_vnd;
    /// Less than half of the time was known: then no figure of this row says much.
    too_little_known: bool = |sum: &Collection| sum.uncertainty.is_too_large();
}

/// What was collected against what sensors saw.
#[derive(Serialize, ToSchema)]
pub(super) struct CollectionReport {
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    /// The rows.
    rows: Vec<CollectionRow>,
    /// Their sum.
    total: CollectionRow,
}

/// What stays should have brought by the board's prices, what came, why the two differ, and between what and
/// what the part lies that nobody paid, by the day on which a stay began.
#[utoipa::path(get, path = "/api/v1/reports/collection", tag = "reports", params(CollectionQuery),
    responses((status = 200, content((CollectionReport = "application/json"), (String = "text/csv"))),
        (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn get_collection(
    State(app): State<App>,
    Query(query): Query<CollectionQuery>,
) -> Result<Response, ApiError> {
    let now = App::now();
    let range = Range::new(&app, query.from, query.to, now)?;
    let collected = collection::collected(&app, range, now).await?;
    let one: Collected;
    let collected = match &query.lot {
        None => &*collected,
        Some(lot) => {
            one = collected.of_lot(lot);
            if one.lots.is_empty() {
                return Err(ApiError::NotFound("lot"));
            }
            &one
        }
    };
    let by = match query.by {
        By::Day => CollectedBy::Day,
        By::Lot => CollectedBy::Lot,
        By::LotDay => CollectedBy::LotDay,
        By::Ward => CollectedBy::Ward,
        By::Operator => CollectedBy::Operator,
    };
    let found = collected.by(by);
    if found.len() > ROWS_MAX {
        return Err(ApiError::Unprocessable(format!(
            "that is more than {ROWS_MAX} rows; choose fewer days, or one lot"
        )));
    }
    let rows = found.into_iter().map(|row| {
        let CollectedRow {
            key,
            name,
            lot,
            day,
            sum,
        } = row;
        CollectionRow {
            key,
            name,
            lot,
            day,
            amounts: Amounts::of(&sum),
        }
    });
    if let Format::Csv = query.format {
        return Ok(spreadsheet(range, rows));
    }
    let total = CollectionRow {
        key: "total".to_owned(),
        name: String::new(),
        lot: None,
        day: None,
        amounts: Amounts::of(&collected.total()),
    };
    let report = CollectionReport {
        from: range.from,
        to: range.to,
        rows: rows.collect(),
        total,
    };
    Ok(Reply(report).into_response())
}

fn spreadsheet(range: Range, rows: impl Iterator<Item = CollectionRow>) -> Response {
    let rows = rows.map(|row| {
        let mut cells = vec![row.key, row.name];
        cells.extend(row.amounts.cells());
        cells.push(row.lot.unwrap_or_default());
        cells.push(row.day.map(|day| day.to_string()).unwrap_or_default());
        cells
    });
    csv("collection", range, FIELDS, rows)
}
