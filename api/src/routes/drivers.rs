use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::id::WalletId;
use domain::phone::Phone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::client::Client;
use crate::error::{ApiError, Problem};
use crate::extract::{Json, bearer};
use crate::service::driver::{self, CodeSent};

#[derive(Deserialize, ToSchema)]
pub(super) struct NewCode {
    /// A Vietnamese mobile number.
    #[schema(example = "0912345678")]
    phone: String,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct SentCode {
    /// Until when it is good.
    expires_at: DateTime<Utc>,
}

/// Sends a one-time code to a phone number by text message.
///
/// A number gets one a minute and five a day; an address may ask for some a minute.
#[utoipa::path(post, path = "/api/v1/drivers/codes", tag = "pay", request_body = NewCode,
    responses((status = 202, body = SentCode), (status = 422, body = Problem),
        (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn send_code(
    State(app): State<App>,
    client: Client,
    Json(new): Json<NewCode>,
) -> Result<(StatusCode, Reply<SentCode>), ApiError> {
    let phone = Phone::parse(&new.phone)?;
    match driver::send_code(&app, &phone, client, App::now()).await? {
        CodeSent::Now(expires_at) => Ok((StatusCode::ACCEPTED, Reply(SentCode { expires_at }))),
        CodeSent::Lately(wait_s) => Err(ApiError::TooOften { wait_s }),
    }
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewLogin {
    /// The number to which the code went.
    #[schema(example = "0912345678")]
    phone: String,
    /// The code.
    #[schema(example = "123456")]
    code: String,
}

/// A driver who has signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenedLogin {
    /// Sent as `Authorization: Bearer`, and as the token of the wallet.
    token: String,
    /// Until when it is good.
    expires_at: DateTime<Utc>,
    /// The driver's wallet.
    wallet: WalletId,
}

/// Signs a driver in by the code that was sent; the first time, with an empty wallet.
#[utoipa::path(post, path = "/api/v1/drivers/logins", tag = "pay", request_body = NewLogin,
    responses((status = 201, body = OpenedLogin), (status = 401, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn sign_in(
    State(app): State<App>,
    Json(new): Json<NewLogin>,
) -> Result<(StatusCode, Reply<OpenedLogin>), ApiError> {
    let phone = Phone::parse(&new.phone)?;
    let signed_in = driver::sign_in(&app, &phone, &new.code, App::now()).await?;
    let reply = OpenedLogin {
        token: signed_in.token,
        expires_at: signed_in.expires_at,
        wallet: signed_in.driver.wallet.id,
    };
    Ok((StatusCode::CREATED, Reply(reply)))
}

/// Signs the driver out who holds the token.
#[utoipa::path(delete, path = "/api/v1/drivers/logins/current", tag = "pay",
    security(("driver" = [])),
    responses((status = 204), (status = 401, body = Problem)))]
pub(super) async fn sign_out(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let token = bearer(&headers).ok_or(ApiError::Unauthorized)?;
    driver::find(&app, token, App::now()).await?;
    driver::sign_out(&app, token, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
