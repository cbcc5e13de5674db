//! What a vehicle has paid for lately, by its plate: for staff who stand before it.

use domain::Timestamp;
use domain::id::SessionId;
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::plate_reading::Begun;
use domain::session::SessionStatus;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::place::class;
use crate::staff::Staff;
use crate::{Store, StoreError, corrupt};

/// A session of a plate.
#[derive(Clone, Debug)]
pub struct PlateSession {
    /// Its identity.
    pub id: SessionId,
    /// The bay's code.
    pub bay: String,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when, as it is now.
    pub ends_at: Timestamp,
    /// Where it stands.
    pub status: SessionStatus,
    /// The price of its first time.
    pub amount_vnd: Vnd,
}

/// Why a plate pays less at present. Of an exemption no more than that: its ground is nobody's business
/// on the street.
#[derive(Clone, Debug)]
pub struct PlateRight {
    /// An exemption, else a pass.
    pub exempt: bool,
    /// The name of the zone where it counts; `None` is all.
    pub zone: Option<String>,
    /// For what vehicle.
    pub class: VehicleClass,
    /// Until when.
    pub ends_at: Timestamp,
}

impl Store {
    /// Records that somebody looked a plate up, and how they came by it.
    ///
    /// # Errors
    /// Database errors.
    pub async fn plate_looked_up(
        &self,
        plate: &Plate,
        begun: Begun,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let audit = Audit {
            detail: json!({ "plate": plate.masked(), "begun": begun.code() }),
            ..Audit::new(staff.actor(), "plate.look_up")
        };
        let mut connection = self.pool.acquire().await?;
        audit_insert(&mut connection, &audit, now).await
    }

    /// The sessions of a plate that end after `since`, newest first: in an operator's lots, or all.
    ///
    /// # Errors
    /// Database errors.
    pub async fn plate_sessions(
        &self,
        plate: &Plate,
        operator: Option<&str>,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<PlateSession>, StoreError> {
        let rows: Vec<(Uuid, String, Timestamp, Timestamp, String, i64)> = sqlx::query_as(
            "SELECT session.session_id, bay.code, session.starts_at, session.ends_at, session.status, amount_vnd
             FROM session JOIN bay USING (bay_id) JOIN lot USING (lot_id) JOIN operator USING (operator_id)
                  JOIN purchase ON purchase_id = session.session_id
             WHERE plate = $1 AND session.ends_at > $2 AND ($3::text IS NULL OR operator.code = $3)
             ORDER BY session.starts_at DESC LIMIT $4",
        )
        .bind(plate.reveal())
        .bind(since)
        .bind(operator)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let session = |(id, bay, starts_at, ends_at, status, amount): (_, _, _, _, String, _)| {
            Ok(PlateSession {
                id: SessionId(id),
                bay,
                starts_at,
                ends_at,
                status: SessionStatus::from_code(&status)
                    .ok_or_else(|| corrupt("session status", &status))?,
                amount_vnd: Vnd::new(amount),
            })
        };
        rows.into_iter().map(session).collect()
    }

    /// Why a plate pays less at `now`, anywhere.
    ///
    /// # Errors
    /// Database errors.
    pub async fn plate_rights(
        &self,
        plate: &Plate,
        now: Timestamp,
    ) -> Result<Vec<PlateRight>, StoreError> {
        let rows: Vec<RightRow> = sqlx::query_as(
            "SELECT true AS exempt, zone.name AS zone, exemption.class, ends_at
             FROM exemption LEFT JOIN zone USING (zone_id)
             WHERE plate = $1 AND starts_at <= $2 AND ends_at > $2
               AND coalesce(withdrawn_at > $2, true)
             UNION ALL
             SELECT false, zone.name, held_pass.class, ends_at
             FROM held_pass JOIN zone USING (zone_id)
             WHERE plate = $1 AND starts_at <= $2 AND ends_at > $2",
        )
        .bind(plate.reveal())
        .bind(now)
        .fetch_all(&self.pool)
        .await?;
        let right = |row: RightRow| {
            Ok(PlateRight {
                exempt: row.exempt,
                zone: row.zone,
                class: class(&row.class)?,
                ends_at: row.ends_at,
            })
        };
        rows.into_iter().map(right).collect()
    }
}

#[derive(FromRow)]
struct RightRow {
    exempt: bool,
    zone: Option<String>,
    class: String,
    ends_at: Timestamp,
}
