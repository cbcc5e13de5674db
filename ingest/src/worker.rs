//! Keeps what gathers, batch by batch, and the directory of devices up to date.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use domain::Timestamp;
use domain::board::OccupancyDelta;
use store::clock::CLOCK_TOLERANCE;
use store::event::Ingested;
use store::{Store, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::Instrument;

use crate::batch::{Batch, Effort};
use crate::gather::{self, Busy};
use crate::intake::Delivery;
use crate::judge::{Judge, Message, Verdict};
use crate::settle::Settler;
use crate::upkeep::Upkeep;
use crate::{Options, quarantine};

const RETRY_MAX: Duration = Duration::from_secs(5);
/// The longest that is waited for an answer, in times of the first wait: what takes long, and is at work, must end.
const PATIENCE_TIMES: u32 = 16;

pub(crate) struct Worker {
    store: Store,
    judge: Arc<Judge>,
    directory_every: Duration,
    upkeep: Upkeep,
    /// Whether a device has been found that was not known before: messages of it may wait.
    newly_installed: bool,
    settler: Settler,
    busy: Busy,
    batch_max: usize,
    retry_after: Duration,
    answer_within: Duration,
    /// How long the directory of devices may take.
    patience: Patience,
    tries_max: u32,
}

impl Worker {
    pub(crate) fn new(
        store: Store,
        judge: Arc<Judge>,
        options: &Options,
        settler: Settler,
        busy: Busy,
    ) -> Self {
        Self {
            store,
            judge,
            directory_every: options.directory_every,
            upkeep: Upkeep::new(options),
            newly_installed: false,
            settler,
            busy,
            batch_max: options.batch_max,
            retry_after: options.retry_after,
            answer_within: options.answer_within,
            patience: Patience::from(options.answer_within),
            tries_max: options.tries_max,
        }
    }

    /// Works off the queue until told to stop; what is kept by then is settled.
    pub(crate) async fn run(
        mut self,
        mut messages: mpsc::Receiver<Delivery>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        self.work(&mut messages, &mut shutdown).await;
        self.settler.finish().await;
    }

    /// A batch is whatever has gathered while the one before was kept: small and quick when it is
    /// quiet, large when it is not.
    async fn work(
        &mut self,
        messages: &mut mpsc::Receiver<Delivery>,
        shutdown: &mut watch::Receiver<bool>,
    ) {
        let mut anew = tokio::time::interval(self.directory_every);
        anew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut batch = Vec::with_capacity(messages.len().clamp(1, self.batch_max));
            let count = tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                _ = anew.tick() => None,
                count = messages.recv_many(&mut batch, self.batch_max) => Some(count),
            };
            match count {
                None => {
                    self.refresh(shutdown).await;
                    continue;
                }
                Some(0) => return,
                Some(_) => {}
            }
            self.busy.set(true);
            let (count, started) = (batch.len(), Instant::now());
            // Signed, for as such OpenTelemetry knows a number.
            let number = i64::try_from(count).unwrap_or(i64::MAX);
            let span = tracing::debug_span!("batch", otel.kind = "consumer", messages = number);
            let Some((batch, ingested)) = self.keep(batch, shutdown).instrument(span).await else {
                return;
            };
            let took = started.elapsed();
            tracing::debug!(messages = count, waiting = messages.len(), ?took, "kept");
            metrics::histogram!("clearbay_ingest_batch_seconds").record(took.as_secs_f64());
            metrics::histogram!("clearbay_ingest_batch_messages").record(count as f64);
            self.settler
                .settle(batch.into_messages(), ingested.deltas)
                .await;
            if std::mem::take(&mut self.newly_installed) {
                self.refresh(shutdown).await;
            }
            gather::next_batch(messages, count, took).await;
            self.busy.set(false);
        }
    }

    /// Keeps a batch, however long the database takes to come back; `None` when told to stop
    /// before it did. What the database refuses again and again, though it answers, is divided and
    /// in the end put aside: one message must not hold up a city's.
    async fn keep(
        &mut self,
        mut messages: Vec<Delivery>,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Option<(Batch, Ingested)> {
        let mut wait = Wait::from(self.retry_after);
        let mut patience = Patience::from(self.answer_within);
        while let Err(error) = patience.for_answer(self.meet(&mut messages)).await {
            wait.after(&error, messages.len(), shutdown).await?;
        }
        while let Err(error) = patience.for_answer(self.doubt(&mut messages)).await {
            wait.after(&error, messages.len(), shutdown).await?;
        }
        let mut batch = Batch::of(messages);
        let mut failures = 0;
        loop {
            let effort = Effort::after(failures, self.tries_max);
            match patience.for_answer(batch.keep(&self.store, effort)).await {
                Ok(ingested) => return Some((batch, ingested)),
                Err(error) => {
                    failures += u32::from(error.may_pass_in_parts());
                    wait.after(&error, batch.len(), shutdown).await?;
                }
            }
        }
    }

    /// Reads the devices anew, for those that were moved, and takes up messages that had waited for
    /// one, unless told to stop meanwhile.
    async fn refresh(&mut self, shutdown: &mut watch::Receiver<bool>) {
        let done = tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            done = self.read_anew() => done,
        };
        match done {
            Ok(deltas) => self.settler.settle(Vec::new(), deltas).await,
            Err(error) => tracing::warn!(%error, "the devices could not be read anew"),
        }
    }

    async fn read_anew(&mut self) -> Result<Vec<OccupancyDelta>, StoreError> {
        let patience = &mut self.patience;
        let directory = patience.for_answer(self.store.device_directory()).await?;
        *self.judge.directory_mut() = directory;
        // It is seldom, and compressing a week may take long.
        let mut most = Patience::from(patience.most);
        most.for_answer(self.upkeep.run(&self.store)).await?;
        let waited = quarantine::replay(&self.store, &self.judge);
        let deltas = patience.for_answer(waited).await?;
        *patience = Patience::from(patience.first);
        Ok(deltas)
    }

    /// Finds the devices that were new to us when their messages were judged, and judges these
    /// again.
    async fn meet(&mut self, messages: &mut [Delivery]) -> Result<(), StoreError> {
        let strangers: Vec<&str> = messages
            .iter()
            .filter_map(|delivery| match &delivery.verdict {
                Some(Verdict::Stranger(unwrapped)) => Some(unwrapped.device.as_str()),
                _ => None,
            })
            .collect();
        if strangers.is_empty() {
            return Ok(());
        }
        let installed = self.store.devices_named(&strangers).await?;
        if installed.is_empty() {
            return Ok(());
        }
        self.newly_installed = true;
        self.judge.directory_mut().extend(installed);
        for delivery in messages {
            if let Some(Verdict::Stranger(_)) = &delivery.verdict {
                delivery.verdict = Some(self.judge.judge(&delivery.message));
            }
        }
        Ok(())
    }

    /// Where devices' clocks are not believed, it may be ours that is wrong: then the batch waits until it is right, for
    /// nobody takes up again what is refused for its time. What came while it was wrong is judged by when it came.
    async fn doubt(&self, messages: &mut [Delivery]) -> Result<(), StoreError> {
        let is_doubted = |delivery: &Delivery| match &delivery.verdict {
            Some(Verdict::Refused(_, refusal)) => refusal.is_about_time(),
            _ => false,
        };
        if !messages.iter().any(is_doubted) {
            return Ok(());
        }
        self.store.clock_check(Utc::now).await?;
        for delivery in messages {
            if is_doubted(delivery)
                && let Some(at) = received_at(&delivery.message, delivery.received.elapsed())
            {
                delivery.message.received_at = at;
                delivery.verdict = Some(self.judge.judge(&delivery.message));
            }
        }
        Ok(())
    }
}

/// When a message came that waits for `waited`, by the clock of now, where that is not what was noted.
fn received_at(message: &Message, waited: Duration) -> Option<Timestamp> {
    let at = Utc::now() - TimeDelta::from_std(waited).ok()?;
    ((at - message.received_at).abs() > CLOCK_TOLERANCE).then_some(at)
}

/// How long the database may take for an answer.
struct Patience {
    first: Duration,
    now: Duration,
    most: Duration,
}

impl From<Duration> for Patience {
    fn from(first: Duration) -> Self {
        Self {
            first,
            now: first,
            most: first * PATIENCE_TIMES,
        }
    }
}

impl Patience {
    /// An answer, or that there was none in time: then it is not known what has become of the question, and the next
    /// one is waited for longer.
    async fn for_answer<T>(
        &mut self,
        asking: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.now, asking).await {
            Ok(answer) => answer,
            Err(_) => {
                self.now = (self.now * 2).min(self.most);
                Err(StoreError::no_answer())
            }
        }
    }
}

/// Between two attempts.
struct Wait(Duration);

impl From<Duration> for Wait {
    fn from(first: Duration) -> Self {
        Self(first)
    }
}

impl Wait {
    /// Waits, longer each time; `None` when told to stop meanwhile.
    async fn after(
        &mut self,
        error: &StoreError,
        messages: usize,
        shutdown: &mut watch::Receiver<bool>,
    ) -> Option<()> {
        tracing::warn!(%error, messages, "a batch could not be kept yet");
        metrics::counter!("clearbay_ingest_retries_total").increment(1);
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return None,
            () = tokio::time::sleep(self.0) => {}
        }
        self.0 = (self.0 * 2).min(RETRY_MAX);
        Some(())
    }
}
