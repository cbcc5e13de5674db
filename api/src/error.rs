//! The one place that turns failures into HTTP: RFC 9457 problem details.
//!
//! What a client reads is written for it; what went wrong inside goes to the log only.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::phone::PhoneError;
use domain::plate::PlateError;
use domain::session::DurationError;
use domain::tariff::QuoteError;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;

use crate::drain::DRAINING;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request cannot be read.
    #[error("{0}")]
    BadRequest(String),
    /// The request can be read but not done as it is.
    #[error("{0}")]
    Unprocessable(String),
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// Nobody may do this without saying who they are.
    #[error("a valid token is needed")]
    Unauthorized,
    /// The one-time code is another, has run out, or was tried too often.
    #[error("the code is wrong or no longer good")]
    WrongCode,
    /// Whoever is signed in did not show that it is still they.
    #[error("the password or the code is wrong")]
    NotConfirmed,
    /// This is done only by whoever has shown just now that it is still they.
    #[error("confirm at /api/v1/staff/confirmations that it is still you, then ask again")]
    ConfirmationRequired,
    /// Whoever has that role needs a second factor before they do anything else.
    #[error("a second factor is needed first: /staff/second-factor")]
    SecondFactorRequired,
    /// A gateway's message is not signed as it should be.
    #[error("{0}")]
    BadSignature(String),
    /// Somebody else may do this.
    #[error("this is not yours to see")]
    Forbidden,
    /// There is no such thing.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The sensor thinks that the driver stands in another bay, this one.
    #[error("bay {meant} looks empty and bay {likelier} has just been filled: which one is yours?")]
    WrongBay {
        /// The bay that was named.
        meant: String,
        /// The bay next door.
        likelier: String,
    },
    /// The plate's pass or exemption serves a vehicle that is seen standing in another bay. Where, and for how
    /// long, is not told: anybody may type a plate.
    #[error(
        "the pass or exemption of this plate is in use in another bay; confirm_bay insists, at the board's price"
    )]
    ParkedElsewhere,
    /// The thing is in a state that does not allow it.
    #[error("{0}")]
    Conflict(&'static str),
    /// The wallet's money does not suffice.
    #[error("there is not enough in the wallet")]
    NotCovered,
    /// None of the media types that the request takes.
    #[error("this is told as {0} only")]
    NotAcceptable(String),
    /// The method is not one of this path's.
    #[error("this path does not know that method")]
    MethodNotAllowed,
    /// The body does not arrive.
    #[error("the body took too long to arrive")]
    TooSlow,
    /// The body is larger than may be, or the connection ended within it.
    #[error("the body is not whole or larger than {max_body} bytes")]
    TooLarge {
        /// How large it may be.
        max_body: usize,
    },
    /// Somebody guesses, or mistypes too often.
    #[error("too many attempts; try again in {wait_s} seconds")]
    TooOften {
        /// How long to wait.
        wait_s: i64,
    },
    /// Too much at once, or a part that is needed is away.
    #[error("{0}")]
    Unavailable(&'static str),
    /// Our fault.
    #[error("something went wrong on our side")]
    Internal,
}

/// RFC 9457 problem details.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable name of the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:clearbay:problem:not-found")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// This very case in words.
    pub detail: String,
    /// The request's number, as `x-request-id` says it: who runs this finds by it what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// With `wrong-bay`: the bay that is more likely meant. Ask the driver; `confirm_bay` insists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likelier_bay: Option<String>,
}

impl ApiError {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.facts().0
    }

    fn facts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request", "Bad request"),
            Self::Unprocessable(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "unprocessable",
                "Cannot be done as asked",
            ),
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "Idempotency key reused",
            ),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::WrongCode => (StatusCode::UNAUTHORIZED, "wrong-code", "Wrong code"),
            Self::NotConfirmed => (StatusCode::UNAUTHORIZED, "not-confirmed", "Not confirmed"),
            Self::ConfirmationRequired => (
                StatusCode::FORBIDDEN,
                "confirmation-required",
                "Confirmation required",
            ),
            Self::SecondFactorRequired => (
                StatusCode::FORBIDDEN,
                "second-factor-required",
                "Second factor required",
            ),
            Self::BadSignature(_) => (
                StatusCode::UNAUTHORIZED,
                "bad-signature",
                "Signature not accepted",
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::WrongBay { .. } => (StatusCode::CONFLICT, "wrong-bay", "Perhaps another bay"),
            Self::ParkedElsewhere => (
                StatusCode::CONFLICT,
                "parked-elsewhere",
                "This plate is parked elsewhere",
            ),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Self::NotCovered => (StatusCode::CONFLICT, "not-covered", "Not enough money"),
            Self::NotAcceptable(_) => (
                StatusCode::NOT_ACCEPTABLE,
                "not-acceptable",
                "No media type that is taken",
            ),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
            ),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large"),
            Self::TooOften { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-often",
                "Too many attempts",
            ),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Try again shortly",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal error",
            ),
        }
    }

    /// The problem as a client reads it.
    pub fn problem(&self) -> Problem {
        let (status, name, title) = self.facts();
        Problem {
            kind: format!("urn:clearbay:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            request_id: store::request::current().map(|id| id.to_string()),
            likelier_bay: match self {
                Self::WrongBay { likelier, .. } => Some(likelier.clone()),
                _ => None,
            },
        }
    }
}

/// Marks an answer of 500 and above that nobody need be told of: the process does what it was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        let retry_after_s = match &self {
            Self::Unavailable(_) => Some(2),
            Self::TooOften { wait_s } => Some(*wait_s),
            _ => None,
        };
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::Unavailable(why) if why == DRAINING) {
            response.extensions_mut().insert(Expected);
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::NotFound(what),
            StoreError::Unavailable(source) => {
                let statement = store::request::last_statement();
                tracing::warn!(%source, statement, "database is not available");
                Self::Unavailable("the database is not available")
            }
            other => {
                // Without its parameters, which may be personal.
                let statement = store::request::last_statement();
                tracing::error!(error = %other, statement, "database work failed");
                Self::Internal
            }
        }
    }
}

impl From<PhoneError> for ApiError {
    fn from(error: PhoneError) -> Self {
        Self::Unprocessable(error.to_string())
    }
}

impl From<PlateError> for ApiError {
    fn from(error: PlateError) -> Self {
        Self::Unprocessable(error.to_string())
    }
}

impl From<DurationError> for ApiError {
    fn from(error: DurationError) -> Self {
        Self::Unprocessable(error.to_string())
    }
}

impl From<QuoteError> for ApiError {
    fn from(error: QuoteError) -> Self {
        Self::Unprocessable(error.to_string())
    }
}
