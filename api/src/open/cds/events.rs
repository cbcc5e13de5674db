//! Events at the kerb, and the sensors that tell of them.
//! <https://github.com/openmobilityfoundation/curb-data-specification/tree/main/events>

use chrono::{NaiveDateTime, TimeDelta};
use domain::Timestamp;
use domain::board::Occupancy;
use serde_json::{Value, json};
use store::open_data::{CurbEvent, CurbEventKind};

use super::super::geometry::{middle, point};
use super::super::ids::{minute, pseudonym};
use super::super::page::next_of;
use super::super::params::{bad, is_sane};
use super::super::{Answer, Ask};
use super::curbs::source_id;
use super::{Places, ms, paged, place_of};
use crate::ApiError;

/// How many events come at once.
const EVENTS: usize = 1_000;
/// How many may.
const EVENTS_MAX: usize = 5_000;

fn asked<'a>(ask: &'a Ask) -> Result<Places<'a>, ApiError> {
    place_of(
        ask,
        ask.params.uuid("curb_area_id")?,
        ask.params.uuid("curb_zone_id")?,
        ask.params.uuid("curb_space_id")?,
    )
}

/// The hour that is asked for; without one the last 60 minutes. What is of this very minute waits for the next:
/// no pseudonym is given out whose time cannot be rounded yet.
fn hour(ask: &Ask) -> Result<(Timestamp, Timestamp), ApiError> {
    let Some(text) = ask.params.text("event_time") else {
        let to = minute(ask.now);
        return Ok((to - TimeDelta::hours(1), to));
    };
    let from = NaiveDateTime::parse_from_str(&format!("{text}:00"), "%Y-%m-%dT%H:%M");
    let from = from.map_err(|_| bad("event_time is an hour in UTC such as 2026-11-20T14"))?;
    let from = from.and_utc();
    if !is_sane(&from) || text.len() != "2026-11-20T14".len() {
        return Err(bad("event_time is an hour in UTC such as 2026-11-20T14"));
    }
    Ok((from, from + TimeDelta::hours(1)))
}

/// `/open/cds/events/events`
pub(in super::super) async fn events(ask: &Ask) -> Result<Answer, ApiError> {
    let places = asked(ask)?;
    let (from, to) = hour(ask)?;
    let part = ask.params.part(EVENTS, EVENTS_MAX)?;
    let lots = places.lots();
    let asked = ask.past(lots.as_deref(), places.bay(), (from, to), part);
    let mut found = ask.store.open_events(&asked).await?;
    let next = next_of(&mut found, part);
    let events = found.iter().filter_map(|event| event_value(ask, event));
    paged(ask, "events", events.collect(), part, next)
}

/// The id of an event, and that of the stay to which it belongs.
pub(super) fn event_id(ask: &Ask, kind: &str, bay: &str, at: Timestamp) -> uuid::Uuid {
    let at = at.timestamp_micros().to_string();
    pseudonym(&ask.app.secrets, "cds event", &[kind, bay, &at])
}

pub(super) fn stay_id(ask: &Ask, bay: &str, from: Timestamp) -> uuid::Uuid {
    let from = from.timestamp_micros().to_string();
    pseudonym(&ask.app.secrets, "cds stay", &[bay, &from])
}

pub(super) const fn kind_name(kind: CurbEventKind) -> &'static str {
    match kind {
        CurbEventKind::ParkStart => "park_start",
        CurbEventKind::ParkEnd => "park_end",
        CurbEventKind::CommsLost => "comms_lost",
        CurbEventKind::CommsRestored => "comms_restored",
    }
}

fn event_value(ask: &Ask, event: &CurbEvent) -> Option<Value> {
    let lot = ask.city.lot(&event.lot)?;
    let bay = lot.bays.iter().find(|bay| bay.bay.code == event.bay)?;
    let name = kind_name(event.kind);
    let mut value = json!({
        "event_id": event_id(ask, name, &event.bay, event.at),
        "event_type": name,
        "event_location": point(middle(&bay.ring)),
        "event_time": ms(minute(event.at)),
        "event_publication_time": ms(minute(event.known_at)),
        "curb_zone_id": lot.zone_id,
        "curb_area_ids": [lot.area_id],
        "curb_space_id": bay.space_id,
        "data_source_type": "other",
        "data_source_device_id": source_id(ask, event.device_id, &event.bay),
    });
    if let Some(from) = event.stay_from {
        value["event_purpose"] = "vehicle_parking".into();
        value["event_session_id"] = stay_id(ask, &event.bay, from).to_string().into();
    }
    Some(value)
}

/// `/open/cds/events/status`
pub(in super::super) async fn status(ask: &Ask) -> Result<Answer, ApiError> {
    let places = asked(ask)?;
    let part = ask.params.part(EVENTS, EVENTS_MAX)?;
    let bays = ask.city.lots.iter().flat_map(|lot| {
        let bays = lot.bays.iter();
        bays.map(move |bay| (lot, bay))
    });
    let sensors: Vec<Value> = bays
        .filter(|(lot, bay)| places.has(lot, bay))
        .filter_map(|(_, bay)| {
            let device = ask.city.registered(&bay.bay.code)?.device_id?;
            Some(json!({
                "data_source_device_id": source_id(ask, Some(device), &bay.bay.code),
                "data_source_type": "other",
                "sensor_status_is_commissioned": true,
                // What is not believed reports nothing.
                "sensor_status_is_online": bay.bay.state != Occupancy::Unknown,
            }))
        })
        .collect();
    let (some, next) = part.of(&sensors);
    paged(ask, "status", some.to_vec(), part, next)
}
