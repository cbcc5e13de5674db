//! A synthetic city modelled on central Hanoi: real wards and streets, invented lots and bays.

use chrono::{DateTime, NaiveTime, TimeZone, Utc};
use domain::device::{Device, DeviceModel};
use domain::money::Vnd;
use domain::place::{Bay, City, Lot, LotKind, Operator, Place, VehicleClass, Ward, Zone};
use domain::tariff::{Block, Pricing, Tariff, Window};

mod lots;
mod outline;

pub use lots::Demand;
use lots::{LOTS, LotSpec, OPERATORS, WARDS};

/// The city's code.
pub const CODE: &str = "hanoi";

/// The fewest and the most bays the city can be drawn with.
pub const BAYS: std::ops::RangeInclusive<u32> = 80..=20_000;

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
            })
            .collect(),
        wards: WARDS
            .iter()
            .map(|(code, name)| Ward {
                code: (*code).to_owned(),
                name: (*name).to_owned(),
            })
            .collect(),
        zones: zones(),
        lots,
    })
}

/// What kind of demand a lot of the city has.
pub fn demand(lot_code: &str) -> Demand {
    LOTS.iter()
        .find(|spec| spec.code == lot_code)
        .map_or(Demand::Office, |spec| spec.demand)
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
    let bays = classes
        .into_iter()
        .zip(outlines)
        .enumerate()
        .map(|(index, (class, outline))| {
            *devices += 1;
            Bay {
                code: format!("{}-{:03}", spec.code, index + 1),
                class,
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
        bays: bays.collect(),
    }
}

/// Of twenty devices twelve speak our own JSON, five are Bosch's and three Nwave's.
fn device(number: u32) -> Device {
    let (id, model) = match number % 20 {
        0..12 => (format!("d{number:06}"), DeviceModel::Clearbay),
        12..17 => (format!("70b3d5b0{number:08x}"), DeviceModel::BoschTps110),
        _ => (format!("24e124a0{number:08x}"), DeviceModel::NwaveNps405),
    };
    Device {
        id,
        model,
        silence_after_s: Some(SILENCE_AFTER_S),
    }
}

fn zones() -> Vec<Zone> {
    let old_quarter = blocks(&[(None, 60_000, 120)]);
    let centre = blocks(&[
        (Some(120), 25_000, 60),
        (Some(240), 35_000, 60),
        (None, 45_000, 60),
    ]);
    // The level of prices before 2018.
    let earlier = blocks(&[
        (Some(120), 20_000, 60),
        (Some(240), 25_000, 60),
        (None, 30_000, 60),
    ]);
    let outer = blocks(&[(Some(120), 20_000, 60), (None, 25_000, 60)]);
    let zone = |code: &str, name: &str, car: Pricing, car_before: Pricing, cap: Option<i64>| Zone {
        code: code.to_owned(),
        name: name.to_owned(),
        tariffs: vec![
            tariff(VehicleClass::Car, 2015, car_before, cap),
            tariff(VehicleClass::Car, 2018, car, cap),
            tariff(VehicleClass::Motorbike, 2015, windows(3_000, 5_000), None),
            tariff(VehicleClass::Motorbike, 2018, windows(5_000, 8_000), None),
        ],
    };
    vec![
        zone(
            "A",
            "Khu phố cổ · Old Quarter",
            old_quarter,
            earlier.clone(),
            None,
        ),
        zone("B", "Trung tâm · Centre", centre, earlier.clone(), None),
        zone(
            "C",
            "Ngoài trung tâm · Outer",
            outer,
            earlier,
            Some(300_000),
        ),
    ]
}

fn tariff(class: VehicleClass, year: i32, pricing: Pricing, cap: Option<i64>) -> Tariff {
    let effective_from: DateTime<Utc> = chrono_tz::Asia::Ho_Chi_Minh
        .with_ymd_and_hms(year, 1, 1, 0, 0, 0)
        .earliest()
        .map_or(DateTime::UNIX_EPOCH, |local| local.to_utc());
    Tariff {
        class,
        effective_from,
        free_min: 10,
        max_stay_min: 24 * 60,
        cap_24h_vnd: cap.map(Vnd::new),
        pricing,
    }
}

fn blocks(blocks: &[(Option<u32>, i64, u32)]) -> Pricing {
    let block = |(until_min, rate, per_min): &(Option<u32>, i64, u32)| Block {
        until_min: *until_min,
        rate_vnd: Vnd::new(*rate),
        per_min: *per_min,
    };
    Pricing::Blocks(blocks.iter().map(block).collect())
}

fn windows(day: i64, night: i64) -> Pricing {
    let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default();
    let window = |vi: &str, en: &str, from, to, rate| Window {
        name_vi: vi.to_owned(),
        name_en: en.to_owned(),
        from: at(from),
        to: at(to),
        rate_vnd: Vnd::new(rate),
    };
    Pricing::Windows(vec![
        window("Ban ngày (6–18 giờ)", "Day (6:00–18:00)", 6, 18, day),
        window("Ban đêm (18–6 giờ)", "Night (18:00–6:00)", 18, 6, night),
    ])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
        }
        assert!(hanoi(79).is_err());
        assert!(hanoi(20_001).is_err());
    }
}
