//! What every answer bears and every request must not be, whatever route it is.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::{ApiError, App};

/// A year, as browsers ask for before they believe it of a name for good.
const HSTS: &str = "max-age=31536000; includeSubDomains";
/// JSON, pictures and text load nothing, wherever they are opened.
const CSP_DATA: &str = "default-src 'none'; frame-ancestors 'none'";
/// The documentation's own scripts and styles; pages have their own policy.
const CSP_DOCS: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    frame-ancestors 'none'; base-uri 'none'";

/// Whether a page sent it that is neither of this host, as the request names it, nor of the city's public address.
fn is_from_elsewhere(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return false;
    };
    let host_of = |url: &str| {
        let host = url.split_once("://").map_or(url, |(_, host)| host);
        host.trim_end_matches('/').to_ascii_lowercase()
    };
    let from = host_of(origin);
    from != host.to_ascii_lowercase() && from != host_of(public_url)
}

/// Refuses what another site has a browser send in its visitor's name: not even what signs them in. Then
/// adds the headers that an answer lacks which keep it from being framed, sniffed, kept by caches, or asked
/// for without TLS. A process that is about to end has each answer end its connection.
pub(super) async fn protect(State(app): State<App>, request: Request, next: Next) -> Response {
    // Banks and providers are no browsers, and send no such header. A name beside ours is another site, too: cookies go
    // along from there however strict they are.
    let from = request.headers().get("sec-fetch-site");
    let is_foreign = match from {
        Some(from) => from == "cross-site" || from == "same-site",
        // Browsers from before 2023 say only where the page was from.
        None => is_from_elsewhere(request.headers(), &app.public_url),
    };
    if !request.method().is_safe() && is_foreign {
        return ApiError::Forbidden.into_response();
    }
    let policy = match request.uri().path() {
        path if path.starts_with("/api/docs") => CSP_DOCS,
        _ => CSP_DATA,
    };
    let is_api = request.uri().path().starts_with("/api/v1/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut lacks = |name: header::HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    lacks(header::CONTENT_SECURITY_POLICY, policy);
    lacks(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    lacks(header::REFERRER_POLICY, "same-origin");
    if is_api {
        lacks(header::CACHE_CONTROL, "no-store");
    }
    if app.is_secure() {
        lacks(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if app.drain.has_begun() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
