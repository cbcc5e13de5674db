//! Everything has a limit: requests at once, open event streams, time and size of each request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::client::Client;
use crate::hashing::Hashing;
use crate::places::{Place, Places, Pool, Turns};
use crate::plate_reader::PICTURE_MAX;
use crate::rate::{Rate, RateLimit};
use crate::request_id::route;
use crate::routes::{gateways, imports};
use crate::service::staff;
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
/// Where the bank says what came.
const BANK_PATH: &str = "/api/v1/gateways/vietqr/webhook";
/// Where payment providers do.
const PROVIDER_PATH: &str = "/api/v1/gateways/{gateway}/webhook";
/// Where terminals send what they sold offline.
const IMPORT_PATH: &str = "/api/v1/imports/sessions";
/// How many items one upload or webhook may hold.
pub const MAX_BULK_ITEMS: usize = 1_000;
/// How long work on a request may take before it is given up, beside the time in which its body arrives.
pub const MAX_TIME: Duration = Duration::from_secs(15);

/// How long a body may take to arrive. Nobody's work waits for it meanwhile.
pub const MAX_BODY_TIME: Duration = Duration::from_secs(5);
/// How long a picture may take to arrive, over a street's signal.
const MAX_PICTURE_TIME: Duration = Duration::from_secs(30);

/// How long a body with a picture may take to arrive, over a phone's slow connection.
pub const MAX_SCAN_TIME: Duration = Duration::from_secs(60);

/// How many requests to work on at once of the bank, of payment providers, of terminals.
const PARTNERS: usize = 64;
/// How many probes to answer at once.
const PROBES: usize = 16;
/// How many pictures of documents to take at once, and as many more may be on their way: each may hold a
/// whole body in memory.
const SCANS: usize = 16;
/// How many requests with a picture to work on at once. Four times as many may be arriving, which is the
/// memory that they may take.
const PICTURES: usize = 3;
/// For each request that is worked on, so many may still be sending their body.
const READERS: usize = 4;
/// For each request that is worked on, so many connections may be open beside live streams: some still send, some
/// wait for a next request.
pub const CONNECTIONS: usize = 4;

/// How often one address may try to sign in as staff: an office's all come from one.
const SIGN_INS: Rate = Rate::per_minute(20, 20);
/// How many codes one address may ask for: many phones of one carrier come from one.
const CODES: Rate = Rate::per_minute(6, 20);

/// What may go on at once.
#[derive(Debug)]
pub struct Limits {
    public: Pool,
    bank: Pool,
    providers: Pool,
    imports: Pool,
    probes: Pool,
    scans: Pool,
    pictures: Pool,
    streams: Places,
    /// Connections that are open, whatever goes on over them.
    pub connections: Arc<Places>,
    /// Whose turn it is to compute a report.
    pub reports: Turns,
    /// Where passwords are hashed.
    pub hashing: Hashing,
    /// How often an address may try to sign in: whoever tries many logins is one.
    pub sign_ins_from: RateLimit,
    /// How many text messages with a code an address may ask for.
    pub codes_from: RateLimit,
}

/// Ordinary requests.
fn pool(name: &'static str, requests: usize) -> Pool {
    let readers = requests.saturating_mul(READERS);
    Pool::new(name, requests, readers, MAX_BODY_TIME)
}

impl Limits {
    /// At most `requests` requests of the public and `streams` open event streams at once.
    pub fn new(requests: usize, streams: usize) -> Self {
        Self {
            public: pool("public", requests),
            bank: pool("bank", PARTNERS),
            providers: pool("providers", PARTNERS),
            imports: pool("imports", PARTNERS),
            probes: pool("probes", PROBES),
            scans: Pool::new("scans", SCANS, SCANS, MAX_SCAN_TIME),
            pictures: Pool::new("pictures", PICTURES, PICTURES * READERS, MAX_PICTURE_TIME)
                .of_staff(),
            streams: Places::new("streams", streams),
            connections: Arc::new(Places::new(
                "connections",
                streams.saturating_add(requests.saturating_mul(CONNECTIONS)),
            )),
            hashing: Hashing::start(),
            reports: Turns::new("reports"),
            sign_ins_from: RateLimit::new(SIGN_INS),
            codes_from: RateLimit::new(CODES),
        }
    }

    /// Whose places a request takes, and how large its body may be.
    fn of(&self, method: &Method, path: &str) -> (&Pool, usize) {
        match path {
            "/livez" | "/readyz" => (&self.probes, MAX_BODY),
            PICTURE_PATH => (&self.pictures, MAX_PICTURE_BODY),
            BANK_PATH => (&self.bank, MAX_BULK_BODY),
            PROVIDER_PATH => (&self.providers, MAX_BULK_BODY),
            IMPORT_PATH => (&self.imports, MAX_BULK_BODY),
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
    /// [`ApiError::Unavailable`] where all are taken, or that client's share is.
    pub fn stream(&self, client: Client) -> Result<Place, ApiError> {
        self.streams
            .take(client.turns_of(), "too many live connections")
    }

    /// Shows as metrics how much of what may go on at once does.
    pub fn show(&self) {
        let pools = [
            &self.public,
            &self.bank,
            &self.providers,
            &self.imports,
            &self.probes,
            &self.scans,
            &self.pictures,
        ];
        let working = pools.into_iter().map(|pool| &pool.working);
        let others = [
            &self.streams,
            &self.connections,
            self.hashing.places(),
            self.reports.places(),
        ];
        for places in working.chain(others) {
            places.show();
        }
    }

    /// A turn at computing a report, to be held by the work itself.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] where none comes up in time.
    pub async fn report(&self) -> Result<Place, ApiError> {
        self.reports.take().await
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

/// What is said to whoever is refused by a request's head alone: so much is taken in only from those who work here,
/// or who show that they are the bank or a terminal. Nobody else takes a place by a body.
async fn refused_unread(
    app: &App,
    (method, uri, headers): (&Method, &Uri, &HeaderMap),
    path: &str,
    from: Option<IpAddr>,
) -> Option<Response> {
    let now = App::now();
    let refused = match path {
        PICTURE_PATH => {
            let asked = async {
                let _place = app.limits.pictures.reading(from)?;
                staff::signed_in(app, headers, now).await
            };
            match asked.await {
                Ok(_) => return None,
                // It is a page's form: whoever is no longer signed in, or must enrol first, is asked to.
                Err(ApiError::Unauthorized | ApiError::SecondFactorRequired) => {
                    return Some(Redirect::to("/staff").into_response());
                }
                Err(error) => Err(error),
            }
        }
        BANK_PATH if method == Method::POST => gateways::is_signed_now(headers, now),
        PROVIDER_PATH if method == Method::POST => gateways::is_known(app, uri.path()),
        IMPORT_PATH if method == Method::POST => {
            let asked = async {
                let _place = app.limits.imports.reading(from)?;
                imports::uploading(app, headers).await
            };
            asked.await.map(|_| ())
        }
        _ => Ok(()),
    };
    refused.err().map(IntoResponse::into_response)
}

/// The answer to a request that has a place, by work that ends `within` that time.
async fn admitted(
    app: &App,
    request: Request,
    path: &str,
    from: Option<IpAddr>,
    within: Duration,
    next: Next,
) -> Response {
    let (pool, max_body) = app.limits.of(request.method(), path);
    let (request, _place) = match pool.admit(from, request, max_body).await {
        Ok(admitted) => admitted,
        Err(error) => return error.into_response(),
    };
    match tokio::time::timeout(within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => too_long(path),
    }
}

fn too_long(path: &str) -> Response {
    tracing::warn!(%path, "request took too long");
    ApiError::Unavailable("this took too long").into_response()
}

/// Refuses what is too much at once, ends what takes too long, counts and times all.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = method_label(request.method());
    let path = route(&request).to_owned();
    let started = Instant::now();
    let client = request.extensions().get::<Client>().copied();
    let from = client.unwrap_or_default().turns_of();
    // Without the body, which no other thread may look at meanwhile.
    let head = (request.method(), request.uri(), request.headers());
    let refused = tokio::time::timeout(MAX_TIME, refused_unread(&app, head, &path, from));
    let response = match refused.await.unwrap_or_else(|_| Some(too_long(&path))) {
        Some(refused) => refused,
        None => {
            // One time for both, however long the body takes between them.
            let within = MAX_TIME.saturating_sub(started.elapsed());
            admitted(&app, request, &path, from, within, next).await
        }
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
