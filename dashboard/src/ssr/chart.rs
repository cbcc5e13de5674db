//! Charts as inline SVG, with axes and units. Beside each stands a table with the same figures.

use leptos::prelude::*;

/// One bar: its label, its height, and what it says when pointed at.
pub(crate) struct Bar {
    pub(crate) label: String,
    /// In the chart's unit; bars are drawn in proportion to the axis.
    pub(crate) value: i64,
    /// A part of `value` that is drawn darker.
    pub(crate) part: i64,
    pub(crate) title: String,
}

/// What a chart is about and how its values are written.
pub(crate) struct Axis {
    pub(crate) about: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) write: Box<dyn Fn(i64) -> String>,
}

const WIDTH: usize = 720;
const HEIGHT: i64 = 200;
/// Room for the values on the left, the unit above and the labels below.
const LEFT: usize = 76;
const HEAD: i64 = 42;
const FOOT: i64 = 26;

/// The distance of lines that people read easily: 1, 2 or 5 times a power of ten, at most five lines.
fn step(most: i64) -> i64 {
    let mut unit = 1i64;
    loop {
        for times in [1, 2, 5] {
            let step = unit.saturating_mul(times);
            if step.saturating_mul(5) >= most {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// Every how many bars a label of so many letters has room, where the bars stand so far from each other: on a desk, and
/// on a phone, where the style sheet writes larger (15 and 21 of the chart's units; a letter is some 0.55 of that wide).
fn labelled(letters: usize, width: usize) -> (usize, usize) {
    let room = |size: usize| letters * size * 11 / 20 + size / 2;
    let desk = room(15).div_ceil(width.max(1)).max(1);
    // What a phone leaves out are some of those that a desk shows.
    let phone = room(21).div_ceil(width.max(1) * desk).max(1) * desk;
    (desk, phone)
}

/// Upright bars side by side.
pub(crate) fn bars(bars: &[Bar], axis: &Axis) -> impl IntoView + use<> {
    let most = bars.iter().map(|bar| bar.value).max().unwrap_or(0).max(1);
    let every = step(most);
    let top = (most + every - 1) / every * every;
    let y = move |value: i64| {
        let height = i128::from(value.max(0)) * i128::from(HEIGHT) / i128::from(top);
        HEAD + HEIGHT - i64::try_from(height).unwrap_or(HEIGHT)
    };
    let lines = (0..=top / every)
        .map(|line| {
            let value = line * every;
            let y = y(value);
            view! {
                <line class="axis" x1=LEFT.to_string() y1=y.to_string() x2=WIDTH.to_string() y2=y.to_string() />
                <text class="value" x=(LEFT - 8).to_string() y=(y + 5).to_string()>{(axis.write)(value)}</text>
            }
        })
        .collect_view();
    let width = (WIDTH - LEFT) / bars.len().max(1);
    let gap = (width / 6).clamp(1, 12);
    let letters = bars.iter().map(|bar| bar.label.chars().count()).max();
    let (labelled, on_phones) = labelled(letters.unwrap_or(0), width);
    let drawn = bars
        .iter()
        .enumerate()
        .map(|(index, bar)| {
            let x = LEFT + index * width + gap / 2;
            let rect = |class: &'static str, value: i64| {
                let top = y(value);
                view! { <rect class=class x=x.to_string() y=top.to_string() width=(width - gap).max(1).to_string() height=(HEAD + HEIGHT - top).to_string() rx="3" /> }
            };
            let label = (index % labelled == 0).then(|| {
                let (x, y) = (x + (width - gap) / 2, HEAD + HEIGHT + 18);
                let class = (index % on_phones != 0).then_some("on-wide");
                view! { <text class=class x=x.to_string() y=y.to_string()>{bar.label.clone()}</text> }
            });
            view! {
                <g>
                    <title>{bar.title.clone()}</title>
                    {rect("bar", bar.value)}
                    {rect("bar part", bar.part)}
                    {label}
                </g>
            }
        })
        .collect_view();
    let spoken = format!("{} ({})", axis.about, axis.unit);
    view! {
        <svg class="chart" viewBox=format!("0 0 {WIDTH} {}", HEAD + HEIGHT + FOOT) role="img" aria-label=spoken>
            <text class="unit" x="0" y="20">{axis.unit}</text>
            {lines}
            {drawn}
        </svg>
    }
}

/// A share of a hundred as a thin bar.
pub(crate) fn meter(class: &'static str, share: i64) -> impl IntoView {
    view! {
        <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
            <rect class=class width=share.clamp(0, 100).to_string() height="6" />
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_at_round_values_and_are_at_most_five() {
        for (most, expected) in [(1, 1), (5, 1), (6, 2), (23, 5), (100, 20), (77_123, 20_000)] {
            assert_eq!(step(most), expected, "{most}");
        }
        assert!(step(i64::MAX) > 0);
    }

    #[test]
    fn labels_have_room_and_a_phone_shows_some_of_a_desk_s() {
        let bars = WIDTH - LEFT;
        for (letters, count) in [(9, 1), (9, 7), (9, 14), (5, 31), (5, 366), (2, 24), (0, 1)] {
            let width = bars / count;
            let (desk, phone) = labelled(letters, width);
            assert!(desk * width > letters * 8, "{letters} {count}");
            assert!(phone * width > letters * 23 / 2, "{letters} {count}");
            assert_eq!(phone % desk, 0);
        }
        assert_eq!(labelled(9, bars / 7), (1, 2));
    }
}
