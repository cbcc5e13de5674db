//! Where messages come from, and where it is told that they are kept: a broker of MQTT, or a cluster of
//! RabbitMQ by AMQP. What follows does not know which.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::gather::Rest;
use crate::judge::{Judge, Message, Verdict};
use crate::{IngestError, Options, Share};

mod amqp;
mod mqtt;

/// What a message takes in memory beside its topic and its payload, in bytes, about.
const MESSAGE_OVERHEAD: usize = 384;
/// How many deltas may wait while the broker is away; what is more is lost.
const DELTAS_MAX: usize = 4_096;

/// Between two attempts to connect.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// How often it is shown how much waits.
const SHOW_EVERY: Duration = Duration::from_secs(5);
/// How long to wait for the last acknowledgements and deltas to leave.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// A message with what is needed to acknowledge it.
pub(crate) struct Delivery {
    pub(crate) message: Message,
    /// When it reached us, by a clock that nobody sets.
    pub(crate) received: Instant,
    /// What it is worth; nothing where it is another process's to keep, and only to be acknowledged.
    pub(crate) verdict: Option<Verdict>,
    ticket: Ticket,
    /// What it takes of the room for messages that wait.
    _room: OwnedSemaphorePermit,
}

/// By what a message is acknowledged to whoever delivered it.
enum Ticket {
    Mqtt(mqtt::Ticket),
    Amqp(amqp::Ticket),
}

/// The broker's side. Its tasks end with this value.
pub(crate) enum Link {
    Mqtt(mqtt::Link),
    Amqp(amqp::Link),
}

impl Link {
    pub(crate) fn acknowledger(&self) -> Acknowledger {
        match self {
            Self::Mqtt(link) => Acknowledger::Mqtt(link.acknowledger()),
            Self::Amqp(_) => Acknowledger::Amqp,
        }
    }

    pub(crate) fn publisher(&self) -> Publisher {
        match self {
            Self::Mqtt(link) => Publisher::Mqtt(link.publisher()),
            Self::Amqp(link) => Publisher::Amqp(link.publisher()),
        }
    }

    /// Leaves the broker once what is queued has been sent.
    ///
    /// # Errors
    /// Where a task had ended by itself.
    pub(crate) async fn close(self) -> Result<(), IngestError> {
        match self {
            Self::Mqtt(link) => link.close().await,
            Self::Amqp(link) => link.close().await,
        }
    }
}

/// Waits until a link's tasks have ended. Too late means that the broker is away: what was not acknowledged it
/// delivers again.
///
/// # Errors
/// Where one had ended by itself.
async fn ended(mut tasks: JoinSet<()>) -> Result<(), IngestError> {
    let ended = async {
        while let Some(task) = tasks.join_next().await {
            task.map_err(|error| IngestError::Stopped(error.to_string()))?;
        }
        Ok(())
    };
    tokio::time::timeout(CLOSE_WITHIN, ended)
        .await
        .unwrap_or(Ok(()))
}

/// Acknowledges messages to whoever delivered them.
pub(crate) enum Acknowledger {
    Mqtt(mqtt::Acknowledger),
    /// The tickets know where to.
    Amqp,
}

impl Acknowledger {
    /// Queues the acknowledgements, in the order of the messages. Never waits.
    pub(crate) fn acknowledge(&self, deliveries: Vec<Delivery>) {
        let tickets = deliveries.into_iter().map(|delivery| delivery.ticket);
        match self {
            Self::Mqtt(broker) => broker.acknowledge(tickets.filter_map(|ticket| match ticket {
                Ticket::Mqtt(ticket) => Some(ticket),
                Ticket::Amqp(_) => None,
            })),
            Self::Amqp => {
                for ticket in tickets {
                    if let Ticket::Amqp(ticket) = ticket {
                        ticket.acknowledge();
                    }
                }
            }
        }
    }
}

/// Tells of changes, at most once: a delta that is lost is healed when the board reads anew.
pub(crate) enum Publisher {
    Mqtt(mqtt::Publisher),
    Amqp(amqp::Publisher),
}

impl Publisher {
    /// Queues a message. Never waits: with the broker away and the queue full, it is lost.
    pub(crate) fn publish(&self, topic: String, payload: Vec<u8>) {
        let is_queued = match self {
            Self::Mqtt(publisher) => publisher.publish(topic, payload),
            Self::Amqp(publisher) => publisher.publish(topic, payload),
        };
        if !is_queued {
            metrics::counter!("clearbay_ingest_deltas_lost_total").increment(1);
        }
    }
}

/// Shows whether messages of the broker arrive.
fn show_connected(is_connected: bool) {
    metrics::gauge!("clearbay_ingest_connected").set(f64::from(u8::from(is_connected)));
}

/// What waits between the broker and the database.
pub(crate) struct Waiting {
    /// Keeps nobody from ending.
    messages: mpsc::WeakSender<Delivery>,
    room: Arc<Semaphore>,
    room_max: usize,
}

impl Waiting {
    /// Shows how much it is, until nothing can come any more. A database that stands still stops the worker, not this.
    pub(crate) async fn show(self) {
        let mut ticks = tokio::time::interval(SHOW_EVERY);
        loop {
            ticks.tick().await;
            let Some(messages) = self.messages.upgrade() else {
                return;
            };
            let count = messages.max_capacity() - messages.capacity();
            drop(messages);
            let bytes = self.room_max.saturating_sub(self.room.available_permits());
            metrics::gauge!("clearbay_ingest_waiting_messages").set(count as f64);
            metrics::gauge!("clearbay_ingest_waiting_bytes").set(bytes as f64);
        }
    }
}

/// Makes deliveries of what a broker sends, in bounded room.
#[derive(Clone)]
struct Intake {
    judge: Arc<Judge>,
    share: Share,
    payload_max: usize,
    /// Room in bytes for the messages that wait, and that are at work.
    room: Arc<Semaphore>,
    room_max: usize,
    send: mpsc::Sender<Delivery>,
}

impl Intake {
    /// Hands a message to the worker, once there is room for it. After the worker has gone it stays with
    /// the broker, unacknowledged.
    async fn hand_over(
        &self,
        topic: String,
        payload: Bytes,
        received_at: Timestamp,
        ticket: Ticket,
    ) {
        let received = Instant::now();
        let size = payload.len();
        let foreign = !self.share.takes(&topic);
        let payload = if foreign {
            Bytes::new()
        } else if size > self.payload_max {
            Bytes::copy_from_slice(&payload[..self.payload_max])
        } else {
            payload
        };
        let bytes = MESSAGE_OVERHEAD + topic.len() + payload.len();
        let bytes = u32::try_from(bytes.min(self.room_max)).unwrap_or(u32::MAX);
        let Ok(room) = self.room.clone().acquire_many_owned(bytes).await else {
            return;
        };
        let message = Message {
            topic,
            payload,
            size,
            received_at,
        };
        let delivery = Delivery {
            verdict: (!foreign).then(|| self.judge.judge(&message)),
            message,
            received,
            ticket,
            _room: room,
        };
        let _ = self.send.send(delivery).await;
    }
}

/// Connects, by the scheme of the broker's address, and starts reading into a bounded queue. When the
/// queue is full the connection is read no further, which is how back-pressure reaches the broker.
///
/// # Errors
/// [`IngestError::Url`] where the address cannot be read; where the options do not fit the broker.
pub(crate) fn connect(
    options: &Options,
    judge: Arc<Judge>,
    rest: Rest,
    shutdown: &watch::Receiver<bool>,
) -> Result<(mpsc::Receiver<Delivery>, Link, Waiting), IngestError> {
    let (send, receive) = mpsc::channel(options.queue_max);
    let room = Arc::new(Semaphore::new(options.queue_bytes_max));
    let waiting = Waiting {
        messages: send.downgrade(),
        room: room.clone(),
        room_max: options.queue_bytes_max,
    };
    show_connected(false);
    let by_amqp = transport::is_amqp(&options.broker_url);
    let intake = Intake {
        judge,
        // RabbitMQ divides the devices itself.
        share: if by_amqp {
            Share::All
        } else {
            options.share.clone()
        },
        payload_max: options.payload_max,
        room,
        room_max: options.queue_bytes_max,
        send,
    };
    let link = if by_amqp {
        Link::Amqp(amqp::connect(options, intake, shutdown)?)
    } else {
        Link::Mqtt(mqtt::connect(options, intake, rest, shutdown)?)
    };
    Ok((receive, link, waiting))
}
