//! Installation files.

use domain::place::Place;

use crate::tariff::prices;

/// Reads and checks a file. What is sound stays so when it is written and read again, and prices every stay.
pub fn file(data: &[u8]) {
    let Ok(place) = serde_json::from_slice::<Place>(data) else {
        return;
    };
    if place.validate().is_err() {
        return;
    }
    let written = serde_json::to_vec(&place).expect("a place is JSON");
    let again: Place = serde_json::from_slice(&written).expect("what was written");
    assert_eq!(again.validate(), Ok(()));
    assert_eq!(again.zones, place.zones);
    for zone in &place.zones {
        prices(&zone.tariffs, place.city.timezone);
    }
}
