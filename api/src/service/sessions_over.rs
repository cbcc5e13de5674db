//! Sessions that are over without their drivers' word, and what two of them paid for the same time.

use std::time::Duration;

use domain::Timestamp;
use domain::id::SessionId;
use domain::money::Vnd;
use domain::session::{GONE_AFTER, StoppedBy};
use tokio::sync::watch;

use super::change::{paid_of, refund_if_stopped, stop};
use super::in_time;
use super::lease::Turn;
use crate::{ApiError, App};

/// How often they are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How many of each kind are ended in one round.
const AT_ONCE: i64 = 200;

/// Ends sessions whose vehicle the sensor saw leave, and metered ones whose longest time is over, and gives back what
/// was paid twice for those that have ended, until told to stop.
pub async fn watch(app: App, turn: Turn, mut shutdown: watch::Receiver<bool>) {
    let mut rounds = Rounds::default();
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if !turn.is_ours() {
            continue;
        }
        if let Err(error) = in_time(rounds.next(&app, App::now())).await {
            tracing::warn!(%error, "sessions that are over cannot be ended");
        }
    }
}

/// Where the last round came to. Not every session that is looked at ends: of some nothing goes back yet, and some
/// cannot be ended. However many those are, the others have their turn.
#[derive(Default)]
struct Rounds {
    /// Who had left by then was looked at, as soon as they had.
    left: Option<(SessionId, Timestamp)>,
    /// Those are looked at again: they may have paid more, or their sensor told late when they left.
    left_again: Option<(SessionId, Timestamp)>,
    run_out: Option<SessionId>,
    double: Option<SessionId>,
}

impl Rounds {
    /// One round. A session that cannot be ended does not keep the others from it.
    async fn next(&mut self, app: &App, now: Timestamp) -> Result<(), ApiError> {
        let (store, gone) = (&app.store, now - GONE_AFTER);
        let again = store.sessions_left(gone, now, self.left_again, AT_ONCE);
        let again = again.await?;
        self.left_again = next_of(&again);
        stop_left(app, again, now).await;
        loop {
            let new = store.sessions_left(gone, now, self.left, AT_ONCE).await?;
            let is_last = next_of(&new).is_none();
            self.left = new.last().copied().or(self.left);
            stop_left(app, new, now).await;
            if is_last {
                break;
            }
        }
        let run_out = store.sessions_run_out(now, self.run_out, AT_ONCE).await?;
        self.run_out = next_of(&run_out);
        for id in run_out {
            if let Err(error) = stop_run_out(app, id, now).await {
                tracing::warn!(%error, session = %id, "a session that has run out cannot be ended");
            }
        }
        let doubles = store.sessions_double(now, self.double, AT_ONCE).await?;
        self.double = next_of(&doubles);
        for id in doubles {
            if let Err(error) = store.session_double_give_back(id, now).await {
                tracing::warn!(%error, session = %id, "what was paid twice cannot be given back");
            }
        }
        Ok(())
    }
}

/// After which one the next round begins; from the first, where these were the last.
fn next_of<T: Copy>(looked_at: &[T]) -> Option<T> {
    let is_full = i64::try_from(looked_at.len()).is_ok_and(|count| count >= AT_ONCE);
    looked_at.last().copied().filter(|_| is_full)
}

async fn stop_run_out(app: &App, id: SessionId, now: Timestamp) -> Result<(), ApiError> {
    let session = app.store.session(id).await?;
    let (at, by) = (session.ends_at, (StoppedBy::Driver, "system"));
    stop(app, &session, at, by, now).await?;
    Ok(())
}

async fn stop_left(app: &App, left: Vec<(SessionId, Timestamp)>, now: Timestamp) {
    for (id, at) in left {
        if let Err(error) = stop_one_left(app, id, at, now).await {
            tracing::warn!(%error, session = %id, "a session whose vehicle left cannot be ended");
        }
    }
}

/// Ends a session whose vehicle left at `at`. Time that would not be given back stays the driver's:
/// they may come back.
async fn stop_one_left(
    app: &App,
    id: SessionId,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), ApiError> {
    let session = app.store.session(id).await?;
    let bay = app.store.bay_place(&session.bay_code).await?;
    let paid = paid_of(app, &session).await?;
    if session.metered || refund_if_stopped(&bay, &session, paid, at)? > Vnd::ZERO {
        stop(app, &session, at, (StoppedBy::Sensor, "system"), now).await?;
    }
    Ok(())
}
