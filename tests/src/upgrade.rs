//! An upgrade without an interruption, and the step back: programs of two versions on one database, under load.
//!
//! Behind the proxy that operators take, drivers pay, people look and watch, and sensors speak, from the first moment
//! to the last. Each asks once: what fails is told. `cargo xtask upgrade` runs this with an older program, the test
//! `upgrade` with the same one on both sides.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use chrono::{DateTime, Utc};
use reqwest::Client;
use tokio::process::Command;
use uuid::Uuid;

use crate::broker::Broker;
use crate::citizen::{Citizen, Said};
use crate::city;
use crate::database::TestDatabase;
use crate::faults::{Audit, BAYS_PER_LOT, LOTS, Load, Unacknowledged, at_rest};
use crate::ingesting::{IngestProcess, hears};
use crate::proxy::Proxy;
use crate::serve_process::{ServeProcess, ServeSettings};
use crate::serving::{IMPORT_TOKEN, SESSION_KEY, WEBHOOK_KEY, is_ready, log_key};
use crate::traffic::{Asked, Seen, Traffic, Watchers};
use crate::{eventually, free_address, provided};

/// Messages of sensors a second.
const RATE: usize = 100;
const WATCHERS: usize = 6;
/// How many payments each step is given.
const PAYMENTS: usize = 5;
/// More than a watcher is told when it connects: each lot once.
const NEWS: usize = 2 * (LOTS + 1);
/// Longer than the proxy needs to notice.
const DRAIN_SECONDS: u32 = 3;

/// What was found in the end.
#[derive(Debug)]
pub struct Found {
    /// What drivers and others asked, and what failed of it.
    pub asked: Asked,
    /// What became of those who watch.
    pub seen: Seen,
    /// What sensors told, against what is kept.
    pub audit: Audit,
    /// Payments of which the bank's word was taken, and which have no receipt of their amount.
    pub lost_payments: Vec<Uuid>,
    /// How the older program's `serve` and `ingest` ended, told to.
    pub old_ended: [ExitStatus; 2],
    /// How the newer one's did; none where there was no step back.
    pub new_ended: Option<[ExitStatus; 2]>,
    /// What the newer program says of the books.
    pub ledger: Said,
    /// What it says of the public log.
    pub verified: Said,
}

impl Found {
    /// The figures, one `name: figure` a line.
    pub fn figures(&self) -> String {
        let Self {
            asked, seen, audit, ..
        } = self;
        format!(
            "upgrade_requests: {}\nupgrade_requests_failed: {}\nupgrade_payments: {}\nupgrade_payments_lost: {}\n\
             upgrade_events: {}\nupgrade_events_lost: {}\nupgrade_events_duplicates: {}\n\
             upgrade_streams_ended_in_order: {}\nupgrade_streams_broken: {}",
            asked.requests,
            asked.failed.len(),
            asked.paid.len(),
            self.lost_payments.len(),
            audit.acknowledged,
            audit.lost,
            audit.duplicates,
            seen.orderly,
            seen.broken.len(),
        )
    }
}

/// The processes of one version.
struct Side {
    serve: ServeProcess,
    ingest: IngestProcess,
}

/// Where all of them are.
struct Stage {
    database: TestDatabase,
    broker: Broker,
    client: Client,
}

impl Stage {
    fn settings(&self, program: &Path) -> ServeSettings {
        let env = vec![
            ("DATABASE_URL", self.database.url.clone()),
            ("MQTT_URL", self.broker.url.clone()),
            ("CLEARBAY_SESSION_KEY", SESSION_KEY.to_owned()),
            ("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY.to_owned()),
            ("CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN.to_owned()),
            ("CLEARBAY_LOG_KEY", log_key(1).1),
            ("CLEARBAY_DRAIN_SECONDS", DRAIN_SECONDS.to_string()),
        ];
        ServeSettings {
            program: Some(program.to_owned()),
            env,
            city: "hn".to_owned(),
            log: None,
            open_files: None,
        }
    }

    fn ingest(&self, program: &Path) -> IngestProcess {
        // One name, and so one session at the broker: what comes between two processes waits there.
        let id = ("CLEARBAY_INGEST_ID", "test-ingest-process");
        IngestProcess::of(program, &self.database.url, &self.broker.url, &[id])
    }

    /// Waits until a process takes requests.
    async fn ready(&self, serve: &ServeProcess) {
        let url = serve.url();
        eventually("a process to be ready", || async {
            let ended = serve.has_ended().await;
            assert!(ended.is_none(), "it ended instead: {ended:?}");
            is_ready(&self.client, &url).await
        })
        .await;
    }

    /// Waits until the proxy sends a process requests.
    async fn is_sent_requests(&self, serve: &ServeProcess) {
        // Programs of an earlier version show them beside their pages.
        let urls = [serve.metrics_url(), format!("{}/metrics", serve.url())];
        eventually("the proxy to know a process", || async {
            for url in &urls {
                if let Ok(figures) = self.client.get(url).send().await
                    && figures
                        .text()
                        .await
                        .unwrap()
                        .contains("path=\"/api/v1/lots\"")
                {
                    return true;
                }
            }
            false
        })
        .await;
    }

    /// Waits until something is kept that a sensor says from now on.
    async fn heard(&self) {
        let now = Utc::now();
        eventually("sensors to be heard", || async {
            let latest: Option<DateTime<Utc>> =
                sqlx::query_scalar("SELECT max(last_at) FROM bay_state")
                    .fetch_one(&self.database.pool)
                    .await
                    .unwrap();
            latest.is_some_and(|latest| latest > now)
        })
        .await;
    }

    /// Starts one side's programs beside another's, then has those end; how they did.
    async fn replace(
        &self,
        before: Side,
        program: &Path,
        serve: ServeProcess,
    ) -> (Side, [ExitStatus; 2]) {
        self.ready(&serve).await;
        self.is_sent_requests(&serve).await;
        before.serve.terminate().await;
        let served = before.serve.ended().await;
        let ingested = before.ingest.stop().await;
        let ingest = self.ingest(program);
        self.heard().await;
        (Side { serve, ingest }, [served, ingested])
    }

    async fn lost_payments(&self, asked: &Asked) -> Vec<Uuid> {
        let receipts: Vec<(Uuid, i64)> =
            sqlx::query_as("SELECT payment_id, amount_vnd FROM receipt")
                .fetch_all(&self.database.pool)
                .await
                .unwrap();
        let receipts: HashMap<Uuid, i64> = receipts.into_iter().collect();
        let lost = asked
            .paid
            .iter()
            .filter(|(id, amount_vnd)| receipts.get(id) != Some(amount_vnd));
        lost.map(|(id, _)| *id).collect()
    }
}

/// Runs a program of some version to its end.
async fn runs(program: &Path, args: &[&str], database_url: &str) -> Said {
    let output = Command::new(program)
        .args(args)
        .env("DATABASE_URL", database_url)
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        code: output.status.code(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

/// The same, where it must succeed.
async fn does(program: &Path, args: &[&str], database_url: &str) {
    let said = runs(program, args, database_url).await;
    assert_eq!(said.code, Some(0), "{args:?}: {}", said.text);
}

/// Upgrades from an older program to the one that `cargo xtask test` built and, unless told otherwise, goes back.
///
/// # Panics
/// Where a program does not start or what is waited for does not come: requests that fail do not stop it.
pub async fn drill(old: &Path, proxy: PathBuf, steps_back: bool) -> Found {
    let new = PathBuf::from(provided("CLEARBAY_TEST_BIN"));
    let stage = Stage {
        database: TestDatabase::empty().await,
        broker: Broker::mosquitto(),
        client: simulator::http::local().build().unwrap(),
    };
    let url = &stage.database.url;
    // Sensors speak of all lots but the last, where drivers pay.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("city.json");
    let place = city::small(LOTS + 1, BAYS_PER_LOT);
    std::fs::write(&file, serde_json::to_vec(&place).unwrap()).unwrap();
    does(old, &["migrate"], url).await;
    does(old, &["place", "import", file.to_str().unwrap()], url).await;

    let one = free_address();
    let other = std::iter::repeat_with(free_address).find(|other| *other != one);
    let other = other.unwrap();
    let side = Side {
        serve: ServeProcess::start_at(stage.settings(old), one),
        ingest: stage.ingest(old),
    };
    stage.ready(&side.serve).await;
    hears(&stage.database, &stage.broker).await;
    let proxy = Proxy::start(proxy, &[one, other]).await;
    let address = proxy.url();
    eventually("the proxy to be ready", || {
        is_ready(&stage.client, &address)
    })
    .await;
    let load = Load::start(
        std::slice::from_ref(&stage.broker.url),
        RATE,
        Unacknowledged::SentAgain,
    );
    let watchers = Watchers::start(proxy.address, "/api/v1/live?city=hn", WATCHERS);
    let traffic = Traffic::start(&address, &format!("lot-{LOTS}"));
    traffic.more_paid(PAYMENTS).await;
    watchers.more_told(NEWS).await;

    println!("the newer program brings the schema up to date; the older one works on");
    does(&new, &["migrate"], url).await;
    stage.heard().await;
    traffic.more_paid(PAYMENTS).await;

    println!("the newer program beside the older one, then instead of it");
    let serve = ServeProcess::start_at(stage.settings(&new), other);
    stage.ready(&serve).await;
    traffic.more_paid(PAYMENTS).await;
    let (mut side, old_ended) = stage.replace(side, &new, serve).await;
    traffic.more_paid(PAYMENTS).await;
    watchers.more_told(NEWS).await;

    let mut new_ended = None;
    if steps_back {
        println!("the older program again, on the newer schema");
        let serve = ServeProcess::start_at(stage.settings(old), one);
        let (back, ended) = stage.replace(side, old, serve).await;
        (side, new_ended) = (back, Some(ended));
        traffic.more_paid(PAYMENTS).await;
        watchers.more_told(NEWS).await;
    }

    let asked = traffic.stop().await;
    eventually("the public log to have it all", || async {
        stage.database.count("log_queue").await == 0
    })
    .await;
    let verified = Citizen::default().verify(&address).await;
    let seen = watchers.so_far();
    drop(watchers);
    // It looks for sensors in doubt, which an auditor is not to meet halfway.
    side.serve.terminate().await;
    side.serve.ended().await;
    let audit = at_rest(&stage.database, load).await;
    side.ingest.stop().await;
    Found {
        lost_payments: stage.lost_payments(&asked).await,
        asked,
        seen,
        audit,
        old_ended,
        new_ended,
        ledger: runs(&new, &["ledger", "check"], url).await,
        verified,
    }
}
