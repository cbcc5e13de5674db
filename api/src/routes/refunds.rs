use axum::Json as Reply;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use domain::id::{DisputeId, ReceiptId, RefundId};
use domain::money::Vnd;
use domain::refund::DecisionStatus;
use serde::{Deserialize, Serialize};
use store::refund_decision::RefundDecision;
use store::refund_limits::PersonRefunds;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::error::{ApiError, Problem};
use crate::extract::{Json, Path, Query};
use crate::service::refund::{self, Month};
use crate::service::{confirm, staff};

/// A refund that is more than one person decides.
#[derive(Serialize, ToSchema)]
pub(super) struct RefundProposal {
    /// Its identity: the refund's, once it is confirmed.
    id: RefundId,
    /// The dispute that it answers; none for money without an owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispute: Option<DisputeId>,
    /// The receipt whose money it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptId>,
    /// Through whom the money came.
    gateway: String,
    /// The gateway's own number of it.
    bank_ref: String,
    /// The operator whose administrators, or the city's, confirm it; none where the city's alone do.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    /// How much goes back.
    amount_vnd: Vnd,
    /// What the driver is to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// The login of who proposed it.
    proposed_by: String,
    /// When.
    proposed_at: DateTime<Utc>,
}

impl From<RefundDecision> for RefundProposal {
    fn from(decision: RefundDecision) -> Self {
        Self {
            id: decision.id,
            dispute: decision.dispute,
            receipt: decision.receipt,
            gateway: decision.gateway,
            bank_ref: decision.bank_ref,
            operator: decision.operator,
            amount_vnd: decision.amount_vnd,
            answer: decision.answer,
            proposed_by: decision.by,
            proposed_at: decision.at,
        }
    }
}

/// Refunds that wait for a second person.
#[derive(Serialize, ToSchema)]
pub(super) struct RefundProposals {
    proposals: Vec<RefundProposal>,
}

/// Proposed refunds of the money that the signed-in staff may see, oldest first: each is more than one person
/// decides, and waits for an administrator who did not propose it.
#[utoipa::path(get, path = "/api/v1/staff/refund-proposals", tag = "staff", security(("staff" = [])),
    responses((status = 200, body = RefundProposals), (status = 401, body = Problem)))]
pub(super) async fn list_refund_proposals(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Reply<RefundProposals>, ApiError> {
    let who = staff::signed_in(&app, &headers, App::now()).await?;
    let found = refund::proposals(&app, &who).await?;
    let proposals = found.into_iter().map(RefundProposal::from).collect();
    Ok(Reply(RefundProposals { proposals }))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct SecondWord {
    /// `confirm` or `refuse`.
    decision: Word,
    /// Why not, at most 500 characters; for colleagues.
    #[serde(default)]
    note: String,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Confirm,
    Refuse,
}

/// Where a proposed refund stands.
#[derive(Serialize, ToSchema)]
pub(super) struct SecondDecided {
    status: DecisionStatus,
}

/// Confirms a proposed refund, which is on its way when this answers, or refuses it; for administrators, and not for
/// who proposed it. Money goes
/// back only by who has signed in, or confirmed that it is still they, within the last five minutes. Saying the same again
/// changes nothing.
#[utoipa::path(post, path = "/api/v1/staff/refund-proposals/{id}", tag = "staff",
    request_body = SecondWord,
    params(("id" = String, Path, description = "The proposal's id")),
    security(("staff" = [])),
    responses((status = 200, body = SecondDecided), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn decide_refund_proposal(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<RefundId>,
    Json(word): Json<SecondWord>,
) -> Result<Reply<SecondDecided>, ApiError> {
    let now = App::now();
    let word = match word.decision {
        Word::Confirm => {
            refund::SecondWord::Confirm(confirm::confirmed(&app, &headers, now).await?)
        }
        Word::Refuse => {
            let who = staff::signed_in(&app, &headers, now).await?;
            refund::SecondWord::Refuse(who, word.note)
        }
    };
    let status = refund::second(&app, id, &word, now).await?;
    Ok(Reply(SecondDecided { status }))
}

#[derive(Deserialize, IntoParams)]
pub(super) struct MonthQuery {
    /// The month, in the city's time, such as `2026-07`; the present one where left out.
    month: Option<String>,
}

/// What one person gave back in the month.
#[derive(Serialize, ToSchema)]
pub(super) struct PersonRow {
    /// Their login.
    login: String,
    /// Their name.
    name: String,
    /// The code of the operator they work for; none is the city.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    /// How many refunds they decided, those that a second person confirmed among them.
    refunds: i64,
    /// Their sum in đồng.
    amount_vnd: i64,
    /// How many of them they decided alone.
    alone: i64,
    /// The sum of these in đồng.
    alone_vnd: i64,
    /// How many refunds that they proposed were not confirmed.
    refused: i64,
    /// How many refunds that others proposed they confirmed.
    confirmed: i64,
}

impl From<PersonRefunds> for PersonRow {
    fn from(row: PersonRefunds) -> Self {
        Self {
            login: row.login,
            name: row.name,
            operator: row.operator,
            refunds: row.refunds,
            amount_vnd: row.amount_vnd,
            alone: row.alone,
            alone_vnd: row.alone_vnd,
            refused: row.refused,
            confirmed: row.confirmed,
        }
    }
}

/// Refunds by person.
#[derive(Serialize, ToSchema)]
pub(super) struct RefundsByPerson {
    /// The month.
    month: String,
    /// Who gave back most comes first.
    rows: Vec<PersonRow>,
}

/// Who gave back how much in a month, and how much of it alone: for administrators of their operator's money, for the
/// city's staff and auditors of all. What the system gives back by a rule is nobody's.
#[utoipa::path(get, path = "/api/v1/staff/reports/refunds", tag = "staff", params(MonthQuery),
    security(("staff" = [])),
    responses((status = 200, body = RefundsByPerson), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn get_refunds_by_person(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<MonthQuery>,
) -> Result<Reply<RefundsByPerson>, ApiError> {
    let now = App::now();
    let who = staff::signed_in(&app, &headers, now).await?;
    let month = match query.month {
        Some(text) => text.parse()?,
        None => Month::of(now, app.city.timezone),
    };
    let rows = refund::by_person(&app, &who, month).await?;
    Ok(Reply(RefundsByPerson {
        month: month.to_string(),
        rows: rows.into_iter().map(PersonRow::from).collect(),
    }))
}
