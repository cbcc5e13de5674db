//! The city's map, drawn by hand: no tiles, no other host.

use domain::board::LotSummary;
use leptos::prelude::*;

/// Metres to a degree of latitude.
const METRES: f64 = 111_320.0;

/// How far two places lie apart, given by longitude and latitude, to the metre: near enough within a
/// city.
pub(super) fn metres(one: [f64; 2], other: [f64; 2]) -> u64 {
    let shrink = one[1].to_radians().cos();
    let (x, y) = ((one[0] - other[0]) * shrink, one[1] - other[1]);
    (x.hypot(y) * METRES).round().abs() as u64
}

/// From degrees to a drawing whose unit is ten metres.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Map {
    west: f64,
    north: f64,
    width: f64,
    height: f64,
    shrink: f64,
}

impl Map {
    pub(super) fn around(lots: &[LotSummary]) -> Self {
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

    pub(super) fn view_box(&self) -> String {
        if self.width.is_finite() && self.width > 0.0 {
            format!("0 0 {:.0} {:.0}", self.width, self.height)
        } else {
            "0 0 10 10".to_owned()
        }
    }

    pub(super) fn at(&self, [lon, lat]: [f64; 2]) -> (f64, f64) {
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
const SHORES: [(&str, &[[f64; 2]]); 4] = [
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

/// The water, by name.
#[component]
pub(super) fn Water(map: Map) -> impl IntoView {
    SHORES
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lie_as_far_apart_as_one_walks() {
        // From Hoàn Kiếm's lake to the Temple of Literature.
        let apart = metres([105.8524, 21.0287], [105.8355, 21.0283]);
        assert!((1_700..1_800).contains(&apart), "{apart}");
        assert_eq!(metres([105.0, 21.0], [105.0, 21.0]), 0);
    }
}
