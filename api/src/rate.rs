//! How often something may be asked for: a bucket of turns for each address, and one for all of them together
//! where that matters. Each process counts for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use domain::Timestamp;

/// How many addresses are told apart.
const ADDRESSES_MAX: usize = 10_000;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    per_second: f64,
    at_once: f64,
}

impl Rate {
    /// So many a minute for long, and so many at once after a while without any.
    pub const fn per_minute(turns: u32, at_once: u32) -> Self {
        Self {
            per_second: turns as f64 / 60.0,
            at_once: at_once as f64,
        }
    }

    fn times(self, factor: u32) -> Self {
        Self {
            per_second: self.per_second * f64::from(factor),
            at_once: self.at_once * f64::from(factor),
        }
    }
}

/// Buckets from which each request takes a turn.
#[derive(Debug)]
pub struct RateLimit {
    each: Rate,
    all: Option<Rate>,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    all: Option<Bucket>,
    addresses: HashMap<Option<IpAddr>, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    turns: f64,
    at: Timestamp,
}

impl Bucket {
    fn full(rate: Rate, at: Timestamp) -> Self {
        Self {
            turns: rate.at_once,
            at,
        }
    }

    fn refill(&mut self, rate: Rate, now: Timestamp) {
        let passed_s = (now - self.at).as_seconds_f64().max(0.0);
        self.turns = (self.turns + passed_s * rate.per_second).min(rate.at_once);
        self.at = now;
    }

    /// In how many seconds it has a turn, if it has none now.
    fn wait_s(self, rate: Rate) -> Option<i64> {
        let lacks = 1.0 - self.turns;
        (lacks > 0.0).then(|| (lacks / rate.per_second).ceil().max(1.0) as i64)
    }
}

impl RateLimit {
    /// So many of each address.
    pub fn new(each: Rate) -> Self {
        Self {
            each,
            all: None,
            buckets: Mutex::default(),
        }
    }

    /// And of all together as many as of so many addresses.
    #[must_use]
    pub fn of_all(mut self, addresses: u32) -> Self {
        self.all = Some(self.each.times(addresses));
        self
    }

    /// Counts a request. Those of whom no address is known share one bucket.
    ///
    /// # Errors
    /// After how many seconds there is room for the next.
    pub fn take(&self, from: Option<IpAddr>, now: Timestamp) -> Result<(), i64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { all, addresses } = &mut *buckets;
        let mut all = self.all.map(|rate| {
            let bucket = all.get_or_insert_with(|| Bucket::full(rate, now));
            bucket.refill(rate, now);
            (rate, bucket)
        });
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&from) {
            // A bucket that has filled up again is as none.
            addresses.retain(|_, bucket| {
                bucket.refill(self.each, now);
                bucket.turns < self.each.at_once
            });
            if addresses.len() >= ADDRESSES_MAX {
                addresses.clear();
            }
        }
        let own = addresses
            .entry(from)
            .or_insert_with(|| Bucket::full(self.each, now));
        own.refill(self.each, now);
        let all_wait = all.as_ref().and_then(|(rate, bucket)| bucket.wait_s(*rate));
        if let Some(wait_s) = own.wait_s(self.each).max(all_wait) {
            return Err(wait_s);
        }
        own.turns -= 1.0;
        if let Some((_, all)) = &mut all {
            all.turns -= 1.0;
        }
        Ok(())
    }

    /// The same of those alone whose address is known.
    ///
    /// # Errors
    /// As for [`RateLimit::take`].
    pub fn take_of_known(&self, from: Option<IpAddr>, now: Timestamp) -> Result<(), i64> {
        from.map_or(Ok(()), |_| self.take(from, now))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use chrono::{DateTime, TimeDelta};

    use super::*;

    const NOW: Timestamp = DateTime::UNIX_EPOCH;

    fn from(number: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn who_asks_too_often_waits_and_others_do_not() {
        let limit = RateLimit::new(Rate::per_minute(60, 4)).of_all(10);
        let taken = (0..6).map(|_| limit.take(from(1), NOW));
        assert_eq!(
            taken.collect::<Vec<_>>(),
            [Ok(()), Ok(()), Ok(()), Ok(()), Err(1), Err(1)]
        );
        assert_eq!(limit.take(from(2), NOW), Ok(()));
        let later = NOW + TimeDelta::seconds(1);
        assert_eq!(limit.take(from(1), later), Ok(()));
        assert_eq!(limit.take(from(1), later), Err(1));
    }

    #[test]
    fn many_addresses_meet_the_limit_of_all() {
        let limit = RateLimit::new(Rate::per_minute(60, 4)).of_all(10);
        let taken = (0..100).filter(|n| limit.take(from(*n), NOW).is_ok());
        assert_eq!(taken.count(), 40);
    }

    #[test]
    fn the_wait_is_as_long_as_it_takes() {
        let limit = RateLimit::new(Rate::per_minute(6, 1));
        assert_eq!(limit.take(from(1), NOW), Ok(()));
        assert_eq!(limit.take(from(1), NOW), Err(10));
        assert_eq!(limit.take(from(1), NOW + TimeDelta::seconds(4)), Err(6));
        assert_eq!(limit.take(from(1), NOW + TimeDelta::seconds(10)), Ok(()));
    }

    #[test]
    fn of_whom_nothing_is_known_all_are_one_or_none_is_held_up() {
        let limit = RateLimit::new(Rate::per_minute(60, 1));
        assert_eq!(limit.take(None, NOW), Ok(()));
        assert_eq!(limit.take(None, NOW), Err(1));
        assert_eq!(limit.take_of_known(None, NOW), Ok(()));
    }

    #[test]
    fn memory_has_a_limit() {
        let limit = RateLimit::new(Rate::per_minute(60, 4));
        for n in 0..ADDRESSES_MAX as u32 * 2 {
            limit.take(from(n), NOW).unwrap();
        }
        assert!(limit.buckets.lock().unwrap().addresses.len() <= ADDRESSES_MAX);
    }
}
