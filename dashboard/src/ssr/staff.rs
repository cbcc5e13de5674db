//! Behind the counter: signing in, the lots of one's operator, one lot's bays.

use api::client::Client;
use api::extract::Query;
use api::service::dispute::LIST_MAX;
use api::service::staff::{self, Browser, SignIn, may_see};
use api::service::{
    device, entitlement, exemption_decision, identity, parking_notice, refund, shift,
};
use api::{ApiError, App};
use axum::extract::{Form, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use domain::board::{BayStatus, LotSummary, StaffBay};
use domain::staff::Role;
use leptos::prelude::*;
use serde::Deserialize;
use store::staff::Staff;

use super::document::Document;
use super::sign_in::{Told, link, words};
use super::staff_shift::own_view;
use super::{Reader, problem, staff_first, staff_plate};
use crate::icon;
use crate::island::StaffBays;
use crate::lang::Lang;

#[derive(Deserialize)]
pub(crate) struct LoginForm {
    login: String,
    password: String,
}

/// `GET /staff/login`: where the identity provider's way in leads that lets nobody in.
pub(crate) async fn login(reader: Reader, Query(told): Query<Told>) -> Response {
    let why = told.why().map(|why| words(why, reader.lang).to_owned());
    let status = match why {
        Some(_) => StatusCode::UNAUTHORIZED,
        None => StatusCode::OK,
    };
    login_page(&reader, String::new(), status, why)
}

/// `POST /staff/login`.
pub(crate) async fn sign_in(
    State(app): State<App>,
    reader: Reader,
    client: Client,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let browser = Browser::new(&app, client, &headers);
    match staff::sign_in(&app, &form.login, form.password, browser, App::now()).await {
        // What follows is a page of ours, so the cookie goes along: SameSite=Strict.
        Ok(SignIn::CodeNeeded(cookie)) => {
            let cookie = [(header::SET_COOKIE, cookie)];
            (cookie, Redirect::to("/staff/login/code")).into_response()
        }
        Ok(SignIn::Done(token)) => {
            let cookie = staff::set_cookie(&app, &token);
            // SameSite=Strict: the page must come from us, which a redirect after a form does.
            ([(header::SET_COOKIE, cookie)], Redirect::to("/staff")).into_response()
        }
        Err(error @ (ApiError::Unauthorized | ApiError::TooOften { .. })) => {
            let wrong = || reader.lang.staff().login_or_password_is_wrong.to_owned();
            let why = must_wait(&error, reader.lang).unwrap_or_else(wrong);
            login_page(&reader, form.login, error.status(), Some(why))
        }
        Err(error) => problem(&reader, &error),
    }
}

/// How long to wait, in words, where that is what is wrong.
pub(super) fn must_wait(error: &ApiError, lang: Lang) -> Option<String> {
    let ApiError::TooOften { wait_s } = error else {
        return None;
    };
    let text = lang.staff();
    Some(format!(
        "{} {wait_s} {}",
        text.too_many_attempts_please_wait, text.seconds_and_try_again,
    ))
}

/// `POST /staff/logout`.
pub(crate) async fn sign_out(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
) -> Response {
    let browser = Browser::new(&app, client, &headers);
    if let Err(error) = staff::sign_out(&app, browser, App::now()).await {
        tracing::warn!(%error, "a sign-out was not recorded");
    }
    // Nor is whoever comes next offered the identity of who left.
    let cookies = [staff::set_cookie(&app, ""), identity::forget_cookie(&app)];
    let cookies = AppendHeaders(cookies.map(|cookie| (header::SET_COOKIE, cookie)));
    (cookies, Redirect::to("/staff")).into_response()
}

/// Whoever is signed in behind the counter; anybody else gets the form to sign in, instead of the page.
pub(crate) struct SignedIn(pub(crate) Staff);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let found = staff::signed_in(app, &parts.headers, App::now()).await;
        match found {
            Ok(who) => Ok(Self(who)),
            Err(error) => {
                let Ok(reader) = Reader::from_request_parts(parts, app).await;
                Err(refused(&reader, &error))
            }
        }
    }
}

/// What staff see instead of a page: the form to sign in where nobody is, their second factor where they must have
/// one first, else what went wrong.
pub(super) fn refused(reader: &Reader, error: &ApiError) -> Response {
    match error {
        ApiError::SecondFactorRequired => Redirect::to("/staff/second-factor").into_response(),
        ApiError::Unauthorized => login_page(reader, String::new(), StatusCode::OK, None),
        error => problem(reader, error),
    }
}

/// The form to sign in; after a failure with the login that was tried, and why it failed.
fn login_page(reader: &Reader, login: String, status: StatusCode, why: Option<String>) -> Response {
    let lang = reader.lang;
    let title = lang.staff().sign_in;
    let oidc = reader.oidc.clone();
    Document { title, active: "/staff", live: None }.respond(reader, status, move || {
        view! {
            <form class="card narrow" method="post" action="/staff/login">
                <h1>{lang.staff().staff_sign_in}</h1>
                {why.map(|why| view! { <p class="error" role="alert">{why}</p> })}
                <label class="field">
                    <span>{lang.staff().login}</span>
                    <input name="login" value=login required autocomplete="username" autocapitalize="none" />
                </label>
                <label class="field">
                    <span>{lang.staff().password}</span>
                    <input name="password" type="password" required autocomplete="current-password" />
                </label>
                <button class="primary">{title}</button>
                {oidc.map(|oidc| view! { <p>{link(lang.sign_in().sign_in_with, &oidc, "/staff")}</p> })}
            </form>
        }
    })
}

struct Row {
    lot: LotSummary,
    bays: Vec<StaffBay>,
    counts: [usize; 5],
}

const STATUSES: [BayStatus; 5] = [
    BayStatus::Overstayed,
    BayStatus::Unpaid,
    BayStatus::Paid,
    BayStatus::Free,
    BayStatus::Unknown,
];

#[derive(Deserialize)]
pub(crate) struct LotsQuery {
    /// `mine`: what to see to first in the lots of one's shift alone.
    lots: Option<String>,
}

/// `/staff`: the lots of one's operator.
pub(crate) async fn lots_page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Query(query): Query<LotsQuery>,
) -> Response {
    let now = App::now();
    let mut rows = Vec::new();
    for lot in app.live.lots(Some(&app.city.code), now).await {
        if let Some((lot, bays)) = app
            .live
            .staff_lot(&lot.code, now)
            .await
            .filter(|(lot, _)| may_see(&who, lot))
        {
            let count = |status| {
                bays.iter()
                    .filter(|bay: &&StaffBay| bay.status == status)
                    .count()
            };
            let counts = STATUSES.map(count);
            rows.push(Row { lot, bays, counts });
        }
    }
    // Where somebody should go first stands first.
    rows.sort_by_key(|row| std::cmp::Reverse(row.counts[0] + row.counts[1]));
    let disputes = match app
        .store
        .disputes_open(who.operator.as_deref(), LIST_MAX)
        .await
    {
        Ok(rows) => rows.len(),
        Err(error) => return problem(&reader, &error.into()),
    };
    let to_confirm = match refund::proposals(&app, &who).await {
        Ok(rows) => rows.iter().filter(|row| row.waits_for(&who)).count(),
        Err(error) => return problem(&reader, &error),
    };
    let faulty = match device::faulty_count(&app, &who, now).await {
        Ok(faulty) => faulty,
        Err(error) => return problem(&reader, &error),
    };
    let requests = match exemption_decision::waiting_count(&app, &who).await {
        Ok(requests) => requests,
        Err(error) => return problem(&reader, &error),
    };
    let unpaid = match parking_notice::open(&app, &who).await {
        Ok(notices) => notices,
        Err(error) => return problem(&reader, &error),
    };
    let own = tokio::try_join!(
        shift::own(&app, &who, now),
        entitlement::in_two_bays(&app, &who, now)
    );
    let (own, twice) = match own {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let mine = query.lots.as_deref() == Some("mine");
    let owing = rows.iter().map(|row| (&row.lot, row.bays.as_slice()));
    let first = staff_first::of(owing, &unpaid.newest, now);
    let (lang, tz) = (reader.lang, app.city.timezone);
    let identity = reader.oidc.as_ref().map(|oidc| {
        let text = format!("{} {}", lang.sign_in().sign_in_with, oidc.name());
        view! { <p class="note"><a href="/staff/identity">{text}</a></p> }.into_any()
    });
    let title = lang.staff().lots;
    let live = Some(format!("/api/v1/live?city={}", app.city.code));
    Document { title, active: "/staff", live }.page(&reader, move || {
        let sums = (0..5).map(|i| rows.iter().map(|row| row.counts[i]).sum::<usize>());
        let sums: Vec<usize> = sums.collect();
        view! {
            {staff_bar(&who, "/staff", lang)}
            <h1>{title}</h1>
            <div class="counts">
                {STATUSES.iter().zip(sums).map(|(status, sum)| view! {
                    <span class=format!("count {status}")><b>{sum}</b><small>{status_words(*status, lang)}</small></span>
                }).collect_view()}
            </div>
            {staff_plate::plate_form(String::new(), String::new(), lang)}
            {own_view(&own, now, tz, lang)}
            {staff_first::view(first, own.now.as_ref(), mine, now, lang)}
            {staff_first::twice_view(twice, who.operator.as_deref(), lang).into_any()}
            <p class="actions">
                {waits("/staff/notices", lang.staff().unpaid_notices, unpaid.newest.len(), unpaid.are_more)}
                {waits("/staff/money", lang.staff().disputes, disputes, i64::try_from(disputes).is_ok_and(|count| count >= LIST_MAX))}
                {waits("/staff/money", lang.staff().refunds_to_confirm, to_confirm, false)}
                {waits("/staff/exemptions", lang.staff().exemptions_asked_for, requests, false)}
                {waits("/staff/devices", lang.staff().sensors_to_repair, usize::try_from(faulty).unwrap_or_default(), false)}
            </p>
            <div class="scroll card">
                <table class="grid labelled">
                    <thead>
                        <tr>
                            <th scope="col">{lang.words().lot}</th>
                            {STATUSES.map(|status| view! { <th scope="col" class="amount">{status_words(status, lang)}</th> }).collect_view()}
                            <th scope="col" class="amount">{lang.staff().bays}</th>
                        </tr>
                    </thead>
                    <tbody>
                        {rows.into_iter().map(|row| view! {
                            <tr>
                                <th scope="row">
                                    <a href=format!("/staff/lots/{}", row.lot.code)>{row.lot.name.clone()}</a>
                                    <small>{row.lot.code.clone()} " · " {row.lot.ward.clone()}</small>
                                </th>
                                {STATUSES.iter().zip(row.counts).map(|(status, count)| view! {
                                    <td data-label=status_words(*status, lang) class=format!("amount {}", if count == 0 { "none".to_owned() } else { status.to_string() })>{count}</td>
                                }).collect_view()}
                                <td class="amount" data-label=lang.staff().bays>{row.lot.capacity}</td>
                            </tr>
                        }).collect_view()}
                    </tbody>
                </table>
            </div>
            {identity}
            <p class="note"><a href="/staff/second-factor">{lang.staff_second_factor().title}</a></p>
        }
    })
}

/// What waits for somebody, where anything does: so much, or even more.
fn waits(href: &'static str, what: &'static str, count: usize, are_more: bool) -> impl IntoView {
    let plus = are_more.then_some("+");
    (count > 0).then(|| view! { <a class="button" href=href>{what} " " <b>{count}{plus}</b></a> })
}

pub(super) const fn status_words(status: BayStatus, lang: Lang) -> &'static str {
    match status {
        BayStatus::Free => lang.staff().free,
        BayStatus::Paid => lang.words().paid,
        BayStatus::Unpaid => lang.staff().unpaid,
        BayStatus::Overstayed => lang.staff().overstayed,
        BayStatus::Unknown => lang.staff().unknown,
    }
}

/// Who is signed in, and staff's pages beside each other; `active` is the address of the one at hand.
pub(super) fn staff_bar(who: &Staff, active: &str, lang: Lang) -> impl IntoView + use<> {
    let scope = who
        .operator
        .clone()
        .unwrap_or_else(|| lang.staff().whole_city.to_owned());
    let city = who.operator.is_none();
    let tab = |href: &'static str, text: &'static str| {
        view! { <a href=href aria-current=(href == active).then_some("page")>{text}</a> }
    };
    view! {
        <form class="staff-bar" method="post" action="/staff/logout">
            <span>{who.name.clone()} " · " {scope}</span>
            <button class="quiet">{lang.staff().sign_out}</button>
        </form>
        <nav class="tabs no-print" aria-label=lang.staff().staff>
            {tab("/staff", lang.staff().lots_heading)}
            {tab("/staff/plates", lang.staff().plates)}
            {tab("/staff/notices", lang.staff().notices)}
            {tab("/staff/money", lang.staff().disputes_money)}
            {refund::may_oversee(who).then(|| tab("/staff/refunds", lang.staff().refunds))}
            {tab("/staff/devices", lang.staff().sensors)}
            {city.then(|| tab("/staff/exemptions", lang.staff().exemptions))}
            {tab("/staff/shift", lang.staff().my_shift)}
            {(who.role == Role::Administrator).then(|| tab("/staff/shifts", lang.staff().shifts))}
            {(who.role == Role::Administrator).then(|| tab("/staff/people", lang.staff().people))}
            {(who.role == Role::Administrator).then(|| tab("/staff/terminals", lang.staff_terminals().terminals))}
        </nav>
    }
}

/// `/staff/lots/{code}`: one lot's bays, live.
pub(crate) async fn lot_page(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    SignedIn(who): SignedIn,
) -> Response {
    let now = App::now();
    let (lot, bays) = match staff::own_lot(&app, &who, &code, now).await {
        Ok(found) => found,
        Err(error) => return problem(&reader, &error),
    };
    let lang = reader.lang;
    let events = format!("/api/v1/live?lot={}&staff=true", lot.code);
    let title = lot.name.clone();
    Document {
        title: &title,
        active: "/staff",
        live: Some(events.clone()),
    }
    .page(&reader, move || {
        view! {
            {staff_bar(&who, "/staff", lang)}
            <h1>{lot.name.clone()} " " <small>{lot.code.clone()}</small></h1>
            <p class="actions"><a class="button" href=format!("/staff/devices?lot={}", lot.code)>
                {lang.staff().sensors_to_repair}
            </a></p>
            {icon::symbols()}
            <StaffBays bays=bays events=events now=now lang=lang />
        }
    })
}
