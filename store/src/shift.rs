//! Planned shifts: who is to be where and when.

use domain::Timestamp;
use domain::id::ShiftId;
use domain::shift::Span;
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection};

use crate::audit::{Audit, audit_insert};
use crate::staff::Staff;
use crate::{Store, StoreError, storable, without_nul};

/// The database's word that somebody would be in two places at once.
const ONE_PLACE: &str = "shift_one_place";

/// A shift to be planned.
#[derive(Clone, Debug)]
pub struct NewShift {
    /// Whose: a login.
    pub login: String,
    /// The lots' codes.
    pub lots: Vec<String>,
    /// From when until when.
    pub span: Span,
    /// What else to know.
    pub note: String,
}

impl NewShift {
    fn detail(&self) -> Value {
        json!({ "login": self.login, "lots": self.lots, "from": self.span.0, "until": self.span.1 })
    }
}

/// A shift as it is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedShift {
    /// Its key.
    pub id: ShiftId,
    /// Whose.
    pub login: String,
    /// Their name.
    pub name: String,
    /// The code of their operator; `None` is the city.
    pub operator: Option<String>,
    /// Whether they have been shut out meanwhile.
    pub shut_out: bool,
    /// The lots' codes, in order.
    pub lots: Vec<String>,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// What else to know.
    pub note: String,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct ShiftRow {
    shift_id: i32,
    login: String,
    name: String,
    operator: Option<String>,
    shut_out: bool,
    lots: Vec<String>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    note: String,
    cancelled_at: Option<Timestamp>,
}

impl From<ShiftRow> for PlannedShift {
    fn from(row: ShiftRow) -> Self {
        Self {
            id: ShiftId(row.shift_id),
            login: row.login,
            name: row.name,
            operator: row.operator,
            shut_out: row.shut_out,
            lots: row.lots,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            note: row.note,
            cancelled_at: row.cancelled_at,
        }
    }
}

const SELECT: &str = "SELECT shift_id, login, staff.name, operator.code AS operator,
        disabled_at IS NOT NULL AS shut_out,
        ARRAY(SELECT lot.code FROM shift_lot JOIN lot USING (lot_id)
              WHERE shift_lot.shift_id = shift.shift_id ORDER BY lot.code) AS lots,
        starts_at, ends_at, note, cancelled_at
    FROM shift JOIN staff USING (staff_id) LEFT JOIN operator USING (operator_id)";

impl Store {
    /// Plans a shift, on the record; nothing where its member would be in two places at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such member or lot.
    pub async fn shift_plan(
        &self,
        new: &NewShift,
        by: &Staff,
        now: Timestamp,
    ) -> Result<Option<ShiftId>, StoreError> {
        let mut tx = self.begin().await?;
        let planned = sqlx::query_scalar::<_, i32>(
            "INSERT INTO shift (staff_id, starts_at, ends_at, note)
             SELECT staff_id, $2, $3, $4 FROM staff WHERE login = $1 RETURNING shift_id",
        )
        .bind(&new.login)
        .bind(new.span.0)
        .bind(new.span.1)
        .bind(without_nul(&new.note))
        .fetch_optional(&mut *tx)
        .await;
        let Some(planned) = one_place(planned)? else {
            return Ok(None);
        };
        let id = planned.ok_or(StoreError::NotFound("member of staff"))?;
        lots_insert(&mut tx, id, &new.lots).await?;
        let mut detail = new.detail();
        detail["shift"] = json!(id);
        let audit = Audit {
            detail,
            ..Audit::new(by.actor(), "shift.plan")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(Some(ShiftId(id)))
    }

    /// Plans a shift that has not ended otherwise, on the record with what it was; whether that was
    /// possible: not where its member would be in two places at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such shift any longer, no such member or lot.
    pub async fn shift_change(
        &self,
        id: ShiftId,
        new: &NewShift,
        by: &Staff,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let was = locked(&mut tx, id, by, now).await?;
        let changed = sqlx::query_scalar::<_, i32>(
            "UPDATE shift SET staff_id = staff.staff_id, starts_at = $3, ends_at = $4, note = $5
             FROM staff WHERE shift_id = $1 AND login = $2 RETURNING shift_id",
        )
        .bind(id.0)
        .bind(&new.login)
        .bind(new.span.0)
        .bind(new.span.1)
        .bind(without_nul(&new.note))
        .fetch_optional(&mut *tx)
        .await;
        let Some(changed) = one_place(changed)? else {
            return Ok(false);
        };
        changed.ok_or(StoreError::NotFound("member of staff"))?;
        sqlx::query("DELETE FROM shift_lot WHERE shift_id = $1")
            .bind(id.0)
            .execute(&mut *tx)
            .await?;
        lots_insert(&mut tx, id.0, &new.lots).await?;
        let mut detail = new.detail();
        detail["shift"] = json!(id.0);
        detail["was"] = was.detail();
        let audit = Audit {
            detail,
            ..Audit::new(by.actor(), "shift.change")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Cancels a shift that has not ended, on the record.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none any longer.
    pub async fn shift_cancel(
        &self,
        id: ShiftId,
        by: &Staff,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let was = locked(&mut tx, id, by, now).await?;
        sqlx::query("UPDATE shift SET cancelled_at = $2 WHERE shift_id = $1")
            .bind(id.0)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        let mut detail = was.detail();
        detail["shift"] = json!(id.0);
        let audit = Audit {
            detail,
            ..Audit::new(by.actor(), "shift.cancel")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A shift, cancelled or not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn shift(&self, id: ShiftId) -> Result<PlannedShift, StoreError> {
        let statement = format!("{SELECT} WHERE shift_id = $1");
        let row: Option<ShiftRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(id.0)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.ok_or(StoreError::NotFound("shift"))?.into())
    }

    /// The shifts that touch a span, by their start: of an operator's staff, or of all; of one login
    /// where one is named.
    ///
    /// # Errors
    /// Database errors.
    pub async fn shifts(
        &self,
        operator: Option<&str>,
        login: Option<&str>,
        (from, until): Span,
        limit: i64,
    ) -> Result<Vec<PlannedShift>, StoreError> {
        if login.is_some_and(|login| !storable(login)) {
            return Ok(Vec::new());
        }
        let statement = format!(
            "{SELECT} WHERE cancelled_at IS NULL AND starts_at < $4 AND ends_at > $3
                -- By the index: none is longer than that.
                AND starts_at > $3 - interval '16 hours'
                AND ($1::text IS NULL OR operator.code = $1) AND ($2::text IS NULL OR login = $2)
             ORDER BY starts_at, login LIMIT $5"
        );
        let rows: Vec<ShiftRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(operator)
            .bind(login)
            .bind(from)
            .bind(until)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(PlannedShift::from).collect())
    }
}

/// A shift that is to be changed, held until this transaction ends.
async fn locked(
    tx: &mut PgConnection,
    id: ShiftId,
    by: &Staff,
    now: Timestamp,
) -> Result<NewShift, StoreError> {
    // It may have become another operator's since it was looked at.
    let statement = format!(
        "{SELECT} WHERE shift_id = $1 AND cancelled_at IS NULL AND ends_at > $2
            AND ($3::text IS NULL OR operator.code = $3) FOR UPDATE OF shift"
    );
    let row: Option<ShiftRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(id.0)
        .bind(now)
        .bind(&by.operator)
        .fetch_optional(tx)
        .await?;
    let row = row.ok_or(StoreError::NotFound("shift"))?;
    Ok(NewShift {
        login: row.login,
        lots: row.lots,
        span: (row.starts_at, row.ends_at),
        note: row.note,
    })
}

async fn lots_insert(tx: &mut PgConnection, id: i32, lots: &[String]) -> Result<(), StoreError> {
    let done = sqlx::query(
        "INSERT INTO shift_lot (shift_id, lot_id) SELECT $1, lot_id FROM lot WHERE code = ANY($2)",
    )
    .bind(id)
    .bind(lots)
    .execute(tx)
    .await?;
    if done.rows_affected() != lots.len() as u64 {
        return Err(StoreError::NotFound("lot"));
    }
    Ok(())
}

/// Nothing where somebody would be in two places at once.
fn one_place<T>(done: Result<T, sqlx::Error>) -> Result<Option<T>, StoreError> {
    match done.map_err(StoreError::from) {
        Ok(done) => Ok(Some(done)),
        Err(StoreError::Constraint(name)) if name == ONE_PLACE => Ok(None),
        Err(error) => Err(error),
    }
}
