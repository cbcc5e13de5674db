//! Who parks for nothing: granted and withdrawn by the city, on the record.

use domain::Timestamp;
use domain::id::{ExemptionId, ExemptionRequestId};
use domain::place::VehicleClass;
use domain::plate::Plate;
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::place::class;
use crate::staff::Staff;
use crate::{Store, StoreError, corrupt, storable, without_nul};

/// Who parks for nothing, where, when and why.
#[derive(Clone, Debug)]
pub struct Exemption {
    /// Its identity.
    pub id: ExemptionId,
    /// The code of the zone in which it counts; `None` is all.
    pub zone: Option<String>,
    /// For which vehicle.
    pub plate: Plate,
    /// Of which class.
    pub class: VehicleClass,
    /// The code of a ground that a tariff knows.
    pub ground: String,
    /// By which document it was proved.
    pub document: String,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
}

/// An exemption that was granted.
#[derive(Clone, Debug)]
pub struct GrantedExemption {
    /// What was granted.
    pub exemption: Exemption,
    /// The login of whoever granted it.
    pub granted_by: String,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
    /// How many sessions rest on it.
    pub sessions: i64,
}

/// A ground that a tariff in force or to come knows.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct KnownGround {
    /// Its code.
    pub code: String,
    /// Its name in Vietnamese.
    pub name_vi: String,
    /// Its name in English.
    pub name_en: String,
}

/// A plate's exemptions are granted one after the other: this advisory lock, with the plate's hash. `exem`.
const GRANTS: i32 = 0x6578_656d;

impl Store {
    /// The grounds that the city's tariffs know, of a zone or of all, each once.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemption_grounds(
        &self,
        zone: Option<&str>,
    ) -> Result<Vec<KnownGround>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT DISTINCT ON (g ->> 'code') g ->> 'code' AS code, g ->> 'name_vi' AS name_vi,
                    g ->> 'name_en' AS name_en
             FROM tariff JOIN zone USING (zone_id),
                  jsonb_array_elements(document -> 'exemptions') AS g
             WHERE $1::text IS NULL OR zone.code = $1
             ORDER BY g ->> 'code', effective_from DESC",
        )
        .bind(zone.map(without_nul))
        .fetch_all(&self.pool)
        .await?)
    }

    /// Grants an exemption; the result is by what it goes. One that is granted word by word already is that one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such zone.
    pub async fn exemption_grant(
        &self,
        new: &Exemption,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<ExemptionId, StoreError> {
        has_zone_s_name(new)?;
        let mut tx = self.begin().await?;
        // Of two touches at once the second waits for the first.
        sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
            .bind(GRANTS)
            .bind(new.plate.reveal())
            .execute(&mut *tx)
            .await?;
        let known: Option<Uuid> = sqlx::query_scalar(
            "SELECT exemption_id FROM exemption LEFT JOIN zone USING (zone_id)
             WHERE plate = $1 AND exemption.class = $2 AND ground = $3 AND document = $4 AND starts_at = $5
                AND ends_at = $6 AND zone.code IS NOT DISTINCT FROM $7::text AND withdrawn_at IS NULL LIMIT 1",
        )
        .bind(new.plate.reveal())
        .bind(new.class.code())
        .bind(&new.ground)
        .bind(without_nul(&new.document))
        .bind(new.starts_at)
        .bind(new.ends_at)
        .bind(&new.zone)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(known) = known {
            return Ok(ExemptionId(known));
        }
        exemption_insert(&mut tx, new, None, staff, now).await?;
        tx.commit().await?;
        Ok(new.id)
    }

    /// Withdraws an exemption: what begins from now on is charged. Again it changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn exemption_withdraw(
        &self,
        id: ExemptionId,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let withdrawn: Option<Option<Timestamp>> = sqlx::query_scalar(
            "SELECT withdrawn_at FROM exemption WHERE exemption_id = $1 FOR UPDATE",
        )
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        if withdrawn
            .ok_or(StoreError::NotFound("exemption"))?
            .is_some()
        {
            return Ok(());
        }
        sqlx::query("UPDATE exemption SET withdrawn_at = $2 WHERE exemption_id = $1")
            .bind(id.0)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        let audit = Audit {
            exemption: Some(id),
            ..Audit::new(staff.actor(), "exemption.withdraw")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Exemptions that end after `now`, newest first, withdrawn ones last.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemptions(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<GrantedExemption>, StoreError> {
        let rows: Vec<ExemptionRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{EXEMPTION} WHERE ends_at > $1
             ORDER BY withdrawn_at IS NOT NULL, granted_at DESC, exemption_id LIMIT $2"
        )))
        .bind(now)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(ExemptionRow::exemption).collect()
    }

    /// The exemptions that a plate has or had, newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn exemptions_of(
        &self,
        plate: &Plate,
        limit: i64,
    ) -> Result<Vec<GrantedExemption>, StoreError> {
        let rows: Vec<ExemptionRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{EXEMPTION} WHERE plate = $1 ORDER BY granted_at DESC LIMIT $2"
        )))
        .bind(plate.reveal())
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(ExemptionRow::exemption).collect()
    }
}

/// Refuses what no zone can be called.
fn has_zone_s_name(new: &Exemption) -> Result<(), StoreError> {
    match new.zone.as_deref().is_none_or(storable) {
        true => Ok(()),
        false => Err(StoreError::NotFound("zone")),
    }
}

/// Writes an exemption, granted by `staff`, and its line of the record; at a driver's request, where
/// there is one.
pub(crate) async fn exemption_insert(
    tx: &mut PgConnection,
    new: &Exemption,
    request: Option<ExemptionRequestId>,
    staff: &Staff,
    now: Timestamp,
) -> Result<(), StoreError> {
    has_zone_s_name(new)?;
    let done = sqlx::query(
        "INSERT INTO exemption (exemption_id, zone_id, plate, class, ground, document, starts_at,
                                ends_at, granted_by, granted_at)
         SELECT $1, zone_id, $3, $4, $5, $6, $7, $8, $9, $10
         FROM (SELECT 1) AS one LEFT JOIN zone ON zone.code = $2
         WHERE $2 IS NULL OR zone_id IS NOT NULL",
    )
    .bind(new.id.0)
    .bind(&new.zone)
    .bind(new.plate.reveal())
    .bind(new.class.code())
    .bind(&new.ground)
    .bind(without_nul(&new.document))
    .bind(new.starts_at)
    .bind(new.ends_at)
    .bind(staff.staff_id)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::NotFound("zone"));
    }
    let audit = Audit {
        exemption: Some(new.id),
        exemption_request: request,
        detail: json!({ "ground": new.ground, "plate": new.plate.masked() }),
        ..Audit::new(staff.actor(), "exemption.grant")
    };
    audit_insert(tx, &audit, now).await
}

const EXEMPTION: &str =
    "SELECT exemption_id, zone.code AS zone, plate, class, ground, document, starts_at,
            ends_at, login AS granted_by, withdrawn_at,
            (SELECT count(*) FROM session
             WHERE session.exemption_id = exemption.exemption_id) AS sessions
     FROM exemption LEFT JOIN zone USING (zone_id) JOIN staff ON staff_id = granted_by";

#[derive(FromRow)]
struct ExemptionRow {
    exemption_id: Uuid,
    zone: Option<String>,
    plate: String,
    class: String,
    ground: String,
    document: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
    granted_by: String,
    withdrawn_at: Option<Timestamp>,
    sessions: i64,
}

impl ExemptionRow {
    fn exemption(self) -> Result<GrantedExemption, StoreError> {
        Ok(GrantedExemption {
            exemption: Exemption {
                id: ExemptionId(self.exemption_id),
                plate: Plate::stored(&self.plate).map_err(|why| corrupt("plate", why))?,
                class: class(&self.class)?,
                zone: self.zone,
                ground: self.ground,
                document: self.document,
                starts_at: self.starts_at,
                ends_at: self.ends_at,
            },
            granted_by: self.granted_by,
            withdrawn_at: self.withdrawn_at,
            sessions: self.sessions,
        })
    }
}
