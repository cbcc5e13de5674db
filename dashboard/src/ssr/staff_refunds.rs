//! Refunds that two people decide, what one gives back alone, and `/staff/refunds`: who gave back how much.

use api::extract::Query;
use api::service::refund::{self, Month, NOTE_MAX, SecondWord};
use api::{ApiError, App};
use axum::extract::{Path, State};
use axum::response::Response;
use chrono_tz::Tz;
use domain::id::RefundId;
use domain::money::Vnd;
use domain::refund::AloneLimits;
use domain::staff::Role;
use leptos::prelude::*;
use serde::Deserialize;
use store::refund_decision::RefundDecision;
use store::refund_limits::{KnownLimits, PersonRefunds};
use store::staff::Staff;

use super::document::Document;
use super::parts::clock;
use super::payment::gateway_name;
use super::staff::{SignedIn, staff_bar};
use super::staff_confirm::Asked;
use super::staff_money::back;
use super::{Reader, problem};
use crate::lang::Lang;

#[derive(Deserialize)]
pub(crate) struct SecondForm {
    decision: String,
    #[serde(default)]
    note: String,
}

/// `POST /staff/money/proposals/{id}`: a second person confirms a refund, or does not.
pub(crate) async fn second(
    State(app): State<App>,
    Path(id): Path<RefundId>,
    SignedIn(who): SignedIn,
    asked: Asked,
) -> Response {
    let done = async {
        let form: SecondForm = asked.form().await?;
        let word = match form.decision.as_str() {
            "confirm" => SecondWord::Confirm(asked.confirmed(&app).await?),
            _ => SecondWord::Refuse(who, form.note),
        };
        refund::second(&app, id, &word, App::now()).await?;
        Ok(false)
    };
    back(done.await, asked)
}

#[derive(Deserialize)]
pub(crate) struct LimitsForm {
    /// An operator's code; nothing is one's own operator, or the city.
    #[serde(default)]
    operator: String,
    payment_vnd: i64,
    day_vnd: i64,
}

/// `POST /staff/money/limits`: sets what one person gives back alone.
pub(crate) async fn set_limits(State(app): State<App>, asked: Asked) -> Response {
    let done = async {
        let who = asked.confirmed(&app).await?;
        let form: LimitsForm = asked.form().await?;
        let limits = AloneLimits {
            payment_vnd: Vnd::new(form.payment_vnd),
            day_vnd: Vnd::new(form.day_vnd),
        };
        let operator = match form.operator.trim() {
            "" => who.staff().operator.as_deref(),
            code => Some(code),
        };
        refund::set_limits(&app, &who, operator, limits, App::now()).await?;
        Ok(false)
    };
    back(done.await, asked)
}

/// The proposals that wait; nothing where none does.
pub(super) fn proposals_view(
    rows: Vec<RefundDecision>,
    who: &Staff,
    tz: Tz,
    lang: Lang,
) -> impl IntoView + use<> {
    let text = lang.staff_refunds();
    let empty = rows.is_empty();
    let rows = rows.into_iter().map(|row| proposal(row, who, tz, lang));
    let rows = rows.collect_view();
    (!empty).then(|| {
        view! {
            <section class="card" id="proposals">
                <h2>{text.waits_for_a_second_person}</h2>
                <p class="note">{text.above_what_one_decides}</p>
                <ul class="disputes">{rows}</ul>
            </section>
        }
    })
}

fn proposal(row: RefundDecision, who: &Staff, tz: Tz, lang: Lang) -> impl IntoView + use<> {
    let text = lang.staff_refunds();
    let amount = lang.money(row.amount_vnd);
    let path = format!("/staff/money/proposals/{}", row.id);
    let deed = match (row.waits_for(who), row.by == who.login) {
        (true, _) => view! {
            <form method="post" action=path.clone()>
                <div class="pay-buttons">
                    <button class="primary" name="decision" value="confirm">{text.confirm} {amount.clone()}</button>
                </div>
            </form>
            <details>
                <summary>{text.do_not}</summary>
                <form method="post" action=path>
                    <label class="field">
                        <span>{text.why_not}</span>
                        <input name="note" required maxlength=NOTE_MAX.to_string() autocomplete="off" />
                    </label>
                    <button name="decision" value="refuse">{text.do_not}</button>
                </form>
            </details>
        }
        .into_any(),
        (false, true) => view! { <p class="note">{text.yours}</p> }.into_any(),
        (false, false) => view! { <p class="note">{text.an_administrator_confirms}</p> }.into_any(),
    };
    let about = row.bay.unwrap_or_else(|| text.no_owner.to_owned());
    let receipt = row.receipt.map(|receipt| {
        view! { " · " <a href=format!("/r/{receipt}")>{lang.words().receipt}</a> }
    });
    view! {
        <li class="proposal" data-proposal=row.id.to_string()>
            <p><b>{amount}</b> " · " {about} " · " {gateway_name(&row.gateway, lang)} " " <code>{row.bank_ref}</code> {receipt}</p>
            <p>{text.proposed_by} " " <b>{row.by_name}</b> " · " {clock(row.at, tz, App::now())}</p>
            {row.answer.map(|answer| view! { <blockquote>{answer}</blockquote> })}
            {deed}
        </li>
    }
}

/// What one person gives back alone, with a form for who sets it.
pub(super) fn limits_view(
    rows: Vec<KnownLimits>,
    who: &Staff,
    lang: Lang,
) -> impl IntoView + use<> {
    let text = lang.staff_refunds();
    let may_set = who.role == Role::Administrator;
    let row = move |known: KnownLimits| {
        let name = match known.operator {
            Some(_) => known.name.clone(),
            None => text.city_s_own.to_owned(),
        };
        let AloneLimits {
            payment_vnd,
            day_vnd,
        } = known.limits;
        let told = format!(
            "{name}: {} {} · {} {}",
            text.of_one_payment.to_lowercase(),
            lang.money(payment_vnd),
            text.in_a_day.to_lowercase(),
            lang.money(day_vnd)
        );
        if !may_set {
            return view! { <p data-limits>{told}</p> }.into_any();
        }
        let field = |name: &'static str, label: &'static str, now: Vnd, highest: Vnd| {
            view! {
                <label class="field">
                    <span>{label} " (" {text.in_dong} ")"</span>
                    <input name=name type="number" inputmode="numeric" required min="0" max=highest.get().to_string() step="1" value=now.get().to_string() />
                </label>
            }
        };
        let highest = AloneLimits::HIGHEST;
        view! {
            <details data-limits>
                <summary>{told}</summary>
                <form method="post" action="/staff/money/limits">
                    <input type="hidden" name="operator" value=known.operator.unwrap_or_default() />
                    {field("payment_vnd", text.of_one_payment, payment_vnd, highest.payment_vnd)}
                    {field("day_vnd", text.in_a_day, day_vnd, highest.day_vnd)}
                    <button>{text.set}</button>
                </form>
            </details>
        }
        .into_any()
    };
    view! {
        <section class="card" id="limits">
            <h2>{text.limits}</h2>
            <p class="note">{text.what_limits_are}</p>
            {rows.into_iter().map(row).collect_view()}
        </section>
    }
}

#[derive(Deserialize)]
pub(crate) struct ReportQuery {
    month: Option<String>,
}

/// `/staff/refunds`: who gave back how much in a month.
pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    SignedIn(who): SignedIn,
    Query(query): Query<ReportQuery>,
) -> Response {
    let now = App::now();
    let loaded = async {
        let month = match query.month.as_deref() {
            Some(text) => text.parse()?,
            None => Month::of(now, app.city.timezone),
        };
        Ok::<_, ApiError>((month, refund::by_person(&app, &who, month).await?))
    };
    let (month, rows) = match loaded.await {
        Ok(loaded) => loaded,
        Err(error) => return problem(&reader, &error),
    };
    let lang = reader.lang;
    let title = lang.staff_refunds().refunds_by_person;
    Document {
        title,
        active: "/staff",
        live: None,
    }
    .page(&reader, move || {
        view! {
            {staff_bar(&who, "/staff/refunds", lang)}
            <h1>{title} " " <small class="month">{month.to_string()}</small></h1>
            {report_view(month, rows, lang)}
        }
    })
}

fn report_view(month: Month, rows: Vec<PersonRefunds>, lang: Lang) -> impl IntoView + use<> {
    let text = lang.staff_refunds();
    let empty = rows.is_empty();
    let row = move |row: PersonRefunds| {
        view! {
            <tr>
                <th scope="row">{row.name} <small>{row.login}</small></th>
                <td data-label=text.operator>{row.operator.unwrap_or_else(|| text.the_city.to_owned())}</td>
                <td class="amount" data-label=text.refunds>{row.refunds}</td>
                <td class="amount" data-label=text.amount>{lang.money(Vnd::new(row.amount_vnd))}</td>
                <td class="amount" data-label=text.alone>{row.alone}</td>
                <td class="amount" data-label=text.alone_amount>{lang.money(Vnd::new(row.alone_vnd))}</td>
                <td class="amount" data-label=text.not_confirmed>{row.refused}</td>
                <td class="amount" data-label=text.confirmed_for_others>{row.confirmed}</td>
            </tr>
        }
    };
    let link = |month: Month, text: &'static str| {
        view! { <a class="chip" href=format!("/staff/refunds?month={month}")>{text}</a> }
    };
    view! {
        <p class="chips no-print">
            {link(month.later(-1), text.the_month_before)} " "
            {link(month.later(1), text.the_month_after)}
        </p>
        <p class="note">{text.what_counts}</p>
        {empty.then(|| view! { <p class="empty">{text.none}</p> })}
        {(!empty).then(|| view! {
            <div class="scroll card"><table class="grid labelled">
                <thead><tr>
                    <th scope="col">{text.person}</th>
                    <th scope="col">{text.operator}</th>
                    <th scope="col" class="amount">{text.refunds}</th>
                    <th scope="col" class="amount">{text.amount}</th>
                    <th scope="col" class="amount">{text.alone}</th>
                    <th scope="col" class="amount">{text.alone_amount}</th>
                    <th scope="col" class="amount">{text.not_confirmed}</th>
                    <th scope="col" class="amount">{text.confirmed_for_others}</th>
                </tr></thead>
                <tbody>{rows.into_iter().map(row).collect_view()}</tbody>
            </table></div>
        })}
    }
}
