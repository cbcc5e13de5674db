use axum::Json as Reply;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use domain::Timestamp;
use domain::payment::{BankNotice, Suspense};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::settlement::NoticeOutcome;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::Path;
use crate::gateway::{Distrust, Gateway, Taken, Webhook, Word, vietqr};
use crate::limit::MAX_BULK_ITEMS;
use crate::service::outbox::fail;
use crate::service::settlement::settle;

/// A bank's message.
#[derive(Deserialize, ToSchema)]
pub(super) struct BankMessage {
    /// At most 1,000.
    #[schema(value_type = Vec<BankNotice>)]
    transactions: Vec<Value>,
}

/// What became of each transfer, in order.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookReply {
    results: Vec<NoticeResult>,
}

/// What became of one transfer.
#[derive(Serialize, ToSchema)]
pub(super) struct NoticeResult {
    /// The bank's number of the transfer, where it could be read.
    bank_ref: String,
    /// `posted`, `repeated`, or why its money is held: `unknown_reference`, `amount_differs`,
    /// `currency_differs`, `paid_twice`, `late`, `contradicts`. `unreadable` is kept for people.
    outcome: &'static str,
}

/// Takes a bank's word on transfers that arrived.
///
/// Signed over the raw body: `Clearbay-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256(key, "<t>." + body)>`.
/// Anything but a 2xx means that nothing was taken: say it again.
#[utoipa::path(post, path = "/api/v1/gateways/vietqr/webhook", tag = "partners",
    request_body = BankMessage,
    params(("Clearbay-Signature" = String, Header, description = "Time and signature")),
    responses((status = 200, body = WebhookReply), (status = 400, body = Problem),
        (status = 401, body = Problem)))]
pub(super) async fn vietqr_webhook(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Reply<WebhookReply>, ApiError> {
    let now = App::now();
    let key = app.secrets.webhook_key.as_slice();
    if let Err(error) = vietqr::verify(key, &headers, &body, now) {
        refused(vietqr::CODE, &error);
        return Err(ApiError::BadSignature(error.to_string()));
    }
    let message: BankMessage =
        serde_json::from_slice(&body).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    if message.transactions.len() > MAX_BULK_ITEMS {
        return Err(ApiError::BadRequest(format!(
            "at most {MAX_BULK_ITEMS} transactions at once"
        )));
    }
    // Each by itself: one that cannot be read must not hold up the money of the others.
    let mut results = Vec::with_capacity(message.transactions.len());
    let mut notices = Vec::with_capacity(message.transactions.len());
    let mut readable = Vec::with_capacity(message.transactions.len());
    for (index, content) in message.transactions.into_iter().enumerate() {
        let bank_ref = content["bank_ref"].as_str().unwrap_or_default().to_owned();
        results.push(NoticeResult {
            bank_ref,
            outcome: "unreadable",
        });
        match read(&content) {
            Ok(notice) => {
                readable.push(index);
                notices.push(notice);
            }
            Err(reason) => {
                let text = content.to_string();
                app.store
                    .notice_unread(vietqr::CODE, &text, &reason, now)
                    .await?;
                unread(vietqr::CODE);
                tracing::warn!(%reason, "a bank's transfer cannot be read");
            }
        }
    }
    let outcomes = settle(&app, vietqr::CODE, notices, now).await?;
    for (index, outcome) in readable.into_iter().zip(outcomes) {
        results[index].outcome = match outcome {
            NoticeOutcome::Posted(_) => "posted",
            NoticeOutcome::Repeated => "repeated",
            NoticeOutcome::Suspended(reason) => reason.code(),
        };
    }
    Ok(Reply(WebhookReply { results }))
}

fn read(content: &Value) -> Result<BankNotice, String> {
    let notice = BankNotice::deserialize(content).map_err(|error| error.to_string())?;
    if is_keepable(&notice) {
        Ok(notice)
    } else {
        Err("a text or a time is impossible".to_owned())
    }
}

/// Whether a notice can be kept at all.
fn is_keepable(notice: &BankNotice) -> bool {
    let texts = [&notice.bank_ref, &notice.description, &notice.currency];
    let year = chrono::Datelike::year(&notice.paid_at);
    texts
        .iter()
        .all(|text| text.len() <= 1_000 && !text.contains('\0'))
        && !notice.bank_ref.is_empty()
        && (2000..=2200).contains(&year)
}

/// Takes a payment provider's word, in that provider's own protocol: `vnpay` (GET), `momo` and
/// `zalopay` (POST). The answer is the one that the provider expects.
#[utoipa::path(post, path = "/api/v1/gateways/{gateway}/webhook", tag = "partners",
    request_body(content = String, description = "As the provider sends it"),
    params(("gateway" = String, Path, description = "The gateway's code")),
    responses((status = 200, description = "As the provider expects it"),
        (status = 204, description = "The same of a provider that expects no words"),
        (status = 400, description = "It is not believed; as the provider expects it"),
        (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn provider_webhook(
    State(app): State<App>,
    Path(code): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let gateway = provider(&app, &code)?;
    let message = Webhook {
        query: query.as_deref().unwrap_or_default(),
        headers: &headers,
        body: &body,
    };
    let told = gateway.webhook(message, App::now());
    let taken = match told {
        Ok(words) => Ok(take(&app, gateway, words).await?),
        Err(distrust) => {
            refused(gateway.code(), &distrust);
            Err(distrust)
        }
    };
    Ok(reply(gateway, taken))
}

/// The same for providers that tell by GET.
#[utoipa::path(get, path = "/api/v1/gateways/{gateway}/webhook", tag = "partners",
    params(("gateway" = String, Path, description = "The gateway's code")),
    responses((status = 200, description = "As the provider expects it"),
        (status = 204, description = "The same of a provider that expects no words"),
        (status = 400, description = "It is not believed; as the provider expects it"),
        (status = 404, body = Problem),
        (status = 405, body = Problem, description = "This provider tells by POST")))]
pub(super) async fn provider_webhook_get(
    app: State<App>,
    path: Path<String>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    provider_webhook(app, path, query, headers, Bytes::new()).await
}

async fn take(app: &App, gateway: &dyn Gateway, words: Vec<Word>) -> Result<Vec<Taken>, ApiError> {
    let mut taken = Vec::with_capacity(words.len());
    for word in words {
        taken.push(match word {
            Word::Arrived(notice) if !is_keepable(&notice) => {
                let text = format!("{notice:?}");
                let reason = "a text or a time is impossible";
                app.store
                    .notice_unread(gateway.code(), &text, reason, App::now())
                    .await?;
                unread(gateway.code());
                Taken::Held
            }
            Word::Arrived(notice) => {
                let outcome = settle(app, gateway.code(), vec![notice], App::now())
                    .await?
                    .pop();
                match outcome {
                    Some(NoticeOutcome::Posted(_)) => Taken::Done,
                    Some(NoticeOutcome::Suspended(Suspense::UnknownReference)) => {
                        Taken::UnknownReference
                    }
                    Some(NoticeOutcome::Suspended(Suspense::AmountDiffers)) => Taken::AmountDiffers,
                    Some(NoticeOutcome::Suspended(_)) => Taken::Held,
                    Some(NoticeOutcome::Repeated) | None => Taken::Repeated,
                }
            }
            Word::Failed { reference, reason } => {
                match fail(app, gateway.code(), &reference, &reason).await? {
                    true => Taken::Done,
                    false => Taken::Repeated,
                }
            }
        });
    }
    Ok(taken)
}

fn reply(gateway: &dyn Gateway, taken: Result<Vec<Taken>, Distrust>) -> Response {
    let answer = gateway.answer(taken.as_deref());
    if answer.content_type.is_empty() {
        return answer.status.into_response();
    }
    let kind = [(header::CONTENT_TYPE, answer.content_type)];
    (answer.status, kind, answer.body).into_response()
}

/// Counts a notice that waits for people.
fn unread(gateway: &'static str) {
    metrics::counter!("clearbay_bank_notices_unread_total", "gateway" => gateway).increment(1);
}

/// Whether a request's head can be the bank's: signed, and just now. What it signs is known once the body is read.
///
/// # Errors
/// [`ApiError::BadSignature`].
pub(crate) fn is_signed_now(headers: &HeaderMap, now: Timestamp) -> Result<(), ApiError> {
    vietqr::fresh(headers, now).map(|_| ()).map_err(|error| {
        refused(vietqr::CODE, &error);
        ApiError::BadSignature(error.to_string())
    })
}

/// Whether there is a gateway at that address of a webhook.
///
/// # Errors
/// [`ApiError::NotFound`].
pub(crate) fn is_known(app: &App, path: &str) -> Result<(), ApiError> {
    let code = path.trim_end_matches("/webhook").rsplit('/').next();
    provider(app, code.unwrap_or_default()).map(|_| ())
}

fn provider<'a>(app: &'a App, code: &str) -> Result<&'a dyn Gateway, ApiError> {
    app.gateways
        .get(code)
        .filter(|gateway| gateway.code() != vietqr::CODE)
        .ok_or(ApiError::NotFound("gateway"))
}

fn refused(gateway: &'static str, why: &dyn std::fmt::Display) {
    tracing::warn!(gateway, %why, "webhook refused");
    metrics::counter!("clearbay_webhooks_refused_total", "gateway" => gateway).increment(1);
}
