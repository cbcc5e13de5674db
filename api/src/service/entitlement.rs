//! Who pays less: the least price of what a plate is entitled to, and that an entitlement serves one
//! vehicle at a time.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::tariff::{Entitlement, Quote};
use store::entitlement::{Entitled, Holder};
use store::place::BayPlace;
use store::staff::Staff;
use store::whereabouts::Parked;

use super::session::{Priced, book};
use crate::{ApiError, App};

/// How many bays are listed in which one plate stands twice.
const TWICE_MAX: i64 = 20;

/// What decides beside the board's prices what a vehicle pays, in a bay and time.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    /// Why it may pay less.
    found: Vec<Entitled>,
    /// Until when they serve the vehicle in another bay, where it is seen standing.
    in_use_until: Option<Timestamp>,
    /// How long it had parked in the zone shortly before: free minutes are had once.
    pub(super) parked_before: TimeDelta,
}

/// The vehicle that asks for a price.
pub(super) fn holder(
    bay: &BayPlace,
    plate: &Plate,
    class: VehicleClass,
    priced: &Priced,
) -> Holder {
    let tariff = book(bay, class).in_force(priced.starts_at);
    Holder {
        plate: plate.clone(),
        class,
        bay: bay.id,
        zone: bay.zone,
        free_min: tariff.map_or(0, |tariff| tariff.free_min),
        from: priced.starts_at,
        to: priced.ends_at,
    }
}

/// What decides what each holder pays, in the order of the argument.
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
    let before = app.store.parked_before(holders).await?;
    let rights = found.into_iter().zip(elsewhere).zip(before);
    Ok(rights
        .map(|((found, in_use_until), parked_before)| Rights {
            found,
            in_use_until,
            parked_before,
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
        let quote = |entitlement: Option<&Entitlement>| {
            let book = book(bay, class).after(self.parked_before);
            let quote = book.entitled(entitlement);
            quote.quote(priced.starts_at, priced.ends_at).ok()
        };
        let usable = match self.in_use_until {
            None => self.found,
            Some(_) => Vec::new(),
        };
        usable
            .into_iter()
            // A tariff that has given up a ground exempts nobody on it.
            .filter_map(|entitled| Some((quote(Some(&entitled.entitlement))?, Some(entitled))))
            .min_by_key(|(quote, _)| quote.amount_vnd)
            .or_else(|| {
                let is_first = self.parked_before == TimeDelta::zero();
                (!is_first).then(|| quote(None)).flatten().zip(Some(None))
            })
            .unwrap_or_else(|| (priced.quote.clone(), None))
    }

    /// Whether nothing is entitled here because it is in use in another bay, where it would have lowered
    /// the price.
    pub(super) fn are_missed(&self, bay: &BayPlace, class: VehicleClass, priced: &Priced) -> bool {
        if self.in_use_until.is_none() {
            return false;
        }
        let with = Self {
            in_use_until: None,
            ..self.clone()
        };
        let [with, without] = [with, self.clone()].map(|it| it.least(bay, class, priced).0);
        with.amount_vnd < without.amount_vnd
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
