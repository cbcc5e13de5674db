//! Which of a city's processes does the work that is done once for all of them.
//!
//! Paying, sessions and pages need none of this: any process does them. What must not be done twice and
//! takes no lock of its own waits for its turn here.

use std::time::{Duration, Instant};

use store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// So often the lease is renewed, or asked for.
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// For so long it holds: after a process that was killed, the others wait that long at most.
const LENGTH: Duration = Duration::from_secs(10);

/// Whether it is this process's turn.
#[derive(Clone, Debug)]
pub struct Turn(watch::Receiver<bool>);

impl Turn {
    /// Whether it is now.
    pub fn is_ours(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it becomes ours; is safe to cancel.
    pub async fn begins(&mut self) {
        while self.0.changed().await.is_ok() {
            if *self.0.borrow_and_update() {
                return;
            }
        }
        std::future::pending().await
    }
}

/// Keeps asking for a lease until told to stop, then gives it up.
pub fn keep(
    store: Store,
    name: &'static str,
    mut shutdown: watch::Receiver<bool>,
) -> (Turn, JoinHandle<()>) {
    let (told, turn) = watch::channel(false);
    let task = tokio::spawn(async move {
        let holder = Uuid::new_v4();
        // From before it was asked for, so that our view of it ends before the database's.
        let mut held_from: Option<Instant> = None;
        let mut ticks = tokio::time::interval(RENEW_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => break,
                _ = ticks.tick() => {}
            }
            let asked = Instant::now();
            // An answer that comes too late is none.
            let asking = tokio::time::timeout(RENEW_EVERY, store.lease_hold(name, holder, LENGTH));
            match asking.await {
                Ok(Ok(held)) => held_from = held.then_some(asked),
                Ok(Err(error)) => tracing::warn!(%error, name, "a lease could not be asked for"),
                Err(_) => tracing::warn!(name, "a lease was not answered in time"),
            }
            let ours = held_from.is_some_and(|from| from.elapsed() < LENGTH - RENEW_EVERY);
            if told.send_if_modified(|told| std::mem::replace(told, ours) != ours) {
                tracing::info!(name, ours, "the work for all processes");
            }
        }
        told.send_replace(false);
        if held_from.is_some()
            && let Err(error) = store.lease_release(name, holder).await
        {
            tracing::debug!(%error, name, "a lease could not be given up; it ends by itself");
        }
    });
    (Turn(turn), task)
}
