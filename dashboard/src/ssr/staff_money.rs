//! `/staff/money`: disputes to answer, refunds that two people decide, money without an owner, refunds that people
//! must pay.

use std::collections::HashMap;

use api::service::account::{self, Accounts};
use api::service::dispute::{self, LIST_MAX, Verdict};
use api::service::refund;
use api::{ApiError, App, Oidc};
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use chrono_tz::Tz;
use domain::dispute::DisputeReason;
use domain::id::{DisputeId, RefundId};
use domain::money::Vnd;
use domain::refund::DecisionStatus;
use leptos::prelude::*;
use serde::Deserialize;
use store::dispute::Dispute;
use store::refund::Refund;
use store::refund_decision::{GivenBack, RefundDecision};
use store::refund_limits::KnownLimits;
use store::staff::{Staff, SuspendedNotice};

use super::document::Document;
use super::parts::clock;
use super::payment::gateway_name;
use super::sign_in::confirmed_by;
use super::staff::{SignedIn, staff_bar};
use super::staff_accounts;
use super::staff_confirm::Asked;
use super::staff_refunds::{limits_view, proposals_view};
use super::{Reader, problem};
use crate::lang::Lang;

const ROWS: i64 = 100;
/// How much that has been given back is shown.
const SETTLED_ROWS: i64 = 20;

struct Work {
    disputes: Vec<Dispute>,
    /// The latest refund that was proposed or decided about each of them.
    decisions: HashMap<DisputeId, RefundDecision>,
    proposals: Vec<RefundDecision>,
    limits: Vec<KnownLimits>,
    accounts: Accounts,
    suspense: Vec<SuspendedNotice>,
    settled: Vec<SuspendedNotice>,
    refunds: Vec<Refund>,
}

impl Work {
    /// Whether more may wait than were read.
    fn is_cut(&self) -> bool {
        let is_full =
            |count: usize, most: i64| i64::try_from(count).is_ok_and(|count| count >= most);
        is_full(self.disputes.len(), LIST_MAX)
            || is_full(self.suspense.len(), ROWS)
            || is_full(self.refunds.len(), ROWS)
    }
}

/// `/staff/money`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    RawQuery(query): RawQuery,
    SignedIn(who): SignedIn,
) -> Response {
    let told = match query.as_deref() {
        Some("decided") => Some(reader.lang.staff_money().decided),
        Some("proposed") => Some(reader.lang.staff_refunds().proposed),
        _ => None,
    };
    let work = match load(&app, &who).await {
        Ok(work) => work,
        Err(error) => return problem(&reader, &error),
    };
    let lang = reader.lang;
    let title = lang.staff_money().disputes_and_refunds;
    let tz = app.city.timezone;
    let oidc = reader.oidc.clone();
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .page(&reader, move || {
        let (city, reads_only) = (who.operator.is_none(), who.reads_only());
        view! {
            {staff_bar(&who, "/staff/money", lang)}
            <h1>{title}</h1>
            {told.map(|told| view! { <p class="ok" role="status">"✓ " {told}</p> })}
            {work.is_cut().then(|| view! { <p class="hint">{lang.staff_money().more_wait}</p> })}
            {proposals_view(work.proposals, &who, tz, lang)}
            {disputes_view(work.disputes, work.decisions, oidc.as_deref(), reads_only, tz, lang)}
            {city.then(|| refunds_view(work.refunds, reads_only, tz, lang))}
            {city.then(|| suspense_view(work.suspense, work.settled, reads_only, tz, lang))}
            {staff_accounts::view(work.accounts, tz, lang)}
            {limits_view(work.limits, &who, lang)}
        }
    })
}

async fn load(app: &App, who: &Staff) -> Result<Work, ApiError> {
    let city = who.operator.is_none();
    let operator = who.operator.as_deref();
    let disputes = app.store.disputes_open(operator, LIST_MAX).await?;
    let ids: Vec<DisputeId> = disputes.iter().map(|dispute| dispute.id).collect();
    let decisions = app.store.dispute_decisions(&ids).await?.into_iter();
    Ok(Work {
        disputes,
        decisions: decisions
            .filter_map(|decision| Some((decision.dispute?, decision)))
            .collect(),
        proposals: refund::proposals(app, who).await?,
        limits: refund::limits(app, who).await?,
        accounts: account::seen_by(app, who, App::now()).await?,
        suspense: match city {
            true => app.store.suspense_list(false, ROWS).await?,
            false => Vec::new(),
        },
        settled: match city {
            true => app.store.suspense_list(true, SETTLED_ROWS).await?,
            false => Vec::new(),
        },
        refunds: match city {
            true => app.store.refunds_manual(ROWS).await?,
            false => Vec::new(),
        },
    })
}

#[derive(Deserialize)]
pub(crate) struct DecisionForm {
    decision: String,
    #[serde(default)]
    answer: String,
}

/// `POST /staff/money/disputes/{id}`: refunds all that is left, or refuses.
pub(crate) async fn decide(
    State(app): State<App>,
    Path(id): Path<DisputeId>,
    SignedIn(who): SignedIn,
    asked: Asked,
) -> Response {
    let done = async {
        let form: DecisionForm = asked.form().await?;
        let verdict = match form.decision.as_str() {
            "refund" => Verdict::Refund(asked.confirmed(&app).await?, None),
            _ => Verdict::Refuse(who),
        };
        let decided = dispute::decide(&app, id, &verdict, &form.answer, App::now()).await?;
        Ok(decided.proposal.is_some())
    };
    back(done.await, asked)
}

#[derive(Deserialize)]
pub(crate) struct GiveBackForm {
    gateway: String,
    bank_ref: String,
    /// What was done about a notice that brought no đồng.
    note: Option<String>,
}

/// `POST /staff/money/suspense`: gives money without an owner back, or notes what was done about a
/// notice without money.
pub(crate) async fn give_back(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    asked: Asked,
) -> Response {
    let done = async {
        let form: GiveBackForm = asked.form().await?;
        let (gateway, bank_ref, now) = (&form.gateway, &form.bank_ref, App::now());
        match &form.note {
            None => {
                let who = asked.confirmed(&app).await?;
                let given = dispute::give_back(&app, gateway, bank_ref, &who, now);
                given
                    .await
                    .map(|given| matches!(given, GivenBack::Proposed(_)))
            }
            Some(note) => dispute::settle_notice(&app, gateway, bank_ref, note, &who, now)
                .await
                .map(|()| false),
        }
    };
    back(done.await, asked)
}

#[derive(Deserialize)]
pub(crate) struct PaidBackForm {
    gateway_ref: String,
}

/// `POST /staff/money/refunds/{id}`: notes that people have paid a refund.
pub(crate) async fn paid_back(
    State(app): State<App>,
    Path(id): Path<RefundId>,
    asked: Asked,
) -> Response {
    let done = async {
        let who = asked.confirmed(&app).await?;
        let form: PaidBackForm = asked.form().await?;
        dispute::paid_back(&app, id, &form.gateway_ref, &who, App::now()).await?;
        Ok(false)
    };
    back(done.await, asked)
}

/// Back to the page, which tells what was done: whether only proposed.
pub(super) fn back(done: Result<bool, ApiError>, asked: Asked) -> Response {
    match done {
        Ok(true) => Redirect::to("/staff/money?proposed").into_response(),
        Ok(false) => Redirect::to("/staff/money?decided").into_response(),
        // Somebody else was quicker: the list shows it.
        Err(ApiError::Conflict(_)) => Redirect::to("/staff/money").into_response(),
        Err(error) => asked.refused(&error),
    }
}

/// What a driver objects to, in words.
pub(crate) const fn reason_words(reason: DisputeReason, lang: Lang) -> &'static str {
    match reason {
        DisputeReason::WrongBay => lang.staff_money().wrong_bay,
        DisputeReason::DoubleCharge => lang.staff_money().charged_twice,
        DisputeReason::WrongAmount => lang.staff_money().wrong_amount,
        DisputeReason::LeftEarly => lang.staff_money().left_early,
        DisputeReason::CouldNotPark => lang.staff_money().could_not_park,
        DisputeReason::CashAsked => lang.staff_money().cash_asked,
        DisputeReason::Other => lang.staff_money().something_else,
    }
}

fn disputes_view(
    rows: Vec<Dispute>,
    mut decisions: HashMap<DisputeId, RefundDecision>,
    oidc: Option<&Oidc>,
    reads_only: bool,
    tz: Tz,
    lang: Lang,
) -> impl IntoView + use<> {
    let now = App::now();
    let empty = rows.is_empty();
    let row = |dispute: Dispute| {
        let decision = decisions.remove(&dispute.id);
        let in_review = dispute.in_review;
        let said = decision.and_then(|decision| said_of(decision, lang));
        let named = dispute.identity.map(|identity| {
            let by = confirmed_by(oidc, &identity.issuer, lang);
            view! { <p>{by} ": " <b data-confirmed-name>{identity.name}</b></p> }
        });
        let left = dispute
            .amount_vnd
            .checked_sub(dispute.refunded_vnd)
            .unwrap_or_default();
        view! {
            <li class="dispute">
                <p>
                    <b>{reason_words(dispute.reason, lang)}</b> " · " {dispute.bay} " · "
                    {clock(dispute.opened_at, tz, now)} " · "
                    <a href=format!("/r/{}", dispute.receipt)>{lang.words().receipt} " " {lang.money(dispute.amount_vnd)}</a>
                </p>
                {named}
                {(!dispute.text.is_empty()).then(|| view! { <blockquote>{dispute.text}</blockquote> })}
                {said.map(|said| view! { <p class="hint" data-second>{said}</p> })}
                {(!reads_only && !in_review).then(|| view! {
                    <form method="post" action=format!("/staff/money/disputes/{}", dispute.id)>
                        <label class="field">
                            <span>{lang.staff_money().answer_to_the_driver}</span>
                            <input name="answer" required maxlength="2000" autocomplete="off" />
                        </label>
                        <div class="pay-buttons">
                            {(left > Vnd::ZERO).then(|| view! {
                                <button class="primary" name="decision" value="refund">{lang.staff_money().refund} {lang.money(left)}</button>
                            })}
                            <button name="decision" value="refuse">{lang.staff_money().refuse}</button>
                        </div>
                    </form>
                })}
            </li>
        }
    };
    let rows = rows.into_iter().map(row).collect_view();
    view! {
        <section class="card">
            <h2>{lang.staff_money().disputes}</h2>
            {empty.then(|| view! { <p class="empty">{lang.staff_money().none}</p> })}
            <ul class="disputes">{rows}</ul>
        </section>
    }
}

/// What colleagues know of the refund that was proposed last about an open dispute.
fn said_of(decision: RefundDecision, lang: Lang) -> Option<String> {
    let (text, amount) = (lang.staff_refunds(), lang.money(decision.amount_vnd));
    match decision.status {
        DecisionStatus::Open => Some(format!("{} · {amount}", text.waits_for_a_second_person)),
        DecisionStatus::Refused => {
            let by = decision.second_name.unwrap_or_default();
            let why = decision.note.unwrap_or_default();
            Some(format!("{} {by} · {amount}: {why}", text.not_confirmed_by))
        }
        DecisionStatus::Alone | DecisionStatus::Confirmed => None,
    }
}

fn refunds_view(rows: Vec<Refund>, reads_only: bool, tz: Tz, lang: Lang) -> impl IntoView {
    let now = App::now();
    let empty = rows.is_empty();
    let row = move |refund: Refund| {
        view! {
            <tr>
                <td>{clock(refund.created_at, tz, now)}</td>
                <td>{gateway_name(&refund.gateway, lang)} " " <code>{refund.bank_ref}</code></td>
                <td>{refund.note.unwrap_or_default()}</td>
                <td class="amount">{lang.money(refund.amount_vnd)}</td>
                <td>
                    {(!reads_only).then(|| view! {
                        <form class="inline" method="post" action=format!("/staff/money/refunds/{}", refund.id)>
                            <input name="gateway_ref" required maxlength="100" aria-label=lang.staff_money().bank_number placeholder=lang.staff_money().bank_number />
                            <button>{lang.staff_money().paid}</button>
                        </form>
                    })}
                </td>
            </tr>
        }
    };
    view! {
        <section class="card">
            <h2>{lang.staff_money().to_be_paid_by_hand}</h2>
            <p class="note">{lang.staff_money().gateway_cannot_give_these_back}</p>
            {empty.then(|| view! { <p class="empty">{lang.staff_money().none}</p> })}
            <div class="scroll"><table class="grid rows"><tbody>{rows.into_iter().map(row).collect_view()}</tbody></table></div>
        </section>
    }
}

fn suspense_view(
    rows: Vec<SuspendedNotice>,
    settled: Vec<SuspendedNotice>,
    reads_only: bool,
    tz: Tz,
    lang: Lang,
) -> impl IntoView {
    let empty = rows.is_empty();
    let table = move |rows: Vec<SuspendedNotice>| {
        let row = move |row| suspense_row(row, reads_only, tz, lang);
        view! {
            <div class="scroll"><table class="grid rows"><tbody>{rows.into_iter().map(row).collect_view()}</tbody></table></div>
        }
    };
    let settled = (!settled.is_empty()).then(|| {
        view! {
            <details>
                <summary>{lang.staff_money().given_back_lately}</summary>
                {table(settled)}
            </details>
        }
    });
    view! {
        <section class="card">
            <h2>{lang.staff_money().money_without_an_owner}</h2>
            <p class="note">{lang.staff_money().arrived_but_pays_nothing_where}</p>
            {empty.then(|| view! { <p class="empty">{lang.staff_money().none}</p> })}
            {table(rows)}
            {settled}
        </section>
    }
}

fn suspense_row(row: SuspendedNotice, reads_only: bool, tz: Tz, lang: Lang) -> impl IntoView {
    let now = App::now();
    let why = move |outcome: &str| match outcome {
        "amount_differs" => lang.staff_money().another_amount,
        "unknown_reference" => lang.staff_money().unknown_reference,
        "paid_twice" => lang.staff_money().paid_twice,
        "late" => lang.staff_money().too_late,
        "contradicts" => lang.staff_money().number_used_twice,
        _ => lang.staff_money().another_currency,
    };
    let action = move |row: &SuspendedNotice| {
        match row.refund_status.as_deref() {
        Some("done") => lang.staff_money().given_back.into_any(),
        Some("manual") => lang.staff_money().waits_for_a_hand.into_any(),
        Some(_) => lang.staff_money().on_its_way_back.into_any(),
        None if row.is_proposed => lang.staff_refunds().waits_for_a_second_person.into_any(),
        None if reads_only => row.settled_note.clone().into_any(),
        None if row.currency == "VND" && row.amount_vnd > 0 => view! {
            <form class="inline" method="post" action="/staff/money/suspense">
                <input type="hidden" name="gateway" value=row.gateway.clone() />
                <input type="hidden" name="bank_ref" value=row.bank_ref.clone() />
                <button>{lang.staff_money().give_back}</button>
            </form>
        }
        .into_any(),
        None => match &row.settled_note {
            Some(note) => note.clone().into_any(),
            None => view! {
                <form class="inline" method="post" action="/staff/money/suspense">
                    <input type="hidden" name="gateway" value=row.gateway.clone() />
                    <input type="hidden" name="bank_ref" value=row.bank_ref.clone() />
                    <input name="note" required maxlength="500" aria-label=lang.staff_money().what_was_done placeholder=lang.staff_money().what_was_done />
                    <button>{lang.staff_money().done}</button>
                </form>
            }
            .into_any(),
        },
    }
    };
    let amount = match row.currency.as_str() {
        "VND" => lang.money(Vnd::new(row.amount_vnd)),
        other => format!("{} {other}", row.amount_vnd),
    };
    let action = action(&row);
    view! {
        <tr>
            <td>{clock(row.paid_at, tz, now)}</td>
            <td>{gateway_name(&row.gateway, lang)} " " <code>{row.bank_ref}</code></td>
            <td>{why(&row.outcome)}</td>
            <td class="amount">{amount}</td>
            <td>{action}</td>
        </tr>
    }
}
