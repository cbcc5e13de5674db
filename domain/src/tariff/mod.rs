//! Tariffs as data, and prices that explain themselves.
//!
//! A [`Tariff`] is one version of the price of one vehicle class in one zone; a [`TariffBook`]
//! holds all versions and turns an interval into a [`Quote`], whose lines sum to the total. There
//! is no other way to a price.
//!
//! A stay is priced by a walk from its start, step by step. Each step is priced by what is in force
//! at its first moment: the version, the kind of day, the window of the day, and the block that
//! the time since the start has reached. A step that has begun is charged whole and never again
//! looked at. So a price can only grow with the stay, a new tariff never charges a moment twice,
//! and what was paid for a part is never more than the price of the whole.

use crate::Timestamp;
use crate::place::VehicleClass;

mod book;
mod broken;
mod check;
mod clock;
mod entitlement;
#[cfg(feature = "file")]
pub mod file;
mod model;
mod pass;
mod quote;
mod refund;
mod text;
mod walk;

pub use book::{FREE_AGAIN_AFTER, MAX_QUOTED, TariffBook};
pub use broken::{Broken, Part, Spot, TariffError};
pub use entitlement::Entitlement;
pub use model::{Block, Day, DayRule, Ground, Increments, Pricing, Tariff, Window};
pub use pass::{Hours, Pass, PassKind, PassOffer};
pub use quote::{Quote, QuoteError, QuoteLine};
pub use refund::Unused;

/// The version in force for a vehicle of `class` at `at`.
pub fn in_force(tariffs: &[Tariff], class: VehicleClass, at: Timestamp) -> Option<&Tariff> {
    tariffs
        .iter()
        .filter(|tariff| tariff.class == class && tariff.effective_from <= at)
        .max_by_key(|tariff| tariff.effective_from)
}

/// The price of parking from `from` to `to` by all versions of a zone's tariffs, with its reasons.
///
/// # Errors
/// [`QuoteError`] where the interval cannot be priced.
pub fn quote(
    tariffs: &[Tariff],
    class: VehicleClass,
    tz: chrono_tz::Tz,
    from: Timestamp,
    to: Timestamp,
) -> Result<Quote, QuoteError> {
    TariffBook::new(tariffs, class, tz).quote(from, to)
}

#[cfg(test)]
mod tests;
