//! What becomes of a request for an exemption: granted, refused, or taken back. One of them, once.

use domain::Timestamp;
use domain::exemption::{RequestStatus, SCAN_KEPT};
use domain::id::ExemptionRequestId;
use domain::plate::Plate;
use serde_json::json;
use sqlx::PgConnection;

use crate::audit::{Audit, DRIVER, audit_insert};
use crate::exemption::{Exemption, exemption_insert};
use crate::exemption_request::status_of;
use crate::staff::Staff;
use crate::{Store, StoreError, corrupt, without_nul};

/// What the driver's taking back of a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// It is taken back, now or before.
    Done,
    /// It was decided before.
    DecidedBefore,
}

impl Store {
    /// Grants what a request asks for: the exemption, the decision and the line of the record in one
    /// transaction. `false` where it was decided or taken back before; then nothing is written.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such request.
    pub async fn exemption_request_grant(
        &self,
        id: ExemptionRequestId,
        new: &Exemption,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if lock(&mut tx, id).await? != RequestStatus::Waiting {
            return Ok(false);
        }
        exemption_insert(&mut tx, new, Some(id), staff, now).await?;
        sqlx::query(
            "UPDATE exemption_request SET status = 'granted', decided_at = $2, decided_by = $3,
                                          exemption_id = $4
             WHERE exemption_request_id = $1",
        )
        .bind(id.0)
        .bind(now)
        .bind(staff.staff_id)
        .bind(new.id.0)
        .execute(&mut *tx)
        .await?;
        scan_delete_after(&mut tx, id, now + SCAN_KEPT).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Refuses what a request asks for, in one transaction with the line of the record. `false` where
    /// it was decided or taken back before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such request.
    pub async fn exemption_request_refuse(
        &self,
        id: ExemptionRequestId,
        reason: &str,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if lock(&mut tx, id).await? != RequestStatus::Waiting {
            return Ok(false);
        }
        let (ground, plate): (String, String) = sqlx::query_as(
            "UPDATE exemption_request SET status = 'refused', decided_at = $2, decided_by = $3,
                                          reason = $4
             WHERE exemption_request_id = $1 RETURNING ground, plate",
        )
        .bind(id.0)
        .bind(now)
        .bind(staff.staff_id)
        .bind(without_nul(reason))
        .fetch_one(&mut *tx)
        .await?;
        scan_delete_after(&mut tx, id, now + SCAN_KEPT).await?;
        let plate = Plate::stored(&plate).map_err(|why| corrupt("plate", why))?;
        let audit = Audit {
            exemption_request: Some(id),
            detail: json!({ "ground": ground, "plate": plate.masked() }),
            ..Audit::new(staff.actor(), "exemption.refuse")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes a request back for its driver: its picture and their name are deleted at once. Again it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such request.
    pub async fn exemption_request_withdraw(
        &self,
        id: ExemptionRequestId,
        now: Timestamp,
    ) -> Result<TakenBack, StoreError> {
        let mut tx = self.begin().await?;
        match lock(&mut tx, id).await? {
            RequestStatus::Waiting => {}
            RequestStatus::Withdrawn => return Ok(TakenBack::Done),
            RequestStatus::Granted | RequestStatus::Refused => {
                return Ok(TakenBack::DecidedBefore);
            }
        }
        sqlx::query(
            "UPDATE exemption_request SET status = 'withdrawn', decided_at = $2
             WHERE exemption_request_id = $1",
        )
        .bind(id.0)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        for personal in [
            "DELETE FROM exemption_scan WHERE exemption_request_id = $1",
            "DELETE FROM confirmed_name WHERE exemption_request_id = $1",
        ] {
            sqlx::query(personal).bind(id.0).execute(&mut *tx).await?;
        }
        let audit = Audit {
            exemption_request: Some(id),
            ..Audit::new(DRIVER, "exemption.take_back")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(TakenBack::Done)
    }
}

/// Where a request stands, with nobody else deciding about it until the transaction ends.
async fn lock(tx: &mut PgConnection, id: ExemptionRequestId) -> Result<RequestStatus, StoreError> {
    let status: Option<String> = sqlx::query_scalar(
        "SELECT status FROM exemption_request WHERE exemption_request_id = $1 FOR UPDATE",
    )
    .bind(id.0)
    .fetch_optional(tx)
    .await?;
    status_of(&status.ok_or(StoreError::NotFound("exemption request"))?)
}

async fn scan_delete_after(
    tx: &mut PgConnection,
    id: ExemptionRequestId,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE exemption_scan SET delete_after = $2 WHERE exemption_request_id = $1")
        .bind(id.0)
        .bind(at)
        .execute(tx)
        .await?;
    Ok(())
}
