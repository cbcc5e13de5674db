//! Keeps, then acknowledges, then tells.

use std::time::{Duration, Instant};

use domain::board::{OccupancyDelta, occupancy_topic};
use domain::event::Event;
use store::event::Ingested;
use store::quarantine::RefusedMessage;
use store::{Store, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::batch::{Directory, MaxLag, event_of, refused};
use crate::mqtt::{Acknowledger, Delivery, Publisher};
use crate::signature::{DeviceKeys, of_unreadable};
use crate::upkeep::Upkeep;
use crate::{Options, Reason, Refusal, counter, quarantine};

const RETRY_MAX: Duration = Duration::from_secs(5);
/// After a batch of so many messages, and fewer than [`GATHER_TO`], the next is let gather: a bay that
/// speaks twice in a batch is written once, and what each transaction costs is shared by more.
/// A message that comes when it is quiet waits for nothing.
const GATHER_FROM: usize = 1_000;
/// So many are enough.
const GATHER_TO: usize = 15_000;
/// For how long, in times of what the batch took, and at most.
const GATHER_TIMES: u32 = 3;
const GATHER_MAX: Duration = Duration::from_millis(250);
/// In such steps, each longer than the task that reads rests. Where one brings nothing, the broker
/// holds no more, or waits for us.
const GATHER_STEP: Duration = Duration::from_millis(10);
/// After so many failures that are its own a batch is kept in parts.
const WHOLE_TRIES: u32 = 3;

pub(crate) struct Worker {
    store: Store,
    directory: Directory,
    directory_every: Duration,
    keys: DeviceKeys,
    upkeep: Upkeep,
    /// Whether a device has been found that was not known before: messages of it may wait.
    newly_installed: bool,
    acknowledger: Acknowledger,
    publisher: Publisher,
    /// Whether a batch is at hand.
    busy: watch::Sender<bool>,
    batch_max: usize,
    retry_after: Duration,
    tries_max: u32,
    max_lag: MaxLag,
}

/// What is done about a batch that the database does not take, by how often it has not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Less at once would not help, or it is too early to say.
    Whole,
    /// Its parts are tried by themselves.
    Parts,
    /// So is an event that cannot be kept alone refused.
    Last,
}

impl Effort {
    fn splits(self, error: &StoreError) -> bool {
        error.is_about_content() || self != Self::Whole && error.may_pass_in_parts()
    }

    fn refuses(self, error: &StoreError) -> bool {
        error.is_about_content() || self == Self::Last
    }
}

impl Worker {
    pub(crate) fn new(
        store: Store,
        directory: Directory,
        options: &Options,
        acknowledger: Acknowledger,
        publisher: Publisher,
        busy: watch::Sender<bool>,
    ) -> Self {
        Self {
            store,
            directory,
            directory_every: options.directory_every,
            keys: options.device_keys.clone(),
            upkeep: Upkeep::new(options),
            newly_installed: false,
            acknowledger,
            publisher,
            busy,
            batch_max: options.batch_max,
            retry_after: options.retry_after,
            tries_max: options.tries_max,
            max_lag: MaxLag::of(options),
        }
    }

    fn effort(&self, failures: u32) -> Effort {
        match failures {
            n if n >= self.tries_max => Effort::Last,
            n if n >= WHOLE_TRIES => Effort::Parts,
            _ => Effort::Whole,
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
        let mut anew = tokio::time::interval(self.directory_every);
        anew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let count = tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                _ = anew.tick() => None,
                count = messages.recv_many(&mut batch, self.batch_max) => Some(count),
            };
            match count {
                None => {
                    self.refresh().await;
                    continue;
                }
                Some(0) => return,
                Some(_) => {}
            }
            self.busy.send_replace(true);
            let started = Instant::now();
            let Some(ingested) = self.keep(&batch, &mut shutdown).await else {
                return;
            };
            metrics::histogram!("clearbay_ingest_batch_seconds")
                .record(started.elapsed().as_secs_f64());
            metrics::histogram!("clearbay_ingest_batch_messages").record(batch.len() as f64);
            let (count, took) = (batch.len(), started.elapsed());
            self.acknowledger.acknowledge(batch.drain(..));
            self.tell(ingested.deltas);
            if std::mem::take(&mut self.newly_installed) {
                self.refresh().await;
            }
            if (GATHER_FROM..GATHER_TO).contains(&count) {
                self.gather(&messages, took).await;
            }
            self.busy.send_replace(false);
        }
    }

    /// Lets messages gather, so that the next batch is worth its transaction.
    async fn gather(&self, messages: &mpsc::Receiver<Delivery>, took: Duration) {
        let until = Instant::now() + (took * GATHER_TIMES).min(GATHER_MAX);
        let mut waiting = messages.len();
        while waiting < GATHER_TO && Instant::now() < until {
            tokio::time::sleep(GATHER_STEP).await;
            if messages.len() == waiting {
                return;
            }
            waiting = messages.len();
        }
    }

    /// Keeps a batch, however long the database takes to come back; `None` when told to stop
    /// before it did. What the database refuses again and again, though it answers, is divided and
    /// in the end put aside: one message must not hold up a city's.
    async fn keep(
        &mut self,
        batch: &[Delivery],
        shutdown: &mut watch::Receiver<bool>,
    ) -> Option<Ingested> {
        let mut retry_after = self.retry_after;
        let mut failures = 0;
        let ours: Vec<&Delivery> = batch
            .iter()
            .filter(|delivery| delivery.opened.is_some())
            .collect();
        if ours.is_empty() {
            return Some(Ingested::default());
        }
        loop {
            match self.keep_once(&ours, self.effort(failures)).await {
                Ok(ingested) => return Some(ingested),
                Err(error) => {
                    failures += u32::from(error.may_pass_in_parts());
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

    /// Reads the devices anew, for those that were moved, and takes up messages that had waited for
    /// one.
    async fn refresh(&mut self) {
        let done = async {
            self.directory = self.store.device_directory().await?;
            self.upkeep.run(&self.store).await?;
            quarantine::replay(&self.store, &self.directory, &self.keys, self.max_lag).await
        };
        match done.await {
            Ok(deltas) => self.tell(deltas),
            Err(error) => tracing::warn!(%error, "the devices could not be read anew"),
        }
    }

    /// Finds a batch's devices where they are new to us.
    async fn meet(&mut self, batch: &[&Delivery]) -> Result<(), StoreError> {
        let strangers: Vec<&str> = batch
            .iter()
            .filter_map(|delivery| delivery.opened.as_ref()?.as_ref().ok())
            .map(|unwrapped| unwrapped.device.as_str())
            .filter(|device| !self.directory.contains_key(*device))
            .collect();
        if !strangers.is_empty() {
            let installed = self.store.devices_named(&strangers).await?;
            self.newly_installed |= !installed.is_empty();
            self.directory.extend(installed);
        }
        Ok(())
    }

    /// The events of a batch, the position of each one's message in it, and the refused messages.
    fn decode(&self, batch: &[&Delivery]) -> (Vec<(i32, Event)>, Vec<usize>, Vec<RefusedMessage>) {
        let (mut events, mut origins, mut refusals) = (
            Vec::with_capacity(batch.len()),
            Vec::with_capacity(batch.len()),
            Vec::new(),
        );
        for (origin, delivery) in batch.iter().enumerate() {
            let message = &delivery.message;
            let Some(opened) = &delivery.opened else {
                continue;
            };
            let judged = match opened {
                Ok(unwrapped) => event_of(
                    &self.directory,
                    &self.keys,
                    message,
                    unwrapped,
                    self.max_lag,
                )
                .map_err(|(device, refusal)| (Some(device), refusal)),
                Err(refusal) => {
                    let refusal = refusal.clone();
                    Err(of_unreadable(&self.directory, &self.keys, message, refusal))
                }
            };
            match judged {
                Ok(event) => {
                    events.push(event);
                    origins.push(origin);
                }
                Err((device, refusal)) => {
                    tracing::debug!(topic = %message.topic, %refusal, "message refused");
                    refusals.push(refused(message, device, &refusal));
                }
            }
        }
        (events, origins, refusals)
    }

    /// Keeps a batch whole. Where the database refuses its content, keeps what it does not refuse,
    /// and the rest as refused messages.
    async fn keep_once(
        &mut self,
        batch: &[&Delivery],
        effort: Effort,
    ) -> Result<Ingested, StoreError> {
        self.meet(batch).await?;
        let (mut events, mut origins, mut refusals) = self.decode(batch);
        for position in counter::replayed(&self.store, &self.directory, &events).await? {
            let (_, event) = events.remove(position);
            let message = &batch[origins.remove(position)].message;
            let device = Some(event.device);
            refusals.push(refused(message, device, &counter::refusal(event.seq)));
        }
        let whole = Part {
            events: &events,
            origins: &origins,
            batch,
        };
        let (ingested, refusals) = match self.store.event_ingest(&events, &refusals).await {
            Err(error) if effort.splits(&error) => {
                let mut kept = Kept {
                    refusals,
                    ..Kept::default()
                };
                self.keep_part(whole, effort, &mut kept).await?;
                if let Some(error) = kept.stuck {
                    return Err(error);
                }
                // Last, so that a repetition after a failure between the parts finds events that
                // are kept already, which changes nothing, and no message refused twice.
                self.keep_refused(&kept.refusals, effort).await?;
                (kept.ingested, kept.refusals)
            }
            other => (other?, refusals),
        };
        count(&ingested, &refusals, &events);
        Ok(ingested)
    }

    /// Keeps a part of a batch, or, where the database refuses it, its halves, down to the one
    /// event that it refuses.
    async fn keep_part(
        &self,
        part: Part<'_>,
        effort: Effort,
        kept: &mut Kept,
    ) -> Result<(), StoreError> {
        match self.store.event_ingest(part.events, &[]).await {
            Ok(ingested) => {
                kept.ingested.inserted += ingested.inserted;
                kept.ingested.repeated += ingested.repeated;
                kept.ingested.deltas.extend(ingested.deltas);
            }
            Err(error) if effort.splits(&error) => match (part.events, part.origins) {
                ([(_, event)], [origin]) if effort.refuses(&error) => {
                    tracing::error!(%error, device = %event.device, "the database refuses an event");
                    let refusal = Refusal::new(Reason::Rejected, &error);
                    let message = &part.batch[*origin].message;
                    kept.refusals
                        .push(refused(message, Some(event.device.clone()), &refusal));
                }
                ([_], _) => kept.stuck = Some(error),
                _ => {
                    for half in part.halves() {
                        Box::pin(self.keep_part(half, effort, kept)).await?;
                    }
                }
            },
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Keeps refused messages, fewer at once where the database does not take them all.
    async fn keep_refused(
        &self,
        refusals: &[RefusedMessage],
        effort: Effort,
    ) -> Result<(), StoreError> {
        match self.store.event_ingest(&[], refusals).await {
            Err(error) if effort.splits(&error) && refusals.len() > 1 => {
                let (left, right) = refusals.split_at(refusals.len() / 2);
                Box::pin(self.keep_refused(left, effort)).await?;
                Box::pin(self.keep_refused(right, effort)).await
            }
            other => other.map(drop),
        }
    }

    /// Publishes what changed.
    fn tell(&self, deltas: Vec<OccupancyDelta>) {
        for delta in deltas {
            let lot = &delta.lot;
            match serde_json::to_vec(&delta) {
                Ok(payload) => self.publisher.publish(occupancy_topic(lot), payload),
                Err(error) => tracing::error!(%error, lot, "a delta could not be written"),
            }
        }
    }
}

/// What became of the parts of a batch.
#[derive(Default)]
struct Kept {
    ingested: Ingested,
    refusals: Vec<RefusedMessage>,
    /// Why an event could not be kept even alone, while it is not given up.
    stuck: Option<StoreError>,
}

/// Some events of a batch, each with the position of its message.
#[derive(Clone, Copy)]
struct Part<'a> {
    events: &'a [(i32, Event)],
    origins: &'a [usize],
    batch: &'a [&'a Delivery],
}

impl Part<'_> {
    fn halves(self) -> [Self; 2] {
        let middle = self.events.len() / 2;
        let (events, origins) = (self.events.split_at(middle), self.origins.split_at(middle));
        [
            Self {
                events: events.0,
                origins: origins.0,
                batch: self.batch,
            },
            Self {
                events: events.1,
                origins: origins.1,
                batch: self.batch,
            },
        ]
    }
}

fn count(ingested: &Ingested, refusals: &[RefusedMessage], events: &[(i32, Event)]) {
    let total = |result: &'static str, count: u64| {
        metrics::counter!("clearbay_ingest_messages_total", "result" => result).increment(count);
    };
    total("event", ingested.inserted);
    total("repeated", ingested.repeated);
    for refusal in refusals {
        total(refusal.reason, 1);
    }
    // How far what devices say lies behind: network, broker and queue together.
    if let Some(lag) = events
        .iter()
        .map(|(_, event)| event.received_at - event.at)
        .max()
    {
        metrics::gauge!("clearbay_ingest_device_lag_seconds").set(lag.as_seconds_f64());
    }
}
