//! A copy of the database that PostgreSQL keeps by streaming replication: for reading alone, a moment behind.

use std::time::Duration;

use domain::Timestamp;
use sqlx::postgres::PgPoolOptions;

use crate::{Connecting, Store, StoreError, ledger, watch, watchful};

/// Nobody waits for a replica for long: the database itself knows as much.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

impl Store {
    /// The replica at that address. It need not be there yet, and its schema is its primary's.
    ///
    /// # Errors
    /// [`StoreError::NoAddress`]; [`StoreError::MayBePlain`].
    pub fn replica(url: &str, how: Connecting) -> Result<Self, StoreError> {
        let options = how.options(url)?;
        let pool = watchful(PgPoolOptions::new())
            .max_connections(how.max_connections)
            .acquire_timeout(ANSWER_WITHIN)
            .connect_lazy_with(options.application_name("clearbay-reports"));
        Ok(Self {
            pool,
            accounts: ledger::Accounts::default(),
            watches: watch::WatchCache::default(),
        })
    }

    /// Until when this database holds all that its primary had committed.
    ///
    /// It is the time of the last commit that it has replayed: in a city somebody commits every few seconds,
    /// be it who renews a lease.
    ///
    /// # Errors
    /// Database errors; [`StoreError::NotFound`] for what is no replica, or not any more: who took over goes a
    /// way of its own; and for one that has replayed nothing yet.
    pub async fn complete_until(&self) -> Result<Timestamp, StoreError> {
        let until: Option<Timestamp> =
            sqlx::query_scalar("SELECT pg_last_xact_replay_timestamp() WHERE pg_is_in_recovery()")
                .fetch_optional(&self.pool)
                .await?
                .flatten();
        until.ok_or(StoreError::NotFound("replica"))
    }
}
