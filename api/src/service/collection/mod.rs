//! What was collected against what sensors saw, and what lots held against their licences, over the
//! city's local days.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use domain::Timestamp;
use domain::collection::Collection;
use domain::id::LotId;
use domain::licence::Load;
use store::collection::LotNames;

use super::report::Range;
use crate::{ApiError, App};

mod assess;

/// The longest range of this report: every stay of it is priced.
pub const MAX_DAYS: i64 = 31;

/// How many rows one answer has at most: of a city of many lots, choose fewer days or one lot.
pub const ROWS_MAX: usize = 10_000;

/// What was due and what came, and what lots held.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// The city's lots.
    pub lots: Vec<LotNames>,
    /// What was due and what came by lot and day, for each day of the range that has begun and before which
    /// the lot had.
    pub cells: BTreeMap<(LotId, NaiveDate), Collection>,
    /// What lots held on each of these days whose licence is known.
    pub loads: BTreeMap<(LotId, NaiveDate), Load>,
}

/// By what to sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollectedBy {
    /// The local day on which a stay began.
    Day,
    /// The lot.
    Lot,
    /// The lot and the day.
    LotDay,
    /// The ward.
    Ward,
    /// The operator.
    Operator,
}

/// One row of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedRow {
    /// The date or the code; of a lot's day the code, a space and the date.
    pub key: String,
    /// Its name, for people.
    pub name: String,
    /// The lot's code, where it is of one lot.
    pub lot: Option<String>,
    /// The day, where it is of one day.
    pub day: Option<NaiveDate>,
    /// What was due and what came.
    pub sum: Collection,
}

/// What one lot held on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRow {
    /// The day.
    pub day: NaiveDate,
    /// The lot's code.
    pub lot: String,
    /// Its name, for people.
    pub name: String,
    /// How many vehicles it may hold at once.
    pub licensed_places: u32,
    /// What it held, as far as it was known.
    pub load: Load,
    /// Bay-microseconds of which it was known whether a vehicle was there.
    pub known_us: i64,
    /// Bay-microseconds in all.
    pub total_us: i64,
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

    /// The same of the lot of that code alone.
    #[must_use]
    pub fn of_lot(&self, code: &str) -> Self {
        let of_code = |lot: &&LotNames| lot.lot == code;
        let lots: Vec<LotNames> = self.lots.iter().filter(of_code).cloned().collect();
        let keys: Vec<LotId> = lots.iter().map(|lot| LotId(lot.lot_id)).collect();
        Self {
            cells: of_these(&self.cells, &keys),
            loads: of_these(&self.loads, &keys),
            lots,
        }
    }

    fn names(&self) -> HashMap<LotId, &LotNames> {
        let lots = self.lots.iter();
        lots.map(|lot| (LotId(lot.lot_id), lot)).collect()
    }

    /// Sums by a key, in its order.
    pub fn by(&self, by: CollectedBy) -> Vec<CollectedRow> {
        let lots = self.names();
        let mut rows: BTreeMap<(&str, Option<NaiveDate>), CollectedRow> = BTreeMap::new();
        for ((lot, day), cell) in &self.cells {
            let Some(names) = lots.get(lot) else { continue };
            let (code, name, of_day) = match by {
                CollectedBy::Day => ("", "", Some(*day)),
                CollectedBy::Lot => (&*names.lot, &*names.lot_name, None),
                CollectedBy::LotDay => (&*names.lot, &*names.lot_name, Some(*day)),
                CollectedBy::Ward => (&*names.ward, &*names.ward_name, None),
                CollectedBy::Operator => (&*names.operator, &*names.operator_name, None),
            };
            let row = rows.entry((code, of_day)).or_insert_with(|| {
                let date = of_day.map(|day| day.to_string());
                let of_lot = matches!(by, CollectedBy::Lot | CollectedBy::LotDay);
                let words = [code, date.as_deref().unwrap_or_default()];
                CollectedRow {
                    key: words.join(" ").trim().to_owned(),
                    name: match (name, date) {
                        ("", Some(date)) => date,
                        _ => name.to_owned(),
                    },
                    lot: of_lot.then(|| code.to_owned()),
                    day: of_day,
                    sum: Collection::default(),
                }
            });
            row.sum += *cell;
        }
        rows.into_values().collect()
    }

    /// What each lot held whose licence is known, by lot and day.
    pub fn load_rows(&self) -> Vec<LoadRow> {
        let lots = self.names();
        let row = |((lot, day), load): (&(LotId, NaiveDate), &Load)| {
            let names = lots.get(lot)?;
            let certainty = self.cells.get(&(*lot, *day))?.uncertainty;
            Some(LoadRow {
                day: *day,
                lot: names.lot.clone(),
                name: names.lot_name.clone(),
                licensed_places: names.licensed()?,
                load: *load,
                known_us: certainty.known_us,
                total_us: certainty.total_us,
            })
        };
        let mut rows: Vec<LoadRow> = self.loads.iter().filter_map(row).collect();
        rows.sort_by(|a, b| (&a.lot, a.day).cmp(&(&b.lot, b.day)));
        rows
    }
}

fn of_these<T: Copy>(
    all: &BTreeMap<(LotId, NaiveDate), T>,
    lots: &[LotId],
) -> BTreeMap<(LotId, NaiveDate), T> {
    let these = all.iter().filter(|((lot, _), _)| lots.contains(lot));
    these.map(|(key, value)| (*key, *value)).collect()
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
    let (asked, range) = (&app, &range);
    let asking = app.past.ask(now, |store, now| async move {
        let (from, to) = range.instants(asked, now);
        let past = store.city_past(&asked.city.code, from, to, now);
        Ok((past.await?, now))
    });
    let (past, now) = asking.await?;
    let days = range.days(&app, now);
    let tz = app.city.timezone;
    // Some hundred thousand prices: other requests are not held up by them.
    tokio::task::spawn_blocking(move || Arc::new(assess::assess(past, &days, now, tz)))
        .await
        .map_err(|_| ApiError::Internal)
}
