//! The letters of a plate written anew: upright, in one line, of one height, black on white, without the
//! plate's edge, its dots and whatever else is around. That is what readers of print read best.

use super::glyphs::{Blobs, Glyph};
use super::lines::{Layout, Line};
use super::picture::Grey;

/// The height of letters, and the white around them, in pixels.
const LETTER: usize = 44;
const MARGIN: usize = 20;
const GAP: usize = 12;
/// The widest letter.
const WIDTH_MAX: usize = 60;

/// The letters of all lines of a plate, one after the other.
pub(super) fn letters(grey: &Grey, blobs: &Blobs, layout: &Layout) -> Vec<Grey> {
    let lines = layout.lines.iter();
    lines
        .flat_map(|line| {
            let glyphs = line.glyphs.iter();
            glyphs.map(move |glyph| letter(grey, blobs, glyph, line))
        })
        .collect()
}

/// Letters beside each other in one line.
pub(super) fn line<'a>(letters: impl Iterator<Item = &'a Grey> + Clone) -> Grey {
    let width = letters
        .clone()
        .map(|letter| letter.width + GAP)
        .sum::<usize>()
        + 2 * MARGIN;
    let height = LETTER + 2 * MARGIN;
    let mut out = Grey {
        width,
        height,
        shades: vec![u8::MAX; width * height],
    };
    let mut at = MARGIN;
    for letter in letters {
        for y in 0..letter.height {
            let from = y * letter.width;
            let to = (MARGIN + y) * width + at;
            out.shades[to..to + letter.width]
                .copy_from_slice(&letter.shades[from..from + letter.width]);
        }
        at += letter.width + GAP;
    }
    out
}

/// One letter, turned by its line's slope, alone on white.
fn letter(grey: &Grey, blobs: &Blobs, glyph: &Glyph, line: &Line) -> Grey {
    let turn = line.slope.atan();
    let (sin, cos) = turn.sin_cos();
    let middle = glyph.middle();
    let mine = |x: isize, y: isize| {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return false;
        };
        x < grey.width && y < grey.height && blobs.labels[y * grey.width + x] == glyph.label
    };
    // Its box in the line's own direction, and how dark it is.
    let (mut left, mut right, mut top, mut bottom) = (0f32, 0f32, 0f32, 0f32);
    let mut inside = Vec::new();
    let mut around = Vec::new();
    for y in glyph.top..glyph.bottom {
        for x in glyph.left..glyph.right {
            let shade = grey.shades[y * grey.width + x];
            if !mine(x as isize, y as isize) {
                around.push(shade);
                continue;
            }
            inside.push(shade);
            let (dx, dy) = (x as f32 + 0.5 - middle.0, y as f32 + 0.5 - middle.1);
            let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
            (left, right) = (left.min(u - 0.5), right.max(u + 0.5));
            (top, bottom) = (top.min(v - 0.5), bottom.max(v + 0.5));
        }
    }
    inside.sort_unstable();
    around.sort_unstable();
    let black = f32::from(inside.get(inside.len() / 4).copied().unwrap_or(0));
    let white = f32::from(around.get(around.len() * 3 / 4).copied().unwrap_or(u8::MAX));
    let contrast = (white - black).max(8.0);
    let scale = (bottom - top) / LETTER as f32;
    let width = (((right - left) / scale.max(0.01)).round() as usize).clamp(4, WIDTH_MAX);
    let mut out = Grey {
        width,
        height: LETTER,
        shades: vec![u8::MAX; width * LETTER],
    };
    for row in 0..LETTER {
        for column in 0..width {
            let u = left + (column as f32 + 0.5) * scale;
            let v = top + (row as f32 + 0.5) * scale;
            let (x, y) = (middle.0 + u * cos - v * sin, middle.1 + u * sin + v * cos);
            let (px, py) = (x.floor() as isize, y.floor() as isize);
            // Its blurred edge is its own as well; what else is near is not.
            let near = (-1..=1).any(|dx| (-1..=1).any(|dy| mine(px + dx, py + dy)));
            if near {
                let shade = grey.between(x - 0.5, y - 0.5);
                let shade = (shade - black) / contrast * 255.0;
                out.shades[row * width + column] = shade.clamp(0.0, 255.0) as u8;
            }
        }
    }
    out
}
