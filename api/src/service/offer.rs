//! What a driver who looks for a place wants to know of each lot beside its free bays: what it costs
//! and how it will be on arrival.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::offer::{LENGTHS, LotOffer, LotPrice};
use domain::place::VehicleClass;

use super::{forecast, session};
use crate::{ApiError, App};

/// The offers of the city's lots, at most a minute old, by the lot's code.
///
/// # Errors
/// Where the database fails.
pub async fn offers(app: &App, now: Timestamp) -> Result<Arc<Vec<LotOffer>>, ApiError> {
    let compute = compute(app.clone(), now);
    let city = app.city.code.clone();
    app.answers
        .offers
        .get(&app.limits, city, now, compute)
        .await
}

async fn compute(app: App, now: Timestamp) -> Result<Arc<Vec<LotOffer>>, ApiError> {
    let mut offers = Vec::new();
    for lot in app.live.lots(Some(&app.city.code), now).await {
        let Some((_, bays)) = app.live.lot(&lot.code, now).await else {
            continue;
        };
        let mut prices = Vec::new();
        for class in [VehicleClass::Car, VehicleClass::Motorbike] {
            let Some(bay) = bays.iter().find(|bay| bay.class == class) else {
                continue;
            };
            let place = app.store.bay_place(&bay.code).await?;
            let price = |minutes: u32| {
                let priced = session::price(&place, class, minutes, now).ok()?;
                Some(LotPrice {
                    class,
                    minutes,
                    amount_vnd: priced.quote.amount_vnd,
                })
            };
            prices.extend(LENGTHS.into_iter().filter_map(price));
        }
        // A forecast that cannot be made is no reason to hide the rest.
        let steps = match forecast::outlook_if_learnt(&app, &lot.code, now).await {
            Ok(Some(outlook)) => outlook.steps.unwrap_or_default(),
            _ => Vec::new(),
        };
        offers.push(LotOffer {
            lot: lot.code,
            prices,
            steps,
        });
    }
    Ok(Arc::new(offers))
}

/// How long offers may be told again.
pub const FRESH_FOR: TimeDelta = TimeDelta::seconds(60);
