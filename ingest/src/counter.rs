//! The counters of devices that sign: each belongs to one message.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use domain::event::Event;
use domain::signing::COUNTERS_KEPT;
use store::{Store, StoreError};

use crate::batch::Directory;
use crate::{Reason, Refusal};

/// How much longer counters are kept than a message may lie back: one may wait here for as long
/// before it is looked at.
const MARGIN: TimeDelta = TimeDelta::days(10);
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// Notes the counters of the signed events of a batch. Tells the positions of those whose counter
/// belongs to another message, the last one first.
///
/// # Errors
/// Database errors; then none is noted.
pub(crate) async fn replayed(
    store: &Store,
    directory: &Directory,
    events: &[(i32, Event)],
) -> Result<Vec<usize>, StoreError> {
    let signs = |event: &Event| {
        let device = directory.get(&event.device);
        device.is_some_and(|device| device.signing.is_some())
    };
    let (positions, signed): (Vec<usize>, Vec<&(i32, Event)>) = events
        .iter()
        .enumerate()
        .filter(|(_, (_, event))| signs(event))
        .unzip();
    if signed.is_empty() {
        return Ok(Vec::new());
    }
    let replayed = store.counters_claim(&signed).await?;
    Ok(replayed.into_iter().rev().map(|at| positions[at]).collect())
}

/// Why such an event is refused.
pub(crate) fn refusal(seq: i64) -> Refusal {
    Refusal::new(
        Reason::Replayed,
        format!("counter {seq} belongs to another message"),
    )
}

/// When counters were last forgotten that are no longer needed.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    last: Option<Instant>,
}

impl Upkeep {
    /// Forgets them, where that was long ago.
    ///
    /// # Errors
    /// Database errors.
    pub(crate) async fn forget(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.last.is_some_and(|last| last.elapsed() < FORGET_EVERY) {
            return Ok(());
        }
        let before = Utc::now() - COUNTERS_KEPT - MARGIN;
        if store.counters_forget(before).await? {
            self.last = Some(Instant::now());
        }
        Ok(())
    }
}
