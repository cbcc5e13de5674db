//! What staff should see to first: vehicles that owe something, the longest first; those that have
//! their notice already come last.

use std::cmp::Reverse;
use std::collections::HashMap;

use domain::Timestamp;
use domain::board::{BayStatus, LotSummary, StaffBay};
use domain::notice::NoticeCode;
use leptos::prelude::*;
use store::parking_notice::ParkingNotice;

use super::staff::status_words;
use crate::lang::Lang;

/// How many are shown: more than one walks to at once.
const SHOWN: usize = 8;

/// A vehicle that owes something.
pub(super) struct Owing {
    bay: String,
    lot: String,
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
                status: bay.status,
                from,
                notice: notice.map(|code| (*code).clone()),
            })
        })
        .collect();
    owing.sort_by_key(|owing| (owing.notice.is_some(), Reverse(now - owing.from)));
    owing
}

/// The first of them, and how many there are.
pub(super) fn view(owing: Vec<Owing>, now: Timestamp, lang: Lang) -> impl IntoView {
    let more = owing.len().saturating_sub(SHOWN);
    let empty = owing.is_empty();
    let entry = move |owing: Owing| {
        let notice = owing.notice.map(|code| {
            view! { <a class="since" href=format!("/n/{code}")>{lang.t("có phiếu", "has its notice")}</a> }
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
            <h2>{lang.t("Cần xử lý trước", "To see to first")}</h2>
            <ul class="attention">{owing.into_iter().take(SHOWN).map(entry).collect_view()}</ul>
            {(more > 0).then(|| view! { <p class="note">{match lang {
                Lang::Vi => format!("và {more} xe nữa, xem theo điểm đỗ bên dưới"),
                Lang::En => format!("and {more} more, by lot below"),
            }}</p> })}
            {empty.then(|| view! { <p class="empty">{lang.t("Không có xe nào chưa trả tiền.", "Nobody is unpaid or overstayed.")}</p> })}
        </section>
    }
}
