//! Which bays are kept for disabled people, and which have a charger.

use domain::place::{Amenities, LotKind, VehicleClass};

use super::Demand;

/// What a lot's bays of one class have, in their order: those for disabled people come first, by the
/// entrance, chargers stand at the other end, where a cable is laid once. One in 25 bays of a lot
/// with ten or more is kept for disabled people (for motorbikes: their three-wheeled ones); of car
/// parks one in ten bays has a charger, of those by shops one in five, of streets one in 25.
pub(super) fn amenities(
    kind: LotKind,
    demand: Demand,
    class: VehicleClass,
    bays: u32,
) -> Vec<Amenities> {
    let one_in = |each: u32| if bays < 10 { 0 } else { bays.div_ceil(each) };
    let accessible = match class {
        VehicleClass::Car => one_in(25),
        VehicleClass::Motorbike => one_in(50),
    };
    let charging = match (kind, demand) {
        (LotKind::Street, _) if class == VehicleClass::Motorbike => 0,
        (LotKind::Street, _) => one_in(25),
        (LotKind::OffStreet, Demand::Shopping) => one_in(5),
        (LotKind::OffStreet, _) => one_in(10),
    };
    // Where there are two for disabled people and more, one of them has a charger of its own.
    let both = if charging > 0 { accessible / 2 } else { 0 };
    (0..bays)
        .map(|index| Amenities {
            accessible: index < accessible,
            charging: index < both || index >= bays - (charging - both.min(charging)),
        })
        .collect()
}
