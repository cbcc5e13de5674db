//! `/n/{code}`: a notice of unpaid parking, for whoever holds it: what, why, and how to pay.

use api::service::parking_notice::{self, Explained};
use api::service::{session_cookie, staff};
use api::{ApiError, App};
use axum::extract::{Form, Path, Query, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use domain::notice::{NoticeCode, NoticeState};
use leptos::prelude::*;
use serde::Deserialize;
use store::parking_notice::ParkingNotice;
use store::staff::Staff;

use super::document::Document;
use super::parts::{full_time, price_lines, qr_svg};
use super::staff::{refused, staff_bar};
use super::ways::{self, Ways};
use super::{Reader, problem, wallet};
use crate::lang::Lang;

/// Where a notice stands, in a word of a list.
pub(super) const fn state_words(state: NoticeState, lang: Lang) -> &'static str {
    match state {
        NoticeState::Paid => lang.words().is_paid,
        NoticeState::Withdrawn => lang.notice().withdrawn,
        NoticeState::Open => lang.notice().open,
    }
}

#[derive(Deserialize)]
pub(crate) struct CodeQuery {
    code: Option<String>,
}

/// `/n`: where a number is typed; `/n?code=`: from there to its page.
pub(crate) async fn look_up(reader: Reader, Query(query): Query<CodeQuery>) -> Response {
    let typed = query.code.unwrap_or_default();
    if let Ok(code) = typed.parse::<NoticeCode>() {
        return Redirect::to(&format!("/n/{code}")).into_response();
    }
    let lang = reader.lang;
    let wrong = !typed.is_empty();
    let status = if wrong {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let title = lang.notice().notice_of_unpaid_parking;
    Document {
        title,
        active: "",
        live: None,
    }
    .respond(&reader, status, move || {
        view! {
            <section class="card narrow">
                <h1>{title}</h1>
                {wrong.then(|| view! { <p class="error" role="alert">{lang.notice().notice_number_has_ten_letters}</p> })}
                <form class="inline plate-search" method="get" action="/n">
                    <label class="field">
                        <span>{lang.notice().the_number_on_the_notice}</span>
                        <input name="code" value=typed required maxlength="20" autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="K7QM2-XPD4R" />
                    </label>
                    <button class="primary">{lang.notice().show}</button>
                </form>
            </section>
        }
    })
}

/// `/n/{code}`.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Ok(code) = code.parse::<NoticeCode>() else {
        return problem(&reader, &ApiError::NotFound("notice"));
    };
    let known = match parking_notice::find(&app, &code).await {
        Ok(known) => known,
        Err(error) => return problem(&reader, &error),
    };
    // Whoever wrote it prints it.
    let who = staff::signed_in(&app, &headers, App::now()).await.ok();
    let who = who.filter(|who| {
        let operator = who.operator.as_ref();
        operator.is_none_or(|operator| *operator == known.notice.operator)
    });
    let fresh = query.as_deref() == Some("written");
    let lang = reader.lang;
    let ways = Ways::of(&app, &headers).await;
    let address = format!("{}/n/{code}", app.public_url);
    Document {
        title: lang.notice().notice_of_unpaid_parking,
        active: if who.is_some() { "/staff" } else { "" },
        live: None,
    }
    .page(&reader, move || {
        view! {
            {who.as_ref().map(|who| for_staff(who, &known.notice, &address, fresh, lang))}
            {view(known, &ways, &address, who.as_ref(), lang)}
        }
    })
}

#[derive(Deserialize)]
pub(crate) struct PayForm {
    key: String,
    gateway: String,
}

/// `POST /n/{code}`: goes to the payment.
pub(crate) async fn pay(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<NoticeCode>,
    headers: HeaderMap,
    Form(form): Form<PayForm>,
) -> Response {
    let paid = async {
        api::extract::check_key(&form.key)?;
        let means = ways::chosen(&app, &headers, &form.gateway).await?;
        parking_notice::pay(&app, &code, means, form.key.clone(), App::now()).await
    };
    match paid.await {
        Ok((opened, payment)) => {
            let id = opened.session.id;
            let kept = session_cookie::keep(&app, &headers, id, &opened.token);
            let to = payment.map_or_else(
                || format!("/s/{id}"),
                |payment| format!("/pay/{}", payment.id),
            );
            (kept, Redirect::to(&to)).into_response()
        }
        Err(ApiError::Unauthorized) => wallet::sign_in_first(&format!("/n/{code}")),
        // Paid or withdrawn meanwhile: the page says so.
        Err(ApiError::Conflict(_)) => Redirect::to(&format!("/n/{code}")).into_response(),
        Err(error) => problem(&reader, &error),
    }
}

#[derive(Deserialize)]
pub(crate) struct WithdrawForm {
    why: String,
}

/// `POST /n/{code}/withdraw`: staff take it back.
pub(crate) async fn withdraw(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<NoticeCode>,
    headers: HeaderMap,
    Form(form): Form<WithdrawForm>,
) -> Response {
    let done = async {
        let who = staff::signed_in(&app, &headers, App::now()).await?;
        parking_notice::withdraw(&app, &who, &code, &form.why, App::now()).await
    };
    match done.await {
        Ok(()) | Err(ApiError::Conflict(_)) => Redirect::to(&format!("/n/{code}")).into_response(),
        Err(error) => refused(&reader, &error),
    }
}

/// What whoever has just written a notice, or looks at it again, does with it.
fn for_staff(
    who: &Staff,
    notice: &ParkingNotice,
    address: &str,
    fresh: bool,
    lang: Lang,
) -> impl IntoView + use<> {
    let code = notice.is_open().then(|| qr_svg(address));
    view! {
        <div class="no-print">
            {staff_bar(who, "/staff/notices", lang)}
            <div class="narrow">
                {fresh.then(|| view! { <p class="ok" role="status">"✓ " {lang.notice().written_print_it}</p> })}
                <p class="actions">
                    <button type="button" class="primary" hidden data-print>{lang.notice().print}</button>
                    <a class="button" href=format!("/staff/lots/{}", notice.lot)>{lang.notice().back_to_the_lot}</a>
                    <a class="button" href="/staff">{lang.notice().to_see_to_first}</a>
                </p>
                {code.map(|code| view! {
                    <div class="card center">
                        <div class="qr" role="img" aria-label=lang.notice().driver_scans_here inner_html=code></div>
                        <p class="note">{lang.notice().driver_scans_here}</p>
                    </div>
                })}
            </div>
        </div>
    }
}

fn view(
    known: Explained,
    ways: &Ways,
    address: &str,
    who: Option<&Staff>,
    lang: Lang,
) -> impl IntoView + use<> {
    let Explained {
        notice,
        place,
        priced,
    } = known;
    let tz = place.timezone;
    let total = lang.money(priced.quote.amount_vnd);
    let open = notice.is_open();
    let state = notice.state().code();
    let withdraws = who.is_some_and(|who| !who.reads_only());
    let plate = if who.is_some() {
        notice.plate.reveal().to_owned()
    } else {
        notice.plate.masked()
    };
    let code = notice.code.to_string();
    view! {
        <article class="card narrow notice" data-notice=state>
            <header>
                <h1>{lang.notice().notice_of_unpaid_parking}</h1>
                <p><code class="id">{code.clone()}</code></p>
                {notice.paid.is_some().then(|| view! {
                    <p class="ok">"✓ " {lang.words().paid}
                        {notice.receipt.map(|id| view! { " · " <a href=format!("/r/{id}")>{lang.words().receipt}</a> })}
                    </p>
                })}
                {notice.withdrawn_at.map(|at| view! {
                    <p class="hint">{lang.notice().withdrawn_at} {full_time(at, tz)} ". " {lang.notice().nothing_is_to_be_paid}</p>
                })}
            </header>
            <dl class="facts">
                <div><dt>{lang.words().vehicle}</dt><dd>{plate} " · " {lang.class(notice.class)}</dd></div>
                <div><dt>{lang.words().bay}</dt><dd>{notice.bay.clone()} " · " {notice.lot_name.clone()}</dd></div>
                <div><dt>{lang.notice().unpaid_from}</dt><dd>{full_time(notice.starts_at, tz)}</dd></div>
                <div><dt>{lang.notice().until}</dt><dd>{full_time(notice.ends_at, tz)}</dd></div>
                <div><dt>{lang.notice().collected_by}</dt><dd>{place.operator_name.clone()}</dd></div>
            </dl>
            {price_lines(&priced.quote.lines, total, lang)}
            <p class="note">{lang.notice().price_time_was_not_paid}</p>
            {open.then(|| view! {
                <form method="post" action=format!("/n/{code}") class="no-print">
                    <input type="hidden" name="key" value=api::secret::random_token() />
                    {ways.buttons(lang)}
                </form>
                <div class="only-print notice-qr" aria-hidden="true" inner_html=qr_svg(address)></div>
            })}
            <p class="only-print">{lang.notice().pay_at} {address.to_owned()}</p>
            {(open && withdraws).then(|| view! {
                <details class="no-print">
                    <summary>{lang.notice().for_staff}</summary>
                    <form method="post" action=format!("/n/{code}/withdraw")>
                        <label class="field">
                            <span>{lang.notice().why_withdraw_it}</span>
                            <input name="why" required maxlength="500" autocomplete="off" />
                        </label>
                        <button>{lang.notice().withdraw}</button>
                    </form>
                </details>
            })}
        </article>
    }
}
