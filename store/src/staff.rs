//! Who may look behind the counter.

use domain::Timestamp;
use domain::staff::Role;
use serde_json::json;
use sqlx::{FromRow, PgConnection};

use crate::audit::{Audit, audit_insert};
use crate::{Store, StoreError, storable};

/// Somebody who works with the lots.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Staff {
    /// Their key.
    pub staff_id: i32,
    /// Their login.
    pub login: String,
    /// Their name.
    pub name: String,
    /// The operator whose lots they see; `None` is the city and sees all.
    pub operator: Option<String>,
    /// What they may do.
    #[sqlx(try_from = "String")]
    pub role: Role,
}

impl Staff {
    /// Whether they read, and change nothing.
    pub fn reads_only(&self) -> bool {
        self.role == Role::Auditor
    }

    /// What the audit record calls them.
    pub fn actor(&self) -> String {
        Self::actor_of(&self.login)
    }

    /// What it calls whoever has that login.
    pub fn actor_of(login: &str) -> String {
        format!("staff:{login}")
    }
}

/// Money that a bank told of and that pays for nothing yet.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct SuspendedNotice {
    /// Through whom it came.
    pub gateway: String,
    /// The bank's number of the transfer.
    pub bank_ref: String,
    /// The amount in units of `currency`.
    pub amount_vnd: i64,
    /// The currency.
    pub currency: String,
    /// When it was booked.
    pub paid_at: Timestamp,
    /// Why it pays for nothing.
    pub outcome: String,
    /// Where its refund stands, if it goes back.
    pub refund_status: Option<String>,
    /// What staff did about one that brought no đồng.
    pub settled_note: Option<String>,
    /// Whether its refund is proposed, and waits for a second person.
    pub is_proposed: bool,
}

const STAFF: &str = "staff_id, login, staff.name, operator.code AS operator, role";
const FROM_STAFF: &str = "FROM (SELECT * FROM staff WHERE disabled_at IS NULL) AS staff
    LEFT JOIN operator USING (operator_id)";

#[derive(FromRow)]
struct StaffRow {
    #[sqlx(flatten)]
    staff: Staff,
    password_hash: String,
}

/// By what somebody shows that it is they.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The password alone, which does for who has no second factor.
    Password,
    /// The password and a code by time.
    Code,
    /// The password and one of the codes for a lost phone.
    RecoveryCode,
}

impl Proof {
    /// What the record calls it.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "password and code",
            Self::RecoveryCode => "password and recovery code",
        }
    }

    pub(crate) const fn has_second_factor(self) -> bool {
        !matches!(self, Self::Password)
    }
}

/// Who is signed in, and how.
#[derive(Clone, Debug, FromRow)]
pub struct StaffLogin {
    /// Who.
    #[sqlx(flatten)]
    pub staff: Staff,
    /// When they showed last that it is they.
    pub confirmed_at: Option<Timestamp>,
    /// Whether the identity provider said so, and no password.
    pub by_identity: bool,
    /// Whether they have a second factor.
    pub has_second_factor: bool,
}

/// A browser that is signed in.
#[derive(Clone, Debug)]
pub struct StaffSignIn {
    /// SHA-256 of its new token.
    pub token_hash: [u8; 32],
    /// SHA-256 of the token that it held until now, if it held one: it is good no more.
    pub replaces: Option<[u8; 32]>,
    /// The address that it comes from, for the record.
    pub from: String,
    /// When.
    pub at: Timestamp,
    /// Until when the token is good.
    pub expires_at: Timestamp,
}

impl Store {
    /// Adds a member of staff, or gives one a new name, password and operator. Wherever they were
    /// signed in with the old password, they are no longer.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such operator.
    pub async fn staff_put(
        &self,
        login: &str,
        name: &str,
        password_hash: &str,
        operator: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "INSERT INTO staff (login, name, password_hash, operator_id)
             SELECT $1, $2, $3, operator_id
             FROM (SELECT 1) AS one LEFT JOIN operator ON code = $4
             WHERE $4 IS NULL OR operator_id IS NOT NULL
             ON CONFLICT (login) DO UPDATE SET name = excluded.name,
                password_hash = excluded.password_hash, operator_id = excluded.operator_id",
        )
        .bind(login)
        .bind(name)
        .bind(password_hash)
        .bind(operator)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound("operator"));
        }
        sqlx::query("DELETE FROM staff_login USING staff WHERE staff_login.staff_id = staff.staff_id AND login = $1")
            .bind(login)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The member of staff of that login, with the hash of the password.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_find(&self, login: &str) -> Result<Option<(Staff, String)>, StoreError> {
        if !storable(login) {
            return Ok(None);
        }
        let statement = format!("SELECT {STAFF}, password_hash {FROM_STAFF} WHERE login = $1");
        let row: Option<StaffRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(login)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| (row.staff, row.password_hash)))
    }

    /// Signs a browser in, if the member still has the password whose hash was checked, and a second factor just where
    /// a code of it was; what it was signed in as before ends. On the record. The result is whether it is.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_login_open(
        &self,
        staff_id: i32,
        checked_hash: &str,
        proof: Proof,
        sign_in: &StaffSignIn,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // The lock on the row makes whoever changes the password, gives a second factor or shuts them out either
        // wait until this session is there to be ended, or be over before the next statement looks.
        sqlx::query("SELECT FROM staff WHERE staff_id = $1 FOR SHARE")
            .bind(staff_id)
            .execute(&mut *tx)
            .await?;
        let opened: Option<String> = sqlx::query_scalar(
            "INSERT INTO staff_login (token_hash, staff_id, created_at, expires_at, confirmed_at)
             SELECT $1, staff_id, $4, $5, $4 FROM staff
             WHERE staff_id = $2 AND password_hash = $3 AND disabled_at IS NULL
                AND $6 = EXISTS (
                    SELECT FROM staff_second_factor AS factor WHERE factor.staff_id = staff.staff_id)
             RETURNING (SELECT login FROM staff WHERE staff.staff_id = staff_login.staff_id)",
        )
        .bind(&sign_in.token_hash[..])
        .bind(staff_id)
        .bind(checked_hash)
        .bind(sign_in.at)
        .bind(sign_in.expires_at)
        .bind(proof.has_second_factor())
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(login) = &opened {
            login_opened(&mut tx, login, sign_in, proof.told()).await?;
        }
        // Those that somebody else is ending are theirs: no two wait for each other.
        sqlx::query(
            "DELETE FROM staff_login WHERE token_hash IN (
                SELECT token_hash FROM staff_login WHERE expires_at < $1 FOR UPDATE SKIP LOCKED)",
        )
        .bind(sign_in.at)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(opened.is_some())
    }

    /// Who is signed in with that token, if it is still good at `now`.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_login(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<StaffLogin>, StoreError> {
        let statement = format!(
            "SELECT {STAFF}, confirmed_at, by_identity, factor.staff_id IS NOT NULL AS has_second_factor
             {FROM_STAFF} JOIN staff_login USING (staff_id)
                LEFT JOIN staff_second_factor AS factor USING (staff_id)
             WHERE token_hash = $1 AND expires_at > $2"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(&token_hash[..])
            .bind(now)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// Notes that whoever is signed in with that token has shown that it is they, on the record; as for
    /// [`Store::staff_login_open`], by the password whose hash was checked. The result is whether that is theirs.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_login_confirm(
        &self,
        token_hash: &[u8; 32],
        checked_hash: &str,
        proof: Proof,
        from: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let login: Option<String> = sqlx::query_scalar(
            "UPDATE staff_login SET confirmed_at = $2 FROM staff
             WHERE token_hash = $1 AND expires_at > $2 AND staff.staff_id = staff_login.staff_id
                AND password_hash = $3 AND disabled_at IS NULL
                AND $4 = EXISTS (
                    SELECT FROM staff_second_factor AS factor WHERE factor.staff_id = staff.staff_id)
             RETURNING login",
        )
        .bind(&token_hash[..])
        .bind(now)
        .bind(checked_hash)
        .bind(proof.has_second_factor())
        .fetch_optional(&mut *tx)
        .await?;
        let Some(login) = login else {
            return Ok(false);
        };
        let audit = Audit {
            detail: json!({ "from": from, "by": proof.told() }),
            ..Audit::new(Staff::actor_of(&login), "staff.confirm")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Signs a browser out, on the record, wherever it was `from`.
    ///
    /// # Errors
    /// Database errors.
    pub async fn staff_login_close(
        &self,
        token_hash: &[u8; 32],
        from: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        login_end(&mut tx, token_hash, from, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Money that paid for nothing, at most `limit` rows: what has been given back, newest first, or all else, oldest
    /// first, with what waits for people before what is proposed, and that before what is on its way.
    ///
    /// # Errors
    /// Database errors.
    pub async fn suspense_list(
        &self,
        settled: bool,
        limit: i64,
    ) -> Result<Vec<SuspendedNotice>, StoreError> {
        let order = match settled {
            true => "paid_at DESC",
            false => "refund.status IS NOT NULL, is_proposed, paid_at",
        };
        let statement = format!(
            "SELECT gateway, bank_ref, bank_notice.amount_vnd, currency, paid_at, outcome,
                    refund.status AS refund_status, bank_notice.settled_note,
                    EXISTS (SELECT FROM refund_decision
                            WHERE refund_decision.gateway = bank_notice.gateway
                                AND refund_decision.bank_ref = bank_notice.bank_ref
                                AND refund_decision.status = 'open') AS is_proposed
             FROM bank_notice LEFT JOIN refund USING (gateway, bank_ref)
             WHERE outcome <> 'posted'
                AND (refund.status IS NOT DISTINCT FROM 'done' OR settled_note IS NOT NULL) = $1
             ORDER BY {order}, bank_ref LIMIT $2"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(settled)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?)
    }
}

/// What goes with every sign-in, in its transaction: the browser's former one ends, and the record has a line.
pub(crate) async fn login_opened(
    tx: &mut PgConnection,
    login: &str,
    sign_in: &StaffSignIn,
    by: &'static str,
) -> Result<(), StoreError> {
    if let Some(former) = &sign_in.replaces {
        login_end(tx, former, &sign_in.from, sign_in.at).await?;
    }
    let audit = Audit {
        detail: json!({ "from": sign_in.from, "by": by }),
        ..Audit::new(Staff::actor_of(login), "staff.sign_in")
    };
    audit_insert(tx, &audit, sign_in.at).await
}

/// Ends whose token that is, if it is anybody's, with a line of the record.
async fn login_end(
    tx: &mut PgConnection,
    token_hash: &[u8; 32],
    from: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let login: Option<String> = sqlx::query_scalar(
        "DELETE FROM staff_login USING staff
         WHERE token_hash = $1 AND staff.staff_id = staff_login.staff_id RETURNING login",
    )
    .bind(&token_hash[..])
    .fetch_optional(&mut *tx)
    .await?;
    let Some(login) = login else {
        return Ok(());
    };
    let audit = Audit {
        detail: json!({ "from": from }),
        ..Audit::new(Staff::actor_of(&login), "staff.sign_out")
    };
    audit_insert(tx, &audit, now).await
}
