//! Curb policies: what parking costs.
//! <https://github.com/openmobilityfoundation/curb-data-specification/tree/main/curbs#policy>
//!
//! A policy never changes: whatever differs is another policy with another id.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::NaiveTime;
use domain::tariff::Increments;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::params::bad;
use super::super::rates::{Price, Step, prices};
use super::super::{Answer, Ask};
use super::curbs::vehicle_type;
use super::{id, list, ms, one};
use crate::ApiError;

/// `/open/cds/curbs/policies`
pub(in super::super) async fn policies(ask: &Ask) -> Result<Answer, ApiError> {
    let wanted: Option<Vec<Uuid>> = match ask.params.text("ids") {
        None => None,
        Some(text) => {
            let ids = text.split(',').map(|id| id.trim().parse());
            let ids = ids.collect::<Result<_, _>>();
            Some(ids.map_err(|_| bad("ids are UUIDs with commas between them"))?)
        }
    };
    let mut all = all(ask);
    if let Some(wanted) = wanted {
        all.retain(|id, _| wanted.contains(id));
    }
    list(ask, "policies", all.into_values().collect())
}

/// `/open/cds/curbs/policies/{id}`
pub(in super::super) async fn policy(ask: &Ask) -> Result<Answer, ApiError> {
    let policy = all(ask).remove(&id(ask, "curb policy")?);
    one(ask, policy.ok_or(ApiError::NotFound("curb policy"))?)
}

fn all(ask: &Ask) -> BTreeMap<Uuid, Value> {
    let tariffs = &ask.city.places.known.tariffs;
    let policies = tariffs.iter().flat_map(|(zone, tariffs)| {
        let prices = prices(zone, tariffs, ask.city.taken_at).into_iter();
        prices.map(move |price| (price.id, policy_value(zone, &price)))
    });
    policies.collect()
}

fn policy_value(zone: &str, price: &Price<'_>) -> Value {
    let tariff = price.tariff;
    let name = match price.name.1.as_str() {
        "" => format!("{zone}, {}", tariff.class),
        own => format!("{zone}, {}, {own}", tariff.class),
    };
    // The lowest number wins: holidays before days of the week before the rest.
    let priority = match (price.days.holidays, price.days.is_whole_week()) {
        (true, _) => 1,
        (false, false) => 2,
        (false, true) => 3,
    };
    let mut policy = json!({
        "curb_policy_id": price.id,
        "name": name,
        "published_date": ms(tariff.effective_from),
        "priority": priority,
        "rules": [{
            "activity": "parking",
            "max_stay": tariff.max_stay_min,
            "max_stay_unit": "minute",
            "user_classes": [vehicle_type(tariff.class)],
            "rate": price.steps.iter().map(|step| rate(step, tariff.increments)).collect::<Vec<_>>(),
        }],
        "time_spans": time_spans(price),
    });
    let description = beside(price);
    if !description.is_empty() {
        policy["description"] = description.into();
    }
    policy
}

/// What the price board says and a policy cannot.
fn beside(price: &Price<'_>) -> String {
    let (tariff, mut text) = (price.tariff, String::new());
    for step in &price.steps {
        if let Some(min) = step.min_vnd {
            let _ = write!(
                text,
                "The part of a stay from minute {} on costs at least {min} VND once it is begun. ",
                step.from_min
            );
        }
        if let Some(max) = step.max_vnd {
            let _ = write!(
                text,
                "The part of a stay from minute {} on costs at most {max} VND. ",
                step.from_min
            );
        }
    }
    if tariff.free_min > 0 {
        let _ = write!(
            text,
            "Stays of at most {} minutes are free, once within an hour. ",
            tariff.free_min
        );
    }
    if let Some(cap) = tariff.cap_24h_vnd {
        let _ = write!(
            text,
            "At most {} VND for each 24 hours of a stay. ",
            cap.get()
        );
    }
    if let Some(cap) = tariff.cap_day_vnd {
        let _ = write!(text, "At most {} VND for each calendar day. ", cap.get());
    }
    text.trim_end().to_owned()
}

/// A price of so many đồng for each started part of the stay, per hour where that comes out even.
fn rate(step: &Step, increments: Increments) -> Value {
    let per_min = i64::from(step.per_min);
    let ends = [step.from_min, step.until_min.unwrap_or(0), step.per_min];
    let in_hours = ends.iter().all(|end| end % 60 == 0) && step.rate_vnd * 60 % per_min == 0;
    let (unit, length) = if in_hours {
        ("hour", 60)
    } else {
        ("minute", 1)
    };
    let count = |minutes: u32| i64::from(minutes) / length;
    let per_unit = step.rate_vnd * length / per_min;
    let mut rate = json!({
        "rate": per_unit,
        "rate_unit": unit,
        "increment_duration": per_min / length,
        "start_duration": count(step.from_min),
    });
    if per_unit * per_min / length != step.rate_vnd {
        // A price that a minute does not divide: what is rounded up to whole increments is the price.
        rate["increment_amount"] = step.rate_vnd.into();
    }
    if let Some(until) = step.until_min {
        rate["end_duration"] = count(until).into();
    }
    if let Some(max) = step.max_vnd {
        rate["maximum_fee"] = max.into();
    }
    if step.flat {
        rate["maximum_fee"] = step.rate_vnd.into();
    }
    if increments == Increments::Calendar {
        rate["rate_unit_period"] = "calendar".into();
    }
    rate
}

fn time_spans(price: &Price<'_>) -> Vec<Value> {
    let clock = |time: NaiveTime| time.format("%H:%M").to_string();
    // A part of the day that crosses midnight is two.
    let hours: Vec<(Option<String>, Option<String>)> = match price.hours {
        None => vec![(None, None)],
        Some((from, to)) if from < to => vec![(Some(clock(from)), Some(clock(to)))],
        Some((from, NaiveTime::MIN)) => vec![(Some(clock(from)), None)],
        Some((from, to)) => vec![(None, Some(clock(to))), (Some(clock(from)), None)],
    };
    let week = (!price.days.week.is_empty()).then_some(false);
    let kinds = week.into_iter().chain(price.days.holidays.then_some(true));
    let mut spans = Vec::new();
    for is_holiday in kinds {
        for (start, end) in &hours {
            let mut span = json!({"start_date": ms(price.tariff.effective_from)});
            if let Some(until) = price.until {
                span["end_date"] = ms(until).into();
            }
            if is_holiday {
                span["designated_period"] = "holidays".into();
            } else {
                if !price.days.is_whole_week() {
                    let days = price.days.week.iter().map(|day| day.code());
                    span["days_of_week"] = days.collect::<Vec<_>>().into();
                }
                if price.days.except_holidays {
                    span["designated_period"] = "holidays".into();
                    span["designated_period_except"] = true.into();
                }
            }
            if let Some(start) = start {
                span["time_of_day_start"] = start.clone().into();
            }
            if let Some(end) = end {
                span["time_of_day_end"] = end.clone().into();
            }
            spans.push(span);
        }
    }
    spans
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn step(rate_vnd: i64, per_min: u32) -> Step {
        Step {
            from_min: 0,
            until_min: Some(240),
            rate_vnd,
            per_min,
            min_vnd: None,
            max_vnd: None,
            flat: false,
        }
    }

    /// What a reader of the specification charges for a time.
    fn charged(rate: &Value, minutes: i64) -> i64 {
        let number = |name: &str| rate[name].as_i64().unwrap();
        let unit = if rate["rate_unit"] == "hour" { 60 } else { 1 };
        let increment = number("increment_duration") * unit;
        let units = (minutes + increment - 1) / increment * number("increment_duration");
        let fee = units * number("rate");
        match rate["increment_amount"].as_i64() {
            Some(amount) => (fee + amount - 1) / amount * amount,
            None => fee,
        }
    }

    #[test]
    fn a_rate_charges_what_the_board_does() {
        for (vnd, per_min) in [
            (25_000, 60),
            (60_000, 120),
            (25_000, 45),
            (7_000, 30),
            (5_000, 720),
        ] {
            let rate = rate(&step(vnd, per_min), Increments::Rolling);
            for minutes in [1, 29, 30, 31, 60, 61, 240] {
                let started = (minutes + i64::from(per_min) - 1) / i64::from(per_min);
                assert_eq!(
                    charged(&rate, minutes),
                    vnd * started,
                    "{vnd}/{per_min}: {rate}"
                );
            }
        }
    }
}
