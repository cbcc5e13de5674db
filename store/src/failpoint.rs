//! Moments at which a test lets this process die, to prove that nothing is lost or done twice.
//!
//! Each step of paying has two: before and after its commit, `settle.before_commit` and
//! `settle.after_commit`. One of them is armed at the start of a process and reached once, for
//! nothing runs after it. Built for speed there are none: [`commit`] is a commit.

use sqlx::{Postgres, Transaction};

/// A step of paying that commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A session is written.
    Open,
    /// A payment is asked for.
    Request,
    /// A gateway's notices are taken.
    Settle,
    /// A session ends early; what goes back of its money is promised.
    Stop,
    /// A refund ends: it went back, or people are asked to give it back.
    Refund,
    /// Money for a wallet is announced.
    TopUp,
    /// A pass is written.
    Pass,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Open,
        Self::Request,
        Self::Settle,
        Self::Stop,
        Self::Refund,
        Self::TopUp,
        Self::Pass,
    ];

    /// Its name, with which those of its points begin.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Request => "request",
            Self::Settle => "settle",
            Self::Stop => "stop",
            Self::Refund => "refund",
            Self::TopUp => "top_up",
            Self::Pass => "pass",
        }
    }
}

/// Commits a step, if this process is to live that long.
pub(crate) async fn commit(tx: Transaction<'_, Postgres>, step: Step) -> Result<(), sqlx::Error> {
    reach(step, "before_commit");
    tx.commit().await?;
    reach(step, "after_commit");
    Ok(())
}

#[cfg(debug_assertions)]
static ARMED: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// Lets this process die at that point, as `stop.after_commit`. The first word stands.
#[cfg(debug_assertions)]
pub fn arm(point: String) {
    ARMED.get_or_init(|| point);
}

#[cfg(debug_assertions)]
fn reach(step: Step, side: &str) {
    let armed = ARMED.get().and_then(|armed| armed.split_once('.'));
    if armed == Some((step.name(), side)) {
        // Nothing is unwound or finished: as if the power had gone.
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
#[inline(always)]
fn reach(_: Step, _: &str) {}
