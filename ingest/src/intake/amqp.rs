//! RabbitMQ's side. Devices publish by MQTT to any node of the cluster; its exchange of the type
//! x-consistent-hash divides the devices among queues, the shards, which several nodes hold (quorum
//! queues). `deploy/rabbitmq/definitions.json` is the cluster's part of this.
//!
//! Of each shard one process at a time is sent messages (`x-single-active-consumer`), so that those of a
//! device come to one process. Each process asks for its own shards at once and for the others' a little
//! later, to take them over where their process ends, and gives them back when it is there again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{SubsecRound, Utc};
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    QueueDeclareOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{BACKOFF_MAX, BACKOFF_MIN, CLOSE_WITHIN, DELTAS_MAX, Intake};
use crate::{IngestError, Options, Share};

mod over_tls;

/// The shards' queues are this and a number, from 0 without a gap.
const QUEUES: &str = "clearbay.events.";
/// Where RabbitMQ's MQTT plugin finds and leaves messages (`mqtt.exchange`).
const EXCHANGE: &str = "amq.topic";
/// How many messages of a shard may be on their way to us or at work. With all shards and the largest messages
/// that the broker takes (`max_message_size`) they are no more than [`Options::queue_bytes_max`].
const PREFETCH: u16 = 500;
/// So long after its own a process asks for the others' shards.
const STAND_BY: Duration = Duration::from_secs(3);
/// So long to wait for what was sent before we let go.
const DRAIN: Duration = Duration::from_millis(500);
/// So often it is looked whether there are more shards than before.
const COUNT_EVERY: Duration = Duration::from_secs(600);
const HEARTBEAT_S: u16 = 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A connection that stood so long was a good one: the next is made at once.
const GOOD_AFTER: Duration = Duration::from_secs(5);

/// A message's number within what a shard was asked for.
pub(crate) struct Ticket {
    shard: Arc<watch::Sender<u64>>,
    tag: u64,
}

impl Ticket {
    /// Acknowledges it and all that its shard delivered before: batches are kept in that order.
    pub(super) fn acknowledge(self) {
        self.shard.send_if_modified(|kept| {
            let is_new = *kept < self.tag;
            *kept = (*kept).max(self.tag);
            is_new
        });
    }
}

/// Tells of changes.
pub(crate) struct Publisher(mpsc::Sender<(String, Vec<u8>)>);

impl Publisher {
    /// Queues a message; says whether there was room for it.
    pub(super) fn publish(&self, topic: String, payload: Vec<u8>) -> bool {
        self.0.try_send((topic, payload)).is_ok()
    }
}

/// The tasks that keep two connections: one reads and acknowledges, one tells. A broker that is short of disk or
/// memory reads nothing from who publishes, not even acknowledgements.
pub(crate) struct Link {
    tasks: JoinSet<()>,
    tell: mpsc::Sender<(String, Vec<u8>)>,
}

impl Link {
    pub(super) fn publisher(&self) -> Publisher {
        Publisher(self.tell.clone())
    }

    /// Leaves the broker once what is kept has been acknowledged.
    ///
    /// # Errors
    /// Where a task had ended by itself.
    pub(super) async fn close(self) -> Result<(), IngestError> {
        let Self { tasks, tell } = self;
        drop(tell);
        super::ended(tasks).await
    }
}

/// Starts both tasks.
///
/// # Errors
/// [`IngestError::Url`] where an address cannot be read; [`IngestError::Share`] for a group.
pub(super) fn connect(
    options: &Options,
    intake: Intake,
    shutdown: &watch::Receiver<bool>,
) -> Result<Link, IngestError> {
    let part = match options.share {
        Share::All => (0, 1),
        Share::Part { index, count } => (index, count),
        Share::Group(_) => return Err(IngestError::Share),
    };
    let nodes = Nodes {
        addresses: addresses(&options.broker_url)?,
        // Each process begins with another node.
        first: usize::try_from(part.0).unwrap_or(0),
        name: options.client_id.clone(),
    };
    let (tell, deltas) = mpsc::channel(DELTAS_MAX);
    let teller = Teller {
        deltas,
        shutdown: shutdown.clone(),
    };
    let reader = Reader {
        name: options.client_id.clone(),
        part,
        give_back_every: options.give_back_every,
        intake,
        shutdown: shutdown.clone(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(nodes.clone().named("-deltas").keep(teller));
    tasks.spawn(nodes.keep(reader));
    Ok(Link { tasks, tell })
}

/// The cluster's nodes, from addresses with a comma between them.
fn addresses(urls: &str) -> Result<Vec<AMQPUri>, IngestError> {
    let address = |url: &str| {
        let mut uri: AMQPUri = url.trim().parse().map_err(IngestError::Url)?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(uri)
    };
    urls.split(',').map(address).collect()
}

/// Whoever uses a connection, until it breaks or all is done.
trait Session {
    async fn on(&mut self, connection: &Arc<Connection>) -> Result<(), SessionError>;

    /// Whether it is on one.
    fn show(&self, _is_connected: bool) {}

    fn is_over(&self) -> bool;
}

/// The cluster's nodes, as one connection finds them.
#[derive(Clone)]
struct Nodes {
    addresses: Vec<AMQPUri>,
    first: usize,
    /// The process's name, as the broker shows it.
    name: String,
}

impl Nodes {
    fn named(mut self, ending: &str) -> Self {
        self.name.push_str(ending);
        self
    }

    /// Keeps a connection to some node until its user is done.
    async fn keep(self, mut session: impl Session) {
        let mut backoff = BACKOFF_MIN;
        let count = self.addresses.len();
        for node in (0..count).cycle().skip(self.first % count) {
            let node = &self.addresses[node];
            let address = format!("{}:{}", node.authority.host, node.authority.port);
            let started = tokio::time::Instant::now();
            match self.one(node.clone(), &address, &mut session).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, node = address, name = self.name, "the broker is away");
                }
            }
            if session.is_over() {
                return;
            }
            if started.elapsed() >= GOOD_AFTER {
                backoff = BACKOFF_MIN;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// One connection, until it breaks or its user is done.
    async fn one(
        &self,
        node: AMQPUri,
        address: &str,
        session: &mut impl Session,
    ) -> Result<(), SessionError> {
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.clone().into());
        let connecting = async {
            match node.scheme {
                AMQPScheme::AMQP => Connection::connect_uri(node, properties).await,
                AMQPScheme::AMQPS => over_tls::connect(node, properties).await,
            }
        };
        let connection = tokio::time::timeout(CONNECT_WITHIN, connecting)
            .await
            .map_err(|_| SessionError::Slow)??;
        let connection = Arc::new(connection);
        tracing::info!(node = address, name = self.name, "connected to the broker");
        session.show(true);
        let done = session.on(&connection).await;
        session.show(false);
        // Its consumers must not go on where nobody listens to them.
        let closing = connection.close(200, "ended".into());
        let _ = tokio::time::timeout(CLOSE_WITHIN, closing).await;
        done
    }
}

/// Tells of changes.
struct Teller {
    deltas: mpsc::Receiver<(String, Vec<u8>)>,
    shutdown: watch::Receiver<bool>,
}

impl Session for Teller {
    async fn on(&mut self, connection: &Arc<Connection>) -> Result<(), SessionError> {
        let channel = connection.create_channel().await?;
        while let Some((topic, payload)) = self.deltas.recv().await {
            let properties = BasicProperties::default().with_delivery_mode(1);
            let options = BasicPublishOptions::default();
            let key = routing_key(&topic).into();
            channel
                .basic_publish(EXCHANGE.into(), key, options, &payload, properties)
                .await?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        *self.shutdown.borrow()
    }
}

/// Reads this process's shards, and those that nobody else reads.
struct Reader {
    name: String,
    /// Which part of the shards is its own: every `count`-th, from `index`.
    part: (u32, u32),
    give_back_every: Duration,
    intake: Intake,
    shutdown: watch::Receiver<bool>,
}

impl Session for Reader {
    async fn on(&mut self, connection: &Arc<Connection>) -> Result<(), SessionError> {
        let shards = shard_count(connection).await?;
        if shards == 0 {
            return Err(SessionError::NoShards);
        }
        tracing::info!(shards, "the broker has so many shards");
        let mut reading = JoinSet::new();
        let (index, count) = self.part;
        for shard in 0..shards {
            let shard = Shard {
                queue: format!("{QUEUES}{shard}"),
                name: self.name.clone(),
                is_own: shard % count == index,
                give_back_every: self.give_back_every,
                intake: self.intake.clone(),
                shutdown: self.shutdown.clone(),
            };
            reading.spawn(shard.run(connection.clone()));
        }
        let mut counts = tokio::time::interval(COUNT_EVERY);
        counts.reset();
        loop {
            tokio::select! {
                ended = reading.join_next() => match ended {
                    None => return Ok(()),
                    Some(ended) => {
                        ended.map_err(|_| SessionError::Stopped)??;
                        if !self.is_over() {
                            return Err(SessionError::Stopped);
                        }
                    }
                },
                _ = counts.tick(), if !self.is_over() => {
                    if shard_count(connection).await? != shards {
                        return Err(SessionError::OtherShards);
                    }
                }
            }
        }
    }

    fn show(&self, is_connected: bool) {
        super::show_connected(is_connected);
    }

    fn is_over(&self) -> bool {
        *self.shutdown.borrow()
    }
}

/// How many shards there are.
async fn shard_count(connection: &Connection) -> Result<u32, SessionError> {
    for shard in 0.. {
        // A channel does not outlive asking for what is not there.
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions::default().passive();
        let queue = format!("{QUEUES}{shard}").into();
        match channel
            .queue_declare(queue, options, FieldTable::default())
            .await
        {
            Ok(_) => channel.close(200, "asked".into()).await?,
            Err(error) if is_not_found(&error) => return Ok(shard),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(u32::MAX)
}

fn is_not_found(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else {
        return false;
    };
    matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}

/// One shard, as this process takes it.
struct Shard {
    queue: String,
    /// The process's name.
    name: String,
    /// Whether it is this process's before it is another's.
    is_own: bool,
    /// So often the process lets go of it where it is another's. RabbitMQ 4 hands it over by itself (`x-priority`);
    /// older ones do not even tell that somebody waits.
    give_back_every: Duration,
    intake: Intake,
    shutdown: watch::Receiver<bool>,
}

/// Why a shard is not read any longer.
enum Ended {
    Stopping,
    /// Whoever waits for it may have it.
    LetGo,
}

impl Shard {
    async fn run(self, connection: Arc<Connection>) -> Result<(), SessionError> {
        let mut shutdown = self.shutdown.clone();
        if !self.is_own
            && tokio::time::timeout(STAND_BY, stopped(&mut shutdown))
                .await
                .is_ok()
        {
            return Ok(());
        }
        loop {
            // Whoever waited for it has it since we let go: we are behind them. Where nobody did, nobody is kept
            // waiting for its messages.
            match self.take(&connection).await? {
                Ended::Stopping => return Ok(()),
                Ended::LetGo => tracing::debug!(queue = self.queue, "let go of another's shard"),
            }
        }
    }

    /// Asks for the shard's messages and hands them over, whenever its turn is.
    async fn take(&self, connection: &Connection) -> Result<Ended, SessionError> {
        let channel = connection.create_channel().await?;
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        let (queue, tag) = (self.queue.as_str().into(), self.name.as_str().into());
        let options = BasicConsumeOptions::default();
        let mut arguments = FieldTable::default();
        arguments.insert(
            "x-priority".into(),
            AMQPValue::LongInt(i32::from(self.is_own)),
        );
        let mut messages = channel
            .basic_consume(queue, tag, options, arguments)
            .await?;
        let (kept, acknowledged) = watch::channel(0);
        let kept = Arc::new(kept);
        let mut acknowledging = JoinSet::new();
        acknowledging.spawn(acknowledge(channel.clone(), acknowledged));
        let mut shutdown = self.shutdown.clone();
        let mut give_back = tokio::time::interval(self.give_back_every);
        give_back.reset();
        let mut is_active = false;
        let ended = loop {
            tokio::select! {
                biased;
                () = stopped(&mut shutdown) => break Ended::Stopping,
                Some(ended) = acknowledging.join_next() => {
                    ended.map_err(|_| SessionError::Stopped)??;
                    return Err(SessionError::Stopped);
                }
                _ = give_back.tick(), if is_active && !self.is_own => break Ended::LetGo,
                message = messages.next() => {
                    let message = message.ok_or(SessionError::Stopped)??;
                    if !std::mem::replace(&mut is_active, true) {
                        // From now on: who stood by for long does not let go of what it has just taken over.
                        give_back.reset();
                        tracing::info!(queue = self.queue, own = self.is_own, "took a shard");
                    }
                    self.hand_over(message, &kept).await;
                }
            }
        };
        if matches!(ended, Ended::LetGo) {
            let cancel = BasicCancelOptions::default();
            channel
                .basic_cancel(self.name.as_str().into(), cancel)
                .await?;
            // What was on its way is ours still.
            while let Ok(Some(message)) = tokio::time::timeout(DRAIN, messages.next()).await {
                self.hand_over(message?, &kept).await;
            }
        }
        // Once the last ticket is gone, all that was handed over is acknowledged or given up. What was not
        // handed over goes back to its place in the queue with the channel.
        drop(kept);
        while let Some(ended) = acknowledging.join_next().await {
            ended.map_err(|_| SessionError::Stopped)??;
        }
        channel.close(200, "done".into()).await?;
        Ok(ended)
    }

    async fn hand_over(&self, message: lapin::message::Delivery, kept: &Arc<watch::Sender<u64>>) {
        let ticket = super::Ticket::Amqp(Ticket {
            shard: kept.clone(),
            tag: message.delivery_tag,
        });
        let topic = topic(message.routing_key.as_str());
        let now = Utc::now().trunc_subsecs(6);
        let payload = Bytes::from(message.data);
        self.intake.hand_over(topic, payload, now, ticket).await;
    }
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Acknowledges what is kept, until nothing more can be.
async fn acknowledge(channel: Channel, mut kept: watch::Receiver<u64>) -> Result<(), SessionError> {
    while kept.changed().await.is_ok() {
        let tag = *kept.borrow_and_update();
        let options = BasicAckOptions { multiple: true };
        channel.basic_ack(tag, options).await?;
    }
    Ok(())
}

/// A topic of MQTT out of a key, as RabbitMQ's plugin makes the one of the other.
fn topic(routing_key: &str) -> String {
    swapped(routing_key)
}

/// The key of a topic.
fn routing_key(topic: &str) -> String {
    swapped(topic)
}

fn swapped(text: &str) -> String {
    let swap = |character| match character {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    text.chars().map(swap).collect()
}

/// Why a connection is no more.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
    #[error("it did not answer within {CONNECT_WITHIN:?}")]
    Slow,
    #[error("it has no queue {QUEUES}0: load deploy/rabbitmq/definitions.json")]
    NoShards,
    #[error("it has another number of shards than before")]
    OtherShards,
    #[error("it sends nothing any more")]
    Stopped,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_topics_with_dots_and_slashes_exchanged() {
        let of_tts = "v3/parking@tenant.example/devices/eui-1/up";
        assert_eq!(
            routing_key(of_tts),
            "v3.parking@tenant/example.devices.eui-1.up"
        );
        assert_eq!(topic(&routing_key(of_tts)), of_tts);
    }

    #[test]
    fn a_cluster_is_several_addresses() {
        let urls = "amqp://ingest:secret@one:5672/city, amqp://ingest:secret@two:5673/city";
        let nodes = addresses(urls).unwrap();
        let named: Vec<(&str, u16)> = nodes
            .iter()
            .map(|node| (&*node.authority.host, node.authority.port))
            .collect();
        assert_eq!(named, [("one", 5672), ("two", 5673)]);
        assert!(nodes.iter().all(|node| node.vhost == "city"));
        assert!(addresses("amqp://one:many").is_err());
    }
}
