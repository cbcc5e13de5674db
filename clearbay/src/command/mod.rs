//! One file per command.

pub mod backup;
pub mod configuration;
pub mod country;
pub mod demo;
pub mod device;
pub mod device_faults;
mod device_list;
mod device_refused;
pub mod device_signing;
pub mod ingest;
pub mod ledger;
pub mod migrate;
pub mod oidc;
pub mod place;
pub mod push;
pub mod reconcile;
pub mod replay;
pub mod serve;
pub mod simulate;
pub mod staff;
pub mod tariff;
pub mod verify;

use store::{Engine, Store};

/// Where the database is.
#[derive(Clone, Debug, clap::Args)]
pub struct Database {
    /// The database, as postgres://user:password@host:port/name.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
}

impl Database {
    /// Connects, for a command that does few things at once, and brings the schema up to date where this role owns
    /// it.
    pub async fn open(&self) -> anyhow::Result<Store> {
        self.open_with(4).await
    }

    /// Connects, with so many connections at most, and brings the schema up to date where this role owns it; else
    /// sees that it is not too old.
    pub async fn open_with(&self, connections: u32) -> anyhow::Result<Store> {
        use anyhow::Context;
        let store = Store::connect(&self.database_url, connections)
            .await
            .context("cannot reach the database; check DATABASE_URL")?;
        if store.prepare().await? == Engine::Plain {
            tracing::warn!(
                "this PostgreSQL has no TimescaleDB: events go to a plain table, all else works"
            );
        }
        Ok(store)
    }
}

/// Where the broker is.
#[derive(Clone, Debug, clap::Args)]
pub struct Broker {
    /// The broker, as mqtt://user:password@host:port. Ingest also takes the nodes of a RabbitMQ cluster, as
    /// amqp://user:password@host:5672, with commas between them.
    #[arg(
        long,
        env = "MQTT_URL",
        hide_env_values = true,
        default_value = "mqtt://127.0.0.1:1883"
    )]
    pub mqtt_url: String,
}
