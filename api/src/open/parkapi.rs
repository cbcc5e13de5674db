//! ParkAPI 1.0 as ParkenDD's apps read it: <https://github.com/offenesdresden/ParkAPI>. The city's document, and
//! its lots.

use domain::place::LotKind;
use serde_json::{Map, Value, json};

use super::catalogue::LICENCE;
use super::geometry::middle;
use super::snapshot::SnapLot;
use super::{Answer, Ask};
use crate::ApiError;

/// ParkAPI's times: UTC without an offset, as its documents have them.
const TIME: &str = "%Y-%m-%dT%H:%M:%S";

/// `/open/parkapi/`
pub(super) async fn cities(ask: &Ask) -> Result<Answer, ApiError> {
    let city = &ask.app.city;
    let positions: Vec<_> = ask.city.lots.iter().map(|lot| lot.lot.position).collect();
    let [lng, lat] = middle(&positions);
    let mut cities = Map::new();
    let known = json!({
        "name": city.name,
        "coords": {"lng": lng, "lat": lat},
        "source": format!("{}/open/parkapi/{}", ask.app.public_url, city.code),
        "url": format!("{}/open", ask.app.public_url),
        "active_support": true,
        "attribution": {
            "contributor": city.name,
            "license": LICENCE.name,
            "url": LICENCE.url,
        },
    });
    cities.insert(city.code.clone(), known);
    let body = json!({
        "api_version": "1.0",
        "server_version": env!("CARGO_PKG_VERSION"),
        "reference": "https://github.com/offenesdresden/ParkAPI",
        "cities": cities,
    });
    Answer::json(ask, &body)
}

/// `/open/parkapi/{city}`
pub(super) async fn lots(ask: &Ask) -> Result<Answer, ApiError> {
    let city = &ask.app.city;
    if ask.id != city.code && ask.id != city.name {
        return Err(ApiError::NotFound("city"));
    }
    let lots: Vec<Value> = ask.city.lots.iter().map(lot_value).collect();
    let body = json!({
        "last_updated": ask.city.at.format(TIME).to_string(),
        "last_downloaded": ask.city.taken_at.format(TIME).to_string(),
        "data_source": format!("{}/open", ask.app.public_url),
        "lots": lots,
    });
    Answer::json(ask, &body)
}

fn lot_value(known: &SnapLot) -> Value {
    let lot = &known.lot;
    let mut value = json!({
        "id": lot.code,
        "name": lot.name,
        "coords": {"lng": lot.position[0], "lat": lot.position[1]},
        "total": lot.capacity,
        // Not one of ParkAPI's own fields: what is neither free nor taken.
        "unknown": lot.unknown,
        "state": "nodata",
        "forecast": false,
        "region": lot.ward,
        "address": lot.name,
        "lot_type": match lot.kind {
            LotKind::Street => "Straße",
            LotKind::OffStreet => "Parkplatz",
        },
    });
    // Where no sensor speaks no number is told that could be read as full.
    if lot.unknown < lot.capacity {
        value["state"] = "open".into();
        value["free"] = lot.free.into();
    }
    value
}
