//! Charts as inline SVG. Beside each stands a table with the same figures.

use leptos::prelude::*;

/// One bar: its label, its height, and what it says when pointed at.
pub(crate) struct Bar {
    pub(crate) label: String,
    /// In whatever unit; bars are drawn in proportion to the largest.
    pub(crate) value: i64,
    /// A part of `value` that is drawn darker.
    pub(crate) part: i64,
    pub(crate) title: String,
}

const WIDTH: usize = 720;
const HEIGHT: i64 = 200;
const FOOT: i64 = 26;

/// Upright bars side by side.
pub(crate) fn bars(bars: &[Bar], about: &'static str) -> impl IntoView + use<> {
    let most = bars.iter().map(|bar| bar.value).max().unwrap_or(0).max(1);
    let step = WIDTH / bars.len().max(1);
    let gap = (step / 6).clamp(1, 12);
    // Labels of many bars would run into one another: every third is written.
    let every = if bars.len() > 14 { 3 } else { 1 };
    let drawn = bars
        .iter()
        .enumerate()
        .map(|(index, bar)| {
            let x = index * step + gap / 2;
            let height = |value: i64| value.max(0) * (HEIGHT - 10) / most;
            let (whole, part) = (height(bar.value), height(bar.part));
            let label = (index % every == 0).then(|| {
                view! { <text x=(x + (step - gap) / 2).to_string() y=(HEIGHT + 18).to_string()>{bar.label.clone()}</text> }
            });
            view! {
                <g>
                    <title>{bar.title.clone()}</title>
                    <rect class="bar" x=x.to_string() y=(HEIGHT - whole).to_string() width=(step - gap).to_string() height=whole.to_string() rx="3" />
                    <rect class="bar part" x=x.to_string() y=(HEIGHT - part).to_string() width=(step - gap).to_string() height=part.to_string() rx="3" />
                    {label}
                </g>
            }
        })
        .collect_view();
    view! {
        <svg class="chart" viewBox=format!("0 0 {WIDTH} {}", HEIGHT + FOOT) role="img" aria-label=about>
            <line class="axis" x1="0" y1=HEIGHT.to_string() x2=WIDTH.to_string() y2=HEIGHT.to_string() />
            {drawn}
        </svg>
    }
}
