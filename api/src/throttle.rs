//! Guessing passwords is made slow: after some failures a login must wait before its next attempt.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use domain::Timestamp;

use crate::secret::sha256;

/// How many attempts may follow each other freely: who mistypes is not held up.
const FREE_ATTEMPTS: u32 = 5;
/// The longest wait. No longer, for whoever knows a login can make its owner wait as well.
const PAUSE_MAX: TimeDelta = TimeDelta::seconds(60);
/// After how long without an attempt earlier ones are forgotten.
const FORGET_AFTER: TimeDelta = TimeDelta::minutes(15);
/// How many logins are remembered. Whoever wants one forgotten must fail with that many others,
/// each at the price of a hash.
const LOGINS_MAX: usize = 10_000;

/// The attempts of each login since its last success, whether or not there is such a login: a
/// difference would tell which there are.
#[derive(Debug, Default)]
pub struct Throttle {
    // Keyed by a hash, so that a login's length costs no memory.
    attempts: Mutex<HashMap<[u8; 32], Attempts>>,
}

#[derive(Clone, Copy, Debug)]
struct Attempts {
    count: u32,
    last: Timestamp,
}

impl Attempts {
    fn pause(self) -> TimeDelta {
        match self.count.checked_sub(FREE_ATTEMPTS) {
            // 1 s, 2 s, 4 s, ...
            Some(more) => TimeDelta::seconds(1 << more.min(6)).min(PAUSE_MAX),
            None => TimeDelta::zero(),
        }
    }
}

impl Throttle {
    /// Counts an attempt as failed, until [`Throttle::succeeded`] is told otherwise: so a thousand
    /// at once are not all the first.
    ///
    /// # Errors
    /// How long the login must wait. Such an attempt does not count.
    pub fn attempt(&self, login: &str, now: Timestamp) -> Result<(), TimeDelta> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = sha256(login.as_bytes());
        if attempts.len() >= LOGINS_MAX && !attempts.contains_key(&key) {
            attempts.retain(|_, known| now - known.last < FORGET_AFTER);
            let oldest = attempts.iter().min_by_key(|(_, known)| known.last);
            if let Some(oldest) = oldest.map(|(key, _)| *key)
                && attempts.len() >= LOGINS_MAX
            {
                attempts.remove(&oldest);
            }
        }
        let known = attempts.entry(key).or_insert(Attempts {
            count: 0,
            last: now,
        });
        if now - known.last >= FORGET_AFTER {
            known.count = 0;
        }
        let wait = known.last + known.pause() - now;
        if wait > TimeDelta::zero() {
            return Err(wait);
        }
        known.count = known.count.saturating_add(1);
        known.last = now;
        Ok(())
    }

    /// Takes back an attempt that came to nothing.
    pub fn withdrawn(&self, login: &str) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = attempts.get_mut(&sha256(login.as_bytes())) {
            known.count = known.count.saturating_sub(1);
        }
    }

    /// Forgets a login's failures.
    pub fn succeeded(&self, login: &str) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.remove(&sha256(login.as_bytes()));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const NOW: Timestamp = DateTime::UNIX_EPOCH;

    fn failed_often(throttle: &Throttle, login: &str) {
        for _ in 0..FREE_ATTEMPTS {
            assert_eq!(throttle.attempt(login, NOW), Ok(()));
        }
    }

    #[test]
    fn each_failure_more_doubles_the_wait_up_to_a_minute() {
        let throttle = Throttle::default();
        failed_often(&throttle, "city");
        let mut now = NOW;
        for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
            let pause = TimeDelta::seconds(pause_s);
            assert_eq!(throttle.attempt("city", now), Err(pause));
            now += pause;
            assert_eq!(throttle.attempt("city", now), Ok(()));
        }
        assert_eq!(throttle.attempt("somebody-else", NOW), Ok(()));
        assert_eq!(throttle.attempt("city", now + FORGET_AFTER), Ok(()));
        assert_eq!(throttle.attempt("city", now + FORGET_AFTER), Ok(()));
    }

    #[test]
    fn success_makes_an_end_of_waiting() {
        let throttle = Throttle::default();
        failed_often(&throttle, "city");
        throttle.succeeded("city");
        failed_often(&throttle, "city");
        assert!(throttle.attempt("city", NOW).is_err());
    }

    #[test]
    fn memory_has_a_limit() {
        let throttle = Throttle::default();
        for n in 0..LOGINS_MAX as i64 * 2 {
            let now = NOW + TimeDelta::milliseconds(n);
            throttle.attempt(&n.to_string(), now).unwrap();
        }
        assert_eq!(throttle.attempts.lock().unwrap().len(), LOGINS_MAX);
    }
}
