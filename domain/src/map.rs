//! What a city's map shows beside its lots.

use serde::{Deserialize, Serialize};

use crate::place::{Position, codes};

/// The most features that a city's map has. Every visitor of the finder is sent all of them.
pub const FEATURES_MAX: usize = 300;
/// The most points that they have together.
pub const POINTS_MAX: usize = 5_000;
/// The most characters of a name.
pub const NAME_MAX: usize = 60;

/// What kind of thing a feature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// A street: a line along its middle.
    Street,
    /// A lake or a river: its shore, from the last point back to the first.
    Water,
    /// A park or a square: its edge, from the last point back to the first.
    Park,
}

codes!(FeatureKind { Street = "street", Water = "water", Park = "park" });

/// Something by which people know where they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapFeature {
    /// What kind of thing it is.
    pub kind: FeatureKind,
    /// Its name; empty where none is to be written.
    #[serde(default)]
    pub name: String,
    /// Its line or its outline, longitude and latitude.
    pub points: Vec<Position>,
}

/// Why a map cannot be drawn.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum MapError {
    /// More features than [`FEATURES_MAX`].
    #[error("{0} features; at most {FEATURES_MAX} are drawn")]
    Features(usize),
    /// More points than [`POINTS_MAX`].
    #[error("{0} points; at most {POINTS_MAX} are drawn")]
    Points(usize),
    /// A name longer than [`NAME_MAX`].
    #[error("the name {0:?} has more than {NAME_MAX} characters")]
    Name(String),
    /// Too few points for its kind.
    #[error("the {kind} {name:?} has {points} points; a street has two or more, an outline three")]
    Short {
        /// What kind of thing.
        kind: FeatureKind,
        /// Its name.
        name: String,
        /// How many points it has.
        points: usize,
    },
    /// A point that lies nowhere on earth.
    #[error("the {kind} {name:?} has a point that is no longitude and latitude: {point:?}")]
    Nowhere {
        /// What kind of thing.
        kind: FeatureKind,
        /// Its name.
        name: String,
        /// The point.
        point: Position,
    },
}

/// Checks that features can be drawn, and that they are few enough to be sent to everybody.
///
/// # Errors
/// The first thing found wrong.
pub fn check(features: &[MapFeature]) -> Result<(), MapError> {
    if features.len() > FEATURES_MAX {
        return Err(MapError::Features(features.len()));
    }
    let points = features.iter().map(|feature| feature.points.len()).sum();
    if points > POINTS_MAX {
        return Err(MapError::Points(points));
    }
    features.iter().try_for_each(MapFeature::check)
}

impl MapFeature {
    fn check(&self) -> Result<(), MapError> {
        if self.name.chars().count() > NAME_MAX {
            return Err(MapError::Name(self.name.clone()));
        }
        let least = match self.kind {
            FeatureKind::Street => 2,
            FeatureKind::Water | FeatureKind::Park => 3,
        };
        if self.points.len() < least {
            return Err(MapError::Short {
                kind: self.kind,
                name: self.name.clone(),
                points: self.points.len(),
            });
        }
        // What is no number lies in no range either.
        let is_somewhere = |[longitude, latitude]: &Position| {
            (-180.0..=180.0).contains(longitude) && (-90.0..=90.0).contains(latitude)
        };
        match self.points.iter().find(|point| !is_somewhere(point)) {
            None => Ok(()),
            Some(point) => Err(MapError::Nowhere {
                kind: self.kind,
                name: self.name.clone(),
                point: *point,
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn feature(kind: FeatureKind, points: &[Position]) -> MapFeature {
        MapFeature {
            kind,
            name: "Hồ".to_owned(),
            points: points.to_vec(),
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let line = [[105.8, 21.0], [105.9, 21.1]];
        let street = feature(FeatureKind::Street, &line);
        assert_eq!(check(std::slice::from_ref(&street)), Ok(()));
        assert!(matches!(
            check(&[feature(FeatureKind::Water, &line)]),
            Err(MapError::Short { points: 2, .. })
        ));
        for point in [[21.0, 105.8], [f64::NAN, 21.0], [181.0, 0.0]] {
            let found = check(&[feature(FeatureKind::Street, &[line[0], point])]);
            assert!(matches!(found, Err(MapError::Nowhere { .. })), "{point:?}");
        }
        assert_eq!(
            check(&vec![street.clone(); FEATURES_MAX + 1]),
            Err(MapError::Features(FEATURES_MAX + 1))
        );
        let long = feature(FeatureKind::Street, &vec![line[0]; POINTS_MAX + 1]);
        assert_eq!(check(&[long]), Err(MapError::Points(POINTS_MAX + 1)));
        let wordy = MapFeature {
            name: "ờ".repeat(NAME_MAX + 1),
            ..street
        };
        assert!(matches!(check(&[wordy]), Err(MapError::Name(_))));
    }

    #[test]
    fn a_file_names_kinds_by_their_codes() {
        let read: MapFeature =
            serde_json::from_str(r#"{"kind":"park","points":[[1,2],[3,4],[5,6]]}"#).unwrap();
        assert_eq!((read.kind, read.name.as_str()), (FeatureKind::Park, ""));
    }
}
