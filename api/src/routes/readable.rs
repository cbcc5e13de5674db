//! What a script of any site may read: reports, receipts and the public log. They are public, take no cookie and no
//! token, and say the same to everybody. Open data says it of itself, with more headers.

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Lets any page read what is public (Fetch, 3.2), errors as well. With `*` no browser sends anybody's cookies along.
pub(super) async fn from_any_page(request: Request, next: Next) -> Response {
    let is_public = is_public(request.uri().path());
    let mut response = next.run(request).await;
    if is_public {
        let any = HeaderValue::from_static("*");
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    }
    response
}

fn is_public(path: &str) -> bool {
    // The receipt itself: not its disputes, which drivers write, and not its e-invoice.
    let receipt = path.strip_prefix("/api/v1/receipts/");
    path.starts_with("/log/")
        || path.starts_with("/api/v1/reports/")
        || receipt.is_some_and(|id| !id.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_public_is() {
        for path in [
            "/log/checkpoint",
            "/log/nothing/here",
            "/api/v1/reports/revenue",
            "/api/v1/receipts/018f0000-0000-7000-8000-000000000000",
        ] {
            assert!(is_public(path), "{path}");
        }
        for path in [
            "/",
            "/r/018f0000-0000-7000-8000-000000000000",
            "/api/v1/receipts/018f0000-0000-7000-8000-000000000000/disputes",
            "/api/v1/sessions/018f0000-0000-7000-8000-000000000000",
            "/api/v1/staff/devices",
            "/logs/checkpoint",
        ] {
            assert!(!is_public(path), "{path}");
        }
    }
}
