//! `clearbay serve`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::gateway::config::Gateways;
use api::limit::{Limits, MAX_BODY_TIME, MAX_TIME};
use api::live::LiveBoard;
use api::open::OpenData;
use api::plate_reader::PlateReader;
use api::secret::{KEY_MIN, Secrets};
use api::service::figures;
use api::service::lease;
use api::service::public_log::{self, PublicLog};
use api::service::witness::{self, Witness};
use api::{App, Drain, Past, Push, Sms};
use chrono::TimeDelta;
use clap::builder::BoolishValueParser;
use clearbay::secret_files;
use metrics_exporter_prometheus::PrometheusHandle;
use rumqttc::MqttOptions;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Broker, Database, cautions, public_url};
use crate::connections::{listen, live_places};
use crate::housekeeping::housekeeping;
use crate::recorder::recorder;
use crate::server::{Server, show_metrics};
use crate::{shutdown, telemetry};

mod options;

pub use options::ServeOptions;

/// How long requests that were begun may take once no more are taken: as long as any may, but for pictures that
/// come over a slow line.
const FINISH_WITHIN: Duration = MAX_BODY_TIME.saturating_add(MAX_TIME);

/// Serve the API and the pages.
#[derive(Debug, clap::Args)]
pub struct Serve {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    broker: Broker,
    #[command(flatten)]
    options: ServeOptions,
    /// The address and port to listen on.
    #[arg(
        long,
        env = "CLEARBAY_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT"
    )]
    listen: SocketAddr,
    /// Serve people without TLS on another address than this machine's loopback, where everybody on the way may
    /// read their passwords and sign-ins. Without it CLEARBAY_PUBLIC_URL must begin with https: there.
    #[arg(long, env = "CLEARBAY_PLAIN_HTTP", value_parser = BoolishValueParser::new())]
    plain_http: bool,
    /// Signs drivers' tokens and seals cookies. To exchange it give two, separated by a space: the first makes, both
    /// are believed.
    #[arg(long, env = "CLEARBAY_SESSION_KEY", hide_env_values = true)]
    session_key: String,
    /// Shared with the bank: signs its webhooks.
    #[arg(long, env = "CLEARBAY_WEBHOOK_KEY", hide_env_values = true)]
    webhook_key: String,
    /// The former way to let handheld terminals upload what they sold offline: one token, shared by all that have none
    /// of their own (`clearbay terminal add`), of 16 characters at least. Empty refuses it.
    #[arg(
        long,
        env = "CLEARBAY_IMPORT_TOKEN",
        hide_env_values = true,
        default_value = ""
    )]
    import_token: String,
    /// Signs push messages to drivers' phones; without it none are sent. `clearbay push-key` makes one.
    /// Processes of one database share it.
    #[arg(
        long,
        env = "CLEARBAY_VAPID_KEY",
        hide_env_values = true,
        default_value = ""
    )]
    vapid_key: String,
    /// Signs the public log and the day's reports; `clearbay log-key` makes one. Two, separated by a space,
    /// while one takes the other's place. Without it receipts wait for their place in the log. Processes of
    /// one database share it.
    #[arg(
        long,
        env = "CLEARBAY_LOG_KEY",
        hide_env_values = true,
        default_value = ""
    )]
    log_key: String,
    /// Public keys that signed the log in earlier times, separated by spaces: whoever trusts the present key
    /// can read older reports by them.
    #[arg(long, env = "CLEARBAY_LOG_FORMER_KEYS", default_value = "")]
    log_former_keys: String,
    /// Who witnesses the public log's tree heads (C2SP tlog-witness), each as KEY@URL, separated by spaces:
    /// with them nobody can be shown another log than everybody else.
    #[arg(long, env = "CLEARBAY_LOG_WITNESSES", default_value = "")]
    log_witnesses: String,
    /// For how many seconds to take requests still once told to stop. /readyz says at once that this process ends,
    /// live streams end in the second half of that time. Longer than whoever sends requests needs to notice.
    #[arg(long, env = "CLEARBAY_DRAIN_SECONDS", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(..=600))]
    drain_seconds: u32,
}

impl Serve {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let session_keys = self.session_key.parse().context("CLEARBAY_SESSION_KEY")?;
        anyhow::ensure!(
            self.webhook_key.len() >= KEY_MIN,
            "CLEARBAY_WEBHOOK_KEY needs at least {KEY_MIN} characters"
        );
        let import_token = shared_token(self.import_token)?;
        let mqtt_url = self.broker.address()?;
        let public_url = self.options.public_url.as_deref();
        public_url::check(public_url, self.listen, self.plain_http)?;
        #[cfg(debug_assertions)]
        if let Ok(point) = std::env::var("CLEARBAY_FAILPOINT") {
            store::failpoint::arm(point);
        }
        let push = self.options.push.push(&self.vapid_key, public_url)?;
        let log = log_keys(&self.log_key, &self.log_former_keys, &self.log_witnesses)?;
        let env = secret_files::of_providers()?;
        let gateways = Gateways::from_env(&env).map_err(|missing| anyhow::anyhow!(missing))?;
        let sms = Sms::from_env(&env).map_err(|missing| anyhow::anyhow!(missing))?;
        let listener = listen(self.listen)?;
        let store = self
            .database
            .open_with(self.options.database_connections)
            .await?;
        let second_factor = self.options.second_factor.require_second_factor;
        cautions::tell(&store, public_url, second_factor).await?;
        let secrets = Secrets {
            session_keys,
            webhook_key: self.webhook_key.into_bytes(),
            import_token,
        };
        let (_stop, shutdown) = shutdown::on_signal()?;
        let service = Service {
            store,
            secrets,
            gateways,
            sms,
            push,
            log,
            listener,
            metrics: recorder()?,
            drain: Duration::from_secs(self.drain_seconds.into()),
        };
        serve(service, &self.database, mqtt_url, &self.options, shutdown).await
    }
}

/// The token that terminals share, long enough to be no guess; nothing is none.
pub fn shared_token(token: String) -> anyhow::Result<String> {
    anyhow::ensure!(
        token.is_empty() || token.len() >= KEY_MIN,
        "CLEARBAY_IMPORT_TOKEN needs at least {KEY_MIN} characters, or none; better, give each terminal a token of its own: clearbay terminal add"
    );
    Ok(token)
}

/// The keys of the public log and who witnesses it, out of the environment; none where it has no key.
pub fn log_keys(private: &str, former: &str, witnesses: &str) -> anyhow::Result<Option<PublicLog>> {
    if private.trim().is_empty() {
        return Ok(None);
    }
    // The key itself is in no message.
    let log = PublicLog::parse(private, former).context("CLEARBAY_LOG_KEY")?;
    let witnesses: Result<Vec<Witness>, _> = witnesses.split_whitespace().map(str::parse).collect();
    let witnesses = witnesses.context("CLEARBAY_LOG_WITNESSES")?;
    Ok(Some(log.witnessed_by(witnesses)))
}

/// What is served, and with what.
pub struct Service {
    /// The database.
    pub store: Store,
    /// The keys.
    pub secrets: Secrets,
    /// The gateways that drivers may pay by.
    pub gateways: Gateways,
    /// Who delivers codes to drivers' phones.
    pub sms: Option<Sms>,
    /// How drivers are told something while their page is closed, where they are.
    pub push: Option<Push>,
    /// The keys of the public log.
    pub log: Option<PublicLog>,
    /// Where requests come in.
    pub listener: TcpListener,
    /// What is measured.
    pub metrics: PrometheusHandle,
    /// For how long requests are taken still once told to stop.
    pub drain: Duration,
}

/// Serves until told to stop. Then work in the background ends at once, for other processes to go on with it, and
/// requests are taken for a while still, so that whoever sends them finds another process first; then what was
/// begun is finished.
pub async fn serve(
    service: Service,
    database: &Database,
    mqtt_url: &str,
    options: &ServeOptions,
    mut shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Service {
        store,
        secrets,
        gateways,
        sms,
        push,
        log,
        listener,
        metrics,
        drain,
    } = service;
    let drain = Drain::new(drain);
    // What requests need as long as there are any.
    let (served, over) = watch::channel(false);
    let city = store.city(&options.city).await.with_context(|| {
        format!(
            "there is no city {:?} in the database; import one, or start a demo",
            options.city
        )
    })?;
    let oidc = options.oidc.provider()?.map(Arc::new);
    let live = Arc::new(LiveBoard::default());
    live.reload(&store, App::now()).await?;
    let mqtt = client("board", mqtt_url)?;
    let mut work = JoinSet::new();
    work.spawn(api::live::feed(
        live.clone(),
        store.clone(),
        mqtt,
        App::now,
        over.clone(),
    ));
    let (turn, lease) = lease::keep(store.clone(), "background", shutdown.clone());
    work.spawn(housekeeping(
        store.clone(),
        live.clone(),
        metrics.clone(),
        TimeDelta::days(options.plate_days.into()),
        turn.clone(),
        shutdown.clone(),
    ));
    let public_url = match &options.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", listener.local_addr()?),
    };
    let plate_reader = match &options.plate_reader {
        Some(program) => {
            let started = PlateReader::start(program.clone()).await;
            let reader = started.with_context(|| {
                format!("the plate reader {} does not start", program.display())
            })?;
            Some(Arc::new(reader))
        }
        None => None,
    };
    let mut past = Past::of(store.clone());
    if let Some(url) = &options.replica_url {
        let replica = |connections| {
            Store::replica(url, database.connecting(connections)).context(
                "CLEARBAY_REPLICA_URL, of the form postgres://user:password@host:port/name",
            )
        };
        past = past.with_replica(replica(options.replica_connections)?, replica(1)?);
    }
    let proxies = Arc::new(options.trusted_proxies.clone());
    let streams = live_places(options.max_streams, options.max_requests);
    let limits = Arc::new(Limits::new(options.max_requests, streams));
    work.spawn(past.clone().follow(App::now, over));
    let has_wallets = sms.is_some();
    let app = App {
        store: store.clone(),
        past,
        live,
        secrets: Arc::new(secrets),
        gateways: Arc::new(gateways),
        sms: sms.map(Arc::new),
        push: push.map(Arc::new),
        oidc: oidc.clone(),
        second_factor: options.second_factor.require_second_factor,
        log: log.map(Arc::new),
        http: api::gateway::client()?,
        public_url: public_url.into(),
        public_mqtt_url: options.public_mqtt_url.as_deref().map(Into::into),
        city: Arc::new(city),
        drain: drain.clone(),
        proxies: proxies.clone(),
        limits: limits.clone(),
        answers: Arc::default(),
        open: Arc::new(OpenData::new(options.open_requests_per_s)),
        plate_reader,
    };
    if let Some(address) = options.metrics {
        let limits = limits.clone();
        show_metrics(address, move || {
            limits.show();
            metrics.render()
        })?;
    }
    work.spawn(api::service::outbox::work(app.clone(), shutdown.clone()));
    work.spawn(api::service::sessions_over::watch(
        app.clone(),
        turn.clone(),
        shutdown.clone(),
    ));
    work.spawn(api::service::reminder::work(app.clone(), shutdown.clone()));
    work.spawn(public_log::work(app.clone(), shutdown.clone()));
    work.spawn(witness::work(app.clone(), turn.clone(), shutdown.clone()));
    work.spawn(figures::work(app.clone(), turn.clone(), shutdown.clone()));
    work.spawn(api::open::publish::work(
        app.clone(),
        client("open", mqtt_url)?,
        turn,
        shutdown.clone(),
    ));
    let pages = dashboard::Pages::load(options.web_dir.as_deref(), oidc, has_wallets);
    let router = pages.within(|pages| api::routes::router(app, pages));
    let router = telemetry::traced(router);
    tracing::info!(address = %listener.local_addr()?, "serving");
    let (refuse, mut refused) = watch::channel(false);
    let server = Server {
        listener,
        places: limits.connections.clone(),
        proxies,
        stalled: Duration::from_secs(options.stalled_after_s.into()),
    };
    let server = server.run(router, refused.clone());
    tokio::spawn(async move {
        shutdown::told(&mut shutdown).await;
        tracing::info!("told to stop: draining");
        drain.run().await;
        refuse.send_replace(true);
    });
    tokio::select! {
        () = server => {}
        () = async {
            watch_over(&mut work).await;
            std::future::pending().await
        } => {}
        () = async {
            shutdown::told(&mut refused).await;
            tokio::time::sleep(FINISH_WITHIN).await;
        } => tracing::warn!("requests that took too long to finish are cut off"),
    }
    served.send_replace(true);
    let ended = async {
        watch_over(&mut work).await;
        lease.await
    };
    // A database that is gone without a word ends nothing.
    match tokio::time::timeout(FINISH_WITHIN, ended).await {
        Ok(released) => released?,
        Err(_) => tracing::warn!("work in the background that takes too long is cut off"),
    }
    store.close().await;
    Ok(())
}

/// A client of the broker, named for what it does.
fn client(name: &str, mqtt_url: &str) -> anyhow::Result<MqttOptions> {
    let id = format!("clearbay-{name}-{}", uuid::Uuid::new_v4().simple());
    let mut mqtt = transport::mqtt(mqtt_url, &id).context("MQTT_URL")?;
    mqtt.set_clean_session(true)
        .set_max_packet_size(1024 * 1024, 64 * 1024);
    Ok(mqtt)
}

/// Waits until all work in the background has ended, and says so where it ends by a fault: who is served goes on being
/// served, but not for long without it.
async fn watch_over(work: &mut JoinSet<()>) {
    while let Some(ended) = work.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "work in the background ended by a fault: restart this process");
        }
    }
}
