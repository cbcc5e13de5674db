//! The documentation of the API as pages, by Swagger UI.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use crate::{ApiError, App};

/// More than its page, which only names its scripts.
const MAX_PAGE: usize = 64 * 1024;

pub(super) fn router(document: OpenApi) -> Router<App> {
    let pages = SwaggerUi::new("/api/docs").url("/api/openapi.json", document);
    Router::from(pages).layer(middleware::from_fn(fit_phones))
}

/// Its page does not say that it fits a phone, which then shows it as wide as a desk's.
async fn fit_phones(request: Request, next: Next) -> Result<Response, ApiError> {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let page = to_bytes(body, MAX_PAGE).await;
    let page = page.map_err(|_| ApiError::Internal)?;
    let page = String::from_utf8_lossy(&page).replacen(
        "<head>",
        "<head><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        1,
    );
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(page.len()));
    Ok(Response::from_parts(parts, Body::from(page)))
}
