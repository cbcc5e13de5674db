//! Drivers' requests for exemptions.

use domain::Timestamp;
use domain::exemption::{RequestStatus, ScanKind};
use domain::id::{ExemptionId, ExemptionRequestId};
use domain::identity::Identity;
use domain::place::VehicleClass;
use domain::plate::Plate;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use crate::audit::{Audit, DRIVER, audit_insert};
use crate::exemption_scan::Scan;
use crate::idempotency::{Claim, Intent, claim};
use crate::identity::{With, confirmed_name_insert, identity_of};
use crate::place::class;
use crate::{Store, StoreError, corrupt, without_nul};

/// Whoever adds a request holds this advisory lock, so that two at once do not both find room: `exrq`.
const REQUEST_LOCK: i64 = 0x6578_7271;

/// A request to be written.
#[derive(Clone, Debug)]
pub struct NewExemptionRequest {
    /// Its identity, used unless the intent was done before.
    pub id: ExemptionRequestId,
    /// For which vehicle.
    pub plate: Plate,
    /// Of which class.
    pub class: VehicleClass,
    /// The code of a ground that a tariff knows.
    pub ground: String,
    /// What kind of document proves it.
    pub document_kind: String,
    /// The document's number.
    pub document_number: String,
    /// Its picture.
    pub scan: Scan,
    /// Who the driver is, where they say so.
    pub identity: Option<Identity>,
    /// The client's key and request.
    pub intent: Intent,
}

/// How many requests may wait.
#[derive(Clone, Copy, Debug)]
pub struct WaitingMax {
    /// Of one plate.
    pub of_plate: i64,
    /// In all.
    pub in_all: i64,
}

/// What became of a request that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// It waits now, or was written by the same intent before.
    Request(ExemptionRequestId),
    /// As many as may wait for this plate.
    TooManyOfPlate,
    /// As many wait as may in all.
    TooMany,
    /// The key belongs to another request.
    KeyMismatch,
}

/// A request as it is kept.
#[derive(Clone, Debug)]
pub struct ExemptionRequest {
    /// Its identity.
    pub id: ExemptionRequestId,
    /// For which vehicle.
    pub plate: Plate,
    /// Of which class.
    pub class: VehicleClass,
    /// The code of its ground.
    pub ground: String,
    /// What kind of document proves it.
    pub document_kind: String,
    /// The document's number.
    pub document_number: String,
    /// Where it stands.
    pub status: RequestStatus,
    /// When it was sent.
    pub asked_at: Timestamp,
    /// When it was decided or taken back.
    pub decided_at: Option<Timestamp>,
    /// The login of whoever decided.
    pub decided_by: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What was granted.
    pub granted: Option<Granted>,
    /// What the picture is, for as long as there is one.
    pub scan: Option<ScanKind>,
    /// From when the picture is kept no longer.
    pub scan_until: Option<Timestamp>,
    /// Who the driver is, where they let a confirmed name stand with it, and for as long as it is kept.
    pub identity: Option<Identity>,
}

/// The exemption that came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Its identity.
    pub id: ExemptionId,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// When the city took it back.
    pub withdrawn_at: Option<Timestamp>,
}

impl Store {
    /// Writes a request with its picture, once per intent and up to so many that wait.
    ///
    /// # Errors
    /// Database errors; then nothing is written.
    pub async fn exemption_request_open(
        &self,
        new: &NewExemptionRequest,
        max: WaitingMax,
        now: Timestamp,
    ) -> Result<Requested, StoreError> {
        let mut tx = self.begin().await?;
        match claim(
            &mut tx,
            "exemption_request",
            &[(&new.intent, new.id.0)],
            now,
        )
        .await?
        .first()
        {
            Some(Claim::New) => {}
            Some(Claim::Done(id)) => return Ok(Requested::Request(ExemptionRequestId(*id))),
            _ => return Ok(Requested::KeyMismatch),
        }
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(REQUEST_LOCK)
            .execute(&mut *tx)
            .await?;
        let (of_plate, in_all): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE plate = $1), count(*) FROM exemption_request
             WHERE status = 'waiting'",
        )
        .bind(new.plate.reveal())
        .fetch_one(&mut *tx)
        .await?;
        if of_plate >= max.of_plate {
            return Ok(Requested::TooManyOfPlate);
        }
        if in_all >= max.in_all {
            return Ok(Requested::TooMany);
        }
        sqlx::query(
            "INSERT INTO exemption_request (exemption_request_id, plate, class, ground,
                                            document_kind, document_number, status, asked_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7)",
        )
        .bind(new.id.0)
        .bind(new.plate.reveal())
        .bind(new.class.code())
        .bind(&new.ground)
        .bind(without_nul(&new.document_kind))
        .bind(without_nul(&new.document_number))
        .bind(now)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO exemption_scan (exemption_request_id, kind, content) VALUES ($1, $2, $3)",
        )
        .bind(new.id.0)
        .bind(new.scan.kind.code())
        .bind(&new.scan.content)
        .execute(&mut *tx)
        .await?;
        if let Some(identity) = &new.identity {
            confirmed_name_insert(&mut tx, With::Request(new.id), identity).await?;
        }
        let audit = Audit {
            exemption_request: Some(new.id),
            detail: json!({ "ground": new.ground, "plate": new.plate.masked() }),
            ..Audit::new(DRIVER, "exemption.ask")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Requested::Request(new.id))
    }

    /// The request of that identity.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn exemption_request(
        &self,
        id: ExemptionRequestId,
    ) -> Result<ExemptionRequest, StoreError> {
        let found = self.exemption_requests(&[id]).await?;
        found
            .into_iter()
            .next()
            .ok_or(StoreError::NotFound("exemption request"))
    }

    /// The requests of those identities, as far as there are such, newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemption_requests(
        &self,
        ids: &[ExemptionRequestId],
    ) -> Result<Vec<ExemptionRequest>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows: Vec<RequestRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{REQUEST} WHERE request.exemption_request_id = ANY($1) ORDER BY asked_at DESC"
        )))
        .bind(&ids)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(RequestRow::request).collect()
    }

    /// Requests that wait, oldest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemption_requests_waiting(
        &self,
        limit: i64,
    ) -> Result<Vec<ExemptionRequest>, StoreError> {
        let rows: Vec<RequestRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{REQUEST} WHERE request.status = 'waiting' ORDER BY asked_at LIMIT $1"
        )))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(RequestRow::request).collect()
    }

    /// How many requests wait.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemption_requests_waiting_count(&self) -> Result<i64, StoreError> {
        let count = "SELECT count(*) FROM exemption_request WHERE status = 'waiting'";
        Ok(sqlx::query_scalar(count).fetch_one(&self.pool).await?)
    }

    /// Requests that staff decided after `since`, newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemption_requests_decided(
        &self,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<ExemptionRequest>, StoreError> {
        let rows: Vec<RequestRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{REQUEST} WHERE decided_at > $1 AND request.status IN ('granted', 'refused')
             ORDER BY decided_at DESC LIMIT $2"
        )))
        .bind(since)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(RequestRow::request).collect()
    }

    /// The requests for a plate, newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemption_requests_of(
        &self,
        plate: &Plate,
        limit: i64,
    ) -> Result<Vec<ExemptionRequest>, StoreError> {
        let rows: Vec<RequestRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{REQUEST} WHERE request.plate = $1 ORDER BY asked_at DESC LIMIT $2"
        )))
        .bind(plate.reveal())
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(RequestRow::request).collect()
    }
}

pub(crate) fn status_of(code: &str) -> Result<RequestStatus, StoreError> {
    RequestStatus::from_code(code).ok_or_else(|| corrupt("exemption request status", code))
}

const REQUEST: &str =
    "SELECT request.exemption_request_id, request.plate, request.class, request.ground,
            document_kind, document_number, request.status, asked_at, decided_at,
            login AS decided_by, reason, request.exemption_id, starts_at, ends_at, withdrawn_at,
            scan.kind AS scan, delete_after, confirmed.issuer, confirmed.subject,
            confirmed.name AS confirmed_name
     FROM exemption_request AS request LEFT JOIN staff ON staff_id = decided_by
          LEFT JOIN exemption USING (exemption_id)
          LEFT JOIN exemption_scan AS scan
              ON scan.exemption_request_id = request.exemption_request_id
          LEFT JOIN confirmed_name AS confirmed
              ON confirmed.exemption_request_id = request.exemption_request_id";

#[derive(FromRow)]
struct RequestRow {
    exemption_request_id: Uuid,
    plate: String,
    class: String,
    ground: String,
    document_kind: String,
    document_number: String,
    status: String,
    asked_at: Timestamp,
    decided_at: Option<Timestamp>,
    decided_by: Option<String>,
    reason: Option<String>,
    exemption_id: Option<Uuid>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    withdrawn_at: Option<Timestamp>,
    scan: Option<String>,
    delete_after: Option<Timestamp>,
    issuer: Option<String>,
    subject: Option<String>,
    confirmed_name: Option<String>,
}

impl RequestRow {
    fn request(self) -> Result<ExemptionRequest, StoreError> {
        let granted = match (self.exemption_id, self.starts_at, self.ends_at) {
            (Some(id), Some(starts_at), Some(ends_at)) => Some(Granted {
                id: ExemptionId(id),
                starts_at,
                ends_at,
                withdrawn_at: self.withdrawn_at,
            }),
            _ => None,
        };
        let scan = match self.scan {
            Some(kind) => {
                Some(ScanKind::from_code(&kind).ok_or_else(|| corrupt("scan kind", &kind))?)
            }
            None => None,
        };
        Ok(ExemptionRequest {
            id: ExemptionRequestId(self.exemption_request_id),
            plate: Plate::stored(&self.plate).map_err(|why| corrupt("plate", why))?,
            class: class(&self.class)?,
            status: status_of(&self.status)?,
            ground: self.ground,
            document_kind: self.document_kind,
            document_number: self.document_number,
            asked_at: self.asked_at,
            decided_at: self.decided_at,
            decided_by: self.decided_by,
            reason: self.reason,
            granted,
            scan,
            scan_until: self.delete_after,
            identity: identity_of(self.issuer, self.subject, self.confirmed_name),
        })
    }
}
