//! `clearbay ingest`.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::TimeDelta;
use domain::event::MAX_CLOCK_LAG;
use ingest::Share;

use super::device_signing::MasterKey;
use super::{Broker, Database};
use crate::recorder::recorder;
use crate::server::show_metrics;
use crate::shutdown;

/// Take sensors' messages from the broker into the database.
#[derive(Debug, clap::Args)]
pub struct Ingest {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    broker: Broker,
    #[command(flatten)]
    master: MasterKey,
    /// Under which name the broker keeps what arrives while ingest is away. Each process has its own,
    /// also where several share a city. With another share it needs another name, since a broker
    /// goes on with what it knows under the old one; end that once it is empty, as by mosquitto_sub
    /// with -i NAME and without -c.
    #[arg(long, env = "CLEARBAY_INGEST_ID", default_value = "clearbay-ingest")]
    client_id: String,
    /// Which messages are this process's: all, group:NAME (a shared subscription; the broker divides
    /// them among the group) or a part of the devices such as 1/2 (for brokers that cannot; each
    /// part must have its process). Of a cluster by AMQP a part is of its shards, which other processes
    /// take over where this one ends.
    #[arg(long, env = "CLEARBAY_INGEST_SHARE", default_value = "all")]
    share: Share,
    /// For how many days to keep what devices said, and messages that were refused; for ever if left
    /// out. Stays, and how full lots were, are always kept. Nothing older than that is taken. At
    /// least 8, for they are dropped by the week.
    #[arg(long, env = "CLEARBAY_INGEST_KEEP_DAYS", value_parser = clap::value_parser!(i64).range(8..=36_500))]
    keep_days: Option<i64>,
    /// After how many days to compress what devices said, week by week; never if left out. Needs
    /// TimescaleDB's community edition.
    #[arg(long, env = "CLEARBAY_INGEST_COMPRESS_DAYS", value_parser = clap::value_parser!(i64).range(8..=36_500))]
    compress_days: Option<i64>,
    /// Where to show metrics in Prometheus's text format, as 127.0.0.1:9101; nowhere if left out.
    #[arg(long, env = "CLEARBAY_INGEST_METRICS")]
    metrics: Option<SocketAddr>,
    /// How many days a device's clock may run behind ours before its word is refused. A recording's
    /// devices, which have no limit of silence, may speak of any past.
    #[arg(long, env = "CLEARBAY_INGEST_CLOCK_LAG_DAYS", default_value_t = MAX_CLOCK_LAG.num_days(),
        value_parser = clap::value_parser!(i64).range(1..=36_500))]
    clock_lag_days: i64,
}

impl Ingest {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let device_keys = self.master.keys()?;
        let mqtt_url = self.broker.address()?.to_owned();
        // One batch is kept after another. What a connection has learnt of the tables and statements
        // another would have to learn again.
        let store = self.database.open_with(1).await?;
        let (_stop, shutdown) = shutdown::on_signal()?;
        if let Some(address) = self.metrics {
            let metrics = recorder()?;
            let upkeep = metrics.clone();
            tokio::spawn(async move {
                // Samples gather until they are sorted into their buckets.
                let mut ticks = tokio::time::interval(Duration::from_secs(60));
                loop {
                    ticks.tick().await;
                    upkeep.run_upkeep();
                }
            });
            show_metrics(address, move || metrics.render())?;
        }
        let mut options = ingest::Options::new(mqtt_url, self.client_id);
        options.keep_events = self.keep_days.map(TimeDelta::days);
        options.compress_events = self.compress_days.map(TimeDelta::days);
        options.share = self.share;
        options.max_clock_lag = TimeDelta::days(self.clock_lag_days);
        options.device_keys = device_keys;
        ingest::run(store.clone(), options, shutdown).await?;
        store.close().await;
        Ok(())
    }
}
