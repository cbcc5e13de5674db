//! The Alliance for Parking Data Standards' specification 4.0 (ISO/TS 5206-1), as its OpenAPI under the MIT licence
//! has it: <https://github.com/parkingdata/spec>. Places, rates, right specifications, and sessions as sensors saw
//! them.

use std::slice::from_ref;

use chrono::{NaiveTime, TimeDelta};
use domain::place::{LotKind, VehicleClass};
use domain::tariff::Day;
use serde_json::{Value, json};
use store::open_data::OpenStay;

use super::geometry::{Within, point, polygon};
use super::ids::{minute, pseudonym};
use super::page::next_of;
use super::params::{Part, bad};
use super::rates::{Price, Step, minutes, prices};
use super::snapshot::SnapLot;
use super::{Answer, Ask, instant};
use crate::ApiError;

/// How many things come at once.
const PAGE: usize = 100;
/// How many may.
const PAGE_MAX: usize = 1_000;
/// How long a time may be of which sessions are told.
const SESSIONS_FOR: TimeDelta = TimeDelta::days(7);

/// A list, with what its readers need to go on.
fn list(
    ask: &Ask,
    data: Vec<Value>,
    total: Option<usize>,
    part: Part,
    next: Option<usize>,
) -> Result<Answer, ApiError> {
    let known = part.offset + data.len();
    let body = json!({
        "meta": {
            "referenceInstant": ask.city.at.timestamp(),
            "offset": part.offset,
            "pageSize": part.limit,
            // Where they are not counted, as many as there are at least.
            "total": total.unwrap_or(known + usize::from(next.is_some())),
        },
        "data": data,
    });
    let answer = Answer::json(ask, &body)?;
    Ok(answer.with_next(ask, part, next))
}

fn text(language: &str, string: &str) -> Value {
    json!([{"language": language, "string": string}])
}

fn both(vi: &str, en: &str) -> Value {
    json!([{"language": "vi", "string": vi}, {"language": "en", "string": en}])
}

fn reference(class: &str, id: &str, version: i64) -> Value {
    json!({"id": id, "version": version, "className": class})
}

/// Whoever publishes all this.
fn organisation(ask: &Ask) -> Value {
    reference("Organisation", &ask.app.city.code, 1)
}

/// A number that rises with each change.
fn version(lot: &SnapLot) -> i64 {
    lot.changed_at.timestamp().max(1)
}

/// `/open/apds/v4/places`
pub(super) async fn places(ask: &Ask) -> Result<Answer, ApiError> {
    let part = ask.params.part(PAGE, PAGE_MAX)?;
    let place = ["latitude", "longitude", "radius"].map(|name| ask.params.number(name));
    let within = match place {
        [Ok(None), Ok(None), Ok(None)] => Within::Everywhere,
        [Ok(Some(lat)), Ok(Some(lng)), Ok(Some(radius_m))]
            if lat.abs() <= 90.0 && lng.abs() <= 180.0 && (0.0..=1e6).contains(&radius_m) =>
        {
            Within::Circle {
                middle: [lng, lat],
                radius_m,
            }
        }
        _ => {
            return Err(bad(
                "latitude, longitude (degrees) and radius (metres) belong together",
            ));
        }
    };
    let lots = within.select(ask.city.lots.iter().collect(), |lot: &&SnapLot| {
        from_ref(&lot.lot.position)
    });
    let (some, next) = part.of(&lots);
    let data = some.iter().map(|lot| place_value(ask, lot)).collect();
    list(ask, data, Some(lots.len()), part, next)
}

fn place_value(ask: &Ask, known: &SnapLot) -> Value {
    let lot = &known.lot;
    let at = instant(ask.city.at);
    let structure = match lot.kind {
        LotKind::Street => "onStreet",
        LotKind::OffStreet => "offStreetSurface",
    };
    let sure = lot.occupied + lot.free;
    // Full is said only where every bay is known to be.
    let indicator = match (lot.free, lot.unknown) {
        (1.., _) => "spacesAvailable",
        (0, 0) => "full",
        (0, _) => "unknown",
    };
    let mut demand = json!({"timestamp": at});
    if let Some(per_mille) = lot.occupied.saturating_mul(1_000).checked_div(sure) {
        demand["demandType"] = json!([{
            "count": lot.occupied,
            "percentage": f64::from(per_mille) / 10.0,
            "occupancyCalculation": "counted",
            "recordDateTime": at,
        }]);
    }
    let tariffs = ask.city.tariffs(&known.zone);
    let rights = prices(&known.zone, tariffs, ask.city.taken_at).into_iter();
    let rights = rights.filter(|price| known.has(price.tariff.class));
    let geometry = polygon(&known.ring);
    let chargers = known.bays.iter().filter(|bay| bay.bay.amenities.charging);
    let accessible = known.bays.iter().any(|bay| bay.bay.amenities.accessible);
    json!({
        "id": lot.code,
        "version": version(known),
        "type": "parkingPlace",
        "layer": 0,
        "name": text("vi", &lot.name),
        "hierarchyElementRecord": {"creationTime": instant(known.published_at)},
        "timeZone": ask.app.city.timezone.name(),
        "indicativePlacePointLocation": [point(lot.position)],
        "placeBoundedZone": [{"type": "MultiPolygon", "coordinates": [geometry["coordinates"]]}],
        "characteristics": [{
            "openToPublic": true,
            "disabledAccess": accessible,
            "spacesTotal": lot.capacity,
            "evChargingPoints": chargers.count(),
            "structureType": structure,
            "structureGrade": "groundLevel",
        }],
        "rightSpecifications": rights
            .map(|price| reference("RightSpecification", &right_id(&price), 1))
            .collect::<Vec<_>>(),
        "occupancyLevel": {"occupancyIndicator": {"entryDefinedValue": indicator}},
        "hierarchyElementReference": {
            "elementId": reference("Place", &lot.code, version(known)),
            "supply": [{"supplyQuantity": lot.capacity, "supplyViewType": "spaceView"}],
            "demandTable": [demand],
        },
    })
}

/// Every price in force or to come, with its zone's code.
fn all_prices(ask: &Ask) -> Vec<(&str, Price<'_>)> {
    let tariffs = ask.city.places.known.tariffs.iter();
    let prices = tariffs.flat_map(|(zone, tariffs)| {
        let prices = prices(zone, tariffs, ask.city.taken_at).into_iter();
        prices.map(move |price| (zone.as_str(), price))
    });
    prices.collect()
}

/// `/open/apds/v4/rates`
pub(super) async fn rates(ask: &Ask) -> Result<Answer, ApiError> {
    let part = ask.params.part(PAGE, PAGE_MAX)?;
    let all = all_prices(ask);
    let (some, next) = part.of(&all);
    let data = some
        .iter()
        .map(|(zone, price)| rate_table(ask, zone, price));
    list(ask, data.collect(), Some(all.len()), part, next)
}

fn name_of(zone: &str, price: &Price<'_>) -> Value {
    let (vi, en) = match price.tariff.class {
        VehicleClass::Car => ("ô tô", "car"),
        VehicleClass::Motorbike => ("xe máy", "motorbike"),
    };
    let joined = |known: String, own: &str| match own {
        "" => known,
        own => format!("{known}, {own}"),
    };
    both(
        &joined(format!("khu giá {zone}, {vi}"), &price.name.0),
        &joined(format!("price zone {zone}, {en}"), &price.name.1),
    )
}

fn rate_table(ask: &Ask, zone: &str, price: &Price<'_>) -> Value {
    let tariff = price.tariff;
    let lines = price.steps.iter().enumerate();
    let lines: Vec<Value> = lines
        .map(|(index, step)| rate_line(index + 1, step))
        .collect();
    let mut collection = json!({
        "collectionSequence": 1,
        "applicableCurrency": "VND",
        "minTime": "PT1M",
        "maxTime": format!("PT{}M", tariff.max_stay_min),
        "relativeTimes": true,
        "resetTime": "00:00",
        "taxIncluded": true,
        "taxRate": f64::from(tariff.vat_bp) / 100.0,
        "validStart": instant(tariff.effective_from),
        "rateLines": lines,
    });
    if let Some(cap) = tariff.cap_24h_vnd.or(tariff.cap_day_vnd) {
        collection["maxValueCollection"] = cap.get().into();
    }
    let mut table = json!({
        "id": price.id,
        "version": 1,
        "rateTableName": name_of(zone, price),
        "validityStart": instant(tariff.effective_from),
        "activeTimes": [format!("PT{}M", minutes(price.hours))],
        "availability": "public",
        "rateType": "hourly",
        "rateResponsibleParty": organisation(ask),
    });
    if let Some(until) = price.until {
        collection["validEnd"] = instant(until).into();
        table["validityEnd"] = instant(until).into();
    }
    table["rateLineCollections"] = json!([collection]);
    table
}

fn rate_line(sequence: usize, step: &Step) -> Value {
    let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let mut line = json!({
        "sequence": sequence,
        "value": step.rate_vnd,
        "durationStart": clock(step.from_min),
    });
    let (kind, usage) = match step.flat {
        true => ("flatRate", "once"),
        false => ("incrementingRate", "unlimited"),
    };
    line["rateLineType"] = kind.into();
    line["usageCondition"] = usage.into();
    if !step.flat {
        line["incrementPeriod"] = format!("PT{}M", step.per_min).into();
    }
    if let Some(until) = step.until_min {
        line["durationEnd"] = clock(until).into();
    }
    if let Some(min) = step.min_vnd {
        line["minValue"] = min.into();
    }
    if let Some(max) = step.max_vnd {
        line["maxValue"] = max.into();
    }
    line
}

fn right_id(price: &Price<'_>) -> String {
    super::ids::public("right", &[&price.id.to_string()]).to_string()
}

/// `/open/apds/v4/rights/specs`
pub(super) async fn rights(ask: &Ask) -> Result<Answer, ApiError> {
    let part = ask.params.part(PAGE, PAGE_MAX)?;
    let mut all = all_prices(ask);
    // A right is to something: a price that holds in no lot gives none.
    all.retain(|(zone, price)| lots_of(ask, zone, price).next().is_some());
    let (some, next) = part.of(&all);
    let data = some
        .iter()
        .map(|(zone, price)| right_value(ask, zone, price));
    list(ask, data.collect(), Some(all.len()), part, next)
}

fn lots_of<'a>(
    ask: &'a Ask,
    zone: &'a str,
    price: &'a Price<'_>,
) -> impl Iterator<Item = &'a SnapLot> {
    let lots = ask.city.lots.iter();
    lots.filter(move |lot| lot.zone == zone && lot.has(price.tariff.class))
}

fn right_value(ask: &Ask, zone: &str, price: &Price<'_>) -> Value {
    let id = right_id(price);
    let lots = lots_of(ask, zone, price).map(|lot| reference("Place", &lot.lot.code, version(lot)));
    let vehicle = super::cds::curbs::vehicle_type(price.tariff.class);
    let mut period = json!({});
    if let Some((from, to)) = price.hours {
        let clock = |time: NaiveTime| time.format("%H:%M").to_string();
        let hours = json!([{"startTimeOfPeriod": clock(from), "endTimeOfPeriod": clock(to)}]);
        period["recurringTimePeriodOfDay"] = hours;
    }
    if !price.days.is_whole_week() && !price.days.week.is_empty() {
        let days: Vec<&str> = price.days.week.iter().map(|day| day_name(*day)).collect();
        period["recurringDayWeekMonthPeriod"] = json!([{"applicableDay": days}]);
    }
    let mut validity = json!({"overallStartTime": instant(price.tariff.effective_from)});
    if let Some(until) = price.until {
        validity["overallEndTime"] = instant(until).into();
    }
    if period.as_object().is_some_and(|period| !period.is_empty()) {
        validity["validPeriods"] = json!([period]);
    }
    json!({
        "id": id,
        "version": 1,
        "type": "oneTimeUseParking",
        "description": name_of(zone, price),
        "issuer": organisation(ask),
        "transferable": false,
        "hierarchyElements": lots.collect::<Vec<_>>(),
        "credentials": [{"type": "licensePlate"}],
        "rateEligibility": [{
            "id": format!("{id}-eligibility"),
            "version": 1,
            "priority": 1,
            "eligibility": {
                "id": format!("{id}-{vehicle}"),
                "version": 1,
                "qualifications": [{"freeToPark": false}],
            },
            "rateTable": reference("RateTable", &price.id.to_string(), 1),
        }],
        "validity": {
            "validityStatus": "definedByValidityTimeSpec",
            "validityTimeSpecification": validity,
        },
    })
}

const fn day_name(day: Day) -> &'static str {
    match day {
        Day::Mon => "monday",
        Day::Tue => "tuesday",
        Day::Wed => "wednesday",
        Day::Thu => "thursday",
        Day::Fri => "friday",
        Day::Sat => "saturday",
        Day::Sun | Day::Holiday => "sunday",
    }
}

/// `/open/apds/v4/sessions`
pub(super) async fn sessions(ask: &Ask) -> Result<Answer, ApiError> {
    let part = ask.params.part(PAGE, PAGE_MAX)?;
    let to = ask.params.seconds("end_before")?.unwrap_or(ask.now);
    let from = ask
        .params
        .seconds("end_after")?
        .unwrap_or(to - TimeDelta::days(1));
    if from >= to || to - from > SESSIONS_FOR {
        return Err(bad(
            "end_after lies before end_before, by at most seven days",
        ));
    }
    let lots = ask.params.text("place").map(|code| vec![code.to_owned()]);
    if let Some([code]) = lots.as_deref()
        && ask.city.lot(code).is_none()
    {
        return Err(ApiError::NotFound("place"));
    }
    let asked = ask.past(lots.as_deref(), None, (from, to), part);
    let mut found = ask.store.open_stays(&asked).await?;
    let next = next_of(&mut found, part);
    let data = found.iter().filter_map(|stay| session_value(ask, stay));
    list(ask, data.collect(), None, part, next)
}

fn session_value(ask: &Ask, stay: &OpenStay) -> Option<Value> {
    let lot = ask.city.lot(&stay.lot)?;
    let from = stay.from.timestamp_micros().to_string();
    // Of each kind another, so that one is of no use to find the other.
    let name = |kind: &str| pseudonym(&ask.app.secrets, kind, &[&stay.bay, &from]).to_string();
    let (start, end) = (instant(minute(stay.from)), instant(minute(stay.until)));
    let city = &ask.app.city;
    Some(json!({
        "id": name("apds session"),
        "version": 1,
        "actualStart": start,
        "actualEnd": end,
        "initiator": organisation(ask),
        "hierarchyElement": reference("Place", &stay.lot, version(lot)),
        "identifiedCredentials": [{
            "type": "electronicID",
            "identifier": {"className": "PseudonymousCredential", "id": name("apds credential")},
            "issuer": text("vi", &city.name),
        }],
        "segments": [{
            "id": name("apds segment"),
            "version": 1,
            "actualStart": start,
            "actualEnd": end,
            "assignedRight": reference("AssignedRight", &name("apds right"), 1),
            "validationType": ["electronicID"],
        }],
    }))
}
