//! A city with a past, of which open data can tell.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use api::open::{Source, feeds};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::place::{LotKind, Place, VehicleClass};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};

use crate::broker::Broker;
use crate::sensors::told;
use crate::serving::{Serving, text};
use crate::{city, eventually};

/// Three lots: one with two days of past, one that has only just spoken, one that never did.
///
/// # Panics
/// Never: the figures are sound.
pub fn place() -> Place {
    let mut place = city::small(3, 4);
    let positions = [[105.85, 21.03], [105.83, 21.05], [105.81, 21.01]];
    for (lot, position) in place.lots.iter_mut().zip(positions) {
        lot.position = position;
        for (index, bay) in lot.bays.iter_mut().enumerate() {
            let east = 2.5 * index as f32;
            bay.outline = [[0.0, 0.0], [2.5, 0.0], [2.5, 5.0], [0.0, 5.0]]
                .map(|[x, y]: [f32; 2]| [x + east, y]);
        }
    }
    let street = &mut place.lots[1];
    street.kind = LotKind::Street;
    street.name = "Phố \"Bà Triệu\", đoạn 1".to_owned();
    for bay in &mut street.bays {
        bay.class = VehicleClass::Motorbike;
    }
    place.lots[0].bays[1].amenities.accessible = true;
    place.lots[0].bays[1].amenities.charging = true;
    let hanoi = simulator::city::hanoi(80).unwrap();
    // A motorbike's price goes by parts of the day.
    let all = hanoi.zones.iter().flat_map(|zone| &zone.tariffs);
    let motorbikes = all.filter(|tariff| tariff.class == VehicleClass::Motorbike);
    place.zones[0].tariffs.extend(motorbikes.take(1).cloned());
    place
}

/// The hour that began three to four hours ago; the same all through a test, though the clock may strike.
///
/// # Panics
/// Never: it is long after 1970.
pub fn base() -> DateTime<Utc> {
    static BASE: OnceLock<DateTime<Utc>> = OnceLock::new();
    *BASE.get_or_init(|| {
        Utc::now().duration_trunc(TimeDelta::hours(1)).unwrap() - TimeDelta::hours(3)
    })
}

/// A city with a past: in `lot-0` a vehicle stayed for an hour, another still stands, a bay is free and one has
/// never been heard of; in `lot-1` one bay of four has just said that it is free.
///
/// # Panics
/// Where anything it needs is missing.
pub async fn with_a_past() -> Serving {
    let place = place();
    let city = Serving::with(&place, Broker::rumqttd(), Vec::new(), None).await;
    let base = base();
    let minutes = (Utc::now() - base).num_minutes();
    let mut messages = Vec::new();
    for (bay, changes) in [
        ("lot-0-0", vec![(0, false), (10, true), (70, false)]),
        ("lot-0-1", vec![(0, false)]),
        ("lot-0-2", vec![(0, false), (20, true)]),
    ] {
        // Sensors say every twenty minutes what they see.
        let mut at: BTreeMap<i64, bool> = BTreeMap::new();
        for minute in (0..minutes).step_by(20) {
            let last = changes.iter().rfind(|(from, _)| *from <= minute).unwrap();
            at.insert(minute, last.1);
        }
        at.extend(changes);
        for (seq, (minute, occupied)) in at.into_iter().enumerate() {
            let device = format!("{bay}-sensor");
            let seconds = TimeDelta::seconds(17);
            let at = base + TimeDelta::minutes(minute) + seconds;
            messages.push((
                at,
                told(&device, at, i64::try_from(seq).unwrap() + 1, occupied),
            ));
        }
    }
    messages.push((Utc::now(), told("lot-1-0-sensor", Utc::now(), 1, false)));
    // As time went by: beside one that has told all, another that has told nothing yet would be called lost.
    messages.sort_by_key(|(at, _)| *at);
    let messages: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
    let count = i64::try_from(messages.len()).unwrap();
    city.sense(&messages, count, "event").await;
    eventually("the board to know", || async {
        let lots = city.json("/api/v1/lots").await;
        lots["lots"][0]["unknown"] == 1 && lots["lots"][1]["unknown"] == 3
    })
    .await;
    // Snapshots that were taken before are forgotten.
    eventually("open data to know", || async {
        let live = body(&city, "/open/csv/live.csv").await;
        live.contains("lot-0,4,1,2,1,") && live.contains("lot-1,4,0,1,3,")
    })
    .await;
    city
}

/// The answer of a path.
///
/// # Panics
/// Where there is none.
pub async fn ask(city: &Serving, path: &str) -> Response {
    city.get(path).send().await.unwrap()
}

/// What a path says.
///
/// # Panics
/// Where it does not succeed.
pub async fn body(city: &Serving, path: &str) -> String {
    let reply = ask(city, path).await;
    let status = reply.status();
    let body = reply.text().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

/// That hour, as events are asked for.
pub fn hour() -> String {
    base().format("%Y-%m-%dT%H").to_string()
}

/// The address of each feed, with something that exists where it wants an id, and what lets it tell most.
///
/// # Panics
/// Where the lists in which ids are found cannot be read.
pub async fn addresses(city: &Serving) -> Vec<(Source, String)> {
    let first = async |list: &str, name: &str| {
        let (path, id) = (format!("/open/cds/curbs/{list}"), format!("curb_{name}_id"));
        text(&city.json(&path).await["data"][list][0][&id])
    };
    let mut addresses = Vec::new();
    for feed in feeds() {
        let id = match feed.source {
            Source::CdsZone => first("zones", "zone").await,
            Source::CdsArea => first("areas", "area").await,
            Source::CdsSpace => first("spaces", "space").await,
            Source::CdsPolicy => first("policies", "policy").await,
            Source::NgsiEntity => "urn:ngsi-ld:ParkingSpot:clearbay:lot-0-3".to_owned(),
            Source::ParkApiLots => "hn".to_owned(),
            _ => String::new(),
        };
        let query = match feed.source {
            Source::CdsEvents => format!("?event_time={}", hour()),
            Source::NgsiEntities => {
                "?type=ParkingSpot,OnStreetParking,OffStreetParking&limit=100".to_owned()
            }
            _ => String::new(),
        };
        addresses.push((feed.source, feed.path.replace("{id}", &id) + &query));
    }
    addresses
}

/// A header's value; empty where it is not there.
///
/// # Panics
/// Where it is no text.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap())
        .unwrap_or_default()
}
