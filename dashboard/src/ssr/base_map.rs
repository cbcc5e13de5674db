//! What lies under the finder's markers: parks, water and streets with their names. Drawn on the server,
//! once for all zooms: the browser only shows another part of it, so nothing of it is sent twice.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use domain::map::{FeatureKind, MapFeature};
use leptos::prelude::*;

use super::map_labels::{Label, Shape, place};
use crate::island::{FINE, HEIGHT, Map, WIDTH, Window};

/// The drawing made last. Streets and lots seldom change, and finding room for names takes a while.
#[derive(Debug, Default)]
pub(crate) struct BaseMap {
    drawn: Mutex<Option<Drawn>>,
}

#[derive(Debug)]
struct Drawn {
    features: Arc<Vec<MapFeature>>,
    map: Map,
    markup: Arc<str>,
}

impl BaseMap {
    /// The features as they lie on the map: the inside of an SVG element, in fine units.
    pub(crate) fn markup(&self, features: &Arc<Vec<MapFeature>>, map: Map) -> Arc<str> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*drawn
            && known.map == map
            && (Arc::ptr_eq(&known.features, features) || known.features == *features)
        {
            return known.markup.clone();
        }
        let markup: Arc<str> = draw(features, map).into();
        *drawn = Some(Drawn {
            features: features.clone(),
            map,
            markup: markup.clone(),
        });
        markup
    }
}

/// The drawing as far as it is seen at first.
pub(crate) fn base_map(markup: &str, window: Window) -> impl IntoView + use<> {
    view! {
        <svg
            class=format!("map base zoom-{}", window.zoom)
            viewBox=window.view_box()
            aria-hidden="true"
            inner_html=markup.to_owned()
        ></svg>
    }
}

fn draw(features: &[MapFeature], map: Map) -> String {
    let shapes: Vec<Shape> = features
        .iter()
        .map(|feature| Shape {
            kind: feature.kind,
            name: feature.name.clone(),
            points: feature.points.iter().map(|p| map.at(*p)).collect(),
        })
        .filter(is_seen)
        .collect();
    let labels = place(&shapes);
    let mut out = String::new();
    // Areas first, whatever their order: a street crosses a park, never the other way round.
    for kind in [FeatureKind::Park, FeatureKind::Water] {
        for shape in shapes.iter().filter(|shape| shape.kind == kind) {
            let _ = write!(
                out,
                r#"<path class="{kind}" d="{}Z"/>"#,
                path(&shape.points)
            );
        }
    }
    for (index, shape) in shapes.iter().enumerate() {
        if shape.kind == FeatureKind::Street {
            // Its name is written along it, from left to right.
            let backwards = labels.is_backwards(index);
            let points = match backwards {
                true => shape.points.iter().rev().copied().collect(),
                false => shape.points.clone(),
            };
            let id = labels.has(index).then(|| format!(r#" id="s{index}""#));
            let id = id.unwrap_or_default();
            let _ = write!(out, r#"<path class="street"{id} d="{}"/>"#, path(&points));
        }
    }
    for (index, label) in labels.all() {
        let name = escaped(&shapes[index].name);
        let _ = match label {
            Label::Along { share, from } => write!(
                out,
                r##"<text class="n{from}" dy=".32em"><textPath href="#s{index}" startOffset="{:.0}%">{name}</textPath></text>"##,
                share * 100.0
            ),
            Label::At { x, y, from } => {
                let kind = shapes[index].kind;
                write!(
                    out,
                    r#"<text class="n{from} {kind}" x="{x:.0}" y="{y:.0}">{name}</text>"#
                )
            }
        };
    }
    out
}

/// Whether anything of it lies on the map.
fn is_seen(shape: &Shape) -> bool {
    let overlaps = |axis: fn(&(f64, f64)) -> f64, size: f64| {
        let values = shape.points.iter().map(axis);
        let least = values.clone().fold(f64::MAX, f64::min);
        let most = values.fold(f64::MIN, f64::max);
        most >= 0.0 && least <= size * FINE
    };
    overlaps(|(x, _)| *x, WIDTH) && overlaps(|(_, y)| *y, HEIGHT)
}

/// A path's data (SVG 2, 9.3), each point as seen from the one before: short numbers pack well.
fn path(points: &[(f64, f64)]) -> String {
    let (mut out, mut last) = (String::new(), (0, 0));
    for (index, (x, y)) in points.iter().enumerate() {
        let (x, y) = (x.round() as i64, y.round() as i64);
        let step = if index == 0 { 'M' } else { 'l' };
        let _ = write!(out, "{step}{} {}", x - last.0, y - last.1);
        last = (x, y);
    }
    out
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn feature(kind: FeatureKind, name: &str, points: &[[f64; 2]]) -> MapFeature {
        MapFeature {
            kind,
            name: name.to_owned(),
            points: points.to_vec(),
        }
    }

    fn map() -> Map {
        let json = |position: [f64; 2]| {
            serde_json::from_value(serde_json::json!({
                "code": "a", "city": "b", "name": "c", "kind": "street", "ward": "d",
                "operator": "e", "position": position, "capacity": 0, "occupied": 0, "free": 0,
                "unknown": 0, "classes": [], "updated_at": null,
            }))
            .unwrap()
        };
        Map::around(&[json([105.80, 21.00]), json([105.86, 21.06])])
    }

    #[test]
    fn streets_lie_above_water_and_say_their_names() {
        let features = [
            feature(
                FeatureKind::Street,
                "<b>Kim Mã & Co</b>",
                &[[105.85, 21.03], [105.81, 21.03]],
            ),
            feature(
                FeatureKind::Water,
                "Hồ Tây",
                &[[105.80, 21.04], [105.84, 21.04], [105.82, 21.06]],
            ),
            feature(
                FeatureKind::Street,
                "Xa lắm",
                &[[100.0, 10.0], [101.0, 10.0]],
            ),
        ];
        let drawn = draw(&features, map());
        let (water, street) = (
            drawn.find("\"water\"").unwrap(),
            drawn.find("street").unwrap(),
        );
        assert!(water < street, "{drawn}");
        assert!(drawn.contains("&lt;b&gt;Kim Mã &amp; Co&lt;/b&gt;</textPath>"));
        assert!(drawn.contains(">Hồ Tây</text>"));
        assert!(!drawn.contains("Xa lắm"), "what lies elsewhere is not sent");
        // It was given from east to west and is written from west to east.
        let line = &drawn[drawn.find(r#"id="s0" d=""#).unwrap() + 11..];
        let steps: Vec<&str> = line[..line.find('"').unwrap()].split('l').collect();
        assert!(!steps[1].starts_with('-'), "{steps:?}");
    }

    #[test]
    fn a_drawing_is_made_once() {
        let base = BaseMap::default();
        let lake = [[105.80, 21.04], [105.84, 21.04], [105.82, 21.06]];
        let one = Arc::new(vec![feature(FeatureKind::Water, "Hồ", &lake)]);
        let same = Arc::new((*one).clone());
        let other = Arc::new(vec![feature(FeatureKind::Park, "Hồ", &lake)]);
        let drawn = base.markup(&one, map());
        assert!(Arc::ptr_eq(&drawn, &base.markup(&same, map())));
        assert_ne!(drawn, base.markup(&other, map()));
    }
}
