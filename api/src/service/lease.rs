//! Which of a city's processes does the work that is done once for all of them.
//!
//! Paying, sessions and pages need none of this: any process does them. What must not be done twice and
//! takes no lock of its own waits for its turn here. A turn may end in the middle of the work, and a clock that jumps
//! gives it to two for a moment: so each piece of it is a transaction that finds nothing to do the second time.

use std::time::Duration;

use store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::App;

/// So often the lease is renewed, or asked for.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// For so long it holds: after a process that was killed, the others wait that long at most.
const LENGTH: Duration = Duration::from_secs(10);

/// Whether it is this process's turn.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Until when it is, unless the lease is renewed.
    until: watch::Receiver<Option<Instant>>,
    /// Whether it was when [`Turn::begins`] looked last.
    was_ours: bool,
}

impl Turn {
    /// Whether it is now. A process that stood still for long finds by itself that its turn is over.
    pub fn is_ours(&self) -> bool {
        let until = *self.until.borrow();
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Returns when it becomes ours; is safe to cancel.
    pub async fn begins(&mut self) {
        loop {
            let is_ours = self.until.borrow_and_update().is_some();
            if is_ours && !std::mem::replace(&mut self.was_ours, is_ours) {
                return;
            }
            self.was_ours = is_ours;
            if self.until.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// Keeps asking for a lease until told to stop, then gives it up.
pub fn keep(
    store: Store,
    name: &'static str,
    mut shutdown: watch::Receiver<bool>,
) -> (Turn, JoinHandle<()>) {
    let (told, until) = watch::channel(None);
    let task = tokio::spawn(async move {
        let holder = Uuid::new_v4();
        let mut held_until: Option<Instant> = None;
        let mut ticks = tokio::time::interval(RENEW_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => break,
                _ = ticks.tick() => {}
            }
            // From before it is asked for, so that our view of it ends before the database's.
            let asked = Instant::now();
            // An answer that comes too late is none.
            let asking = tokio::time::timeout(RENEW_EVERY, hold(&store, name, holder));
            match asking.await {
                Ok(Ok(held)) => held_until = held.then(|| asked + LENGTH - RENEW_EVERY),
                Ok(Err(error)) => {
                    if matches!(error, StoreError::WrongClock { .. }) {
                        held_until = None;
                    }
                    tracing::warn!(%error, name, "a lease could not be asked for");
                }
                Err(_) => tracing::warn!(name, "a lease was not answered in time"),
            }
            let now = Instant::now();
            let ours = held_until.filter(|until| now < *until);
            if told.send_replace(ours).is_some() != ours.is_some() {
                let ours = ours.is_some();
                tracing::info!(name, ours, "the work for all processes");
            }
        }
        told.send_replace(None);
        if held_until.is_some()
            && let Err(error) = store.lease_release(name, holder).await
        {
            tracing::debug!(%error, name, "a lease could not be given up; it ends by itself");
        }
    });
    let turn = Turn {
        until,
        was_ours: false,
    };
    (turn, task)
}

/// Asks for the lease. Whose clock is wrong would end sessions that run, or publish days that are not over: they do
/// without, and let another have it.
async fn hold(store: &Store, name: &str, holder: Uuid) -> Result<bool, StoreError> {
    let checked = store.clock_check(App::now).await;
    if let Err(StoreError::WrongClock { .. }) = &checked {
        store.lease_release(name, holder).await?;
    }
    checked?;
    store.lease_hold(name, holder, LENGTH).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_over_though_nobody_says_so() {
        let now = Instant::now();
        let (told, until) = watch::channel(Some(now + LENGTH));
        let turn = Turn {
            until,
            was_ours: false,
        };
        assert!(turn.is_ours());
        // As for a process that did not run for a while: the lease was another's since.
        told.send_replace(Some(now));
        assert!(!turn.is_ours());
    }
}
