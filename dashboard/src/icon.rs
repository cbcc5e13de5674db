//! Pictures that say what bays have, beside the words.

use domain::place::Amenities;
use leptos::prelude::*;

use crate::island::Shape;
use crate::lang::Lang;

/// What bays may have, each with the name of its picture and its words.
pub(crate) fn of(amenities: Amenities, lang: Lang) -> Vec<(&'static str, &'static str)> {
    let kept = amenities.accessible.then(|| {
        let words = lang.icon().for_disabled_people;
        ("accessible", words)
    });
    let charger = amenities
        .charging
        .then(|| ("charging", lang.icon().with_ev_charger));
    kept.into_iter().chain(charger).collect()
}

/// A picture by its name. It is drawn by [`symbols`], once on a page.
pub(crate) fn icon(name: &'static str) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
            <use href=format!("#{name}") />
        </svg>
    }
}

/// What a bay has, in pictures and words.
#[cfg(feature = "ssr")]
pub(crate) fn labels(amenities: Amenities, lang: Lang) -> impl IntoView {
    let labels = of(amenities, lang).into_iter();
    labels
        .map(|(name, words)| view! { <span class="amenity">{icon(name)} " " {words}</span> })
        .collect_view()
}

/// A bay's pictures in a plan, below the letter that says how it is.
pub(crate) fn marks(amenities: Amenities, shape: &Shape, lang: Lang) -> impl IntoView + use<> {
    let names = of(amenities, lang);
    // Two share the room that one has.
    let size = shape.letter * if names.len() > 1 { 0.7 } else { 0.95 };
    let left = shape.x - size * names.len() as f32 / 2.0;
    let top = shape.y + shape.letter * 0.2;
    let mark = move |(index, (name, _)): (usize, (&'static str, _))| {
        view! {
            <use
                href=format!("#{name}")
                x=format!("{:.2}", left + size * index as f32)
                y=format!("{top:.2}")
                width=format!("{size:.2}")
                height=format!("{size:.2}")
            />
        }
    };
    names.into_iter().enumerate().map(mark).collect_view()
}

/// The pictures themselves, for whatever on the page refers to them.
#[cfg(feature = "ssr")]
pub(crate) fn symbols() -> impl IntoView {
    view! {
        <svg hidden aria-hidden="true">
            <symbol id="accessible" viewBox="0 0 24 24">
                <g fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round">
                    <path d="M11 8v6h5l3 6M11 10.8h4.5M8 11.6a5.4 5.4 0 1 0 6.6 7" />
                </g>
                <circle cx="11" cy="4" r="2.2" fill="currentColor" />
            </symbol>
            <symbol id="charging" viewBox="0 0 24 24">
                <path d="M14 1.5 4.5 13.5h6l-1.5 9 10-13h-6.5z" fill="currentColor" />
            </symbol>
        </svg>
    }
}
