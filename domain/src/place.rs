//! The city as a document: what is imported before the first sensor speaks.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::licence::LICENSED_PLACES;
use crate::map::{self, MapError, MapFeature};
use crate::tariff::{Tariff, TariffError};

/// What a bay is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VehicleClass {
    /// A car of up to nine seats.
    Car,
    /// A motorbike or scooter.
    Motorbike,
}

/// Where a lot lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LotKind {
    /// A yard, garage or square.
    OffStreet,
    /// A segment of kerb.
    Street,
}

macro_rules! codes {
    ($name:ident { $($variant:ident = $code:literal),* $(,)? }) => {
        impl $name {
            /// The name in the database, in documents and in replies.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// The value of that name.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}
pub(crate) use codes;

codes!(VehicleClass { Car = "car", Motorbike = "motorbike" });
codes!(LotKind { OffStreet = "off_street", Street = "street" });

/// A point on the ground: longitude and latitude in degrees (WGS 84), as in GeoJSON.
pub type Position = [f64; 2];

/// What a bay has beside its room: whom it is kept for, and what stands beside it. Also what somebody
/// wants of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Amenities {
    /// It is kept for disabled people.
    pub accessible: bool,
    /// It has a charger for electric vehicles.
    pub charging: bool,
}

impl Amenities {
    /// Whether there is nothing of the kind.
    pub const fn is_none(self) -> bool {
        !self.accessible && !self.charging
    }
}

/// A city and all that is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The city itself.
    pub city: City,
    /// Who runs its lots.
    pub operators: Vec<Operator>,
    /// Its districts.
    pub wards: Vec<Ward>,
    /// Its price zones with their tariffs.
    pub zones: Vec<Zone>,
    /// Its lots with their bays and devices.
    pub lots: Vec<Lot>,
    /// What its map shows beside the lots: streets, water, parks.
    #[serde(default)]
    pub map: Vec<MapFeature>,
}

/// A city.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct City {
    /// Short code, unique.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The time zone in which its days and price windows are counted.
    pub timezone: Tz,
}

/// A company or agency that runs lots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Short code, unique.
    pub code: String,
    /// Its name.
    pub name: String,
    /// NAPAS identification number (BIN) of its bank, six digits.
    pub bank_bin: String,
    /// Its account there, into which drivers pay.
    pub bank_account: String,
    /// The city's share of what remains of each payment after tax, in basis points; nothing where none is named. This and
    /// what follows stays as it is where it is left out of a document that is imported again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city_share_bp: Option<u16>,
    /// Its tax code, for invoices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<String>,
    /// Its address, for invoices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The five characters that the tax authority has allotted to its cash registers; none, or empty, where
    /// it issues no e-invoices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice_code: Option<String>,
}

/// A district.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ward {
    /// Short code, unique in the city.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// Bays that share a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Short code, unique in the city.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Every version for every class.
    pub tariffs: Vec<Tariff>,
}

/// A lot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lot {
    /// Short code, unique.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Off-street or street.
    pub kind: LotKind,
    /// Code of its ward.
    pub ward: String,
    /// Code of its zone.
    pub zone: String,
    /// Code of its operator.
    pub operator: String,
    /// Its middle.
    pub position: Position,
    /// How many vehicles it is licensed to hold at once, which may be fewer than its bays; `None` where
    /// the city has not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licensed_places: Option<u32>,
    /// Its bays.
    pub bays: Vec<Bay>,
}

/// One vehicle's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "BayFields", into = "BayFields")]
pub struct Bay {
    /// The code on its sticker, unique.
    pub code: String,
    /// What it is made for.
    pub class: VehicleClass,
    /// Whether it is kept for disabled people, and whether it has a charger.
    pub amenities: Amenities,
    /// Its four corners in metres east and north of the lot's position.
    pub outline: [[f32; 2]; 4],
    /// Its sensor, if it has one.
    pub device: Option<Device>,
}

/// A bay as documents have it, where a key that is misspelt must not read as none.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BayFields {
    code: String,
    class: VehicleClass,
    #[serde(default)]
    accessible: bool,
    #[serde(default)]
    charging: bool,
    outline: [[f32; 2]; 4],
    #[serde(default)]
    device: Option<Device>,
}

impl From<BayFields> for Bay {
    fn from(fields: BayFields) -> Self {
        Self {
            code: fields.code,
            class: fields.class,
            amenities: Amenities {
                accessible: fields.accessible,
                charging: fields.charging,
            },
            outline: fields.outline,
            device: fields.device,
        }
    }
}

impl From<Bay> for BayFields {
    fn from(bay: Bay) -> Self {
        Self {
            code: bay.code,
            class: bay.class,
            accessible: bay.amenities.accessible,
            charging: bay.amenities.charging,
            outline: bay.outline,
            device: bay.device,
        }
    }
}

/// What is wrong with a [`Place`].
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum PlaceError {
    /// Two things of one kind share a code.
    #[error("{kind} {code:?} appears twice")]
    Repeated {
        /// What kind of thing.
        kind: &'static str,
        /// Its code.
        code: String,
    },
    /// A code that cannot stand in addresses, topics and on stickers as it is.
    #[error("{kind} {code:?}: a code has letters, digits, `-` and `_` only, 40 at most")]
    Code {
        /// What kind of thing.
        kind: &'static str,
        /// Its code.
        code: String,
    },
    /// A lot names something that the document does not have.
    #[error("lot {lot:?} names {kind} {code:?}, which is not in the document")]
    Unknown {
        /// The lot's code.
        lot: String,
        /// What kind of thing it names.
        kind: &'static str,
        /// The code it names.
        code: String,
    },
    /// A tariff is not sound.
    #[error("zone {zone:?}, {class} from {from}: {reason}")]
    Tariff {
        /// The zone's code.
        zone: String,
        /// The class of the bad tariff.
        class: VehicleClass,
        /// The start of the bad tariff.
        from: crate::Timestamp,
        /// The rule broken.
        reason: TariffError,
    },
    /// A licence names no number of places that can be.
    #[error(
        "lot {lot:?}: licensed_places is {places}, not a number from 1 to 100000; leave it out where it is not known"
    )]
    LicensedPlaces {
        /// The lot's code.
        lot: String,
        /// What it names.
        places: u32,
    },
    /// The map cannot be drawn.
    #[error("map: {0}")]
    Map(#[from] MapError),
}

impl Place {
    /// Checks that codes are unique, references resolve, licences and tariffs are sound and the map can be
    /// drawn.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn validate(&self) -> Result<(), PlaceError> {
        plain("city", [&self.city.code].into_iter())?;
        plain("operator", self.operators.iter().map(|o| &o.code))?;
        plain("ward", self.wards.iter().map(|w| &w.code))?;
        plain("zone", self.zones.iter().map(|z| &z.code))?;
        plain("lot", self.lots.iter().map(|l| &l.code))?;
        let codes = self.lots.iter().flat_map(|lot| &lot.bays);
        plain("bay", codes.map(|bay| &bay.code))?;
        unique("operator", self.operators.iter().map(|o| &o.code))?;
        unique("ward", self.wards.iter().map(|w| &w.code))?;
        unique("zone", self.zones.iter().map(|z| &z.code))?;
        unique("lot", self.lots.iter().map(|l| &l.code))?;
        let bays = || self.lots.iter().flat_map(|lot| &lot.bays);
        unique("bay", bays().map(|b| &b.code))?;
        map::check(&self.map)?;
        unique(
            "device",
            bays().filter_map(|b| b.device.as_ref()).map(|d| &d.id),
        )?;
        for zone in &self.zones {
            let version = |t: &Tariff| format!("{} {} {}", zone.code, t.class, t.effective_from);
            let versions: Vec<String> = zone.tariffs.iter().map(version).collect();
            unique("tariff", versions.iter())?;
            for tariff in &zone.tariffs {
                tariff.validate().map_err(|reason| PlaceError::Tariff {
                    zone: zone.code.clone(),
                    class: tariff.class,
                    from: tariff.effective_from,
                    reason,
                })?;
            }
        }
        for lot in &self.lots {
            if let Some(places) = lot.licensed_places
                && !LICENSED_PLACES.contains(&places)
            {
                return Err(PlaceError::LicensedPlaces {
                    lot: lot.code.clone(),
                    places,
                });
            }
            let known = [
                (
                    "ward",
                    &lot.ward,
                    self.wards.iter().any(|w| w.code == lot.ward),
                ),
                (
                    "zone",
                    &lot.zone,
                    self.zones.iter().any(|z| z.code == lot.zone),
                ),
                (
                    "operator",
                    &lot.operator,
                    self.operators.iter().any(|o| o.code == lot.operator),
                ),
            ];
            for (kind, code, found) in known {
                if !found {
                    return Err(PlaceError::Unknown {
                        lot: lot.code.clone(),
                        kind,
                        code: code.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The longest code, in characters.
const CODE_MAX: usize = 40;

/// Codes are levels of addresses and topics, for which nothing has to be escaped.
fn plain<'a>(
    kind: &'static str,
    codes: impl Iterator<Item = &'a String>,
) -> Result<(), PlaceError> {
    let is_plain = |code: &str| {
        let mut letters = code.bytes();
        let known = letters.all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        known && (1..=CODE_MAX).contains(&code.len())
    };
    let mut codes = codes;
    match codes.find(|code| !is_plain(code)) {
        Some(code) => Err(PlaceError::Code {
            kind,
            code: code.clone(),
        }),
        None => Ok(()),
    }
}

fn unique<'a>(
    kind: &'static str,
    codes: impl Iterator<Item = &'a String>,
) -> Result<(), PlaceError> {
    let mut seen = std::collections::HashSet::new();
    for code in codes {
        if !seen.insert(code) {
            return Err(PlaceError::Repeated {
                kind,
                code: code.clone(),
            });
        }
    }
    Ok(())
}
