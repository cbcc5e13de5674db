//! What is known of people is kept for as long as it is needed for, and no longer. `docs/privacy.md` has all of it.

use chrono::TimeDelta;
use domain::Timestamp;

use crate::{Store, StoreError};

/// About how many rows of a kind go in one transaction.
const STEP: i32 = 2_000;

/// What a step took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Forgotten {
    /// How many plates gave way to pseudonyms.
    pub plates: i64,
    /// How many texts of banks and of disputes went.
    pub texts: i64,
    /// Whether that was all.
    pub finished: bool,
}

impl Store {
    /// Takes a step: of what ended before `before` and of which nothing is open, plates become pseudonyms, and what banks
    /// said and drivers wrote goes, with a line of the record. Of sessions, notices and banks' texts it is what ended within
    /// an hour; call it until it has finished. Done again, or broken off, it does no harm.
    ///
    /// # Errors
    /// Where `before` is less than thirty days ago; database errors. Then nothing of the step has happened.
    pub async fn personal_data_forget(&self, before: Timestamp) -> Result<Forgotten, StoreError> {
        let step = "SELECT plates, texts, finished FROM personal_data_forget($1, $2)";
        Ok(sqlx::query_as(step)
            .bind(before)
            .bind(STEP)
            .fetch_one(&self.pool)
            .await?)
    }

    /// Deletes the numbers to which a code went more than a day ago, for no limit counts them any more, and sign-ins
    /// that have run out. Returns how many.
    ///
    /// # Errors
    /// Database errors.
    pub async fn logins_forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        let codes = sqlx::query("DELETE FROM login_code WHERE sent_at < $1 AND day_began_at < $1")
            .bind(now - TimeDelta::days(1))
            .execute(&self.pool)
            .await?;
        let logins = sqlx::query("DELETE FROM driver_login WHERE expires_at < $1")
            .bind(now)
            .execute(&self.pool)
            .await?;
        Ok(codes.rows_affected() + logins.rows_affected())
    }
}
