//! The broker's side: one connection that reads and acknowledges, one that tells of changes.
//!
//! The task that reads does nothing that could wait for the database; the worker does nothing that
//! could wait for the task that reads. So neither can hold up the other for ever.

use std::time::{Duration, Instant};

use chrono::{SubsecRound, Utc};
use domain::Timestamp;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, PubAck, Publish,
    QoS, SubAck, SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use self::due::{Dues, lock};
use super::{BACKOFF_MAX, BACKOFF_MIN, DELTAS_MAX, Intake};
use crate::envelope::FILTERS;
use crate::gather::Rest;
use crate::{IngestError, Options, Share};

mod due;

pub(crate) use due::Acknowledger;

/// How many requests may wait for the task that reads: one for each batch, and subscriptions.
const REQUESTS_MAX: usize = 65_536;
/// MQTT's own limit. A smaller one would make a message that is larger end the connection, and so
/// block all that wait behind it: the broker would deliver it again each time.
const PACKET_MAX: usize = 268_435_455;
/// A delta names the bays of one lot that spoke in one batch.
const DELTA_MAX: usize = 16 * 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A connection that ends sooner than this, though the broker was there all the time, was no good one:
/// the next attempt waits as after a failure.
const GOOD_AFTER: Duration = Duration::from_secs(1);
const WRITE_WITHIN: Duration = Duration::from_secs(5);
const READ_WITHIN: Duration = Duration::from_millis(100);
/// rumqttc reads at most so many packets at once: fewer mean that no more were there.
const READ_MAX: usize = 9;

/// A message's number on the connection on which it came.
pub(crate) struct Ticket {
    pkid: u16,
    qos: QoS,
    connection: u64,
}

/// Tells of changes.
pub(crate) struct Publisher {
    client: AsyncClient,
}

impl Publisher {
    /// Queues a message; says whether there was room for it.
    pub(super) fn publish(&self, topic: String, payload: Vec<u8>) -> bool {
        let queued = self
            .client
            .try_publish(topic, QoS::AtMostOnce, false, payload);
        queued.is_ok()
    }
}

/// Both connections. Their tasks end with this value.
pub(crate) struct Link {
    reader: AsyncClient,
    teller: AsyncClient,
    tasks: JoinSet<()>,
    due: Dues,
}

impl Link {
    pub(super) fn acknowledger(&self) -> Acknowledger {
        Acknowledger::new(self.reader.clone(), self.due.clone())
    }

    pub(super) fn publisher(&self) -> Publisher {
        Publisher {
            client: self.teller.clone(),
        }
    }

    /// Leaves the broker once what is queued has been sent.
    ///
    /// # Errors
    /// Where a task had ended by itself.
    pub(super) async fn close(self) -> Result<(), IngestError> {
        for client in [&self.reader, &self.teller] {
            // Refused only where the task has ended already.
            let _ = client.try_disconnect();
        }
        super::ended(self.tasks).await
    }
}

/// Connects and starts reading.
///
/// # Errors
/// [`IngestError::Url`] where the address cannot be read.
pub(super) fn connect(
    options: &Options,
    intake: Intake,
    rest: Rest,
    shutdown: &watch::Receiver<bool>,
) -> Result<Link, IngestError> {
    let mut reading = mqtt_options(&options.broker_url, &options.client_id)?;
    reading
        .set_clean_session(false)
        .set_manual_acks(true)
        .set_max_packet_size(PACKET_MAX, 1024);
    let mut telling = mqtt_options(
        &options.broker_url,
        &format!("{}-deltas", options.client_id),
    )?;
    telling.set_max_packet_size(1024, DELTA_MAX);

    let (read_client, mut read_events) = AsyncClient::new(reading, REQUESTS_MAX);
    let (tell_client, mut tell_events) = AsyncClient::new(telling, DELTAS_MAX);
    read_events.network_options.set_tcp_nodelay(true);
    tell_events.network_options.set_tcp_nodelay(true);

    let due = Dues::default();
    let reader = Reader {
        client: read_client.clone(),
        intake,
        rest,
        due: due.clone(),
        subscribe_again: options.subscribe_again,
        read_at: Utc::now(),
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(reader.run(read_events, shutdown.clone()));
    tasks.spawn(tell(tell_events, shutdown.clone()));
    Ok(Link {
        reader: read_client,
        teller: tell_client,
        tasks,
        due,
    })
}

fn mqtt_options(url: &str, client_id: &str) -> Result<MqttOptions, IngestError> {
    if client_id.is_empty() {
        return Err(IngestError::ClientId);
    }
    let mut options =
        transport::mqtt(url, client_id).map_err(|error| IngestError::Url(error.to_string()))?;
    options.set_keep_alive(KEEP_ALIVE);
    Ok(options)
}

/// What the task that reads holds.
struct Reader {
    client: AsyncClient,
    intake: Intake,
    rest: Rest,
    due: Dues,
    subscribe_again: Duration,
    /// When what is at hand came: messages that are read together arrived together.
    read_at: Timestamp,
}

impl Reader {
    async fn run(mut self, mut events: EventLoop, shutdown: watch::Receiver<bool>) {
        let mut backoff = BACKOFF_MIN;
        let mut connection = 0;
        let mut connected_at = None;
        // Whether it could not be reached before it was: then its end is no sign of somebody else.
        let mut was_away = true;
        // How many packets the last read found.
        let mut read = READ_MAX;
        // At most one: the next attempt to subscribe, after a refusal.
        let mut again: Option<AbortHandle> = None;
        loop {
            let reads = events.state.events.is_empty();
            if reads && read < READ_MAX {
                self.rest.take().await;
            }
            let event = events.poll().await;
            if reads {
                read = 1 + events.state.events.len();
                self.read_at = Utc::now().trunc_subsecs(6);
            }
            match event {
                Ok(Event::Incoming(Packet::ConnAck(ack))) => {
                    connected_at = Some(Instant::now());
                    super::show_connected(true);
                    tracing::info!(
                        session_present = ack.session_present,
                        "connected to the broker"
                    );
                    // rumqttc does not subscribe again by itself. The broker may have forgotten
                    // us, or remember what an earlier version subscribed to, or what it refused
                    // then; where it remembers rightly, subscribing again changes nothing.
                    if !self.subscribe() {
                        connection = self.reset(&mut events, connection).await;
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(ack))) => {
                    if let Some(waiting) = again.take() {
                        waiting.abort();
                    }
                    let refused = refused_filters(&ack);
                    if refused.is_empty() {
                        tracing::info!("subscribed");
                    } else {
                        tracing::error!(?refused, "the broker refuses subscriptions");
                        again = Some(tokio::spawn(self.subscribe_later()).abort_handle());
                    }
                    metrics::gauge!("clearbay_ingest_subscriptions_refused")
                        .set(refused.len() as f64);
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    self.hand_over(publish, connection).await;
                }
                Ok(Event::Outgoing(Outgoing::PubAck(_))) => {
                    if let Err(error) = self.acknowledge_rest(&mut events).await {
                        tracing::warn!(%error, "acknowledgements could not be sent");
                        connection = self.reset(&mut events, connection).await;
                    }
                }
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
                Ok(_) => {}
                Err(error) => {
                    super::show_connected(false);
                    connection = self.reset(&mut events, connection).await;
                    if *shutdown.borrow() {
                        return;
                    }
                    match connected_at.take().map(|at| at.elapsed()) {
                        None => {
                            was_away = true;
                            tracing::warn!(%error, "the broker is away");
                        }
                        Some(stood) if stood < GOOD_AFTER && !was_away => tracing::warn!(
                            %error,
                            "the broker ended the connection at once: another process may use this client id"
                        ),
                        Some(_) => {
                            was_away = false;
                            backoff = BACKOFF_MIN;
                            tracing::warn!(%error, "the broker is away");
                        }
                    }
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    fn subscribe(&self) -> bool {
        let queued = self
            .client
            .try_subscribe_many(subscriptions(&self.intake.share));
        if let Err(error) = &queued {
            tracing::error!(%error, "the subscription could not be queued; connecting anew");
        }
        queued.is_ok()
    }

    /// Subscribes after a while: what was refused may have been granted since. The connection
    /// stays, for what was not refused.
    fn subscribe_later(&self) -> impl Future<Output = ()> + use<> {
        let (client, wait) = (self.client.clone(), self.subscribe_again);
        let filters = subscriptions(&self.intake.share);
        async move {
            tokio::time::sleep(wait).await;
            // Where the queue is full, the next connection subscribes.
            let _ = client.try_subscribe_many(filters);
        }
    }

    /// Writes the acknowledgements that follow the one just sent.
    async fn acknowledge_rest(&self, events: &mut EventLoop) -> Result<(), ConnectionError> {
        let group = lock(&self.due).groups.pop_front();
        let (Some(group), Some(network)) = (group, events.network.as_mut()) else {
            return Ok(());
        };
        let written = async {
            for pkid in group {
                network.write(Packet::PubAck(PubAck::new(pkid))).await?;
            }
            network.flush().await
        };
        let written = match tokio::time::timeout(WRITE_WITHIN, written).await {
            Ok(written) => written.map_err(ConnectionError::MqttState),
            Err(_) => Err(ConnectionError::FlushTimeout),
        };
        if written.is_err() {
            // What a broker that has ended had sent before waits here still.
            let reading = async { while network.readb(&mut events.state).await.is_ok() {} };
            let _ = tokio::time::timeout(READ_WITHIN, reading).await;
        }
        written
    }

    /// Ends a connection: none of its messages or acknowledgements may be taken for the next
    /// one's. The lock keeps the worker from queueing one in between.
    ///
    /// What had been read is handed over before: a broker that was killed may have forgotten it.
    async fn reset(&self, events: &mut EventLoop, connection: u64) -> u64 {
        while let Some(event) = events.state.events.pop_front() {
            if let Event::Incoming(Packet::Publish(publish)) = event {
                self.hand_over(publish, connection).await;
            }
        }
        let mut due = lock(&self.due);
        due.connection += 1;
        due.groups.clear();
        events.clean();
        due.connection
    }

    async fn hand_over(&self, publish: Publish, connection: u64) {
        let ticket = super::Ticket::Mqtt(Ticket {
            pkid: publish.pkid,
            qos: publish.qos,
            connection,
        });
        self.intake
            .hand_over(publish.topic, publish.payload, self.read_at, ticket)
            .await;
    }
}

fn subscriptions(share: &Share) -> [SubscribeFilter; FILTERS.len()] {
    FILTERS.map(|filter| SubscribeFilter::new(share.subscription(filter), QoS::AtLeastOnce))
}

/// The filters that the broker refuses; its codes are in their order.
fn refused_filters(ack: &SubAck) -> Vec<&'static str> {
    FILTERS
        .into_iter()
        .zip(&ack.return_codes)
        .filter(|(_, code)| **code == SubscribeReasonCode::Failure)
        .map(|(filter, _)| filter)
        .collect()
}

async fn tell(mut events: EventLoop, shutdown: watch::Receiver<bool>) {
    let mut backoff = BACKOFF_MIN;
    loop {
        match events.poll().await {
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(Event::Incoming(Packet::ConnAck(_))) => backoff = BACKOFF_MIN,
            Ok(_) => {}
            Err(error) => {
                if *shutdown.borrow() {
                    return;
                }
                tracing::debug!(%error, "the broker is away");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
}
