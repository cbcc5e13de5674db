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
use crate::service::collection::{self, CollectedBy, CollectedRow};
use crate::service::report::Range;

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    #[default]
    Day,
    Lot,
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
    /// By what to sum; by day where left out.
    #[serde(default)]
    #[param(inline)]
    by: By,
    /// `csv` for a spreadsheet.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// What was due and what came, in đồng: `due = collected + grace + pass + exempt + unpaid + short - beyond -
/// unseen`.
#[derive(Serialize, ToSchema)]
pub(super) struct CollectionRow {
    /// The date or the code; `total` for the sum.
    key: String,
    /// Its name, for people.
    name: String,
    /// Stays that sensors saw without doubt.
    stays: i64,
    /// What they should have brought by the board's prices.
    due_vnd: i64,
    /// What sessions brought, less what went back.
    collected_vnd: i64,
    /// Due within the grace that everybody has.
    grace_vnd: i64,
    /// Due from vehicles with a pass, which was paid for when it was bought.
    pass_vnd: i64,
    /// Due from vehicles that are exempt.
    exempt_vnd: i64,
    /// Due from vehicles without any session.
    unpaid_vnd: i64,
    /// Due from vehicles that stayed longer than they paid.
    short_vnd: i64,
    /// Paid for time that was not used.
    beyond_vnd: i64,
    /// Paid where no vehicle was seen: the sensor was in doubt or silent, or the vehicle stood elsewhere.
    unseen_vnd: i64,
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

fn row(key: String, name: String, sum: Collection) -> CollectionRow {
    CollectionRow {
        key,
        name,
        stays: sum.stays,
        due_vnd: sum.due_vnd,
        collected_vnd: sum.collected_vnd,
        grace_vnd: sum.grace_vnd,
        pass_vnd: sum.pass_vnd,
        exempt_vnd: sum.exempt_vnd,
        unpaid_vnd: sum.unpaid_vnd,
        short_vnd: sum.short_vnd,
        beyond_vnd: sum.beyond_vnd,
        unseen_vnd: sum.unseen_vnd,
    }
}

/// What stays should have brought by the board's prices, what came, and why the two differ, by the day
/// on which a stay began.
#[utoipa::path(get, path = "/api/v1/reports/collection", tag = "reports", params(CollectionQuery),
    responses((status = 200, body = CollectionReport), (status = 422, body = Problem)))]
pub(super) async fn get_collection(
    State(app): State<App>,
    Query(query): Query<CollectionQuery>,
) -> Result<Response, ApiError> {
    let now = App::now();
    let range = Range::new(&app, query.from, query.to, now)?;
    let collected = collection::collected(&app, range, now).await?;
    let by = match query.by {
        By::Day => CollectedBy::Day,
        By::Lot => CollectedBy::Lot,
        By::Ward => CollectedBy::Ward,
        By::Operator => CollectedBy::Operator,
    };
    let rows = collected
        .by(by)
        .into_iter()
        .map(|CollectedRow { key, name, sum }| row(key, name, sum));
    if let Format::Csv = query.format {
        let headings = [
            "key",
            "name",
            "stays",
            "due_vnd",
            "collected_vnd",
            "grace_vnd",
            "pass_vnd",
            "exempt_vnd",
            "unpaid_vnd",
            "short_vnd",
            "beyond_vnd",
            "unseen_vnd",
        ];
        let cells = rows.map(|row| {
            let amounts = [
                row.stays,
                row.due_vnd,
                row.collected_vnd,
                row.grace_vnd,
                row.pass_vnd,
                row.exempt_vnd,
                row.unpaid_vnd,
                row.short_vnd,
                row.beyond_vnd,
                row.unseen_vnd,
            ];
            let [a, b, c, d, e, f, g, h, i, j] = amounts.map(|amount| amount.to_string());
            [row.key, row.name, a, b, c, d, e, f, g, h, i, j]
        });
        return Ok(csv("collection", range, &headings, cells));
    }
    let total = row("total".to_owned(), String::new(), collected.total());
    let report = CollectionReport {
        from: range.from,
        to: range.to,
        rows: rows.collect(),
        total,
    };
    Ok(Reply(report).into_response())
}
