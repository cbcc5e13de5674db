//! Staff's second factor: the sealed secret of their codes, which codes were used, and who took it away.

use domain::Timestamp;
use domain::second_factor::pause;
use serde_json::json;
use sqlx::{FromRow, PgConnection};

use crate::audit::{Audit, audit_insert};
use crate::signed_in::{SignedIn, member_held, signed_in};
use crate::staff::Staff;
use crate::{Store, StoreError};

/// A member's second factor, as they see it themselves.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct SecondFactor {
    /// Since when.
    pub enrolled_at: Timestamp,
    /// How many recovery codes are left.
    pub recovery_left: i64,
}

/// One-time codes for a lost phone, as they are kept.
#[derive(Clone, Debug)]
pub struct RecoveryHashes {
    /// What goes before each code.
    pub salt: [u8; 16],
    /// SHA-256 of salt and code, each.
    pub hashes: Vec<[u8; 32]>,
}

/// What is kept to know codes by.
#[derive(Clone, Debug, FromRow)]
pub struct Known {
    /// The sealed secret.
    pub sealed: String,
    /// What goes before a recovery code in its hash.
    pub recovery_salt: Vec<u8>,
}

/// Whether a code may be tried.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// The member has no second factor.
    NotEnrolled,
    /// Not before that many seconds.
    Wait(i64),
    /// Yes: it counts as wrong until it is spent.
    Counted(Known),
}

impl Store {
    /// A member's second factor.
    ///
    /// # Errors
    /// Database errors.
    pub async fn second_factor(&self, staff_id: i32) -> Result<Option<SecondFactor>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT enrolled_at, (SELECT count(*) FROM staff_recovery_code AS code
                WHERE code.staff_id = factor.staff_id AND used_at IS NULL) AS recovery_left
             FROM staff_second_factor AS factor WHERE staff_id = $1",
        )
        .bind(staff_id)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Gives whoever is signed in with that token a second factor, a code of which was right at `step`, on the
    /// record; wherever else they are signed in, they are no longer. `false` where they are not, or have one.
    ///
    /// # Errors
    /// Database errors.
    pub async fn second_factor_enrol(
        &self,
        token_hash: &[u8; 32],
        sealed: &str,
        step: i64,
        recovery: &RecoveryHashes,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let Some(SignedIn {
            staff_id, login, ..
        }) = signed_in(&mut tx, token_hash, now).await?
        else {
            return Ok(false);
        };
        let done = sqlx::query(
            "INSERT INTO staff_second_factor (staff_id, sealed, recovery_salt, enrolled_at, last_step)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(staff_id)
        .bind(sealed)
        .bind(&recovery.salt[..])
        .bind(now)
        .bind(step)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        recovery_insert(&mut tx, staff_id, recovery).await?;
        sqlx::query("DELETE FROM staff_login WHERE staff_id = $1 AND token_hash <> $2")
            .bind(staff_id)
            .bind(&token_hash[..])
            .execute(&mut *tx)
            .await?;
        let audit = Audit {
            detail: json!({ "login": login }),
            ..Audit::new(Staff::actor_of(&login), "second_factor.enrol")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Begins to try a code: it counts as wrong until one of the following is told otherwise, so that of many at
    /// once not all are the first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn second_factor_attempt(
        &self,
        staff_id: i32,
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let mut tx = self.begin().await?;
        let tried: Option<(i32, Option<Timestamp>)> = sqlx::query_as(
            "SELECT failures, failed_at FROM staff_second_factor WHERE staff_id = $1 FOR UPDATE",
        )
        .bind(staff_id)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((failures, failed_at)) = tried else {
            return Ok(Attempt::NotEnrolled);
        };
        // Of several at once, who came first may be counted last: that is no wait.
        let now = failed_at.map_or(now, |last| last.max(now));
        if let Some(wait) = failed_at.map(|at| at + pause(failures) - now)
            && wait > chrono::TimeDelta::zero()
        {
            return Ok(Attempt::Wait(wait.num_seconds() + 1));
        }
        let known: Known = sqlx::query_as(
            "UPDATE staff_second_factor SET failures = least(failures, 1000) + 1, failed_at = $2
             WHERE staff_id = $1 RETURNING sealed, recovery_salt",
        )
        .bind(staff_id)
        .bind(now)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Attempt::Counted(known))
    }

    /// Takes the code of a step, with the secret `known` sealed anew; `false` where that step's, or a later one's, was
    /// taken before, or the secret is another by now.
    ///
    /// # Errors
    /// Database errors.
    pub async fn second_factor_spend(
        &self,
        staff_id: i32,
        step: i64,
        (known, sealed): (&str, &str),
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE staff_second_factor SET last_step = $2, sealed = $3, failures = 0, failed_at = NULL
             WHERE staff_id = $1 AND last_step < $2 AND sealed = $4",
        )
        .bind(staff_id)
        .bind(step)
        .bind(sealed)
        .bind(known)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes a recovery code, on the record; `false` where it is none of theirs, or was taken before.
    ///
    /// # Errors
    /// Database errors.
    pub async fn recovery_code_spend(
        &self,
        staff: &Staff,
        code_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // In the order in which all who change a second factor take its rows.
        sqlx::query("SELECT FROM staff_second_factor WHERE staff_id = $1 FOR UPDATE")
            .bind(staff.staff_id)
            .execute(&mut *tx)
            .await?;
        let done = sqlx::query(
            "UPDATE staff_recovery_code SET used_at = $3
             WHERE staff_id = $1 AND code_hash = $2 AND used_at IS NULL",
        )
        .bind(staff.staff_id)
        .bind(&code_hash[..])
        .bind(now)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE staff_second_factor SET failures = 0, failed_at = NULL WHERE staff_id = $1",
        )
        .bind(staff.staff_id)
        .execute(&mut *tx)
        .await?;
        let left: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM staff_recovery_code WHERE staff_id = $1 AND used_at IS NULL",
        )
        .bind(staff.staff_id)
        .fetch_one(&mut *tx)
        .await?;
        let audit = Audit {
            detail: json!({ "login": staff.login, "left": left }),
            ..Audit::new(staff.actor(), "second_factor.recovery_code")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Notes on the record that a code was wrong, which only whoever knows the password may try, and not often.
    ///
    /// # Errors
    /// Database errors.
    pub async fn second_factor_refused(
        &self,
        staff: &Staff,
        from: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let audit = Audit {
            detail: json!({ "login": staff.login, "from": from }),
            ..Audit::new(staff.actor(), "second_factor.wrong_code")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives a member who is signed in with that token new recovery codes in the place of all that they have, on the
    /// record; `false` where they have no second factor, or are signed in no longer.
    ///
    /// # Errors
    /// Database errors.
    pub async fn recovery_codes_renew(
        &self,
        staff: &Staff,
        token_hash: &[u8; 32],
        recovery: &RecoveryHashes,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let member = signed_in(&mut tx, token_hash, now).await?;
        if member.is_none_or(|member| member.staff_id != staff.staff_id) {
            return Ok(false);
        }
        let done =
            sqlx::query("UPDATE staff_second_factor SET recovery_salt = $2 WHERE staff_id = $1")
                .bind(staff.staff_id)
                .bind(&recovery.salt[..])
                .execute(&mut *tx)
                .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("DELETE FROM staff_recovery_code WHERE staff_id = $1")
            .bind(staff.staff_id)
            .execute(&mut *tx)
            .await?;
        recovery_insert(&mut tx, staff.staff_id, recovery).await?;
        let audit = Audit {
            detail: json!({ "login": staff.login }),
            ..Audit::new(staff.actor(), "second_factor.recovery_codes")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes a member's second factor away, on the record; wherever they are signed in but for the browser of the
    /// token `but`, they are no longer. `false` where they have none, or nobody is signed in there as them.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such member.
    pub async fn second_factor_end(
        &self,
        login: &str,
        but: Option<&[u8; 32]>,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let id = match but {
            Some(token_hash) => match signed_in(&mut tx, token_hash, now).await? {
                Some(member) if member.login == login => member.staff_id,
                _ => return Ok(false),
            },
            None => member_held(&mut tx, login).await?,
        };
        let done = sqlx::query("DELETE FROM staff_second_factor WHERE staff_id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "DELETE FROM staff_login WHERE staff_id = $1 AND token_hash IS DISTINCT FROM $2",
        )
        .bind(id)
        .bind(but.map(|hash| &hash[..]))
        .execute(&mut *tx)
        .await?;
        let audit = Audit {
            detail: json!({ "login": login }),
            ..Audit::new(by, "second_factor.end")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn recovery_insert(
    tx: &mut PgConnection,
    staff_id: i32,
    recovery: &RecoveryHashes,
) -> Result<(), StoreError> {
    let hashes: Vec<&[u8]> = recovery.hashes.iter().map(|hash| &hash[..]).collect();
    sqlx::query(
        "INSERT INTO staff_recovery_code (staff_id, code_hash) SELECT $1, unnest($2::bytea[])",
    )
    .bind(staff_id)
    .bind(hashes)
    .execute(tx)
    .await?;
    Ok(())
}
