use domain::Timestamp;
use domain::board::{BayStatus, StaffBay};
use leptos::prelude::*;

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
    let view_box = view_box(bays.iter().map(|bay| bay.outline));
    let (bays, set_bays) = signal(bays);
    let (now, set_now) = signal(now);
    #[cfg(feature = "hydrate")]
    Effect::new(move || {
        let Ok(source) = web_sys::EventSource::new(&events) else { return };
        super::listen(&source, "bay", move |text| {
            let Ok(bay) = serde_json::from_str::<StaffBay>(&text) else { return };
            set_now.set(super::now());
            set_bays.update(|bays| {
                if let Some(known) = bays.iter_mut().find(|known| known.code == bay.code) {
                    *known = bay;
                }
            });
        });
        set_interval(move || set_now.set(super::now()), std::time::Duration::from_secs(30));
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = (events, set_bays, set_now);
    let count = move |status| bays.get().iter().filter(|bay| bay.status == status).count();
    let attention = move || {
        let mut bays: Vec<StaffBay> = bays.get().into_iter().filter(|b| needs_staff(b.status)).collect();
        bays.sort_by_key(|bay| (bay.status != BayStatus::Overstayed, bay.since));
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
            <svg class="bays" viewBox=view_box role="img" aria-label=lang.t("Sơ đồ chỗ đỗ", "Plan of the bays")>
                {move || bays.get().into_iter().map(|bay| drawn(&bay, lang)).collect_view()}
            </svg>
            <section>
                <h2>{lang.t("Cần xem", "To look at")}</h2>
                <ul class="attention">
                    {move || {
                        let now = now.get();
                        attention().into_iter().map(|bay| entry(bay, now, lang)).collect_view()
                    }}
                </ul>
                <p class="empty" hidden=move || !attention().is_empty()>
                    {lang.t("Không có xe nào chưa trả tiền.", "Nobody is unpaid or overstayed.")}
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
        BayStatus::Free => lang.t("trống", "free"),
        BayStatus::Paid => lang.t("đã trả", "paid"),
        BayStatus::Unpaid => lang.t("chưa trả", "unpaid"),
        BayStatus::Overstayed => lang.t("quá giờ", "overstayed"),
        BayStatus::Unknown => lang.t("không rõ", "unknown"),
    }
}

fn entry(bay: StaffBay, now: Timestamp, lang: Lang) -> impl IntoView {
    let over = bay.paid_until.filter(|_| bay.status == BayStatus::Overstayed);
    let since = over.or(bay.since).map_or_else(String::new, |since| lang.duration(now - since));
    view! {
        <li class=bay.status.to_string()>
            <b>{bay.code}</b>
            <span>{letter(bay.status)} " " {words(bay.status, lang)}</span>
            <span class="since">{since}</span>
        </li>
    }
}

fn drawn(bay: &StaffBay, lang: Lang) -> impl IntoView + use<> {
    let points = points(&bay.outline);
    let (x, y) = middle(&bay.outline);
    let title = format!("{}: {}", bay.code, words(bay.status, lang));
    view! {
        <g class=format!("bay {}", bay.status)>
            <title>{title}</title>
            <polygon points=points />
            <text x=format!("{x:.1}") y=format!("{:.1}", y + 0.5)>{letter(bay.status)}</text>
        </g>
    }
}

/// The corners as SVG wants them; north is up, so y is turned over.
pub(crate) fn points(outline: &[[f32; 2]; 4]) -> String {
    outline.map(|[x, y]| format!("{x:.1},{:.1}", -y)).join(" ")
}

/// The middle of a bay in the drawing.
pub(crate) fn middle(outline: &[[f32; 2]; 4]) -> (f32, f32) {
    let sum = outline.iter().fold((0.0, 0.0), |(x, y), corner| (x + corner[0], y - corner[1]));
    (sum.0 / 4.0, sum.1 / 4.0)
}

/// The drawing's bounds around all bays, with a margin of two metres.
pub(crate) fn view_box(outlines: impl Iterator<Item = [[f32; 2]; 4]>) -> String {
    let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for [x, y] in outlines.flatten() {
        bounds = [bounds[0].min(x), bounds[1].min(-y), bounds[2].max(x), bounds[3].max(-y)];
    }
    let [left, top, right, bottom] = bounds;
    if left > right {
        return "0 0 10 10".to_owned();
    }
    format!("{:.1} {:.1} {:.1} {:.1}", left - 2.0, top - 2.0, right - left + 4.0, bottom - top + 4.0)
}
