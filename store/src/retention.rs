//! Raw events are kept for as long as the operator wants, and compressed where the database can; stays
//! and tallies, which follow from them, are kept for ever.

use domain::Timestamp;

use crate::{Engine, Store, StoreError};

/// How many rows are deleted in one transaction, where they are deleted row by row.
const FORGET_MAX: i32 = 50_000;

/// What [`Store::events_compress`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compressed {
    /// A week's events; there may be more.
    One,
    /// Nothing, for all are compressed.
    All,
    /// Nothing, for this database cannot: it is not TimescaleDB, or not its community edition.
    Impossible,
}

impl Store {
    /// Forgets events of times before `before`, and messages that were refused before it: in whole
    /// chunks of a hypertable, so that some stay up to a week longer, else so many at once that
    /// nothing waits for it. Tells whether that was all.
    ///
    /// Nobody may take an event of such a time any more: stays around it could not be told anew.
    ///
    /// # Errors
    /// Database errors.
    pub async fn events_forget(&self, before: Timestamp) -> Result<bool, StoreError> {
        let refused = sqlx::query(
            "DELETE FROM refused_message WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM refused_message WHERE received_at < $1 LIMIT $2))",
        )
        .bind(before)
        .bind(FORGET_MAX)
        .execute(&self.pool)
        .await?;
        let refused = refused.rows_affected() < u64::from(FORGET_MAX.unsigned_abs());
        let gone: i64 = sqlx::query_scalar("SELECT events_forget($1, $2)")
            .bind(before)
            .bind(FORGET_MAX)
            .fetch_one(&self.pool)
            .await?;
        if self.engine().await? == Engine::Timescale {
            if gone > 0 {
                tracing::info!(chunks = gone, %before, "old events were dropped");
            }
            return Ok(refused);
        }
        Ok(gone < i64::from(FORGET_MAX) && refused)
    }

    /// Compresses one week of events of times before `before`, the oldest that is not compressed yet;
    /// by device, as they are read. Events of such a time may still come.
    ///
    /// # Errors
    /// Database errors.
    pub async fn events_compress(&self, before: Timestamp) -> Result<Compressed, StoreError> {
        // Debian's TimescaleDB, say, has the Apache licence alone, which has no compression.
        let licence: Option<String> =
            sqlx::query_scalar("SELECT current_setting('timescaledb.license', true)")
                .fetch_one(&self.pool)
                .await?;
        if self.engine().await? != Engine::Timescale || licence.as_deref() != Some("timescale") {
            return Ok(Compressed::Impossible);
        }
        let chunk: Option<String> = sqlx::query_scalar("SELECT events_compress($1)")
            .bind(before)
            .fetch_one(&self.pool)
            .await?;
        let Some(chunk) = chunk else {
            return Ok(Compressed::All);
        };
        tracing::info!(chunk, "old events were compressed");
        Ok(Compressed::One)
    }
}
