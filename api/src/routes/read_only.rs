//! Who may read and nothing else sends nothing that changes something, whatever route it is.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::limit::PICTURE_PATH;
use crate::service::staff;
use crate::{ApiError, App};

/// What is sent and changes nothing of the city's: a plate is in no address, and how they come in is their own.
const READS: [&str; 11] = [
    "/api/v1/staff/confirmations",
    "/api/v1/staff/plates",
    "/sign-in/forget",
    "/staff/exemptions/of",
    "/staff/identity",
    "/staff/login",
    "/staff/login/code",
    "/staff/logout",
    "/staff/plates",
    "/staff/second-factor",
    PICTURE_PATH,
];

/// Refuses whatever an auditor's browser sends that is not a question.
pub(super) async fn refuse_auditors(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let token = staff::held_token(&app, request.headers());
    if token.is_some() && !request.method().is_safe() {
        let path = request.extensions().get::<MatchedPath>();
        let reads = path.is_some_and(|path| READS.contains(&path.as_str()));
        match staff::login(&app, token, App::now()).await {
            Ok(login) if login.staff.reads_only() && !reads => {
                return ApiError::Forbidden.into_response();
            }
            // Whoever is not signed in is told so by what they ask for.
            Ok(_) | Err(ApiError::Unauthorized) => {}
            Err(error) => return error.into_response(),
        }
    }
    next.run(request).await
}
