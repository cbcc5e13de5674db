//! What is known of a vehicle, by its plate, for staff who stand before it.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::plate::Plate;
use domain::plate_reading::Begun;
use store::parking_notice::{NoticeSearch, ParkingNotice};
use store::plate::{PlateRight, PlateSession};
use store::staff::Staff;

use crate::{ApiError, App};

/// How far back sessions are shown: where a vehicle was last week is nobody's business.
const LATELY: TimeDelta = TimeDelta::hours(24);
const SESSIONS_MAX: i64 = 50;
const NOTICES_MAX: i64 = 20;

/// What is known of a vehicle.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it paid for lately in one's own lots, newest first.
    pub sessions: Vec<PlateSession>,
    /// Why it pays less at present, anywhere.
    pub rights: Vec<PlateRight>,
    /// Its notices in one's own lots, newest first.
    pub notices: Vec<ParkingNotice>,
}

/// Looks a plate up. Who asks is recorded, and how they came by it, with the plate masked.
///
/// # Errors
/// Where the database fails.
pub async fn look_up(
    app: &App,
    staff: &Staff,
    plate: &Plate,
    begun: Begun,
    now: Timestamp,
) -> Result<Known, ApiError> {
    let operator = staff.operator.as_deref();
    let of_plate = NoticeSearch {
        operator,
        plate: Some(plate),
        ..NoticeSearch::default()
    };
    app.store.plate_looked_up(plate, begun, staff, now).await?;
    Ok(Known {
        sessions: app
            .store
            .plate_sessions(plate, operator, now - LATELY, SESSIONS_MAX)
            .await?,
        rights: app.store.plate_rights(plate, now).await?,
        notices: app.store.parking_notices(of_plate, NOTICES_MAX).await?,
    })
}
