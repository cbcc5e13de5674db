//! Places of one kind, of which there are only so many, and how many of them one address may hold.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiError;

/// Which part of some places one address may hold: whoever wants to take all needs that many addresses.
const SHARE: usize = 4;
/// How long a request may wait for its turn at computing a report.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// How many reports to compute at once: each keeps a connection to the database busy.
const REPORTS: usize = 4;

const TOO_MANY: &str = "too many requests at once";

/// How many of some places each address holds: nobody more than a quarter of them.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    // An address that holds none is not in it, so that there are never more than places.
    held: Arc<Mutex<Held>>,
}

type Held = HashMap<IpAddr, usize>;

/// A place of one's share, held for as long as its value is.
#[derive(Debug)]
pub struct Share {
    of: Option<(IpAddr, Arc<Mutex<Held>>)>,
}

impl Shares {
    /// Shares of so many places.
    pub fn of(all: usize) -> Self {
        Self {
            most: all.div_ceil(SHARE),
            held: Arc::default(),
        }
    }

    /// A place for that address, unless it holds its share. Those of whom no address is known, which come through a
    /// proxy that says nothing or from this machine itself, are not counted.
    pub fn take(&self, from: Option<IpAddr>) -> Option<Share> {
        let Some(from) = from else {
            return Some(Share { of: None });
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.get(&from).copied().unwrap_or_default();
        if count >= self.most {
            return None;
        }
        held.insert(from, count + 1);
        let of = Some((from, self.held.clone()));
        Some(Share { of })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((from, held)) = &self.of else { return };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(from) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                held.remove(from);
            }
        }
    }
}

/// Places of one kind.
#[derive(Debug)]
pub struct Places {
    /// What takes them, as a label of metrics.
    name: &'static str,
    all: usize,
    free: Arc<Semaphore>,
    shares: Shares,
}

/// A place, held for as long as its value is.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    share: Option<Share>,
}

impl Places {
    /// So many.
    pub fn new(name: &'static str, all: usize) -> Self {
        Self {
            name,
            all,
            free: Arc::new(Semaphore::new(all)),
            shares: Shares::of(all),
        }
    }

    /// A place for that address.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where there is none, or none of its share.
    pub fn take(&self, from: Option<IpAddr>, why_not: &'static str) -> Result<Place, ApiError> {
        let permit = self.free.clone().try_acquire_owned();
        let permit = permit.map_err(|_| self.refused(why_not))?;
        let place = Place {
            _permit: permit,
            share: None,
        };
        self.give(place, from)
            .ok_or(ApiError::Unavailable("too many at once from one address"))
    }

    /// The next place that becomes free, of no address yet. Nothing where they are no more.
    pub async fn next(&self) -> Option<Place> {
        let permit = self.free.clone().acquire_owned().await.ok()?;
        Some(Place {
            _permit: permit,
            share: None,
        })
    }

    /// The same place as one of that address, unless it holds its share.
    pub fn give(&self, mut place: Place, from: Option<IpAddr>) -> Option<Place> {
        place.share = self.shares.take(from);
        if place.share.is_none() {
            self.count_refused();
            return None;
        }
        Some(place)
    }

    /// Returns when nobody holds one.
    pub async fn all_free(&self) {
        let all = u32::try_from(self.all).unwrap_or(u32::MAX);
        let _ = self.free.acquire_many(all).await;
    }

    fn refused(&self, why: &'static str) -> ApiError {
        self.count_refused();
        ApiError::Unavailable(why)
    }

    fn count_refused(&self) {
        metrics::counter!("clearbay_http_refused_total", "pool" => self.name).increment(1);
    }

    /// Shows as metrics how many there are and how many are taken.
    pub fn show(&self) {
        let taken = self.all.saturating_sub(self.free.available_permits());
        metrics::gauge!("clearbay_http_places", "pool" => self.name).set(self.all as f64);
        metrics::gauge!("clearbay_http_places_taken", "pool" => self.name).set(taken as f64);
    }
}

/// Requests of one kind, which cannot take the places of another's: however many drivers come,
/// the bank is heard and the supervisor sees that the process lives.
#[derive(Debug)]
pub(crate) struct Pool {
    reading: Places,
    pub(crate) working: Places,
    max_body_time: Duration,
}

impl Pool {
    /// With that many requests at work and that many whose body is still on its way, each for so long.
    pub(crate) fn new(
        name: &'static str,
        requests: usize,
        readers: usize,
        max_body_time: Duration,
    ) -> Self {
        Self {
            reading: Places::new(name, readers),
            working: Places::new(name, requests),
            max_body_time,
        }
    }

    /// The same for those alone who have signed in: once a body is here, nobody's share is asked for, for an office,
    /// or a carrier's phones, have one address.
    #[must_use]
    pub(crate) fn of_staff(mut self) -> Self {
        self.working.shares.most = usize::MAX;
        self
    }

    /// A place among those whose body is on its way.
    pub(crate) fn reading(&self, from: Option<IpAddr>) -> Result<Place, ApiError> {
        self.reading.take(from, TOO_MANY)
    }

    /// Reads a request's body, then gives it a place among those that are worked on: who sends
    /// slowly holds up no work.
    pub(crate) async fn admit(
        &self,
        from: Option<IpAddr>,
        request: Request,
        max_body: usize,
    ) -> Result<(Request, Place), ApiError> {
        let request = if request.body().is_end_stream() {
            request
        } else {
            let _reading = self.reading(from)?;
            let (parts, body) = request.into_parts();
            let body = tokio::time::timeout(self.max_body_time, to_bytes(body, max_body))
                .await
                .map_err(|_| ApiError::TooSlow)?
                .map_err(|_| ApiError::TooLarge { max_body })?;
            Request::from_parts(parts, Body::from(body))
        };
        Ok((request, self.working.take(from, TOO_MANY)?))
    }
}

/// Turns at computing something that keeps a connection to the database busy.
#[derive(Debug)]
pub struct Turns(Places);

impl Turns {
    /// Of those who want this, as a label of metrics.
    pub fn new(name: &'static str) -> Self {
        Self(Places::new(name, REPORTS))
    }

    /// A turn, to be held by the work itself.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where none comes up in time.
    pub async fn take(&self) -> Result<Place, ApiError> {
        match tokio::time::timeout(MAX_WAIT, self.0.next()).await {
            Ok(Some(place)) => Ok(place),
            _ => Err(self.0.refused("too many reports at once")),
        }
    }

    pub(crate) const fn places(&self) -> &Places {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn from(number: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn an_address_holds_a_quarter_and_others_the_rest() {
        let places = Places::new("test", 8);
        let first: Vec<_> = (0..3).map(|_| places.take(from(1), "full")).collect();
        let granted = first.iter().filter(|place| place.is_ok());
        assert_eq!(granted.count(), 2);
        let _second = places.take(from(2), "full").unwrap();
        drop(first);
        assert!(places.take(from(1), "full").is_ok());
        // Whoever is not told apart takes all that is left, and no more.
        let unknown: Vec<_> = (0..9).map(|_| places.take(None, "full")).collect();
        assert_eq!(unknown.iter().filter(|place| place.is_ok()).count(), 7);
        assert!(places.take(from(3), "full").is_err());
    }

    #[test]
    fn who_holds_nothing_takes_no_memory() {
        let shares = Shares::of(1);
        for number in 0..100 {
            let share = shares.take(from(number)).unwrap();
            assert!(shares.take(from(number)).is_none(), "{share:?}");
        }
        assert!(shares.held.lock().unwrap().is_empty());
    }
}
