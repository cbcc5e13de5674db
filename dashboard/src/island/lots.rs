use domain::board::LotSummary;
use domain::money::Vnd;
use domain::place::LotKind;
use leptos::prelude::*;

use crate::lang::Lang;

/// Metres to a degree of latitude.
const METRES: f64 = 111_320.0;

/// The city's lots on a drawn map and in a list, live.
#[island]
pub fn LotFinder(
    /// The lots as they were when the page was made.
    lots: Vec<LotSummary>,
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
    let (wanted, set_wanted) = signal(String::new());
    let (kind, set_kind) = signal(None::<LotKind>);
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
        let wanted = wanted.get().to_lowercase();
        let mut shown: Vec<LotSummary> = lots
            .get()
            .into_iter()
            .filter(|lot| kind.get().is_none_or(|kind| lot.kind == kind))
            .filter(|lot| {
                let text = format!("{} {} {}", lot.code, lot.name, lot.ward).to_lowercase();
                wanted.split_whitespace().all(|word| text.contains(word))
            })
            .collect();
        shown.sort_by_key(|lot| std::cmp::Reverse(lot.free));
        shown
    };
    let choice = move |label: &'static str, value: Option<LotKind>| {
        view! {
            <button
                type="button"
                class="chip"
                aria-pressed=move || (kind.get() == value).to_string()
                on:click=move |_| set_kind.set(value)
            >
                {label}
            </button>
        }
    };
    let sum = move |of: fn(&LotSummary) -> u32| {
        lots.with(|lots| lots.iter().map(of).map(i64::from).sum::<i64>())
    };
    let unknown = move || sum(|lot| lot.unknown);
    view! {
        <section class="hero">
            <h1>{lang.t("Tìm chỗ đỗ xe", "Find parking")}</h1>
            <p>
                <b class="big">{move || Vnd::new(sum(|lot| lot.free)).grouped('.')}</b>
                {lang.t(" chỗ trống ngay lúc này", " bays are free right now")}
                <span hidden=move || unknown() == 0>
                    " · " {move || Vnd::new(unknown()).grouped('.')}
                    {lang.t(" chỗ không rõ", " unknown")}
                </span>
            </p>
            {children()}
        </section>
        <div class="finder">
            <div class="finder-map">
                <svg class="map" viewBox=view_box role="img" aria-label=lang.t("Bản đồ các điểm đỗ", "Map of parking")>
                    <Background map=background />
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
                        on:input=move |event| set_wanted.set(event_target_value(&event))
                    />
                    <div class="chips">
                        {choice(lang.t("Tất cả", "All"), None)}
                        {choice(lang.kind(LotKind::Street), Some(LotKind::Street))}
                        {choice(lang.kind(LotKind::OffStreet), Some(LotKind::OffStreet))}
                    </div>
                </div>
                <ul class="lots">
                    {move || shown().into_iter().map(|lot| row(lot, lang)).collect_view()}
                </ul>
                <p class="empty" hidden=move || !shown().is_empty()>
                    {lang.t("Không có điểm đỗ nào như vậy.", "No parking matches.")}
                </p>
            </div>
        </div>
    }
}

fn row(lot: LotSummary, lang: Lang) -> impl IntoView {
    let level = level(&lot);
    let known = lot.capacity.saturating_sub(lot.unknown).max(1);
    let taken = lot.occupied * 100 / known;
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
                        {lang.kind(lot.kind)} " · " {lot.ward} " · " {lot.capacity} " "
                        {lang.t("chỗ", "bays")}
                        {(lot.unknown > 0 && level != "unknown").then(|| format!(" · {} {}", lot.unknown, lang.t("không rõ", "unknown")))}
                    </small>
                    <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                        <rect class=level width=taken.to_string() height="6" />
                    </svg>
                </span>
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

/// From degrees to a drawing whose unit is ten metres.
#[derive(Clone, Debug, PartialEq)]
struct Map {
    west: f64,
    north: f64,
    width: f64,
    height: f64,
    shrink: f64,
}

impl Map {
    fn around(lots: &[LotSummary]) -> Self {
        let bounds = |axis: usize| {
            let values = lots.iter().map(|lot| lot.position[axis]);
            (
                values.clone().fold(f64::MAX, f64::min),
                values.fold(f64::MIN, f64::max),
            )
        };
        let ((west, east), (south, north)) = (bounds(0), bounds(1));
        let shrink = north.to_radians().cos();
        let margin = 0.004;
        Self {
            west: west - margin,
            north: north + margin,
            width: (east - west + 2.0 * margin) * METRES * shrink / 10.0,
            height: (north - south + 2.0 * margin) * METRES / 10.0,
            shrink,
        }
    }

    fn view_box(&self) -> String {
        if self.width.is_finite() && self.width > 0.0 {
            format!("0 0 {:.0} {:.0}", self.width, self.height)
        } else {
            "0 0 10 10".to_owned()
        }
    }

    fn at(&self, [lon, lat]: [f64; 2]) -> (f64, f64) {
        let x = (lon - self.west) * METRES * self.shrink / 10.0;
        (
            (x * 10.0).round() / 10.0,
            ((self.north - lat) * METRES).round() / 10.0,
        )
    }

    fn line(&self, points: &[[f64; 2]]) -> String {
        let texts = points.iter().map(|point| {
            let (x, y) = self.at(*point);
            format!("{x:.0},{y:.0}")
        });
        texts.collect::<Vec<_>>().join(" ")
    }
}

/// The lakes and the river by which people know where they are, drawn by hand.
const WATER: [(&str, &[[f64; 2]]); 4] = [
    (
        "Hồ Tây",
        &[
            [105.812, 21.047],
            [105.806, 21.056],
            [105.812, 21.066],
            [105.822, 21.071],
            [105.830, 21.066],
            [105.836, 21.056],
            [105.836, 21.047],
            [105.826, 21.043],
        ],
    ),
    (
        "Hồ Gươm",
        &[
            [105.8515, 21.0315],
            [105.8535, 21.0312],
            [105.8535, 21.0262],
            [105.8518, 21.0262],
        ],
    ),
    (
        "Hồ Bảy Mẫu",
        &[
            [105.839, 21.0175],
            [105.8425, 21.0172],
            [105.842, 21.0095],
            [105.8395, 21.0098],
        ],
    ),
    (
        "Sông Hồng",
        &[
            [105.838, 21.085],
            [105.851, 21.055],
            [105.860, 21.040],
            [105.867, 21.020],
            [105.880, 21.020],
            [105.880, 21.085],
        ],
    ),
];

#[component]
fn Background(map: Map) -> impl IntoView {
    WATER
        .iter()
        .map(|(name, shore)| {
            let (x, y) = shore.iter().fold((0.0, 0.0), |(x, y), point| {
                let (px, py) = map.at(*point);
                (x + px / shore.len() as f64, y + py / shore.len() as f64)
            });
            view! {
                <polygon class="water" points=map.line(shore) />
                <text class="water-name" x=format!("{x:.0}") y=format!("{y:.0}")>{*name}</text>
            }
        })
        .collect_view()
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
    let spoken = title.clone();
    view! {
        <a href=format!("/lots/{}", lot.code) class=format!("marker {level}") aria-label=spoken>
            <title>{title}</title>
            <circle cx=x.to_string() cy=y.to_string() r=format!("{size:.0}") />
            <text x=x.to_string() y=(y + 5.0).to_string()>{label}</text>
        </a>
    }
}
