//! Messages that had come before their device was installed.

use domain::board::OccupancyDelta;
use store::quarantine::{Judged, WaitingMessage};
use store::{Store, StoreError};

use crate::Refusal;
use crate::batch::{Directory, MaxLag, Message, event_of, open};
use crate::signature::DeviceKeys;

/// At most so many messages in one transaction.
const BATCH: i64 = 5_000;

/// Takes from the quarantine, in the order of their arrival, the messages of the devices in
/// `directory` that were refused before they stood there. Tells what has changed by it.
///
/// # Errors
/// Database errors; what was taken before stays taken.
pub async fn replay(
    store: &Store,
    directory: &Directory,
    keys: &DeviceKeys,
    max_lag: MaxLag,
) -> Result<Vec<OccupancyDelta>, StoreError> {
    let judge = |waiting: &[WaitingMessage]| -> Vec<Judged> {
        waiting
            .iter()
            .map(|waiting| {
                let message = message_of(waiting);
                let told = |refusal: Refusal| (refusal.reason.code(), refusal.detail);
                let unwrapped = open(&message).map_err(told)?;
                event_of(directory, keys, &message, &unwrapped, max_lag)
                    .map_err(|(_, refusal)| told(refusal))
            })
            .collect()
    };
    let mut deltas = Vec::new();
    loop {
        let ingested = store
            .quarantine_take(BATCH, keys.has_master(), judge)
            .await?;
        let taken = ingested.inserted + ingested.repeated;
        // What still gives no event has said why: asking again would change nothing.
        if taken == 0 {
            return Ok(deltas);
        }
        metrics::counter!("clearbay_ingest_quarantine_taken_total").increment(taken);
        tracing::info!(taken, "messages of devices that were installed since");
        deltas.extend(ingested.deltas);
    }
}

fn message_of(waiting: &WaitingMessage) -> Message {
    Message {
        topic: waiting.topic.clone(),
        payload: waiting.payload.clone().into(),
        size: waiting.payload.len(),
        received_at: waiting.received_at,
    }
}
