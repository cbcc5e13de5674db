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
use crate::places::Shares;

/// How many may wait for their turn: about as many as are done in two seconds.
const QUEUE_MAX: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// The threads; they end with this value.
#[derive(Debug)]
pub struct Hashing {
    jobs: SyncSender<Job>,
    shares: Shares,
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
            shares: Shares::of(QUEUE_MAX),
        }
    }

    /// Has something done by one of the threads, unless whoever asked, from that address, has gone by then.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where too many wait already, or too many of that address.
    pub async fn run<T: Send + 'static>(
        &self,
        from: Option<IpAddr>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        const TOO_MANY: ApiError = ApiError::Unavailable("too many sign in at once");
        let share = self.shares.take(from).ok_or(TOO_MANY)?;
        let (send, done) = oneshot::channel();
        let job = Box::new(move || {
            let _share = share;
            if !send.is_closed() {
                let _ = send.send(work());
            }
        });
        self.jobs.try_send(job).map_err(|_| TOO_MANY)?;
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
