//! The live board: what every bay is right now, from what sensors said and drivers paid.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::device::is_silent;
use crate::id::{BayId, LotId, SessionId};
use crate::place::{Amenities, LotKind, Position, VehicleClass, codes};
use crate::session::GRACE;

mod count;

pub use count::{BayCount, ClassCount};

/// How long before a vehicle arrives its session may begin and still be counted as its own:
/// somebody pays while backing in, or a sensor takes its time.
pub const EARLY_PAYMENT: TimeDelta = TimeDelta::minutes(10);

/// What anybody may know of a bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Occupancy {
    /// No vehicle.
    Free,
    /// A vehicle.
    Occupied,
    /// The sensor is silent or was never heard: neither free nor occupied.
    Unknown,
}

codes!(Occupancy { Free = "free", Occupied = "occupied", Unknown = "unknown" });

/// What staff see of a bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BayStatus {
    /// No vehicle.
    Free,
    /// A vehicle whose session is in force.
    Paid,
    /// A vehicle without a session.
    Unpaid,
    /// A vehicle whose session has run out.
    Overstayed,
    /// The sensor is silent.
    Unknown,
}

codes!(BayStatus {
    Free = "free",
    Paid = "paid",
    Unpaid = "unpaid",
    Overstayed = "overstayed",
    Unknown = "unknown",
});

/// The paid time of one session in one bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidTime {
    /// Whose.
    pub session: SessionId,
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// What a device has told of a bay, as ingest publishes it after the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BayDelta {
    /// The bay's key.
    pub bay: BayId,
    /// The last state told.
    pub occupied: bool,
    /// When that state began.
    pub since: Timestamp,
    /// The device's time of its last event.
    pub heard_at: Timestamp,
}

/// The changes of one lot in one committed batch, published on [`occupancy_topic`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccupancyDelta {
    /// The lot's code.
    pub lot: String,
    /// Its bays that spoke.
    pub bays: Vec<BayDelta>,
}

/// The MQTT topic of a lot's occupancy deltas; `+` as the code subscribes to all.
pub fn occupancy_topic(lot_code: &str) -> String {
    format!("clearbay/v1/occupancy/{lot_code}")
}

/// A bay on the board.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardBay {
    /// Its key.
    pub id: BayId,
    /// The code on its sticker.
    pub code: String,
    /// What it is made for.
    pub class: VehicleClass,
    /// What it has beside its room.
    pub amenities: Amenities,
    /// Its corners in metres east and north of the lot's position.
    pub outline: [[f32; 2]; 4],
    /// The device's limit of silence in seconds.
    pub silence_after_s: Option<i32>,
    /// What was told earlier is believed no longer: another device told it. `None` where no device
    /// is there, or one that is in doubt: nothing is believed.
    pub believed_from: Option<Timestamp>,
    /// What its device told last.
    pub told: Option<BayDelta>,
    /// What is paid, or was until lately, each session once.
    pub paid: Vec<PaidTime>,
}

impl BoardBay {
    /// What anybody may know, and since when.
    pub fn occupancy(&self, now: Timestamp) -> (Occupancy, Option<Timestamp>) {
        match &self.told {
            None => (Occupancy::Unknown, None),
            Some(told) if self.believed_from.is_none_or(|from| told.heard_at < from) => {
                (Occupancy::Unknown, Some(told.heard_at))
            }
            Some(told) if is_silent(told.heard_at, self.silence_after_s, now) => {
                (Occupancy::Unknown, Some(told.heard_at))
            }
            Some(told) if told.occupied => (Occupancy::Occupied, Some(told.since)),
            Some(told) => (Occupancy::Free, Some(told.since)),
        }
    }

    /// What staff see, and since when.
    pub fn status(&self, now: Timestamp) -> (BayStatus, Option<Timestamp>) {
        let (occupancy, since) = self.occupancy(now);
        let status = match (occupancy, since) {
            (Occupancy::Free, _) => BayStatus::Free,
            (Occupancy::Occupied, Some(arrived)) => match self.paid_until(arrived) {
                Some(until) if now < until + GRACE => BayStatus::Paid,
                Some(_) => BayStatus::Overstayed,
                None => BayStatus::Unpaid,
            },
            _ => BayStatus::Unknown,
        };
        (status, since)
    }

    /// Whether the vehicle of that paid time, which is over, still stands here and nothing else pays
    /// for it. `paid` goes before what the board knows of the same session.
    pub fn outstays(&self, paid: &PaidTime, now: Timestamp) -> bool {
        let (Occupancy::Occupied, Some(arrived)) = self.occupancy(now) else {
            return false;
        };
        let is_its_vehicle = paid.from + EARLY_PAYMENT >= arrived && paid.until > arrived;
        let is_paid_now = |other: &PaidTime| {
            other.session != paid.session && other.from <= now && other.until > now
        };
        is_its_vehicle && paid.until <= now && !self.paid.iter().any(is_paid_now)
    }

    /// Until when the vehicle that arrived at `arrived` is paid for. Paid time that began long
    /// before it arrived, or ended before, was another vehicle's.
    fn paid_until(&self, arrived: Timestamp) -> Option<Timestamp> {
        self.paid
            .iter()
            .filter(|paid| paid.from + EARLY_PAYMENT >= arrived && paid.until > arrived)
            .map(|paid| paid.until)
            .max()
    }
}

/// How long ago a vehicle may have arrived next door for the driver to be asked about it.
pub const JUST_ARRIVED: TimeDelta = TimeDelta::minutes(15);

/// How far apart in metres, from middle to middle, two bays are neighbours: two cars side by side,
/// or end to end along a kerb.
const NEXT_DOOR_M: f32 = 6.5;

/// The bay that a driver who pays for `code` more likely stands in: `code`'s sensor says that it
/// is empty, and a neighbour has just been filled and nobody has paid for it. Of
/// two the one filled last counts.
pub fn likelier_bay<'a>(
    bays: impl Iterator<Item = &'a BoardBay> + Clone,
    code: &str,
    now: Timestamp,
) -> Option<&'a BoardBay> {
    let meant = bays.clone().find(|bay| bay.code == code)?;
    if meant.occupancy(now).0 != Occupancy::Free {
        return None;
    }
    let distance = |bay: &BoardBay| {
        let ([ax, ay], [bx, by]) = (middle(&meant.outline), middle(&bay.outline));
        (ax - bx).hypot(ay - by)
    };
    bays.filter(|bay| bay.id != meant.id && bay.class == meant.class)
        .filter(|bay| distance(bay) <= NEXT_DOOR_M)
        .filter_map(|bay| match bay.status(now) {
            (BayStatus::Unpaid, Some(since)) if now - since <= JUST_ARRIVED => Some((since, bay)),
            _ => None,
        })
        .max_by_key(|(since, _)| *since)
        .map(|(_, bay)| bay)
}

fn middle(outline: &[[f32; 2]; 4]) -> [f32; 2] {
    [0, 1].map(|axis| outline.iter().map(|corner| corner[axis]).sum::<f32>() / 4.0)
}

/// A lot on the board.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardLot {
    /// Its key.
    pub id: LotId,
    /// Its city's code.
    pub city: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Off-street or street.
    pub kind: LotKind,
    /// Its ward's name.
    pub ward: String,
    /// Its operator's code.
    pub operator: String,
    /// Its middle.
    pub position: Position,
    /// Its bays, in order of code.
    pub bays: BTreeMap<BayId, BoardBay>,
}

/// What anybody may know of a lot. Serialised as the API's `lot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LotSummary {
    /// The lot's code.
    pub code: String,
    /// Its city's code.
    pub city: String,
    /// Its name.
    pub name: String,
    /// Off-street or street.
    pub kind: LotKind,
    /// Its ward's name.
    pub ward: String,
    /// Its operator's code.
    pub operator: String,
    /// Longitude and latitude in degrees.
    pub position: [f64; 2],
    /// How many bays it has.
    pub capacity: u32,
    /// How many of them hold a vehicle.
    pub occupied: u32,
    /// How many of them are free.
    pub free: u32,
    /// How many of them nobody knows about.
    pub unknown: u32,
    /// The same for each class of vehicle that it has bays for.
    pub classes: Vec<ClassCount>,
    /// The device's time of the newest event.
    pub updated_at: Option<DateTime<Utc>>,
}

/// What anybody may know of a bay. Serialised as the API's `bay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BaySummary {
    /// The code on its sticker.
    pub code: String,
    /// What it is made for.
    pub class: VehicleClass,
    /// Whether it is kept for disabled people, and whether it has a charger.
    #[serde(flatten)]
    pub amenities: Amenities,
    /// Free, occupied or unknown.
    pub state: Occupancy,
    /// Since when; for an unknown bay the last time its sensor was heard.
    pub since: Option<DateTime<Utc>>,
    /// Its corners in metres east and north of the lot's position.
    pub outline: [[f32; 2]; 4],
}

/// What staff see of a bay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StaffBay {
    /// The bay's code.
    pub code: String,
    /// What it is made for.
    pub class: VehicleClass,
    /// Whether it is kept for disabled people.
    pub accessible: bool,
    /// Whether it has a charger.
    pub charging: bool,
    /// Free, paid, unpaid, overstayed or unknown.
    pub status: BayStatus,
    /// Since when; for an unknown bay the last time its sensor was heard.
    pub since: Option<DateTime<Utc>>,
    /// Until when it is paid, where it is.
    pub paid_until: Option<DateTime<Utc>>,
    /// Its corners in metres east and north of the lot's position.
    pub outline: [[f32; 2]; 4],
}

impl StaffBay {
    /// What it has beside its room.
    pub const fn amenities(&self) -> Amenities {
        Amenities {
            accessible: self.accessible,
            charging: self.charging,
        }
    }

    /// From when on nobody has paid for its vehicle; nothing where it owes nothing.
    pub fn owing_from(&self) -> Option<Timestamp> {
        match self.status {
            BayStatus::Unpaid => self.since,
            BayStatus::Overstayed => self.paid_until,
            BayStatus::Free | BayStatus::Paid | BayStatus::Unknown => None,
        }
    }

    /// The same where that is longer than the grace that everybody has.
    pub fn is_due_from(&self, now: Timestamp) -> Option<Timestamp> {
        self.owing_from().filter(|from| now - *from >= GRACE)
    }
}

impl BoardLot {
    /// The lot as anybody may see it.
    pub fn summary(&self, now: Timestamp) -> LotSummary {
        let classes = count::by_class(self.bays.values(), now);
        let sum = |of: fn(&ClassCount) -> u32| classes.iter().map(of).sum();
        LotSummary {
            code: self.code.clone(),
            city: self.city.clone(),
            name: self.name.clone(),
            kind: self.kind,
            ward: self.ward.clone(),
            operator: self.operator.clone(),
            position: self.position,
            capacity: sum(|count| count.capacity),
            occupied: sum(|count| count.occupied),
            free: sum(|count| count.free),
            unknown: sum(|count| count.unknown),
            classes,
            updated_at: self
                .bays
                .values()
                .filter_map(|b| b.told.as_ref())
                .map(|t| t.heard_at)
                .max(),
        }
    }

    /// Its bays as anybody may see them.
    pub fn public_bays(&self, now: Timestamp) -> Vec<BaySummary> {
        let summary = |bay: &BoardBay| {
            let (state, since) = bay.occupancy(now);
            BaySummary {
                code: bay.code.clone(),
                class: bay.class,
                amenities: bay.amenities,
                state,
                since,
                outline: bay.outline,
            }
        };
        self.bays.values().map(summary).collect()
    }

    /// Its bays as staff see them.
    pub fn staff_bays(&self, now: Timestamp) -> Vec<StaffBay> {
        self.bays.values().map(|bay| staff_bay(bay, now)).collect()
    }

    /// Takes a delta; an older word than the one already known changes nothing.
    pub fn apply(&mut self, delta: &BayDelta) -> bool {
        let Some(bay) = self.bays.get_mut(&delta.bay) else {
            return false;
        };
        if bay
            .told
            .as_ref()
            .is_some_and(|told| told.heard_at > delta.heard_at || told == delta)
        {
            return false;
        }
        bay.told = Some(delta.clone());
        true
    }

    /// Takes a session's paid time, which replaces what was known of it.
    pub fn pay(&mut self, bay: BayId, paid: PaidTime) -> bool {
        let Some(bay) = self.bays.get_mut(&bay) else {
            return false;
        };
        match bay
            .paid
            .iter_mut()
            .find(|known| known.session == paid.session)
        {
            Some(known) if *known == paid => return false,
            Some(known) => *known = paid,
            None => bay.paid.push(paid),
        }
        true
    }

    /// Forgets a session that has moved to another bay.
    pub fn unpay(&mut self, bay: BayId, session: SessionId) -> bool {
        let Some(bay) = self.bays.get_mut(&bay) else {
            return false;
        };
        let before = bay.paid.len();
        bay.paid.retain(|known| known.session != session);
        bay.paid.len() < before
    }
}

/// A bay as staff see it.
pub fn staff_bay(bay: &BoardBay, now: Timestamp) -> StaffBay {
    let (status, since) = bay.status(now);
    StaffBay {
        code: bay.code.clone(),
        class: bay.class,
        accessible: bay.amenities.accessible,
        charging: bay.amenities.charging,
        status,
        since,
        paid_until: since
            .filter(|_| matches!(status, BayStatus::Paid | BayStatus::Overstayed))
            .and_then(|arrived| bay.paid_until(arrived)),
        outline: bay.outline,
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
