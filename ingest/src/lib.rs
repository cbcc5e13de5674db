//! From a sensor's MQTT message to a durable event, stay and bay state.
//!
//! `intake` reads the broker, by MQTT or by AMQP; `envelope` finds the device, its time and its payload in a message;
//! `decoder` finds the state in a vendor's payload; `judge` tells what a message is worth, by the
//! installed devices; `gather` lets messages become many; `worker` takes what has gathered and keeps
//! it as a `batch`; `settle` then acknowledges and tells. `quarantine` takes up messages that came
//! before their device was installed; `signature` and `counter` tell a device's own messages from
//! others.

mod batch;
mod counter;
pub mod decoder;
pub mod envelope;
mod gather;
mod intake;
mod judge;
mod quarantine;
mod refusal;
mod settle;
mod share;
pub mod signature;
mod upkeep;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::signing::Signing;
use judge::Judge;
pub use refusal::{Reason, Refusal};
use settle::Settler;
pub use share::Share;
use signature::DeviceKeys;
use store::Store;
use store::device::KnownDevice;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How ingest works. Every queue and batch has its limit here.
#[derive(Clone, Debug)]
pub struct Options {
    /// The broker, as `mqtt://user:password@host:port`, or the nodes of a RabbitMQ cluster, as
    /// `amqp://user:password@host:port/vhost`, with commas between them.
    pub broker_url: String,
    /// The name under which the broker keeps what arrives while ingest is away.
    pub client_id: String,
    /// Which messages are this process's.
    pub share: Share,
    /// At most this many messages in one transaction.
    pub batch_max: usize,
    /// At most this many messages between the broker and the worker. When they are there, the
    /// connection is read no further, and the broker feels it.
    pub queue_max: usize,
    /// At most so many bytes of messages between the broker and the database, those of the batch at
    /// hand included, whatever their number.
    pub queue_bytes_max: usize,
    /// The largest payload that is decoded, in bytes. Of a larger one this much is kept, refused.
    pub payload_max: usize,
    /// How long to wait before the first repetition of a failed transaction; doubled up to 5 s.
    pub retry_after: Duration,
    /// How long the database may say nothing before it is asked anew, by another connection: it may have been replaced
    /// without a word, as where its machine has lost its power. Doubled each time, up to 16 times as long, for it may be
    /// at work.
    pub answer_within: Duration,
    /// How long after a refused subscription the broker is asked again.
    pub subscribe_again: Duration,
    /// How often a process lets go for a moment of a shard that is another's, of a cluster by AMQP: whoever waits for it
    /// has it then.
    pub give_back_every: Duration,
    /// After so many failures that are the batch's own and not the database's being away, an event
    /// that cannot be kept even alone is kept as a refused message, so that others get their turn.
    pub tries_max: u32,
    /// How often the registry of devices is read anew, and with it messages that had waited for
    /// one; the first message of a new device is understood at once.
    pub directory_every: Duration,
    /// How far behind ours a device's clock may run; a recording's may run as far as it likes.
    pub max_clock_lag: TimeDelta,
    /// For how long events are kept, `None` for ever. Nothing that is older is taken, whoever tells
    /// it.
    pub keep_events: Option<TimeDelta>,
    /// After what time events are compressed, where the database can; `None` for never.
    pub compress_events: Option<TimeDelta>,
    /// With what signatures of devices are checked.
    pub device_keys: DeviceKeys,
}

impl Options {
    /// The usual limits.
    pub fn new(broker_url: String, client_id: String) -> Self {
        Self {
            broker_url,
            client_id,
            share: Share::All,
            batch_max: 50_000,
            queue_max: 100_000,
            queue_bytes_max: 64 << 20,
            payload_max: 64 * 1024,
            retry_after: Duration::from_millis(100),
            answer_within: Duration::from_secs(60),
            subscribe_again: Duration::from_secs(10),
            give_back_every: Duration::from_secs(60),
            tries_max: 20,
            directory_every: Duration::from_secs(60),
            max_clock_lag: domain::event::MAX_CLOCK_LAG,
            keep_events: None,
            compress_events: None,
            device_keys: DeviceKeys::default(),
        }
    }
}

/// Why ingest cannot work at all.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The broker's address cannot be read.
    #[error(
        "MQTT_URL is not of the form mqtt://user:password@host:port or amqp://user:password@host:port, or mqtts:// or amqps:// for TLS: {0}"
    )]
    Url(String),
    /// RabbitMQ divides devices by shards, of which a process has a part.
    #[error("a group shares MQTT's subscriptions; of a cluster by AMQP take a part, such as 1/2")]
    Share,
    /// The broker keeps messages by client id, so there must be one.
    #[error("the MQTT client id is empty")]
    ClientId,
    /// The database failed before the first message.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// A task ended by itself, which it never should.
    #[error("a part of ingest stopped: {0}")]
    Stopped(String),
}

/// Takes messages until told to stop; then finishes the batch at hand, acknowledges it and leaves.
///
/// The broker being away, or the database, is waited for and is no error.
///
/// # Errors
/// [`IngestError`] where it cannot start.
pub async fn run(
    store: Store,
    options: Options,
    shutdown: watch::Receiver<bool>,
) -> Result<(), IngestError> {
    let directory = store.device_directory().await?;
    tracing::info!(devices = directory.len(), "ingest starts");
    let needs_key = |device: &KnownDevice| device.signing == Some(Signing::Hmac);
    if !options.device_keys.has_master() && directory.values().any(needs_key) {
        tracing::error!(
            "devices sign with HMAC, but there is no CLEARBAY_DEVICE_KEY: their messages wait"
        );
    }
    let judge = Arc::new(Judge::new(directory, &options));
    let (busy, rest) = gather::busy();
    let (messages, link, waiting) = intake::connect(&options, judge.clone(), rest, &shutdown)?;
    let mut showing = JoinSet::new();
    showing.spawn(waiting.show());
    let settler = Settler::start(link.acknowledger(), link.publisher());
    let worker = worker::Worker::new(store, judge, &options, settler, busy);
    worker.run(messages, shutdown).await;
    link.close().await
}
