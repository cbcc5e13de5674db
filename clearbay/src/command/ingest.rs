//! `clearbay ingest`.

use std::net::SocketAddr;

use super::{Broker, Database};
use crate::shutdown;

/// Take sensors' messages from the broker into the database.
#[derive(Debug, clap::Args)]
pub struct Ingest {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    broker: Broker,
    /// Under which name the broker keeps what arrives while ingest is away. One process each.
    #[arg(long, env = "CLEARBAY_INGEST_ID", default_value = "clearbay-ingest")]
    client_id: String,
    /// Where to show metrics in Prometheus's text format, as 127.0.0.1:9100; nowhere if left out.
    #[arg(long, env = "CLEARBAY_INGEST_METRICS")]
    metrics: Option<SocketAddr>,
}

impl Ingest {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open().await?;
        let (_stop, shutdown) = shutdown::on_signal()?;
        if let Some(address) = self.metrics {
            let metrics = super::serve::recorder()?;
            let listener = super::serve::listen(address).await?;
            let router = axum::Router::new().route(
                "/metrics",
                axum::routing::get(move || std::future::ready(metrics.render())),
            );
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        let options = ingest::Options::new(self.broker.mqtt_url, self.client_id);
        ingest::run(store.clone(), options, shutdown).await?;
        store.close().await;
        Ok(())
    }
}
