//! Where reports and open data read the past: a replica, where one is named and keeps up, so that no citizen's
//! report takes time from drivers who pay; else the database itself.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::Timestamp;
use store::Store;
use tokio::sync::watch;

use crate::ApiError;

/// A replica that is further behind is not read.
const BEHIND_MAX: TimeDelta = TimeDelta::seconds(60);
/// How often it is asked how far it is. What it does not answer in that time it does not answer at all: whoever waits
/// for it then reads the database itself.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The longest that a question to a replica may take which answers that: it may wait for a lock there.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Where to read the past. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Past {
    primary: Store,
    replica: Option<Replica>,
}

#[derive(Clone, Debug)]
struct Replica {
    store: Store,
    /// By which it is asked how far it is: no report is in the way.
    look: Store,
    /// Until when it is complete, while it can be read at all.
    until: Arc<watch::Sender<Option<Timestamp>>>,
}

impl Past {
    /// The database itself.
    pub fn of(primary: Store) -> Self {
        Self {
            primary,
            replica: None,
        }
    }

    /// A replica, once [`Past::follow`] has found that it keeps up, which asks by a connection of its own: `look`.
    #[must_use]
    pub fn with_replica(mut self, store: Store, look: Store) -> Self {
        self.replica = Some(Replica {
            store,
            look,
            until: Arc::new(watch::Sender::new(None)),
        });
        self
    }

    /// Asks where the past is read, with until when what is read there is complete. Where that is a replica, and it
    /// fails or answers nothing any more, the same is asked of the database itself: `question` only reads.
    ///
    /// # Errors
    /// Those of `question`, by the database itself.
    pub async fn ask<T, Asking>(
        &self,
        now: Timestamp,
        question: impl Fn(Store, Timestamp) -> Asking,
    ) -> Result<T, ApiError>
    where
        Asking: Future<Output = Result<T, ApiError>>,
    {
        let replica = self.replica.as_ref();
        if let Some((replica, until)) = replica.and_then(|it| Some((it, it.keeps_up(now)?))) {
            let answer = tokio::select! {
                answer = question(replica.store.clone(), until.min(now)) => answer,
                () = replica.is_lost() => Err(AWAY),
                () = tokio::time::sleep(ANSWER_WITHIN) => Err(AWAY),
            };
            match answer {
                Err(ApiError::Unavailable(_) | ApiError::Internal) => {
                    metrics::counter!("clearbay_replica_failures_total").increment(1);
                }
                other => return other,
            }
        }
        question(self.primary.clone(), now).await
    }

    /// Looks how far behind the replica is, until told to stop.
    pub async fn follow(self, now: fn() -> Timestamp, mut shutdown: watch::Receiver<bool>) {
        let Some(replica) = self.replica else { return };
        let mut was_read = None;
        loop {
            let asking = replica.look.complete_until();
            let until = match tokio::time::timeout(LOOK_EVERY, asking).await {
                Ok(Ok(until)) => Some(until),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the replica cannot be read");
                    None
                }
                Err(_) => None,
            };
            let behind = until.map(|until| (now() - until).max(TimeDelta::zero()));
            let is_read = behind.is_some_and(|behind| behind <= BEHIND_MAX);
            if let Some(behind) = behind {
                metrics::gauge!("clearbay_replica_behind_seconds").set(behind.as_seconds_f64());
            }
            metrics::gauge!("clearbay_replica_is_read").set(f64::from(u8::from(is_read)));
            if was_read.replace(is_read) != Some(is_read) {
                match is_read {
                    true => tracing::info!("reports are read from the replica"),
                    false => tracing::warn!(
                        ?behind,
                        "the replica is away or too far behind: reports are read from the database itself"
                    ),
                }
            }
            replica.until.send_replace(until);
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        replica.look.close().await;
        replica.store.close().await;
    }
}

/// What a replica says that does not answer; its asker never hears it.
const AWAY: ApiError = ApiError::Unavailable("the replica does not answer");

impl Replica {
    /// Until when it is complete, where that is not too long ago.
    fn keeps_up(&self, now: Timestamp) -> Option<Timestamp> {
        let until = *self.until.borrow();
        until.filter(|until| now - *until <= BEHIND_MAX)
    }

    /// Returns once it does not answer any more.
    async fn is_lost(&self) {
        let mut until = self.until.subscribe();
        // Its sender lives with us.
        let _ = until.wait_for(Option::is_none).await;
    }
}
