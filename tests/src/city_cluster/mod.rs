//! A whole city on a cluster: nodes of RabbitMQ, ingest and serving processes, a proxy, three database servers, and the
//! simulated city that speaks to them. Whatever ends is started again.

pub mod databases;
mod help;
mod rests;
pub mod table;
pub mod tally;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use domain::place::Place;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::database::TestDatabase;
use crate::ingesting::IngestProcess;
use crate::proxy::Proxy;
use crate::rabbit::Cluster;
use crate::serve_process::{ServeProcess, ServeSettings};
use crate::serving::{IMPORT_TOKEN, SESSION_KEY, WEBHOOK_KEY, is_ready, log_key};
use crate::{eventually, free_address, provided};
use databases::Databases;
use rests::Rests;
use table::how;

const NODES: usize = 3;
const WORKERS: usize = 2;
const SERVERS: usize = 2;
/// How long what has ended stays away, for people to see what the others do.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What one has to have and to say.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Where RabbitMQ was unpacked.
    pub rabbitmq: PathBuf,
    /// HAProxy's program.
    pub haproxy: PathBuf,
    /// Where people find the city.
    pub address: SocketAddr,
    /// How many bays it has.
    pub bays: u32,
    /// How many days of the past it is given.
    pub history_days: u32,
}

/// A part of the cluster, by its number from 0 where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// HAProxy.
    Proxy,
    /// `clearbay serve`.
    Serve(usize),
    /// `clearbay ingest`.
    Ingest(usize),
    /// A node of RabbitMQ.
    Broker(usize),
    /// A database server.
    Database(usize),
    /// `clearbay simulate`.
    Simulator,
}

impl Part {
    /// What people call it.
    pub fn name(self) -> String {
        match self {
            Self::Proxy => "proxy".to_owned(),
            Self::Serve(number) => format!("serve-{}", number + 1),
            Self::Ingest(number) => format!("ingest-{}", number + 1),
            Self::Broker(number) => format!("broker-{}", number + 1),
            Self::Database(number) => format!("database-{}", number + 1),
            Self::Simulator => "simulator".to_owned(),
        }
    }
}

/// The cluster; it ends with this value, and is forgotten.
pub struct CityCluster {
    // Ended in this order: who asks before who is asked.
    simulator: Child,
    serves: Vec<ServeProcess>,
    ingests: Vec<Ingest>,
    proxy: Proxy,
    sensors_door: SocketAddr,
    brokers: Cluster,
    /// The city's database, by way of whoever is the primary.
    pub database: TestDatabase,
    databases: Databases,
    wish: Wish,
    /// Of the one who signs in as `city`.
    password: String,
    folder: TempDir,
    rests: Rests,
}

struct Ingest {
    process: IngestProcess,
    log: PathBuf,
    metrics: SocketAddr,
    env: Vec<(&'static str, String)>,
}

impl CityCluster {
    /// Starts everything, and says what it is at. The processes end with the thread that starts them: that must be the
    /// one that goes on with this value. Needs threads beside it for what it leads people through.
    ///
    /// # Errors
    /// Where the city cannot be made.
    ///
    /// # Panics
    /// Where a part does not start.
    pub async fn start(wish: Wish) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        println!("databases: a primary and two replicas ...");
        let databases = Databases::start().await;
        let database = TestDatabase::create_on(&databases.url()).await;
        let place = simulator::city::hanoi(wish.bays)?;
        let password = settle(&database, &place).await?;
        println!("brokers: {NODES} nodes of RabbitMQ, one after the other ...");
        let brokers = Cluster::start(wish.rabbitmq.clone(), NODES);
        let [sensors_door, one, two] = [free_address(), free_address(), free_address()];
        let mqtt = brokers.mqtt_addresses();
        let doors = [wish.address, sensors_door];
        let proxy = Proxy::start_at(wish.haproxy.clone(), doors, &[one, two], &mqtt).await;
        println!("clearbay: {WORKERS} processes take in, {SERVERS} serve ...");
        let ingests = (0..WORKERS).map(|number| {
            let log = folder.path().join(format!("ingest-{}.log", number + 1));
            let metrics = free_address();
            let env = vec![
                ("DATABASE_URL", database.ingest_url.clone()),
                ("MQTT_URL", brokers.amqp_url()),
                ("CLEARBAY_INGEST_ID", format!("ingest-{}", number + 1)),
                ("CLEARBAY_INGEST_SHARE", format!("{}/{WORKERS}", number + 1)),
                ("CLEARBAY_INGEST_METRICS", metrics.to_string()),
            ];
            Ingest {
                process: IngestProcess::logging_to(&log, &env),
                log,
                metrics,
                env,
            }
        });
        let ingests = ingests.collect();
        let mut env = vec![
            ("DATABASE_URL", database.serve_url.clone()),
            (
                "CLEARBAY_REPLICA_URL",
                databases.of_readers(&database.read_url),
            ),
            ("MQTT_URL", brokers.mqtt_url_by(sensors_door)),
            ("CLEARBAY_SESSION_KEY", SESSION_KEY.to_owned()),
            ("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY.to_owned()),
            ("CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN.to_owned()),
            ("CLEARBAY_LOG_KEY", log_key(1).1),
            ("CLEARBAY_PUBLIC_URL", format!("http://{}", wish.address)),
        ];
        if let Ok(folder) = std::env::var("CLEARBAY_TEST_WEB_DIR") {
            env.push(("CLEARBAY_WEB_DIR", folder));
        }
        let serves = [one, two].into_iter().enumerate().map(|(number, address)| {
            let settings = ServeSettings {
                program: None,
                env: env.clone(),
                city: place.city.code.clone(),
                log: Some(folder.path().join(format!("serve-{}.log", number + 1))),
                open_files: None,
            };
            ServeProcess::start_at(settings, address)
        });
        let serves = serves.collect();
        let client = simulator::http::local().build()?;
        let url = proxy.url();
        eventually("the city to be ready", || is_ready(&client, &url)).await;
        let simulator = simulate(&wish, &brokers.mqtt_url_by(sensors_door), &folder)?;
        Ok(Self {
            simulator,
            serves,
            ingests,
            proxy,
            sensors_door,
            brokers,
            database,
            databases,
            wish,
            password,
            folder,
            rests: Rests::new(AGAIN_AFTER),
        })
    }

    /// Where the simulated city writes down what it was promised.
    pub fn record(&self) -> PathBuf {
        record(&self.folder)
    }

    /// All parts, in the order in which people look for them.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Proxy];
        parts.extend((0..self.serves.len()).map(Part::Serve));
        parts.extend((0..self.ingests.len()).map(Part::Ingest));
        parts.extend((0..self.brokers.len()).map(Part::Broker));
        parts.extend((0..self.databases.len()).map(Part::Database));
        parts.push(Part::Simulator);
        parts
    }

    /// Looks for parts that have ended, does what cannot wait, and starts again what has been away long enough; what
    /// happened, in words.
    ///
    /// # Panics
    /// Where a part cannot be started.
    pub async fn look(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        // The last are looked at first: everybody else waits for the databases.
        for part in self.parts().into_iter().rev() {
            if self.rests.is_resting(part) {
                continue;
            }
            let Some(status) = self.has_ended(part).await else {
                continue;
            };
            self.rests.begin(part, Instant::now());
            let mut text = format!("{} ended ({})", part.name(), how(status));
            if let Part::Database(member) = part {
                let was_primary = self.databases.is_primary(member);
                text += &match self.databases.after_end_of(member, status).await {
                    Some(next) => format!("; {} takes over", Part::Database(next).name()),
                    None if was_primary => {
                        "; nobody can take over, so nobody pays until it is back".to_owned()
                    }
                    None => String::new(),
                };
            }
            let seconds = AGAIN_AFTER.as_secs();
            news.push(format!("{text}; it is started again in {seconds} s"));
        }
        for part in self.rests.over(Instant::now()) {
            news.push(match self.start_again(part).await {
                Ok(()) => format!(
                    "{} is started again as pid {}{}",
                    part.name(),
                    self.id(part).await,
                    match part {
                        Part::Database(member) if self.databases.is_primary(member) =>
                            ", the primary",
                        Part::Database(_) => ", a replica",
                        _ => "",
                    }
                ),
                Err(error) => {
                    self.rests.begin(part, Instant::now());
                    let why = error.trim();
                    format!("{} cannot be started yet: {why}", part.name())
                }
            });
        }
        news
    }

    async fn has_ended(&mut self, part: Part) -> Option<ExitStatus> {
        match part {
            Part::Proxy => self.proxy.has_ended(),
            Part::Serve(number) => self.serves[number].has_ended().await,
            Part::Ingest(number) => self.ingests[number].process.has_ended(),
            Part::Broker(node) => self.brokers.has_ended(node),
            Part::Database(member) => self.databases.has_ended(member),
            Part::Simulator => self.simulator.try_wait().unwrap(),
        }
    }

    async fn start_again(&mut self, part: Part) -> Result<(), String> {
        match part {
            Part::Proxy => self.proxy.launch(),
            Part::Serve(number) => self.serves[number].start_again(None).await,
            Part::Ingest(number) => {
                let ingest = &mut self.ingests[number];
                ingest.process = IngestProcess::logging_to(&ingest.log, &ingest.env);
            }
            Part::Broker(node) => self.brokers.launch(node),
            Part::Database(member) => self.databases.start_again(member).await?,
            Part::Simulator => {
                let door = self.brokers.mqtt_url_by(self.sensors_door);
                let started = simulate(&self.wish, &door, &self.folder);
                self.simulator = started.map_err(|error| format!("{error:#}"))?;
            }
        }
        Ok(())
    }

    /// The number of a part's process.
    async fn id(&self, part: Part) -> u32 {
        match part {
            Part::Proxy => self.proxy.id(),
            Part::Serve(number) => self.serves[number].id().await,
            Part::Ingest(number) => self.ingests[number].process.id(),
            Part::Broker(node) => self.brokers.id(node),
            Part::Database(member) => self.databases.server(member).id().unwrap(),
            Part::Simulator => self.simulator.id().unwrap(),
        }
    }
}

/// Makes the city and who signs in for it; their password.
async fn settle(database: &TestDatabase, place: &Place) -> anyhow::Result<String> {
    let store = &database.store;
    store.place_import(place, chrono::Utc::now()).await?;
    let password = uuid::Uuid::new_v4().simple().to_string()[..10].to_owned();
    let hash = api::service::staff::hash_password(&password)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    store.staff_put("city", "City", &hash, None).await?;
    Ok(password)
}

fn record(folder: &TempDir) -> PathBuf {
    folder.path().join("acknowledged")
}

/// The simulated city, which remembers in the folder how far it has been played.
fn simulate(wish: &Wish, mqtt_url: &str, folder: &TempDir) -> anyhow::Result<Child> {
    let log = std::env::var("CLEARBAY_LOG").unwrap_or_else(|_| "warn".to_owned());
    Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["simulate", "--until-end-of-input", "--api-url"])
        .arg(format!("http://{}", wish.address))
        .args(["--bays", &wish.bays.to_string()])
        .args(["--history-days", &wish.history_days.to_string()])
        .arg("--state-file")
        .arg(folder.path().join("simulator.json"))
        .arg("--acknowledged-file")
        .arg(record(folder))
        .env("MQTT_URL", mqtt_url)
        .env("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY)
        .env("CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN)
        .env("CLEARBAY_LOG", log)
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the simulated city cannot be started")
}
