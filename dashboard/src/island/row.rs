//! A lot in the finder's list.

use domain::board::{BayCount, LotSummary};
use domain::offer::LotOffer;
use domain::place::Amenities;
use leptos::prelude::*;

use super::map::metres;
use crate::icon::{icon, of};
use crate::lang::Lang;
use crate::wish::Wish;

/// How easily a place is found: by the share of free bays among those that are known.
pub(super) fn level(count: &BayCount) -> &'static str {
    let known = count.occupied + count.free;
    match (known * 2 < count.capacity, count.free * 100 / known.max(1)) {
        (true, _) => "unknown",
        (_, 20..) => "plenty",
        (_, _) if count.free > 0 => "few",
        _ => "full",
    }
}

/// The bays of a lot that are in question.
pub(super) const fn count(lot: &LotSummary) -> BayCount {
    BayCount {
        capacity: lot.capacity,
        occupied: lot.occupied,
        free: lot.free,
        unknown: lot.unknown,
    }
}

pub(super) fn row(
    lot: LotSummary,
    offer: Option<&LotOffer>,
    wish: &Wish,
    lang: Lang,
) -> impl IntoView + use<> {
    let level = level(&count(&lot));
    let known = lot.capacity.saturating_sub(lot.unknown).max(1);
    // As the number beside it: the longer, the more room there is.
    let room = lot.free * 100 / known;
    let class = wish.class.or(lot.classes.first().map(|count| count.class));
    let price = class.and_then(|class| offer?.price(class, wish.minutes));
    let hours = lang.duration(chrono::TimeDelta::minutes(wish.minutes.into()));
    let price = price.map(|price| view! { <span class="offer-price"><b>{lang.money(price)}</b> <small>{hours}</small></span> });
    // The lot as a whole has a past to learn from, two bays with a charger have none.
    let foretold = offer.filter(|_| wish.amenities.is_none());
    let expected = foretold.and_then(|offer| offer.free_in(wish.arrives_in, lot.capacity));
    let expected = expected.map(|(free, least, most)| {
        let text = match lang {
            Lang::Vi => format!("lúc đến khoảng {free} chỗ trống ({least}–{most})"),
            Lang::En => format!("about {free} free on arrival ({least}–{most})"),
        };
        view! { <small class="expected">{text}</small> }
    });
    let away = wish.here.map(|here| match metres(here, lot.position) {
        near @ ..1_000 => format!(" · {near} m"),
        far => format!(" · {}.{} km", far / 1_000, far % 1_000 / 100),
    });
    let special = special(&lot, wish, lang);
    view! {
        <li>
            <a class="lot" href=format!("/lots/{}", lot.code)>
                <span class=format!("free {level}")>
                    <b>{if level == "unknown" { "?".to_owned() } else { lot.free.to_string() }}</b>
                    <small>{lang.words().free}</small>
                </span>
                <span class="lot-text">
                    <b>{lot.name}</b>
                    <small>
                        {lang.kind(lot.kind)} " · " {lot.ward} {away} " · " {lot.capacity} " "
                        {lang.row().bays}
                        {(lot.unknown > 0 && level != "unknown").then(|| format!(" · {} {}", lot.unknown, lang.words().unknown))}
                        {special}
                    </small>
                    {expected}
                    <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                        <rect class=level width=room.to_string() height="6" />
                    </svg>
                </span>
                {price}
            </a>
        </li>
    }
}

/// How many of its bays for disabled people, and of those with a charger, are free.
fn special(lot: &LotSummary, wish: &Wish, lang: Lang) -> impl IntoView + use<> {
    let kinds = [(true, false), (false, true)].map(|(accessible, charging)| Amenities {
        accessible,
        charging,
    });
    let counted = kinds.map(|kind| {
        let count = lot.having(wish.class, kind)?;
        let (name, words) = of(kind, lang).pop()?;
        Some(view! {
            <span class="amenity">
                " · " {icon(name)} <span class="spoken">{words}": "</span> {count.free} "/" {count.capacity}
            </span>
        })
    });
    counted.into_iter().flatten().collect_view()
}
