//! The pictures of documents that drivers send with their requests: kept for a while, and on the record
//! whenever somebody opens one.

use domain::Timestamp;
use domain::exemption::ScanKind;
use domain::id::ExemptionRequestId;
use domain::plate::Plate;
use serde_json::json;
use sqlx::FromRow;

use crate::audit::{Audit, audit_insert};
use crate::staff::Staff;
use crate::{Store, StoreError, corrupt};

/// How many pictures are deleted in one transaction.
const FORGET_MAX: i64 = 500;

/// The picture or PDF of a document. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Scan {
    /// What it is.
    pub kind: ScanKind,
    /// The file itself.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scan({}, {} bytes)", self.kind, self.content.len())
    }
}

/// Who opened a document, and when.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// `staff:<login>`.
    pub actor: String,
}

impl Store {
    /// The picture of a request's document, for staff: that they opened it is recorded first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none, or none any more.
    pub async fn exemption_scan(
        &self,
        id: ExemptionRequestId,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<Scan, StoreError> {
        let mut tx = self.begin().await?;
        let row: Option<(String, Vec<u8>, String)> = sqlx::query_as(
            "SELECT kind, content, plate
             FROM exemption_scan JOIN exemption_request USING (exemption_request_id)
             WHERE exemption_request_id = $1 AND coalesce(delete_after > $2, true)",
        )
        .bind(id.0)
        .bind(now)
        .fetch_optional(&mut *tx)
        .await?;
        let (kind, content, plate) = row.ok_or(StoreError::NotFound("document"))?;
        let kind = ScanKind::from_code(&kind).ok_or_else(|| corrupt("scan kind", &kind))?;
        let plate = Plate::stored(&plate).map_err(|why| corrupt("plate", why))?;
        let audit = Audit {
            exemption_request: Some(id),
            detail: json!({ "plate": plate.masked() }),
            ..Audit::new(staff.actor(), "exemption.look")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Scan { kind, content })
    }

    /// Who opened a request's document, newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemption_scan_looks(
        &self,
        id: ExemptionRequestId,
        limit: i64,
    ) -> Result<Vec<Look>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT at, actor FROM audit
             WHERE exemption_request_id = $1 AND action = 'exemption.look'
             ORDER BY at DESC, audit_id DESC LIMIT $2",
        )
        .bind(id.0)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Deletes pictures whose time is over, some hundreds at once, each with a line of the record;
    /// returns how many.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemption_scans_forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "WITH gone AS (
                DELETE FROM exemption_scan WHERE exemption_request_id = ANY (ARRAY(
                    SELECT exemption_request_id FROM exemption_scan WHERE delete_after <= $1
                    ORDER BY delete_after LIMIT $2 FOR UPDATE SKIP LOCKED))
                RETURNING exemption_request_id)
             INSERT INTO audit (at, actor, action, exemption_request_id)
             SELECT $1, 'system', 'exemption.forget', exemption_request_id FROM gone",
        )
        .bind(now)
        .bind(FORGET_MAX)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
