//! Everything has a limit: requests at once, open event streams, time and size of each request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::hashing::Hashing;
use crate::throttle::Throttle;
use crate::{ApiError, App};

/// The largest body of an ordinary request, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The largest body of an upload or a bank's webhook, in bytes.
pub const MAX_BULK_BODY: usize = 1024 * 1024;
/// How many items one upload or webhook may hold.
pub const MAX_BULK_ITEMS: usize = 1_000;
/// How long a request may take before it is given up.
pub const MAX_TIME: Duration = Duration::from_secs(15);

/// What may go on at once.
#[derive(Debug)]
pub struct Limits {
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    /// Where passwords are hashed.
    pub hashing: Hashing,
    /// Who may try a password now.
    pub sign_ins: Throttle,
}

impl Limits {
    /// At most `requests` requests and `streams` open event streams at once.
    pub fn new(requests: usize, streams: usize) -> Self {
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            streams: Arc::new(Semaphore::new(streams)),
            hashing: Hashing::start(),
            sign_ins: Throttle::default(),
        }
    }

    /// A place for an event stream, held for as long as it is open.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where all are taken.
    pub fn stream(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.streams
            .clone()
            .try_acquire_owned()
            .map_err(|_| ApiError::Unavailable("too many live connections"))
    }
}

/// Refuses what is too much at once, ends what takes too long, counts and times the rest.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().as_str().to_owned();
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let started = Instant::now();
    let Ok(_permit) = app.limits.requests.clone().try_acquire_owned() else {
        return ApiError::Unavailable("too many requests at once").into_response();
    };
    let response = match tokio::time::timeout(MAX_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::warn!(%path, "request took too long");
            ApiError::Unavailable("this took too long").into_response()
        }
    };
    let labels = [
        ("method", method),
        ("path", path),
        ("status", response.status().as_u16().to_string()),
    ];
    metrics::counter!("clearbay_http_requests_total", &labels).increment(1);
    metrics::histogram!("clearbay_http_request_seconds", &labels)
        .record(started.elapsed().as_secs_f64());
    response
}
