//! What a lot offers beside its free bays.

use serde::{Deserialize, Serialize};

use crate::forecast::ForecastStep;
use crate::money::Vnd;
use crate::place::VehicleClass;

/// For how long parking is priced, in minutes.
pub const LENGTHS: [u32; 4] = [60, 120, 240, 480];

/// How many of so many bays are free where so large a share is occupied, to the nearest.
pub fn free_bays(capacity: u32, occupied_bp: u32) -> u32 {
    let share = 10_000_u32.saturating_sub(occupied_bp);
    (capacity.saturating_mul(share) + 5_000) / 10_000
}

/// What parking from now on costs in a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LotPrice {
    /// For which vehicle.
    pub class: VehicleClass,
    /// For how long.
    pub minutes: u32,
    /// How much.
    #[cfg_attr(feature = "openapi", schema(value_type = i64))]
    pub amount_vnd: Vnd,
}

/// A lot's prices from now on, and how full it will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LotOffer {
    /// The lot's code.
    pub lot: String,
    /// Its prices, by vehicle and time.
    pub prices: Vec<LotPrice>,
    /// The next two hours by the quarter; none where nothing can be said yet.
    pub steps: Vec<ForecastStep>,
}

impl LotOffer {
    /// What so long costs for such a vehicle.
    pub fn price(&self, class: VehicleClass, minutes: u32) -> Option<Vnd> {
        let is_it = |price: &&LotPrice| price.class == class && price.minutes == minutes;
        self.prices.iter().find(is_it).map(|price| price.amount_vnd)
    }

    /// How many of so many bays are expected to be free after some minutes, rounded to a quarter of
    /// an hour: the expected number, and between which it lies four times in five.
    pub fn free_in(&self, minutes: u32, capacity: u32) -> Option<(u32, u32, u32)> {
        let step = self.steps.get((minutes / 15).checked_sub(1)? as usize)?;
        let free = |occupied_bp: u32| free_bays(capacity, occupied_bp);
        Some((
            free(step.expected_bp),
            free(step.high_bp),
            free(step.low_bp),
        ))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    #[test]
    fn what_is_occupied_is_not_free() {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let step = |expected_bp| ForecastStep {
            at,
            expected_bp,
            low_bp: expected_bp - 1_000,
            high_bp: expected_bp + 1_000,
        };
        let offer = LotOffer {
            lot: "lot".to_owned(),
            prices: vec![LotPrice {
                class: VehicleClass::Car,
                minutes: 60,
                amount_vnd: Vnd::new(25_000),
            }],
            steps: vec![step(5_000), step(8_000)],
        };
        assert_eq!(offer.free_in(15, 40), Some((20, 16, 24)));
        assert_eq!(offer.free_in(30, 40), Some((8, 4, 12)));
        assert_eq!(offer.free_in(0, 40), None);
        assert_eq!(offer.free_in(45, 40), None);
        assert_eq!(offer.price(VehicleClass::Car, 60), Some(Vnd::new(25_000)));
        assert_eq!(offer.price(VehicleClass::Motorbike, 60), None);
    }
}
