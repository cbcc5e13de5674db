//! A collector of traces: takes what OpenTelemetry's exporters post by HTTP and keeps it for the test to look at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::net::TcpListener;

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Whose it is (`service.name`).
    pub service: String,
    /// What it is called.
    pub name: String,
    /// OTLP's number of its kind: 2 is a server, 3 a client, 5 a consumer.
    pub kind: i32,
    /// Its trace, in hexadecimal digits.
    pub trace: String,
    /// Its own number within.
    pub span: String,
    /// The span that it is a part of; empty where there is none.
    pub parent: String,
    /// What else it says, as text.
    pub attributes: BTreeMap<String, String>,
}

type Spans = Arc<Mutex<Vec<Collected>>>;

/// A running collector; it ends with the test.
pub struct Collector {
    /// Where it is, as `OTEL_EXPORTER_OTLP_ENDPOINT` names it.
    pub url: String,
    spans: Spans,
}

impl Collector {
    /// Starts one on this machine.
    ///
    /// # Panics
    /// Where there is no port for it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Spans::default();
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(spans.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, spans }
    }

    /// Every span so far.
    ///
    /// # Panics
    /// Never.
    pub fn spans(&self) -> Vec<Collected> {
        self.spans.lock().unwrap().clone()
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = spans.lock().unwrap();
    for resource in request.resource_spans {
        let about = resource.resource.unwrap_or_default();
        let service = texts(about.attributes)
            .remove("service.name")
            .unwrap_or_default();
        let scopes = resource.scope_spans.into_iter();
        kept.extend(scopes.flat_map(|scope| scope.spans).map(|span| Collected {
            service: service.clone(),
            name: span.name,
            kind: span.kind,
            trace: hex::encode(span.trace_id),
            span: hex::encode(span.span_id),
            parent: hex::encode(span.parent_span_id),
            attributes: texts(span.attributes),
        }));
    }
    StatusCode::OK
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |attribute: KeyValue| {
        let value = attribute.value.and_then(|value| value.value);
        let value = match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            Some(Value::BoolValue(is_so)) => is_so.to_string(),
            other => format!("{other:?}"),
        };
        (attribute.key, value)
    };
    attributes.into_iter().map(text).collect()
}
