//! Who pays less: the least price of what a plate is entitled to, and that an entitlement serves one
//! vehicle at a time.

use domain::Timestamp;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::tariff::Quote;
use store::entitlement::{Entitled, Holder};
use store::place::BayPlace;
use store::staff::Staff;
use store::whereabouts::Parked;

use super::session::{Priced, book};
use crate::{ApiError, App};

/// How many bays are listed in which one plate stands twice.
const TWICE_MAX: i64 = 20;

/// What a vehicle may be entitled by, in a bay and time.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    found: Vec<Entitled>,
    /// Until when they serve the vehicle in another bay, where it is seen standing.
    in_use_until: Option<Timestamp>,
}

/// The vehicle that asks for a price.
pub(super) fn holder(
    bay: &BayPlace,
    plate: &Plate,
    class: VehicleClass,
    priced: &Priced,
) -> Holder {
    Holder {
        plate: plate.clone(),
        class,
        bay: bay.id,
        zone: bay.zone,
        from: priced.starts_at,
        to: priced.ends_at,
    }
}

/// What each holder may be entitled by, in the order of the argument.
///
/// # Errors
/// Where the database fails.
pub(super) async fn rights(app: &App, holders: &[Holder]) -> Result<Vec<Rights>, ApiError> {
    let found = app.store.entitlements(holders).await?;
    let elsewhere = if found.iter().all(Vec::is_empty) {
        vec![None; holders.len()]
    } else {
        app.store.entitled_elsewhere(holders).await?
    };
    let rights = found.into_iter().zip(elsewhere);
    Ok(rights
        .map(|(found, in_use_until)| Rights {
            found,
            in_use_until,
        })
        .collect())
}

impl Rights {
    /// The least price of several entitlements and none, and by which one.
    pub(super) fn least(
        self,
        bay: &BayPlace,
        class: VehicleClass,
        priced: &Priced,
    ) -> (Quote, Option<Entitled>) {
        let usable = match self.in_use_until {
            None => self.found,
            Some(_) => Vec::new(),
        };
        usable
            .into_iter()
            .filter_map(|entitled| {
                let book = book(bay, class).entitled(Some(&entitled.entitlement));
                // A tariff that has given up a ground exempts nobody on it.
                let quote = book.quote(priced.starts_at, priced.ends_at).ok()?;
                Some((quote, Some(entitled)))
            })
            .min_by_key(|(quote, _)| quote.amount_vnd)
            .unwrap_or_else(|| (priced.quote.clone(), None))
    }

    /// Whether nothing is entitled here because it is in use in another bay, where it would have lowered
    /// the price.
    pub(super) fn are_missed(&self, bay: &BayPlace, class: VehicleClass, priced: &Priced) -> bool {
        if self.in_use_until.is_none() {
            return false;
        }
        let free = Self {
            found: self.found.clone(),
            in_use_until: None,
        };
        let (quote, _) = free.least(bay, class, priced);
        quote.amount_vnd < priced.quote.amount_vnd
    }
}

/// What a vehicle pays for a time that has a price: the least to which it is entitled.
///
/// # Errors
/// Where the database fails.
pub async fn quote_for(
    app: &App,
    bay: &BayPlace,
    plate: &Plate,
    priced: &Priced,
) -> Result<Quote, ApiError> {
    let holder = holder(bay, plate, bay.class, priced);
    let rights = rights(app, &[holder]).await?.pop().unwrap_or_default();
    Ok(rights.least(bay, bay.class, priced).0)
}

/// Vehicles with one plate in two bays or more, of which one at least is in one's own lots.
///
/// # Errors
/// Where the database fails.
pub async fn in_two_bays(
    app: &App,
    staff: &Staff,
    now: Timestamp,
) -> Result<Vec<Parked>, ApiError> {
    let operator = staff.operator.as_deref();
    Ok(app
        .store
        .plates_in_two_bays(operator, now, TWICE_MAX)
        .await?)
}
