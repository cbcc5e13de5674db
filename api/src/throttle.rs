//! Guessing passwords is made slow. A login that failed often from one address waits there, and nowhere else: whoever
//! knows a login makes its owner wait only where they share an address. From all addresses together there are fewer
//! than a hundred attempts an hour (OWASP ASVS 4.0.3, 2.2.1), but from one where the login has come in of late.
//!
//! Counted in the database: by all processes of a city together, whether or not there is such a login, for a
//! difference would tell which there are.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::attempt::Rate;
use store::attempt::SignInAttempt;

use crate::client::Client;
use crate::{ApiError, App};

/// How often a login may be tried from everywhere together: more than one address can, which is about seventy times an
/// hour, and a hundred times in any hour at most.
const OF_LOGIN: Rate = Rate {
    every: TimeDelta::seconds(45),
    at_once: 20,
};

/// An attempt that is under way.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    app: &'a App,
    about: SignInAttempt,
}

/// Counts an attempt as failed, until it is told to have gone well.
///
/// # Errors
/// [`ApiError::TooOften`], and then it does not count; where the database fails.
pub(crate) async fn attempt<'a>(
    app: &'a App,
    login: &str,
    client: Client,
    now: Timestamp,
) -> Result<Attempt<'a>, ApiError> {
    let from = client.turns_of().map(|address| address.to_string());
    let from = from.unwrap_or_default();
    let keyed = |from: &str| {
        // Nothing that is typed makes two of these alike.
        let length = login.len().to_be_bytes();
        let parts: [&[u8]; 4] = [
            b"sign-in attempt ",
            &length,
            login.as_bytes(),
            from.as_bytes(),
        ];
        app.secrets.mac(&parts)
    };
    let about = SignInAttempt {
        login: keyed("everywhere"),
        here: keyed(&from),
    };
    let counted = app.store.sign_in_attempt(about, OF_LOGIN, now).await?;
    counted.map_err(too_often)?;
    Ok(Attempt { app, about })
}

impl Attempt<'_> {
    /// Makes an end of waiting, and remembers where it went well.
    pub(crate) async fn went_well(self, now: Timestamp) {
        if let Err(error) = self.app.store.sign_in_went_well(self.about, now).await {
            tracing::warn!(%error, "that a sign-in went well was not counted");
        }
    }

    /// Takes it back: our own trouble is nobody's failure.
    pub(crate) async fn withdrawn(self) {
        if let Err(error) = self.app.store.sign_in_withdrawn(self.about).await {
            tracing::warn!(%error, "a sign-in that we failed at was not taken back");
        }
    }
}

/// Counts something that one address may do at a rate, where an address is known.
///
/// # Errors
/// [`ApiError::TooOften`], and then it does not count; where the database fails.
pub(crate) async fn of_address(
    app: &App,
    what: &str,
    client: Client,
    rate: Rate,
    now: Timestamp,
) -> Result<(), ApiError> {
    let Some(from) = client.turns_of() else {
        return Ok(());
    };
    let parts = [what.as_bytes(), b" of ", from.to_string().as_bytes()].concat();
    let about = app.secrets.mac(&[&parts]);
    app.store
        .attempt(&about, rate, now)
        .await?
        .map_err(too_often)
}

fn too_often(wait: TimeDelta) -> ApiError {
    ApiError::TooOften {
        wait_s: wait.num_seconds() + 1,
    }
}
