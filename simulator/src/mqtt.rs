//! Publishing in bulk at QoS 1, and knowing when the broker has it all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How many messages the broker may owe an acknowledgement for.
const INFLIGHT: u16 = 2_000;

/// A publisher. What it was given is published, whether or not the connection breaks meanwhile.
pub struct Publisher {
    client: AsyncClient,
    published: u64,
    acknowledged: Arc<Acknowledged>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Acknowledged {
    count: AtomicU64,
    more: Notify,
}

impl Publisher {
    /// Connects to a broker, now and whenever the connection breaks.
    ///
    /// # Errors
    /// Where the address cannot be read.
    pub fn connect(mqtt_url: &str, name: &str) -> anyhow::Result<Self> {
        let separator = if mqtt_url.contains('?') { '&' } else { '?' };
        let id = format!("{name}-{}", uuid::Uuid::new_v4().simple());
        let mut options = MqttOptions::parse_url(format!("{mqtt_url}{separator}client_id={id}"))
            .context("MQTT_URL is not of the form mqtt://user:password@host:port")?;
        options
            .set_inflight(INFLIGHT)
            .set_keep_alive(Duration::from_secs(30));
        options.set_max_packet_size(64 * 1024, 64 * 1024);
        let (client, events) = AsyncClient::new(options, usize::from(INFLIGHT));
        let acknowledged = Arc::new(Acknowledged::default());
        let reader = tokio::spawn(read(events, acknowledged.clone()));
        Ok(Self {
            client,
            published: 0,
            acknowledged,
            reader,
        })
    }

    /// Hands over a message; waits where too many are under way.
    ///
    /// # Errors
    /// Where the publisher has ended.
    pub async fn publish(&mut self, topic: String, payload: Vec<u8>) -> anyhow::Result<()> {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .await?;
        self.published += 1;
        Ok(())
    }

    /// Waits until the broker has acknowledged all that was handed over.
    pub async fn flush(&self) {
        loop {
            let more = self.acknowledged.more.notified();
            if self.acknowledged.count.load(Ordering::Acquire) >= self.published {
                return;
            }
            // A count that rose just before we began to wait is seen within a moment.
            let _ = tokio::time::timeout(Duration::from_millis(100), more).await;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(mut events: EventLoop, acknowledged: Arc<Acknowledged>) {
    let mut backoff = Duration::from_millis(100);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::PubAck(_))) => {
                acknowledged.count.fetch_add(1, Ordering::Release);
                acknowledged.more.notify_waiters();
            }
            Ok(Event::Incoming(Packet::ConnAck(_))) => backoff = Duration::from_millis(100),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the broker is away");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(Duration::from_secs(5));
            }
        }
    }
}
