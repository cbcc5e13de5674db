//! Monthly passes: bought like time, counted by plate.

use chrono::{NaiveDate, TimeDelta};
use domain::Timestamp;
use domain::id::PassId;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::tariff::PassKind;
use store::idempotency::Intent;
use store::pass::{Bought, BoughtPass, NewPass};
use uuid::Uuid;

use super::session::tariff_of;
use crate::secret::sha256;
use crate::{ApiError, App};

/// How many days ahead a pass may begin.
const AHEAD: TimeDelta = TimeDelta::days(62);

/// Why a pass is refused to a vehicle that has one.
pub const HAS_ONE: &str = "this vehicle has a pass for that time";

/// What a driver asks for.
#[derive(Clone, Debug)]
pub struct PassRequest {
    /// The code of a bay in the zone, by whose operator the pass is sold.
    pub bay: String,
    /// The driver's plate.
    pub plate: Plate,
    /// The vehicle.
    pub class: VehicleClass,
    /// When it is to count.
    pub kind: PassKind,
    /// Its first day, in the city's local time.
    pub first: NaiveDate,
    /// The client's idempotency key.
    pub key: String,
}

impl PassRequest {
    fn intent(&self) -> Intent {
        let Self {
            bay,
            plate,
            class,
            kind,
            first,
            key,
        } = self;
        let text = format!("{bay}\n{}\n{class}\n{kind}\n{first}", plate.reveal());
        Intent::new(key.clone(), sha256(text.as_bytes()))
    }
}

/// A pass with its key.
#[derive(Clone, Debug)]
pub struct OpenedPass {
    /// The pass.
    pub pass: BoughtPass,
    /// The only key to it.
    pub token: String,
}

/// Writes a pass that counts once it is paid, once per key.
///
/// # Errors
/// [`ApiError::Unprocessable`] for a pass that is not on offer there or begins in the past;
/// [`ApiError::Conflict`] where the vehicle has one of its kind for that time;
/// [`ApiError::KeyReused`].
pub async fn buy(app: &App, request: &PassRequest, now: Timestamp) -> Result<OpenedPass, ApiError> {
    let bay = app.store.bay_place(&request.bay).await?;
    let today = now.with_timezone(&bay.timezone).date_naive();
    if request.first < today || request.first > today + AHEAD {
        return Err(ApiError::Unprocessable(
            "a pass begins today or within 62 days".to_owned(),
        ));
    }
    let (tariff, rules) = tariff_of(&bay, request.class, now)?;
    let offer = rules.passes.iter().find(|offer| offer.kind == request.kind);
    let offer = offer.ok_or_else(|| {
        ApiError::Unprocessable(format!("no such pass is on offer for bay {}", bay.code))
    })?;
    let new = NewPass {
        id: PassId(Uuid::now_v7()),
        bay: bay.id,
        zone: bay.zone,
        tariff,
        plate: request.plate.clone(),
        pass: offer.month(request.class, &bay.zone_code, request.first, bay.timezone),
        vat_bp: rules.vat_bp,
        intent: request.intent(),
    };
    let id = match app.store.pass_buy(&new, now).await? {
        Bought::Pass(id) => id,
        Bought::HeldAlready => {
            return Err(ApiError::Conflict(HAS_ONE));
        }
        Bought::KeyMismatch => return Err(ApiError::KeyReused),
    };
    Ok(OpenedPass {
        pass: app.store.pass(id).await?,
        token: app.secrets.pass_token(id),
    })
}

/// The pass of that identity, for whoever holds its token.
///
/// # Errors
/// [`ApiError::Unauthorized`] for a wrong token, whether or not the pass exists.
pub async fn find(app: &App, id: PassId, token: &str) -> Result<BoughtPass, ApiError> {
    if !app.secrets.pass_token_matches(id, token) {
        return Err(ApiError::Unauthorized);
    }
    Ok(app.store.pass(id).await?)
}
