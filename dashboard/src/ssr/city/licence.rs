//! Which lots held more vehicles than they are licensed for.

use std::collections::BTreeMap;

use api::service::collection::{Collected, LoadRow};
use api::service::report::Range;
use chrono::TimeDelta;
use leptos::prelude::*;

use super::collection::known_percent;
use super::csv;
use crate::lang::Lang;

/// One lot over all days.
struct OfLot {
    name: String,
    licensed: u32,
    most: u32,
    stays_beyond: u64,
    beyond_us: i64,
    days: u32,
    known_us: i64,
    total_us: i64,
}

/// The lots that held too many on some day, the one that did longest first.
fn beyond(rows: Vec<LoadRow>) -> Vec<(String, OfLot)> {
    let mut lots: BTreeMap<String, OfLot> = BTreeMap::new();
    for row in rows {
        let lot = lots.entry(row.lot).or_insert_with(|| OfLot {
            name: row.name,
            licensed: row.licensed_places,
            most: 0,
            stays_beyond: 0,
            beyond_us: 0,
            days: 0,
            known_us: 0,
            total_us: 0,
        });
        lot.most = lot.most.max(row.load.most);
        lot.stays_beyond += u64::from(row.load.stays_beyond);
        lot.beyond_us = lot.beyond_us.saturating_add(row.load.beyond_us);
        lot.days += u32::from(row.load.is_beyond());
        lot.known_us = lot.known_us.saturating_add(row.known_us);
        lot.total_us = lot.total_us.saturating_add(row.total_us);
    }
    let mut lots: Vec<(String, OfLot)> = lots.into_iter().filter(|(_, lot)| lot.days > 0).collect();
    lots.sort_by_key(|(_, lot)| std::cmp::Reverse(lot.beyond_us));
    lots
}

pub(super) fn view(collected: &Collected, range: &Range, lang: Lang) -> impl IntoView + use<> {
    let text = lang.city_licence();
    let rows = collected.load_rows();
    let is_told = !rows.is_empty();
    let lots = beyond(rows);
    let row = |(code, lot): (String, OfLot)| {
        let mark = code.clone();
        view! {
            <tr data-beyond=mark>
                <th scope="row">{lot.name} <small>{code}</small></th>
                <td class="amount" data-label=text.licensed>{lot.licensed}</td>
                <td class="amount" data-label=text.most_at_once>{lot.most}</td>
                <td class="amount" data-label=text.came_beyond>{lot.stays_beyond}</td>
                <td class="amount" data-label=text.time_beyond>{lang.duration(TimeDelta::microseconds(lot.beyond_us))}</td>
                <td class="amount" data-label=text.days>{lot.days}</td>
                <td class="amount" data-label=lang.city_collection().known>{known_percent(lot.known_us, lot.total_us)}</td>
            </tr>
        }
    };
    let body = match (is_told, lots.is_empty()) {
        (false, _) => view! { <p class="empty">{text.none_told}</p> }.into_any(),
        (true, true) => view! { <p class="empty">{text.none_beyond}</p> }.into_any(),
        (true, false) => view! {
            <div class="scroll" tabindex="0" role="region" aria-label=text.more_vehicles_than_licensed><table class="grid rows">
                <thead><tr>
                    <th scope="col">{lang.words().lot}</th>
                    <th scope="col" class="amount">{text.licensed}</th>
                    <th scope="col" class="amount">{text.most_at_once}</th>
                    <th scope="col" class="amount">{text.came_beyond}</th>
                    <th scope="col" class="amount">{text.time_beyond}</th>
                    <th scope="col" class="amount">{text.days}</th>
                    <th scope="col" class="amount">{lang.city_collection().known}</th>
                </tr></thead>
                <tbody>{lots.into_iter().map(row).collect_view()}</tbody>
            </table></div>
        }
        .into_any(),
    };
    view! {
        <section class="card" id="licence">
            <h2>{text.more_vehicles_than_licensed} " " {csv(range, "over-capacity", "&only_beyond=true")}</h2>
            {body}
            <p class="source">{text.source}</p>
        </section>
    }
}
