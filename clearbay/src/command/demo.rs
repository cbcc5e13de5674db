//! `clearbay demo`: a whole city on one machine.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use api::gateway::config::Gateways;
use api::secret::Secrets;
use api::{App, Sms};
use clearbay::{broker, secrets};
use domain::log::LogSigner;
use domain::staff::Role;
use store::Store;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::device_signing::MasterKey;
use super::serve::{ServeOptions, Service, log_keys, serve, shared_token};
use super::{Database, PlainBroker};
use crate::connections::listen;
use crate::out::out;
use crate::recorder::recorder;
use crate::shutdown;

/// Run everything at once on this machine: broker, ingest, API, pages and a simulated city.
#[derive(Debug, clap::Args)]
pub struct Demo {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    options: ServeOptions,
    #[command(flatten)]
    master: MasterKey,
    /// A broker to use instead of one in this process.
    #[arg(long, env = "MQTT_URL", hide_env_values = true)]
    mqtt_url: Option<String>,
    #[command(flatten)]
    plain: PlainBroker,
    /// The port of the pages and the API, on loopback.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Forget the simulated past of an earlier demo.
    #[arg(long)]
    fresh: bool,
    /// How many days of the past to send at the first start; with fewer than 14 there is no forecast
    /// yet.
    #[arg(long, default_value_t = 15)]
    history_days: u32,
    /// How many bays the city has.
    #[arg(long, default_value_t = 2_000)]
    bays: u32,
    /// Where the demo keeps its secrets and how far the city has been played.
    #[arg(long, default_value = ".clearbay")]
    state_dir: PathBuf,
}

/// Logins of the demo: login, name, operator (none is the city).
const STAFF: [(&str, &str, Option<usize>); 3] = [
    ("city", "City parking office", None),
    ("staff1", "Operator staff 1", Some(0)),
    ("staff2", "Operator staff 2", Some(1)),
];

impl Demo {
    /// Runs the command.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)))?;
        let address = listener.local_addr()?;
        std::fs::create_dir_all(&self.state_dir)
            .with_context(|| format!("cannot make {}", self.state_dir.display()))?;
        let state_file = self.state_dir.join("simulator.json");
        let known = secrets::demo(&self.state_dir.join("secrets.env"))?;
        let device_keys = self.master.keys()?;
        let (stop, shutdown) = shutdown::on_signal()?;
        let store = self
            .database
            .open_with(self.options.database_connections)
            .await?;
        // A new city has no past, whatever an earlier one was sent.
        if self.fresh || store.city_bay_count(simulator::city::CODE).await? == 0 {
            forget(&state_file)?;
            forget(&self.verified())?;
        }
        let operators = self.seed(&store).await?;
        sign_up(&store, &operators, &known).await?;
        let mqtt_url = match self.mqtt_url.clone() {
            Some(url) => {
                self.plain.check(&url)?;
                url
            }
            None => {
                let url = tokio::task::spawn_blocking(broker::start).await??;
                // It is open to everybody on this machine: no password is told by that.
                self.options.public_mqtt_url.get_or_insert(url.clone());
                url
            }
        };
        let mut options = ingest::Options::new(mqtt_url.clone(), "clearbay-ingest".to_owned());
        options.device_keys = device_keys;
        let ingest = tokio::spawn(ingest::run(store.clone(), options, shutdown.clone()));
        let secret = |name: &str| known.get(name).cloned().unwrap_or_default();
        let secrets = Secrets {
            session_keys: secret("CLEARBAY_SESSION_KEY").parse()?,
            webhook_key: secret("CLEARBAY_WEBHOOK_KEY").into_bytes(),
            import_token: shared_token(secret("CLEARBAY_IMPORT_TOKEN"))?,
        };
        let public_url = self.options.public_url.as_deref();
        let push = self
            .options
            .push
            .push(&secret("CLEARBAY_VAPID_KEY"), public_url)?;
        let providers = free_address()?;
        let metrics = match self.options.metrics {
            Some(address) => address,
            None => *self.options.metrics.insert(free_address()?),
        };
        let setting = |name: &str| known.get(name).cloned().or_else(|| at(providers, name));
        let gateways = Gateways::from_env(setting).map_err(|missing| anyhow::anyhow!(missing))?;
        let sms = Sms::from_env(setting).map_err(|missing| anyhow::anyhow!(missing))?;
        let simulator = self.simulator(address, providers, &mqtt_url, &state_file, &known)?;
        out!(
            "{}",
            welcome(
                address,
                (providers, metrics),
                &mqtt_url,
                &operators,
                &known,
                (&self.example_bay()?, &self.verified())
            )
        );
        let watched = tokio::spawn(watch_simulator(simulator, shutdown.clone()));
        let service = Service {
            store,
            secrets,
            gateways,
            sms,
            push,
            log: log_keys(&secret("CLEARBAY_LOG_KEY"), "", "")?,
            listener,
            metrics: recorder()?,
            drain: Duration::ZERO,
        };
        let served = serve(
            service,
            &self.database,
            &mqtt_url,
            &self.options,
            shutdown.clone(),
        )
        .await;
        let _ = stop.send(true);
        watched.await?;
        ingest.await??;
        served
    }

    /// Where `clearbay verify` remembers what it saw of this demo's log.
    fn verified(&self) -> PathBuf {
        self.state_dir.join("verified.json")
    }

    /// Builds the city, unless it is there; the result is its operators' codes.
    async fn seed(&self, store: &Store) -> anyhow::Result<Vec<String>> {
        let place = simulator::city::hanoi(self.bays)?;
        let there = store.city_bay_count(&place.city.code).await?;
        if there == 0 {
            out!(
                "Building a city of {} lots and {} bays ...",
                place.lots.len(),
                self.bays
            );
            store.place_import(&place, chrono::Utc::now()).await?;
        }
        anyhow::ensure!(
            there == 0 || there == i64::from(self.bays),
            "this demo's city has {there} bays; start with --bays {there}, or with --fresh to build another"
        );
        // Of a city that was built without a map, or without what bays have.
        if there > 0 && store.map_features(&place.city.code).await?.is_empty() {
            store.place_import(&place, chrono::Utc::now()).await?;
        }
        let bays = place.lots.iter().flat_map(|lot| &lot.bays);
        let devices: Vec<&str> = bays
            .filter_map(|bay| Some(bay.device.as_ref()?.id.as_str()))
            .collect();
        anyhow::ensure!(
            store.devices_named(&devices).await?.len() == devices.len(),
            "this demo's city was built by another version of Clearbay; start with --fresh"
        );
        Ok(place
            .operators
            .into_iter()
            .map(|operator| operator.code)
            .collect())
    }

    fn example_bay(&self) -> anyhow::Result<String> {
        let place = simulator::city::hanoi(self.bays)?;
        let bay = place.lots.iter().flat_map(|lot| &lot.bays).next();
        Ok(bay.map(|bay| bay.code.clone()).unwrap_or_default())
    }

    /// The simulator is a program of its own: it gets addresses and the secrets that terminals,
    /// banks and payment providers share with a city, nothing else.
    fn simulator(
        &self,
        address: SocketAddr,
        providers: SocketAddr,
        mqtt_url: &str,
        state_file: &Path,
        known: &BTreeMap<String, String>,
    ) -> anyhow::Result<Child> {
        let own = [
            "CLEARBAY_SESSION_KEY",
            "CLEARBAY_VAPID_KEY",
            "CLEARBAY_LOG_KEY",
            "CLEARBAY_CITY_PASSWORD",
            "CLEARBAY_STAFF_PASSWORD",
        ];
        let shared = secrets::NAMES
            .into_iter()
            .filter(|name| !own.contains(name));
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["simulate", "--until-end-of-input"])
            .args(self.plain.arguments())
            .args(["--api-url", &format!("http://{address}")])
            .args(["--bays", &self.bays.to_string()])
            .args(["--history-days", &self.history_days.to_string()])
            .arg("--state-file")
            .arg(state_file)
            .env_remove("DATABASE_URL")
            .env("MQTT_URL", mqtt_url)
            .args(["--providers-listen", &providers.to_string()])
            .envs(shared.filter_map(|name| Some((name, known.get(name)?))))
            .stdin(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command.spawn().context("cannot start the simulator")
    }
}

/// An address that nobody listens on.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// How the city reaches the simulated payment providers, by the names of the environment.
fn at(providers: SocketAddr, name: &str) -> Option<String> {
    Some(match name {
        "CLEARBAY_VNPAY_TMN_CODE" | "CLEARBAY_MOMO_PARTNER_CODE" => "CLEARBAY".to_owned(),
        "CLEARBAY_ZALOPAY_APP_ID" => "2553".to_owned(),
        "CLEARBAY_VNPAY_PAY_URL" => format!("http://{providers}/vnpay/pay"),
        "CLEARBAY_VNPAY_API_URL" => format!("http://{providers}/vnpay/api"),
        "CLEARBAY_MOMO_URL" => format!("http://{providers}/momo"),
        "CLEARBAY_ZALOPAY_URL" => format!("http://{providers}/zalopay"),
        "CLEARBAY_ESMS_URL" => format!("http://{providers}/esms"),
        "CLEARBAY_ESMS_BRANDNAME" => "Clearbay".to_owned(),
        "CLEARBAY_VIETQR_PAYOUT_URL" => format!("http://{providers}/bank/payouts"),
        "CLEARBAY_VIETQR_APP_URL" => format!(
            "http://{providers}/bank/app?bank={{bank}}&account={{account}}&amount={{amount}}&text={{text}}&back={{back}}"
        ),
        _ => return None,
    })
}

fn forget(file: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// Waits for the end of the demo, or of the simulator, which the demo outlives.
async fn watch_simulator(mut simulator: Child, mut shutdown: watch::Receiver<bool>) {
    // Waiting for a child closes its input, whose end tells the simulator to stop: hold it.
    let input = simulator.stdin.take();
    tokio::select! {
        () = shutdown::told(&mut shutdown) => {
            drop(input);
            let patience = Duration::from_secs(5);
            if tokio::time::timeout(patience, simulator.wait()).await.is_err() {
                let _ = simulator.kill().await;
            }
        }
        status = simulator.wait() => match status {
            Ok(status) => tracing::error!(%status, "the simulator stopped; the city stands still"),
            Err(error) => tracing::error!(%error, "the simulator was lost"),
        },
    }
}

async fn sign_up(
    store: &Store,
    operators: &[String],
    known: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    for (login, name, operator) in STAFF {
        let secret = if operator.is_none() {
            "CLEARBAY_CITY_PASSWORD"
        } else {
            "CLEARBAY_STAFF_PASSWORD"
        };
        let password = known.get(secret).cloned().unwrap_or_default();
        let hash =
            tokio::task::spawn_blocking(move || api::service::staff::hash_password(&password))
                .await??;
        let operator = operator
            .and_then(|index| operators.get(index))
            .map(String::as_str);
        store.staff_put(login, name, &hash, operator).await?;
        let (role, by) = (Role::Administrator, "demo");
        store.member_set_role(login, role, by, App::now()).await?;
    }
    Ok(())
}

fn welcome(
    address: SocketAddr,
    (providers, metrics): (SocketAddr, SocketAddr),
    mqtt_url: &str,
    operators: &[String],
    known: &BTreeMap<String, String>,
    (bay, verified): (&str, &Path),
) -> String {
    let verified = verified.display();
    let password = |name: &str| known.get(name).map_or("", String::as_str);
    let log_key = known.get("CLEARBAY_LOG_KEY");
    let log_key = log_key.and_then(|key| key.parse::<LogSigner>().ok());
    let log_key = log_key.map(|signer| signer.public().to_string());
    let log_key = log_key.unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("clearbay"));
    let program = program.display();
    let operator = |index: usize| operators.get(index).map_or("", String::as_str);
    format!(
        "
Clearbay is up.

  Find parking      http://{address}/
  Pay for a bay     http://{address}/b/{bay}
  Staff             http://{address}/staff
                      login city    password {}   (sees every lot)
                      login staff1  password {}   (operator {})
                      login staff2  password {}   (operator {})
  City and citizens http://{address}/city
  A driver's phone  http://{providers}/phone   (the messages sent to it)
  Check the revenue http://{address}/verify   (in the browser, or:)
                    {program} verify --url http://{address} --key {log_key} --state {verified}
  Open data         http://{address}/open
  API               http://{address}/api/docs/
  Metrics           http://{metrics}/metrics
  Broker            {mqtt_url}

The simulated city now sends those of its past days that it has not sent yet: some 15 seconds for each, more where the
machine is busy. Reports fill meanwhile; bays are unknown until it says \"The city is live.\" Pay only then: the public log
takes no money of long ago behind today's, so that what is left of the past would count on the day before yesterday.
Ctrl-C stops everything.
",
        password("CLEARBAY_CITY_PASSWORD"),
        password("CLEARBAY_STAFF_PASSWORD"),
        operator(0),
        password("CLEARBAY_STAFF_PASSWORD"),
        operator(1),
    )
}
