//! Curbs: zones, areas and spaces.
//! <https://github.com/openmobilityfoundation/curb-data-specification/tree/main/curbs>

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::board::Occupancy;
use domain::place::{LotKind, VehicleClass};
use serde_json::{Value, json};

use super::super::geometry::{Within, hull, polygon, size_cm};
use super::super::snapshot::{SnapBay, SnapLot, Snapshot};
use super::super::{Answer, Ask, ids, rates};
use super::{id, list, ms, one, paged};
use crate::ApiError;

/// How many zones or spaces come at once.
const PLACES: usize = 1_000;
/// How many may.
const PLACES_MAX: usize = 5_000;

/// `/open/cds/curbs/zones`
pub(in super::super) async fn zones(ask: &Ask) -> Result<Answer, ApiError> {
    let (area, time) = (ask.params.uuid("area")?, ask.params.millis("time")?);
    let with_geometry = ask.params.flag("include_geometry")?.unwrap_or(true);
    let within = Within::read(&ask.params)?;
    let part = ask.params.part(PLACES, PLACES_MAX)?;
    let city = &ask.city;
    let lots = city.lots.iter().filter(|lot| {
        area.is_none_or(|area| lot.area_id == area) && time.is_none_or(|time| is_valid(lot, time))
    });
    let lots = within.select(lots.collect(), |lot| &lot.ring);
    let (some, next) = part.of(&lots);
    let zones = some.iter().map(|lot| {
        let mut zone = zone_value(city, lot, time);
        if !with_geometry && let Some(zone) = zone.as_object_mut() {
            zone.remove("geometry");
        }
        zone
    });
    paged(ask, "zones", zones.collect(), part, next)
}

/// `/open/cds/curbs/zones/{id}`
pub(in super::super) async fn zone(ask: &Ask) -> Result<Answer, ApiError> {
    let time = ask.params.millis("time")?;
    ask.params.flag("show_historic")?;
    let lot = ask.city.zone(id(ask, "curb zone")?);
    let lot = lot.filter(|lot| time.is_none_or(|time| is_valid(lot, time)));
    let lot = lot.ok_or(ApiError::NotFound("curb zone"))?;
    one(ask, zone_value(&ask.city, lot, time))
}

/// `/open/cds/curbs/areas`
pub(in super::super) async fn areas(ask: &Ask) -> Result<Answer, ApiError> {
    let within = Within::read(&ask.params)?;
    let areas = within.select(areas_of(&ask.city), |area| &area.ring);
    list(ask, "areas", areas.iter().map(Area::value).collect())
}

/// `/open/cds/curbs/areas/{id}`
pub(in super::super) async fn area(ask: &Ask) -> Result<Answer, ApiError> {
    let id = id(ask, "curb area")?;
    let areas = areas_of(&ask.city);
    let area = areas.iter().find(|area| area.lots[0].area_id == id);
    one(ask, area.ok_or(ApiError::NotFound("curb area"))?.value())
}

/// `/open/cds/curbs/spaces`
pub(in super::super) async fn spaces(ask: &Ask) -> Result<Answer, ApiError> {
    let (zone, time) = (ask.params.uuid("zone")?, ask.params.millis("time")?);
    let within = Within::read(&ask.params)?;
    let part = ask.params.part(PLACES, PLACES_MAX)?;
    let city = &ask.city;
    let lots = city
        .lots
        .iter()
        .filter(|lot| zone.is_none_or(|zone| lot.zone_id == zone));
    let spaces = lots.flat_map(|lot| {
        let bays = lot.bays.iter().enumerate();
        bays.map(move |(index, bay)| (lot, index, bay))
    });
    let spaces = within.select(spaces.collect(), |(_, _, bay)| &bay.ring);
    let (some, next) = part.of(&spaces);
    let values = some
        .iter()
        .map(|(lot, index, bay)| space_value(city, lot, *index, bay, time));
    paged(ask, "spaces", values.collect(), part, next)
}

/// `/open/cds/curbs/spaces/{id}`
pub(in super::super) async fn space(ask: &Ask) -> Result<Answer, ApiError> {
    let time = ask.params.millis("time")?;
    let found = ask.city.space(id(ask, "curb space")?);
    let (lot, bay) = found.ok_or(ApiError::NotFound("curb space"))?;
    let index = lot
        .bays
        .iter()
        .position(|other| other.space_id == bay.space_id);
    one(
        ask,
        space_value(&ask.city, lot, index.unwrap_or_default(), bay, time),
    )
}

fn is_valid(lot: &SnapLot, time: Timestamp) -> bool {
    lot.published_at <= time
}

/// Whether availability may be told of that time: there is that of the present only.
fn is_present(city: &Snapshot, time: Option<Timestamp>) -> bool {
    time.is_none_or(|time| (time - city.taken_at).abs() < chrono::TimeDelta::minutes(1))
}

fn zone_value(city: &Snapshot, known: &SnapLot, time: Option<Timestamp>) -> Value {
    let lot = &known.lot;
    let prices = rates::prices(&known.zone, city.tariffs(&known.zone), city.taken_at);
    let policies = prices.iter().filter(|price| known.has(price.tariff.class));
    let mut zone = json!({
        "curb_zone_id": known.zone_id,
        "geometry": polygon(&known.ring),
        "curb_policy_ids": policies.map(|price| price.id).collect::<Vec<_>>(),
        "published_date": ms(known.published_at),
        "last_updated_date": ms(known.changed_at),
        "start_date": ms(known.published_at),
        "name": lot.name,
        "user_zone_id": lot.code,
        "jurisdiction_type": "public",
        "num_spaces": lot.capacity,
        "curb_area_ids": [known.area_id],
        "curb_space_ids": known.bays.iter().map(|bay| bay.space_id).collect::<Vec<_>>(),
        "custom_attributes": {
            "lot": lot.code,
            "kind": lot.kind.code(),
            "operator": known.operator_name,
        },
    });
    if lot.kind == LotKind::Street {
        zone["street_name"] = lot.name.clone().into();
    }
    if is_present(city, time) {
        // A number that is not known is left out. How many of the others are unknown is said beside it.
        if lot.unknown < lot.capacity {
            zone["available_spaces"] = lot.free.into();
            zone["availability_time"] = ms(city.at).into();
        }
        zone["custom_attributes"]["unknown_spaces"] = lot.unknown.to_string().into();
    }
    zone
}

struct Area<'a> {
    name: &'a str,
    /// At least one.
    lots: Vec<&'a SnapLot>,
    ring: Vec<domain::place::Position>,
}

/// Wards with their lots, in order of code.
fn areas_of(city: &Snapshot) -> Vec<Area<'_>> {
    let mut wards: BTreeMap<&str, Vec<&SnapLot>> = BTreeMap::new();
    for lot in &city.lots {
        wards.entry(&lot.ward).or_default().push(lot);
    }
    let mut areas = Vec::new();
    for (ward, lots) in wards {
        if let Some(name) = city.places.known.wards.get(ward) {
            let ring = hull(lots.iter().flat_map(|lot| lot.ring.iter().copied()));
            areas.push(Area { name, lots, ring });
        }
    }
    areas
}

impl Area<'_> {
    fn value(&self) -> Value {
        let published = self.lots.iter().map(|lot| lot.published_at).min();
        let changed = self.lots.iter().map(|lot| lot.changed_at).max();
        json!({
            "curb_area_id": self.lots[0].area_id,
            "geometry": polygon(&self.ring),
            "name": self.name,
            "published_date": published.map(ms),
            "last_updated_date": changed.map(ms),
            "curb_zone_ids": self.lots.iter().map(|lot| lot.zone_id).collect::<Vec<_>>(),
        })
    }
}

fn space_value(
    city: &Snapshot,
    lot: &SnapLot,
    index: usize,
    known: &SnapBay,
    time: Option<Timestamp>,
) -> Value {
    let bay = &known.bay;
    let registered = city.registered(&bay.code);
    let (length, width) = size_cm(&bay.outline);
    let mut space = json!({
        "curb_space_id": known.space_id,
        "geometry": polygon(&known.ring),
        "name": bay.code,
        "published_date": ms(registered.map_or(lot.published_at, |bay| bay.published_at)),
        "last_updated_date": ms(registered.map_or(lot.changed_at, |bay| bay.changed_at)),
        "curb_zone_id": lot.zone_id,
        "space_number": index + 1,
        "length": length,
        "width": width,
        "custom_attributes": {
            "vehicle_type": vehicle_type(bay.class),
            "accessible": bay.amenities.accessible.to_string(),
            "charging": bay.amenities.charging.to_string(),
        },
    });
    let available = match bay.state {
        Occupancy::Free => Some(true),
        Occupancy::Occupied => Some(false),
        // "Do not provide this field if the availability is unknown."
        Occupancy::Unknown => None,
    };
    if let Some(available) = available.filter(|_| is_present(city, time)) {
        space["available"] = available.into();
        space["availability_time"] = ms(city.at).into();
    }
    space
}

/// What a bay is made for, in the words of the specification.
pub(in super::super) const fn vehicle_type(class: VehicleClass) -> &'static str {
    match class {
        VehicleClass::Car => "car",
        VehicleClass::Motorbike => "motorcycle",
    }
}

/// The id of the sensor that watches a bay: one that is in no other list.
pub(super) fn source_id(ask: &Ask, device_id: Option<i32>, bay: &str) -> uuid::Uuid {
    let named = device_id.map(|device| device.to_string());
    let parts: &[&str] = match &named {
        Some(device) => &["device", device],
        None => &["bay", bay],
    };
    ids::pseudonym(&ask.app.secrets, "cds source", parts)
}
