//! One file per command.

pub mod backup;
pub mod broker;
mod cautions;
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
mod public_url;
pub mod push;
pub mod reconcile;
pub mod replay;
pub mod second_factor;
pub mod serve;
pub mod simulate;
pub mod staff;
pub mod tariff;
pub mod terminal;
pub mod verify;

use std::time::Duration;

use anyhow::Context;
use clap::builder::BoolishValueParser;
use store::{Connecting, Engine, Store};

/// Where the database is.
#[derive(Clone, Debug, clap::Args)]
pub struct Database {
    /// The database, as postgres://user:password@host:port/name. On another machine it ends in
    /// ?sslmode=verify-full (and &sslrootcert=/path/to/ca.crt for an authority of one's own), or in
    /// ?sslmode=disable where everybody on the way may read along.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// After how many milliseconds a statement is worth a line of the log, beside its request's number.
    #[arg(long, env = "CLEARBAY_SLOW_STATEMENT_MS", default_value_t = 5_000)]
    pub slow_statement_ms: u64,
}

impl Database {
    /// Connects, for a command that does few things at once, and brings the schema up to date where this role owns
    /// it.
    pub async fn open(&self) -> anyhow::Result<Store> {
        Ok(self.prepared(4).await?.0)
    }

    /// How a database is connected to, with so many connections at most.
    pub const fn connecting(&self, connections: u32) -> Connecting {
        let mut how = Connecting::with(connections);
        how.slow_after = Duration::from_millis(self.slow_statement_ms);
        how
    }

    /// The same for what runs for long, for a command that only reads: it leaves the schema as it is, so that it may be asked of a replica
    /// or of a copy that was brought back, and says where the schema is too old.
    pub async fn open_to_read(&self) -> anyhow::Result<Store> {
        let store = self.connect(4).await?;
        store.fits().await?;
        Ok(store)
    }

    async fn connect(&self, connections: u32) -> anyhow::Result<Store> {
        Store::connect_with(&self.database_url, self.connecting(connections))
            .await
            .context("cannot reach the database; check DATABASE_URL")
    }

    /// Connects, with so many connections at most. It tells of a database without TimescaleDB.
    pub async fn open_with(&self, connections: u32) -> anyhow::Result<Store> {
        let (store, engine) = self.prepared(connections).await?;
        warn_of(engine);
        Ok(store)
    }

    /// Connects, and brings the schema up to date where this role owns it; else sees that it is not too old.
    async fn prepared(&self, connections: u32) -> anyhow::Result<(Store, Engine)> {
        let store = self.connect(connections).await?;
        let engine = store.prepare().await?;
        Ok((store, engine))
    }
}

/// Tells of a database without TimescaleDB.
fn warn_of(engine: Engine) {
    if engine == Engine::Plain {
        tracing::warn!(
            "this PostgreSQL has no TimescaleDB: events go to a plain table, all else works"
        );
    }
}

/// Where the broker is.
#[derive(Clone, Debug, clap::Args)]
pub struct Broker {
    /// The broker, as mqtt://user:password@host:port, or mqtts://user:password@host:8883 for TLS. Ingest also takes
    /// the nodes of a RabbitMQ cluster, as amqp://user:password@host:5672, or amqps:// for TLS, with commas between
    /// them. By TLS a broker's certificate must be signed by an authority that this machine trusts; SSL_CERT_FILE
    /// names others.
    #[arg(
        long,
        env = "MQTT_URL",
        hide_env_values = true,
        default_value = "mqtt://127.0.0.1:1883"
    )]
    mqtt_url: String,
    #[command(flatten)]
    plain: PlainBroker,
}

impl Broker {
    /// Its address, where nobody else reads along or that is meant.
    ///
    /// # Errors
    /// As [`PlainBroker::check`].
    pub fn address(&self) -> anyhow::Result<&str> {
        self.plain.check(&self.mqtt_url)?;
        Ok(&self.mqtt_url)
    }
}

/// What may be said to a broker in the clear.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct PlainBroker {
    /// Speak to a broker on another machine without TLS, too, where everybody on the way may read its password and
    /// speak in its name: inside a private network of containers, say.
    #[arg(long, env = "CLEARBAY_PLAIN_BROKER", value_parser = BoolishValueParser::new())]
    plain_broker: bool,
}

impl PlainBroker {
    /// Lets an address pass by TLS, to this machine, or where plain is meant.
    ///
    /// # Errors
    /// For others, and for what is no address.
    pub fn check(self, mqtt_url: &str) -> anyhow::Result<()> {
        match transport::plain_host(mqtt_url).context("MQTT_URL")? {
            Some(host) if !self.plain_broker => anyhow::bail!(
                "the broker on {host} would be spoken to without TLS; let MQTT_URL begin with mqtts:// (amqps:// for AMQP), or say --plain-broker (CLEARBAY_PLAIN_BROKER=true) where everybody on the way may read along"
            ),
            _ => Ok(()),
        }
    }

    /// The same as arguments of another of these commands.
    pub fn arguments(self) -> Option<&'static str> {
        self.plain_broker.then_some("--plain-broker")
    }
}
