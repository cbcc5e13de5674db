//! The sensor path, in processes of its own.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::load::{BAYS_PER_LOT, LOTS};
use super::{Audit, Load};
use crate::broker::Broker;
use crate::city;
use crate::database::TestDatabase;
use crate::database_server::DatabaseServer;
use crate::ingesting::{IngestProcess, hears};

/// How long a part may need until events pass again.
pub(super) const RECOVERY: Duration = Duration::from_secs(300);
/// Longer than ingest ever pauses before it tries again.
const AT_REST: Duration = Duration::from_secs(15);
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// Ingest, a broker, a database and its server.
pub struct Rig {
    /// `clearbay ingest`, unless it was killed.
    pub ingest: Option<IngestProcess>,
    /// mosquitto.
    pub broker: Broker,
    /// A city's.
    pub database: TestDatabase,
    /// The server of nobody else.
    pub server: DatabaseServer,
}

impl Rig {
    /// Starts everything, and returns when ingest hears the broker, which has written down for whom
    /// it keeps messages.
    ///
    /// # Panics
    /// Where a part does not start.
    pub async fn start(broker: Broker, server: DatabaseServer) -> Self {
        let database = TestDatabase::create_on(&server.url).await;
        let place = city::small(LOTS, BAYS_PER_LOT);
        database
            .store
            .place_import(&place, chrono::Utc::now())
            .await
            .unwrap();
        let mut rig = Self {
            ingest: None,
            broker,
            database,
            server,
        };
        rig.ingest_start();
        hears(&rig.database, &rig.broker).await;
        rig.broker.save();
        rig
    }

    /// Starts ingest.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn ingest_start(&mut self) {
        self.ingest = Some(IngestProcess::start(
            &self.database.ingest_url,
            &self.broker.url,
        ));
    }

    /// Kills ingest.
    ///
    /// # Panics
    /// Where it had ended before.
    pub async fn ingest_kill(&mut self) {
        self.ingest.take().unwrap().kill().await;
    }

    /// Waits until an event is kept that a device spoke after `moment`; the result is how long
    /// after it.
    ///
    /// # Panics
    /// Where none is for a long time.
    pub async fn heard_after(&self, moment: DateTime<Utc>) -> Duration {
        let started = Instant::now();
        while started.elapsed() < RECOVERY {
            let latest: Result<Option<DateTime<Utc>>, _> =
                sqlx::query_scalar("SELECT max(last_at) FROM bay_state")
                    .fetch_one(&self.database.pool)
                    .await;
            if matches!(latest, Ok(Some(latest)) if latest > moment) {
                return (Utc::now() - moment).to_std().unwrap();
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("no event is kept any more, {RECOVERY:?} after it could be");
    }

    /// How many events are kept, seen from the last of each device; `None` where the database does
    /// not answer.
    pub async fn kept(&self) -> Option<usize> {
        let kept: Result<Option<i64>, _> =
            sqlx::query_scalar("SELECT sum(last_seq + 1)::bigint FROM bay_state")
                .fetch_one(&self.database.pool)
                .await;
        Some(kept.ok()?.unwrap_or(0) as usize)
    }

    /// Ends the load, waits until nothing changes any more, and looks at everything.
    ///
    /// # Panics
    /// Where the database does not answer, or ingest had ended.
    pub async fn audit(mut self, load: Load) -> Audit {
        let audit = at_rest(&self.database, load).await;
        self.ingest_kill().await;
        audit
    }
}

/// Ends the load, waits until nothing changes any more, and looks at everything.
///
/// # Panics
/// Where the database does not answer.
pub async fn at_rest(database: &TestDatabase, load: Load) -> Audit {
    let spoken = load.stop().await;
    let (mut events, mut since) = (0, Instant::now());
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = database.count("event").await;
        if now != events {
            (events, since) = (now, Instant::now());
            continue;
        }
        let audit = Audit::of(database, &spoken).await;
        if audit.lost == 0 || since.elapsed() > AT_REST {
            return audit;
        }
    }
}
