//! Drivers who gave a phone number, the codes sent to it, and the browsers that are signed in by one.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{AccountId, DriverId, WalletId};
use domain::money::Vnd;
use domain::phone::Phone;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::clock::CLOCKS_APART;
use crate::wallet::{Wallet, wallet_insert};
use crate::{Store, StoreError, corrupt};

/// A driver who gave a phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Their identity.
    pub id: DriverId,
    /// Their number.
    pub phone: Phone,
    /// Their money with us.
    pub wallet: Wallet,
}

/// How many codes may be sent.
#[derive(Clone, Copy, Debug)]
pub struct CodeLimits {
    /// How long a number waits for another.
    pub pause: TimeDelta,
    /// How many a number gets within a day.
    pub per_day: i16,
    /// To how many numbers codes go within an hour.
    pub numbers_per_hour: i64,
}

/// Whether a code may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKept {
    /// It is the number's code from now on.
    Kept,
    /// The number must wait for so long.
    Wait(TimeDelta),
    /// Too many numbers have been sent one.
    TooMany,
}

/// A browser that is to be signed in.
#[derive(Clone, Copy, Debug)]
pub struct NewLogin {
    /// SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// Until when it stays signed in.
    pub expires_at: Timestamp,
}

impl Store {
    /// Keeps the code that is about to be sent to a number, in place of the one before.
    ///
    /// # Errors
    /// Database errors.
    pub async fn login_code_keep(
        &self,
        phone: &Phone,
        code_hash: &[u8; 32],
        expires_at: Timestamp,
        limits: CodeLimits,
        now: Timestamp,
    ) -> Result<CodeKept, StoreError> {
        let day_ago = now - TimeDelta::days(1);
        let mut tx = self.begin().await?;
        let kept = sqlx::query(
            "INSERT INTO login_code AS known (phone, code_hash, sent_at, expires_at, day_began_at, day_count)
             SELECT $1, $2, $3, $4, $3, 1
             -- Who has been here before is not shut out by numbers that somebody makes up.
             WHERE (SELECT count(*) FROM login_code
                    WHERE sent_at > $3::timestamptz - interval '1 hour'
                        AND sent_at <= $9) < $7
                OR EXISTS (SELECT FROM driver WHERE driver.phone = $1)
             ON CONFLICT (phone) DO UPDATE SET code_hash = excluded.code_hash, attempts = 0,
                sent_at = excluded.sent_at, expires_at = excluded.expires_at,
                day_began_at = CASE WHEN known.day_began_at > $8 AND known.day_began_at <= $9
                                    THEN known.day_began_at ELSE $3 END,
                day_count = CASE WHEN known.day_began_at > $8 AND known.day_began_at <= $9
                                 THEN known.day_count + 1 ELSE 1 END
             -- What was sent in the future, by more than clocks differ, was noted by one that ran ahead.
             WHERE (known.sent_at <= $5 OR known.sent_at > $9)
                AND (known.day_count < $6 OR known.day_began_at <= $8 OR known.day_began_at > $9)",
        )
        .bind(phone.reveal())
        .bind(&code_hash[..])
        .bind(now)
        .bind(expires_at)
        .bind(now - limits.pause)
        .bind(limits.per_day)
        .bind(limits.numbers_per_hour)
        .bind(day_ago)
        .bind(now + CLOCKS_APART)
        .execute(&mut *tx)
        .await?;
        if kept.rows_affected() > 0 {
            tx.commit().await?;
            return Ok(CodeKept::Kept);
        }
        let known: Option<(Timestamp, Timestamp, i16)> = sqlx::query_as(
            "SELECT sent_at, day_began_at, day_count FROM login_code WHERE phone = $1",
        )
        .bind(phone.reveal())
        .fetch_optional(&mut *tx)
        .await?;
        let known = known.filter(|(sent, began, _)| (*sent).max(*began) <= now + CLOCKS_APART);
        let until = known.and_then(|(sent, began, count)| {
            let soon = sent + limits.pause;
            let tomorrow = began + TimeDelta::days(1);
            (soon > now)
                .then_some(soon)
                .or((count >= limits.per_day && tomorrow > now).then_some(tomorrow))
        });
        Ok(until.map_or(CodeKept::TooMany, |until| CodeKept::Wait(until - now)))
    }

    /// Lets a number ask again at once for a code that could not be sent; it still counts for the day.
    ///
    /// # Errors
    /// Database errors.
    pub async fn login_code_unsent(
        &self,
        phone: &Phone,
        code_hash: &[u8; 32],
        limits: CodeLimits,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE login_code SET sent_at = $3 WHERE phone = $1 AND code_hash = $2")
            .bind(phone.reveal())
            .bind(&code_hash[..])
            .bind(now - limits.pause)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Counts an attempt at a number's code; the result is the hash of that code, if there is one that
    /// is still good. Counted before it is compared, so that a thousand at once are not all the first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn login_code_attempt(
        &self,
        phone: &Phone,
        attempts_max: i16,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar(
            "UPDATE login_code SET attempts = attempts + 1
             WHERE phone = $1 AND expires_at > $2 AND attempts < $3 RETURNING code_hash",
        )
        .bind(phone.reveal())
        .bind(now)
        .bind(attempts_max)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Signs a browser in by a number's code, which is used up; who comes the first time gets an empty
    /// wallet. `None` where the code was used meanwhile.
    ///
    /// # Errors
    /// Database errors.
    pub async fn driver_sign_in(
        &self,
        phone: &Phone,
        code_hash: &[u8; 32],
        login: NewLogin,
        now: Timestamp,
    ) -> Result<Option<Driver>, StoreError> {
        let mut tx = self.begin().await?;
        let used = sqlx::query(
            // Before whatever now others have who come with it at the same time.
            "UPDATE login_code SET expires_at = sent_at
             WHERE phone = $1 AND code_hash = $2 AND expires_at > $3",
        )
        .bind(phone.reveal())
        .bind(&code_hash[..])
        .bind(now)
        .execute(&mut *tx)
        .await?;
        if used.rows_affected() == 0 {
            return Ok(None);
        }
        let driver = match driver_by_phone(&mut tx, phone).await? {
            Some(driver) => driver,
            None => driver_insert(&mut tx, phone, now).await?,
        };
        sqlx::query(
            "INSERT INTO driver_login (token_hash, driver_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(&login.token_hash[..])
        .bind(driver.id.0)
        .bind(now)
        .bind(login.expires_at)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(driver))
    }

    /// Whose token that is, if it is still good at `now`.
    ///
    /// # Errors
    /// Database errors.
    pub async fn driver_login(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Driver>, StoreError> {
        let row: Option<DriverRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{DRIVER} JOIN driver_login USING (driver_id) WHERE token_hash = $1 AND expires_at > $2"
        )))
        .bind(&token_hash[..])
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        row.map(DriverRow::driver).transpose()
    }

    /// Signs a driver's browsers out: the one with that token, or all of them.
    ///
    /// # Errors
    /// Database errors.
    pub async fn driver_logout(
        &self,
        token_hash: &[u8; 32],
        everywhere: bool,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM driver_login WHERE token_hash = $1
                OR ($2 AND driver_id = (SELECT driver_id FROM driver_login WHERE token_hash = $1))",
        )
        .bind(&token_hash[..])
        .bind(everywhere)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

const DRIVER: &str = "SELECT driver_id, phone, account_id, wallet_id, balance_vnd, held_vnd
    FROM driver JOIN wallet USING (account_id)";

async fn driver_by_phone(
    connection: &mut PgConnection,
    phone: &Phone,
) -> Result<Option<Driver>, StoreError> {
    let row: Option<DriverRow> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{DRIVER} WHERE phone = $1")))
            .bind(phone.reveal())
            .fetch_optional(connection)
            .await?;
    row.map(DriverRow::driver).transpose()
}

async fn driver_insert(
    connection: &mut PgConnection,
    phone: &Phone,
    now: Timestamp,
) -> Result<Driver, StoreError> {
    let id = DriverId(Uuid::new_v4());
    let wallet = wallet_insert(connection, WalletId(Uuid::new_v4()), now).await?;
    sqlx::query(
        "INSERT INTO driver (driver_id, phone, account_id, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(id.0)
    .bind(phone.reveal())
    .bind(wallet.account.0)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(Driver {
        id,
        phone: phone.clone(),
        wallet,
    })
}

#[derive(FromRow)]
struct DriverRow {
    driver_id: Uuid,
    phone: String,
    account_id: i32,
    wallet_id: Uuid,
    balance_vnd: i64,
    held_vnd: i64,
}

impl DriverRow {
    fn driver(self) -> Result<Driver, StoreError> {
        Ok(Driver {
            id: DriverId(self.driver_id),
            phone: Phone::parse(&self.phone).map_err(|why| corrupt("phone", why))?,
            wallet: Wallet {
                id: WalletId(self.wallet_id),
                account: AccountId(self.account_id),
                balance_vnd: Vnd::new(self.balance_vnd),
                held_vnd: Vnd::new(self.held_vnd),
            },
        })
    }
}
