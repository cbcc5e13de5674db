//! Costly answers, kept for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use domain::Timestamp;
use domain::map::MapFeature;
use domain::offer::LotOffer;
use store::report::{LotWeek, SensedPaid};
use tracing::Instrument;

use crate::ApiError;
use crate::limit::Limits;
use crate::places::Turns;
use crate::service::collection::Collected;
use crate::service::forecast::{LEARNT_FOR, Learnt};
use crate::service::report::Range;
use crate::service::{in_time, map, offer};

/// How long a report that sums over a whole range may be given again.
const REPORT_FOR: TimeDelta = TimeDelta::seconds(30);
/// How many ranges of a report are remembered.
const RANGES: usize = 64;
/// Of how many lots is remembered what their past has taught: some hundred kilobytes each.
const LOTS: usize = 1_000;

/// Whether that was less than `length` ago. What was noted in the future was so by a clock that ran ahead.
pub(crate) fn is_within(length: TimeDelta, at: Timestamp, now: Timestamp) -> bool {
    let age = now - at;
    TimeDelta::zero() <= age && age < length
}

/// All that is remembered.
#[derive(Debug)]
pub struct Answers {
    /// How full lots were by the hour of the week.
    pub weeks: Remembered<Range, Arc<Vec<LotWeek>>>,
    /// What was collected against what sensors saw.
    pub collected: Remembered<Range, Arc<Collected>>,
    /// Sensed against paid parking.
    pub parking: Remembered<Range, Vec<SensedPaid>>,
    /// What lots offer, by their city's code.
    pub offers: Remembered<String, Arc<Vec<LotOffer>>>,
    /// What cities' maps show, by their codes.
    pub maps: Remembered<String, Arc<Vec<MapFeature>>>,
    /// What lots' pasts have taught, by their codes.
    pub forecasters: Remembered<String, Learnt>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            weeks: Remembered::new(REPORT_FOR, RANGES),
            collected: Remembered::new(REPORT_FOR, RANGES),
            parking: Remembered::new(REPORT_FOR, RANGES),
            offers: Remembered::new(offer::FRESH_FOR, RANGES),
            maps: Remembered::new(map::FRESH_FOR, RANGES),
            forecasters: Remembered::new(LEARNT_FOR, LOTS),
        }
    }
}

/// Answers that cost more than a glance, by what they are about. Whoever asks for one that is being
/// computed waits for it, so that a thousand readers cost as much as one; others do not wait.
#[derive(Debug)]
pub struct Remembered<K, T> {
    fresh_for: TimeDelta,
    at_most: usize,
    answers: Mutex<HashMap<K, Slot<T>>>,
}

/// One answer, and when it was computed. Its lock is held while it is computed.
type Slot<T> = Arc<tokio::sync::Mutex<Option<(Timestamp, T)>>>;

impl<K: Clone + Eq + Hash, T: Clone + Send + 'static> Remembered<K, T> {
    /// Nothing is remembered yet. An answer may be given again for `fresh_for`, and `at_most` so many
    /// are remembered.
    pub fn new(fresh_for: TimeDelta, at_most: usize) -> Self {
        Self {
            fresh_for,
            at_most,
            answers: Mutex::default(),
        }
    }

    fn slot(&self, about: K) -> Slot<T> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= self.at_most && !answers.contains_key(&about) {
            // What is being computed, or waited for, stays.
            answers.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        answers.entry(about).or_default().clone()
    }

    /// Whether what was computed then may be told again.
    fn is_fresh(&self, computed_at: Timestamp, now: Timestamp) -> bool {
        is_within(self.fresh_for, computed_at, now)
    }

    /// The answer that is remembered; `None` where there is none that may be given again, or one is
    /// being computed.
    pub fn remembered(&self, about: K, now: Timestamp) -> Option<T> {
        let slot = self.slot(about);
        let known = slot.try_lock().ok()?;
        let (computed_at, answer) = known.as_ref()?;
        self.is_fresh(*computed_at, now).then(|| answer.clone())
    }

    /// The answer that is remembered, or else what `compute` gives, in its turn among others.
    ///
    /// # Errors
    /// Those of `compute`, and where too many wait for their turn.
    pub async fn get(
        &self,
        limits: &Limits,
        about: K,
        now: Timestamp,
        compute: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.get_in_turn(&limits.reports, about, now, compute).await
    }

    /// The same among others than the city's reports.
    ///
    /// # Errors
    /// Those of `compute`, and where too many wait for their turn.
    pub async fn get_in_turn(
        &self,
        turns: &Turns,
        about: K,
        now: Timestamp,
        compute: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let mut known = self.slot(about).lock_owned().await;
        if let Some((computed_at, answer)) = &*known
            && self.is_fresh(*computed_at, now)
        {
            return Ok(answer.clone());
        }
        let permit = turns.take().await?;
        // What was begun is finished for the next reader, though this one may be gone by then.
        let computing = async move {
            let _permit = permit;
            let answer = in_time(compute).await?;
            *known = Some((now, answer.clone()));
            Ok(answer)
        };
        let computing = tokio::spawn(store::request::carry(computing).in_current_span());
        computing.await.map_err(|_| ApiError::Internal)?
    }
}
