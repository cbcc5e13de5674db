//! A synthetic city modelled on central Hanoi: real wards and streets, invented lots and bays.

use domain::device::{Device, DeviceModel, Mounting};
use domain::place::{Bay, City, Lot, LotKind, Operator, Place, VehicleClass, Ward, Zone};
use domain::tariff::file::TariffFile;

mod amenity;
mod lots;
pub(crate) mod outline;
mod streets;

pub use lots::Demand;
use lots::{LOTS, LotSpec, OPERATORS, WARDS};

use crate::sensor::{BOSCH, NWAVE};

/// The city's code.
pub const CODE: &str = "hanoi";

/// The fewest and the most bays the city can be drawn with.
pub const BAYS: std::ops::RangeInclusive<u32> = 80..=20_000;

/// The lot that has more bays than it is licensed for, so that there is something to be seen of it: one
/// that is full all day.
pub const CROWDED: &str = "HK-09";

/// The city's prices, as its operator would import them.
const TARIFFS: &str = include_str!("../../../deploy/tariffs/hanoi.toml");

/// After how long without a word a bay is unknown: devices speak at least once an hour.
const SILENCE_AFTER_S: i32 = 3 * 3600;

/// The city with that many bays. The same number gives the same city.
///
/// # Errors
/// Where `bays` lies outside [`BAYS`].
pub fn hanoi(bays: u32) -> anyhow::Result<Place> {
    anyhow::ensure!(
        BAYS.contains(&bays),
        "a city has {} to {} bays, not {bays}",
        BAYS.start(),
        BAYS.end()
    );
    let mut devices = 0;
    let counts = shares(bays);
    let lots = LOTS
        .iter()
        .zip(counts)
        .map(|(spec, bays)| lot(spec, bays, &mut devices))
        .collect();
    Ok(Place {
        city: City {
            code: CODE.to_owned(),
            name: "Hà Nội".to_owned(),
            timezone: chrono_tz::Asia::Ho_Chi_Minh,
        },
        operators: OPERATORS
            .iter()
            .map(|(code, name, bin, account)| Operator {
                code: (*code).to_owned(),
                name: (*name).to_owned(),
                bank_bin: (*bin).to_owned(),
                bank_account: (*account).to_owned(),
                city_share_bp: Some(2_000),
                // No real company's: the demo sells nothing.
                tax_code: Some("0100000000".to_owned()),
                address: Some("Hà Nội".to_owned()),
                invoice_code: Some("DEMO0".to_owned()),
            })
            .collect(),
        wards: WARDS
            .iter()
            .map(|(code, name)| Ward {
                code: (*code).to_owned(),
                name: (*name).to_owned(),
            })
            .collect(),
        zones: zones()?,
        lots,
        map: streets::map(),
    })
}

/// What kind of demand a lot of the city has.
pub fn demand(lot_code: &str) -> Demand {
    LOTS.iter()
        .find(|spec| spec.code == lot_code)
        .map_or(Demand::Office, |spec| spec.demand)
}

/// A bay as the simulation sees it.
#[derive(Clone, Debug)]
pub struct SensedBay {
    /// Its number in the city, from 0: what its chances are drawn from.
    pub index: u32,
    /// The code on its sticker.
    pub code: String,
    /// Its lot's code.
    pub lot: String,
    /// What it is made for.
    pub class: VehicleClass,
    /// What brings vehicles to it.
    pub demand: Demand,
    /// Its sensor.
    pub device: Device,
}

/// The bays of a place that have a sensor, in order.
pub fn sensed_bays(place: &Place) -> Vec<SensedBay> {
    place
        .lots
        .iter()
        .flat_map(|lot| lot.bays.iter().map(move |bay| (lot, bay)))
        .zip(0..)
        .filter_map(|((lot, bay), index)| {
            Some(SensedBay {
                index,
                code: bay.code.clone(),
                lot: lot.code.clone(),
                class: bay.class,
                demand: demand(&lot.code),
                device: bay.device.clone()?,
            })
        })
        .collect()
}

/// How many bays each lot gets: by its weight, at least two, in all exactly `bays`.
fn shares(bays: u32) -> Vec<u32> {
    let total: u32 = LOTS.iter().map(|spec| spec.weight).sum();
    let spare = bays - 2 * LOTS.len() as u32;
    let mut counts: Vec<u32> = LOTS
        .iter()
        .map(|spec| 2 + spare * spec.weight / total)
        .collect();
    let missing = bays - counts.iter().sum::<u32>();
    counts
        .iter_mut()
        .take(missing as usize)
        .for_each(|count| *count += 1);
    counts
}

fn lot(spec: &LotSpec, bays: u32, devices: &mut u32) -> Lot {
    let motorbikes = bays * spec.motorbike_percent / 100;
    let classes: Vec<VehicleClass> = (0..bays)
        .map(|i| {
            if i < bays - motorbikes {
                VehicleClass::Car
            } else {
                VehicleClass::Motorbike
            }
        })
        .collect();
    let outlines = match spec.kind {
        LotKind::Street => outline::kerb(&classes, spec.bearing_deg),
        LotKind::OffStreet => outline::yard(&classes),
    };
    let licensed = match spec.code {
        CROWDED => bays * 2 / 3,
        _ => bays,
    };
    let of = |class, bays| amenity::amenities(spec.kind, spec.demand, class, bays);
    // Cars first, as the classes stand.
    let mut amenities = of(VehicleClass::Car, bays - motorbikes);
    amenities.extend(of(VehicleClass::Motorbike, motorbikes));
    let bays = classes
        .into_iter()
        .zip(amenities)
        .zip(outlines)
        .enumerate()
        .map(|(index, ((class, amenities), outline))| {
            *devices += 1;
            Bay {
                code: format!("{}-{:03}", spec.code, index + 1),
                class,
                amenities,
                outline,
                device: Some(device(*devices)),
            }
        });
    Lot {
        code: spec.code.to_owned(),
        name: spec.name.to_owned(),
        kind: spec.kind,
        ward: spec.ward.to_owned(),
        zone: spec.zone.to_owned(),
        operator: OPERATORS[spec.operator].0.to_owned(),
        position: spec.position,
        licensed_places: Some(licensed.max(1)),
        bays: bays.collect(),
    }
}

/// Of twenty devices twelve speak our own JSON, five are Bosch's and three Nwave's. The DevEUIs are
/// locally administered ones, which no real device has.
fn device(number: u32) -> Device {
    let (id, model) = match number % 20 {
        0..12 => (format!("d{number:06}"), DeviceModel::CLEARBAY),
        12..17 => (format!("0200b05c{number:08x}"), BOSCH),
        _ => (format!("02004e57{number:08x}"), NWAVE),
    };
    Device {
        id,
        model,
        mounting: Mounting::default(),
        silence_after_s: Some(SILENCE_AFTER_S),
    }
}

/// The zones with the tariffs of [`TARIFFS`].
fn zones() -> anyhow::Result<Vec<Zone>> {
    let file = TariffFile::read(TARIFFS).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("hanoi.toml: {}", errors.join("; "))
    })?;
    let names = [
        ("A", "Khu phố cổ · Old Quarter"),
        ("B", "Trung tâm · Centre"),
        ("C", "Ngoài trung tâm · Outer"),
    ];
    let zone = |(code, name): (&str, &str)| Zone {
        code: code.to_owned(),
        name: name.to_owned(),
        tariffs: file.zone(code),
    };
    Ok(names.map(zone).to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn a_city_of_any_size_is_sound() {
        for bays in [80, 81, 333, 2_000, 5_000] {
            let place = hanoi(bays).unwrap();
            assert_eq!(place.validate(), Ok(()));
            assert_eq!(place.wards.len(), 12);
            assert_eq!(place.lots.len(), 40);
            let count: usize = place.lots.iter().map(|lot| lot.bays.len()).sum();
            assert_eq!(count, bays as usize);
            assert!(place.lots.iter().all(|lot| !lot.bays.is_empty()));
            for lot in &place.lots {
                let places = lot.licensed_places.unwrap() as usize;
                assert_eq!(places < lot.bays.len(), lot.code == CROWDED, "{}", lot.code);
            }
        }
        assert!(hanoi(79).is_err());
        assert!(hanoi(20_001).is_err());
    }

    #[test]
    fn codes_fit_on_a_sticker_and_lots_lie_in_hanoi() {
        let place = hanoi(2_000).unwrap();
        for lot in &place.lots {
            let [longitude, latitude] = lot.position;
            assert!((105.77..105.87).contains(&longitude), "{}", lot.code);
            assert!((20.99..21.07).contains(&latitude), "{}", lot.code);
            for bay in &lot.bays {
                assert!(bay.code.starts_with(&lot.code) && bay.code.len() <= 12);
                let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
                assert!(bay.code.chars().all(plain), "{}", bay.code);
                let near = |metres: f32| metres.abs() < 150.0;
                assert!(
                    bay.outline.iter().flatten().all(|metres| near(*metres)),
                    "{}",
                    bay.code
                );
            }
        }
        let bays = sensed_bays(&place);
        assert_eq!(bays.len(), 2_000);
        let share =
            |model: DeviceModel| bays.iter().filter(|bay| bay.device.model == model).count();
        assert_eq!(share(DeviceModel::CLEARBAY), 1_200);
        assert_eq!(share(BOSCH), 500);
        assert_eq!(share(NWAVE), 300);
    }

    #[test]
    fn some_bays_are_for_disabled_people_and_some_have_a_charger() {
        let place = hanoi(2_000).unwrap();
        let bays = || place.lots.iter().flat_map(|lot| &lot.bays);
        let count = |of: fn(&Bay) -> bool| bays().filter(|bay| of(bay)).count();
        let accessible = count(|bay| bay.amenities.accessible);
        let charging = count(|bay| bay.amenities.charging);
        assert!((60..140).contains(&accessible), "{accessible}");
        assert!((100..260).contains(&charging), "{charging}");
        assert!(count(|bay| bay.amenities.accessible && bay.amenities.charging) > 0);
        assert!(count(|bay| bay.class == VehicleClass::Motorbike && !bay.amenities.is_none()) > 0);
    }

    #[test]
    fn prices_are_hanois() {
        let place = hanoi(80).unwrap();
        let at = |year| {
            let hanoi = chrono_tz::Asia::Ho_Chi_Minh;
            hanoi
                .with_ymd_and_hms(year, 3, 2, 9, 0, 0)
                .unwrap()
                .to_utc()
        };
        let price = |zone: &str, class, year, minutes| {
            let zone = place.zones.iter().find(|found| found.code == zone).unwrap();
            let to = at(year) + chrono::TimeDelta::minutes(minutes);
            domain::tariff::quote(&zone.tariffs, class, place.city.timezone, at(year), to)
                .unwrap()
                .amount_vnd
                .get()
        };
        let car = VehicleClass::Car;
        assert_eq!(price("B", car, 2026, 60), 25_000);
        assert_eq!(price("B", car, 2026, 8 * 60), 300_000);
        assert_eq!(price("B", car, 2026, 9 * 60), 345_000);
        assert_eq!(price("A", car, 2026, 90), 60_000);
        assert_eq!(price("A", car, 2026, 121), 120_000);
        assert_eq!(price("A", car, 2026, 10), 0);
        assert_eq!(price("C", car, 2026, 24 * 60), 300_000);
        assert_eq!(price("A", VehicleClass::Motorbike, 2026, 60), 5_000);
        assert_eq!(price("A", VehicleClass::Motorbike, 2026, 12 * 60), 13_000);
        assert!(
            price("A", car, 2016, 90) < 60_000,
            "an earlier version was cheaper"
        );
    }
}
