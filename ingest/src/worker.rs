//! Keeps, then acknowledges, then tells.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use domain::board::{BayDelta, OccupancyDelta, occupancy_topic};
use domain::event::Event;
use domain::id::BayId;
use rumqttc::{AsyncClient, QoS};
use store::event::{Ingested, RefusedMessage};
use store::{Store, StoreError};
use tokio::sync::{mpsc, watch};

use crate::batch::{Directory, event_of, refused};
use crate::mqtt::Delivery;
use crate::{Options, Reason, Refusal};

/// How often an unknown device makes us read the directory again.
const DIRECTORY_EVERY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Worker {
    store: Store,
    directory: Directory,
    lots: HashMap<BayId, String>,
    directory_read: Instant,
    client: AsyncClient,
    batch_max: usize,
    retry_after: Duration,
}

impl Worker {
    pub(crate) fn new(
        store: Store,
        directory: Directory,
        options: &Options,
        client: AsyncClient,
    ) -> Self {
        let lots = lots_of(&directory);
        Self {
            store,
            directory,
            lots,
            directory_read: Instant::now(),
            client,
            batch_max: options.batch_max,
            retry_after: options.retry_after,
        }
    }

    /// Works off the queue. A batch is whatever has gathered while the one before was kept: small
    /// and quick when it is quiet, large when it is not.
    pub(crate) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Delivery>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut batch = Vec::with_capacity(self.batch_max);
        loop {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                count = messages.recv_many(&mut batch, self.batch_max) => if count == 0 { return },
            }
            let started = Instant::now();
            let Some(ingested) = self.keep(&batch, &mut shutdown).await else { return };
            metrics::histogram!("clearbay_ingest_batch_seconds")
                .record(started.elapsed().as_secs_f64());
            metrics::histogram!("clearbay_ingest_batch_messages").record(batch.len() as f64);
            for delivery in batch.drain(..) {
                if !delivery.is_of_this_connection() {
                    continue;
                }
                if let Err(error) = self.client.ack(&delivery.publish).await {
                    tracing::warn!(%error, "a message was kept but not acknowledged");
                }
            }
            self.tell(ingested.deltas).await;
        }
    }

    /// Keeps a batch, however long the database takes to come back; `None` when told to stop
    /// before it did. What the database refuses for its content is found and kept as refused.
    async fn keep(
        &mut self,
        batch: &[Delivery],
        shutdown: &mut watch::Receiver<bool>,
    ) -> Option<Ingested> {
        let (events, refusals) = self.decode(batch).await;
        let mut retry_after = self.retry_after;
        loop {
            match self.keep_or_part(&events, &refusals).await {
                Ok(ingested) => {
                    count(&ingested, &refusals);
                    return Some(ingested);
                }
                Err(error) => {
                    tracing::warn!(%error, messages = batch.len(), "a batch could not be kept yet");
                    metrics::counter!("clearbay_ingest_retries_total").increment(1);
                }
            }
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => return None,
                () = tokio::time::sleep(retry_after) => {}
            }
            retry_after = (retry_after * 2).min(RETRY_MAX);
        }
    }

    async fn decode(&mut self, batch: &[Delivery]) -> (Vec<(i32, Event)>, Vec<RefusedMessage>) {
        let (mut events, mut refusals) = (Vec::with_capacity(batch.len()), Vec::new());
        for delivery in batch {
            let mut result = event_of(&self.directory, &delivery.message);
            if let Err(refusal) = &result
                && refusal.reason == Reason::UnknownDevice
                && self.directory_read.elapsed() > DIRECTORY_EVERY
            {
                self.read_directory().await;
                result = event_of(&self.directory, &delivery.message);
            }
            match result {
                Ok(event) => events.push(event),
                Err(refusal) => {
                    tracing::debug!(topic = %delivery.message.topic, %refusal, "message refused");
                    refusals.push(refused(&delivery.message, &refusal));
                }
            }
        }
        (events, refusals)
    }

    async fn read_directory(&mut self) {
        self.directory_read = Instant::now();
        match self.store.device_directory().await {
            Ok(directory) => {
                self.lots = lots_of(&directory);
                self.directory = directory;
            }
            Err(error) => tracing::warn!(%error, "the device directory could not be read anew"),
        }
    }

    /// Keeps a batch whole, or, where the database refuses its content, in halves down to the one
    /// event that it refuses.
    async fn keep_or_part(
        &self,
        events: &[(i32, Event)],
        refusals: &[RefusedMessage],
    ) -> Result<Ingested, StoreError> {
        match self.store.event_ingest(events, refusals).await {
            Err(error) if error.is_about_content() && !events.is_empty() => {
                self.keep_parts(events, refusals, error).await
            }
            other => other,
        }
    }

    async fn keep_parts(
        &self,
        events: &[(i32, Event)],
        refusals: &[RefusedMessage],
        error: StoreError,
    ) -> Result<Ingested, StoreError> {
        if let [(_, event)] = events {
            tracing::error!(%error, device = %event.device, "the database refuses an event");
            let refusal = Refusal::new(Reason::Rejected, &error);
            let row = RefusedMessage {
                received_at: event.received_at,
                topic: event.device.clone(),
                payload: format!("{} {} {}", event.at, event.seq, event.occupied).into_bytes(),
                reason: refusal.reason.code(),
                detail: refusal.detail,
            };
            return self.store.event_ingest(&[], &[refusals, &[row]].concat()).await;
        }
        let (left, right) = events.split_at(events.len() / 2);
        let mut all = Box::pin(self.keep_or_part(left, refusals)).await?;
        let rest = Box::pin(self.keep_or_part(right, &[])).await?;
        all.inserted += rest.inserted;
        all.repeated += rest.repeated;
        all.deltas.extend(rest.deltas);
        Ok(all)
    }

    /// Publishes what changed, by lot. A delta that is lost is healed when the board reads anew.
    async fn tell(&self, deltas: Vec<BayDelta>) {
        let mut by_lot: BTreeMap<&str, Vec<BayDelta>> = BTreeMap::new();
        for delta in deltas {
            if let Some(lot) = self.lots.get(&delta.bay) {
                by_lot.entry(lot).or_default().push(delta);
            }
        }
        for (lot, bays) in by_lot {
            let topic = occupancy_topic(lot);
            let delta = OccupancyDelta { lot: lot.to_owned(), bays };
            let Ok(payload) = serde_json::to_vec(&delta) else { continue };
            if let Err(error) = self.client.publish(topic, QoS::AtMostOnce, false, payload).await {
                tracing::warn!(%error, "a delta was not published");
            }
        }
    }
}

fn lots_of(directory: &Directory) -> HashMap<BayId, String> {
    directory.values().map(|device| (device.bay, device.lot.clone())).collect()
}

fn count(ingested: &Ingested, refusals: &[RefusedMessage]) {
    let total = |result: &'static str, count: u64| {
        metrics::counter!("clearbay_ingest_messages_total", "result" => result).increment(count);
    };
    total("event", ingested.inserted);
    total("repeated", ingested.repeated);
    for refusal in refusals {
        total(refusal.reason, 1);
    }
}
