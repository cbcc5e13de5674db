//! Which sensors are to be repaired, for those who may know.

use domain::Timestamp;
use store::repair::{DeviceHealth, DevicesOf};
use store::staff::Staff;

use super::staff::may_see;
use crate::{ApiError, App};

/// How many devices are listed.
pub const LIST_MAX: i64 = 500;

/// How the devices of one lot do, or of all lots in the city that a member of staff may see; with at
/// most [`LIST_MAX`] that need repair, the worst first.
///
/// # Errors
/// [`ApiError::Forbidden`] for another operator's lot, [`ApiError::NotFound`] where there is no such
/// lot.
pub async fn health(
    app: &App,
    staff: &Staff,
    lot: Option<&str>,
    now: Timestamp,
) -> Result<DeviceHealth, ApiError> {
    let of = match lot {
        Some(code) => {
            let found = app.live.lot(code, now).await;
            let (lot, _) = found.ok_or(ApiError::NotFound("lot"))?;
            if !may_see(staff, &lot) {
                return Err(ApiError::Forbidden);
            }
            DevicesOf::Lot(code)
        }
        None => all_of(app, staff),
    };
    Ok(app.store.device_health(of, LIST_MAX, now).await?)
}

/// How many devices need repair in all lots of the city that a member of staff may see.
///
/// # Errors
/// Where the database fails.
pub async fn faulty_count(app: &App, staff: &Staff, now: Timestamp) -> Result<i64, ApiError> {
    let found = app.store.device_health(all_of(app, staff), 0, now).await?;
    Ok(found.faulty)
}

fn all_of<'a>(app: &'a App, staff: &'a Staff) -> DevicesOf<'a> {
    DevicesOf::City {
        city: &app.city.code,
        operator: staff.operator.as_deref(),
    }
}
