//! Raw events are kept for as long as the operator wants; stays and tallies, which follow from them,
//! for ever.

use domain::Timestamp;

use crate::{Engine, Store, StoreError};

/// How many rows are deleted in one transaction, where they are deleted row by row.
const FORGET_MAX: u32 = 50_000;

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
