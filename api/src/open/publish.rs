//! Lots' public states, sent over MQTT to whoever listens: `clearbay/v1/open/lots/{code}`, retained, so that a
//! reader has the newest as soon as it subscribes. At most once a second for each lot.

use std::collections::HashMap;
use std::time::Duration;

use domain::Timestamp;
use domain::board::{ClassCount, LotSummary};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::App;
use crate::service::lease::Turn;

/// How often lots are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How many messages may wait for the broker. What finds no room is sent a second later, as it is by then.
const WAITING: usize = 1_024;

/// The topic of a lot's public state.
pub fn topic(lot: &str) -> String {
    format!("clearbay/v1/open/lots/{lot}")
}

/// What is sent of a lot.
#[derive(Debug, Serialize)]
struct LotState<'a> {
    code: &'a str,
    capacity: u32,
    occupied: u32,
    free: u32,
    /// Neither free nor occupied.
    unknown: u32,
    classes: &'a [ClassCount],
    updated_at: Option<Timestamp>,
}

impl<'a> LotState<'a> {
    fn of(lot: &'a LotSummary) -> Self {
        Self {
            code: &lot.code,
            capacity: lot.capacity,
            occupied: lot.occupied,
            free: lot.free,
            unknown: lot.unknown,
            classes: &lot.classes,
            updated_at: lot.updated_at,
        }
    }
}

/// Sends each lot as it changes, and all of them at the start and whenever the broker is found again.
pub async fn work(app: App, mqtt: MqttOptions, turn: Turn, mut shutdown: watch::Receiver<bool>) {
    let (client, mut events) = AsyncClient::new(mqtt, WAITING);
    let (connected, mut connections) = watch::channel(0u64);
    let reader = tokio::spawn(async move {
        let mut backoff = Duration::from_millis(100);
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    backoff = Duration::from_millis(100);
                    connected.send_modify(|count| *count += 1);
                }
                Ok(_) => {}
                Err(_) => {
                    // The board says so: it reads from the same broker.
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(Duration::from_secs(5));
                }
            }
        }
    });
    let mut sent: HashMap<String, LotSummary> = HashMap::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => break,
            _ = ticks.tick() => {}
        }
        if connections.has_changed().unwrap_or(false) {
            connections.mark_unchanged();
            sent.clear();
        }
        if !turn.is_ours() {
            // Whoever has the turn next tells all of it anew.
            sent.clear();
            continue;
        }
        if *connections.borrow() == 0 {
            continue;
        }
        for lot in app.live.lots(Some(&app.city.code), App::now()).await {
            if sent
                .get(&lot.code)
                .is_some_and(|known| is_same(known, &lot))
            {
                continue;
            }
            let Ok(payload) = serde_json::to_vec(&LotState::of(&lot)) else {
                continue;
            };
            let queued = client.try_publish(topic(&lot.code), QoS::AtLeastOnce, true, payload);
            if queued.is_err() {
                break;
            }
            sent.insert(lot.code.clone(), lot);
        }
    }
    reader.abort();
}

/// Whether nothing has changed but that sensors have said the same again.
fn is_same(known: &LotSummary, lot: &LotSummary) -> bool {
    let counts = |lot: &LotSummary| (lot.capacity, lot.occupied, lot.free, lot.unknown);
    counts(known) == counts(lot) && known.classes == lot.classes
}
