//! One lot: its bays, how it will be, what it costs.

use api::service::forecast;
use api::{ApiError, App};
use axum::extract::{Path, State};
use axum::response::Response;
use domain::board::{BaySummary, LotSummary, Occupancy};
use domain::place::{Amenities, VehicleClass};
use domain::tariff::{Block, Pricing, Tariff, in_force};
use leptos::prelude::*;

use super::document::Document;
use super::{Reader, problem};
use crate::icon;
use crate::island::{Shape, draw, number};
use crate::lang::Lang;

/// `/lots/{code}`: one lot's bays and prices.
pub(crate) async fn lot_page(
    State(app): State<App>,
    reader: Reader,
    Path(code): Path<String>,
) -> Response {
    match load(&app, &code).await {
        Ok((lot, bays, tariffs)) => {
            let (lang, now, tz) = (reader.lang, App::now(), app.city.timezone);
            // That nothing can be foretold is no reason to show nothing.
            let outlook = forecast::outlook(&app, &lot.code, now).await.ok();
            let outlook =
                move || outlook.map(|found| super::outlook::outlook(found, tz, now, lang));
            let live = Some(format!("/api/v1/live?lot={}", lot.code));
            let title = lot.name.clone();
            Document {
                title: &title,
                active: "/",
                live,
            }
            .page(&reader, move || {
                lot_view(&lot, &bays, tariffs, outlook(), lang)
            })
        }
        Err(error) => problem(&reader, &error),
    }
}

type Lot = (LotSummary, Vec<BaySummary>, Vec<Tariff>);

async fn load(app: &App, code: &str) -> Result<Lot, ApiError> {
    let now = App::now();
    let (lot, bays) = app
        .live
        .lot(code, now)
        .await
        .ok_or(ApiError::NotFound("lot"))?;
    // All bays of a lot lie in one zone: the first knows its tariffs.
    let versions: Vec<Tariff> = match bays.first() {
        Some(bay) => {
            let place = app.store.bay_place(&bay.code).await?;
            place
                .tariffs
                .into_iter()
                .map(|version| version.tariff)
                .collect()
        }
        None => Vec::new(),
    };
    let classes = [VehicleClass::Car, VehicleClass::Motorbike];
    let tariffs = classes
        .into_iter()
        .filter(|class| bays.iter().any(|bay| bay.class == *class))
        .filter_map(|class| in_force(&versions, class, now).cloned())
        .collect();
    Ok((lot, bays, tariffs))
}

fn lot_view<O: IntoView>(
    lot: &LotSummary,
    bays: &[BaySummary],
    tariffs: Vec<Tariff>,
    outlook: Option<O>,
    lang: Lang,
) -> impl IntoView + use<O> {
    let outlines: Vec<_> = bays.iter().map(|bay| bay.outline).collect();
    let (view_box, shapes) = draw(&outlines);
    let drawn = bays
        .iter()
        .zip(shapes)
        .map(|(bay, shape)| drawn(bay, shape, lang))
        .collect_view();
    let free: Vec<_> = bays
        .iter()
        .filter(|bay| bay.state == Occupancy::Free)
        .cloned()
        .collect();
    let none_free = free.is_empty();
    // What the codes of its bays have in common.
    let prefix = format!("{}-", lot.code);
    view! {
        {icon::symbols()}
        <nav class="crumbs"><a href="/">{lang.lot().all_parking}</a></nav>
        <section class="hero">
            <h1>{lot.name.clone()}</h1>
            <p>{lang.kind(lot.kind)} " · " {lot.ward.clone()} " · " {lot.code.clone()}</p>
            <div class="counts">
                <span class="count free"><b>{lot.free}</b><small>"○ " {lang.words().free}</small></span>
                <span class="count occupied"><b>{lot.occupied}</b><small>"● " {lang.lot().taken}</small></span>
                <span class="count unknown"><b>{lot.unknown}</b><small>"? " {lang.words().unknown}</small></span>
                {amenity_counts(lot, lang)}
            </div>
        </section>
        <div class="two">
            <div>
                <section class="card">
                    <h2>{lang.lot().free_bays}</h2>
                    {none_free.then(|| view! { <p class="empty">{lang.lot().no_bay_is_free}</p> })}
                    <ul class="codes">
                        {free.into_iter().take(24).map(|bay| view! {
                            <li><a href=format!("/b/{}", bay.code)>
                                {bay.code.clone()} <small>{lang.class(bay.class)}</small>
                                <small class="amenities">{icon::labels(bay.amenities, lang)}</small>
                            </a></li>
                        }).collect_view()}
                    </ul>
                    <form class="inline plate-search" method="get" action="/b">
                        <label class="field">
                            <span>{lang.lot().parked_here_code_sign}</span>
                            <input name="code" value=prefix required maxlength="40" autocomplete="off" autocapitalize="characters" spellcheck="false" />
                        </label>
                        <button class="primary">{lang.words().pay}</button>
                    </form>
                </section>
                <section class="card">
                    <h2>{lang.lot().plan}</h2>
                    <svg class="bays" viewBox=view_box role="group" aria-label=lang.lot().plan_of_the_bays>{drawn}</svg>
                    <p class="note">{lang.lot().choose_bay_pay}</p>
                </section>
            </div>
            <div>
                {outlook}
                <section class="card">
                    <h2>{lang.lot().prices}</h2>
                    {tariffs.into_iter().map(|tariff| price_board(tariff, lang)).collect_view()}
                </section>
            </div>
        </div>
    }
}

/// How many of the bays for disabled people, and of those with a charger, are free.
fn amenity_counts(lot: &LotSummary, lang: Lang) -> impl IntoView + use<> {
    let kinds = [(true, false), (false, true)].map(|(accessible, charging)| Amenities {
        accessible,
        charging,
    });
    let counted = kinds.map(|kind| {
        let count = lot.having(None, kind)?;
        Some(view! {
            <span class="count">
                <b>{count.free} "/" {count.capacity}</b>
                <small>{icon::labels(kind, lang)}</small>
            </span>
        })
    });
    counted.into_iter().flatten().collect_view()
}

fn drawn(bay: &BaySummary, shape: Shape, lang: Lang) -> impl IntoView + use<> {
    let (letter, words) = match bay.state {
        Occupancy::Free => ("○", lang.words().free),
        Occupancy::Occupied => ("●", lang.lot().taken),
        Occupancy::Unknown => ("?", lang.words().unknown),
    };
    let had = icon::of(bay.amenities, lang).into_iter();
    let had: String = had.map(|(_, words)| format!(", {words}")).collect();
    let title = format!("{}: {words}{had}", bay.code);
    let marks = icon::marks(bay.amenities, &shape, lang);
    let number = number(&bay.code, &shape);
    let Shape {
        points,
        x,
        y,
        letter: size,
        ..
    } = shape;
    view! {
        <g>
            <a href=format!("/b/{}", bay.code) class=format!("bay {}", bay.state)>
                <title>{title}</title>
                <polygon points=points />
                <text x=format!("{x:.1}") y=format!("{y:.1}") font-size=format!("{size:.1}")>{letter}</text>
                {marks}
                {number}
            </a>
        </g>
    }
}

/// What is charged for what, as a price board says it.
fn price_rows(pricing: &Pricing, lang: Lang) -> Vec<(String, String)> {
    match pricing {
        Pricing::Blocks(blocks) => block_rows(blocks, lang),
        Pricing::Windows(windows) => windows
            .iter()
            .flat_map(|window| {
                let name = lang.pick(&window.name_vi, &window.name_en);
                if window.blocks.is_empty() {
                    let rate = format!("{} / {}", lang.money(window.rate_vnd), lang.lot().stay);
                    return vec![(name.to_owned(), rate)];
                }
                let rows = block_rows(&window.blocks, lang).into_iter();
                rows.map(|(span, rate)| (format!("{name}: {span}"), rate))
                    .collect()
            })
            .collect(),
    }
}

fn block_rows(blocks: &[Block], lang: Lang) -> Vec<(String, String)> {
    let unit = |minutes: u32| lang.duration(chrono::TimeDelta::minutes(i64::from(minutes)));
    blocks
        .iter()
        .scan(0, |from, block| {
            let start = std::mem::replace(from, block.until_min.unwrap_or(u32::MAX));
            let span = match block.until_min {
                _ if blocks.len() == 1 => lang.lot().any_time.to_owned(),
                Some(end) => format!("{}–{}", start / 60, unit(end)),
                None => format!("{} {}", lang.lot().after, unit(start)),
            };
            Some((
                span,
                format!("{} / {}", lang.money(block.rate_vnd), unit(block.per_min)),
            ))
        })
        .collect()
}

fn price_board(tariff: Tariff, lang: Lang) -> impl IntoView {
    let unit = |minutes: u32| lang.duration(chrono::TimeDelta::minutes(i64::from(minutes)));
    let mut rows = price_rows(&tariff.pricing, lang);
    for rule in &tariff.days {
        let name = lang.pick(&rule.name_vi, &rule.name_en);
        let prices = price_rows(&rule.pricing, lang).into_iter();
        rows.extend(prices.map(|(span, rate)| (format!("{name}: {span}"), rate)));
    }
    let notes = [
        (tariff.free_min > 0).then(|| format!("{} {}", lang.lot().free_for, unit(tariff.free_min))),
        tariff
            .cap_24h_vnd
            .map(|cap| format!("{} {} / 24 h", lang.lot().at_most, lang.money(cap))),
        tariff.cap_day_vnd.map(|cap| {
            let (most, day) = (lang.lot().at_most, lang.lot().day);
            format!("{most} {} / {day}", lang.money(cap))
        }),
    ];
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    view! {
        <table class="lines">
            <caption>{lang.class(tariff.class)}</caption>
            <tbody>
                {rows.into_iter().map(|(span, rate)| view! { <tr><td>{span}</td><td class="amount">{rate}</td></tr> }).collect_view()}
            </tbody>
        </table>
        {(!notes.is_empty()).then(|| view! { <p class="note">{notes.join(" · ")}</p> })}
    }
}
