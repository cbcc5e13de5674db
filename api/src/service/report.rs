//! What the city publishes, over the city's local days.

use chrono::{Days, NaiveDate};
use domain::Timestamp;
use domain::day::midnight;
use domain::occupancy::Span;
use store::report::{RevenueBy, RevenueRow, SensedPaid};

use super::in_time;
use crate::{ApiError, App};

/// The longest range of one report.
const MAX_DAYS: i64 = 366;

/// Days of a report, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
}

impl Range {
    /// The range between two days; what is left out is a week that ends today.
    ///
    /// # Errors
    /// [`ApiError::Unprocessable`] where it runs backwards or is longer than a year.
    pub fn new(
        app: &App,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        let to = to.unwrap_or_else(|| now.with_timezone(&app.city.timezone).date_naive());
        let from = from
            .or_else(|| to.checked_sub_days(Days::new(6)))
            .unwrap_or(to);
        // Far from the ends of what can be reckoned with.
        let sane = |day: NaiveDate| (1900..=2200).contains(&chrono::Datelike::year(&day));
        if !sane(from) || !sane(to) || from > to || (to - from).num_days() >= MAX_DAYS {
            return Err(ApiError::Unprocessable(
                "a report covers 1 to 366 days, and its first day is not after its last".to_owned(),
            ));
        }
        Ok(Self { from, to })
    }

    /// The instants at which the range begins and ends, its end not after `now`.
    pub fn instants(&self, app: &App, now: Timestamp) -> (Timestamp, Timestamp) {
        let tz = app.city.timezone;
        let from = midnight(self.from, tz);
        (
            from,
            midnight(self.to + Days::new(1), tz).min(now).max(from),
        )
    }

    /// Its days that have begun by `now`, each with its time, which does not end after that.
    pub fn days(&self, app: &App, now: Timestamp) -> Vec<(NaiveDate, Span)> {
        let tz = app.city.timezone;
        let day = |day: NaiveDate| {
            let until = midnight(day + Days::new(1), tz).min(now);
            let from = midnight(day, tz);
            (day, Span { from, until })
        };
        let days = self.from.iter_days().take_while(|day| *day <= self.to);
        days.map(day)
            .filter(|(_, span)| span.from < span.until)
            .collect()
    }
}

/// Revenue by a key, with its total.
#[derive(Clone, Debug)]
pub struct Revenue {
    /// A row for each key that had any; every day of the range by day.
    pub rows: Vec<RevenueRow>,
    /// The sum in đồng.
    pub total_vnd: i64,
    /// Until when it holds every receipt: the present, but for what a replica has not heard yet.
    pub complete_until: Timestamp,
}

/// Revenue of the city.
///
/// # Errors
/// Where the database fails.
pub async fn revenue(app: &App, range: Range, by: RevenueBy) -> Result<Revenue, ApiError> {
    let mut revenues = revenues(app, range, &[by]).await?;
    revenues.pop().ok_or(ApiError::Internal)
}

/// Revenue of the city by each of the keys, all of one moment: their totals are the same.
///
/// # Errors
/// Where the database fails.
pub async fn revenues(app: &App, range: Range, by: &[RevenueBy]) -> Result<Vec<Revenue>, ApiError> {
    // Never remembered, for whoever has paid looks for it; but a year of it takes seconds, and must leave drivers their
    // connections to the database.
    let _turn = app.limits.reports.take().await?;
    let asking = app.past.ask(App::now(), |store, until| async move {
        let rows = store.report_revenue(&app.city.code, range.from, range.to, by);
        Ok::<_, ApiError>((rows.await?, until))
    });
    let (rows, complete_until) = in_time(asking).await?;
    let revenues = by.iter().zip(rows).map(|(by, rows)| {
        let rows = match by {
            RevenueBy::Day => every_day(rows, range),
            _ => rows,
        };
        let mut amounts = rows.iter().map(|row| row.amount_vnd);
        let total_vnd = amounts
            .try_fold(0i64, i64::checked_add)
            .ok_or(ApiError::Internal)?;
        Ok(Revenue {
            rows,
            total_vnd,
            complete_until,
        })
    });
    revenues.collect()
}

/// A row for every day of the range, also for those that brought nothing.
fn every_day(rows: Vec<RevenueRow>, range: Range) -> Vec<RevenueRow> {
    let mut found = rows.into_iter().peekable();
    let days = range.from.iter_days().take_while(|day| *day <= range.to);
    days.map(|day| {
        let key = day.to_string();
        found.next_if(|row| row.key == key).unwrap_or(RevenueRow {
            name: key.clone(),
            key,
            receipts: 0,
            amount_vnd: 0,
            refunded_vnd: 0,
        })
    })
    .collect()
}

/// The first of the city's days of which anything is known; `None` where nothing is.
///
/// # Errors
/// Where the database fails.
pub async fn first_day(app: &App) -> Result<Option<NaiveDate>, ApiError> {
    let asking = app.past.ask(App::now(), |store, _| async move {
        Ok(store.report_first_day(&app.city.code).await?)
    });
    asking.await
}

/// Sensed parking against paid parking, a row for each day that had any, at most half a minute old.
///
/// # Errors
/// Where the database fails.
pub async fn sensed_paid(
    app: &App,
    range: Range,
    now: Timestamp,
) -> Result<Vec<SensedPaid>, ApiError> {
    let computing = app.clone();
    let compute = async move {
        let app = &computing;
        let asking = app.past.ask(now, |store, now| async move {
            let (from, to) = range.instants(app, now);
            let found = store.report_sensed_paid(&app.city.code, from, to, now);
            Ok(found.await?)
        });
        asking.await
    };
    let parking = &app.answers.parking;
    parking.get(&app.limits, range, now, compute).await
}
