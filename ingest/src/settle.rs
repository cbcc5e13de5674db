//! What follows once a batch is kept: it is acknowledged, and what changed is told.

use domain::board::{OccupancyDelta, occupancy_topic};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::intake::{Acknowledger, Delivery, Publisher};

/// How many batches may wait for it, beside the one at hand.
const WAITING: usize = 1;

/// How many bays one message names, of about 120 bytes each: brokers take no more than 16 KiB (`deploy/`).
const BAYS_MAX: usize = 100;

/// What is kept.
struct Kept {
    messages: Vec<Delivery>,
    deltas: Vec<OccupancyDelta>,
}

/// Settles batches in their order, beside the worker, which keeps the next one meanwhile. Ends where
/// it stands when it is dropped: what was not acknowledged comes again.
pub(crate) struct Settler {
    send: mpsc::Sender<Kept>,
    task: JoinSet<()>,
}

impl Settler {
    pub(crate) fn start(acknowledger: Acknowledger, publisher: Publisher) -> Self {
        let (send, mut receive) = mpsc::channel::<Kept>(WAITING);
        let mut task = JoinSet::new();
        task.spawn(async move {
            while let Some(kept) = receive.recv().await {
                acknowledger.acknowledge(kept.messages);
                for delta in kept.deltas {
                    for part in parts(&delta) {
                        tell(&publisher, &part);
                    }
                }
            }
        });
        Self { send, task }
    }

    /// Takes what has been committed; waits where too much waits already.
    pub(crate) async fn settle(&self, messages: Vec<Delivery>, deltas: Vec<OccupancyDelta>) {
        // Refused only where the task has ended, with this value.
        let _ = self.send.send(Kept { messages, deltas }).await;
    }

    /// Waits until all that it took is settled.
    pub(crate) async fn finish(self) {
        let Self { send, mut task } = self;
        drop(send);
        while task.join_next().await.is_some() {}
    }
}

/// A delta in messages that brokers take.
fn parts(delta: &OccupancyDelta) -> impl Iterator<Item = OccupancyDelta> {
    delta.bays.chunks(BAYS_MAX).map(|bays| OccupancyDelta {
        lot: delta.lot.clone(),
        bays: bays.to_vec(),
    })
}

fn tell(publisher: &Publisher, delta: &OccupancyDelta) {
    let lot = &delta.lot;
    match serde_json::to_vec(delta) {
        Ok(payload) => publisher.publish(occupancy_topic(lot), payload),
        Err(error) => tracing::error!(%error, lot, "a delta could not be written"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;
    use domain::board::BayDelta;
    use domain::id::BayId;

    use super::*;

    #[test]
    fn of_a_large_lot_all_bays_are_told_in_messages_that_a_broker_takes() {
        let at = DateTime::from_timestamp_micros(1_795_000_000_123_456).unwrap();
        let bays = (0..1_050).map(|number| BayDelta {
            bay: BayId(i32::MAX - number),
            occupied: false,
            since: at,
            heard_at: at,
        });
        let delta = OccupancyDelta {
            lot: "a-lot-with-a-long-code".to_owned(),
            bays: bays.collect(),
        };
        let mut told = Vec::new();
        for part in parts(&delta) {
            assert!(serde_json::to_vec(&part).unwrap().len() <= 16_384);
            assert_eq!(part.lot, delta.lot);
            told.extend(part.bays);
        }
        assert_eq!(told, delta.bays);
    }
}
