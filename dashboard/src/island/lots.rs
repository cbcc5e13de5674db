use domain::board::{ClassCount, LotSummary};
use domain::offer::{LENGTHS, LotOffer};
use domain::place::{LotKind, VehicleClass};
use leptos::prelude::*;

use super::map::{Map, Water, metres};
use crate::lang::Lang;

/// In how many minutes one may arrive.
const ARRIVALS: [u32; 4] = [0, 15, 30, 60];

/// What a driver looks for.
#[derive(Clone, Debug, PartialEq)]
struct Wish {
    words: String,
    kind: Option<LotKind>,
    class: Option<VehicleClass>,
    minutes: u32,
    arrives_in: u32,
    /// Where the driver is, longitude and latitude.
    here: Option<[f64; 2]>,
}

impl Wish {
    fn holds(&self, lot: &LotSummary) -> bool {
        let text = format!("{} {} {}", lot.code, lot.name, lot.ward).to_lowercase();
        self.kind.is_none_or(|kind| lot.kind == kind)
            && self.class.is_none_or(|class| count(lot, class).is_some())
            && self
                .words
                .split_whitespace()
                .all(|word| text.contains(word))
    }

    /// The lot with the counts of the bays in question.
    fn seen(&self, lot: &LotSummary) -> LotSummary {
        let mut lot = lot.clone();
        if let Some(count) = self.class.and_then(|class| count(&lot, class).copied()) {
            lot.capacity = count.capacity;
            lot.occupied = count.occupied;
            lot.free = count.free;
            lot.unknown = count.unknown;
        }
        lot
    }
}

fn count(lot: &LotSummary, class: VehicleClass) -> Option<&ClassCount> {
    lot.classes.iter().find(|count| count.class == class)
}

/// The city's lots on a drawn map and in a list, live.
#[island]
pub fn LotFinder(
    /// The lots as they were when the page was made.
    lots: Vec<LotSummary>,
    /// What they offered then.
    offers: Vec<LotOffer>,
    /// Where their changes come from.
    events: String,
    /// The language of the page.
    lang: Lang,
    /// What stands between the city's figures and the map.
    children: Children,
) -> impl IntoView {
    let map = Map::around(&lots);
    let (view_box, background) = (map.view_box(), map.clone());
    let (lots, set_lots) = signal(lots);
    let (wish, set_wish) = signal(Wish {
        words: String::new(),
        kind: None,
        class: None,
        minutes: LENGTHS[0],
        arrives_in: 0,
        here: None,
    });
    let offers = StoredValue::new(offers);
    #[cfg(feature = "hydrate")]
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
    #[cfg(not(feature = "hydrate"))]
    let _ = (events, set_lots);
    let shown = move || {
        let wish = wish.get();
        let mut shown: Vec<LotSummary> = lots.with(|lots| {
            let lots = lots.iter().filter(|lot| wish.holds(lot));
            lots.map(|lot| wish.seen(lot)).collect()
        });
        match wish.here {
            Some(here) => shown.sort_by_key(|lot| metres(here, lot.position)),
            None => shown.sort_by_key(|lot| std::cmp::Reverse(lot.free)),
        }
        shown
    };
    let class = |label: &'static str, value: Option<VehicleClass>| {
        let set = move |wish: &mut Wish| wish.class = value;
        chip(
            label.to_owned(),
            wish,
            set_wish,
            move |wish| wish.class == value,
            set,
        )
    };
    let choice = |label: &'static str, value: Option<LotKind>| {
        let set = move |wish: &mut Wish| wish.kind = value;
        chip(
            label.to_owned(),
            wish,
            set_wish,
            move |wish| wish.kind == value,
            set,
        )
    };
    let hours = |minutes: u32| lang.duration(chrono::TimeDelta::minutes(minutes.into()));
    let lengths = LENGTHS.map(|minutes| {
        let set = move |wish: &mut Wish| wish.minutes = minutes;
        chip(
            hours(minutes),
            wish,
            set_wish,
            move |wish| wish.minutes == minutes,
            set,
        )
    });
    let arrivals = ARRIVALS.map(|minutes| {
        let label = match minutes {
            0 => lang.t("Bây giờ", "Now").to_owned(),
            _ => format!("+{}", hours(minutes)),
        };
        let set = move |wish: &mut Wish| wish.arrives_in = minutes;
        chip(
            label,
            wish,
            set_wish,
            move |wish| wish.arrives_in == minutes,
            set,
        )
    });
    let lengths = lengths.into_iter().collect_view();
    let arrivals = arrivals.into_iter().collect_view();
    let sum = move |of: fn(&LotSummary) -> u32| {
        lots.with(|lots| lots.iter().map(of).map(i64::from).sum::<i64>())
    };
    let unknown = move || sum(|lot| lot.unknown);
    view! {
        <section class="hero">
            <h1>{lang.t("Tìm chỗ đỗ xe", "Find parking")}</h1>
            <p>
                <b class="big">{move || lang.number(sum(|lot| lot.free))}</b>
                {lang.t(" chỗ trống ngay lúc này", " bays are free right now")}
                <span hidden=move || unknown() == 0>
                    " · " {move || lang.number(unknown())}
                    {lang.t(" chỗ không rõ", " unknown")}
                </span>
            </p>
            {children()}
        </section>
        <div class="finder">
            <div class="finder-map">
                // Its links are the list's: nobody has to go through them twice.
                <svg class="map" viewBox=view_box aria-hidden="true">
                    <Water map=background />
                    {move || {
                        let map = map.clone();
                        shown().into_iter().map(move |lot| marker(&map, &lot, lang)).collect_view()
                    }}
                </svg>
                <p class="legend">
                    <span class="dot plenty"></span>{lang.t("Còn nhiều chỗ", "Plenty")}
                    <span class="dot few"></span>{lang.t("Sắp hết", "Few left")}
                    <span class="dot full"></span>{lang.t("Hết chỗ", "Full")}
                    <span class="dot unknown"></span>{lang.t("Không rõ", "Unknown")}
                </p>
            </div>
            <div class="finder-list">
                <div class="finder-tools needs-script">
                    <input
                        type="search"
                        placeholder=lang.t("Tìm phố, phường, bãi xe", "Street, ward or car park")
                        aria-label=lang.t("Tìm", "Search")
                        on:input=move |event| set_wish.update(|wish| wish.words = event_target_value(&event).to_lowercase())
                    />
                    <div class="chips" role="group" aria-label=lang.t("Loại xe", "Vehicle")>
                        {class(lang.t("Mọi loại xe", "Any vehicle"), None)}
                        {class(lang.class(VehicleClass::Car), Some(VehicleClass::Car))}
                        {class(lang.class(VehicleClass::Motorbike), Some(VehicleClass::Motorbike))}
                        <button type="button" class="chip" on:click=move |_| locate(set_wish)>{lang.t("Gần tôi", "Near me")}</button>
                    </div>
                    <div class="chips" role="group" aria-label=lang.t("Đỗ bao lâu", "For how long")>
                        <small>{lang.t("Đỗ", "Park for")}</small> {lengths}
                    </div>
                    <div class="chips" role="group" aria-label=lang.t("Đến nơi sau", "Arriving in")>
                        <small>{lang.t("Đến nơi", "Arriving")}</small> {arrivals}
                    </div>
                    <div class="chips" role="group" aria-label=lang.t("Loại điểm đỗ", "Kind of parking")>
                        {choice(lang.t("Tất cả", "All"), None)}
                        {choice(lang.kind(LotKind::Street), Some(LotKind::Street))}
                        {choice(lang.kind(LotKind::OffStreet), Some(LotKind::OffStreet))}
                    </div>
                </div>
                <ul class="lots">
                    {move || {
                        let wish = wish.get();
                        let offer = |lot: &LotSummary| offers.with_value(|offers| {
                            offers.iter().find(|offer| offer.lot == lot.code).cloned()
                        });
                        shown().into_iter().map(|lot| {
                            let offer = offer(&lot);
                            row(lot, offer.as_ref(), &wish, lang)
                        }).collect_view()
                    }}
                </ul>
                <p class="empty" hidden=move || !shown().is_empty()>
                    {lang.t("Không có điểm đỗ nào như vậy.", "No parking matches.")}
                </p>
            </div>
        </div>
    }
}

/// A choice that is made by a touch.
fn chip(
    label: String,
    wish: ReadSignal<Wish>,
    set_wish: WriteSignal<Wish>,
    is: impl Fn(&Wish) -> bool + Send + Sync + 'static,
    set: impl Fn(&mut Wish) + Send + Sync + 'static,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="chip"
            aria-pressed=move || wish.with(&is).to_string()
            on:click=move |_| set_wish.update(&set)
        >
            {label}
        </button>
    }
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

fn row(
    lot: LotSummary,
    offer: Option<&LotOffer>,
    wish: &Wish,
    lang: Lang,
) -> impl IntoView + use<> {
    let level = level(&lot);
    let known = lot.capacity.saturating_sub(lot.unknown).max(1);
    let taken = lot.occupied * 100 / known;
    let class = wish.class.or(lot.classes.first().map(|count| count.class));
    let price = class.and_then(|class| offer?.price(class, wish.minutes));
    let hours = lang.duration(chrono::TimeDelta::minutes(wish.minutes.into()));
    let price = price.map(|price| view! { <span class="offer-price"><b>{lang.money(price)}</b> <small>{hours}</small></span> });
    let expected = offer.and_then(|offer| offer.free_in(wish.arrives_in, lot.capacity));
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
    view! {
        <li>
            <a class="lot" href=format!("/lots/{}", lot.code)>
                <span class=format!("free {level}")>
                    <b>{if level == "unknown" { "?".to_owned() } else { lot.free.to_string() }}</b>
                    <small>{lang.t("chỗ trống", "free")}</small>
                </span>
                <span class="lot-text">
                    <b>{lot.name}</b>
                    <small>
                        {lang.kind(lot.kind)} " · " {lot.ward} {away} " · " {lot.capacity} " "
                        {lang.t("chỗ", "bays")}
                        {(lot.unknown > 0 && level != "unknown").then(|| format!(" · {} {}", lot.unknown, lang.t("không rõ", "unknown")))}
                    </small>
                    {expected}
                    <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                        <rect class=level width=taken.to_string() height="6" />
                    </svg>
                </span>
                {price}
            </a>
        </li>
    }
}

/// How easily a place is found: by the share of free bays among those that are known.
fn level(lot: &LotSummary) -> &'static str {
    let known = lot.occupied + lot.free;
    match (known * 2 < lot.capacity, lot.free * 100 / known.max(1)) {
        (true, _) => "unknown",
        (_, 20..) => "plenty",
        (_, _) if lot.free > 0 => "few",
        _ => "full",
    }
}

fn marker(map: &Map, lot: &LotSummary, lang: Lang) -> impl IntoView + use<> {
    let (x, y) = map.at(lot.position);
    let level = level(lot);
    let size = 11.0 + f64::from(lot.capacity).sqrt();
    let label = if level == "unknown" {
        "?".to_owned()
    } else {
        lot.free.to_string()
    };
    let title = format!("{}: {} {}", lot.name, lot.free, lang.t("chỗ trống", "free"));
    view! {
        <g>
            <a href=format!("/lots/{}", lot.code) class=format!("marker {level}") tabindex="-1">
                <title>{title}</title>
                <circle cx=x.to_string() cy=y.to_string() r=format!("{size:.0}") />
                <text x=x.to_string() y=(y + 5.0).to_string()>{label}</text>
            </a>
        </g>
    }
}
