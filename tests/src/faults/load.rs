//! A city's devices that speak all the time, and what the broker has acknowledged of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{SubsecRound, Utc};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{Acknowledged, Connection, Node, Unacknowledged};
use crate::sensors::{Told, told};

/// The city that speaks, as [`crate::city::small`] makes it.
pub const LOTS: usize = 8;
/// Bays of each lot.
pub const BAYS_PER_LOT: usize = 50;
const DEVICES: usize = LOTS * BAYS_PER_LOT;
/// Each is that of as many devices.
const CONNECTIONS: usize = 8;
const TICK: Duration = Duration::from_millis(10);

/// Devices at work, in turn, at a steady rate.
///
/// Messages are numbered: message `n` is that of device `n % DEVICES`, and its counter `n / DEVICES`.
pub struct Load {
    /// Messages a second.
    pub rate_per_s: usize,
    spoken: Arc<AtomicUsize>,
    acknowledged: Acknowledged,
    stop: watch::Sender<bool>,
    speaking: JoinHandle<()>,
    connections: JoinSet<()>,
}

/// What devices had to say, when they have said it.
pub struct Spoken {
    /// How many messages they made.
    pub messages: usize,
    /// For each whether the broker has acknowledged it.
    pub acknowledged: Vec<bool>,
}

impl Load {
    /// Lets them speak to any of the nodes of a broker.
    ///
    /// # Panics
    /// Where the broker's address is none.
    pub fn start(brokers: &[String], rate_per_s: usize, unacknowledged: Unacknowledged) -> Self {
        let acknowledged = Acknowledged::default();
        let mut connections = JoinSet::new();
        let nodes: Vec<Node> = brokers.iter().map(|url| Node::of(url)).collect();
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let (send, messages) = unbounded_channel();
                let connection = Connection {
                    nodes: nodes.clone(),
                    node: number % nodes.len(),
                    unacknowledged,
                    messages,
                    acknowledged: acknowledged.clone(),
                };
                connections.spawn(connection.run());
                send
            })
            .collect();
        let (stop, stopped) = watch::channel(false);
        let spoken = Arc::new(AtomicUsize::new(0));
        let (count, marks) = (spoken.clone(), acknowledged.clone());
        let speaking = tokio::spawn(async move {
            let started = Instant::now();
            let mut ticks = tokio::time::interval(TICK);
            let mut number = 0;
            while !*stopped.borrow() {
                ticks.tick().await;
                let due = (started.elapsed().as_secs_f64() * rate_per_s as f64) as usize;
                marks.lock().unwrap().resize(due.max(number), false);
                while number < due {
                    let sender = &senders[number % DEVICES % CONNECTIONS];
                    // Refused only where a connection has panicked, which is told at the end.
                    let _ = sender.send((number, message(number)));
                    number += 1;
                }
                count.store(number, Ordering::SeqCst);
            }
        });
        Self {
            rate_per_s,
            spoken,
            acknowledged,
            stop,
            speaking,
            connections,
        }
    }

    /// How many messages were made so far.
    pub fn spoken(&self) -> usize {
        self.spoken.load(Ordering::SeqCst)
    }

    /// Makes no more, and returns when what was made has been sent.
    ///
    /// # Panics
    /// Where a device had failed.
    pub async fn stop(mut self) -> Spoken {
        self.stop.send_replace(true);
        self.speaking.await.unwrap();
        while let Some(ended) = self.connections.join_next().await {
            ended.unwrap();
        }
        let acknowledged = std::mem::take(&mut *self.acknowledged.lock().unwrap());
        Spoken {
            messages: acknowledged.len(),
            acknowledged,
        }
    }
}

/// The code of the bay and the counter of a message, by its number.
pub(super) fn named(number: usize) -> (String, i64) {
    let device = number % DEVICES;
    let bay = format!("lot-{}-{}", device / BAYS_PER_LOT, device % BAYS_PER_LOT);
    (bay, (number / DEVICES) as i64)
}

/// The first messages of a load, all at once.
pub fn waiting(count: usize) -> Vec<Told> {
    (0..count).map(message).collect()
}

fn message(number: usize) -> Told {
    let (bay, seq) = named(number);
    // Some say the same twice, as devices do that speak without a change.
    let occupied = (seq + number as i64 % 2) % 3 == 0;
    let at = Utc::now().trunc_subsecs(3);
    told(&format!("{bay}-sensor"), at, seq, occupied)
}
