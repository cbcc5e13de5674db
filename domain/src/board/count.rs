//! A lot's bays, counted by vehicle and by what they have.

use serde::{Deserialize, Serialize};

use super::{BoardBay, LotSummary, Occupancy};
use crate::Timestamp;
use crate::place::{Amenities, VehicleClass};

/// So many bays, and how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BayCount {
    /// How many there are.
    pub capacity: u32,
    /// How many of them hold a vehicle.
    pub occupied: u32,
    /// How many of them are free.
    pub free: u32,
    /// How many of them nobody knows about.
    pub unknown: u32,
}

impl BayCount {
    fn take(&mut self, state: Occupancy) {
        self.capacity += 1;
        *match state {
            Occupancy::Occupied => &mut self.occupied,
            Occupancy::Free => &mut self.free,
            Occupancy::Unknown => &mut self.unknown,
        } += 1;
    }

    /// Both together.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            capacity: self.capacity + other.capacity,
            occupied: self.occupied + other.occupied,
            free: self.free + other.free,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// A lot's bays for one class of vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClassCount {
    /// The class.
    pub class: VehicleClass,
    /// How many bays are made for it.
    pub capacity: u32,
    /// How many of them hold a vehicle.
    pub occupied: u32,
    /// How many of them are free.
    pub free: u32,
    /// How many of them nobody knows about.
    pub unknown: u32,
    /// Those of them that are kept for disabled people; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessible: Option<BayCount>,
    /// Those of them that have a charger; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charging: Option<BayCount>,
    /// Those of them that are both, and counted in both; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessible_charging: Option<BayCount>,
}

impl ClassCount {
    fn of(class: VehicleClass) -> Self {
        Self {
            class,
            capacity: 0,
            occupied: 0,
            free: 0,
            unknown: 0,
            accessible: None,
            charging: None,
            accessible_charging: None,
        }
    }

    fn take(&mut self, amenities: Amenities, state: Occupancy) {
        let mut all = self.all();
        all.take(state);
        (self.capacity, self.occupied) = (all.capacity, all.occupied);
        (self.free, self.unknown) = (all.free, all.unknown);
        let Amenities {
            accessible,
            charging,
        } = amenities;
        for (is_one, count) in [
            (accessible, &mut self.accessible),
            (charging, &mut self.charging),
            (accessible && charging, &mut self.accessible_charging),
        ] {
            if is_one {
                count.get_or_insert_default().take(state);
            }
        }
    }

    const fn all(&self) -> BayCount {
        BayCount {
            capacity: self.capacity,
            occupied: self.occupied,
            free: self.free,
            unknown: self.unknown,
        }
    }

    /// Those that have all that is wanted.
    pub fn having(&self, wanted: Amenities) -> BayCount {
        match (wanted.accessible, wanted.charging) {
            (false, false) => Some(self.all()),
            (true, false) => self.accessible,
            (false, true) => self.charging,
            (true, true) => self.accessible_charging,
        }
        .unwrap_or_default()
    }
}

/// Bays by class, in order of its code, as they are at `now`.
pub(super) fn by_class<'a>(
    bays: impl Iterator<Item = &'a BoardBay>,
    now: Timestamp,
) -> Vec<ClassCount> {
    let mut classes: Vec<ClassCount> = Vec::new();
    for bay in bays {
        let known = classes.iter().position(|count| count.class == bay.class);
        let index = known.unwrap_or_else(|| {
            classes.push(ClassCount::of(bay.class));
            classes.len() - 1
        });
        classes[index].take(bay.amenities, bay.occupancy(now).0);
    }
    classes.sort_by_key(|count| count.class.code());
    classes
}

impl LotSummary {
    /// Its bays for a class of vehicle, or for any, that have all that is wanted; `None` where it has
    /// no such bay.
    pub fn having(&self, class: Option<VehicleClass>, wanted: Amenities) -> Option<BayCount> {
        let classes = self.classes.iter();
        let asked = classes.filter(|count| class.is_none_or(|class| count.class == class));
        let sum = asked.fold(BayCount::default(), |sum, count| {
            sum.plus(count.having(wanted))
        });
        (sum.capacity > 0).then_some(sum)
    }
}
