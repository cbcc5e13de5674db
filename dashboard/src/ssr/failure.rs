//! What did not work, as a page.

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::document::Document;
use super::{Reader, parts, protected};

/// The addresses of what is not made for people to read.
const FOR_PROGRAMS: [&str; 6] = ["/api", "/open", "/log", "/livez", "/readyz", "/static/"];
const PROBLEM_JSON: &str = "application/problem+json";

/// What axum's extractors refuse, a form without its fields or an address that is no text, they say in a line of their
/// own words: people are shown a page instead.
pub(super) async fn as_page(reader: Reader, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    match response.status() {
        // An address that cannot be read names nothing.
        StatusCode::BAD_REQUEST if is_plain && is_read => failure(&reader, StatusCode::NOT_FOUND),
        status if is_plain && status.is_client_error() => failure(&reader, status),
        _ => response,
    }
}

/// What is refused before it comes to a page, such as too much at once, is told for programs: who reads pages is shown
/// one.
pub(super) async fn refusal_as_page(reader: Reader, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_page = !FOR_PROGRAMS.iter().any(|root| path.starts_with(root));
    let accepts = request.headers().get(header::ACCEPT);
    let reads = accepts.and_then(|kinds| kinds.to_str().ok());
    let is_read = reads.is_some_and(|kinds| kinds.contains("text/html"));
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !is_page || !is_read || kind.is_none_or(|kind| kind != PROBLEM_JSON) {
        return response;
    }
    let (told, _) = response.into_parts();
    let number = told.headers.get(api::request_id::HEADER);
    let number = number.and_then(|id| id.to_str().ok()).map(str::to_owned);
    let mut page = protected(numbered(&reader, told.status, number));
    // When to ask again, and what every answer says.
    let own = page.headers().clone();
    let others = told.headers.iter();
    let others =
        others.filter(|(name, _)| !own.contains_key(*name) && *name != header::CONTENT_LENGTH);
    page.headers_mut()
        .extend(others.map(|(name, value)| (name.clone(), value.clone())));
    page
}

/// A failure as a page.
pub(crate) fn problem(reader: &Reader, error: &api::ApiError) -> Response {
    failure(reader, error.status())
}

fn failure(reader: &Reader, status: StatusCode) -> Response {
    let number = store::request::current().map(|id| id.to_string());
    numbered(reader, status, number)
}

fn numbered(reader: &Reader, status: StatusCode, number: Option<String>) -> Response {
    let lang = reader.lang;
    let (title, text) = match status {
        StatusCode::NOT_FOUND => (
            lang.problem().not_found,
            lang.problem().there_no_such_page_bay,
        ),
        StatusCode::FORBIDDEN => (lang.problem().cannot_be_opened, lang.problem().not_yours),
        StatusCode::UNAUTHORIZED => (
            lang.problem().cannot_be_opened,
            lang.problem().opens_where_it_was_begun,
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            lang.problem().out_of_order_for_the_moment,
            lang.problem().please_try_again_moment_if,
        ),
        _ => (
            lang.problem().that_did_not_work,
            lang.problem().please_try_again_if_have,
        ),
    };
    // By it whoever runs this finds what went wrong.
    let number = number.filter(|_| status.is_server_error());
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(reader, status, move || {
        parts::failure(title, text, number, lang)
    })
}
