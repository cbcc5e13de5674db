//! The recording's car parks as a place that can be imported.

use chrono_tz::Europe::London;
use domain::device::{Device, DeviceModel, Mounting};
use domain::place::{
    Amenities, Bay, City, Lot, LotKind, Operator, Place, VehicleClass, Ward, Zone,
};

use super::{CITY, CarPark, Recording, bay_code, device_id};
use crate::city::outline::yard;

/// The middle of Birmingham, in degrees.
const MIDDLE: [f64; 2] = [-1.8986, 52.4797];
/// Between two car parks of the grid, in degrees: about 400 m.
const STEP: [f64; 2] = [0.0060, 0.0036];
const COLUMNS: usize = 6;

impl Recording {
    /// The car parks as a place. The recording does not know where they lie, so they stand in a
    /// grid around the city's middle; nor prices, so the zone has none.
    pub fn place(&self) -> Place {
        let code = "recording".to_owned();
        let lots = self
            .car_parks
            .iter()
            .enumerate()
            .filter(|(_, car_park)| car_park.capacity > 0);
        Place {
            city: City {
                code: CITY.to_owned(),
                name: "Birmingham (recording of 2016)".to_owned(),
                timezone: London,
            },
            operators: vec![Operator {
                code: CITY.to_owned(),
                name: "Birmingham City Council (recording)".to_owned(),
                // No bank: nobody can pay for the past.
                bank_bin: "000000".to_owned(),
                bank_account: "NONE".to_owned(),
                city_share_bp: None,
                tax_code: None,
                address: None,
                invoice_code: None,
            }],
            wards: vec![Ward {
                code: code.clone(),
                name: "Birmingham".to_owned(),
            }],
            zones: vec![Zone {
                code: code.clone(),
                name: "Recording without prices".to_owned(),
                tariffs: Vec::new(),
            }],
            lots: lots
                .map(|(index, car_park)| lot(index, car_park, &code))
                .collect(),
            map: Vec::new(),
        }
    }
}

fn lot(index: usize, car_park: &CarPark, code: &str) -> Lot {
    let (column, row) = ((index % COLUMNS) as f64, (index / COLUMNS) as f64);
    let classes = vec![VehicleClass::Car; car_park.capacity as usize];
    let bays = (0..).zip(yard(&classes)).map(|(bay, outline)| Bay {
        code: bay_code(&car_park.code, bay),
        class: VehicleClass::Car,
        amenities: Amenities::default(),
        outline,
        device: Some(Device {
            id: device_id(&car_park.code, bay),
            model: DeviceModel::CLEARBAY,
            mounting: Mounting::default(),
            // A recording reports changes and nothing else.
            silence_after_s: None,
        }),
    });
    Lot {
        code: car_park.code.clone(),
        name: car_park.name.clone(),
        kind: LotKind::OffStreet,
        ward: code.to_owned(),
        zone: code.to_owned(),
        operator: CITY.to_owned(),
        position: [
            MIDDLE[0] + STEP[0] * (column - 2.5),
            MIDDLE[1] + STEP[1] * (row - 2.0),
        ],
        licensed_places: None,
        bays: bays.collect(),
    }
}
