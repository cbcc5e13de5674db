//! Exemptions: granted and withdrawn by the city's staff.

use chrono::NaiveDate;
use domain::Timestamp;
use domain::day::midnight;
use domain::id::ExemptionId;
use domain::place::VehicleClass;
use domain::plate::Plate;
use store::exemption::{Exemption, GrantedExemption};
use store::staff::Staff;
use uuid::Uuid;

use super::staff::city_only;
use crate::{ApiError, App};

/// How many exemptions are listed.
const LIST_MAX: usize = 500;

/// The longest description of a document, in characters.
const DOCUMENT_MAX: usize = 200;

/// What is to be granted.
#[derive(Clone, Debug)]
pub struct NewGrant {
    /// The zone's code; `None` is all zones.
    pub zone: Option<String>,
    /// For which vehicle.
    pub plate: Plate,
    /// Of which class.
    pub class: VehicleClass,
    /// The code of its ground.
    pub ground: String,
    /// By which document it was proved: its kind and number.
    pub document: String,
    /// Its first day, in the city's local time.
    pub first: NaiveDate,
    /// Its last day.
    pub last: NaiveDate,
}

/// Grants an exemption.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff, as an operator must not waive what is
/// the city's as well; [`ApiError::Unprocessable`] for a ground that no tariff knows, days that run
/// backwards or a missing document; [`ApiError::NotFound`] for an unknown zone.
pub async fn grant(
    app: &App,
    request: NewGrant,
    staff: &Staff,
    now: Timestamp,
) -> Result<ExemptionId, ApiError> {
    city_only(staff)?;
    let new = checked(app, request, now).await?;
    Ok(app.store.exemption_grant(&new, staff, now).await?)
}

/// What is to be written for a grant.
///
/// # Errors
/// [`ApiError::Unprocessable`] as [`grant`].
pub(super) async fn checked(
    app: &App,
    request: NewGrant,
    now: Timestamp,
) -> Result<Exemption, ApiError> {
    let document = request.document.trim();
    if document.is_empty() || document.chars().count() > DOCUMENT_MAX {
        return Err(ApiError::Unprocessable(
            "the document that proves it is needed, in at most 200 characters".to_owned(),
        ));
    }
    let known = app.store.exemption_grounds(request.zone.as_deref()).await?;
    if !known.iter().any(|ground| ground.code == request.ground) {
        let known: Vec<&str> = known.iter().map(|ground| ground.code.as_str()).collect();
        if let (Some(zone), []) = (&request.zone, known.as_slice()) {
            return Err(ApiError::Unprocessable(format!(
                "there is no zone {zone:?}, or no tariff of it knows a ground"
            )));
        }
        return Err(ApiError::Unprocessable(format!(
            "no tariff there knows the ground {:?}; known are: {}",
            request.ground,
            known.join(", ")
        )));
    }
    let after = request.last.succ_opt().unwrap_or(request.last);
    let tz = app.city.timezone;
    let (starts_at, ends_at) = (midnight(request.first, tz), midnight(after, tz));
    if ends_at <= starts_at || ends_at <= now {
        return Err(ApiError::Unprocessable(
            "the last day must not lie before the first, nor in the past".to_owned(),
        ));
    }
    Ok(Exemption {
        id: ExemptionId(Uuid::new_v4()),
        zone: request.zone,
        plate: request.plate,
        class: request.class,
        ground: request.ground,
        document: document.to_owned(),
        starts_at,
        ends_at,
    })
}

/// Withdraws an exemption: what begins from now on is charged.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff; [`ApiError::NotFound`].
pub async fn withdraw(
    app: &App,
    id: ExemptionId,
    staff: &Staff,
    now: Timestamp,
) -> Result<(), ApiError> {
    city_only(staff)?;
    Ok(app.store.exemption_withdraw(id, staff, now).await?)
}

/// Exemptions, newest first.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The newest of them.
    pub newest: Vec<GrantedExemption>,
    /// Whether there are older ones, which are found by their plates.
    pub are_more: bool,
}

impl Granted {
    fn of(mut newest: Vec<GrantedExemption>) -> Self {
        let are_more = newest.len() > LIST_MAX;
        newest.truncate(LIST_MAX);
        Self { newest, are_more }
    }
}

/// Exemptions that have not ended, newest first, withdrawn ones last.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff.
pub async fn list(app: &App, staff: &Staff, now: Timestamp) -> Result<Granted, ApiError> {
    city_only(staff)?;
    // One more than are shown tells whether there are more.
    let found = app.store.exemptions(now, LIST_MAX as i64 + 1);
    Ok(Granted::of(found.await?))
}

/// The exemptions that a plate has or had, newest first.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff.
pub async fn of_plate(app: &App, staff: &Staff, plate: &Plate) -> Result<Granted, ApiError> {
    city_only(staff)?;
    let found = app.store.exemptions_of(plate, LIST_MAX as i64 + 1);
    Ok(Granted::of(found.await?))
}
