//! Passwords are hashed by few threads of their own.
//!
//! A hash keeps a core and 19 MiB busy. On the runtime's blocking threads, of which there may be
//! hundreds, each thread's allocator would keep its 19 MiB after the first hash.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::ApiError;
use crate::places::{Place, Places};

/// How many may wait for their turn, with those whose turn it is: about as many as are done in two seconds.
const QUEUE_MAX: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// The threads; they end with this value.
#[derive(Debug)]
pub struct Hashing {
    jobs: SyncSender<Job>,
    places: Places,
}

impl Hashing {
    /// Starts threads for half the cores: pages must go on, however many sign in.
    pub fn start() -> Self {
        let (jobs, queue) = sync_channel::<Job>(QUEUE_MAX);
        let queue = Arc::new(Mutex::new(queue));
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for _ in 0..cores.div_ceil(2) {
            let queue = queue.clone();
            let started = std::thread::Builder::new()
                .name("hashing".to_owned())
                .spawn(move || work(&queue));
            if let Err(error) = started {
                tracing::error!(%error, "a thread for hashing could not be started");
            }
        }
        Self {
            jobs,
            places: Places::new("hashing", QUEUE_MAX),
        }
    }

    /// A place among those who wait. Nothing that costs anything is to be done for whoever has none.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where too many wait already, or too many of that address.
    pub fn place(&self, from: Option<IpAddr>) -> Result<Place, ApiError> {
        self.places.take(from, "too many sign in at once")
    }

    pub(crate) const fn places(&self) -> &Places {
        &self.places
    }

    /// Has something done by one of the threads, unless whoever asked has gone by then.
    ///
    /// # Errors
    /// [`ApiError::Internal`] where it is not done.
    pub async fn run<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (send, done) = oneshot::channel();
        let job = Box::new(move || {
            let _place = place;
            if !send.is_closed() {
                let _ = send.send(work());
            }
        });
        // There is room for as many as there are places.
        self.jobs.try_send(job).map_err(|_| ApiError::Internal)?;
        done.await.map_err(|_| ApiError::Internal)
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: the others wait for it instead.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("hashing panicked");
        }
    }
}
