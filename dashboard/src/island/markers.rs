//! The lots on the map. Where they lie close together one marker stands for several, with what is free
//! in all of them; it leads to where they can be told apart.

use domain::board::{BayCount, LotSummary};
use leptos::ev::MouseEvent;
use leptos::prelude::*;

use super::drag::Drag;
use super::lots::follow;
use super::map::{Map, clusters};
use super::row::{count, level};
use crate::lang::Lang;
use crate::wish::Wish;

/// How large a marker is, in units of the drawing, by the screen that it is for. The map is as wide as the
/// screen: a phone, which shows it at half the size, needs twice the size. The other is left out by
/// the style sheet.
const SCREENS: [(&str, f64); 2] = [("narrow", 31.0), ("wide", 17.0)];
/// How far apart two markers' middles are at least, in radii.
const APART: f64 = 2.6;

pub(super) fn markers(
    map: Map,
    lots: &[LotSummary],
    drag: Drag,
    wish: ReadSignal<Wish>,
    set_wish: WriteSignal<Wish>,
    lang: Lang,
) -> impl IntoView + use<> {
    let window = map.window(wish.with(|wish| wish.section));
    let fine: Vec<(f64, f64)> = lots.iter().map(|lot| map.at(lot.position)).collect();
    let seen: Vec<(f64, f64)> = fine.iter().map(|place| window.seen(*place)).collect();
    let for_screen = |(screen, size): (&'static str, f64)| {
        let drawn = clusters(&seen, size * APART).into_iter().map(|members| {
            let (x, y) = middle(members.iter().map(|place| seen[*place]));
            if let [only] = members[..] {
                return single(&lots[only], (x, y), size, lang).into_any();
            }
            let places: Vec<_> = members.iter().map(|place| fine[*place]).collect();
            let section = map.section_of(&places, window);
            let change = move |wish: &mut Wish| wish.section = Some(section);
            let href = wish.get_untracked().with(change).href();
            let free = members.iter().map(|place| count(&lots[*place]));
            let sum = free.fold(BayCount::default(), BayCount::plus);
            let go = move |event| follow(&event, set_wish, change);
            several(members.len(), sum, (x, y), size, (href, go), lang).into_any()
        });
        view! { <g class=screen>{drawn.collect_view()}</g> }
    };
    let screens = SCREENS.map(for_screen).into_iter().collect_view();
    // Its links are the list's: nobody has to go through them twice.
    view! {
        <svg class="map markers" viewBox=move || drag.view_box() aria-hidden="true">{screens}</svg>
    }
}

fn middle(places: impl ExactSizeIterator<Item = (f64, f64)>) -> (f64, f64) {
    let count = places.len() as f64;
    let (x, y) = places.fold((0.0, 0.0), |(x, y), (px, py)| (x + px, y + py));
    (x / count, y / count)
}

fn label(count: &BayCount, lang: Lang) -> String {
    match level(count) {
        "unknown" => "?".to_owned(),
        _ => lang.number(count.free.into()),
    }
}

// Around each link stands a group, so that it is known for SVG's and not HTML's.
fn single(lot: &LotSummary, (x, y): (f64, f64), size: f64, lang: Lang) -> impl IntoView + use<> {
    let count = count(lot);
    let title = format!("{}: {} {}", lot.name, count.free, lang.markers().free);
    view! {
        <g>
            <a href=format!("/lots/{}", lot.code) class=format!("marker {}", level(&count)) tabindex="-1">
                <title>{title}</title>
                <circle cx=format!("{x:.0}") cy=format!("{y:.0}") r=size.to_string() />
                <text x=format!("{x:.0}") y=format!("{y:.0}") dy=".35em">{label(&count, lang)}</text>
            </a>
        </g>
    }
}

/// A marker for so many lots with so many bays, and where it leads: a second ring says that it stands for
/// more than one.
fn several<F: FnMut(MouseEvent) + Send + 'static>(
    many: usize,
    sum: BayCount,
    (x, y): (f64, f64),
    size: f64,
    (href, go): (String, F),
    lang: Lang,
) -> impl IntoView + use<F> {
    let (text, points) = (label(&sum, lang), lang.markers().places_to_park);
    let title = format!("{many} {points}: {} {}", sum.free, lang.markers().free);
    // Four digits and more make it wider.
    let half = size + size * 0.42 * text.chars().count().saturating_sub(3) as f64;
    let ring = |around: f64, class: &'static str| {
        let (half, size) = (half + around, size + around);
        view! {
            <rect
                class=class
                x=format!("{:.0}", x - half)
                y=format!("{:.0}", y - size)
                width=format!("{:.0}", 2.0 * half)
                height=format!("{:.0}", 2.0 * size)
                rx=format!("{size:.0}")
            />
        }
    };
    view! {
        <g>
            <a href=href class=format!("marker several {}", level(&sum)) tabindex="-1" on:click=go>
                <title>{title}</title>
                {ring(size * 0.24, "ring")}
                {ring(0.0, "body")}
                <text x=format!("{x:.0}") y=format!("{y:.0}") dy=".35em">{text}</text>
            </a>
        </g>
    }
}

/// What the colours of markers mean.
pub(super) fn legend(lang: Lang) -> impl IntoView {
    view! {
        <p class="legend">
            <span class="entry"><span class="dot plenty"></span>{lang.markers().plenty}</span>
            <span class="entry"><span class="dot few"></span>{lang.markers().few_left}</span>
            <span class="entry"><span class="dot full"></span>{lang.markers().full}</span>
            <span class="entry"><span class="dot unknown"></span>{lang.markers().unknown}</span>
        </p>
    }
}
