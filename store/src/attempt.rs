//! Attempts at what may not be tried often, by all processes together.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::attempt::{FORGET_AFTER, Failures, Rate};
use sqlx::PgConnection;

use crate::clock::CLOCKS_APART;
use crate::{Store, StoreError};

/// For how long it is known that somebody came in from somewhere.
const KNOWN_FOR: TimeDelta = TimeDelta::days(30);
/// Two processes' attempts at once are no further apart by their clocks.
const AT_ONCE: TimeDelta = CLOCKS_APART;
/// How many rows that nobody needs any more go with one attempt: more than one adds.
const FORGET_MAX: i64 = 10;

/// Who tries to come in, by keyed hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInAttempt {
    /// The login alone.
    pub login: [u8; 32],
    /// The login from this address.
    pub here: [u8; 32],
}

/// What is kept of attempts at one thing.
#[derive(sqlx::FromRow)]
struct Kept {
    failures: i32,
    failed_at: Option<Timestamp>,
    used_until: Option<Timestamp>,
    went_well_at: Option<Timestamp>,
}

impl Kept {
    /// Those of which the last was at `last`.
    fn failures(&self, last: Option<Timestamp>) -> Option<Failures> {
        Some(Failures {
            count: self.failures.unsigned_abs(),
            last: last?,
        })
    }
}

impl Store {
    /// Counts an attempt to come in as failed, until [`Store::sign_in_went_well`] is told otherwise; or how long to
    /// wait, where it does not count: after some failures of this login from here, or after more than `of_login`
    /// allows from everywhere together. That holds nobody up who has come in from here of late.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sign_in_attempt(
        &self,
        about: SignInAttempt,
        of_login: Rate,
        now: Timestamp,
    ) -> Result<Result<(), TimeDelta>, StoreError> {
        let mut tx = self.begin().await?;
        // Locked first, so that all attempts at a login come one after the other.
        let login = kept(&mut tx, &about.login, now).await?;
        let here = kept(&mut tx, &about.here, now).await?;
        // Of several at once, who came first may be counted last: that is no wait. What lies further ahead was noted by a
        // clock that ran ahead, and is taken for now.
        let last = here.failed_at;
        let last = last.map(|last| if last > now + AT_ONCE { now } else { last });
        let now = last.map_or(now, |last| last.max(now));
        // What is not committed leaves no trace.
        let failures = match Failures::and_another(here.failures(last), now) {
            Ok(failures) => failures,
            Err(wait) => return Ok(Err(wait)),
        };
        let is_known = here.went_well_at.is_some_and(|at| now - at < KNOWN_FOR);
        if !is_known {
            match of_login.and_another(login.used_until, now) {
                Ok(until) => used(&mut tx, &about.login, until).await?,
                Err(wait) => return Ok(Err(wait)),
            }
        }
        sqlx::query(
            "UPDATE attempt SET failures = $2, failed_at = $3, forget_at = greatest(forget_at, $4)
             WHERE about = $1",
        )
        .bind(&about.here[..])
        .bind(i32::try_from(failures.count).unwrap_or(i32::MAX))
        .bind(failures.last)
        .bind(now + FORGET_AFTER)
        .execute(&mut *tx)
        .await?;
        forget(&mut tx, now).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Makes an end of waiting for who has come in, and remembers from where.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sign_in_went_well(
        &self,
        about: SignInAttempt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE attempt SET failures = 0, failed_at = NULL, went_well_at = $2, forget_at = $3
             WHERE about = $1",
        )
        .bind(&about.here[..])
        .bind(now)
        .bind(now + KNOWN_FOR)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes an attempt back that was our own trouble.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sign_in_withdrawn(&self, about: SignInAttempt) -> Result<(), StoreError> {
        sqlx::query("UPDATE attempt SET failures = greatest(failures - 1, 0) WHERE about = $1")
            .bind(&about.here[..])
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Counts something that may be done at a rate; or how long to wait, where it does not count.
    ///
    /// # Errors
    /// Database errors.
    pub async fn attempt(
        &self,
        about: &[u8; 32],
        rate: Rate,
        now: Timestamp,
    ) -> Result<Result<(), TimeDelta>, StoreError> {
        let mut tx = self.begin().await?;
        let before = kept(&mut tx, about, now).await?;
        match rate.and_another(before.used_until, now) {
            Ok(until) => used(&mut tx, about, until).await?,
            Err(wait) => return Ok(Err(wait)),
        }
        forget(&mut tx, now).await?;
        tx.commit().await?;
        Ok(Ok(()))
    }
}

/// What is known of attempts at that, locked.
async fn kept(
    connection: &mut PgConnection,
    about: &[u8; 32],
    now: Timestamp,
) -> Result<Kept, StoreError> {
    let kept = sqlx::query_as(
        "INSERT INTO attempt AS known (about, forget_at) VALUES ($1, $2)
         ON CONFLICT (about) DO UPDATE SET forget_at = known.forget_at
         RETURNING failures, failed_at, used_until, went_well_at",
    )
    .bind(&about[..])
    .bind(now)
    .fetch_one(connection)
    .await?;
    Ok(kept)
}

async fn used(
    connection: &mut PgConnection,
    about: &[u8; 32],
    until: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE attempt SET used_until = $2, forget_at = greatest(forget_at, $2) WHERE about = $1",
    )
    .bind(&about[..])
    .bind(until)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes what says nothing any more; whoever waits is in none of it. Others may be at it.
async fn forget(connection: &mut PgConnection, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM attempt WHERE about IN (
            SELECT about FROM attempt WHERE forget_at < $1
            ORDER BY forget_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(now)
    .bind(FORGET_MAX)
    .execute(connection)
    .await?;
    Ok(())
}
