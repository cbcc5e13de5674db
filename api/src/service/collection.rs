//! What was collected against what sensors saw, over the city's local days.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::collection::{Collection, PaidSession, collect};
use domain::id::{LotId, ZoneId};
use domain::place::VehicleClass;
use domain::tariff::TariffBook;
use store::collection::{BayPast, CityPast, LotNames};

use super::report::Range;
use crate::{ApiError, App};

/// The longest range of this report: every stay of it is priced.
pub const MAX_DAYS: i64 = 31;

/// What was due and what came, by lot and local day.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// The city's lots.
    pub lots: Vec<LotNames>,
    /// By lot and day.
    pub cells: BTreeMap<(LotId, NaiveDate), Collection>,
}

/// By what to sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectedBy {
    /// The local day on which a stay began.
    Day,
    /// The lot.
    Lot,
    /// The ward.
    Ward,
    /// The operator.
    Operator,
}

/// One row of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedRow {
    /// The date or the code.
    pub key: String,
    /// Its name, for people.
    pub name: String,
    /// What was due and what came.
    pub sum: Collection,
}

impl Collected {
    /// The sum of everything.
    pub fn total(&self) -> Collection {
        let mut sum = Collection::default();
        for cell in self.cells.values() {
            sum += *cell;
        }
        sum
    }

    /// Sums by a key, in its order.
    pub fn by(&self, by: CollectedBy) -> Vec<CollectedRow> {
        let lots: HashMap<LotId, &LotNames> = self
            .lots
            .iter()
            .map(|lot| (LotId(lot.lot_id), lot))
            .collect();
        let mut rows: BTreeMap<String, CollectedRow> = BTreeMap::new();
        for ((lot, day), cell) in &self.cells {
            let Some(lot) = lots.get(lot) else { continue };
            let day = day.to_string();
            let (key, name) = match by {
                CollectedBy::Day => (&day, &day),
                CollectedBy::Lot => (&lot.lot, &lot.lot_name),
                CollectedBy::Ward => (&lot.ward, &lot.ward_name),
                CollectedBy::Operator => (&lot.operator, &lot.operator_name),
            };
            let row = rows.entry(key.clone()).or_insert_with(|| CollectedRow {
                key: key.clone(),
                name: name.clone(),
                sum: Collection::default(),
            });
            row.sum += *cell;
        }
        rows.into_values().collect()
    }
}

/// What was collected against what sensors saw, at most half a minute old.
///
/// # Errors
/// [`ApiError::Unprocessable`] for more than [`MAX_DAYS`]; where the database fails.
pub async fn collected(
    app: &App,
    range: Range,
    now: Timestamp,
) -> Result<Arc<Collected>, ApiError> {
    if (range.to - range.from).num_days() >= MAX_DAYS {
        return Err(ApiError::Unprocessable(format!(
            "this report covers at most {MAX_DAYS} days: every stay of them is priced"
        )));
    }
    let compute = compute(app.clone(), range, now);
    let answers = &app.answers.collected;
    answers.get(&app.limits, range, now, compute).await
}

async fn compute(app: App, range: Range, now: Timestamp) -> Result<Arc<Collected>, ApiError> {
    let (from, to) = range.instants(&app, now);
    let past = app.store.city_past(&app.city.code, from, to, now).await?;
    let tz = app.city.timezone;
    // Some hundred thousand prices: other requests are not held up by them.
    tokio::task::spawn_blocking(move || Arc::new(assess(past, (from, to), tz)))
        .await
        .map_err(|_| ApiError::Internal)
}

fn assess(past: CityPast, (from, to): (Timestamp, Timestamp), tz: Tz) -> Collected {
    let mut books: HashMap<(ZoneId, VehicleClass), TariffBook<'_>> = HashMap::new();
    for bay in &past.bays {
        let tariffs = past.tariffs.get(&bay.zone).map_or(&[][..], Vec::as_slice);
        books
            .entry((bay.zone, bay.class))
            .or_insert_with(|| TariffBook::new(tariffs, bay.class, tz));
    }
    let mut cells: BTreeMap<(LotId, NaiveDate), Collection> = BTreeMap::new();
    for bay in &past.bays {
        let Some(book) = books.get(&(bay.zone, bay.class)) else {
            continue;
        };
        for (at, part) in of_bay(bay, book) {
            if (from..to).contains(&at) {
                let day = at.with_timezone(&tz).date_naive();
                *cells.entry((bay.lot, day)).or_default() += part;
            }
        }
    }
    Collected {
        lots: past.lots,
        cells,
    }
}

fn of_bay(bay: &BayPast, book: &TariffBook<'_>) -> Vec<(Timestamp, Collection)> {
    let price = |from, to| {
        book.quote(from, to)
            .ok()
            .map(|quote| quote.amount_vnd.get())
    };
    let sessions: Vec<PaidSession> = bay
        .sold
        .iter()
        .map(|sold| {
            let below = |waiver| {
                let board = price(sold.from, sold.to).unwrap_or_default();
                (waiver, board.saturating_sub(sold.collected_vnd).max(0))
            };
            PaidSession {
                from: sold.from,
                to: sold.to,
                collected_vnd: sold.collected_vnd,
                waived: sold.waiver.map(below),
            }
        })
        .collect();
    collect(&bay.stays, &sessions, price)
}
