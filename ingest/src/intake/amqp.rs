//! RabbitMQ's side. Devices publish by MQTT to any node of the cluster; its exchange of the type
//! x-consistent-hash divides the devices among queues, the shards, which several nodes hold (quorum
//! queues). `deploy/rabbitmq/definitions.json` is the cluster's part of this.
//!
//! Of each shard one process at a time is sent messages (`x-single-active-consumer`), so that those of a
//! device come to one process. Each process asks for its own shards at once and for the others' a little
//! later, to take them over where their process ends, and gives them back when it is there again.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ErrorKind};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{DELTAS_MAX, Intake};
use crate::{IngestError, Options, Share};
use nodes::{Nodes, Session, SessionError, addresses};
use shard::Shard;
use topic::routing_key;

mod nodes;
mod over_tls;
mod shard;
mod topic;

pub(super) use shard::Ticket;

/// The shards' queues are this and a number, from 0 without a gap.
const QUEUES: &str = "clearbay.events.";
/// Where RabbitMQ's MQTT plugin finds and leaves messages (`mqtt.exchange`).
const EXCHANGE: &str = "amq.topic";
/// So often it is looked whether there are more shards than before.
const COUNT_EVERY: Duration = Duration::from_secs(600);

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
