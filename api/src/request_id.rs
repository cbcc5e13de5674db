//! Every request has a number: it leads from an answer, or from a page that says that something failed, to all that was
//! done for it, down to the statements.

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use store::request::RequestId;
use tracing::Instrument;
use tracing::field::Empty;

/// The header that brings the number and takes it back.
pub const HEADER: &str = "x-request-id";

/// What a request asks for, without what was put in: its route, such as `/b/{code}`.
pub(crate) fn route<B>(request: &axum::http::Request<B>) -> &str {
    let matched = request.extensions().get::<MatchedPath>();
    matched.map_or("unmatched", MatchedPath::as_str)
}

/// Gives a request its number: the one that the proxy in front brings, where that is one, else a new one. The answer
/// bears it, and whatever is done meanwhile knows it.
///
/// The span is the one that is exported: it names the route, never an address, which may hold what is personal.
pub(crate) async fn identify(mut request: Request, next: Next) -> Response {
    let brought = request.headers().get(HEADER);
    let brought = brought.and_then(|id| id.to_str().ok()?.parse().ok());
    let id: RequestId = brought.unwrap_or_default();
    let span = tracing::debug_span!(
        "request",
        otel.name = %format_args!("{} {}", request.method(), route(&request)),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %request.method(),
        http.route = route(&request),
        http.response.status_code = Empty,
        request_id = %id,
    );
    // It has nothing in it that a header may not have.
    let header = HeaderValue::from_str(id.as_str());
    request.extensions_mut().insert(id.clone());
    let work = store::request::scope(id, next.run(request));
    let mut response = work.instrument(span.clone()).await;
    // Signed, for as such OpenTelemetry knows a number.
    let status = i64::from(response.status().as_u16());
    span.record("http.response.status_code", status);
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    if let Ok(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    response
}
