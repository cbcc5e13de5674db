use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use domain::id::SessionId;
use domain::reminder::Language;
use serde::{Deserialize, Serialize};
use store::session::Session;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Json, Path, bearer};
use crate::push::Recipient;
use crate::service::{reminder, session, session_cookie};

/// What a browser's `PushSubscription` is as JSON, with the language of the page.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewPushSubscription {
    /// The address that the push service gave the browser: `https`, at a push service that is known here.
    #[schema(example = "https://updates.push.services.mozilla.com/wpush/v2/gAAAA")]
    endpoint: String,
    /// The browser's keys.
    keys: PushKeys,
    /// In which language to tell.
    #[serde(default)]
    lang: Language,
}

/// A browser's keys (RFC 8291), in base64url.
#[derive(Deserialize, ToSchema)]
pub(super) struct PushKeys {
    /// Its public key: a point of P-256.
    p256dh: String,
    /// Its secret: 16 bytes.
    auth: String,
}

impl PushKeys {
    fn recipient(&self) -> Result<Recipient, ApiError> {
        let bytes = |text: &str| {
            URL_SAFE_NO_PAD
                .decode(text.trim_end_matches('='))
                .map_err(|_| ApiError::Unprocessable("keys are not base64url".to_owned()))
        };
        Recipient::new(&bytes(&self.p256dh)?, &bytes(&self.auth)?)
            .map_err(|why| ApiError::Unprocessable(why.to_string()))
    }
}

/// A browser that is told of a session.
#[derive(Serialize, ToSchema)]
pub(super) struct PushSubscriptionView {
    /// Its name: the SHA-256 of its endpoint in base64url.
    id: String,
    /// When it is warned, as the session stands now; nothing where that time has passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    warns_at: Option<DateTime<Utc>>,
}

fn view(session: &Session, id: String) -> Reply<PushSubscriptionView> {
    let warns_at = reminder::warning(session, App::now());
    Reply(PushSubscriptionView { id, warns_at })
}

/// The session of that identity, for whoever sends its token or, as our own pages do, its cookie: no
/// other site's page can send that along with anything but a link.
async fn authorised(app: &App, id: SessionId, headers: &HeaderMap) -> Result<Session, ApiError> {
    let held = || session_cookie::held_token(app, headers, id);
    let token = bearer(headers).map(str::to_owned).or_else(held);
    session::find(app, id, &token.ok_or(ApiError::Unauthorized)?).await
}

/// Has a browser told before the paid time ends, also while its page is closed.
///
/// It is told 10 minutes before the end (at half of a session that is shorter than 20 minutes), again
/// when the end has moved, and when time has run out while the vehicle is still there. At most five
/// browsers are told of a session. Asking again with the same endpoint changes nothing but its keys and
/// language.
#[utoipa::path(post, path = "/api/v1/sessions/{id}/push-subscriptions", tag = "pay",
    request_body = NewPushSubscription,
    params(("id" = String, Path, description = "The session's id")),
    security(("session" = [])),
    responses((status = 201, body = PushSubscriptionView), (status = 400, body = Problem),
        (status = 401, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn create_push_subscription(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
    Json(new): Json<NewPushSubscription>,
) -> Result<(StatusCode, Reply<PushSubscriptionView>), ApiError> {
    let session = authorised(&app, id, &headers).await?;
    let wish = reminder::Wish {
        recipient: new.keys.recipient()?,
        endpoint: new.endpoint,
        lang: new.lang,
    };
    let name = reminder::subscribe(&app, &session, wish, App::now()).await?;
    Ok((StatusCode::CREATED, view(&session, name)))
}

/// Whether a browser is told of a session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/push-subscriptions/{subscription}", tag = "pay",
    params(("id" = String, Path, description = "The session's id"),
        ("subscription" = String, Path, description = "The SHA-256 of the endpoint in base64url")),
    security(("session" = [])),
    responses((status = 200, body = PushSubscriptionView), (status = 401, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn get_push_subscription(
    State(app): State<App>,
    headers: HeaderMap,
    Path((id, name)): Path<(SessionId, String)>,
) -> Result<Reply<PushSubscriptionView>, ApiError> {
    let session = authorised(&app, id, &headers).await?;
    if !reminder::is_subscribed(&app, &session, &name).await? {
        return Err(ApiError::NotFound("subscription"));
    }
    Ok(view(&session, name))
}

/// No longer tells a browser of a session. Asking again changes nothing.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/push-subscriptions/{subscription}", tag = "pay",
    params(("id" = String, Path, description = "The session's id"),
        ("subscription" = String, Path, description = "The SHA-256 of the endpoint in base64url")),
    security(("session" = [])),
    responses((status = 204), (status = 401, body = Problem)))]
pub(super) async fn delete_push_subscription(
    State(app): State<App>,
    headers: HeaderMap,
    Path((id, name)): Path<(SessionId, String)>,
) -> Result<StatusCode, ApiError> {
    let session = authorised(&app, id, &headers).await?;
    reminder::unsubscribe(&app, &session, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
