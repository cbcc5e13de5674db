//! Whether this process can do its work.

use std::str::FromStr;
use std::time::Duration;

use store::StoreError;

use crate::{ApiError, App};

/// How long a check may take that does not count: a proxy that asks once a second hears the rest in time.
const BRIEFLY: Duration = Duration::from_millis(300);

/// What this process needs of other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The database answers.
    Database,
    /// The broker's deltas arrive.
    Broker,
    /// This process's clock is that of the database, by which money counts for one day and not for another.
    Clock,
}

impl Check {
    const ALL: [Self; 3] = [Self::Database, Self::Broker, Self::Clock];

    /// The name by which whoever asks leaves it out.
    const fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Broker => "broker",
            Self::Clock => "clock",
        }
    }

    /// What is said where it fails.
    const fn missing(self) -> &'static str {
        match self {
            Self::Database => "the database is not available",
            Self::Broker => "the message broker is not available",
            Self::Clock => "this process's clock is not the database's",
        }
    }

    async fn passes(self, app: &App) -> bool {
        match self {
            Self::Database => {
                let answered = app.store.ping().await;
                answered
                    .inspect_err(|error| tracing::warn!(%error, "not ready"))
                    .is_ok()
            }
            Self::Broker => app.live.connected(),
            // Of a database that is away, or slow, nobody knows what time it is: that is told by the check of its own.
            Self::Clock => {
                let checked = tokio::time::timeout(BRIEFLY, app.store.clock_check(App::now));
                match checked.await {
                    Ok(Err(error @ StoreError::WrongClock { .. })) => {
                        tracing::error!(%error, "not ready");
                        false
                    }
                    _ => true,
                }
            }
        }
    }
}

/// There is no check of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no such check")]
pub struct UnknownCheck;

impl FromStr for Check {
    type Err = UnknownCheck;

    fn from_str(name: &str) -> Result<Self, UnknownCheck> {
        let mut all = Self::ALL.into_iter();
        all.find(|check| check.name() == name).ok_or(UnknownCheck)
    }
}

/// Whether all that this process needs is there.
///
/// # Errors
/// [`ApiError::Unavailable`] with what is missing.
pub async fn ready(app: &App) -> Result<(), ApiError> {
    ready_but_for(app, &[]).await.map(drop)
}

/// The same where some may be missing: what of these is.
///
/// # Errors
/// [`ApiError::Unavailable`] with what else is missing.
pub async fn ready_but_for(app: &App, excluded: &[Check]) -> Result<Vec<&'static str>, ApiError> {
    let mut missing = Vec::new();
    for check in Check::ALL {
        if excluded.contains(&check) {
            let passes = tokio::time::timeout(BRIEFLY, check.passes(app)).await;
            if !passes.unwrap_or(false) {
                missing.push(check.missing());
            }
        } else if !check.passes(app).await {
            return Err(ApiError::Unavailable(check.missing()));
        }
    }
    Ok(missing)
}
