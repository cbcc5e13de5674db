//! Metrics as tables: stays one by one, and figures by the hour.
//! <https://github.com/openmobilityfoundation/curb-data-specification/tree/main/metrics>
//!
//! Figures by the hour are those of `service::occupancy`, which the pages show.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{TimeDelta, Timelike};
use domain::Timestamp;
use store::open_data::{Dwell, OpenAsk};

use super::super::geometry::{Within, middle};
use super::super::ids::minute;
use super::super::page::next_of;
use super::super::params::bad;
use super::super::snapshot::SnapLot;
use super::super::{Answer, Ask};
use super::events::{event_id, stay_id};
use super::{Places, ms, place_of};
use crate::ApiError;
use crate::csv::line;
use crate::service::occupancy::{OccupancyStep, Period, histories};

/// How many stays come at once.
const STAYS: usize = 10_000;
/// How many may.
const STAYS_MAX: usize = 50_000;
/// How long a time may be of which is told at once.
const TIME_FOR: TimeDelta = TimeDelta::days(7);
/// How many lines a table has at most.
const LINES_MAX: i64 = 200_000;
/// What stands for an hour of which most was unknown.
const OFFLINE: &str = "-1";

/// What is asked for by place.
fn asked<'a>(ask: &'a Ask) -> Result<Places<'a>, ApiError> {
    let (kind, id) = (
        ask.params.text("curb_place_type"),
        ask.params.uuid("curb_place_id")?,
    );
    let within = Within::read(&ask.params)?;
    let place = match (kind, id) {
        (None, None) => Places::All,
        (Some("area"), Some(id)) => place_of(ask, Some(id), None, None)?,
        (Some("zone"), Some(id)) => place_of(ask, None, Some(id), None)?,
        (Some("space"), Some(id)) => place_of(ask, None, None, Some(id))?,
        (Some("area" | "zone" | "space"), None) | (None, Some(_)) => {
            return Err(bad("curb_place_type and curb_place_id belong together"));
        }
        (Some(_), _) => return Err(bad("curb_place_type is area, zone or space")),
    };
    if within == Within::Everywhere {
        return Ok(place);
    }
    Ok(match place {
        Places::Bay(..) => return Err(bad("ask for a space or for a part of the map")),
        Places::All => {
            let lots = ask.city.lots.iter().collect();
            Places::Lots(within.select(lots, |lot: &&SnapLot| &lot.ring))
        }
        Places::Lots(lots) => Places::Lots(within.select(lots, |lot| &lot.ring)),
    })
}

/// The time that is asked for, the last day where none is.
fn time(ask: &Ask) -> Result<(Timestamp, Timestamp), ApiError> {
    let to = ask.params.millis("end_time")?.unwrap_or(ask.now);
    let from = ask.params.millis("start_time")?;
    let from = from.unwrap_or(to - TimeDelta::days(1));
    if from >= to || to - from > TIME_FOR {
        return Err(bad(format!(
            "start_time lies before end_time, by at most {} days",
            TIME_FOR.num_days()
        )));
    }
    Ok((from, to))
}

/// `/open/cds/metrics/sessions`
pub(in super::super) async fn sessions(ask: &Ask) -> Result<Answer, ApiError> {
    let places = asked(ask)?;
    let (from, to) = time(ask)?;
    let part = ask.params.part(STAYS, STAYS_MAX)?;
    let lots = places.lots();
    let asked = ask.past(lots.as_deref(), places.bay(), (from, to), part);
    let mut found = ask.store.open_stays(&asked).await?;
    let next = next_of(&mut found, part);
    let mut out = String::new();
    line(&mut out, ask.feed.fields.iter().copied());
    for stay in &found {
        let lot = ask.city.lot(&stay.lot);
        let bay = lot.and_then(|lot| {
            let bay = lot.bays.iter().find(|bay| bay.bay.code == stay.bay)?;
            Some((lot, bay))
        });
        let Some((lot, bay)) = bay else {
            continue;
        };
        let [longitude, latitude] = middle(&bay.ring).map(|degrees| degrees.to_string());
        let fields = [
            "parking".to_owned(),
            stay_id(ask, &stay.bay, stay.from).to_string(),
            event_id(ask, "park_start", &stay.bay, stay.from).to_string(),
            event_id(ask, "park_end", &stay.bay, stay.until).to_string(),
            latitude.clone(),
            longitude.clone(),
            latitude,
            longitude,
            ms(minute(stay.from)).to_string(),
            ms(minute(stay.until)).to_string(),
            lot.zone_id.to_string(),
            bay.space_id.to_string(),
        ];
        line(&mut out, fields.iter().map(String::as_str));
    }
    let answer = Answer::new(ask, out.into_bytes());
    Ok(answer.with_next(ask, part, next))
}

/// A figure of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    TotalSessions,
    Turnover,
    AverageDwellTime,
    OccupancyPercent,
}

const METRICS: [(Metric, &str); 4] = [
    (Metric::TotalSessions, "total_sessions"),
    (Metric::Turnover, "turnover"),
    (Metric::AverageDwellTime, "average_dwell_time"),
    (Metric::OccupancyPercent, "occupancy_percent"),
];

/// What is known of a place and an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Hour {
    capacity: f64,
    occupied: f64,
    free: f64,
    arrivals: i64,
    stays: i64,
    seconds: i64,
}

impl Hour {
    fn add(&mut self, capacity: u32, step: &OccupancyStep, dwell: Option<&Dwell>) {
        self.capacity += f64::from(capacity);
        self.occupied += step.occupied;
        self.free += step.free;
        self.arrivals += step.arrivals;
        self.stays += dwell.map_or(0, |dwell| dwell.stays);
        self.seconds += dwell.map_or(0, |dwell| dwell.seconds);
    }

    /// The figure as it is written; `None` where there is none, since nobody came.
    fn value(&self, metric: Metric) -> Option<String> {
        let known = self.occupied + self.free;
        // "-1" means that the source was offline for the majority of the time.
        if known < self.capacity / 2.0 || known <= 0.0 {
            return Some(OFFLINE.to_owned());
        }
        match metric {
            Metric::TotalSessions | Metric::Turnover => Some(self.arrivals.to_string()),
            Metric::OccupancyPercent => Some(short(self.occupied / known)),
            Metric::AverageDwellTime if self.stays == 0 => None,
            Metric::AverageDwellTime => Some(short(self.seconds as f64 / 60.0 / self.stays as f64)),
        }
    }
}

/// At most three digits behind the point.
fn short(number: f64) -> String {
    ((number * 1_000.0).round() / 1_000.0).to_string()
}

/// `/open/cds/metrics/aggregates`
pub(in super::super) async fn aggregates(ask: &Ask) -> Result<Answer, ApiError> {
    let places = asked(ask)?;
    let (from, to) = time(ask)?;
    let metrics: Vec<(Metric, &str)> = match ask.params.text("metric_type") {
        None => METRICS.to_vec(),
        Some(name) => {
            let found = METRICS.into_iter().filter(|(_, known)| *known == name);
            let found: Vec<_> = found.collect();
            if found.is_empty() {
                let names = METRICS.map(|(_, name)| name).join(", ");
                return Err(bad(format!("metric_type is one of {names}")));
            }
            found
        }
    };
    let lots: Vec<&SnapLot> = match places {
        Places::All => ask.city.lots.iter().collect(),
        Places::Lots(lots) => lots,
        Places::Bay(..) => return Err(bad("figures are told of zones and areas")),
    };
    // Hours of the city's clock, whole ones only: of the present one nothing can be said yet.
    let tz = ask.app.city.timezone;
    let local = from.with_timezone(&tz);
    let into = TimeDelta::seconds((local.minute() * 60 + local.second()).into())
        + TimeDelta::nanoseconds(local.nanosecond().into());
    let first = match into.is_zero() {
        true => from,
        false => from - into + TimeDelta::hours(1),
    };
    let hours = (to.min(ask.now) - first).num_hours().max(0);
    let is_area = ask.params.text("curb_place_type") == Some("area");
    let lines = hours * i64::try_from(lots.len() * metrics.len()).unwrap_or(i64::MAX);
    if lines > LINES_MAX {
        return Err(bad(format!(
            "that is more than {LINES_MAX} lines; ask for a shorter time, one metric_type or one place"
        )));
    }
    let mut sums: BTreeMap<(String, Timestamp), Hour> = BTreeMap::new();
    if hours > 0 && !lots.is_empty() {
        let until = first + TimeDelta::hours(hours);
        let codes: Vec<String> = lots.iter().map(|lot| lot.lot.code.clone()).collect();
        let period = Period::new(Some(first), Some(until), Some(60), ask.now)?;
        let asked = OpenAsk {
            city: &ask.app.city.code,
            lots: Some(&codes),
            bay: None,
            from: first,
            to: until,
            limit: LINES_MAX,
            offset: 0,
        };
        let dwells = ask.store.open_dwells(&asked).await?;
        let capacities = lots
            .iter()
            .map(|lot| (lot.lot.code.clone(), lot.lot.capacity));
        let steps = histories(&ask.app, &capacities.collect(), period, ask.now).await?;
        for lot in &lots {
            let place = if is_area { lot.area_id } else { lot.zone_id }.to_string();
            for step in steps.get(&lot.lot.code).into_iter().flatten() {
                let dwell = dwells.get(&(lot.lot.code.clone(), step.at));
                let hour = sums.entry((place.clone(), step.at)).or_default();
                hour.add(lot.lot.capacity, step, dwell);
            }
        }
    }
    let mut out = String::new();
    line(&mut out, ask.feed.fields.iter().copied());
    let kind = if is_area { "area" } else { "zone" };
    for ((place, at), hour) in &sums {
        let local = at.with_timezone(&tz);
        for (metric, name) in &metrics {
            if let Some(value) = hour.value(*metric) {
                let date = local.date_naive();
                let _ = write!(
                    out,
                    "{kind},{place},{name},{date},{},{value}\r\n",
                    local.hour()
                );
            }
        }
    }
    Ok(Answer::new(ask, out.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_which_most_is_unknown_is_minus_one_in_every_figure() {
        let hour = |occupied, free, arrivals, stays| Hour {
            capacity: 4.0,
            occupied,
            free,
            arrivals,
            stays,
            seconds: 5_400 * stays,
        };
        let values = |hour: Hour| METRICS.map(|(metric, _)| hour.value(metric));
        let some = |text: &str| Some(text.to_owned());
        let offline = [some("-1"), some("-1"), some("-1"), some("-1")];
        assert_eq!(values(hour(0.0, 0.0, 0, 0)), offline);
        assert_eq!(values(hour(1.9, 0.0, 3, 1)), offline);
        // Half is known: the unknown half is no vehicle and no room.
        assert_eq!(
            values(hour(1.5, 0.5, 3, 2)),
            [some("3"), some("3"), some("90"), some("0.75")]
        );
        assert_eq!(
            values(hour(0.0, 4.0, 0, 0)),
            [some("0"), some("0"), None, some("0")]
        );
    }
}
