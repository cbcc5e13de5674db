//! Who may work behind the counter: added, given another role, shut out.

use domain::Timestamp;
use domain::staff::Role;
use serde_json::json;
use sqlx::{FromRow, PgConnection};

use crate::audit::{Audit, audit_insert};
use crate::staff::Staff;
use crate::staff_identity::staff_identity_delete;
use crate::{Store, StoreError, storable};

/// A member of staff, as an administrator sees them.
#[derive(Clone, Debug, FromRow)]
pub struct Member {
    /// Their login.
    pub login: String,
    /// Their name.
    pub name: String,
    /// The code of their operator; `None` is the city.
    pub operator: Option<String>,
    /// What they may do.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// When they were shut out.
    pub disabled_at: Option<Timestamp>,
    /// When they signed in last, as far as a browser of theirs is still signed in.
    pub signed_in_at: Option<Timestamp>,
    /// The name of the identity by which they may sign in as well, as it was when they linked it.
    pub identity_name: Option<String>,
    /// Since when they may.
    pub linked_at: Option<Timestamp>,
    /// Since when they have a second factor.
    pub enrolled_at: Option<Timestamp>,
}

const MEMBER: &str = "SELECT login, staff.name, operator.code AS operator, role, disabled_at,
        (SELECT max(created_at) FROM staff_login
         WHERE staff_login.staff_id = staff.staff_id) AS signed_in_at,
        staff_identity.name AS identity_name, linked_at, enrolled_at
    FROM staff LEFT JOIN operator USING (operator_id) LEFT JOIN staff_identity USING (staff_id)
        LEFT JOIN staff_second_factor USING (staff_id)";

/// On whose word an account is changed.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// An administrator's, who must still be one when it is done.
    Administrator(&'a Staff),
    /// That of whoever runs a program: its name for the record.
    Program(&'a str),
}

impl By<'_> {
    fn actor(&self) -> String {
        match self {
            Self::Administrator(staff) => staff.actor(),
            Self::Program(name) => (*name).to_owned(),
        }
    }
}

impl<'a> From<&'a Staff> for By<'a> {
    fn from(staff: &'a Staff) -> Self {
        Self::Administrator(staff)
    }
}

impl<'a> From<&'a str> for By<'a> {
    fn from(name: &'a str) -> Self {
        Self::Program(name)
    }
}

/// Locks who changes an account and whose it is, and refuses an administrator who is none any longer: of two who shut
/// each other out, one stays.
async fn still_may(tx: &mut PgConnection, by: &By<'_>, login: &str) -> Result<(), StoreError> {
    let By::Administrator(admin) = by else {
        return Ok(());
    };
    sqlx::query("SELECT FROM staff WHERE staff_id = $1 OR login = $2 ORDER BY staff_id FOR UPDATE")
        .bind(admin.staff_id)
        .bind(login)
        .execute(&mut *tx)
        .await?;
    let may: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM staff WHERE staff_id = $1 AND disabled_at IS NULL AND role = $2)",
    )
    .bind(admin.staff_id)
    .bind(Role::Administrator.code())
    .fetch_one(tx)
    .await?;
    match may {
        true => Ok(()),
        false => Err(StoreError::NotFound("administrator")),
    }
}

impl Store {
    /// The staff of an operator, or of all and the city, by login.
    ///
    /// # Errors
    /// Database errors.
    pub async fn members(&self, operator: Option<&str>) -> Result<Vec<Member>, StoreError> {
        let statement =
            format!("{MEMBER} WHERE $1::text IS NULL OR operator.code = $1 ORDER BY login");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(operator)
            .fetch_all(&self.pool)
            .await?)
    }

    /// The member of that login, shut out or not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn member(&self, login: &str) -> Result<Member, StoreError> {
        if !storable(login) {
            return Err(StoreError::NotFound("member of staff"));
        }
        let statement = format!("{MEMBER} WHERE login = $1");
        let found: Option<Member> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(login)
            .fetch_optional(&self.pool)
            .await?;
        found.ok_or(StoreError::NotFound("member of staff"))
    }

    /// The operators that are installed, by code, with their names.
    ///
    /// # Errors
    /// Database errors.
    pub async fn operators(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(
            sqlx::query_as("SELECT code, name FROM operator ORDER BY code")
                .fetch_all(&self.pool)
                .await?,
        )
    }

    /// Adds a member of staff; `false` where there is such a login already.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such operator.
    pub async fn member_add(
        &self,
        login: &str,
        name: &str,
        password_hash: &str,
        (operator, role): (Option<&str>, Role),
        by: impl Into<By<'_>>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let by = by.into();
        let mut tx = self.begin().await?;
        still_may(&mut tx, &by, login).await?;
        let there: bool = sqlx::query_scalar(
            "SELECT $1::text IS NULL OR EXISTS (SELECT FROM operator WHERE code = $1)",
        )
        .bind(operator)
        .fetch_one(&mut *tx)
        .await?;
        if !there {
            return Err(StoreError::NotFound("operator"));
        }
        let done = sqlx::query(
            "INSERT INTO staff (login, name, password_hash, operator_id, role)
             SELECT $1, $2, $3, (SELECT operator_id FROM operator WHERE code = $4), $5
             ON CONFLICT (login) DO NOTHING",
        )
        .bind(login)
        .bind(name)
        .bind(password_hash)
        .bind(operator)
        .bind(role.code())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let audit = Audit {
            detail: json!({ "login": login, "role": role.code() }),
            ..Audit::new(by.actor(), "staff.add")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives a member of staff another role.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such member.
    pub async fn member_set_role(
        &self,
        login: &str,
        role: Role,
        by: impl Into<By<'_>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let by = by.into();
        let mut tx = self.begin().await?;
        still_may(&mut tx, &by, login).await?;
        let done = sqlx::query("UPDATE staff SET role = $2 WHERE login = $1")
            .bind(login)
            .bind(role.code())
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound("member of staff"));
        }
        let audit = Audit {
            detail: json!({ "login": login, "role": role.code() }),
            ..Audit::new(by.actor(), "staff.role")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Shuts a member of staff out, wherever they are signed in, or lets them in again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such member.
    pub async fn member_shut_out(
        &self,
        login: &str,
        out: bool,
        by: impl Into<By<'_>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let by = by.into();
        let mut tx = self.begin().await?;
        still_may(&mut tx, &by, login).await?;
        let id: Option<i32> = sqlx::query_scalar(
            "UPDATE staff SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, $3) END
             WHERE login = $1 RETURNING staff_id",
        )
        .bind(login)
        .bind(out)
        .bind(now)
        .fetch_optional(&mut *tx)
        .await?;
        let id = id.ok_or(StoreError::NotFound("member of staff"))?;
        if out {
            sqlx::query("DELETE FROM staff_login WHERE staff_id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        let action = if out {
            "staff.shut_out"
        } else {
            "staff.let_in"
        };
        let audit = Audit {
            detail: json!({ "login": login }),
            ..Audit::new(by.actor(), action)
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives a member of staff a new password, on the record; wherever they were signed in with the old
    /// one, they are no longer, and no identity is theirs: whoever had the old one may have linked it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such member.
    pub async fn member_set_password(
        &self,
        login: &str,
        password_hash: &str,
        by: impl Into<By<'_>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let by = by.into();
        let mut tx = self.begin().await?;
        still_may(&mut tx, &by, login).await?;
        // The row first: a sign-in that still holds it has its session here before the next statement looks.
        let id: Option<i32> = sqlx::query_scalar(
            "UPDATE staff SET password_hash = $2 WHERE login = $1 RETURNING staff_id",
        )
        .bind(login)
        .bind(password_hash)
        .fetch_optional(&mut *tx)
        .await?;
        let id = id.ok_or(StoreError::NotFound("member of staff"))?;
        sqlx::query("DELETE FROM staff_login WHERE staff_id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let unlinked = staff_identity_delete(&mut tx, id).await?;
        let audit = Audit {
            detail: json!({ "login": login, "unlinked": unlinked }),
            ..Audit::new(by.actor(), "staff.password")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }
}
