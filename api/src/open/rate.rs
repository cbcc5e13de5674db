//! How often open data may be asked for: a bucket for each reader, and one for all of them together.
//!
//! Behind a proxy every connection is the proxy's. So a reader is whoever the proxy says it speaks for, the last
//! name in `X-Forwarded-For`; without a proxy all share one bucket, unless they make names up, and then the
//! bucket of all holds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use domain::Timestamp;

use crate::secret::sha256;

/// How many requests a second one reader may make for long, where nothing else is set.
pub(super) const PER_SECOND: u32 = 50;
/// So many seconds' worth may come at once.
const BURST_S: f64 = 4.0;
/// All together may make as many as so many readers.
const READERS: u32 = 10;
/// How many readers are told apart.
const READERS_MAX: usize = 10_000;

/// Buckets from which each request takes a token.
#[derive(Debug)]
pub struct RateLimit {
    per_second: u32,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    all: Option<Bucket>,
    // By a hash, so that a long name costs no memory.
    readers: HashMap<[u8; 32], Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    fn full(per_second: u32, at: Timestamp) -> Self {
        Self {
            tokens: f64::from(per_second) * BURST_S,
            at,
        }
    }

    fn refill(&mut self, per_second: u32, now: Timestamp) {
        let passed_s = (now - self.at).as_seconds_f64().max(0.0);
        let rate = f64::from(per_second);
        self.tokens = (self.tokens + passed_s * rate).min(rate * BURST_S);
        self.at = now;
    }
}

impl RateLimit {
    /// At most `per_second` requests of one reader, at least one.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.max(1),
            buckets: Mutex::default(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// After how many seconds there is room for the next.
    pub fn take(&self, headers: &HeaderMap, now: Timestamp) -> Result<(), i64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { all, readers } = &mut *buckets;
        let everybody = self.per_second.saturating_mul(READERS);
        let all = all.get_or_insert_with(|| Bucket::full(everybody, now));
        all.refill(everybody, now);
        let key = sha256(reader(headers).as_bytes());
        if readers.len() >= READERS_MAX && !readers.contains_key(&key) {
            // A bucket that has filled up again is as none.
            let full_s = BURST_S;
            readers.retain(|_, bucket| (now - bucket.at).as_seconds_f64() < full_s);
            if readers.len() >= READERS_MAX {
                readers.clear();
            }
        }
        let own = readers
            .entry(key)
            .or_insert_with(|| Bucket::full(self.per_second, now));
        own.refill(self.per_second, now);
        if own.tokens < 1.0 || all.tokens < 1.0 {
            return Err(1);
        }
        own.tokens -= 1.0;
        all.tokens -= 1.0;
        Ok(())
    }
}

/// Whoever the nearest proxy says it speaks for.
fn reader(headers: &HeaderMap) -> &str {
    let named = headers.get_all("x-forwarded-for").iter().next_back();
    let named = named.and_then(|value| value.to_str().ok());
    named
        .and_then(|list| list.rsplit(',').next())
        .map(str::trim)
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderValue;
    use chrono::{DateTime, TimeDelta};

    use super::*;

    const NOW: Timestamp = DateTime::UNIX_EPOCH;

    fn from(name: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_str(name).unwrap());
        headers
    }

    #[test]
    fn who_asks_too_often_waits_and_others_do_not() {
        let limit = RateLimit::new(1);
        let taken = (0..6).map(|_| limit.take(&from("lie, 10.0.0.1"), NOW));
        assert_eq!(
            taken.collect::<Vec<_>>(),
            [Ok(()), Ok(()), Ok(()), Ok(()), Err(1), Err(1)]
        );
        assert_eq!(limit.take(&from("another lie, 10.0.0.1"), NOW), Err(1));
        assert_eq!(limit.take(&from("10.0.0.2"), NOW), Ok(()));
        let later = NOW + TimeDelta::seconds(1);
        assert_eq!(limit.take(&from("10.0.0.1"), later), Ok(()));
        assert_eq!(limit.take(&from("10.0.0.1"), later), Err(1));
    }

    #[test]
    fn made_up_names_meet_the_limit_of_all() {
        let limit = RateLimit::new(1);
        let taken = (0..100).filter(|n| limit.take(&from(&n.to_string()), NOW).is_ok());
        assert_eq!(taken.count(), 40);
    }

    #[test]
    fn memory_has_a_limit() {
        let limit = RateLimit::new(1_000_000);
        for n in 0..READERS_MAX * 2 {
            limit.take(&from(&n.to_string()), NOW).unwrap();
        }
        assert!(limit.buckets.lock().unwrap().readers.len() <= READERS_MAX);
    }
}
