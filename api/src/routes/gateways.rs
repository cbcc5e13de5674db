use axum::Json as Reply;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use domain::payment::BankNotice;
use serde::{Deserialize, Serialize};
use store::settlement::NoticeOutcome;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::gateway::vietqr;
use crate::limit::MAX_BULK_ITEMS;
use crate::service::payment::settle;

#[derive(Deserialize, ToSchema)]
pub(super) struct Webhook {
    /// At most 1,000.
    transactions: Vec<BankNotice>,
}

/// What became of each transfer, in order.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookReply {
    results: Vec<NoticeResult>,
}

/// What became of one transfer.
#[derive(Serialize, ToSchema)]
pub(super) struct NoticeResult {
    /// The bank's number of the transfer.
    bank_ref: String,
    /// `posted`, `repeated`, or why its money is held: `unknown_reference`, `amount_differs`,
    /// `currency_differs`, `paid_twice`, `late`.
    outcome: &'static str,
}

/// Takes a bank's word on transfers that arrived.
///
/// Signed over the raw body: `Clearbay-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256(key, "<t>." + body)>`.
/// Anything but a 2xx means that nothing was taken: say it again.
#[utoipa::path(post, path = "/api/v1/gateways/vietqr/webhook", tag = "partners",
    request_body = Webhook,
    params(("Clearbay-Signature" = String, Header, description = "Time and signature")),
    responses((status = 200, body = WebhookReply), (status = 400, body = Problem),
        (status = 401, body = Problem)))]
pub(super) async fn vietqr_webhook(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Reply<WebhookReply>, ApiError> {
    let now = App::now();
    if let Err(error) = vietqr::verify(&app.secrets.webhook_key, &headers, &body, now) {
        tracing::warn!(%error, "webhook refused");
        metrics::counter!("clearbay_webhooks_refused_total", "gateway" => vietqr::CODE)
            .increment(1);
        return Err(ApiError::Unauthorized);
    }
    let webhook: Webhook =
        serde_json::from_slice(&body).map_err(|error| ApiError::BadRequest(error.to_string()))?;
    if webhook.transactions.len() > MAX_BULK_ITEMS {
        return Err(ApiError::BadRequest(format!(
            "at most {MAX_BULK_ITEMS} transactions at once"
        )));
    }
    if webhook
        .transactions
        .iter()
        .any(|notice| !is_keepable(notice))
    {
        return Err(ApiError::BadRequest(
            "a transaction has an impossible text or time".to_owned(),
        ));
    }
    let outcomes = settle(&app, vietqr::CODE, &webhook.transactions, now).await?;
    let results = webhook
        .transactions
        .into_iter()
        .zip(outcomes)
        .map(|(notice, outcome)| NoticeResult {
            bank_ref: notice.bank_ref,
            outcome: match outcome {
                NoticeOutcome::Posted(_) => "posted",
                NoticeOutcome::Repeated => "repeated",
                NoticeOutcome::Suspended(reason) => reason.code(),
            },
        })
        .collect();
    Ok(Reply(WebhookReply { results }))
}

/// Whether a notice can be kept at all. A bank that is told otherwise would say it for ever.
fn is_keepable(notice: &BankNotice) -> bool {
    let texts = [&notice.bank_ref, &notice.description, &notice.currency];
    let year = chrono::Datelike::year(&notice.paid_at);
    texts
        .iter()
        .all(|text| text.len() <= 1_000 && !text.contains('\0'))
        && !notice.bank_ref.is_empty()
        && (2000..=2200).contains(&year)
}
