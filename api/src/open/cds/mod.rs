//! The Curb Data Specification 1.1 of the Open Mobility Foundation
//! (<https://github.com/openmobilityfoundation/curb-data-specification>; its schema:
//! <https://github.com/openmobilityfoundation/cds-openapi>): Curbs, Events and Metrics.
//!
//! A lot is a curb zone, a ward a curb area, a bay a curb space, a price of a price board a policy.

use domain::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::catalogue::LICENCE;
use super::params::{Part, bad};
use super::snapshot::{SnapBay, SnapLot};
use super::{Answer, Ask};
use crate::ApiError;

pub(super) mod curbs;
pub(super) mod events;
pub(super) mod metrics;
pub(super) mod policies;

/// The version that is told.
const VERSION: &str = "1.1.0";

/// Milliseconds since 1970.
fn ms(at: Timestamp) -> i64 {
    at.timestamp_millis()
}

/// An answer with the members that all have.
fn envelope(ask: &Ask, data: Value, last_updated: Timestamp) -> Value {
    json!({
        "version": VERSION,
        "time_zone": ask.app.city.timezone.name(),
        "last_updated": ms(last_updated),
        "currency": "VND",
        "author": ask.app.city.name,
        "license_url": LICENCE.url,
        "data": data,
    })
}

/// A list under its name.
fn list(ask: &Ask, name: &str, items: Vec<Value>) -> Result<Answer, ApiError> {
    Answer::json(ask, &envelope(ask, json!({ name: items }), ask.city.at))
}

/// Part of a list under its name, with the way to the next.
fn paged(
    ask: &Ask,
    name: &str,
    items: Vec<Value>,
    part: Part,
    next: Option<usize>,
) -> Result<Answer, ApiError> {
    let mut body = envelope(ask, json!({ name: items }), ask.city.at);
    body["links"] = json!({"next": next.map(|offset| ask.link(offset, part.limit))});
    let answer = Answer::json(ask, &body)?;
    Ok(answer.with_next(ask, part, next))
}

/// One thing.
fn one(ask: &Ask, item: Value) -> Result<Answer, ApiError> {
    Answer::json(ask, &envelope(ask, item, ask.city.at))
}

/// What stands in the address in the place of `{id}`. What is no UUID names nothing.
fn id(ask: &Ask, what: &'static str) -> Result<Uuid, ApiError> {
    ask.id.parse().map_err(|_| ApiError::NotFound(what))
}

/// The lots in which somebody is interested, or a bay.
enum Places<'a> {
    /// All.
    All,
    /// Some lots.
    Lots(Vec<&'a SnapLot>),
    /// One bay.
    Bay(&'a SnapLot, &'a SnapBay),
}

impl Places<'_> {
    fn has(&self, lot: &SnapLot, bay: &SnapBay) -> bool {
        match self {
            Self::All => true,
            Self::Lots(lots) => lots.iter().any(|other| other.zone_id == lot.zone_id),
            Self::Bay(_, only) => only.space_id == bay.space_id,
        }
    }

    /// Their lots' codes, for the database; all where none.
    fn lots(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Lots(lots) => Some(lots.iter().map(|lot| lot.lot.code.clone()).collect()),
            Self::Bay(lot, _) => Some(vec![lot.lot.code.clone()]),
        }
    }

    fn bay(&self) -> Option<&str> {
        match self {
            Self::Bay(_, bay) => Some(&bay.bay.code),
            _ => None,
        }
    }
}

/// The place of one of the ids of `area`, `zone` and `space`. What does not exist has nothing in it.
fn place_of(
    ask: &Ask,
    area: Option<Uuid>,
    zone: Option<Uuid>,
    space: Option<Uuid>,
) -> Result<Places<'_>, ApiError> {
    let city = &ask.city;
    match (area, zone, space) {
        (None, None, None) => Ok(Places::All),
        (Some(area), None, None) => {
            let lots = city.lots.iter().filter(|lot| lot.area_id == area);
            Ok(Places::Lots(lots.collect()))
        }
        (None, Some(zone), None) => Ok(Places::Lots(city.zone(zone).into_iter().collect())),
        (None, None, Some(space)) => Ok(match city.space(space) {
            Some((lot, bay)) => Places::Bay(lot, bay),
            None => Places::Lots(Vec::new()),
        }),
        _ => Err(bad("ask for one area, one zone or one space")),
    }
}
