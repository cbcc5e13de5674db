//! What is done from time to time: counters are forgotten that no message may use again, and events that
//! are older than the operator wants to keep them; older ones are compressed.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use domain::signing::COUNTERS_KEPT;
use store::retention::Compressed;
use store::{Store, StoreError};

use crate::Options;

/// How much longer counters are kept than a message may lie back: one may wait here for as long
/// before it is looked at.
const MARGIN: TimeDelta = TimeDelta::days(10);
const EVERY: Duration = Duration::from_secs(3_600);

/// When that was done last.
#[derive(Debug)]
pub(crate) struct Upkeep {
    keep_events: Option<TimeDelta>,
    compress_events: Option<TimeDelta>,
    last: Option<Instant>,
}

impl Upkeep {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            keep_events: options.keep_events,
            compress_events: options.compress_events,
            last: None,
        }
    }

    /// Does what is due, where the last time is long ago.
    ///
    /// # Errors
    /// Database errors.
    pub(crate) async fn run(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return Ok(());
        }
        let now = Utc::now();
        let mut all = store.counters_forget(now - COUNTERS_KEPT - MARGIN).await?;
        if let Some(keep) = self.keep_events {
            all &= store.events_forget(now - keep).await?;
        }
        if let Some(after) = self.compress_events {
            match store.events_compress(now - after).await? {
                Compressed::One => all = false,
                Compressed::All => {}
                Compressed::Impossible => {
                    tracing::warn!("this database cannot compress events");
                    self.compress_events = None;
                }
            }
        }
        if all {
            self.last = Some(Instant::now());
        }
        Ok(())
    }
}
