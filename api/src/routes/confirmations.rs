use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::App;
use crate::client::Client;
use crate::error::{ApiError, Problem};
use crate::extract::Json;
use crate::service::confirm;
use crate::service::second_factor::Answer;

/// What only whoever is signed in knows and has.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewConfirmation {
    /// The password.
    password: String,
    /// With a second factor: the code of now.
    #[serde(default)]
    code: String,
    /// In its place: one of the codes for a lost phone, each of which is good once.
    #[serde(default)]
    recovery_code: String,
}

/// Shows that it is still whoever has signed in. For the next five minutes they may do what a problem of the type
/// `urn:clearbay:problem:confirmation-required` refused.
#[utoipa::path(post, path = "/api/v1/staff/confirmations", tag = "staff", request_body = NewConfirmation,
    security(("staff" = [])),
    responses((status = 204, description = "It is they"), (status = 401, body = Problem),
        (status = 429, body = Problem)))]
pub(super) async fn confirm(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    Json(new): Json<NewConfirmation>,
) -> Result<StatusCode, ApiError> {
    let answer = Answer::of(&new.code, &new.recovery_code);
    let now = App::now();
    confirm::confirm(&app, &headers, new.password, answer.as_ref(), client, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
