//! The broker's side: one task that reads, and does nothing that could wait for the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::Utc;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS, SubscribeFilter};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::batch::Message;
use crate::envelope::FILTERS;
use crate::{IngestError, Options};

/// How many acknowledgements and deltas may wait for the reading task to send them.
const REQUESTS_MAX: usize = 20_000;
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A message with what is needed to acknowledge it.
///
/// Packet numbers are the connection's: after a new one the broker delivers again what was not
/// acknowledged, and an old acknowledgement could hit another message of the same number.
pub(crate) struct Delivery {
    pub(crate) message: Message,
    pub(crate) publish: Publish,
    connection: u64,
    connections: Arc<AtomicU64>,
}

impl Delivery {
    pub(crate) fn is_of_this_connection(&self) -> bool {
        self.connection == self.connections.load(Ordering::Acquire)
    }
}

/// The connection, and the task that reads it.
pub(crate) struct Link {
    client: AsyncClient,
    reader: JoinHandle<()>,
}

impl Link {
    pub(crate) fn client(&self) -> AsyncClient {
        self.client.clone()
    }

    /// Leaves the broker once what is queued has been sent.
    pub(crate) async fn close(self) -> Result<(), String> {
        let _ = self.client.disconnect().await;
        let mut reader = self.reader;
        match tokio::time::timeout(Duration::from_secs(3), &mut reader).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => {
                // The broker is away: what was not acknowledged it will deliver again.
                reader.abort();
                Ok(())
            }
        }
    }
}

/// Connects and starts reading into a bounded queue. When the queue is full the connection is read
/// no further, which is how back-pressure reaches the broker.
pub(crate) fn connect(
    options: &Options,
    shutdown: watch::Receiver<bool>,
) -> Result<(mpsc::Receiver<Delivery>, Link), IngestError> {
    let separator = if options.mqtt_url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}client_id={}", options.mqtt_url, options.client_id);
    let mut mqtt =
        MqttOptions::parse_url(url).map_err(|error| IngestError::Url(error.to_string()))?;
    mqtt.set_clean_session(false)
        .set_manual_acks(true)
        .set_keep_alive(Duration::from_secs(30))
        .set_inflight(options.inflight_max)
        .set_max_packet_size(options.packet_max, 1024 * 1024);
    let (client, events) = AsyncClient::new(mqtt, REQUESTS_MAX);
    let (send, receive) = mpsc::channel(options.queue_max);
    let reader = tokio::spawn(read(events, client.clone(), send, shutdown));
    Ok((receive, Link { client, reader }))
}

async fn read(
    mut events: EventLoop,
    client: AsyncClient,
    send: mpsc::Sender<Delivery>,
    shutdown: watch::Receiver<bool>,
) {
    let mut backoff = Duration::from_millis(100);
    let connections = Arc::new(AtomicU64::new(0));
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                backoff = Duration::from_millis(100);
                connections.fetch_add(1, Ordering::AcqRel);
                tracing::info!(session_present = ack.session_present, "connected to the broker");
                // rumqttc does not subscribe again by itself, and the broker may have forgotten us.
                let filters = FILTERS.map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtLeastOnce));
                if !ack.session_present && client.try_subscribe_many(filters).is_err() {
                    tracing::error!("the subscription could not be queued; connecting anew");
                    events.clean();
                }
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let message = Message {
                    topic: publish.topic.clone(),
                    payload: publish.payload.clone(),
                    received_at: chrono::SubsecRound::trunc_subsecs(Utc::now(), 6),
                };
                // After the worker has gone the rest stays with the broker, unacknowledged.
                let _ = send.send(Delivery {
                    message,
                    publish,
                    connection: connections.load(Ordering::Acquire),
                    connections: connections.clone(),
                })
                .await;
            }
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => return,
            Ok(_) => {}
            Err(error) => {
                if *shutdown.borrow() {
                    return;
                }
                tracing::warn!(%error, "the broker is away");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
}
