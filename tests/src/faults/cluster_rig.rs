//! The sensor path over a cluster: several brokers, several ingest processes, one database.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::load::{BAYS_PER_LOT, LOTS};
use super::rig::{LOOK, RECOVERY, at_rest};
use super::{Audit, Load, Unacknowledged};
use crate::database::TestDatabase;
use crate::database_server::DatabaseServer;
use crate::ingesting::IngestProcess;
use crate::rabbit::Cluster;
use crate::sensors::{Told, publish};
use crate::{city, cpu, eventually};

/// RabbitMQ's nodes, ingest's processes, a database and its server.
pub struct ClusterRig {
    /// RabbitMQ.
    pub cluster: Cluster,
    /// A city's.
    pub database: TestDatabase,
    /// `clearbay ingest`, one for each part of the shards, unless it was killed.
    workers: Vec<Option<IngestProcess>>,
    /// The server of nobody else.
    _server: DatabaseServer,
}

impl ClusterRig {
    /// Starts everything. Messages wait in the shards' queues until somebody takes them, so nobody needs
    /// to be waited for.
    ///
    /// # Panics
    /// Where a part does not start.
    pub async fn start(root: PathBuf, nodes: usize, workers: usize) -> Self {
        let mut rig = Self::idle(root, nodes, workers).await;
        (0..workers).for_each(|worker| rig.worker_start(worker));
        rig
    }

    /// Starts all but ingest.
    ///
    /// # Panics
    /// Where a part does not start.
    pub async fn idle(root: PathBuf, nodes: usize, workers: usize) -> Self {
        let server = DatabaseServer::start().await;
        let database = TestDatabase::create_on(&server.url).await;
        let place = city::small(LOTS, BAYS_PER_LOT);
        database
            .store
            .place_import(&place, chrono::Utc::now())
            .await
            .unwrap();
        let cluster = Cluster::start(root, nodes);
        Self {
            cluster,
            database,
            workers: (0..workers).map(|_| None).collect(),
            _server: server,
        }
    }

    /// Has devices say all that, a third at each of three nodes, and returns when it is acknowledged.
    ///
    /// # Panics
    /// Where a node is away.
    pub async fn publish(&self, messages: Vec<Told>) {
        let nodes = self.cluster.len();
        let parts = (0..nodes).map(|node| {
            // Each device's to one node, in its order.
            let part = messages.iter().enumerate();
            let part = part.filter(|(number, _)| number % (LOTS * BAYS_PER_LOT) % nodes == node);
            let part: Vec<Told> = part.map(|(_, told)| told.clone()).collect();
            let url = self.cluster.mqtt_url(node);
            async move { publish(&url, part).await }
        });
        futures::future::join_all(parts).await;
    }

    /// Waits until so many events are kept; when that was.
    ///
    /// # Panics
    /// Where they never are.
    pub async fn kept(&self, count: usize) -> Instant {
        let started = Instant::now();
        while started.elapsed() < RECOVERY {
            let kept: i64 =
                sqlx::query_scalar("SELECT coalesce(sum(last_seq + 1), 0)::bigint FROM bay_state")
                    .fetch_one(&self.database.pool)
                    .await
                    .unwrap();
            if kept >= count as i64 {
                return Instant::now();
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("not all is kept, {RECOVERY:?} later");
    }

    /// The processor time that the brokers have used.
    pub fn broker_cpu(&self) -> Duration {
        let nodes = 0..self.cluster.len();
        nodes
            .map(|node| cpu::of_process(self.cluster.id(node)))
            .sum()
    }

    /// The processor time that ingest has used.
    pub fn workers_cpu(&self) -> Duration {
        self.workers.iter().flatten().map(IngestProcess::cpu).sum()
    }

    /// How many ingest processes there are to be.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Starts an ingest process.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn worker_start(&mut self, worker: usize) {
        let (id, share) = (
            format!("ingest-{worker}"),
            format!("{}/{}", worker + 1, self.workers.len()),
        );
        let env = [
            ("CLEARBAY_INGEST_ID", &*id),
            ("CLEARBAY_INGEST_SHARE", &*share),
        ];
        let process =
            IngestProcess::with(&self.database.ingest_url, &self.cluster.amqp_url(), &env);
        self.workers[worker] = Some(process);
    }

    /// Kills an ingest process.
    ///
    /// # Panics
    /// Where it had ended before.
    pub async fn worker_kill(&mut self, worker: usize) {
        self.workers[worker].take().unwrap().kill().await;
    }

    /// Tells an ingest process to stop, and waits until it has.
    ///
    /// # Panics
    /// Where it had ended before, or fails.
    pub async fn worker_stop(&mut self, worker: usize) {
        let ended = self.workers[worker].take().unwrap().stop().await;
        assert!(ended.success(), "{ended}");
    }

    /// Waits until each shard's messages are sent to one process, that of the number that stands in its place.
    ///
    /// # Panics
    /// Where they never are.
    pub async fn shards_are_held_by(&self, workers: &[usize]) {
        let expected: BTreeMap<u32, String> = (0..)
            .zip(workers)
            .map(|(shard, worker)| (shard, format!("ingest-{worker}")))
            .collect();
        eventually(&format!("shards to be held by {workers:?}"), || async {
            self.cluster.shard_holders() == expected
        })
        .await;
    }

    /// Devices that speak to any node, from the first event that is kept.
    ///
    /// # Panics
    /// Where none is.
    pub async fn load(&self, rate_per_s: usize, unacknowledged: Unacknowledged) -> Load {
        let begun = Utc::now();
        let nodes: Vec<String> = (0..self.cluster.len())
            .map(|node| self.cluster.mqtt_url(node))
            .collect();
        let load = Load::start(&nodes, rate_per_s, unacknowledged);
        self.all_heard_after(begun).await;
        load
    }

    /// Waits until of every device an event is kept that it spoke after `moment`, whichever node it speaks
    /// to and whoever has its shard; the result is how long after it.
    ///
    /// # Panics
    /// Where that takes long.
    pub async fn all_heard_after(&self, moment: DateTime<Utc>) -> Duration {
        let started = Instant::now();
        while started.elapsed() < RECOVERY {
            let heard: Result<i64, _> =
                sqlx::query_scalar("SELECT count(*) FROM bay_state WHERE last_at > $1")
                    .bind(moment)
                    .fetch_one(&self.database.pool)
                    .await;
            if matches!(heard, Ok(heard) if heard == (LOTS * BAYS_PER_LOT) as i64) {
                return (Utc::now() - moment).to_std().unwrap();
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("some devices are not heard, {RECOVERY:?} after they could be");
    }

    /// Ends the load, waits until nothing changes any more, and looks at everything.
    ///
    /// # Panics
    /// Where the database does not answer.
    pub async fn audit(self, load: Load) -> Audit {
        at_rest(&self.database, load).await
    }
}
