//! Sensors, as a broker meets them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, Transport};
use serde_json::json;
use store::Store;
use uuid::Uuid;

use crate::tls::Authority;

/// A message before it is published.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// The sensor of a bay of the small city.
///
/// # Panics
/// Where there is none.
pub fn device(bay: &str) -> String {
    let place = simulator::city::hanoi(80).unwrap();
    let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let found = bays.find(|known| known.code == bay).unwrap();
    found.device.as_ref().unwrap().id.clone()
}

/// A message in Clearbay's own JSON.
pub fn told(device: &str, at: DateTime<Utc>, seq: i64, occupied: bool) -> Told {
    let payload = json!({"device": device, "at": at, "seq": seq, "occupied": occupied});
    Told {
        topic: format!("clearbay/v1/devices/{device}/up"),
        payload: payload.to_string().into_bytes(),
    }
}

/// Publishes all, in order, at QoS 1, and returns when the broker has acknowledged each.
///
/// # Panics
/// Where the broker is away.
pub async fn publish(url: &str, messages: Vec<Told>) {
    publish_by(options(url), messages).await;
}

/// The same over TLS to a port of this machine, as a sensor that believes one authority.
///
/// # Panics
/// Where the broker is away, or another.
pub async fn publish_over_tls(port: u16, authority: &Authority, messages: Vec<Told>) {
    let mut options = options(&format!("mqtt://127.0.0.1:{port}"));
    options.set_transport(Transport::tls_with_config(authority.client().into()));
    publish_by(options, messages).await;
}

async fn publish_by(options: MqttOptions, messages: Vec<Told>) {
    let due = messages.len();
    let (client, mut events) = AsyncClient::new(options, 100);
    let sending = tokio::spawn(async move {
        for message in messages {
            client
                .publish(message.topic, QoS::AtLeastOnce, false, message.payload)
                .await
                .unwrap();
        }
        // The queue ends with the last sender; it must outlive the acknowledgements.
        client
    });
    let mut acknowledged = 0;
    while acknowledged < due {
        match tokio::time::timeout(Duration::from_secs(60), events.poll()).await {
            Ok(Ok(Event::Incoming(Packet::PubAck(_)))) => acknowledged += 1,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => panic!("after {acknowledged} of {due} acknowledgements: {error}"),
            Err(_) => panic!("the broker acknowledges no more, after {acknowledged} of {due}"),
        }
    }
    let _ = sending.await.unwrap().disconnect().await;
    while !matches!(
        events.poll().await,
        Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) | Err(_)
    ) {}
}

/// Somebody who reads topics of the broker at QoS 1.
pub struct Listener {
    messages: tokio::sync::mpsc::UnboundedReceiver<Told>,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    /// Subscribes, and returns when the broker has confirmed it.
    ///
    /// # Panics
    /// Where the broker is away.
    pub async fn subscribe(url: &str, filter: &str) -> Self {
        let (client, mut events) = AsyncClient::new(options(url), 10);
        client.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        while !matches!(
            events.poll().await.unwrap(),
            Event::Incoming(Packet::SubAck(_))
        ) {}
        let (send, messages) = tokio::sync::mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let _client = client;
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    let told = Told {
                        topic: publish.topic,
                        payload: publish.payload.to_vec(),
                    };
                    if send.send(told).is_err() {
                        return;
                    }
                }
            }
        });
        Self { messages, task }
    }

    /// The next message.
    ///
    /// # Panics
    /// Where none comes within two minutes.
    pub async fn next(&mut self) -> Told {
        let next = tokio::time::timeout(Duration::from_secs(120), self.messages.recv());
        next.await
            .expect("no message came")
            .expect("the connection ended")
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn options(url: &str) -> MqttOptions {
    let mut options =
        MqttOptions::parse_url(format!("{url}?client_id={}", Uuid::new_v4().simple())).unwrap();
    options.set_max_packet_size(1024 * 1024, 1024 * 1024);
    options
}

/// Keeps what a device said, as ingest would: with each statement its time, when it was received, and
/// whether the bay was occupied.
///
/// # Panics
/// Where the device is not installed or the database refuses.
pub async fn says(store: &Store, device: &str, words: &[(DateTime<Utc>, DateTime<Utc>, bool)]) {
    let known = store.devices_named(&[device]).await.unwrap();
    let event = |(at, received_at, occupied): &(_, _, bool)| {
        let event = domain::event::Event {
            device: device.to_owned(),
            at: *at,
            seq: 1,
            occupied: *occupied,
            battery_mv: None,
            temperature_dc: None,
            received_at: *received_at,
        };
        (known[device].id, event)
    };
    let events: Vec<_> = words.iter().map(event).collect();
    store.event_ingest(&events, &[]).await.unwrap();
}
