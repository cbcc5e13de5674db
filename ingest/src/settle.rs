//! What follows once a batch is kept: it is acknowledged, and what changed is told.

use domain::board::{OccupancyDelta, occupancy_topic};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::intake::{Acknowledger, Delivery, Publisher};

/// How many batches may wait for it, beside the one at hand.
const WAITING: usize = 1;

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
                    tell(&publisher, &delta);
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

fn tell(publisher: &Publisher, delta: &OccupancyDelta) {
    let lot = &delta.lot;
    match serde_json::to_vec(delta) {
        Ok(payload) => publisher.publish(occupancy_topic(lot), payload),
        Err(error) => tracing::error!(%error, lot, "a delta could not be written"),
    }
}
