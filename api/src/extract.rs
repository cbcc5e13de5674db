//! Extractors that refuse with problem details.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use chrono::{DateTime, NaiveDate};
use domain::Timestamp;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::BadRequest(match &rejection {
                JsonRejection::JsonDataError(_) => {
                    refused("the body is not as it must be", &rejection)
                }
                JsonRejection::JsonSyntaxError(_) => refused("the body is not JSON", &rejection),
                JsonRejection::MissingJsonContentType(_) => {
                    "the body must be JSON, with Content-Type: application/json".to_owned()
                }
                _ => "the body cannot be read".to_owned(),
            })),
        }
    }
}

/// What is wrong with a request, and where, without the words of the framework that found it.
fn refused(what: &str, rejection: &(dyn std::error::Error + 'static)) -> String {
    match rejection.source() {
        Some(why) => format!("{what}: {why}"),
        None => what.to_owned(),
    }
}

/// The query string.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ApiError::BadRequest(refused(
                "the query cannot be read",
                &rejection,
            ))),
        }
    }
}

/// An instant in a query, as RFC 3339 has it. A `+` that was not encoded has become a space on the way.
pub fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let time = DateTime::parse_from_rfc3339(&text.replace(' ', "+"));
    let time = time.map_err(|_| {
        D::Error::custom(format!(
            "{text:?} is no time such as 2026-11-20T14:30:00+07:00"
        ))
    })?;
    Ok(Some(time.to_utc()))
}

/// A day in a query, as ISO 8601 has it.
pub fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NaiveDate>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    let day = text.parse();
    day.map(Some)
        .map_err(|_| D::Error::custom(format!("{text:?} is no day such as 2026-11-20")))
}

/// The path's parameters. One that cannot be read names nothing that exists.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(ApiError::NotFound("page")),
        }
    }
}

/// The `Idempotency-Key` header, which every request that creates something must carry.
pub struct IdempotencyKey(pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let key = parts
            .headers
            .get("idempotency-key")
            .and_then(|value| value.to_str().ok());
        check_key(key.unwrap_or_default()).map(|()| Self(key.unwrap_or_default().to_owned()))
    }
}

/// How a terminal's keys begin, as they are kept: no driver's does, so that nobody takes one first.
pub const TERMINAL_KEY: &str = "terminal:";

/// Checks the form of an idempotency key.
///
/// # Errors
/// [`ApiError::BadRequest`] where it is no key.
pub fn check_key(key: &str) -> Result<(), ApiError> {
    let good = (8..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if good && !key.starts_with(TERMINAL_KEY) {
        return Ok(());
    }
    Err(ApiError::BadRequest(
        "an Idempotency-Key header of 8 to 128 printable characters is needed, for example a UUID"
            .to_owned(),
    ))
}

/// The value of `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get("authorization")?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
        .map(str::trim)
}
