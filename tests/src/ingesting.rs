//! Ingest, in the test's process or in one of its own.

use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use ingest::{IngestError, Options};
use store::Store;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::broker::{Broker, BrokerKind};
use crate::city::{self, past};
use crate::database::TestDatabase;
use crate::eventually;
use crate::sensors::{Told, publish, told};

/// Ingest in this process.
pub struct Ingesting {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), IngestError>>,
}

impl Ingesting {
    /// Starts it with the usual limits.
    pub fn start(store: &Store, mqtt_url: &str) -> Self {
        let mut options = Options::new(mqtt_url.to_owned(), "test-ingest".to_owned());
        options.retry_after = Duration::from_millis(20);
        Self::with(store, options)
    }

    /// Starts it with limits of one's own.
    pub fn with(store: &Store, options: Options) -> Self {
        let (stop, shutdown) = watch::channel(false);
        let task = tokio::spawn(ingest::run(store.clone(), options, shutdown));
        Self { stop, task }
    }

    /// Ends it where it stands, as a crash would.
    pub async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Panics
    /// Where it failed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap().unwrap();
    }
}

/// `clearbay ingest`; killed with this value.
pub struct IngestProcess(Child);

impl IngestProcess {
    /// Starts the program that `cargo xtask test` built.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(database_url: &str, mqtt_url: &str) -> Self {
        let id = ("CLEARBAY_INGEST_ID", "test-ingest-process");
        Self::with(database_url, mqtt_url, &[id])
    }

    /// Starts it with an environment of one's own.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn with(database_url: &str, mqtt_url: &str, env: &[(&str, &str)]) -> Self {
        let program = crate::provided("CLEARBAY_TEST_BIN");
        Self::of(program.as_ref(), database_url, mqtt_url, env)
    }

    /// The same of another program.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn of(program: &Path, database_url: &str, mqtt_url: &str, env: &[(&str, &str)]) -> Self {
        let child = Command::new(program)
            .arg("ingest")
            .env("DATABASE_URL", database_url)
            .env("MQTT_URL", mqtt_url)
            .env_remove("CLEARBAY_INGEST_METRICS")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Starts the program that `cargo xtask test` built with an environment of one's own, and adds what it logs to a
    /// file.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn logging_to(log: &Path, env: &[(&str, String)]) -> Self {
        let log = File::options().append(true).create(true).open(log).unwrap();
        let child = Command::new(crate::provided("CLEARBAY_TEST_BIN"))
            .arg("ingest")
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self(child)
    }

    /// How it has ended, if it has.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// The process's number.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn id(&self) -> u32 {
        self.0.id().unwrap()
    }

    /// The processor time that it has used.
    pub fn cpu(&self) -> Duration {
        self.0.id().map_or(Duration::ZERO, crate::cpu::of_process)
    }

    /// Tells it to stop, and waits until it has; how it ended.
    ///
    /// # Panics
    /// Where it had ended before.
    pub async fn stop(mut self) -> ExitStatus {
        let pid = self.0.id().expect("ingest ended by itself").to_string();
        Command::new("kill").arg(pid).status().await.unwrap();
        self.0.wait().await.unwrap()
    }

    /// Ends it with SIGKILL: it gets no chance to finish anything.
    ///
    /// # Panics
    /// Where it had ended before.
    pub async fn kill(mut self) {
        assert!(
            self.0.try_wait().unwrap().is_none(),
            "ingest ended by itself"
        );
        self.0.kill().await.unwrap();
    }
}

/// A database with two lots of five bays, and a broker.
///
/// # Panics
/// Where one of them does not start.
pub async fn set_up(kind: BrokerKind) -> (TestDatabase, Broker) {
    let database = TestDatabase::create().await;
    database
        .store
        .place_import(&city::small(2, 5), chrono::Utc::now())
        .await
        .unwrap();
    (database, Broker::start(kind))
}

/// Runs ingest until its session exists at the broker, from which on messages are kept for it.
/// Leaves one event, of bay `lot-1-4`.
///
/// # Panics
/// Where ingest does not come to work.
pub async fn subscribed_once(database: &TestDatabase, broker: &Broker) {
    let ingest = Ingesting::start(&database.store, &broker.url);
    let before = database.count("event").await;
    let first = told("lot-1-4-sensor", past() - TimeDelta::hours(1), 0, false);
    // Until the subscription stands, messages go nowhere.
    eventually("the first message", || async {
        publish(&broker.url, vec![first.clone()]).await;
        database.count("event").await > before
    })
    .await;
    ingest.stop().await;
}

/// Waits until an ingest process that was just started has subscribed: it is heard to refuse a
/// stranger's messages, of which as many are sent as that takes.
///
/// # Panics
/// Where it does not.
pub async fn subscribed(database: &TestDatabase, broker: &Broker) {
    let before = database.count("refused_message").await;
    eventually("ingest to subscribe", || async {
        publish(&broker.url, vec![told("nobody", past(), 0, false)]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        database.count("refused_message").await > before
    })
    .await;
}

/// Waits until ingest hears the broker: until its subscription stands, messages go nowhere. What it
/// is asked with leaves no trace.
///
/// # Panics
/// Where ingest does not come to work.
pub async fn hears(database: &TestDatabase, broker: &Broker) {
    let asked = told("nobody-s-sensor", past(), 0, false);
    eventually("ingest to hear the broker", || async {
        publish(&broker.url, vec![asked.clone()]).await;
        // The next is sent when this one is known to be lost, or two might be heard.
        let mut heard = 0;
        for _ in 0..40 {
            heard = database.count("refused_message").await;
            if heard > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        heard > 0
    })
    .await;
    sqlx::query("DELETE FROM refused_message")
        .execute(&database.pool)
        .await
        .unwrap();
}

/// A vehicle every two seconds, each for one second, in one bay. An even number of events makes
/// half as many stays, all ended.
pub fn comings_and_goings(device: &str, events: i64) -> Vec<Told> {
    let event = |n| told(device, past() + TimeDelta::seconds(n), n, n % 2 == 0);
    (0..events).map(event).collect()
}
