//! Bays drawn on the ground, in metres around the middle of their lot.

use domain::place::VehicleClass;

/// Width along the row and depth across it, in metres.
const fn size(class: VehicleClass) -> (f32, f32) {
    match class {
        VehicleClass::Car => (2.5, 5.0),
        VehicleClass::Motorbike => (0.8, 2.0),
    }
}

/// Bays side by side along a kerb that runs towards `bearing_deg`.
pub(super) fn kerb(classes: &[VehicleClass], bearing_deg: f32) -> Vec<[[f32; 2]; 4]> {
    let length: f32 = classes.iter().map(|class| size(*class).0).sum();
    let (sin, cos) = bearing_deg.to_radians().sin_cos();
    let mut along = -length / 2.0;
    classes
        .iter()
        .map(|class| {
            let (width, depth) = size(*class);
            let corners = rectangle(along, 0.0, width, depth);
            along += width;
            // Along the street is towards its bearing, across it to the right.
            corners.map(|[u, v]| round([u * sin + v * cos, u * cos - v * sin]))
        })
        .collect()
}

/// Bays in rows with aisles of six metres for cars and two for motorbikes between them.
pub(crate) fn yard(classes: &[VehicleClass]) -> Vec<[[f32; 2]; 4]> {
    let area: f32 = classes
        .iter()
        .map(|class| size(*class).0 * (size(*class).1 + 4.0))
        .sum();
    let row_length = (area * 1.5).sqrt().max(12.0);
    let (mut x, mut y, mut last) = (0.0, 0.0, None);
    let mut drawn = Vec::with_capacity(classes.len());
    for class in classes {
        let (width, depth) = size(*class);
        let aisle = if *class == VehicleClass::Car {
            6.0
        } else {
            2.0
        };
        if x + width > row_length || last.is_some_and(|last| last != *class) {
            let (_, before) = size(last.unwrap_or(*class));
            (x, y) = (0.0, y + before + aisle);
        }
        drawn.push(rectangle(x, y, width, depth));
        x += width;
        last = Some(*class);
    }
    let height = drawn.last().map_or(0.0, |corners| corners[2][1]);
    let centre = |[x, y]: [f32; 2]| round([x - row_length / 2.0, y - height / 2.0]);
    drawn
        .into_iter()
        .map(|corners| corners.map(centre))
        .collect()
}

fn rectangle(x: f32, y: f32, width: f32, depth: f32) -> [[f32; 2]; 4] {
    [
        [x, y],
        [x + width, y],
        [x + width, y + depth],
        [x, y + depth],
    ]
}

/// To the decimetre.
fn round(point: [f32; 2]) -> [f32; 2] {
    point.map(|metres| (metres * 10.0).round() / 10.0)
}
