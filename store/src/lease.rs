//! Work that one process does for all of them.

use std::time::Duration;

use uuid::Uuid;

use crate::{Store, StoreError};

impl Store {
    /// Takes or renews a lease; whether `holder` has it now, for `length` from now on. Time is the
    /// database's, the one clock that all processes share.
    ///
    /// That clock may jump, as where a replica on another machine takes over. Forward, a lease ends early, and two
    /// hold it for a moment: so what is done under one must bear that. Backward, it would last for as long as the
    /// jump: one that lasts longer than a new one's length twice is nobody's any more.
    ///
    /// # Errors
    /// Database errors.
    pub async fn lease_hold(
        &self,
        name: &str,
        holder: Uuid,
        length: Duration,
    ) -> Result<bool, StoreError> {
        let held: Option<bool> = sqlx::query_scalar(
            "INSERT INTO lease AS held (name, holder, renewed_at, until)
             VALUES ($1, $2, clock_timestamp(), clock_timestamp() + make_interval(secs => $3))
             ON CONFLICT (name) DO UPDATE
                SET holder = excluded.holder, renewed_at = excluded.renewed_at, until = excluded.until
                WHERE held.holder = excluded.holder OR held.until <= excluded.renewed_at
                   OR held.until > excluded.until + make_interval(secs => $3)
             RETURNING true",
        )
        .bind(name)
        .bind(holder)
        .bind(length.as_secs_f64())
        .fetch_optional(&self.pool)
        .await?;
        Ok(held.unwrap_or(false))
    }

    /// Gives a lease up, if `holder` has it, so that nobody waits for its end.
    ///
    /// # Errors
    /// Database errors.
    pub async fn lease_release(&self, name: &str, holder: Uuid) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM lease WHERE name = $1 AND holder = $2")
            .bind(name)
            .bind(holder)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
