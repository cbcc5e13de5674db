//! What was collected against what sensors saw, with the reasons for the gap and how sure it is.

use api::service::collection::{Collected, CollectedBy, CollectedRow, MAX_DAYS, ROWS_MAX};
use api::service::report::Range;
use domain::collection::{Bounds, Collection};
use domain::money::Vnd;
use leptos::prelude::*;

use super::parking::percent;
use super::{csv, weekday};
use crate::lang::Lang;
use crate::wish::encoded;

/// How many lots are shown by themselves: those where most is owed.
const LOTS: usize = 10;

/// Why what came differs from what was due: the amount, its sign in the sum, and its name.
fn reasons(sum: &Collection, lang: Lang) -> [(i64, bool, &'static str, &'static str); 11] {
    let text = lang.city_collection();
    [
        (sum.unpaid_vnd, true, text.not_paid, text.not_paid_why),
        (sum.short_vnd, true, text.overstayed, text.overstayed_why),
        (sum.open_vnd, true, text.still_there, text.still_there_why),
        (
            sum.paid_elsewhere_vnd,
            true,
            text.paid_elsewhere,
            text.paid_elsewhere_why,
        ),
        (
            sum.given_back_vnd,
            true,
            text.given_back,
            text.given_back_why,
        ),
        (sum.grace_vnd, true, text.grace, text.grace_why),
        (sum.pass_vnd, true, text.passes, text.passes_why),
        (sum.exempt_vnd, true, text.exemptions, text.exemptions_why),
        (sum.beyond_vnd, false, text.unused, text.unused_why),
        (
            sum.unknown_vnd,
            false,
            text.nobody_could_see,
            text.nobody_could_see_why,
        ),
        (sum.elsewhere_vnd, false, text.empty_bay, text.empty_bay_why),
    ]
}

/// An amount, or between what and what it lies; neither where too little is known.
fn between(bounds: Bounds, sum: &Collection, lang: Lang) -> String {
    let money = |vnd| lang.money(Vnd::new(vnd));
    let (low, high) = (money(bounds.low_vnd), money(bounds.high_vnd));
    match lang {
        _ if sum.uncertainty.is_too_large() => lang.city_collection().cannot_tell.to_owned(),
        _ if bounds.is_exact() => low,
        Lang::Vi => format!("từ {low} đến {high}"),
        Lang::En => format!("between {low} and {high}"),
    }
}

/// How much of the time was known, in per cent; never "100" where it was less.
pub(super) fn known_percent(known_us: i64, total_us: i64) -> String {
    let rounded = percent(known_us, total_us);
    if known_us < total_us && rounded >= 100 {
        return "> 99 %".to_owned();
    }
    format!("{rounded} %")
}

fn known(sum: &Collection) -> String {
    known_percent(sum.uncertainty.known_us, sum.uncertainty.total_us)
}

pub(super) fn view(
    collected: Option<&Collected>,
    range: &Range,
    lot: Option<&str>,
    lang: Lang,
) -> impl IntoView + use<> {
    let text = lang.city_collection();
    let title = text.collected_against_what_sensors_saw;
    let Some(collected) = collected else {
        return view! {
            <section class="card">
                <h2>{title}</h2>
                <p class="empty">{match lang {
                    Lang::Vi => format!("Chọn tối đa {MAX_DAYS} ngày: từng lượt đỗ được tính giá."),
                    Lang::En => format!("Choose at most {MAX_DAYS} days: every stay of them is priced."),
                }}</p>
            </section>
        }
        .into_any();
    };
    let mut lots = collected.by(CollectedBy::Lot);
    lots.sort_by_key(|row| std::cmp::Reverse(row.sum.owed_vnd()));
    // A file of more rows than one answer has would be refused.
    let of_range = usize::try_from((range.to - range.from).num_days() + 1).unwrap_or(usize::MAX);
    let by = match lots.len().saturating_mul(of_range) <= ROWS_MAX {
        true => "&by=lot_day",
        false => "&by=lot",
    };
    lots.truncate(LOTS);
    let total = collected.total();
    let (low, high) = (total.owed().low_vnd, total.owed().high_vnd);
    // Each by itself: the type of a view that holds them all is too deep to be compiled.
    let (sums, most) = (
        sums(&total, lang).into_any(),
        most_owed(lots, range, lang).into_any(),
    );
    let days = lot.map(|lot| days(&collected.of_lot(lot), range, lang).into_any());
    view! {
        <section class="card" id="collection" data-due=total.due_vnd.to_string() data-owed-low=low.to_string() data-owed-high=high.to_string()>
            <h2>{title} {csv(range, "collection", by)}</h2>
            <p class="note">{unsure(&total, lang)}</p>
            <div class="two">{sums}{most}</div>
            {days}
            <p class="source">{text.formula}</p>
            <p class="source">{text.what_the_range_means}</p>
            <p class="source">{text.source_stays_sensors_saw_whole}</p>
        </section>
    }
    .into_any()
}

/// How much was known, and what is not certain.
fn unsure(total: &Collection, lang: Lang) -> String {
    let known = known(total);
    let (unsure, open) = (total.uncertainty.unsure_stays, total.uncertainty.open_stays);
    match lang {
        Lang::Vi => {
            let (stays, there) = (lang.number(unsure), lang.number(open));
            format!(
                "Biết rõ {known} thời gian của các chỗ. {stays} lượt đỗ có lúc cảm biến không rõ và {there} xe còn đang đỗ: chúng nằm trong khoảng thấp – cao."
            )
        }
        Lang::En => {
            let stays = lang.counted(unsure, "stay reaches", "stays reach");
            let there = lang.counted(open, "vehicle is", "vehicles are");
            format!(
                "{known} of the bays' time was known. {stays} into time that nobody knows, {there} still there: they are in the range from low to high."
            )
        }
    }
}

/// What came, each reason why it differs, what was due, and how sure that is.
fn sums(total: &Collection, lang: Lang) -> impl IntoView + use<> {
    let text = lang.city_collection();
    let rows = reasons(total, lang).map(|(amount, adds, name, why)| {
        let sign = if adds { "+" } else { "−" };
        view! {
            <tr>
                <th scope="row">{name} <small>{why}</small></th>
                <td class="amount">{sign} " " {lang.money(Vnd::new(amount))}</td>
            </tr>
        }
    });
    let stays = lang.counted(
        total.stays,
        text.stay_sensors_saw_price_board,
        text.stays_sensors_saw_price_board,
    );
    let due = match total.uncertainty.is_none() {
        true => text.should_have_been_collected,
        false => text.due_as_far_as_seen,
    };
    let too_little = total.uncertainty.is_too_large().then(|| {
        view! { <tr><td colspan="2" class="note">{text.cannot_be_told}</td></tr> }
    });
    let with_unseen = (!total.uncertainty.is_none()).then(|| {
        view! {
            <tr>
                <th scope="row">{text.with_what_nobody_saw}</th>
                <td class="amount between"><b>{between(total.due(), total, lang)}</b></td>
            </tr>
        }
    });
    view! {
        <table class="grid sums">
            <tbody>
                <tr>
                    <th scope="row">{text.collected} <small>{text.from_these_stays}</small></th>
                    <td class="amount"><b>{lang.money(Vnd::new(total.collected_vnd))}</b></td>
                </tr>
                {rows.into_iter().collect_view()}
            </tbody>
            <tfoot>
                <tr>
                    <th scope="row">{due} <small>{stays}</small></th>
                    <td class="amount"><b>{lang.money(Vnd::new(total.due_vnd))}</b></td>
                </tr>
                {with_unseen}
                <tr>
                    <th scope="row">{text.nobody_paid} <small>{text.nobody_paid_why}</small></th>
                    <td class="amount between"><b>{between(total.owed(), total, lang)}</b></td>
                </tr>
                {too_little}
            </tfoot>
        </table>
    }
}

/// The columns of a table of rows, after the first.
fn headings(lang: Lang) -> impl IntoView {
    let text = lang.city_collection();
    view! {
        <th scope="col" class="amount">{text.due}</th>
        <th scope="col" class="amount">{text.collected}</th>
        <th scope="col" class="amount">{text.owed}</th>
        <th scope="col" class="amount">{text.known}</th>
    }
}

fn amounts(sum: &Collection, lang: Lang) -> impl IntoView + use<> {
    let text = lang.city_collection();
    view! {
        <td class="amount between" data-label=text.due>{between(sum.due(), sum, lang)}</td>
        <td class="amount" data-label=text.collected>{lang.money(Vnd::new(sum.collected_vnd))}</td>
        <td class="amount between" data-label=text.owed>{between(sum.owed(), sum, lang)}</td>
        <td class="amount" data-label=text.known>{known(sum)}</td>
    }
}

/// The lots where most is owed, each leading to its days.
fn most_owed(lots: Vec<CollectedRow>, range: &Range, lang: Lang) -> impl IntoView + use<> {
    let text = lang.city_collection();
    let (from, to) = (range.from, range.to);
    let lot = |row: CollectedRow| {
        let days = format!("/city?from={from}&to={to}&lot={}#days", encoded(&row.key));
        view! {
            <tr>
                <th scope="row"><a href=days>{row.name}</a> <small>{row.key}</small></th>
                {amounts(&row.sum, lang)}
            </tr>
        }
    };
    view! {
        <div>
            <h3>{text.where_most_is_owed}</h3>
            <div class="scroll" tabindex="0" role="region" aria-label=text.where_most_is_owed><table class="grid rows">
                <thead><tr><th scope="col">{lang.words().lot}</th>{headings(lang)}</tr></thead>
                <tbody>{lots.into_iter().map(lot).collect_view()}</tbody>
            </table></div>
        </div>
    }
}

/// One lot's days; nothing where there is no such lot.
fn days(collected: &Collected, range: &Range, lang: Lang) -> impl IntoView + use<> {
    let text = lang.city_collection();
    let lot = collected.lots.first()?.clone();
    let day = |row: CollectedRow| {
        let date = row.day.map(|day| day.to_string()).unwrap_or_default();
        view! {
            <tr>
                <th scope="row">{weekday(&date, lang)}</th>
                <td class="amount" data-label=text.stays>{lang.number(row.sum.stays)}</td>
                {amounts(&row.sum, lang)}
            </tr>
        }
    };
    let rows = collected.by(CollectedBy::LotDay);
    let title = format!("{}: {}", lot.lot_name, text.day_by_day);
    let more = format!("&by=lot_day&lot={}", encoded(&lot.lot));
    let all = format!("/city?from={}&to={}#collection", range.from, range.to);
    Some(view! {
        <div id="days">
            <h3>{title.clone()} " " {csv(range, "collection", &more)}</h3>
            <div class="scroll" tabindex="0" role="region" aria-label=title><table class="grid rows">
                <thead><tr>
                    <th scope="col">{lang.city_parking().day}</th>
                    <th scope="col" class="amount">{text.stays}</th>
                    {headings(lang)}
                </tr></thead>
                <tbody>{rows.into_iter().map(day).collect_view()}</tbody>
            </table></div>
            <p><a class="no-print" href=all>{text.all_lots}</a></p>
        </div>
    })
}
