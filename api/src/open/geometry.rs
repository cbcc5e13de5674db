//! Shapes on the ground: outlines in degrees, and what lies where somebody asks.

use domain::place::Position;
use serde_json::{Value, json};

use super::params::{Params, bad};
use crate::ApiError;

/// Metres of a degree of latitude, on the sphere of GeoJSON's usual tools.
const DEGREE_M: f64 = 111_319.49;

/// A point some metres east and north of another, to the six digits that RFC 7946 (11.2) finds enough.
pub(super) fn offset(from: Position, metres: [f32; 2]) -> Position {
    let [east, north] = metres.map(f64::from);
    let round = |degrees: f64| (degrees * 1e6).round() / 1e6;
    let shrink = from[1].to_radians().cos().max(1e-6);
    [
        round(from[0] + east / (DEGREE_M * shrink)),
        round(from[1] + north / DEGREE_M),
    ]
}

/// Metres east and north from one point to another. On a map of a city the earth is flat.
fn metres(from: Position, to: Position) -> [f64; 2] {
    let shrink = from[1].to_radians().cos();
    [
        (to[0] - from[0]) * DEGREE_M * shrink,
        (to[1] - from[1]) * DEGREE_M,
    ]
}

/// The convex hull, counter-clockwise as RFC 7946 wants it, without repeating its first point.
pub(super) fn hull(points: impl IntoIterator<Item = Position>) -> Vec<Position> {
    let mut points: Vec<Position> = points.into_iter().collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let turns_left = |a: Position, b: Position, c: Position| {
        (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0
    };
    let half = |points: &mut dyn Iterator<Item = &Position>| {
        let mut chain: Vec<Position> = Vec::new();
        for point in points {
            while let [.., a, b] = chain[..]
                && !turns_left(a, b, *point)
            {
                chain.pop();
            }
            chain.push(*point);
        }
        chain.pop();
        chain
    };
    let mut lower = half(&mut points.iter());
    lower.extend(half(&mut points.iter().rev()));
    lower
}

/// A ring of points as a GeoJSON polygon, counter-clockwise and closed (RFC 7946, 3.1.6).
pub(super) fn polygon(ring: &[Position]) -> Value {
    let mut ring = ring.to_vec();
    let area: f64 = (0..ring.len())
        .map(|i| {
            let (a, b) = (ring[i], ring[(i + 1) % ring.len()]);
            a[0] * b[1] - b[0] * a[1]
        })
        .sum();
    if area < 0.0 {
        ring.reverse();
    }
    ring.extend(ring.first().copied());
    json!({"type": "Polygon", "coordinates": [ring]})
}

/// A GeoJSON point.
pub(super) fn point(at: Position) -> Value {
    json!({"type": "Point", "coordinates": at})
}

/// The middle of some points.
pub(super) fn middle(points: &[Position]) -> Position {
    let count = points.len().max(1) as f64;
    let sum = |axis: usize| points.iter().map(|point| point[axis]).sum::<f64>() / count;
    [sum(0), sum(1)].map(|degrees| (degrees * 1e6).round() / 1e6)
}

/// Where somebody looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Within {
    /// Anywhere.
    Everywhere,
    /// Between two meridians and two parallels.
    Box { low: Position, high: Position },
    /// Not farther from a point than so many metres.
    Circle { middle: Position, radius_m: f64 },
}

impl Within {
    /// What `min_lat`, `min_lng`, `max_lat`, `max_lng` or `lat`, `lng`, `radius` (centimetres) say, as the Curb Data
    /// Specification has them.
    ///
    /// # Errors
    /// Where one of a group is missing, both groups are there, or a value cannot be.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let group = |names: &[&str]| -> Result<Option<Vec<f64>>, ApiError> {
            let given = names.iter().map(|name| params.number(name));
            let given = given.collect::<Result<Vec<_>, _>>()?;
            let found: Vec<f64> = given.iter().flatten().copied().collect();
            match found.len() {
                0 => Ok(None),
                count if count == names.len() => Ok(Some(found)),
                _ => Err(bad(format!("{} belong together", names.join(", ")))),
            }
        };
        let area = group(&["min_lat", "min_lng", "max_lat", "max_lng"])?;
        let round = group(&["lat", "lng", "radius"])?;
        match (area.as_deref(), round.as_deref()) {
            (None, None) => Ok(Self::Everywhere),
            (Some([low_lat, low_lng, high_lat, high_lng]), None) => {
                let (low, high) = ([*low_lng, *low_lat], [*high_lng, *high_lat]);
                let is_box = is_position(low) && is_position(high);
                if !is_box || low[0] > high[0] || low[1] > high[1] {
                    return Err(bad("min_* and max_* are degrees, min not above max"));
                }
                Ok(Self::Box { low, high })
            }
            (None, Some([lat, lng, radius_cm])) => {
                let middle = [*lng, *lat];
                if !is_position(middle) || !(0.0..=1e8).contains(radius_cm) {
                    return Err(bad(
                        "lat and lng are degrees, radius is in centimetres, up to 1,000 km",
                    ));
                }
                let radius_m = radius_cm / 100.0;
                Ok(Self::Circle { middle, radius_m })
            }
            _ => Err(bad("ask for a box or for a circle, not for both")),
        }
    }

    /// Those of some things that lie there, by their outlines; of a circle the nearest first.
    pub(super) fn select<T>(&self, things: Vec<T>, ring: impl Fn(&T) -> &[Position]) -> Vec<T> {
        match self {
            Self::Everywhere => things,
            Self::Box { low, high } => {
                let corners = [*low, [high[0], low[1]], *high, [low[0], high[1]]];
                let touches = |thing: &T| convex_touch(ring(thing), &corners);
                things.into_iter().filter(touches).collect()
            }
            Self::Circle { middle, radius_m } => {
                let far = things.into_iter().map(|thing| {
                    let far = distance_to(*middle, ring(&thing));
                    (far, thing)
                });
                let mut near: Vec<(f64, T)> = far.filter(|(far, _)| far <= radius_m).collect();
                near.sort_by(|a, b| a.0.total_cmp(&b.0));
                near.into_iter().map(|(_, thing)| thing).collect()
            }
        }
    }
}

fn is_position([lng, lat]: Position) -> bool {
    (-180.0..=180.0).contains(&lng) && (-90.0..=90.0).contains(&lat)
}

/// Whether two convex shapes share a point: no line along an edge of either has them on different sides.
fn convex_touch(a: &[Position], b: &[Position]) -> bool {
    let apart = |edges: &[Position]| {
        (0..edges.len()).any(|i| {
            let (from, to) = (edges[i], edges[(i + 1) % edges.len()]);
            let normal = [to[1] - from[1], from[0] - to[0]];
            let side = |shape: &[Position]| {
                let along = shape.iter().map(|p| p[0] * normal[0] + p[1] * normal[1]);
                along.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), d| {
                    (low.min(d), high.max(d))
                })
            };
            let ((low_a, high_a), (low_b, high_b)) = (side(a), side(b));
            high_a < low_b || high_b < low_a
        })
    };
    !a.is_empty() && !b.is_empty() && !apart(a) && !apart(b)
}

/// How far a point lies from a convex shape, in metres; nothing from inside.
fn distance_to(point: Position, ring: &[Position]) -> f64 {
    if ring.len() >= 3 && convex_touch(ring, &[point]) {
        return 0.0;
    }
    let edges = (0..ring.len()).map(|i| {
        let (a, b) = (
            metres(point, ring[i]),
            metres(point, ring[(i + 1) % ring.len()]),
        );
        let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
        let length = dx * dx + dy * dy;
        let along = match length > 0.0 {
            true => (-(a[0] * dx + a[1] * dy) / length).clamp(0.0, 1.0),
            false => 0.0,
        };
        (a[0] + along * dx).hypot(a[1] + along * dy)
    });
    edges.fold(f64::INFINITY, f64::min)
}

/// Length and width of a bay's outline in centimetres: the longer of its first two sides, and the other.
pub(super) fn size_cm(outline: &[[f32; 2]; 4]) -> (i64, i64) {
    let side = |a: [f32; 2], b: [f32; 2]| {
        let metres = f64::from(a[0] - b[0]).hypot(f64::from(a[1] - b[1]));
        ((metres * 100.0).round() as i64).max(1)
    };
    let (a, b) = (side(outline[0], outline[1]), side(outline[1], outline[2]));
    (a.max(b), a.min(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [Position; 4] = [
        [105.0, 21.0],
        [105.001, 21.0],
        [105.001, 21.001],
        [105.0, 21.001],
    ];

    #[test]
    fn a_hull_runs_around_its_points_against_the_clock() {
        let mut points = SQUARE.to_vec();
        points.push([105.0005, 21.0005]);
        points.reverse();
        assert_eq!(hull(points), SQUARE);
    }

    #[test]
    fn what_lies_in_a_box_or_circle_is_found() {
        let find = |within: Within| within.select(vec![SQUARE], |ring| ring).len();
        let area = |low, high| Within::Box { low, high };
        assert_eq!(find(area([105.0005, 21.0005], [106.0, 22.0])), 1);
        assert_eq!(find(area([104.0, 20.0], [106.0, 22.0])), 1);
        assert_eq!(find(area([105.0002, 21.0002], [105.0003, 21.0003])), 1);
        assert_eq!(find(area([105.002, 21.0], [105.003, 21.001])), 0);
        let round = |middle, radius_m| Within::Circle { middle, radius_m };
        assert_eq!(find(round([105.0005, 21.0005], 0.0)), 1);
        // 0.001 degrees of latitude north of it.
        assert_eq!(find(round([105.0005, 21.002], 111.0)), 0);
        assert_eq!(find(round([105.0005, 21.002], 112.0)), 1);
    }

    #[test]
    fn the_nearest_comes_first() {
        let moved = SQUARE.map(|[x, y]| [x + 0.01, y]);
        let circle = Within::Circle {
            middle: [105.02, 21.0],
            radius_m: 1e5,
        };
        let found = circle.select(vec![SQUARE, moved], |ring| ring);
        assert_eq!(found, [moved, SQUARE]);
    }
}
