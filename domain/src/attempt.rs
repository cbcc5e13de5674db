//! How often something may be tried: guessing is made slow, and whoever mistypes is not held up.

use chrono::TimeDelta;

use crate::Timestamp;

/// How many attempts may follow each other freely.
const FREE_ATTEMPTS: u32 = 5;
/// The longest wait. No longer, for whoever fails on purpose makes others wait who share their address.
const PAUSE_MAX: TimeDelta = TimeDelta::seconds(60);
/// After how long without an attempt earlier ones are forgotten.
pub const FORGET_AFTER: TimeDelta = TimeDelta::minutes(15);

/// Attempts at one thing from one place that came to nothing, since the last that did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u32,
    /// When the last was.
    pub last: Timestamp,
}

impl Failures {
    /// With one attempt more, counted as failed until it is known to have gone well: so a thousand at once are not
    /// all the first.
    ///
    /// # Errors
    /// How long to wait before the next attempt. Such a one does not count.
    pub fn and_another(before: Option<Self>, now: Timestamp) -> Result<Self, TimeDelta> {
        let count = match before {
            Some(before) if now - before.last < FORGET_AFTER => {
                let wait = before.last + before.pause() - now;
                if wait > TimeDelta::zero() {
                    return Err(wait);
                }
                before.count
            }
            _ => 0,
        };
        Ok(Self {
            count: count.saturating_add(1),
            last: now,
        })
    }

    fn pause(self) -> TimeDelta {
        match self.count.checked_sub(FREE_ATTEMPTS) {
            // 1 s, 2 s, 4 s, ...
            Some(more) => TimeDelta::seconds(1 << more.min(6)).min(PAUSE_MAX),
            None => TimeDelta::zero(),
        }
    }
}

/// How often something may be done for long, and how often at once after a while without (the generic cell rate
/// algorithm of ITU-T I.371: all that is kept is until when what was done has used the rate up).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Once in so long.
    pub every: TimeDelta,
    /// So often at once.
    pub at_once: i32,
}

impl Rate {
    /// Until when the rate is used up by one time more.
    ///
    /// # Errors
    /// How long to wait.
    pub fn and_another(
        self,
        used_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Timestamp, TimeDelta> {
        let most = self.every * self.at_once;
        // What reaches further was noted by a clock that ran ahead, and holds nobody up for as long.
        let until = used_until.map_or(now, |until| until.clamp(now, now + most)) + self.every;
        let too_far = until - now - most;
        match too_far > TimeDelta::zero() {
            true => Err(too_far),
            false => Ok(until),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const NOW: Timestamp = DateTime::UNIX_EPOCH;

    fn often(count: u32) -> Failures {
        let failed = |before, _| Some(Failures::and_another(before, NOW).unwrap());
        (0..count).fold(None, failed).unwrap()
    }

    #[test]
    fn each_failure_more_doubles_the_wait_up_to_a_minute() {
        let mut failures = often(FREE_ATTEMPTS);
        let mut now = NOW;
        for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
            let pause = TimeDelta::seconds(pause_s);
            assert_eq!(Failures::and_another(Some(failures), now), Err(pause));
            now += pause;
            failures = Failures::and_another(Some(failures), now).unwrap();
        }
        assert_eq!(failures.count, FREE_ATTEMPTS + 8);
        let later = Failures::and_another(Some(failures), now + FORGET_AFTER);
        assert_eq!(later.unwrap().count, 1);
    }

    #[test]
    fn a_rate_lets_some_through_at_once_and_then_one_by_one() {
        let rate = Rate {
            every: TimeDelta::seconds(45),
            at_once: 20,
        };
        let mut used = None;
        for _ in 0..20 {
            used = Some(rate.and_another(used, NOW).unwrap());
        }
        assert_eq!(rate.and_another(used, NOW), Err(rate.every));
        let ahead = Some(NOW + TimeDelta::days(1));
        assert_eq!(rate.and_another(ahead, NOW), Err(rate.every));
        let later = NOW + rate.every;
        used = Some(rate.and_another(used, later).unwrap());
        assert_eq!(rate.and_another(used, later), Err(rate.every));
        // One a minute holds up nobody, however long it goes on.
        let (mut used, mut now) = (None, NOW);
        for _ in 0..10_000 {
            now += TimeDelta::minutes(1);
            used = Some(rate.and_another(used, now).unwrap());
            assert!(rate.and_another(used, now).is_ok());
        }
    }

    #[test]
    fn in_an_hour_nobody_guesses_more_than_a_hundred_times() {
        // Anybody, from any number of addresses, as soon as it is let through.
        let rate = Rate {
            every: TimeDelta::seconds(45),
            at_once: 20,
        };
        let (mut used, mut count) = (None, 0);
        for second in 0..3_600 {
            while let Ok(until) = rate.and_another(used, NOW + TimeDelta::seconds(second)) {
                used = Some(until);
                count += 1;
            }
        }
        assert!(count <= 100, "{count}");
    }
}
