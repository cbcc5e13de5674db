//! `/my`: the sessions, passes and requests for exemptions of this browser, which holds their keys. There is no account: another
//! phone sees none of them.

use api::service::session_cookie;
use api::{ApiError, App};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::id::{ExemptionRequestId, PassId, SessionId};
use domain::money::Vnd;
use domain::purchase::PurchaseStatus;
use domain::session::{PAYMENT_WINDOW, SessionStatus};
use leptos::prelude::*;
use store::exemption_request::ExemptionRequest;
use store::pass::BoughtPass;
use store::receipt::ReceiptOf;
use store::session::Session;

use super::document::Document;
use super::exemption_request::Now;
use super::parts::{clock, minute};
use super::{Reader, problem};
use crate::lang::Lang;

/// The sessions whose keys this browser holds, newest first.
async fn sessions(app: &App, headers: &HeaderMap) -> Result<Vec<Session>, ApiError> {
    let held: Vec<SessionId> = session_cookie::held(app, headers)
        .into_iter()
        .filter(|(id, token)| app.secrets.session_token_matches(*id, token))
        .map(|(id, _)| id)
        .collect();
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: Vec<Session> = app.store.sessions(&held).await?.into_values().collect();
    found.sort_by_key(|session| std::cmp::Reverse(session.starts_at));
    Ok(found)
}

async fn passes(app: &App, headers: &HeaderMap) -> Result<Vec<BoughtPass>, ApiError> {
    let mut found = Vec::new();
    for (id, token) in session_cookie::held_passes(app, headers) {
        if app.secrets.pass_token_matches(id, &token) {
            found.push(app.store.pass(id).await?);
        }
    }
    Ok(found)
}

/// The requests for exemptions whose keys this browser holds, newest first.
async fn requests(app: &App, headers: &HeaderMap) -> Result<Vec<ExemptionRequest>, ApiError> {
    let held: Vec<ExemptionRequestId> = session_cookie::held_requests(app, headers)
        .into_iter()
        .filter(|(id, token)| app.secrets.exemption_request_token_matches(*id, token))
        .map(|(id, _)| id)
        .collect();
    if held.is_empty() {
        return Ok(Vec::new());
    }
    Ok(app.store.exemption_requests(&held).await?)
}

/// The sessions of this browser that are in force: what a driver who comes back looks for. That they
/// cannot be read is no reason to show no page.
pub(super) async fn running(app: &App, headers: &HeaderMap) -> Vec<Session> {
    let now = App::now();
    let mut found = sessions(app, headers).await.unwrap_or_default();
    found.retain(|session| session.status == SessionStatus::Paid && now < session.ends_at);
    found
}

/// A way to each of them.
pub(super) fn running_view(running: &[Session], app: &App, lang: Lang) -> impl IntoView + use<> {
    let (now, tz) = (App::now(), app.city.timezone);
    let row = |session: &Session| {
        view! {
            <a class="running" href=format!("/s/{}", session.id)>
                <b>{lang.mine().parked_at} {session.bay_code.clone()}</b>
                <span>{lang.words().until} {clock(session.ends_at, tz, now)} " ›"</span>
            </a>
        }
    };
    running.iter().map(row).collect_view()
}

/// `/my`.
pub(crate) async fn page(State(app): State<App>, reader: Reader, headers: HeaderMap) -> Response {
    let loaded = async {
        let sessions = sessions(&app, &headers).await?;
        let ids: Vec<SessionId> = sessions.iter().map(|session| session.id).collect();
        let passes = passes(&app, &headers).await?;
        let pass_ids: Vec<PassId> = passes.iter().map(|pass| pass.id).collect();
        Ok((
            app.store.sessions_paid(&ids).await?,
            app.store.receipts_of(&ids, &pass_ids).await?,
            sessions,
            passes,
            requests(&app, &headers).await?,
        ))
    };
    let (paid, receipts, sessions, passes, requests) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let (lang, tz) = (reader.lang, app.city.timezone);
    let title = lang.words().my_parking;
    Document {
        title,
        active: "/my",
        live: None,
    }
    .page(&reader, move || {
        let now = App::now();
        let empty = sessions.is_empty() && passes.is_empty() && requests.is_empty();
        let links = |session: Option<SessionId>, pass: Option<PassId>| {
            let own = receipts
                .iter()
                .filter(|receipt| (receipt.session, receipt.pass) == (session, pass));
            let link = |receipt: &ReceiptOf| {
                view! { " " <small><a href=format!("/r/{}", receipt.id)>{lang.words().receipt}</a></small> }
            };
            own.map(link).collect_view()
        };
        let session = |session: Session| {
            let status = match session.status {
                SessionStatus::Paid if now < session.ends_at => lang.mine().in_force,
                SessionStatus::Paid => lang.mine().ended,
                SessionStatus::Pending if now < session.created_at + PAYMENT_WINDOW => {
                    lang.mine().waits_for_its_money
                }
                SessionStatus::Pending | SessionStatus::Lapsed => lang.mine().never_paid,
            };
            let price = lang.money(session.quote.amount_vnd);
            let amount = match paid.get(&session.id) {
                Some(paid) => lang.money(*paid),
                // The price of the longest stay is not what it costs.
                None if session.metered && session.stopped_at.is_none() => {
                    format!("{} {price}", lang.mine().held)
                }
                None if session.metered => lang.money(Vnd::ZERO),
                None => price,
            };
            view! {
                <tr>
                    <th scope="row"><a href=format!("/s/{}", session.id)>{session.bay_code.clone()}</a></th>
                    <td>{clock(session.starts_at, tz, now)} " – " {clock(session.ends_at, tz, now)}</td>
                    <td>{status}</td>
                    <td class="amount">{amount} {links(Some(session.id), None)}</td>
                </tr>
            }
        };
        let pass = |pass: BoughtPass| {
            let status = match pass.status {
                PurchaseStatus::Paid => lang.words().is_paid,
                _ => lang.mine().not_paid,
            };
            view! {
                <tr>
                    <th scope="row"><a href=format!("/passes/{}", pass.id)>{lang.words().monthly_pass}</a></th>
                    <td>{lang.words().until} {clock(pass.pass.to, tz, now)}</td>
                    <td>{status}</td>
                    <td class="amount">{lang.money(pass.pass.offer.price_vnd)} {links(None, Some(pass.id))}</td>
                </tr>
            }
        };
        let request = move |request: ExemptionRequest| {
            view! {
                <tr>
                    <th scope="row"><a href=format!("/exemptions/{}", request.id)>{lang.mine().exemption_asked_for}</a></th>
                    <td>{request.plate.reveal().to_owned()} " · " {minute(request.asked_at, tz)}</td>
                    <td>{Now::of(&request, now).words(lang)}</td>
                    <td class="amount"></td>
                </tr>
            }
        };
        view! {
            <h1>{title}</h1>
            <p class="note">{lang.mine().what_browser_has_paid_last}</p>
            {empty.then(|| view! { <p class="empty">{lang.mine().nothing_has_been_paid_phone}</p> })}
            {(!empty).then(|| view! {
                <div class="card scroll"><table class="grid rows">
                    <thead><tr>
                        <th scope="col">{lang.words().bay}</th>
                        <th scope="col">{lang.words().time}</th>
                        <th scope="col">{lang.mine().state}</th>
                        <th scope="col" class="amount">{lang.words().amount}</th>
                    </tr></thead>
                    <tbody>
                        {sessions.into_iter().map(session).collect_view()}
                        {passes.into_iter().map(pass).collect_view()}
                        {requests.into_iter().map(request).collect_view()}
                    </tbody>
                </table></div>
            })}
            <p><a href="/exemptions">{lang.mine().exempt_from_paying_send_document}</a></p>
        }
    })
}
