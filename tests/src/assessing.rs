//! How sensors are assessed, and what was found.

use chrono::{DateTime, Utc};
use store::health::{Checkup, FaultsRecorded};

use crate::database::TestDatabase;

type At = DateTime<Utc>;

/// Every fault there ever was: device, kind, since, until; oldest first.
///
/// # Panics
/// Where the database is away.
pub async fn faults(database: &TestDatabase) -> Vec<(String, String, At, Option<At>)> {
    sqlx::query_as(
        "SELECT name, kind, since, until FROM device_fault JOIN device USING (device_id)
         ORDER BY since, kind",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap()
}

/// Assesses all sensors as of `now`, thoroughly.
///
/// # Panics
/// Where the database is away.
pub async fn assess(database: &TestDatabase, now: At) -> FaultsRecorded {
    let limit = ingest::decoder::battery_limit_mv;
    let store = &database.store;
    loop {
        let done = store.devices_assess(Checkup::Thorough, limit, now);
        // Somebody else may be at it.
        if let Some(found) = done.await.unwrap() {
            return found;
        }
    }
}
