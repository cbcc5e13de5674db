//! `/city`: what was collected, how full the city was, and whether the two agree.

use std::sync::Arc;

use api::service::collection::{Collected, MAX_DAYS, collected};
use api::service::demand::{self, LotAdvice, WeekHour};
use api::service::report::{self, Range, Revenue};
use api::{ApiError, App};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{Datelike, Days, NaiveDate, NaiveDateTime};
use domain::Timestamp;
use domain::advice::PriceRules;
use domain::money::Vnd;
use domain::place::VehicleClass;
use leptos::prelude::*;
use serde::Deserialize;
use store::report::{RevenueBy, SensedPaid};

use super::document::Document;
use super::payment::gateway_name;
use super::{Reader, problem};
use crate::lang::Lang;

use parking::{occupancy, percent, sensed_and_paid};
use revenue::{Change, average, compared, days, finished, ranking, until};

mod collection;
mod licence;
mod parking;
mod revenue;
mod week;

#[derive(Deserialize)]
pub(crate) struct RangeQuery {
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    /// The code of the lot whose days are shown one by one.
    lot: Option<String>,
}

/// By what revenue is broken down, with the title of each.
const BY: [(RevenueBy, &str); 6] = [
    (RevenueBy::Ward, "ward"),
    (RevenueBy::Zone, "zone"),
    (RevenueBy::Lot, "lot"),
    (RevenueBy::Operator, "operator"),
    (RevenueBy::Class, "class"),
    (RevenueBy::Method, "method"),
];

/// The heading of a table of [`BY`].
const fn by_words(by: RevenueBy, lang: Lang) -> &'static str {
    let text = lang.city();
    match by {
        RevenueBy::Ward => text.by_ward,
        RevenueBy::Zone => text.by_zone,
        RevenueBy::Lot => text.by_lot,
        RevenueBy::Operator => text.by_operator,
        RevenueBy::Class => text.by_class,
        RevenueBy::Method => text.by_method,
        _ => "",
    }
}

struct Figures {
    range: Range,
    /// Until when every receipt is counted, by the city's clocks.
    complete_until: NaiveDateTime,
    /// The first day of which anything is known.
    first_day: Option<NaiveDate>,
    by_day: Revenue,
    /// The days of the range that have ended, and what they and as many days before it brought.
    change: Option<Change>,
    /// In the order of [`BY`].
    parts: Vec<Revenue>,
    week: Vec<WeekHour>,
    parking: Vec<SensedPaid>,
    /// Of ranges that are not too long for it.
    collected: Option<Arc<Collected>>,
    rules: PriceRules,
    advice: Vec<LotAdvice>,
}

pub(crate) async fn page(
    State(app): State<App>,
    reader: Reader,
    query: Result<Query<RangeQuery>, QueryRejection>,
) -> Response {
    // A day that cannot be read is as none: the page shows the last week.
    let query = query.map_or(
        RangeQuery {
            from: None,
            to: None,
            lot: None,
        },
        |Query(query)| query,
    );
    match load(&app, &query).await {
        Ok(figures) => {
            let lang = reader.lang;
            let title = lang.city().city;
            let city = app.city.name.clone();
            let now = App::now().with_timezone(&app.city.timezone).naive_local();
            Document {
                title,
                active: "/city",
                live: None,
            }
            .page(&reader, move || {
                view(figures, &city, query.lot.as_deref(), now, lang)
            })
        }
        Err(error @ ApiError::Unprocessable(_)) => not_these_days(&app, &reader, &query, &error),
        Err(error) => problem(&reader, &error),
    }
}

/// The days that were asked for, to be put right.
fn not_these_days(app: &App, reader: &Reader, query: &RangeQuery, error: &ApiError) -> Response {
    let lang = reader.lang;
    let today = App::now().with_timezone(&app.city.timezone).date_naive();
    let (from, to) = (query.from.unwrap_or(today), query.to.unwrap_or(today));
    let city = app.city.name.clone();
    Document {
        title: lang.city().city,
        active: "/city",
        live: None,
    }
    .respond(reader, error.status(), move || {
        view! {
            {head(&city, Range { from, to }, lang)}
            <p class="error" role="alert">{lang.city().not_these_days}</p>
        }
    })
}

async fn load(app: &App, query: &RangeQuery) -> Result<Figures, ApiError> {
    let now = App::now();
    let range = Range::new(app, query.from, query.to, now)?;
    let local = |at: Timestamp| at.with_timezone(&app.city.timezone).naive_local();
    let finished = finished(app, range, now);
    let day = std::iter::once(RevenueBy::Day);
    let by: Vec<RevenueBy> = BY.into_iter().map(|(by, _)| by).chain(day).collect();
    let (first_day, mut parts, before, week, parking, collected, (rules, advice)) = tokio::try_join!(
        report::first_day(app),
        report::revenues(app, range, &by),
        async {
            match finished {
                Some((_, before)) => Some(report::revenue(app, before, RevenueBy::Day).await),
                None => None,
            }
            .transpose()
        },
        demand::week(app, range, now),
        report::sensed_paid(app, range, now),
        async {
            match (range.to - range.from).num_days() < MAX_DAYS {
                true => Some(collected(app, range, now).await).transpose(),
                false => Ok(None),
            }
        },
        demand::advice(app, range, now),
    )?;
    let by_day = parts.pop().ok_or(ApiError::Internal)?;
    let change = finished.zip(before).map(|((days, before), then)| Change {
        days,
        before,
        vnd: until(&by_day, days.to),
        before_vnd: then.total_vnd,
    });
    Ok(Figures {
        range,
        complete_until: local(by_day.complete_until),
        first_day,
        by_day,
        change,
        parts,
        week,
        parking,
        collected,
        rules,
        advice,
    })
}

fn view(
    figures: Figures,
    city: &str,
    lot: Option<&str>,
    now: NaiveDateTime,
    lang: Lang,
) -> impl IntoView + use<> {
    let Figures {
        range,
        complete_until,
        first_day,
        by_day,
        change,
        parts,
        week,
        parking,
        collected,
        rules,
        advice,
    } = figures;
    let day = demand::by_hour(&week);
    let receipts: i64 = by_day.rows.iter().map(|row| row.receipts).sum();
    let (sensed, paid) = parking.iter().fold((0, 0), |sum, day| {
        (sum.0 + day.sensed_s, sum.1 + day.paid_s)
    });
    let stays: i64 = parking.iter().map(|day| day.stays).sum();
    let peak = day
        .iter()
        .filter(|hour| hour.is_known())
        .max_by_key(|hour| hour.occupied_bp());
    let (fullest, when) = match peak {
        Some(hour) => (
            format!("{} %", hour.occupied_bp() / 100),
            format!("{}:00 – {}:00", hour.hour, hour.hour + 1),
        ),
        None => ("?".to_owned(), lang.city().not_known.to_owned()),
    };
    let total = by_day.total_vnd;
    let total_text = lang.money(Vnd::new(total));
    let change = change.map(|change| compared(&change, first_day, lang));
    // Nobody needs to be told of a day that has begun.
    let known_from = first_day.map_or(now.date(), |day| day.min(now.date()));
    let parts = BY.into_iter().zip(parts).map(|((kind, by), mut part)| {
        if by == "class" {
            for row in &mut part.rows {
                let class = VehicleClass::from_code(&row.key);
                row.name = class.map_or(row.key.clone(), |class| lang.class(class).to_owned());
            }
        }
        if by == "method" {
            for row in &mut part.rows {
                gateway_name(&row.key, lang).clone_into(&mut row.name);
            }
        }
        ranking(by_words(kind, lang), &part, &range, by, lang)
    });
    let parts = parts.collect_view();
    view! {
        {head(city, range, lang)}
        <div class="stats">
            <div class="stat lead" data-total=total.to_string()>
                <small>{lang.city().collected}</small>
                <b>{total_text}</b>
                <span>{range.from.format("%d/%m").to_string()} " – " {range.to.format("%d/%m/%Y").to_string()}</span>
                {change}
                " "
                <a class="how-made no-print" href="#how-collected">{lang.city().how_made}</a>
            </div>
            {figure("how-collected", lang.number(receipts), lang.city().receipts, average(total, receipts, lang), lang)}
            {figure("how-paid", format!("{} %", percent(paid, sensed)), lang.city().parked_time_that_was_paid, lang.counted(stays, lang.city().stay_sensed, lang.city().stays_sensed), lang)}
            {figure("how-fullest", fullest, lang.city().at_its_fullest, when, lang)}
        </div>
        <section class="card">
            <h2>{lang.city().revenue_by_day} {csv(&range, "revenue", "&by=day")}</h2>
            {days(&by_day, known_from, lang)}
            <p class="source">
                {lang.city().source_receipts_less_what_was} " " {lang.city().every_receipt_until} " "
                {complete_until.format("%H:%M:%S %d/%m/%Y").to_string()} "."
            </p>
        </section>
        <div class="three">{parts}</div>
        {collection::view(collected.as_deref(), &range, lot, lang)}
        {collected.as_deref().map(|collected| licence::view(collected, &range, lang).into_any())}
        <div class="two">
            <section class="card">
                <h2>{lang.city().parking_against_payments} {csv(&range, "parking", "")}</h2>
                {sensed_and_paid(&parking, lang)}
            </section>
            <section class="card">
                <h2>{lang.city().occupancy_over_the_day} {csv(&range, "week", "")}</h2>
                {occupancy(&day, lang)}
            </section>
        </div>
        {week::price_advice(rules, advice, &range, lang)}
        {week::heat_maps(&week, &range, now, lang)}
        {how_made(range, lang).into_any()}
    }
}

fn head(city: &str, range: Range, lang: Lang) -> impl IntoView + use<> {
    view! {
        <header class="city-head">
            <div>
                <h1>{city.to_owned()} ": " {lang.city().parking_revenue}</h1>
                <p class="note">{lang.city().from_very_receipts_drivers_hold}</p>
            </div>
            <form class="range" method="get" action="/city">
                {presets(range, lang)}
                <label><span>{lang.words().from}</span><input type="date" name="from" value=range.from.to_string() /></label>
                <label><span>{lang.city().to}</span><input type="date" name="to" value=range.to.to_string() /></label>
                <button>{lang.city().show}</button>
            </form>
        </header>
    }
}

/// A figure with what it means, and a way to how it is made.
fn figure(
    how: &'static str,
    figure: String,
    label: &'static str,
    note: String,
    lang: Lang,
) -> impl IntoView {
    view! {
        <div class="stat">
            <small>{label}</small>
            <b>{figure}</b>
            <span>{note}</span>
            " "
            <a class="how-made no-print" href=format!("#{how}")>{lang.city().how_made}</a>
        </div>
    }
}

/// Periods that people ask for most.
fn presets(range: Range, lang: Lang) -> impl IntoView + use<> {
    let back = |days: u64| {
        range
            .to
            .checked_sub_days(Days::new(days))
            .unwrap_or(range.to)
    };
    let month = range.to.with_day(1).unwrap_or(range.to);
    let offered = [
        (lang.city().n_7_days, back(6)),
        (lang.city().n_30_days, back(29)),
        (lang.city().this_month, month),
    ];
    let links = offered.map(|(text, from)| {
        let current = (range.from == from).then_some("true");
        view! { <a class="chip" aria-current=current href=format!("/city?from={from}&to={}", range.to)>{text}</a> }
    });
    view! { <span class="chips">{links.into_iter().collect_view()}</span> }
}

/// How the figures are made, where each of them leads.
fn how_made(range: Range, lang: Lang) -> impl IntoView {
    let text = lang.city();
    let data = format!(
        "/api/v1/reports/revenue?from={}&to={}&by=day",
        range.from, range.to
    );
    view! {
        <section class="card" id="how">
            <h2>{text.how_made}</h2>
            <dl class="how">
                <dt id="how-collected">{text.collected}</dt><dd>{text.how_collected}</dd>
                <dt id="how-paid">{text.parked_time_that_was_paid}</dt><dd>{text.how_paid_time}</dd>
                <dt id="how-fullest">{text.at_its_fullest}</dt><dd>{text.how_fullest}</dd>
                <dt id="how-due">{lang.city_collection().should_have_been_collected}</dt><dd>{text.how_due}</dd>
            </dl>
            <p>{text.how_log} " " <a href="/verify">{lang.verify().title}</a> " · " <a href="/log/checkpoint">"/log/checkpoint"</a></p>
            <p><a href=data>"JSON"</a> " · " <a href="/open">{text.open_data}</a> " · " <a href="/api/docs/">{text.as_data}</a></p>
        </section>
    }
}

fn csv(range: &Range, report: &'static str, more: &str) -> impl IntoView + use<> {
    let href = format!(
        "/api/v1/reports/{report}?from={}&to={}{more}&format=csv",
        range.from, range.to
    );
    let spoken = format!("CSV: {report}{more}");
    view! { <a class="csv" href=href download aria-label=spoken>"CSV"</a> }
}

fn weekday(day: &str, lang: Lang) -> String {
    let Ok(date) = day.parse::<NaiveDate>() else {
        return day.to_owned();
    };
    let name = week::weekday_name(date.weekday().num_days_from_monday(), lang);
    format!("{name} {}", date.format("%d/%m"))
}
