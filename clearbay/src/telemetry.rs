//! What the program tells of itself while it works: lines of its log, and traces by OpenTelemetry where somebody collects
//! them.
//!
//! A trace is made of spans alone, and of those that name routes, gateways and numbers of messages: no address, no
//! line of the log and no statement goes out. Spans wait in a bounded queue of a thread of its own; where it is full,
//! or the collector away, they are lost, and nobody waits for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use opentelemetry::trace::{FutureExt, TracerProvider};
use opentelemetry::{KeyValue, global};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Where a collector takes all signals (OpenTelemetry's own variable). Without it, nothing is sent.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The same for traces alone.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// Under which name traces are kept (OpenTelemetry's own variable).
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// How long the last spans may take to leave.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// The largest reply of a collector that is read, in bytes: it has nothing to tell.
const MAX_REPLY: usize = 64 * 1024;
/// Where sqlx tells of every statement.
const STATEMENTS: &str = "sqlx::query";
/// Whose spans are exported.
const OURS: [&str; 4] = ["api", "store", "ingest", "clearbay"];

static TRACING: AtomicBool = AtomicBool::new(false);

/// How to log.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// JSON for machines.
    Json,
}

/// What runs as long as the program does.
#[must_use]
pub struct Telemetry(Option<SdkTracerProvider>);

/// Begins to log what `filter` names, and to send traces where the environment names a collector. `command` is the
/// service's name where the environment has none.
///
/// # Errors
/// Where the environment's settings for traces cannot be used.
pub fn start(
    runtime: &tokio::runtime::Runtime,
    filter: &str,
    format: LogFormat,
    command: &'static str,
) -> anyhow::Result<Telemetry> {
    // Only there are requests, and having each statement told costs a copy of its text.
    let serves = matches!(command, "serve" | "demo");
    let provider = match is_set(ENDPOINT) || is_set(TRACES_ENDPOINT) {
        true => Some(provider(runtime, command)?),
        false => None,
    };
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("clearbay"))
            // Where in our source a span begins, and how long it was polled, is of no use to whoever runs this.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(is_exported).with_max_level_hint(LevelFilter::DEBUG))
    });
    let told = Targets::new().with_target(STATEMENTS, LevelFilter::DEBUG);
    let statements = serves.then(|| LastStatement.with_filter(told));
    tracing_subscriber::registry()
        .with(lines(filter, format))
        .with(statements)
        .with(traces)
        .init();
    if provider.is_some() {
        global::set_text_map_propagator(TraceContextPropagator::new());
        TRACING.store(true, Ordering::Relaxed);
    }
    Ok(Telemetry(provider))
}

impl Telemetry {
    /// Sends what waits, within bounds. Not to be called by one of the runtime's own threads, which it needs meanwhile.
    pub fn finish(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown_with_timeout(FLUSH_WITHIN)
        {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn lines<S>(filter: &str, format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    }
}

fn provider(
    runtime: &tokio::runtime::Runtime,
    command: &'static str,
) -> anyhow::Result<SdkTracerProvider> {
    let sender = Sender {
        runtime: runtime.handle().clone(),
        client: api::gateway::client()?,
        is_away: AtomicBool::new(false),
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(sender)
        .build()
        .context("traces cannot be sent; check OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if !is_set(SERVICE_NAME) {
        resource = resource.with_service_name(format!("clearbay-{command}"));
    }
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build())
}

/// Spans of ours that say nothing personal; the one named `http` is for lines of the log, with a path in it.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    metadata.is_span() && metadata.name() != "http" && OURS.contains(&root)
}

/// Posts spans to the collector. Whoever calls waits on a thread without a runtime, so the program's own does the work.
#[derive(Debug)]
struct Sender {
    runtime: tokio::runtime::Handle,
    client: reqwest::Client,
    /// Whether the last attempt failed: it is told once, not every few seconds.
    is_away: AtomicBool,
}

impl Sender {
    fn tell(&self, why_not: Option<String>) {
        let outcome = if why_not.is_none() { "taken" } else { "failed" };
        metrics::counter!("clearbay_trace_exports_total", "outcome" => outcome).increment(1);
        let was_away = self.is_away.swap(why_not.is_some(), Ordering::Relaxed);
        match why_not {
            Some(why) if !was_away => tracing::warn!(why, "the collector takes no traces"),
            None if was_away => tracing::info!("the collector takes traces again"),
            _ => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(
        &self,
        request: axum::http::Request<Bytes>,
    ) -> Result<axum::http::Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self
            .runtime
            .spawn(async move { post(&client, request).await });
        let sent = sent.await.map_err(HttpError::from).flatten();
        self.tell(match &sent {
            Ok(reply) if reply.status().is_success() => None,
            Ok(reply) => Some(format!("it answers {}", reply.status())),
            Err(error) => Some(error.to_string()),
        });
        sent
    }
}

async fn post(
    client: &reqwest::Client,
    request: axum::http::Request<Bytes>,
) -> Result<axum::http::Response<Bytes>, HttpError> {
    let request: reqwest::Request = request.try_into()?;
    // An error of the client's shows the address, which may hold a password.
    let sent = client.execute(request).await;
    let mut reply = sent.map_err(reqwest::Error::without_url)?;
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await? {
        if body.len() + chunk.len() > MAX_REPLY {
            return Err("the collector's reply is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    let mut taken = axum::http::Response::new(Bytes::from(body));
    *taken.status_mut() = reply.status();
    *taken.headers_mut() = std::mem::take(reply.headers_mut());
    Ok(taken)
}

/// Lets a request's spans go on with the trace that it brings (W3C `traceparent`), where traces are sent at all.
pub fn traced(router: Router) -> Router {
    if TRACING.load(Ordering::Relaxed) {
        router.layer(middleware::from_fn(follow))
    } else {
        router
    }
}

async fn follow(request: Request, next: Next) -> Response {
    let brought = global::get_text_map_propagator(|propagator| {
        propagator.extract(&HeaderExtractor(request.headers()))
    });
    next.run(request).with_context(brought).await
}

/// Keeps the last statement of each request, so that the line that tells of a failure can name it.
struct LastStatement;

impl<S: Subscriber> Layer<S> for LastStatement {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = Told::default();
        event.record(&mut told);
        // What is short is all in the summary.
        let statement = match told.statement.trim() {
            "" => told.summary.trim(),
            whole => whole,
        };
        store::request::note_statement(statement);
    }
}

#[derive(Default)]
struct Told {
    summary: String,
    statement: String,
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.statement),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
