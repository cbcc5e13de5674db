//! Which names are written on the map, where, and from which zoom on: only where they can be read.

use domain::map::FeatureKind;

use crate::island::{FINE, HEIGHT, WIDTH};
use crate::wish::ZOOM_MAX;

/// The height of letters in the markers' units, on a wide screen.
const LETTER: f64 = 13.0;
/// A letter's usual width, in heights.
const LETTER_WIDTH: f64 = 0.56;
/// Where along a street its name may stand, the best first.
const SHARES: [f64; 7] = [0.5, 0.25, 0.75, 0.125, 0.375, 0.625, 0.875];
/// How far apart the same street's name is repeated, in the markers' units.
const REPEATED: f64 = 420.0;

/// A feature as it lies on the drawing, in fine units.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: FeatureKind,
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A name on the map. `from` is the step from which on it is shown: on a wide screen the zoom and one
/// more; on a narrow one, where letters take twice the room, the zoom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Label {
    /// Along a street, around this share of its length.
    Along { share: f64, from: u8 },
    /// In the middle of something.
    At { x: f64, y: f64, from: u8 },
}

/// The names of all shapes.
#[derive(Debug, Default)]
pub(super) struct Labels {
    labels: Vec<(usize, Label)>,
    backwards: Vec<usize>,
}

impl Labels {
    /// Each with its shape's number.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, Label)> {
        self.labels.iter().copied()
    }

    /// Whether a shape's name is written anywhere.
    pub(super) fn has(&self, shape: usize) -> bool {
        self.labels.iter().any(|(of, _)| *of == shape)
    }

    /// Whether a street's name would stand on its head if it were written as the street runs.
    pub(super) fn is_backwards(&self, shape: usize) -> bool {
        self.backwards.contains(&shape)
    }
}

/// Finds room for names, the longest things first. What is once written stays at every larger zoom:
/// letters take less and less of the map.
pub(super) fn place(shapes: &[Shape]) -> Labels {
    let mut order: Vec<usize> = (0..shapes.len())
        .filter(|index| !shapes[*index].name.is_empty())
        .collect();
    let rank = |index: &usize| {
        let shape = &shapes[*index];
        // Water says best where one is.
        (shape.kind == FeatureKind::Street, -length(&shape.points))
    };
    order.sort_by(|a, b| {
        let (a, b) = (rank(a), rank(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let backwards = |index: &usize| {
        let points = &shapes[*index].points;
        matches!((points.first(), points.last()), (Some(a), Some(b)) if b.0 < a.0)
    };
    let mut labels = Labels {
        labels: Vec::new(),
        backwards: (0..shapes.len()).filter(backwards).collect(),
    };
    let mut written: Vec<Written> = Vec::new();
    for from in 0..=ZOOM_MAX + 1 {
        let letter = LETTER * FINE / f64::from(1_u32 << from) * 2.0;
        for index in &order {
            let shape = &shapes[*index];
            let wide = shape.name.chars().count() as f64 * letter * LETTER_WIDTH;
            let tries: Vec<(Label, Vec<(f64, f64)>)> = match shape.kind {
                FeatureKind::Street => along(shape, wide, from, labels.is_backwards(*index)),
                FeatureKind::Water | FeatureKind::Park if labels.has(*index) => Vec::new(),
                FeatureKind::Water | FeatureKind::Park => within(shape, wide, from),
            };
            for (label, line) in tries {
                let new = Written::along(*index, &line, letter);
                let is_room = written.iter().all(|known| {
                    let apart = match known.shape == *index {
                        true => letter / LETTER * REPEATED,
                        false => letter * 1.1,
                    };
                    new.is_apart(known, apart)
                });
                if is_room {
                    written.push(new);
                    labels.labels.push((*index, label));
                }
            }
        }
    }
    labels
}

/// A name that has its place.
struct Written {
    shape: usize,
    /// Points along it, not farther apart than half a letter's height.
    points: Vec<(f64, f64)>,
    middle: (f64, f64),
    /// How far it reaches from its middle.
    reach: f64,
}

impl Written {
    fn along(shape: usize, line: &[(f64, f64)], letter: f64) -> Self {
        let points = spread(line, letter / 2.0);
        let middle = points.get(points.len() / 2).copied().unwrap_or_default();
        let reach = points.iter().map(|point| distance(middle, *point));
        Self {
            shape,
            reach: reach.fold(0.0, f64::max),
            middle,
            points,
        }
    }

    /// Whether no point of one is nearer to the other than that.
    fn is_apart(&self, other: &Self, apart: f64) -> bool {
        if distance(self.middle, other.middle) >= self.reach + other.reach + apart {
            return true;
        }
        let is_far = |own: &(f64, f64)| {
            let mut points = other.points.iter();
            points.all(|point| distance(*own, *point) >= apart)
        };
        self.points.iter().all(is_far)
    }
}

/// Where a street's name of that width may stand.
fn along(shape: &Shape, wide: f64, from: u8, backwards: bool) -> Vec<(Label, Vec<(f64, f64)>)> {
    let mut points = shape.points.clone();
    if backwards {
        points.reverse();
    }
    let whole = length(&points);
    let at = |share: f64| {
        let (start, end) = (share * whole - wide / 2.0, share * whole + wide / 2.0);
        if start < 0.0 || end > whole {
            return None;
        }
        let line = cut(&points, start, end);
        let (first, last) = (*line.first()?, *line.last()?);
        // Around a corner nothing can be read, nor from bottom to top beyond it.
        let is_straight = distance(first, last) >= 0.97 * wide;
        (is_straight && last.0 >= first.0 - wide * 0.02 && is_on_map(&line))
            .then_some((Label::Along { share, from }, line))
    };
    SHARES.into_iter().filter_map(at).collect()
}

/// Where an area's name of that width may stand: where there is most room around it.
fn within(shape: &Shape, wide: f64, from: u8) -> Vec<(Label, Vec<(f64, f64)>)> {
    let Some(((x, y), room)) = roomiest(&shape.points) else {
        return Vec::new();
    };
    if wide > room * 3.2 {
        return Vec::new();
    }
    let line = vec![(x - wide / 2.0, y), (x + wide / 2.0, y)];
    match is_on_map(&line) {
        true => vec![(Label::At { x, y, from }, line)],
        false => Vec::new(),
    }
}

fn is_on_map(line: &[(f64, f64)]) -> bool {
    let is_on =
        |(x, y): &(f64, f64)| (0.0..=WIDTH * FINE).contains(x) && (0.0..=HEIGHT * FINE).contains(y);
    line.iter().all(is_on)
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

fn length(points: &[(f64, f64)]) -> f64 {
    points
        .windows(2)
        .map(|pair| distance(pair[0], pair[1]))
        .sum()
}

/// The part of a line between two lengths from its start.
fn cut(points: &[(f64, f64)], start: f64, end: f64) -> Vec<(f64, f64)> {
    let (mut out, mut before) = (Vec::new(), 0.0);
    for pair in points.windows(2) {
        let long = distance(pair[0], pair[1]);
        let at = |length: f64| {
            let share = ((length - before) / long.max(f64::EPSILON)).clamp(0.0, 1.0);
            (
                pair[0].0 + (pair[1].0 - pair[0].0) * share,
                pair[0].1 + (pair[1].1 - pair[0].1) * share,
            )
        };
        if before + long >= start && before <= end {
            out.extend([at(start), at(end)]);
        }
        before += long;
    }
    out
}

/// Points along a line, not farther apart than `step`.
fn spread(line: &[(f64, f64)], step: f64) -> Vec<(f64, f64)> {
    let whole = length(line);
    let count = (whole / step).ceil().clamp(1.0, 200.0);
    let at = |index: u32| {
        let along = whole * f64::from(index) / count;
        cut(line, along, along).first().copied()
    };
    (0..=count as u32).filter_map(at).collect()
}

/// The point within an outline and on the map that is farthest from every edge, and how far: of a grid of
/// points, the best.
fn roomiest(outline: &[(f64, f64)]) -> Option<((f64, f64), f64)> {
    const STEPS: u32 = 24;
    let bounds = |axis: fn(&(f64, f64)) -> f64, size: f64| {
        let values = outline.iter().map(axis);
        let least = values.clone().fold(f64::MAX, f64::min);
        (
            least.max(0.0),
            values.fold(f64::MIN, f64::max).min(size * FINE),
        )
    };
    let (left, right) = bounds(|(x, _)| *x, WIDTH);
    let (top, bottom) = bounds(|(_, y)| *y, HEIGHT);
    let grid = (1..STEPS).flat_map(|i| (1..STEPS).map(move |j| (i, j)));
    let points = grid.map(|(i, j)| {
        let share = |n: u32| f64::from(n) / f64::from(STEPS);
        (
            left + (right - left) * share(i),
            top + (bottom - top) * share(j),
        )
    });
    let edges: Vec<[(f64, f64); 2]> = (0..outline.len())
        .map(|index| [outline[index], outline[(index + 1) % outline.len()]])
        .collect();
    points
        .filter(|point| is_inside(*point, &edges))
        .map(|point| {
            let to = |edge: &[(f64, f64); 2]| to_segment(point, *edge);
            let (x, y) = point;
            let frame = [x, y, WIDTH * FINE - x, HEIGHT * FINE - y];
            let room = edges.iter().map(to).chain(frame).fold(f64::MAX, f64::min);
            (point, room)
        })
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Whether a ray from the point crosses an odd number of edges.
fn is_inside((x, y): (f64, f64), edges: &[[(f64, f64); 2]]) -> bool {
    let crosses = |[a, b]: &&[(f64, f64); 2]| {
        (a.1 > y) != (b.1 > y) && x < (b.0 - a.0) * (y - a.1) / (b.1 - a.1) + a.0
    };
    edges.iter().filter(crosses).count() % 2 == 1
}

fn to_segment(point: (f64, f64), [a, b]: [(f64, f64); 2]) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let along = ((point.0 - a.0) * dx + (point.1 - a.1) * dy) / (dx * dx + dy * dy).max(1e-9);
    let along = along.clamp(0.0, 1.0);
    distance(point, (a.0 + along * dx, a.1 + along * dy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn street(name: &str, points: &[(f64, f64)]) -> Shape {
        Shape {
            kind: FeatureKind::Street,
            name: name.to_owned(),
            points: points.iter().map(|(x, y)| (x * FINE, y * FINE)).collect(),
        }
    }

    fn steps(labels: &Labels, shape: usize) -> Vec<u8> {
        let own = labels.all().filter(|(of, _)| *of == shape);
        own.map(|(_, label)| match label {
            Label::Along { from, .. } | Label::At { from, .. } => from,
        })
        .collect()
    }

    #[test]
    fn a_name_is_written_once_there_is_room_for_it() {
        let shapes = [
            street("Trần Hưng Đạo", &[(100.0, 100.0), (600.0, 100.0)]),
            street("Nguyễn Xí", &[(300.0, 300.0), (310.0, 300.0)]),
            street("Hàng Bài", &[(500.0, 300.0), (495.0, 400.0)]),
            street("", &[(0.0, 500.0), (700.0, 500.0)]),
        ];
        let labels = place(&shapes);
        assert_eq!(steps(&labels, 0)[0], 0, "a long one at once");
        assert!(steps(&labels, 1).first().is_none_or(|from| *from >= 4));
        assert!((1..=2).contains(&steps(&labels, 2)[0]));
        assert!(steps(&labels, 3).is_empty() && !labels.has(3));
        assert!(!labels.is_backwards(0) && labels.is_backwards(2));
    }

    #[test]
    fn names_do_not_stand_on_each_other() {
        let across = |y: f64| street("Lý Thường Kiệt", &[(100.0, y), (600.0, y)]);
        // Side by side, nearer than letters are high, and one that crosses both in their middles.
        let shapes = [
            across(300.0),
            across(306.0),
            street("Quán Sứ", &[(350.0, 200.0), (351.0, 420.0)]),
        ];
        let labels = place(&shapes);
        let first = |shape| steps(&labels, shape)[0];
        assert_eq!(first(0), 0);
        assert!(first(1) > 0, "{labels:?}");
        assert!(first(2) > 0, "{labels:?}");
    }

    #[test]
    fn nothing_is_written_around_a_corner() {
        let corner = [(100.0, 300.0), (300.0, 300.0), (300.0, 100.0)];
        let labels = place(&[street("Đê La Thành dài lắm", &corner)]);
        for (_, label) in labels.all() {
            assert!(
                !matches!(
                    label,
                    Label::Along {
                        share: 0.5,
                        from: 0..=2
                    }
                ),
                "{label:?}"
            );
        }
    }

    #[test]
    fn a_lake_s_name_stands_in_it() {
        // A horseshoe: its middle is land.
        let lake = Shape {
            kind: FeatureKind::Water,
            name: "Hồ".to_owned(),
            points: [
                (100.0, 100.0),
                (500.0, 100.0),
                (500.0, 200.0),
                (200.0, 200.0),
                (200.0, 400.0),
                (500.0, 400.0),
                (500.0, 500.0),
                (100.0, 500.0),
            ]
            .map(|(x, y)| (x * FINE, y * FINE))
            .to_vec(),
        };
        let labels = place(std::slice::from_ref(&lake));
        let found: Vec<Label> = labels.all().map(|(_, label)| label).collect();
        let [Label::At { x, y, .. }] = found[..] else {
            panic!("{found:?}");
        };
        let edges: Vec<_> = (0..lake.points.len())
            .map(|i| [lake.points[i], lake.points[(i + 1) % lake.points.len()]])
            .collect();
        assert!(is_inside((x, y), &edges));
    }
}
