//! Messages that had come before their device was installed.

use domain::board::OccupancyDelta;
use store::quarantine::{Judged, WaitingMessage};
use store::{Store, StoreError};

use crate::judge::{Judge, Message, Verdict, unknown_device};

/// At most so many messages in one transaction.
const BATCH: i64 = 5_000;

/// Takes from the quarantine, in the order of their arrival, the messages of installed devices that
/// were refused before `judge` knew these. Tells what has changed by it.
///
/// # Errors
/// Database errors; what was taken before stays taken.
pub(crate) async fn replay(
    store: &Store,
    judge: &Judge,
) -> Result<Vec<OccupancyDelta>, StoreError> {
    let judged = |waiting: &[WaitingMessage]| -> Vec<Judged> {
        waiting
            .iter()
            .map(|waiting| {
                let refusal = match judge.judge(&message_of(waiting)) {
                    Verdict::Event(sound) => return Ok((sound.device, sound.event)),
                    Verdict::Stranger(_) => unknown_device(),
                    Verdict::Refused(_, refusal) => refusal,
                };
                Err((refusal.reason.code(), refusal.detail))
            })
            .collect()
    };
    let mut deltas = Vec::new();
    loop {
        let ingested = store
            .quarantine_take(BATCH, judge.has_master_key(), judged)
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
