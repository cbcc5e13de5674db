//! Where things lie on the city's map: no tiles, no other host.

use domain::board::LotSummary;
use domain::place::Position;

use crate::wish::{Section, ZOOM_MAX};

/// Metres to a degree of latitude.
const METRES: f64 = 111_320.0;
/// Degrees around the outermost lots.
const MARGIN: f64 = 0.004;
/// What the narrowest map shows, in degrees of latitude: about 900 m.
const LEAST: f64 = 0.008;

/// The map's size as it is drawn, in units of its markers: pixels, on a wide screen.
pub(crate) const WIDTH: f64 = 720.0;
/// See [`WIDTH`].
pub(crate) const HEIGHT: f64 = 640.0;
/// What lies under the markers has this many units to one of theirs, so that whole numbers will do
/// however often the map is doubled.
pub(crate) const FINE: f64 = (1_u32 << ZOOM_MAX) as f64;

/// How far two places lie apart, given by longitude and latitude, to the metre: near enough within a
/// city.
pub(super) fn metres(one: Position, other: Position) -> u64 {
    let shrink = one[1].to_radians().cos();
    let (x, y) = ((one[0] - other[0]) * shrink, one[1] - other[1]);
    (x.hypot(y) * METRES).round().abs() as u64
}

/// From degrees to the whole city's drawing, in fine units from its north-western corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Map {
    west: f64,
    north: f64,
    /// Fine units to a degree of longitude and of latitude.
    scale: [f64; 2],
}

impl Map {
    /// All lots and some room around them, in the drawing's proportions.
    pub(crate) fn around(lots: &[LotSummary]) -> Self {
        let bounds = |axis: usize| {
            let values = lots.iter().map(|lot| lot.position[axis]);
            let least = values.clone().reduce(f64::min).unwrap_or(0.0);
            (least, values.reduce(f64::max).unwrap_or(0.0))
        };
        let ((west, east), (south, north)) = (bounds(0), bounds(1));
        let shrink = f64::midpoint(south, north).to_radians().cos().max(0.01);
        let wide = (east - west + 2.0 * MARGIN) * shrink;
        let high = (north - south + 2.0 * MARGIN).max(LEAST);
        let per_degree = (WIDTH / wide).min(HEIGHT / high);
        let scale = [per_degree * shrink * FINE, per_degree * FINE];
        Self {
            west: f64::midpoint(west, east) - WIDTH * FINE / scale[0] / 2.0,
            north: f64::midpoint(south, north) + HEIGHT * FINE / scale[1] / 2.0,
            scale,
        }
    }

    /// Where a place lies.
    pub(crate) fn at(&self, [lon, lat]: Position) -> (f64, f64) {
        let (x, y) = (lon - self.west, self.north - lat);
        (x * self.scale[0], y * self.scale[1])
    }

    /// The place that lies there.
    fn position(&self, (x, y): (f64, f64)) -> Position {
        [
            self.west + x / self.scale[0],
            self.north - y / self.scale[1],
        ]
    }

    /// What of the drawing is seen: all of it, or a section, moved so that it lies within.
    pub(crate) fn window(&self, section: Option<Section>) -> Window {
        let Some(Section { zoom, at }) = section else {
            return Window {
                zoom: 0,
                left: 0.0,
                top: 0.0,
            };
        };
        let zoom = zoom.min(ZOOM_MAX);
        let (x, y) = self.at(at);
        let edge = |middle: f64, size: f64| {
            let seen = size * FINE / f64::from(1_u32 << zoom);
            (middle - seen / 2.0).clamp(0.0, size * FINE - seen).round()
        };
        Window {
            zoom,
            left: edge(x, WIDTH),
            top: edge(y, HEIGHT),
        }
    }

    /// The same section, doubled or halved so often; none where that is the whole city.
    pub(crate) fn zoomed(&self, section: Option<Section>, by: i8) -> Option<Section> {
        let window = self.window(section);
        let zoom = window.zoom.saturating_add_signed(by).min(ZOOM_MAX);
        (zoom > 0).then(|| Section {
            zoom,
            at: self.position(window.middle()),
        })
    }

    /// The section doubled once more about its middle; where none of `places` would be seen then, about the
    /// one that is nearest to it.
    pub(crate) fn zoomed_in(
        &self,
        section: Option<Section>,
        places: &[Position],
    ) -> Option<Section> {
        let nearer = self.zoomed(section, 1)?;
        let window = self.window(Some(nearer));
        let places = places.iter().map(|place| (*place, self.at(*place)));
        if places.clone().any(|(_, at)| window.shows(at)) {
            return Some(nearer);
        }
        let (x, y) = self.window(section).middle();
        let far = |(px, py): (f64, f64)| (px - x).hypot(py - y);
        let nearest = places.min_by(|(_, a), (_, b)| far(*a).total_cmp(&far(*b)));
        let at = nearest.map_or(nearer.at, |(place, _)| place);
        Some(Section { at, ..nearer })
    }

    /// The section moved by a part of what is seen, to the east and to the south, as far as the drawing goes.
    #[cfg(any(feature = "hydrate", test))]
    pub(super) fn moved(&self, section: Option<Section>, (x, y): (f64, f64)) -> Option<Section> {
        let Section { zoom, .. } = section?;
        let window = self.window(section);
        let shrink = window.shrink();
        let (mx, my) = window.middle();
        let to = (mx + x * WIDTH * shrink, my + y * HEIGHT * shrink);
        let within = self.window(Some(Section {
            zoom,
            at: self.position(to),
        }));
        Some(Section {
            zoom,
            at: self.position(within.middle()),
        })
    }

    /// The narrowest section in which places can be told apart: all of them are in it, and it shows
    /// less than `window`.
    pub(crate) fn section_of(&self, places: &[(f64, f64)], window: Window) -> Section {
        let bounds = |axis: fn(&(f64, f64)) -> f64| {
            let values = places.iter().map(axis);
            let least = values.clone().reduce(f64::min).unwrap_or(0.0);
            (least, values.reduce(f64::max).unwrap_or(0.0))
        };
        let ((left, right), (top, bottom)) = (bounds(|(x, _)| *x), bounds(|(_, y)| *y));
        // A marker at the edge is drawn whole.
        let room = 0.8;
        let fits = |zoom: &u8| {
            let shrink = FINE / f64::from(1_u32 << zoom) * room;
            right - left <= WIDTH * shrink && bottom - top <= HEIGHT * shrink
        };
        let least = (window.zoom + 1).min(ZOOM_MAX);
        let zoom = (least..=ZOOM_MAX).rev().find(fits).unwrap_or(least);
        let middle = (f64::midpoint(left, right), f64::midpoint(top, bottom));
        Section {
            zoom,
            at: self.position(middle),
        }
    }
}

/// What of the drawing is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// How often the drawing is doubled.
    pub(crate) zoom: u8,
    left: f64,
    top: f64,
}

impl Window {
    /// Fine units to one of the markers' units.
    fn shrink(self) -> f64 {
        FINE / f64::from(1_u32 << self.zoom)
    }

    fn middle(self) -> (f64, f64) {
        let shrink = self.shrink() / 2.0;
        (self.left + WIDTH * shrink, self.top + HEIGHT * shrink)
    }

    /// What of the fine drawing is seen, for `viewBox`.
    pub(crate) fn view_box(self) -> String {
        let (width, height) = (WIDTH * self.shrink(), HEIGHT * self.shrink());
        format!("{} {} {width} {height}", self.left, self.top)
    }

    /// How far another window of the same size lies from it, in the markers' units.
    #[cfg(feature = "hydrate")]
    pub(super) fn apart(self, other: Self) -> (f64, f64) {
        let shrink = self.shrink();
        (
            (other.left - self.left) / shrink,
            (other.top - self.top) / shrink,
        )
    }

    /// Where something of the fine drawing is seen, in the markers' units.
    pub(crate) fn seen(self, (x, y): (f64, f64)) -> (f64, f64) {
        let shrink = self.shrink();
        ((x - self.left) / shrink, (y - self.top) / shrink)
    }

    /// Whether something of the fine drawing is seen.
    pub(crate) fn shows(self, place: (f64, f64)) -> bool {
        let (x, y) = self.seen(place);
        (0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y)
    }
}

/// Which of some places stand so near to each other that one marker does for them; no two markers'
/// middles lie nearer than `apart`. The middle is that of its places.
pub(crate) fn clusters(places: &[(f64, f64)], apart: f64) -> Vec<Vec<usize>> {
    struct Cluster {
        members: Vec<usize>,
        x: f64,
        y: f64,
    }
    let single = |(index, (x, y)): (usize, &(f64, f64))| Cluster {
        members: vec![index],
        x: *x,
        y: *y,
    };
    let mut clusters: Vec<Cluster> = places.iter().enumerate().map(single).collect();
    loop {
        let before = clusters.len();
        let mut one = 0;
        while one < clusters.len() {
            let mut other = one + 1;
            while other < clusters.len() {
                let (a, b) = (&clusters[one], &clusters[other]);
                // Squared: browser and server must agree to the last bit.
                let (dx, dy) = (a.x - b.x, a.y - b.y);
                if dx * dx + dy * dy >= apart * apart {
                    other += 1;
                    continue;
                }
                let joined = clusters.swap_remove(other);
                let known = &mut clusters[one];
                let (m, n) = (known.members.len() as f64, joined.members.len() as f64);
                known.x = (known.x * m + joined.x * n) / (m + n);
                known.y = (known.y * m + joined.y * n) / (m + n);
                known.members.extend(joined.members);
            }
            one += 1;
        }
        // A middle that has moved may have come near to another.
        if clusters.len() == before {
            break;
        }
    }
    let members = clusters.into_iter().map(|mut cluster| {
        cluster.members.sort_unstable();
        cluster.members
    });
    let mut members: Vec<_> = members.collect();
    members.sort_unstable();
    members
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

    /// A scatter that is the same each time.
    fn scattered(count: u32) -> Vec<(f64, f64)> {
        let hash = |n: u32| f64::from(n.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        (0..count)
            .map(|n| (hash(n) * WIDTH, hash(n + 7_919) * HEIGHT))
            .collect()
    }

    #[test]
    fn each_place_has_one_marker_and_no_two_markers_touch() {
        for (count, apart) in [(0, 50.0), (1, 50.0), (40, 70.0), (400, 40.0), (40, 5_000.0)] {
            let places = scattered(count);
            let found = clusters(&places, apart);
            let mut members: Vec<usize> = found.iter().flatten().copied().collect();
            members.sort_unstable();
            assert_eq!(members, (0..places.len()).collect::<Vec<_>>());
            let middle = |members: &Vec<usize>| {
                let sum = members.iter().fold((0.0, 0.0), |(x, y), place| {
                    (x + places[*place].0, y + places[*place].1)
                });
                let count = members.len() as f64;
                (sum.0 / count, sum.1 / count)
            };
            let middles: Vec<_> = found.iter().map(middle).collect();
            for (one, a) in middles.iter().enumerate() {
                for b in &middles[one + 1..] {
                    assert!((a.0 - b.0).hypot(a.1 - b.1) >= apart - 1e-6);
                }
            }
        }
        // What is far apart stays apart, what lies together is one.
        let places = [(0.0, 0.0), (300.0, 0.0), (310.0, 0.0)];
        assert_eq!(clusters(&places, 50.0), [vec![0], vec![1, 2]]);
    }

    fn lot(position: Position) -> LotSummary {
        LotSummary {
            code: String::new(),
            city: String::new(),
            name: String::new(),
            kind: domain::place::LotKind::Street,
            ward: String::new(),
            operator: String::new(),
            position,
            capacity: 0,
            occupied: 0,
            free: 0,
            unknown: 0,
            classes: Vec::new(),
            updated_at: None,
        }
    }

    #[test]
    fn zooming_in_tells_apart_what_one_marker_stood_for() {
        let lots = [
            [105.78, 21.0],
            [105.86, 21.06],
            [105.8497, 21.0138],
            [105.8516, 21.014],
        ]
        .map(lot);
        let map = Map::around(&lots);
        let places = lots.each_ref().map(|lot| map.at(lot.position));
        let whole = map.window(None);
        assert!(places.iter().all(|place| whole.shows(*place)));
        let near = &places[2..];
        let seen = |window: Window| near.iter().map(|p| window.seen(*p)).collect::<Vec<_>>();
        assert_eq!(clusters(&seen(whole), 70.0).len(), 1);
        let section = map.section_of(near, whole);
        let window = map.window(Some(section));
        assert_eq!(clusters(&seen(window), 70.0).len(), 2, "{section:?}");
        assert!(near.iter().all(|place| window.shows(*place)));
        assert!(!window.shows(places[0]));
        // Out again, step by step, to the whole city.
        let mut section = Some(section);
        for _ in 0..ZOOM_MAX {
            section = map.zoomed(section, -1);
        }
        assert_eq!(section, None);
        assert_eq!(map.window(section), whole);
    }

    #[test]
    fn a_section_is_moved_within_the_drawing_and_back() {
        let lots = [[105.78, 21.0], [105.86, 21.06]].map(lot);
        let map = Map::around(&lots);
        assert_eq!(
            map.moved(None, (0.5, 0.5)),
            None,
            "all of it is seen already"
        );
        let middle = map.zoomed(None, 2);
        let east = map.moved(middle, (0.25, 0.0));
        assert!(east.map(|east| east.at[0]) > middle.map(|middle| middle.at[0]));
        assert_eq!(
            map.window(map.moved(east, (-0.25, 0.0))),
            map.window(middle)
        );
        let edge = map.moved(middle, (90.0, 90.0));
        assert_eq!(map.window(map.moved(edge, (1.0, 1.0))), map.window(edge));
    }

    #[test]
    fn zooming_in_shows_a_place_where_there_is_one() {
        // Nothing in the middle.
        let places = [[105.78, 21.0], [105.86, 21.06]];
        let map = Map::around(&places.map(lot));
        let mut section = None;
        for zoom in 1..=ZOOM_MAX {
            section = map.zoomed_in(section, &places);
            let window = map.window(section);
            assert_eq!(window.zoom, zoom);
            assert!(
                places.iter().any(|place| window.shows(map.at(*place))),
                "{zoom}"
            );
        }
        assert_eq!(map.zoomed_in(None, &[]), map.zoomed(None, 1));
    }

    #[test]
    fn a_map_of_few_lots_or_none_can_be_drawn() {
        for lots in [
            vec![],
            vec![lot([105.85, 21.03])],
            vec![lot([105.85, 90.0])],
        ] {
            let map = Map::around(&lots);
            let section = Section {
                zoom: ZOOM_MAX,
                at: [180.0, 180.0],
            };
            for window in [map.window(None), map.window(Some(section))] {
                let numbers = window.view_box();
                assert!(
                    numbers
                        .split(' ')
                        .all(|n| n.parse::<f64>().is_ok_and(f64::is_finite)),
                    "{numbers}"
                );
            }
        }
    }
}
