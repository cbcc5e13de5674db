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
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{DELTAS_MAX, Intake};
use crate::{IngestError, Options, Share};

/// The shards' queues are this and a number, from 0 without a gap.
const QUEUES: &str = "clearbay.events.";
/// Where RabbitMQ's MQTT plugin finds and leaves messages (`mqtt.exchange`).
const EXCHANGE: &str = "amq.topic";
/// How many messages of a shard may be on their way to us or at work. Quorum queues keep track of each.
const PREFETCH: u16 = 5_000;
/// So long after its own a process asks for the others' shards.
const STAND_BY: Duration = Duration::from_secs(3);
/// So often whoever has another's shard looks whether its process is there again.
const GIVE_BACK: Duration = Duration::from_secs(30);
const HEARTBEAT_S: u16 = 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A connection that stood so long was a good one: the next is made at once.
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// How long to wait for the last acknowledgements and deltas to leave.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Whether an address is of a broker of AMQP.
pub(super) fn is_address(url: &str) -> bool {
    url.starts_with("amqp://") || url.starts_with("amqps://")
}

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

/// The task that keeps a connection.
pub(crate) struct Link {
    task: JoinSet<()>,
    tell: mpsc::Sender<(String, Vec<u8>)>,
}

impl Link {
    pub(super) fn publisher(&self) -> Publisher {
        Publisher(self.tell.clone())
    }

    /// Leaves the broker once what is kept has been acknowledged.
    ///
    /// # Errors
    /// Where the task had ended by itself.
    pub(super) async fn close(self) -> Result<(), IngestError> {
        let Self { mut task, tell } = self;
        drop(tell);
        let ended = async {
            while let Some(task) = task.join_next().await {
                task.map_err(|error| IngestError::Stopped(error.to_string()))?;
            }
            Ok(())
        };
        // Too late means that the broker is away: what was not acknowledged it delivers again.
        tokio::time::timeout(CLOSE_WITHIN, ended)
            .await
            .unwrap_or(Ok(()))
    }
}

/// Starts the task that keeps a connection.
///
/// # Errors
/// [`IngestError::Url`] where an address cannot be read; [`IngestError::Share`] for a group.
pub(super) fn connect(
    options: &Options,
    intake: Intake,
    shutdown: &watch::Receiver<bool>,
) -> Result<Link, IngestError> {
    let nodes = addresses(&options.broker_url)?;
    let part = match options.share {
        Share::All => (0, 1),
        Share::Part { index, count } => (index, count),
        Share::Group(_) => return Err(IngestError::Share),
    };
    let (tell, deltas) = mpsc::channel(DELTAS_MAX);
    let cluster = Cluster {
        nodes,
        name: options.client_id.clone(),
        part,
        intake,
        shutdown: shutdown.clone(),
    };
    let mut task = JoinSet::new();
    task.spawn(cluster.run(deltas));
    Ok(Link { task, tell })
}

/// The cluster's nodes, from addresses with a comma between them.
fn addresses(urls: &str) -> Result<Vec<AMQPUri>, IngestError> {
    let address = |url: &str| {
        let mut uri: AMQPUri = url.trim().parse().map_err(IngestError::Url)?;
        if uri.scheme == AMQPScheme::AMQPS {
            return Err(IngestError::Url("amqps:// is not built in".to_owned()));
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(uri)
    };
    urls.split(',').map(address).collect()
}

/// A cluster as this process uses it.
struct Cluster {
    nodes: Vec<AMQPUri>,
    /// The process's name, as the broker shows it.
    name: String,
    /// Which part of the shards is its own: every `count`-th, from `index`.
    part: (u32, u32),
    intake: Intake,
    shutdown: watch::Receiver<bool>,
}

impl Cluster {
    /// Keeps a connection to some node until told to stop.
    async fn run(self, mut deltas: mpsc::Receiver<(String, Vec<u8>)>) {
        let mut backoff = BACKOFF_MIN;
        // Each process begins with another node.
        let first = usize::try_from(self.part.0).unwrap_or(0);
        for node in (0..self.nodes.len()).cycle().skip(first % self.nodes.len()) {
            let node = &self.nodes[node];
            let address = format!("{}:{}", node.authority.host, node.authority.port);
            let started = tokio::time::Instant::now();
            match self.session(node.clone(), &address, &mut deltas).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, node = address, "the broker is away"),
            }
            if started.elapsed() >= GOOD_AFTER {
                backoff = BACKOFF_MIN;
            }
            if *self.shutdown.borrow() {
                return;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// One connection, until it breaks, or until told to stop and all is acknowledged.
    async fn session(
        &self,
        node: AMQPUri,
        address: &str,
        deltas: &mut mpsc::Receiver<(String, Vec<u8>)>,
    ) -> Result<(), SessionError> {
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.clone().into());
        let connecting = Connection::connect_uri(node, properties);
        let connection = tokio::time::timeout(CONNECT_WITHIN, connecting)
            .await
            .map_err(|_| SessionError::Slow)??;
        let connection = Arc::new(connection);
        tracing::info!(node = address, "connected to the broker");
        let done = self.converse(&connection, deltas).await;
        // Its consumers must not go on where nobody listens to them.
        let closing = connection.close(200, "ended".into());
        let _ = tokio::time::timeout(CLOSE_WITHIN, closing).await;
        done
    }

    async fn converse(
        &self,
        connection: &Arc<Connection>,
        deltas: &mut mpsc::Receiver<(String, Vec<u8>)>,
    ) -> Result<(), SessionError> {
        let shards = shard_count(connection).await?;
        if shards == 0 {
            return Err(SessionError::NoShards);
        }
        let telling = connection.create_channel().await?;
        let mut reading = JoinSet::new();
        let (index, count) = self.part;
        for shard in 0..shards {
            let shard = Shard {
                queue: format!("{QUEUES}{shard}"),
                name: self.name.clone(),
                is_own: shard % count == index,
                intake: self.intake.clone(),
                shutdown: self.shutdown.clone(),
            };
            reading.spawn(shard.run(connection.clone()));
        }
        loop {
            tokio::select! {
                delta = deltas.recv() => {
                    let Some((topic, payload)) = delta else { break };
                    let properties = BasicProperties::default().with_delivery_mode(1);
                    let options = BasicPublishOptions::default();
                    let key = routing_key(&topic).into();
                    telling.basic_publish(EXCHANGE.into(), key, options, &payload, properties).await?;
                }
                Some(ended) = reading.join_next() => {
                    ended.map_err(|_| SessionError::Stopped)??;
                    if !*self.shutdown.borrow() {
                        return Err(SessionError::Stopped);
                    }
                }
            }
        }
        // The worker has gone; the shards' tasks acknowledge what it kept.
        while let Some(ended) = reading.join_next().await {
            ended.map_err(|_| SessionError::Stopped)??;
        }
        Ok(())
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
            Err(error) if error.is_amqp_soft_error() => return Ok(shard),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(u32::MAX)
}

/// One shard, as this process takes it.
struct Shard {
    queue: String,
    /// The process's name.
    name: String,
    /// Whether it is this process's before it is another's.
    is_own: bool,
    intake: Intake,
    shutdown: watch::Receiver<bool>,
}

/// Why a shard is not read any longer.
enum Ended {
    Stopping,
    /// Its own process is there again.
    GivenBack,
}

impl Shard {
    async fn run(self, connection: Arc<Connection>) -> Result<(), SessionError> {
        let mut shutdown = self.shutdown.clone();
        let mut waits = !self.is_own;
        loop {
            if std::mem::replace(&mut waits, true) {
                if tokio::time::timeout(STAND_BY, stopped(&mut shutdown))
                    .await
                    .is_ok()
                {
                    return Ok(());
                }
            }
            match self.take(&connection).await? {
                Ended::Stopping => return Ok(()),
                Ended::GivenBack => tracing::info!(queue = self.queue, "gave a shard back"),
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
        let mut messages = channel
            .basic_consume(queue, tag, options, FieldTable::default())
            .await?;
        let (kept, acknowledged) = watch::channel(0);
        let kept = Arc::new(kept);
        let mut acknowledging = JoinSet::new();
        acknowledging.spawn(acknowledge(channel.clone(), acknowledged));
        let mut shutdown = self.shutdown.clone();
        let mut give_back = tokio::time::interval(GIVE_BACK);
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
                _ = give_back.tick(), if is_active && !self.is_own => {
                    if self.others_wait(connection).await? {
                        break Ended::GivenBack;
                    }
                }
                message = messages.next() => {
                    let message = message.ok_or(SessionError::Stopped)??;
                    if !std::mem::replace(&mut is_active, true) {
                        tracing::info!(queue = self.queue, own = self.is_own, "took a shard");
                    }
                    let ticket = super::Ticket::Amqp(Ticket {
                        shard: kept.clone(),
                        tag: message.delivery_tag,
                    });
                    let topic = topic(message.routing_key.as_str());
                    let now = Utc::now().trunc_subsecs(6);
                    self.intake.hand_over(topic, Bytes::from(message.data), now, ticket).await;
                }
            }
        };
        // Once the last ticket is gone, all that was handed over is acknowledged or given up. What was not
        // handed over goes back to its place in the queue with the channel.
        drop(kept);
        while let Some(ended) = acknowledging.join_next().await {
            ended.map_err(|_| SessionError::Stopped)??;
        }
        channel.close(200, "done".into()).await?;
        Ok(ended)
    }

    /// Whether another process waits for the shard.
    async fn others_wait(&self, connection: &Connection) -> Result<bool, SessionError> {
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions::default().passive();
        let queue = self.queue.as_str().into();
        let queue = channel
            .queue_declare(queue, options, FieldTable::default())
            .await?;
        channel.close(200, "asked".into()).await?;
        Ok(queue.consumer_count() > 1)
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
