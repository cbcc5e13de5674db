//! Entities for FIWARE platforms: NGSI-LD (ETSI GS CIM 009) with the Smart Data Models ParkingSpot 0.1.0,
//! OnStreetParking 0.1.4 and OffStreetParking 0.1.3 (<https://github.com/smart-data-models/dataModel.Parking>).

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::board::Occupancy;
use domain::place::{LotKind, VehicleClass};
use serde_json::{Map, Value, json};

use super::geometry::{middle, point, size_cm};
use super::params::{Params, bad};
use super::snapshot::{SnapBay, SnapLot};
use super::{Answer, Ask, instant};
use crate::ApiError;
use crate::percent::percent_encoded;

const CORE: &str = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld";
const MODELS: &str =
    "https://raw.githubusercontent.com/smart-data-models/dataModel.Parking/master/context.jsonld";
/// The names of types in full begin so.
const TYPES: &str = "https://smartdatamodels.org/dataModel.Parking/";
/// How many entities come at once, as with other brokers.
const ENTITIES: usize = 20;
/// How many may.
const ENTITIES_MAX: usize = 1_000;
/// Says how many entities there are.
const COUNT: HeaderName = HeaderName::from_static("ngsild-results-count");

/// What an attribute is.
enum Attribute {
    /// Something that does not change by itself.
    Is(Value),
    /// Something that was observed.
    Seen(Value),
    /// Where it is.
    Place(Value),
    /// Another entity.
    Of(String),
}

struct Entity {
    id: String,
    kind: &'static str,
    attributes: Vec<(&'static str, Attribute)>,
}

/// How entities are written.
#[derive(Clone, Copy)]
struct Form {
    /// Bare values.
    simplified: bool,
    /// With the context in each.
    linked: bool,
}

fn form(ask: &Ask) -> Result<Form, ApiError> {
    let options = ask.params.text("options").unwrap_or_default().split(',');
    let format = ask.params.text("format").into_iter();
    let mut simplified = false;
    for option in options.chain(format).filter(|option| !option.is_empty()) {
        match option {
            "keyValues" | "simplified" => simplified = true,
            "normalized" => {}
            _ => return Err(bad("options are keyValues, simplified or normalized")),
        }
    }
    Ok(Form {
        simplified,
        linked: ask.media == "application/ld+json",
    })
}

fn words(params: &Params, name: &str) -> Option<Vec<String>> {
    let list = params.text(name)?.split(',').map(str::trim);
    Some(list.map(str::to_owned).collect())
}

/// `/open/ngsi-ld/v1/entities`
pub(super) async fn entities(ask: &Ask) -> Result<Answer, ApiError> {
    let form = form(ask)?;
    let (types, ids) = (words(&ask.params, "type"), words(&ask.params, "id"));
    let attrs = words(&ask.params, "attrs");
    // ETSI GS CIM 009, 5.7.2: a query that asks for everything is refused.
    if types.is_none() && ids.is_none() && attrs.is_none() {
        return Err(bad(
            "one of the parameters type, id and attrs is missing: ask for type=ParkingSpot, for one",
        ));
    }
    ask.params.flag("local")?;
    let with_count = ask.params.flag("count")?.unwrap_or(false);
    let only_count = ask.params.text("limit") == Some("0");
    if only_count && !with_count {
        return Err(bad("limit is 0 only with count=true"));
    }
    let part = match only_count {
        true => None,
        false => Some(ask.params.part(ENTITIES, ENTITIES_MAX)?),
    };
    let is_wanted = |kind: &str, id: &str| {
        let types = types.as_ref();
        types.is_none_or(|types| {
            types
                .iter()
                .any(|t| t.strip_prefix(TYPES).unwrap_or(t) == kind)
        }) && ids.as_ref().is_none_or(|ids| ids.iter().any(|i| i == id))
    };
    // Lots first, then bays, each in order of code: a stable order, so that parts fit together.
    let mut found: Vec<Named<'_>> = Vec::new();
    let lots = ask.city.lots.iter().map(Named::Lot);
    let bays = ask.city.lots.iter().flat_map(|lot| {
        let bays = lot.bays.iter();
        bays.map(move |bay| Named::Bay(lot, bay))
    });
    found.extend(
        lots.chain(bays)
            .filter(|named| is_wanted(named.kind(), &named.id())),
    );
    let mut entities: Vec<Entity>;
    let (total, next) = match &attrs {
        // Only entities that have one of them.
        Some(attrs) => {
            entities = found.iter().map(|named| named.entity(ask)).collect();
            for entity in &mut entities {
                entity
                    .attributes
                    .retain(|(name, _)| attrs.iter().any(|attr| attr == name));
            }
            entities.retain(|entity| !entity.attributes.is_empty());
            let total = entities.len();
            let part = part.map(|part| (part.offset, part.limit));
            let (offset, limit) = part.unwrap_or((0, 0));
            entities.drain(..offset.min(total));
            entities.truncate(limit);
            (total, offset + limit < total)
        }
        None => {
            let (some, next) = part.map_or((&found[..0], None), |part| part.of(&found));
            entities = some.iter().map(|named| named.entity(ask)).collect();
            (found.len(), next.is_some())
        }
    };
    let body = written(&entities, ask, form);
    let mut answer = with_context(Answer::json(ask, &body)?, ask);
    if with_count {
        answer = answer.with(COUNT, total.to_string());
    }
    if let Some(part) = part {
        let link = |offset: usize, rel: &str| {
            let query = ask.params.without(&["limit", "offset"]);
            let path = ask.feed.path;
            format!(
                "<{path}?{query}limit={}&offset={offset}>; rel=\"{rel}\"; type=\"{}\"",
                part.limit, ask.media
            )
        };
        if next {
            answer = answer.with(header::LINK, link(part.offset + part.limit, "next"));
        }
        if part.offset > 0 {
            let before = part.offset.saturating_sub(part.limit);
            answer = answer.with(header::LINK, link(before, "prev"));
        }
    }
    Ok(answer)
}

/// `/open/ngsi-ld/v1/entities/{id}`
pub(super) async fn entity(ask: &Ask) -> Result<Answer, ApiError> {
    let form = form(ask)?;
    let lots = ask.city.lots.iter().map(Named::Lot);
    let bays = ask.city.lots.iter().flat_map(|lot| {
        let bays = lot.bays.iter();
        bays.map(move |bay| Named::Bay(lot, bay))
    });
    let found = lots.chain(bays).find(|named| named.id() == ask.id);
    let mut entity = found.ok_or(ApiError::NotFound("entity"))?.entity(ask);
    if let Some(attrs) = words(&ask.params, "attrs") {
        entity
            .attributes
            .retain(|(name, _)| attrs.iter().any(|attr| attr == name));
        if entity.attributes.is_empty() {
            return Err(ApiError::NotFound("entity with such attributes"));
        }
    }
    let body = match ask.media {
        "application/geo+json" => entity.feature(form),
        _ => entity.value(ask, form),
    };
    Ok(with_context(Answer::json(ask, &body)?, ask))
}

/// `/open/ngsi-ld/context.jsonld`
pub(super) fn context(ask: &Ask) -> Result<Answer, ApiError> {
    Answer::json(ask, &json!({ "@context": contexts() }))
}

/// The core context comes last, so that no other gives its terms another meaning (ETSI GS CIM 009, 4.4).
fn contexts() -> [&'static str; 2] {
    [MODELS, CORE]
}

fn written(entities: &[Entity], ask: &Ask, form: Form) -> Value {
    if ask.media == "application/geo+json" {
        let features: Vec<Value> = entities.iter().map(|entity| entity.feature(form)).collect();
        return json!({"type": "FeatureCollection", "features": features});
    }
    let values = entities.iter().map(|entity| entity.value(ask, form));
    Value::Array(values.collect())
}

/// Where the context is not in the body, a header says where it is: one that has both.
fn with_context(answer: Answer, ask: &Ask) -> Answer {
    if ask.media == "application/ld+json" {
        return answer;
    }
    let url = &ask.app.public_url;
    answer.with(
        header::LINK,
        format!(
            "<{url}/open/ngsi-ld/context.jsonld>; rel=\"http://www.w3.org/ns/json-ld#context\"; type=\"application/ld+json\""
        ),
    )
}

/// A lot or a bay, before it is written.
enum Named<'a> {
    Lot(&'a SnapLot),
    Bay(&'a SnapLot, &'a SnapBay),
}

fn kind_of(lot: &SnapLot) -> &'static str {
    match lot.lot.kind {
        LotKind::Street => "OnStreetParking",
        LotKind::OffStreet => "OffStreetParking",
    }
}

/// The URN of a bay.
pub(super) fn spot(bay: &str) -> String {
    urn("ParkingSpot", bay)
}

fn urn(kind: &str, code: &str) -> String {
    // Codes may have characters that a URN may not.
    let name = percent_encoded(code, "-_.");
    format!("urn:ngsi-ld:{kind}:clearbay:{name}")
}

impl Named<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Lot(lot) => kind_of(lot),
            Self::Bay(..) => "ParkingSpot",
        }
    }

    fn id(&self) -> String {
        match self {
            Self::Lot(lot) => urn(kind_of(lot), &lot.lot.code),
            Self::Bay(_, bay) => spot(&bay.bay.code),
        }
    }

    fn entity(&self, ask: &Ask) -> Entity {
        use Attribute::{Is, Of, Place, Seen};
        let attributes = match self {
            Self::Bay(lot, bay) => {
                let status = match bay.bay.state {
                    Occupancy::Free => "free",
                    Occupancy::Occupied => "occupied",
                    Occupancy::Unknown => "unknown",
                };
                let category = match lot.lot.kind {
                    LotKind::Street => "onStreet",
                    LotKind::OffStreet => "offStreet",
                };
                let (length, width) = size_cm(&bay.bay.outline);
                vec![
                    ("name", Is(bay.bay.code.clone().into())),
                    ("category", Is(json!([category]))),
                    ("location", Place(point(middle(&bay.ring)))),
                    ("status", Seen(status.into())),
                    ("refParkingSite", Of(urn(kind_of(lot), &lot.lot.code))),
                    ("length", Is((length as f64 / 100.0).into())),
                    ("width", Is((width as f64 / 100.0).into())),
                ]
            }
            Self::Lot(known) => {
                let lot = &known.lot;
                let vehicle = |class| match class {
                    VehicleClass::Car => "car",
                    VehicleClass::Motorbike => "motorcycle",
                };
                let classes = lot.classes.iter().map(|count| vehicle(count.class));
                let mut attributes = vec![
                    ("name", Is(lot.name.clone().into())),
                    ("category", Is(json!(["public", "feeCharged"]))),
                    ("location", Place(point(lot.position))),
                    ("areaServed", Is(lot.ward.clone().into())),
                    ("dataProvider", Is(ask.app.city.name.clone().into())),
                    ("allowedVehicleType", Is(classes.collect::<Vec<_>>().into())),
                    ("totalSpotNumber", Is(lot.capacity.into())),
                ];
                // What is neither available nor occupied is unknown; where all is, no number is told.
                if lot.unknown < lot.capacity {
                    attributes.push(("availableSpotNumber", Seen(lot.free.into())));
                    attributes.push(("occupiedSpotNumber", Seen(lot.occupied.into())));
                }
                if lot.kind == LotKind::Street {
                    let detection = json!(["singleSpaceDetection"]);
                    attributes.push(("occupancyDetectionType", Is(detection)));
                }
                if let Some(at) = lot.updated_at {
                    let observed = json!(instant(at));
                    attributes.push(("observationDateTime", Is(observed)));
                }
                attributes
            }
        };
        Entity {
            id: self.id(),
            kind: self.kind(),
            attributes,
        }
    }
}

impl Entity {
    fn members(&self, at: Option<&str>, form: Form) -> Map<String, Value> {
        let member = |(name, attribute): &(&str, Attribute)| {
            let value = match (attribute, form.simplified) {
                (Attribute::Is(value) | Attribute::Seen(value) | Attribute::Place(value), true) => {
                    value.clone()
                }
                (Attribute::Of(id), true) => id.clone().into(),
                (Attribute::Is(value), false) => json!({"type": "Property", "value": value}),
                (Attribute::Seen(value), false) => {
                    json!({"type": "Property", "value": value, "observedAt": at})
                }
                (Attribute::Place(value), false) => json!({"type": "GeoProperty", "value": value}),
                (Attribute::Of(id), false) => json!({"type": "Relationship", "object": id}),
            };
            ((*name).to_owned(), value)
        };
        self.attributes.iter().map(member).collect()
    }

    fn value(&self, ask: &Ask, form: Form) -> Value {
        let mut value = self.members(Some(&instant(ask.city.at)), form);
        value.insert("id".to_owned(), self.id.clone().into());
        value.insert("type".to_owned(), self.kind.into());
        if form.linked {
            value.insert("@context".to_owned(), json!(contexts()));
        }
        Value::Object(value)
    }

    fn feature(&self, form: Form) -> Value {
        let place = self
            .attributes
            .iter()
            .find_map(|(_, attribute)| match attribute {
                Attribute::Place(geometry) => Some(geometry),
                _ => None,
            });
        let mut properties = self.members(None, form);
        properties.insert("type".to_owned(), self.kind.into());
        json!({"type": "Feature", "id": self.id, "geometry": place, "properties": properties})
    }
}

/// A problem as NGSI-LD names its kinds (ETSI GS CIM 009, 5.5.2 and 6.3.2), with what is wrong in this very case.
pub(super) fn problem(error: ApiError) -> Response {
    let (kind, title) = match &error {
        ApiError::BadRequest(_) | ApiError::Unprocessable(_) => {
            ("BadRequestData", "The request cannot be done as it is")
        }
        ApiError::NotFound(_) => ("ResourceNotFound", "There is no such entity"),
        ApiError::NotAcceptable(_) => ("InvalidRequest", "No media type that is taken"),
        _ => ("InternalError", "Try again later"),
    };
    let body = json!({
        "type": format!("https://uri.etsi.org/ngsi-ld/errors/{kind}"),
        "title": title,
        "detail": error.to_string(),
        "status": error.status().as_u16(),
    });
    let mut response = error.into_response();
    *response.body_mut() = Body::from(body.to_string());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
