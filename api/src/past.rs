//! Where reports and open data read the past: a replica, where one is named and keeps up, so that no citizen's
//! report takes time from drivers who pay; else the database itself.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use chrono::TimeDelta;
use domain::Timestamp;
use store::Store;
use tokio::sync::watch;

/// A replica that is further behind is not read.
const BEHIND_MAX: TimeDelta = TimeDelta::seconds(60);
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where to read the past. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Past {
    primary: Store,
    replica: Option<Replica>,
}

#[derive(Clone, Debug)]
struct Replica {
    store: Store,
    /// Until when it is complete, where it can be read at all.
    until: Arc<RwLock<Option<Timestamp>>>,
}

impl Past {
    /// The database itself.
    pub fn of(primary: Store) -> Self {
        Self {
            primary,
            replica: None,
        }
    }

    /// A replica, once [`Past::follow`] has found that it keeps up.
    #[must_use]
    pub fn with_replica(mut self, store: Store) -> Self {
        self.replica = Some(Replica {
            store,
            until: Arc::default(),
        });
        self
    }

    /// Where to read, and until when what is read there is complete.
    pub fn read(&self, now: Timestamp) -> (&Store, Timestamp) {
        match self
            .replica
            .as_ref()
            .map(|replica| (replica, replica.until()))
        {
            Some((replica, Some(until))) if now - until <= BEHIND_MAX => {
                (&replica.store, until.min(now))
            }
            _ => (&self.primary, now),
        }
    }

    /// The first of the same.
    pub fn store(&self, now: Timestamp) -> &Store {
        self.read(now).0
    }

    /// Looks how far behind the replica is, until told to stop.
    pub async fn follow(self, now: fn() -> Timestamp, mut shutdown: watch::Receiver<bool>) {
        let Some(replica) = self.replica else { return };
        let mut was_read = None;
        loop {
            let asking = replica.store.complete_until();
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
            replica.set(until);
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        replica.store.close().await;
    }
}

impl Replica {
    fn until(&self) -> Option<Timestamp> {
        *self
            .until
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self, until: Option<Timestamp>) {
        *self
            .until
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = until;
    }
}
