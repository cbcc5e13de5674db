use domain::Timestamp;
use domain::board::{BayStatus, StaffBay};
use leptos::prelude::*;

use crate::icon;
use crate::lang::Lang;

/// A lot's bays as its staff see them: drawn, counted and listed, live.
#[island]
pub fn StaffBays(
    /// The bays as they were when the page was made.
    bays: Vec<StaffBay>,
    /// Where their changes come from.
    events: String,
    /// When the page was made.
    now: Timestamp,
    /// The language of the page.
    lang: Lang,
) -> impl IntoView {
    let outlines: Vec<_> = bays.iter().map(|bay| bay.outline).collect();
    let (view_box, shapes) = draw(&outlines);
    let (bays, set_bays) = signal(bays);
    let (now, set_now) = signal(now);
    #[cfg(feature = "hydrate")]
    Effect::new(move || {
        super::listen(events.clone(), "bay", move |text| {
            let Ok(bay) = serde_json::from_str::<StaffBay>(&text) else {
                return;
            };
            set_now.set(super::now());
            set_bays.update(|bays| {
                if let Some(known) = bays.iter_mut().find(|known| known.code == bay.code) {
                    *known = bay;
                }
            });
        });
        set_interval(
            move || set_now.set(super::now()),
            std::time::Duration::from_secs(30),
        );
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = (events, set_bays, set_now);
    let count = move |status| bays.get().iter().filter(|bay| bay.status == status).count();
    let attention = move || {
        let mut bays: Vec<StaffBay> = bays
            .get()
            .into_iter()
            .filter(|b| needs_staff(b.status))
            .collect();
        // Who owes for longest comes first.
        bays.sort_by_key(StaffBay::owing_from);
        bays
    };
    view! {
        <div class="counts" role="status">
            {STATUSES
                .map(|status| {
                    view! {
                        <span class=format!("count {status}")>
                            <b>{move || count(status)}</b>
                            <small>{letter(status)} " " {words(status, lang)}</small>
                        </span>
                    }
                })
                .collect_view()}
        </div>
        <div class="bays-and-list">
            <svg class="bays" viewBox=view_box role="group" aria-label=lang.bay_map().plan_of_the_bays>
                {move || {
                    bays.get().iter().zip(&shapes).map(|(bay, shape)| drawn(bay, shape, lang)).collect_view()
                }}
            </svg>
            <section>
                <h2>{lang.bay_map().to_look_at}</h2>
                <ul class="attention">
                    {move || {
                        let now = now.get();
                        attention().into_iter().map(|bay| entry(bay, now, lang)).collect_view()
                    }}
                </ul>
                <p class="empty" hidden=move || !attention().is_empty()>
                    {lang.bay_map().nobody_is_unpaid_or_overstayed}
                </p>
            </section>
        </div>
    }
}

const STATUSES: [BayStatus; 5] = [
    BayStatus::Free,
    BayStatus::Paid,
    BayStatus::Unpaid,
    BayStatus::Overstayed,
    BayStatus::Unknown,
];

fn needs_staff(status: BayStatus) -> bool {
    matches!(status, BayStatus::Unpaid | BayStatus::Overstayed)
}

/// A letter beside the colour, for whoever cannot tell colours apart.
const fn letter(status: BayStatus) -> &'static str {
    match status {
        BayStatus::Free => "○",
        BayStatus::Paid => "✓",
        BayStatus::Unpaid => "!",
        BayStatus::Overstayed => "⏱",
        BayStatus::Unknown => "?",
    }
}

const fn words(status: BayStatus, lang: Lang) -> &'static str {
    match status {
        BayStatus::Free => lang.words().free,
        BayStatus::Paid => lang.words().is_paid,
        BayStatus::Unpaid => lang.bay_map().unpaid,
        BayStatus::Overstayed => lang.bay_map().overstayed,
        BayStatus::Unknown => lang.words().unknown,
    }
}

fn entry(bay: StaffBay, now: Timestamp, lang: Lang) -> impl IntoView {
    let over = bay
        .paid_until
        .filter(|_| bay.status == BayStatus::Overstayed);
    let since = over
        .or(bay.since)
        .map_or_else(String::new, |since| lang.duration(now - since));
    view! {
        <li class=bay.status.to_string()>
            <b><a href=format!("/staff/bays/{}", bay.code)>{bay.code.clone()}</a></b>
            <span>{letter(bay.status)} " " {words(bay.status, lang)}</span>
            <span class="since">{since}</span>
        </li>
    }
}

fn drawn(bay: &StaffBay, shape: &Shape, lang: Lang) -> impl IntoView + use<> {
    let Shape {
        points,
        x,
        y,
        letter: size,
        ..
    } = shape.clone();
    let had = icon::of(bay.amenities(), lang).into_iter();
    let had: String = had.map(|(_, words)| format!(", {words}")).collect();
    let title = format!("{}: {}{had}", bay.code, words(bay.status, lang));
    let marks = icon::marks(bay.amenities(), shape, lang);
    view! {
        <g>
            <a href=format!("/staff/bays/{}", bay.code) class=format!("bay {}", bay.status)>
                <title>{title}</title>
                <polygon points=points />
                <text x=format!("{x:.1}") y=format!("{y:.1}") font-size=format!("{size:.1}")>{letter(bay.status)}</text>
                {marks}
                {number(&bay.code, shape)}
            </a>
        </g>
    }
}

/// The number on the bay's sign: the last part of its code.
pub(crate) fn number(code: &str, shape: &Shape) -> impl IntoView + use<> {
    let [x, y] = shape.number;
    let size = shape.letter * NUMBER;
    let number = code.rsplit('-').next().unwrap_or_default().to_owned();
    view! {
        <text class="number" x=format!("{x:.1}") y=format!("{y:.1}") font-size=format!("{size:.2}")>{number}</text>
    }
}

/// How large a bay's number is, against its letter.
const NUMBER: f32 = 0.52;

/// A bay as it is drawn: its corners in a drawing whose y points down, its middle, and the size of
/// a letter that fits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    pub(crate) points: String,
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) letter: f32,
    /// Where its number stands: above the letter, or before it in a bay that lies along the kerb.
    pub(crate) number: [f32; 2],
}

/// A long kerb is drawn in rows of about this many metres, so that a phone can show it.
const ROW_M: f32 = 45.0;

/// The drawing of a lot: turned so that its bays stand side by side, a long row broken into
/// several. The result is the bounds for `viewBox` and a shape for each bay.
pub(crate) fn draw(outlines: &[[[f32; 2]; 4]]) -> (String, Vec<Shape>) {
    let Some(first) = outlines.first() else {
        return ("0 0 10 10".to_owned(), Vec::new());
    };
    let (dx, dy) = (first[1][0] - first[0][0], first[1][1] - first[0][1]);
    let length = dx.hypot(dy).max(f32::EPSILON);
    let (cos, sin) = (dx / length, dy / length);
    let turned: Vec<[[f32; 2]; 4]> = outlines
        .iter()
        .map(|outline| outline.map(|[x, y]| [x * cos + y * sin, x * sin - y * cos]))
        .collect();
    let [left, top, right, bottom] = bounds(&turned);
    let long = right - left > 3.0 * (bottom - top).max(8.0);
    let row_height = bottom - top + 2.5;
    let broken: Vec<[[f32; 2]; 4]> = turned
        .into_iter()
        .map(|outline| {
            let start = bounds(&[outline])[0];
            let row = if long {
                ((start - left) / ROW_M).floor()
            } else {
                0.0
            };
            outline.map(|[x, y]| [x - row * ROW_M, y + row * row_height])
        })
        .collect();
    let [left, top, right, bottom] = bounds(&broken);
    let (x, y, width, height) = (
        left - 1.0,
        top - 1.0,
        right - left + 2.0,
        bottom - top + 2.0,
    );
    (
        format!("{x:.1} {y:.1} {width:.1} {height:.1}"),
        broken.iter().map(shape).collect(),
    )
}

fn shape(outline: &[[f32; 2]; 4]) -> Shape {
    let [left, top, right, bottom] = bounds(&[*outline]);
    let letter = (right - left).min(bottom - top).min(2.5) * 0.62;
    let (x, y) = (f32::midpoint(left, right), f32::midpoint(top, bottom));
    let size = letter * NUMBER;
    let number = if right - left > bottom - top {
        [left + size * 1.3, y + size * 0.36]
    } else {
        [x, top + size * 1.1]
    };
    Shape {
        number,
        points: outline.map(|[x, y]| format!("{x:.1},{y:.1}")).join(" "),
        x,
        y: y + letter * 0.36,
        letter,
    }
}

/// Left, top, right and bottom.
fn bounds(outlines: &[[[f32; 2]; 4]]) -> [f32; 4] {
    outlines
        .iter()
        .flatten()
        .fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, [x, y]| {
            [b[0].min(*x), b[1].min(*y), b[2].max(*x), b[3].max(*y)]
        })
}
