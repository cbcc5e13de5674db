//! Whether a process's clock agrees with the database's, the one that all processes share.

use chrono::TimeDelta;
use domain::Timestamp;

use crate::{Store, StoreError};

/// How far a process's clock may be from the database's: far more than clocks that are set by NTP differ, and less than
/// what is decided by it bears (the grace of five minutes, the lead of a sensor's clock).
pub const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(2);

/// How far two processes' clocks may be apart, each of which may be by so much from the database's. What was noted further
/// ahead than that was so by a clock that was wrong.
pub(crate) const CLOCKS_APART: TimeDelta = TimeDelta::minutes(4);

impl Store {
    /// Compares a process's clock, which is read by `now`, with the database's.
    ///
    /// # Errors
    /// [`StoreError::WrongClock`] where they differ by more than [`CLOCK_TOLERANCE`]; database errors.
    pub async fn clock_check(&self, now: impl Fn() -> Timestamp) -> Result<(), StoreError> {
        let asked = now();
        let theirs: Timestamp = sqlx::query_scalar("SELECT clock_timestamp()")
            .fetch_one(&self.pool)
            .await?;
        let lead = lead(asked, theirs, now());
        match lead.abs() > CLOCK_TOLERANCE {
            true => Err(StoreError::WrongClock {
                ahead_s: lead.num_seconds(),
            }),
            false => Ok(()),
        }
    }
}

/// How far our clock is ahead of one that was asked: at least. What lies between question and answer is no difference.
fn lead(asked: Timestamp, theirs: Timestamp, answered: Timestamp) -> TimeDelta {
    if theirs < asked {
        asked - theirs
    } else if theirs > answered {
        answered - theirs
    } else {
        TimeDelta::zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_of_an_answer_is_no_difference() {
        let at = |second| Timestamp::UNIX_EPOCH + TimeDelta::seconds(second);
        let lead =
            |asked, theirs, answered| lead(at(asked), at(theirs), at(answered)).num_seconds();
        assert_eq!(lead(100, 100, 160), 0);
        assert_eq!(lead(100, 160, 160), 0);
        assert_eq!(lead(100, 90, 160), 10);
        assert_eq!(lead(100, 200, 160), -40);
    }
}
