//! A small city.

use chrono::{DateTime, TimeDelta, Utc};
use domain::device::{Device, DeviceModel, Mounting};
use domain::money::Vnd;
use domain::place::{
    Amenities, Bay, City, Lot, LotKind, Operator, Place, VehicleClass, Ward, Zone,
};
use domain::tariff::{Block, Pricing, Tariff};

/// A city with one ward, zone and operator, and lots `lot-0`, `lot-1`, ... of as many bays each.
/// Bay `lot-0-1` has device `lot-0-1-sensor`. Cars pay 25,000 an hour.
///
/// # Panics
/// Never: the figures are sound.
pub fn small(lots: usize, bays: usize) -> Place {
    of_devices(lots, bays, |bay| Device {
        id: format!("{bay}-sensor"),
        model: DeviceModel::CLEARBAY,
        mounting: Mounting::default(),
        silence_after_s: Some(3_600),
    })
}

/// As [`small`], with the devices that `device` gives for each bay's code.
///
/// # Panics
/// Never: the figures are sound.
pub fn of_devices(lots: usize, bays: usize, device: impl Fn(&str) -> Device) -> Place {
    let lot = |number: usize| Lot {
        code: format!("lot-{number}"),
        name: format!("Lot {number}"),
        kind: LotKind::OffStreet,
        ward: "hoan-kiem".to_owned(),
        zone: "centre".to_owned(),
        operator: "khai-thac".to_owned(),
        position: [105.85, 21.03],
        licensed_places: None,
        bays: (0..bays)
            .map(|bay| {
                let code = format!("lot-{number}-{bay}");
                let device = Some(device(&code));
                let outline = [[0.0, 0.0], [2.5, 0.0], [2.5, 5.0], [0.0, 5.0]];
                Bay {
                    code,
                    class: VehicleClass::Car,
                    amenities: Amenities::default(),
                    outline,
                    device,
                }
            })
            .collect(),
    };
    Place {
        city: City {
            code: "hn".to_owned(),
            name: "Hà Nội".to_owned(),
            timezone: chrono_tz::Asia::Ho_Chi_Minh,
        },
        operators: vec![Operator {
            code: "khai-thac".to_owned(),
            name: "Khai Thác".to_owned(),
            bank_bin: "970418".to_owned(),
            bank_account: "1234567890".to_owned(),
            city_share_bp: None,
            tax_code: None,
            address: None,
            invoice_code: None,
        }],
        wards: vec![Ward {
            code: "hoan-kiem".to_owned(),
            name: "Hoàn Kiếm".to_owned(),
        }],
        zones: vec![Zone {
            code: "centre".to_owned(),
            name: "Centre".to_owned(),
            tariffs: vec![Tariff::new(
                VehicleClass::Car,
                DateTime::UNIX_EPOCH,
                Pricing::Blocks(vec![Block::open(Vnd::new(25_000), 60)]),
            )],
        }],
        lots: (0..lots).map(lot).collect(),
        map: Vec::new(),
    }
}

/// A moment two hours ago, to the second: tests count on from it without reaching the future.
pub fn past() -> DateTime<Utc> {
    chrono::SubsecRound::trunc_subsecs(Utc::now() - TimeDelta::hours(2), 0)
}
