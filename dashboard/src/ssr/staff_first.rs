//! What staff should see to first: vehicles that owe something, the longest first; those that have
//! their notice already come last.

use std::cmp::Reverse;
use std::collections::HashMap;

use domain::Timestamp;
use domain::board::{BayStatus, LotSummary, StaffBay};
use domain::notice::NoticeCode;
use leptos::prelude::*;
use store::parking_notice::ParkingNotice;
use store::shift::PlannedShift;
use store::whereabouts::Parked;

use super::staff::status_words;
use crate::lang::Lang;

/// How many are shown: more than one walks to at once.
const SHOWN: usize = 8;

/// A vehicle that owes something.
pub(super) struct Owing {
    bay: String,
    lot: String,
    lot_code: String,
    status: BayStatus,
    from: Timestamp,
    notice: Option<NoticeCode>,
}

/// Those of some lots, in order.
pub(super) fn of<'a>(
    lots: impl Iterator<Item = (&'a LotSummary, &'a [StaffBay])>,
    notices: &[ParkingNotice],
    now: Timestamp,
) -> Vec<Owing> {
    let written: HashMap<(&str, Timestamp), &NoticeCode> = notices
        .iter()
        .map(|notice| ((notice.bay.as_str(), notice.starts_at), &notice.code))
        .collect();
    let mut owing: Vec<Owing> = lots
        .flat_map(|(lot, bays)| bays.iter().map(move |bay| (lot, bay)))
        .filter_map(|(lot, bay)| {
            let from = bay.is_due_from(now)?;
            let notice = written.get(&(bay.code.as_str(), from));
            Some(Owing {
                bay: bay.code.clone(),
                lot: lot.name.clone(),
                lot_code: lot.code.clone(),
                status: bay.status,
                from,
                notice: notice.map(|code| (*code).clone()),
            })
        })
        .collect();
    owing.sort_by_key(|owing| (owing.notice.is_some(), Reverse(now - owing.from)));
    owing
}

/// Plates that stand in two bays at once, for somebody to look at: of another operator's lot no more is told
/// than that.
pub(super) fn twice_view(
    parked: Vec<Parked>,
    own: Option<&str>,
    lang: Lang,
) -> impl IntoView + use<> {
    let text = lang.staff_first();
    let empty = parked.is_empty();
    let of_plate = parked.chunk_by(|one, other| one.plate == other.plate);
    let rows = of_plate.map(|bays| {
        let plate = bays.first().map(|bay| bay.plate.reveal().to_owned());
        let bays = bays.iter().map(|parked| {
            if own.is_some_and(|own| own != parked.operator) {
                return view! { <span>{text.another_operators_lot}</span> }.into_any();
            }
            let (bay, lot) = (parked.bay.clone(), parked.lot_name.clone());
            view! { <span><a href=format!("/staff/bays/{bay}")>{bay.clone()}</a> " " <small>{lot}</small></span> }
                .into_any()
        });
        view! { <li class="overstayed twice"><b>{plate}</b> {bays.collect_view()}</li> }
    });
    let rows = rows.collect_view();
    (!empty).then(|| {
        view! {
            <section class="first" data-twice>
                <h2>{text.one_plate_in_two_bays}</h2>
                <ul class="attention">{rows}</ul>
                <p class="note">{text.each_on_a_session}</p>
            </section>
        }
    })
}

/// The first of them, and how many there are. Who is on a shift may look at its lots alone: only where they
/// ask for it, and they are told what is elsewhere.
pub(super) fn view(
    mut owing: Vec<Owing>,
    shift: Option<&PlannedShift>,
    mine: bool,
    now: Timestamp,
    lang: Lang,
) -> impl IntoView + use<> {
    let all = owing.len();
    if let Some(shift) = shift.filter(|_| mine) {
        owing.retain(|owing| shift.lots.contains(&owing.lot_code));
    }
    let elsewhere = all - owing.len();
    let mine = mine && shift.is_some();
    let filter = shift.map(|_| {
        let link = |href: &'static str, text: &'static str, current: bool| {
            view! { <a class="chip" href=href aria-current=current.then_some("true")>{text}</a> }
        };
        view! {
            <p class="chips">
                {link("/staff", lang.staff_first().all_lots, !mine)} " "
                {link("/staff?lots=mine", lang.staff_first().my_lots_of_this_shift, mine)}
            </p>
        }
    });
    let more = owing.len().saturating_sub(SHOWN);
    let empty = owing.is_empty();
    let entry = move |owing: Owing| {
        let notice = owing.notice.map(|code| {
            view! { <a class="since" href=format!("/n/{code}")>{lang.staff_first().has_its_notice}</a> }
        });
        view! {
            <li class=owing.status.to_string()>
                <b><a href=format!("/staff/bays/{}", owing.bay)>{owing.bay.clone()}</a> <small>{owing.lot}</small></b>
                <span>{status_words(owing.status, lang)}</span>
                <span class="since">{lang.duration(now - owing.from)}</span>
                {notice}
            </li>
        }
    };
    view! {
        <section class="first">
            <h2>{lang.staff_first().to_see_to_first}</h2>
            {filter}
            <ul class="attention">{owing.into_iter().take(SHOWN).map(entry).collect_view()}</ul>
            {(more > 0).then(|| view! { <p class="note">{match lang {
                Lang::Vi => format!("và {more} xe nữa, xem theo điểm đỗ bên dưới"),
                Lang::En => format!("and {more} more, by lot below"),
            }}</p> })}
            {(elsewhere > 0).then(|| view! { <p class="note">{match lang {
                Lang::Vi => format!("{elsewhere} xe ở các điểm ngoài ca của bạn"),
                Lang::En => format!("{elsewhere} in lots outside your shift"),
            }}</p> })}
            {empty.then(|| view! { <p class="empty">{lang.staff_first().nobody_is_unpaid_or_overstayed}</p> })}
        </section>
    }
}
