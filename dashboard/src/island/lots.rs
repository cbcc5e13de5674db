use std::sync::Arc;

use domain::board::LotSummary;
use domain::offer::{LENGTHS, LotOffer};
use domain::place::{LotKind, VehicleClass};
use leptos::ev::MouseEvent;
use leptos::prelude::*;

use super::drag::Drag;
use super::map::{Map, metres};
use super::markers::{legend, markers};
use super::row::row;
use crate::icon::icon;
use crate::lang::Lang;
use crate::wish::{ARRIVALS, Wish};

/// The city's lots on a drawn map and in a list, live. Every choice is a link; where the bundle runs,
/// it is taken at once, without asking the server.
#[island]
pub fn LotFinder(
    /// The lots as they were when the page was made.
    lots: Vec<LotSummary>,
    /// What they offered then.
    offers: Vec<LotOffer>,
    /// What is looked for.
    wish: Wish,
    /// Where their changes come from.
    events: String,
    /// The language of the page.
    lang: Lang,
    /// What lies under the markers.
    children: Children,
) -> impl IntoView {
    let map = Map::around(&lots);
    let (lots, set_lots) = signal(lots);
    let words = wish.words.clone();
    let (wish, set_wish) = signal(wish);
    let drag = Drag::new(map, wish, set_wish);
    let offers = StoredValue::new(offers);
    #[cfg(feature = "hydrate")]
    {
        Effect::new(move || {
            super::listen(events.clone(), "lot", move |text| {
                let Ok(lot) = serde_json::from_str::<LotSummary>(&text) else {
                    return;
                };
                set_lots.update(|lots| {
                    if let Some(known) = lots.iter_mut().find(|known| known.code == lot.code) {
                        *known = lot;
                    }
                });
            });
        });
        Effect::new(move |shown: Option<()>| {
            let wish = wish.get();
            // The page came as its address says.
            if shown.is_some() {
                super::show_address(&wish.href());
                super::show_section(map.window(wish.section));
            }
        });
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = (events, set_lots);
    let shown = Memo::new(move |_| {
        wish.with(|wish| {
            let window = map.window(wish.section);
            let mut shown: Vec<LotSummary> = lots.with(|lots| {
                let lots = lots.iter().filter(|lot| wish.holds(lot));
                lots.filter(|lot| window.zoom == 0 || window.shows(map.at(lot.position)))
                    .map(|lot| wish.seen(lot))
                    .collect()
            });
            match wish.here {
                Some(here) => shown.sort_by_key(|lot| metres(here, lot.position)),
                None => shown.sort_by_key(|lot| std::cmp::Reverse(lot.free)),
            }
            shown
        })
    });
    let list = move || {
        let wish = wish.get();
        let lots = shown.get().into_iter().map(|lot| {
            let offer = offers
                .with_value(|offers| offers.iter().find(|offer| offer.lot == lot.code).cloned());
            row(lot, offer.as_ref(), &wish, lang)
        });
        lots.collect_view()
    };
    view! {
        {hero(shown, lang).into_any()}
        <div class="finder">
            <div class="finder-tools">
                {search(words, wish, set_wish, lang).into_any()}
                {first_choices(wish, set_wish, lang).into_any()}
                {more_choices(wish, set_wish, lang).into_any()}
            </div>
            <div class="finder-map">
                <div
                    class="map-frame"
                    on:pointerdown=move |event| drag.take(&event)
                    on:pointermove=move |event| drag.pull(&event)
                    on:pointerup=move |_| drag.let_go()
                    on:pointercancel=move |_| drag.let_go()
                    on:dragstart=move |event| event.prevent_default()
                >
                    {children()}
                    {move || markers(map, &shown.get(), drag, wish, set_wish, lang)}
                </div>
                {zoom(map, lots, wish, set_wish, lang).into_any()}
                {legend(lang)}
            </div>
            <div class="finder-list">
                <ul class="lots">{list}</ul>
                <p class="empty" hidden=move || shown.with(|shown| !shown.is_empty())>
                    {lang.finder().no_parking_matches} " "
                    <a href="/">{lang.finder().show_all}</a>
                </p>
            </div>
        </div>
    }
}

fn hero(shown: Memo<Vec<LotSummary>>, lang: Lang) -> impl IntoView {
    let sum = move |of: fn(&LotSummary) -> u32| {
        shown.with(|lots| lots.iter().map(of).map(i64::from).sum::<i64>())
    };
    let unknown = move || sum(|lot| lot.unknown);
    view! {
        <section class="hero">
            <h1>{lang.finder().find_parking}</h1>
            <p>
                <b class="big">{move || lang.number(sum(|lot| lot.free))}</b>
                {lang.finder().bays_are_free_right_now}
                <span hidden=move || unknown() == 0>
                    " · " {move || lang.number(unknown())}
                    {lang.finder().unknown}
                </span>
            </p>
        </section>
    }
}

/// Streets and car parks by their names, and bays by the code on their sign: those are the server's to
/// know.
fn search(
    words: String,
    wish: ReadSignal<Wish>,
    set_wish: WriteSignal<Wish>,
    lang: Lang,
) -> impl IntoView {
    // Whoever looks for a street elsewhere does not mean the part of the map that is seen.
    let others = move || {
        let fields = wish.get().with(|wish| wish.section = None).fields();
        let others = fields.into_iter().filter(|(name, _)| *name != "q");
        others
            .map(|(name, value)| view! { <input type="hidden" name=name value=value /> })
            .collect_view()
    };
    view! {
        <form class="search" action="/" method="get" role="search">
            <label for="q">{lang.finder().street_ward_car_park_or}</label>
            <span>
                <input
                    id="q"
                    type="search"
                    name="q"
                    value=words
                    maxlength="80"
                    autocomplete="off"
                    placeholder=lang.finder().b_tri_u_hk_01_001
                    on:input=move |event| set_wish.update(|wish| {
                        wish.words = event_target_value(&event);
                        wish.section = None;
                    })
                />
                <button>{lang.finder().search}</button>
            </span>
            {others}
        </form>
    }
}

/// For which vehicle, and what the bay must have.
fn first_choices(wish: ReadSignal<Wish>, set_wish: WriteSignal<Wish>, lang: Lang) -> impl IntoView {
    let classes = [VehicleClass::Car, VehicleClass::Motorbike].map(|class| {
        let is = move |wish: &Wish| wish.class == Some(class);
        // Chosen once more, it is any vehicle again.
        let set = move |wish: &mut Wish| {
            wish.class = (wish.class != Some(class)).then_some(class);
        };
        chip(lang.class(class), wish, set_wish, is, set)
    });
    let accessible = chip(
        pictured("accessible", lang.finder().accessible),
        wish,
        set_wish,
        |wish| wish.amenities.accessible,
        |wish| wish.amenities.accessible = !wish.amenities.accessible,
    );
    let charging = chip(
        pictured("charging", lang.finder().ev_charging),
        wish,
        set_wish,
        |wish| wish.amenities.charging,
        |wish| wish.amenities.charging = !wish.amenities.charging,
    );
    view! {
        <div class="chips" role="group" aria-label=lang.finder().kind_of_bay>
            <button type="button" class="chip needs-script" on:click=move |_| locate(set_wish)>
                {lang.finder().near_me}
            </button>
            {classes.into_iter().collect_view()}
            {accessible}
            {charging}
        </div>
    }
}

fn pictured(name: &'static str, words: &'static str) -> impl IntoView {
    view! { {icon(name)} <span class="chip-words">{words}</span> }
}

/// How long, from when on, and where off or on the street.
fn more_choices(wish: ReadSignal<Wish>, set_wish: WriteSignal<Wish>, lang: Lang) -> impl IntoView {
    let hours = move |minutes: u32| lang.duration(chrono::TimeDelta::minutes(minutes.into()));
    let lengths = LENGTHS.map(|minutes| {
        let is = move |wish: &Wish| wish.minutes == minutes;
        chip(hours(minutes), wish, set_wish, is, move |wish| {
            wish.minutes = minutes;
        })
    });
    let arrivals = ARRIVALS.map(|minutes| {
        let label = match minutes {
            0 => lang.finder().now.to_owned(),
            _ => format!("+{}", hours(minutes)),
        };
        let is = move |wish: &Wish| wish.arrives_in == minutes;
        chip(label, wish, set_wish, is, move |wish| {
            wish.arrives_in = minutes;
        })
    });
    let kinds = [None, Some(LotKind::Street), Some(LotKind::OffStreet)].map(|kind| {
        let label = kind.map_or(lang.finder().all, |kind| lang.kind(kind));
        let is = move |wish: &Wish| wish.kind == kind;
        chip(label, wish, set_wish, is, move |wish| wish.kind = kind)
    });
    let chosen = move || {
        wish.with(|wish| {
            let arrival = match wish.arrives_in {
                0 => lang.finder().arriving_now.to_owned(),
                later => format!("{} {}", lang.finder().arriving_in_inline, hours(later)),
            };
            let kind = wish.kind.map(|kind| format!(" · {}", lang.kind(kind)));
            format!(
                "{} {} · {arrival}{}",
                lang.finder().park_for,
                hours(wish.minutes),
                kind.unwrap_or_default()
            )
        })
    };
    let open = wish.with_untracked(Wish::is_particular);
    view! {
        <details class="more-choices" open=open>
            <summary>{chosen}</summary>
            <div class="chips" role="group" aria-label=lang.finder().for_how_long>
                <small>{lang.finder().park_for}</small> {lengths.into_iter().collect_view()}
            </div>
            <div class="chips" role="group" aria-label=lang.finder().arriving_in>
                <small>{lang.finder().arriving}</small> {arrivals.into_iter().collect_view()}
            </div>
            <div class="chips" role="group" aria-label=lang.finder().kind_of_parking>
                <small>{lang.finder().where_}</small> {kinds.into_iter().collect_view()}
            </div>
        </details>
    }
}

/// The map larger, smaller, and whole again.
fn zoom(
    map: Map,
    lots: ReadSignal<Vec<LotSummary>>,
    wish: ReadSignal<Wish>,
    set_wish: WriteSignal<Wish>,
    lang: Lang,
) -> impl IntoView {
    let step = move |by: i8, sign: &'static str, words: &'static str| {
        let change = move |wish: &mut Wish| {
            wish.section = if by == 1 {
                let places = lots.with_untracked(|lots| {
                    let held = lots.iter().filter(|lot| wish.holds(lot));
                    held.map(|lot| lot.position).collect::<Vec<_>>()
                });
                map.zoomed_in(wish.section, &places)
            } else {
                map.zoomed(wish.section, by)
            };
        };
        let is_useless = move || {
            let after = |wish: &Wish| map.window(map.zoomed(wish.section, by)).zoom;
            wish.with(|wish| map.window(wish.section).zoom == after(wish))
        };
        view! {
            <a
                href=move || wish.get().with(change).href()
                aria-label=words
                hidden=is_useless
                on:click=move |event| follow(&event, set_wish, change)
            >
                {sign}
            </a>
        }
    };
    view! {
        <nav class="zoom" aria-label=lang.finder().map>
            {step(1, "+", lang.finder().zoom_in)}
            {step(-1, "−", lang.finder().zoom_out)}
            {step(-8, "⤢", lang.finder().the_whole_city)}
        </nav>
    }
}

/// A choice that is made by a touch: a link to the same page with it.
fn chip(
    label: impl IntoAny,
    wish: ReadSignal<Wish>,
    set_wish: WriteSignal<Wish>,
    is: impl Fn(&Wish) -> bool + Send + Sync + 'static,
    set: impl Fn(&mut Wish) + Send + Sync + 'static,
) -> AnyView {
    drawn_chip(
        label.into_any(),
        wish,
        set_wish,
        Box::new(is),
        Arc::new(set),
    )
}

/// One for all of them: each kind by itself would be code in the bundle.
fn drawn_chip(
    label: AnyView,
    wish: ReadSignal<Wish>,
    set_wish: WriteSignal<Wish>,
    is: Box<dyn Fn(&Wish) -> bool + Send + Sync>,
    set: Arc<dyn Fn(&mut Wish) + Send + Sync>,
) -> AnyView {
    let change = set.clone();
    view! {
        <a
            class="chip"
            href=move || wish.get().with(|wish| set(wish)).href()
            aria-current=move || wish.with(&is).then_some("true")
            on:click=move |event| follow(&event, set_wish, |wish| change(wish))
        >
            {label}
        </a>
    }
    .into_any()
}

/// Takes a choice here and now, unless it is to be opened elsewhere.
pub(super) fn follow(
    event: &MouseEvent,
    set_wish: WriteSignal<Wish>,
    change: impl FnOnce(&mut Wish),
) {
    if event.ctrl_key() || event.meta_key() || event.shift_key() {
        return;
    }
    event.prevent_default();
    set_wish.update(change);
}

/// Asks the browser where the driver is; nobody else is told.
fn locate(set_wish: WriteSignal<Wish>) {
    #[cfg(feature = "hydrate")]
    {
        use wasm_bindgen::JsCast;
        use wasm_bindgen::prelude::{Closure, JsValue};
        let geolocation =
            web_sys::window().and_then(|window| window.navigator().geolocation().ok());
        let Some(geolocation) = geolocation else {
            return;
        };
        let found = Closure::<dyn FnMut(JsValue)>::once_into_js(move |position: JsValue| {
            let coordinate = |name: &str| {
                let coords = js_sys::Reflect::get(&position, &"coords".into()).ok()?;
                js_sys::Reflect::get(&coords, &name.into()).ok()?.as_f64()
            };
            if let (Some(lon), Some(lat)) = (coordinate("longitude"), coordinate("latitude")) {
                set_wish.update(|wish| wish.here = Some([lon, lat]));
            }
        });
        // Refused: the list stays as it is.
        let _ = geolocation.get_current_position(found.unchecked_ref());
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = set_wish;
}
