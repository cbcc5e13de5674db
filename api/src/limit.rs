//! Everything has a limit: requests at once, open event streams, time and size of each request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::hashing::Hashing;
use crate::plate_reader::PICTURE_MAX;
use crate::rate::{Rate, RateLimit};
use crate::request_id::route;
use crate::service::staff;
use crate::throttle::Throttle;
use crate::{ApiError, App};

/// The largest body of an ordinary request, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The largest body of an upload or a bank's webhook, in bytes.
pub const MAX_BULK_BODY: usize = 1024 * 1024;
/// The largest body with the picture of a document in it, in bytes: more than the picture may have, so
/// that who sends one as large as cameras make them is told so beside its field.
pub const MAX_SCAN_BODY: usize = 8 * 1024 * 1024;
/// The largest body with a picture of a plate: the picture, and what a form puts around it.
pub const MAX_PICTURE_BODY: usize = PICTURE_MAX + 16 * 1024;
/// Where pictures of plates are sent to.
pub const PICTURE_PATH: &str = "/staff/plates/picture";
/// How many items one upload or webhook may hold.
pub const MAX_BULK_ITEMS: usize = 1_000;
/// How long a request may take before it is given up.
pub const MAX_TIME: Duration = Duration::from_secs(15);

/// How long a request may wait for its turn at computing a report.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// How long a body may take to arrive. Nobody's work waits for it meanwhile.
pub const MAX_BODY_TIME: Duration = Duration::from_secs(5);
/// How long a picture may take to arrive, over a street's signal.
const MAX_PICTURE_TIME: Duration = Duration::from_secs(30);

/// How long a body with a picture may take to arrive, over a phone's slow connection.
pub const MAX_SCAN_TIME: Duration = Duration::from_secs(60);

/// How many requests of partners to work on at once.
const PARTNERS: usize = 64;
/// How many probes to answer at once.
const PROBES: usize = 16;
/// How many pictures of documents to take at once, and as many more may be on their way: each may hold a
/// whole body in memory.
const SCANS: usize = 16;
/// How many requests with a picture to work on at once. Four times as many may be arriving, which is the
/// memory that they may take.
const PICTURES: usize = 3;
/// How many reports to compute at once: each keeps a connection to the database busy.
const REPORTS: usize = 4;
/// For each request that is worked on, so many may still be sending their body.
const READERS: usize = 4;

/// How often one address may try to sign in as staff: an office's all come from one.
const SIGN_INS: Rate = Rate::per_minute(20, 20);
/// How many codes one address may ask for: many phones of one carrier come from one.
const CODES: Rate = Rate::per_minute(6, 20);

/// What may go on at once.
#[derive(Debug)]
pub struct Limits {
    public: Pool,
    partners: Pool,
    probes: Pool,
    scans: Pool,
    pictures: Pool,
    streams: Places,
    /// Whose turn it is to compute a report.
    pub reports: Turns,
    /// Where passwords are hashed.
    pub hashing: Hashing,
    /// Who may try a password now.
    pub sign_ins: Throttle,
    /// The same by address: whoever tries many logins is one.
    pub sign_ins_from: RateLimit,
    /// How many text messages with a code an address may ask for.
    pub codes_from: RateLimit,
}

/// Requests of one kind, which cannot take the places of another's: however many drivers come,
/// the bank is heard and the supervisor sees that the process lives.
#[derive(Debug)]
struct Pool {
    reading: Places,
    working: Places,
    max_body_time: Duration,
}

impl Pool {
    fn new(name: &'static str, requests: usize) -> Self {
        let readers = requests.saturating_mul(READERS);
        Self::of(name, requests, readers, MAX_BODY_TIME)
    }

    /// With that many requests whose body is still on its way, each for so long.
    fn of(name: &'static str, requests: usize, readers: usize, max_body_time: Duration) -> Self {
        Self {
            reading: Places::new(name, readers),
            working: Places::new(name, requests),
            max_body_time,
        }
    }

    /// Reads a request's body, then gives it a place among those that are worked on: who sends
    /// slowly holds up no work.
    async fn admit(
        &self,
        request: Request,
        max_body: usize,
    ) -> Result<(Request, OwnedSemaphorePermit), ApiError> {
        let request = if request.body().is_end_stream() {
            request
        } else {
            let _reading = self.reading.take(TOO_MANY)?;
            let (parts, body) = request.into_parts();
            let body = tokio::time::timeout(self.max_body_time, to_bytes(body, max_body))
                .await
                .map_err(|_| ApiError::TooSlow)?
                .map_err(|_| ApiError::TooLarge { max_body })?;
            Request::from_parts(parts, Body::from(body))
        };
        Ok((request, self.working.take(TOO_MANY)?))
    }
}

const TOO_MANY: &str = "too many requests at once";

/// Places of one kind.
#[derive(Debug)]
struct Places {
    /// What takes them, as a label of metrics.
    name: &'static str,
    all: usize,
    free: Arc<Semaphore>,
}

impl Places {
    fn new(name: &'static str, all: usize) -> Self {
        let free = Arc::new(Semaphore::new(all));
        Self { name, all, free }
    }

    /// A place, held for as long as its value is; or the word that there is none.
    fn take(&self, why_not: &'static str) -> Result<OwnedSemaphorePermit, ApiError> {
        let place = self.free.clone().try_acquire_owned();
        place.map_err(|_| self.refused(why_not))
    }

    fn refused(&self, why: &'static str) -> ApiError {
        metrics::counter!("clearbay_http_refused_total", "pool" => self.name).increment(1);
        ApiError::Unavailable(why)
    }

    /// Shows as metrics how many there are and how many are taken.
    fn show(&self) {
        let taken = self.all.saturating_sub(self.free.available_permits());
        metrics::gauge!("clearbay_http_places", "pool" => self.name).set(self.all as f64);
        metrics::gauge!("clearbay_http_places_taken", "pool" => self.name).set(taken as f64);
    }
}

impl Limits {
    /// At most `requests` requests of the public and `streams` open event streams at once.
    pub fn new(requests: usize, streams: usize) -> Self {
        Self {
            public: Pool::new("public", requests),
            partners: Pool::new("partners", PARTNERS),
            probes: Pool::new("probes", PROBES),
            scans: Pool::of("scans", SCANS, SCANS, MAX_SCAN_TIME),
            pictures: Pool::of("pictures", PICTURES, PICTURES * READERS, MAX_PICTURE_TIME),
            streams: Places::new("streams", streams),
            hashing: Hashing::start(),
            reports: Turns::new("reports"),
            sign_ins: Throttle::default(),
            sign_ins_from: RateLimit::new(SIGN_INS),
            codes_from: RateLimit::new(CODES),
        }
    }

    /// Whose places a request takes, and how large its body may be.
    fn of(&self, method: &Method, path: &str) -> (&Pool, usize) {
        match path {
            "/livez" | "/readyz" | "/metrics" => (&self.probes, MAX_BODY),
            PICTURE_PATH => (&self.pictures, MAX_PICTURE_BODY),
            path if path.starts_with("/api/v1/gateways/")
                || path.starts_with("/api/v1/imports/") =>
            {
                (&self.partners, MAX_BULK_BODY)
            }
            // Large, slow, and of strangers: they have places of their own, and few.
            "/exemptions" | "/api/v1/exemption-requests" if method == Method::POST => {
                (&self.scans, MAX_SCAN_BODY)
            }
            _ => (&self.public, MAX_BODY),
        }
    }

    /// A place for an event stream, held for as long as it is open.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where all are taken.
    pub fn stream(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.streams.take("too many live connections")
    }

    /// Shows as metrics how much of what may go on at once does.
    pub fn show(&self) {
        let pools = [
            &self.public,
            &self.partners,
            &self.probes,
            &self.scans,
            &self.pictures,
        ];
        let working = pools.into_iter().map(|pool| &pool.working);
        for places in working.chain([&self.streams, &self.reports.0]) {
            places.show();
        }
    }

    /// A turn at computing a report, to be held by the work itself.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where none comes up in time.
    pub async fn report(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.reports.take().await
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
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        match tokio::time::timeout(MAX_WAIT, self.0.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(self.0.refused("too many reports at once")),
        }
    }
}

/// A request's method as a label: of a kind that a client may make up, there is no end.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}

/// Refuses what is too much at once, ends what takes too long, counts and times all.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = method_label(request.method());
    let path = route(&request).to_owned();
    let started = Instant::now();
    // So much is taken in only from those who work here.
    if path == PICTURE_PATH {
        let headers = request.headers();
        let asked = async {
            let _place = app.limits.pictures.reading.take(TOO_MANY)?;
            staff::signed_in(&app, headers, App::now()).await
        };
        match asked.await {
            Ok(_) => {}
            // It is a page's form: whoever is no longer signed in is asked to.
            Err(ApiError::Unauthorized) => return Redirect::to("/staff").into_response(),
            Err(error) => return error.into_response(),
        }
    }
    let (pool, max_body) = app.limits.of(request.method(), &path);
    let response = match pool.admit(request, max_body).await {
        Err(error) => error.into_response(),
        Ok((request, _permit)) => match tokio::time::timeout(MAX_TIME, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                tracing::warn!(%path, "request took too long");
                ApiError::Unavailable("this took too long").into_response()
            }
        },
    };
    let labels = [
        ("method", method.to_owned()),
        ("path", path),
        ("status", response.status().as_u16().to_string()),
    ];
    metrics::counter!("clearbay_http_requests_total", &labels).increment(1);
    metrics::histogram!("clearbay_http_request_seconds", &labels)
        .record(started.elapsed().as_secs_f64());
    response
}
