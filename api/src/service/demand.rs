//! How full the city was by the hour of the week, and what that advises about its prices.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{Datelike, Days, TimeDelta, Timelike};
use domain::Timestamp;
use domain::advice::{Advice, Band, PriceRules, Use, advise};
use domain::day::midnight;
use domain::money::Vnd;
use domain::occupancy::Tally;
use domain::place::VehicleClass;
use store::place::BayPlace;
use store::report::LotWeek;

use super::report::Range;
use super::session;
use crate::{ApiError, App};

/// What bays did in one hour of the week, over all such hours of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeekHour {
    /// From Monday as 0.
    pub weekday: u32,
    /// The local hour, 0 to 23.
    pub hour: u32,
    /// What they did, as far as it is known.
    pub tally: Tally,
}

impl WeekHour {
    /// Whether anything is known of it.
    pub fn is_known(&self) -> bool {
        self.tally.occupied_us.saturating_add(self.tally.free_us) > 0
    }

    /// The share of known time in which a bay held a vehicle, in basis points.
    pub fn occupied_bp(&self) -> u32 {
        Use::of(self.tally, 0).occupied_bp
    }

    /// How many vehicles came to a hundred bays in an hour.
    pub fn arrivals_per_100(&self) -> i64 {
        const HOUR_US: i128 = 3_600_000_000;
        let known = i128::from(self.tally.occupied_us) + i128::from(self.tally.free_us);
        let arrivals = i128::from(self.tally.arrivals) * 100 * HOUR_US / known.max(1);
        i64::try_from(arrivals).unwrap_or(0)
    }
}

/// The lots' weeks, at most half a minute old.
///
/// # Errors
/// Where the database fails.
pub async fn lots(app: &App, range: Range, now: Timestamp) -> Result<Arc<Vec<LotWeek>>, ApiError> {
    let computing = app.clone();
    let compute = async move {
        let app = &computing;
        let (from, to) = range.instants(app, now);
        let asking = app.past.ask(now, |store, _| async move {
            let found = store.report_weeks(&app.city.code, from, to);
            Ok(Arc::new(found.await?))
        });
        asking.await
    };
    let weeks = &app.answers.weeks;
    weeks.get(&app.limits, range, now, compute).await
}

/// The city's week: 168 rows from Monday's first hour on.
///
/// # Errors
/// Where the database fails.
pub async fn week(app: &App, range: Range, now: Timestamp) -> Result<Vec<WeekHour>, ApiError> {
    let lots = lots(app, range, now).await?;
    let mut hours: Vec<WeekHour> = (0..7)
        .flat_map(|weekday| {
            (0..24).map(move |hour| WeekHour {
                weekday,
                hour,
                tally: Tally::default(),
            })
        })
        .collect();
    for (&(weekday, hour), tally) in lots.iter().flat_map(|lot| &lot.hours) {
        if let Some(sum) = hours.get_mut((weekday * 24 + hour) as usize) {
            sum.tally = sum.tally.plus(*tally);
        }
    }
    Ok(hours)
}

/// The day out of a [`week`]: 24 rows, each over all days of the range.
pub fn by_hour(week: &[WeekHour]) -> Vec<WeekHour> {
    let (first, later) = week.split_at(week.len().min(24));
    let mut hours = first.to_vec();
    for found in later {
        if let Some(sum) = hours.get_mut(found.hour as usize) {
            sum.tally = sum.tally.plus(found.tally);
        }
    }
    hours
}

/// What is advised about one lot's price in one band of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotAdvice {
    /// The lot's code.
    pub lot: String,
    /// Its name.
    pub name: String,
    /// What most of its bays are made for, and whose price it is.
    pub class: VehicleClass,
    /// The hours in question.
    pub band: Band,
    /// How full it was in them.
    pub used: Use,
    /// What an hour costs now that begins with the band.
    pub price_vnd: Vnd,
    /// What to do about it.
    pub advice: Advice,
}

/// What is advised by a city's rules: a row for each lot and band in which it has a price.
///
/// # Errors
/// Where the database fails.
pub async fn advice(
    app: &App,
    range: Range,
    now: Timestamp,
) -> Result<(PriceRules, Vec<LotAdvice>), ApiError> {
    let rules = app.store.price_rules(&app.city.code).await?;
    let weeks = lots(app, range, now).await?;
    let days = days_of(range, app, now);
    let mut rows = Vec::new();
    let mut of_lots = Vec::new();
    for week in weeks.iter() {
        let Some((_, bays)) = app.live.lot(&week.code, now).await else {
            continue;
        };
        let mut classes: BTreeMap<&str, (usize, VehicleClass, &str)> = BTreeMap::new();
        for bay in &bays {
            let entry = classes
                .entry(bay.class.code())
                .or_insert((0, bay.class, &bay.code));
            entry.0 += 1;
        }
        let Some((_, class, bay)) = classes.into_values().max_by_key(|(count, ..)| *count) else {
            continue;
        };
        of_lots.push((week, bays.len(), class, bay.to_owned()));
    }
    let codes: Vec<String> = of_lots.iter().map(|(.., bay)| bay.clone()).collect();
    let places = app.store.bay_places(&codes).await?;
    let places: HashMap<&str, &BayPlace> = places
        .iter()
        .map(|place| (place.code.as_str(), place))
        .collect();
    for (week, bays, class, bay) in of_lots {
        let Some(place) = places.get(bay.as_str()) else {
            continue;
        };
        for band in Band::ALL {
            let Ok(priced) = session::price(place, class, 60, next_start(band, app, now)) else {
                continue;
            };
            let in_band = |hour: &(&(u32, u32), &Tally)| {
                let (weekday, hour) = *hour.0;
                Band::of(weekday, hour) == band
            };
            let hours = week.hours.iter().filter(in_band);
            let tally = hours.fold(Tally::default(), |sum, (_, tally)| sum.plus(*tally));
            let hours = i64::from(band.hours()) * days[usize::from(band.weekend)];
            let bay_us = hours * 3_600_000_000 * i64::try_from(bays).unwrap_or(0);
            let (used, price_vnd) = (Use::of(tally, bay_us), priced.quote.amount_vnd);
            rows.push(LotAdvice {
                lot: week.code.clone(),
                name: week.name.clone(),
                class,
                band,
                used,
                price_vnd,
                advice: advise(used, price_vnd, &rules),
            });
        }
    }
    Ok((rules, rows))
}

/// How many working days and how many days of weekends a range has had.
fn days_of(range: Range, app: &App, now: Timestamp) -> [i64; 2] {
    let today = now.with_timezone(&app.city.timezone).date_naive();
    let mut days = [0; 2];
    for day in range
        .from
        .iter_days()
        .take_while(|day| *day <= range.to.min(today))
    {
        days[usize::from(day.weekday().num_days_from_monday() >= 5)] += 1;
    }
    days
}

/// When a band begins next.
fn next_start(band: Band, app: &App, now: Timestamp) -> Timestamp {
    let tz = app.city.timezone;
    let local = now.with_timezone(&tz);
    let today = local.date_naive();
    let is_next = |offset: &u64| {
        let day = today + Days::new(*offset);
        let weekend = day.weekday().num_days_from_monday() >= 5;
        weekend == band.weekend && (*offset > 0 || local.hour() < band.from_hour)
    };
    let offset = (0..8).find(is_next).unwrap_or(0);
    midnight(today + Days::new(offset), tz) + TimeDelta::hours(band.from_hour.into())
}
