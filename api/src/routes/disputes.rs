use axum::Json as Reply;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::dispute::{DisputeReason, DisputeStatus};
use domain::id::{DisputeId, ReceiptId, RefundId};
use domain::money::Vnd;
use serde::{Deserialize, Serialize};
use store::dispute::Dispute;
use utoipa::ToSchema;

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{IdempotencyKey, Json, Path};
use crate::service::dispute::Verdict;
use crate::service::{confirm, dispute, staff};

/// A dispute.
#[derive(Serialize, ToSchema)]
pub(super) struct DisputeView {
    /// Its identity.
    id: DisputeId,
    /// The receipt that it objects to.
    receipt: ReceiptId,
    /// The bay's code.
    bay: String,
    /// What was paid.
    amount_vnd: Vnd,
    /// What has gone back of it.
    refunded_vnd: Vnd,
    /// What the driver objects to.
    reason: DisputeReason,
    /// In the driver's words.
    text: String,
    /// Where it stands.
    status: DisputeStatus,
    /// Whether it is being looked at: somebody has proposed what is to be done, and a second person decides.
    in_review: bool,
    /// When it was opened.
    opened_at: DateTime<Utc>,
    /// What staff said.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// For the staff who decide: the driver's name, where they let one stand with it that the city's identity
    /// provider vouches for.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_name: Option<String>,
}

/// A dispute as the staff see it who decide about it.
fn for_staff(mut dispute: Dispute) -> DisputeView {
    let identity = dispute.identity.take();
    DisputeView {
        confirmed_name: identity.map(|identity| identity.name),
        ..dispute.into()
    }
}

impl From<Dispute> for DisputeView {
    fn from(dispute: Dispute) -> Self {
        Self {
            id: dispute.id,
            receipt: dispute.receipt,
            bay: dispute.bay,
            amount_vnd: dispute.amount_vnd,
            refunded_vnd: dispute.refunded_vnd,
            reason: dispute.reason,
            text: dispute.text,
            status: dispute.status,
            in_review: dispute.in_review,
            opened_at: dispute.opened_at,
            answer: dispute.answer,
            // Whoever has a receipt's address sees its disputes.
            confirmed_name: None,
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewDispute {
    /// What you object to.
    reason: DisputeReason,
    /// In your words, at most 2,000 characters.
    #[serde(default)]
    text: String,
}

/// Opens a dispute about a receipt. A receipt has at most one that is open.
#[utoipa::path(post, path = "/api/v1/receipts/{id}/disputes", tag = "pay", request_body = NewDispute,
    params(("id" = String, Path, description = "The receipt's id"),
        ("Idempotency-Key" = String, Header, description = "8 to 128 characters, new for each intent")),
    responses((status = 201, body = DisputeView), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create_dispute(
    State(app): State<App>,
    Path(id): Path<ReceiptId>,
    IdempotencyKey(key): IdempotencyKey,
    Json(new): Json<NewDispute>,
) -> Result<(StatusCode, Reply<DisputeView>), ApiError> {
    let opened = dispute::open(&app, id, new.reason, &new.text, None, key, App::now()).await?;
    Ok((StatusCode::CREATED, Reply(opened.into())))
}

/// Disputes.
#[derive(Serialize, ToSchema)]
pub(super) struct Disputes {
    disputes: Vec<DisputeView>,
}

/// The disputes about a receipt, newest first.
#[utoipa::path(get, path = "/api/v1/receipts/{id}/disputes", tag = "pay",
    params(("id" = String, Path, description = "The receipt's id")),
    responses((status = 200, body = Disputes)))]
pub(super) async fn list_receipt_disputes(
    State(app): State<App>,
    Path(id): Path<ReceiptId>,
) -> Result<Reply<Disputes>, ApiError> {
    let found = app.store.receipt_disputes(id).await?;
    let disputes = found.into_iter().map(DisputeView::from).collect();
    Ok(Reply(Disputes { disputes }))
}

/// Open disputes of the lots that the signed-in staff may see, oldest first.
#[utoipa::path(get, path = "/api/v1/staff/disputes", tag = "staff", security(("staff" = [])),
    responses((status = 200, body = Disputes), (status = 401, body = Problem)))]
pub(super) async fn list_disputes(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Reply<Disputes>, ApiError> {
    let who = staff::signed_in(&app, &headers, App::now()).await?;
    let found = app
        .store
        .disputes_open(who.operator.as_deref(), dispute::LIST_MAX)
        .await?;
    let disputes = found.into_iter().map(for_staff).collect();
    Ok(Reply(Disputes { disputes }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct NewDecision {
    /// `refund` or `refuse`.
    decision: Decision,
    /// How much goes back; all that is left where it is not said.
    amount_vnd: Option<Vnd>,
    /// What the driver reads.
    answer: String,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Refund,
    Refuse,
}

/// Where a dispute stands.
#[derive(Serialize, ToSchema)]
pub(super) struct Decided {
    status: DisputeStatus,
    /// The refund that is proposed: a second person is to confirm it.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<RefundId>,
}

/// Decides a dispute; the refund is on its way when this answers 200. One that is more than a person decides alone is
/// proposed: this answers 202, and the dispute is open until an administrator confirms it. Asking again then changes
/// nothing. Money goes back only by who has signed in, or
/// confirmed that it is still they, within the last five minutes.
#[utoipa::path(post, path = "/api/v1/staff/disputes/{id}", tag = "staff",
    request_body = NewDecision,
    params(("id" = String, Path, description = "The dispute's id")),
    security(("staff" = [])),
    responses((status = 200, body = Decided), (status = 202, body = Decided), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn decide_dispute(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<DisputeId>,
    Json(new): Json<NewDecision>,
) -> Result<(StatusCode, Reply<Decided>), ApiError> {
    let now = App::now();
    let verdict = match new.decision {
        Decision::Refund => {
            let who = confirm::confirmed(&app, &headers, now).await?;
            Verdict::Refund(who, new.amount_vnd)
        }
        Decision::Refuse => Verdict::Refuse(staff::signed_in(&app, &headers, now).await?),
    };
    let decided = dispute::decide(&app, id, &verdict, &new.answer, now).await?;
    let code = match decided.proposal {
        Some(_) => StatusCode::ACCEPTED,
        None => StatusCode::OK,
    };
    let dispute::Decided { status, proposal } = decided;
    Ok((code, Reply(Decided { status, proposal })))
}
