//! Raw events are kept for as long as the operator wants, and compressed where the database can; stays
//! and tallies, which follow from them, are kept for ever.

use domain::Timestamp;

use crate::{Engine, Store, StoreError};

/// How many rows are deleted in one transaction, where they are deleted row by row.
const FORGET_MAX: u32 = 50_000;

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
        let refused = self
            .forget("refused_message", "received_at", before)
            .await?;
        if self.engine().await? == Engine::Timescale {
            let dropped: Vec<String> = sqlx::query_scalar("SELECT drop_chunks('event', $1)")
                .bind(before)
                .fetch_all(&self.pool)
                .await?;
            if !dropped.is_empty() {
                tracing::info!(chunks = dropped.len(), %before, "old events were dropped");
            }
            return Ok(refused);
        }
        Ok(self.forget("event", "at", before).await? && refused)
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
        let enabled: bool = sqlx::query_scalar(
            "SELECT compression_enabled FROM timescaledb_information.hypertables
             WHERE hypertable_name = 'event'",
        )
        .fetch_one(&self.pool)
        .await?;
        if !enabled {
            sqlx::query(
                "ALTER TABLE event SET (timescaledb.compress,
                    timescaledb.compress_segmentby = 'device_id', timescaledb.compress_orderby = 'at, seq')",
            )
            .execute(&self.pool)
            .await?;
        }
        let chunk: Option<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
             WHERE hypertable_name = 'event' AND NOT is_compressed AND range_end <= $1
             ORDER BY range_end LIMIT 1",
        )
        .bind(before)
        .fetch_optional(&self.pool)
        .await?;
        let Some(chunk) = chunk else {
            return Ok(Compressed::All);
        };
        sqlx::query("SELECT compress_chunk($1::regclass)")
            .bind(&chunk)
            .execute(&self.pool)
            .await?;
        tracing::info!(chunk, "old events were compressed");
        Ok(Compressed::One)
    }

    /// Deletes a table's oldest rows; whether none are left to delete. The names are fixed texts:
    /// nothing from outside enters SQL.
    async fn forget(
        &self,
        table: &'static str,
        time: &'static str,
        before: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "DELETE FROM {table} WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM {table} WHERE {time} < $1 LIMIT $2))"
        );
        let done = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(before)
            .bind(i64::from(FORGET_MAX))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() < u64::from(FORGET_MAX))
    }
}
