//! A sender of messages at QoS 1 that knows when the broker has taken them all.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::bail;
use rumqttc::{AsyncClient, ClientError, ConnectionError, Event, EventLoop, Packet, QoS};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How many messages may wait for the broker's word at once.
const IN_FLIGHT_MAX: u16 = 1_000;
/// How many messages may wait to be written.
const QUEUE_MAX: usize = 1_000;
/// How long a broker may take to answer the first time.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a broker may take nothing before the sender gives up.
const STALLED_AFTER: Duration = Duration::from_secs(60);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What is known of the connection.
#[derive(Clone, Debug, Default)]
struct Progress {
    connected: bool,
    acknowledged: u64,
    /// Why the last attempt failed.
    error: Option<String>,
}

/// A connection to a broker on which messages are published and counted.
#[derive(Debug)]
pub struct Publisher {
    client: AsyncClient,
    published: u64,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
}

impl Publisher {
    /// Connects to `mqtt_url` (`mqtt://user:password@host:port`, or `mqtts://` for TLS).
    ///
    /// # Errors
    /// Where the address cannot be read or no broker answers within ten seconds.
    pub async fn connect(mqtt_url: &str) -> anyhow::Result<Self> {
        let id = uuid::Uuid::new_v4().simple();
        let mut options = transport::mqtt(mqtt_url, &format!("clearbay-sim-{id}"))?;
        options
            .set_inflight(IN_FLIGHT_MAX)
            .set_keep_alive(Duration::from_secs(30));
        let (client, mut events) = AsyncClient::new(options, QUEUE_MAX);
        events.network_options.set_tcp_nodelay(true);
        let (tell, progress) = watch::channel(Progress::default());
        let task = tokio::spawn(poll(events, tell));
        let publisher = Self {
            client,
            published: 0,
            progress,
            task,
        };
        let mut progress = publisher.progress.clone();
        if timeout(CONNECT_WITHIN, progress.wait_for(|p| p.connected))
            .await
            .is_err()
        {
            let reason = progress.borrow().error.clone().unwrap_or_default();
            bail!("no MQTT broker answers at the address given: {reason}");
        }
        Ok(publisher)
    }

    /// Queues a message; waits while the queue is full.
    ///
    /// # Errors
    /// Where the broker takes nothing for a minute.
    pub async fn publish(&mut self, topic: String, payload: bytes::Bytes) -> anyhow::Result<()> {
        let queued = self
            .client
            .publish_bytes(topic, QoS::AtLeastOnce, false, payload);
        match timeout(STALLED_AFTER, queued).await {
            Ok(Ok(())) => {}
            Ok(Err(ClientError::Request(_) | ClientError::TryRequest(_))) => {
                bail!("the connection to the broker has ended")
            }
            Err(_) => bail!("the broker has taken nothing for a minute{}", self.reason()),
        }
        self.published += 1;
        Ok(())
    }

    /// Waits until the broker has acknowledged everything.
    ///
    /// # Errors
    /// Where it acknowledges nothing for a minute.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        loop {
            let acknowledged = self.progress.borrow_and_update().acknowledged;
            if acknowledged >= self.published {
                return Ok(());
            }
            let more = self.progress.wait_for(|p| p.acknowledged > acknowledged);
            let ended = timeout(STALLED_AFTER, more)
                .await
                .map(|found| found.is_err());
            match ended {
                Ok(false) => {}
                Ok(true) => bail!("the connection to the broker has ended"),
                Err(_) => bail!(
                    "the broker has acknowledged nothing for a minute{}",
                    self.reason()
                ),
            }
        }
    }

    /// How many messages were queued so far.
    pub fn published(&self) -> u64 {
        self.published
    }

    fn reason(&self) -> String {
        let error = self.progress.borrow().error.clone();
        error.map_or_else(String::new, |error| format!(": {error}"))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn poll(mut events: EventLoop, progress: watch::Sender<Progress>) {
    let mut backoff = BACKOFF_MIN;
    let mut unsent = VecDeque::new();
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::PubAck(_))) => {
                progress.send_modify(|p| p.acknowledged += 1);
            }
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                backoff = BACKOFF_MIN;
                events.pending.append(&mut unsent);
                progress.send_modify(|p| p.connected = true);
            }
            Ok(_) => {}
            Err(ConnectionError::RequestsDone) => return,
            Err(error) => {
                // rumqttc throws away what was not acknowledged when the broker knows no session,
                // as after its restart. A sensor's word must not be lost by that.
                unsent.append(&mut events.pending);
                let text = error.to_string();
                tracing::warn!(error = %text, "the broker is away");
                progress.send_modify(|p| p.error = Some(text));
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
}

#[cfg(test)]
#[path = "mqtt_tests.rs"]
mod tests;
