//! Lots and bays as GeoJSON (RFC 7946, <https://www.rfc-editor.org/rfc/rfc7946>), in parts with the members that
//! OGC API Features gives its collections (`numberMatched`, `numberReturned`, `links`).

use serde_json::{Value, json};

use super::geometry::{Within, point, polygon};
use super::params::Part;
use super::{Answer, Ask, instant};
use crate::ApiError;

/// How many features come at once.
const FEATURES: usize = 1_000;
/// How many may.
const FEATURES_MAX: usize = 5_000;

/// `/open/geojson/lots`
pub(super) async fn lots(ask: &Ask) -> Result<Answer, ApiError> {
    let within = Within::read(&ask.params)?;
    let lots: Vec<_> = ask.city.lots.iter().collect();
    let lots = within.select(lots, |lot| std::slice::from_ref(&lot.lot.position));
    collection(ask, &lots, |known| {
        let lot = &known.lot;
        json!({
            "type": "Feature",
            "id": lot.code,
            "geometry": point(lot.position),
            "properties": {
                "code": lot.code,
                "name": lot.name,
                "kind": lot.kind.code(),
                "ward": lot.ward,
                "zone": known.zone,
                "operator": known.operator_name,
                "capacity": lot.capacity,
                "occupied": lot.occupied,
                "free": lot.free,
                "unknown": lot.unknown,
                "updated_at": lot.updated_at.map(instant),
                "ward_code": known.ward,
                "operator_code": known.operator,
            },
        })
    })
}

/// `/open/geojson/bays`
pub(super) async fn bays(ask: &Ask) -> Result<Answer, ApiError> {
    let within = Within::read(&ask.params)?;
    let lots = match ask.params.text("lot") {
        Some(code) => {
            let lot = ask.city.lot(code).ok_or(ApiError::NotFound("lot"))?;
            std::slice::from_ref(lot)
        }
        None => &ask.city.lots,
    };
    let bays = lots
        .iter()
        .flat_map(|lot| lot.bays.iter().map(move |bay| (lot, bay)));
    let bays = within.select(bays.collect(), |(_, bay)| &bay.ring);
    collection(ask, &bays, |(lot, known)| {
        let bay = &known.bay;
        json!({
            "type": "Feature",
            "id": bay.code,
            "geometry": polygon(&known.ring),
            "properties": {
                "code": bay.code,
                "lot": lot.lot.code,
                "class": bay.class.code(),
                "accessible": bay.amenities.accessible,
                "charging": bay.amenities.charging,
                "state": bay.state.code(),
            },
        })
    })
}

fn collection<T>(ask: &Ask, all: &[T], feature: impl Fn(&T) -> Value) -> Result<Answer, ApiError> {
    let part: Part = ask.params.part(FEATURES, FEATURES_MAX)?;
    let (some, next) = part.of(all);
    let features: Vec<Value> = some.iter().map(feature).collect();
    let mut links = Vec::new();
    if let Some(offset) = next {
        let href = ask.link(offset, part.limit);
        links.push(json!({"rel": "next", "type": ask.media, "href": href}));
    }
    let body = json!({
        "type": "FeatureCollection",
        "timeStamp": instant(ask.city.at),
        "numberMatched": all.len(),
        "numberReturned": features.len(),
        "links": links,
        "features": features,
    });
    Ok(Answer::json(ask, &body)?.with_next(ask, part, next))
}
