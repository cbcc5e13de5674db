//! What was collected against what sensors saw: what the stays of vehicles should have brought by the
//! board's prices, what their sessions brought, why the two differ, and how sure that is.
//!
//! A session belongs to the stay of its bay with which it shares most time; one that began a little
//! before the vehicle came is that vehicle's, as on the live board. Only stays that their sensor saw
//! whole are priced. Sums come to the đồng:
//!
//! `due = collected + given_back + grace + pass + exempt + paid_elsewhere + unpaid + short + open - beyond - unseen`
//!
//! with `unseen = unknown + elsewhere`: money for bays in which no vehicle was seen, because their sensor
//! did not know, or because it knew and there was none. Whoever stands in one bay and pays for another
//! of the same lot is found by time alone, for sensors know no plates: see [`SHARED_MIN`].
//!
//! What was not seen is not left out: [`Collection::owed`] and [`Collection::due`] are ranges. They
//! rest on this:
//!
//! - **Low:** where nobody knows, there was no vehicle; whoever is still there will pay; and who paid for a
//!   bay that nobody could see was the one that stood nearby without paying.
//! - **High:** where nobody knows there was always a vehicle, and it paid nothing but for the time of that
//!   bay's own sessions. An hour of it costs what a parked hour of the lot did on average, see [`Rate`];
//!   who is still there will not pay; a session that may have been an unseen vehicle's was.
//!
//! A range says nothing of sensors that err without being noticed, of two vehicles that used one
//! session's time one after the other, of a match in another bay that was chance, and of a price per hour
//! that was dearer in the unknown time than in the known.

use crate::Timestamp;
use crate::id::BayId;
use crate::occupancy::Span;
use crate::place::VehicleClass;

mod bay;
mod elsewhere;
mod rate;
mod sums;

pub use elsewhere::SHARED_MIN;
pub use rate::Rate;
pub use sums::{Bounds, Collection, Uncertainty};

/// A vehicle's stay as its sensor told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenStay {
    /// From when.
    pub from: Timestamp,
    /// Until when; where the vehicle is still there, the present.
    pub to: Timestamp,
    /// Whether it is still there.
    pub is_open: bool,
}

impl SeenStay {
    /// Its time.
    pub const fn span(&self) -> Span {
        Span {
            from: self.from,
            until: self.to,
        }
    }
}

/// Why a session cost less than the board's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiver {
    /// Its vehicle has a pass, which was paid for when it was bought.
    Pass,
    /// Its vehicle is exempt.
    Exemption,
}

/// A session that is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaidSession {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// What it brought, less what went back, in đồng.
    pub collected_vnd: i64,
    /// What somebody decided to give back of it, in đồng: to whom complained, or at an office. Not what went back by
    /// rule, for time that was not used or was paid twice.
    pub given_back_vnd: i64,
    /// What it would have cost beside both by the board, in đồng, and why it did not.
    pub waived: Option<(Waiver, i64)>,
    /// Whether it is paid for when it ends, and that is still to come.
    pub is_unsettled: bool,
}

impl PaidSession {
    const fn span(&self) -> Span {
        Span {
            from: self.from,
            until: self.to,
        }
    }
}

/// One bay's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenBay {
    /// Its key.
    pub bay: BayId,
    /// What it is made for.
    pub class: VehicleClass,
    /// What its sensor told, in any order; stays do not overlap.
    pub stays: Vec<SeenStay>,
    /// What was paid for it, in any order.
    pub sessions: Vec<PaidSession>,
    /// When nobody knew what it held, in any order: silence, doubt, no sensor.
    pub unknown: Vec<Span>,
}

/// A sum with the instant to whose day it belongs: a stay's start, or that of a session without one that has
/// a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// That instant.
    pub at: Timestamp,
    /// What the bay is made for.
    pub class: VehicleClass,
    /// The sum, which is balanced by itself.
    pub sum: Collection,
}

/// A bay's time of which it is not certain whether somebody owes something for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsureTime {
    /// When.
    pub span: Span,
    /// What the bay is made for.
    pub class: VehicleClass,
    /// Nobody knew what the bay held. Else it is a stay's time that reaches into such time.
    pub is_unknown: bool,
    /// A session that is no known vehicle's had paid for it.
    pub is_paid: bool,
}

/// What was due and what came in the bays of one lot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LotCollection {
    /// Sums.
    pub parts: Vec<Part>,
    /// What they leave open; no instant of a bay twice.
    pub unsure: Vec<UnsureTime>,
}

/// What was due and what came in the bays of one lot, as it is known at `now`. `price` is the board's
/// price in đồng of a time for a class, where it has one.
///
/// What comes out, but for its order, does not depend on the order of what is given.
pub fn collect(
    bays: &[SeenBay],
    now: Timestamp,
    price: impl Fn(VehicleClass, Timestamp, Timestamp) -> Option<i64>,
) -> LotCollection {
    let mut found = LotCollection::default();
    let mut searched = elsewhere::Searched::default();
    for bay in bays {
        bay::collect(bay, now, &price, &mut found, &mut searched);
    }
    searched.resolve(&mut found.parts);
    found
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
