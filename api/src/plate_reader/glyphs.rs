//! What in a picture may be a letter or a digit: a dark blob of their proportions on brighter ground.

use super::picture::Grey;

/// The smallest height of a letter that can be read, in pixels.
const HEIGHT_MIN: usize = 11;
/// How many blobs are looked at: more are gravel or leaves.
pub(super) const GLYPHS_MAX: usize = 2_000;

/// So many windows, in which brightness is compared, lie beside each other: each is wider than a letter's
/// stroke and not much wider than a letter.
const WINDOWS: usize = 16;
/// As much of its surroundings' brightness a dark letter has at most, and the surroundings of a bright one
/// of its.
const DARKER: f32 = 0.80;

/// A blob that may be a letter or a digit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glyph {
    /// Its number in [`Blobs::labels`].
    pub(super) label: u32,
    pub(super) left: usize,
    pub(super) top: usize,
    /// The first column beyond it.
    pub(super) right: usize,
    /// The first row beyond it.
    pub(super) bottom: usize,
}

impl Glyph {
    pub(super) fn height(&self) -> f32 {
        (self.bottom - self.top) as f32
    }

    /// The middle of its box.
    pub(super) fn middle(&self) -> (f32, f32) {
        (
            (self.left + self.right) as f32 / 2.0,
            (self.top + self.bottom) as f32 / 2.0,
        )
    }
}

/// A picture divided into blobs.
#[derive(Debug)]
pub(super) struct Blobs {
    /// For each pixel its blob's number; 0 is none.
    pub(super) labels: Vec<u32>,
    /// Those that may be letters or digits, from left to right.
    pub(super) glyphs: Vec<Glyph>,
}

/// How letters differ from the plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// On white and yellow plates.
    Dark,
    /// On blue and red ones.
    Bright,
}

/// Finds blobs darker, or brighter, than what lies around them.
pub(super) fn find(grey: &Grey, ink: Ink) -> Blobs {
    let dark = inked(grey, (grey.width / WINDOWS).max(15), ink);
    let mut labels = vec![0; dark.len()];
    let mut glyphs = Vec::new();
    let mut next = 0;
    let mut waiting = Vec::new();
    for start in 0..dark.len() {
        if !dark[start] || labels[start] != 0 {
            continue;
        }
        next += 1;
        let mut area = 0;
        let (x, y) = (start % grey.width, start / grey.width);
        let mut glyph = Glyph {
            label: next,
            left: x,
            top: y,
            right: x + 1,
            bottom: y + 1,
        };
        labels[start] = next;
        waiting.push(start);
        while let Some(at) = waiting.pop() {
            area += 1;
            let (x, y) = (at % grey.width, at / grey.width);
            glyph.left = glyph.left.min(x);
            glyph.right = glyph.right.max(x + 1);
            glyph.top = glyph.top.min(y);
            glyph.bottom = glyph.bottom.max(y + 1);
            let neighbours = [
                (x > 0).then(|| at - 1),
                (x + 1 < grey.width).then(|| at + 1),
                at.checked_sub(grey.width),
                (y + 1 < grey.height).then(|| at + grey.width),
            ];
            for neighbour in neighbours.into_iter().flatten() {
                if dark[neighbour] && labels[neighbour] == 0 {
                    labels[neighbour] = next;
                    waiting.push(neighbour);
                }
            }
        }
        if may_be_one(&glyph, area, grey.height) {
            glyphs.push(glyph);
        }
    }
    if glyphs.len() > GLYPHS_MAX {
        glyphs.clear();
    }
    glyphs.sort_by_key(|glyph| glyph.left);
    Blobs { labels, glyphs }
}

fn may_be_one(glyph: &Glyph, area: usize, picture_height: usize) -> bool {
    let (width, height) = (glyph.right - glyph.left, glyph.bottom - glyph.top);
    let filled = area as f32 / (width * height) as f32;
    height >= HEIGHT_MIN
        && height <= picture_height / 3
        && width * 10 >= height
        && width * 10 <= height * 12
        && (0.18..=0.97).contains(&filled)
}

/// Which pixels differ enough from the mean in a window of `size` pixels around them (Bradley and Roth, Adaptive thresholding using the integral image, 2007).
fn inked(grey: &Grey, size: usize, ink: Ink) -> Vec<bool> {
    let stride = grey.width + 1;
    let mut sums = vec![0u64; stride * (grey.height + 1)];
    for y in 0..grey.height {
        let mut row = 0;
        for x in 0..grey.width {
            row += u64::from(grey.shades[y * grey.width + x]);
            sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
        }
    }
    let half = size / 2;
    let mut dark = Vec::with_capacity(grey.shades.len());
    for y in 0..grey.height {
        let (top, bottom) = (y.saturating_sub(half), (y + half + 1).min(grey.height));
        for x in 0..grey.width {
            let (left, right) = (x.saturating_sub(half), (x + half + 1).min(grey.width));
            let sum = sums[bottom * stride + right] + sums[top * stride + left]
                - sums[top * stride + right]
                - sums[bottom * stride + left];
            let mean = sum as f32 / ((bottom - top) * (right - left)) as f32;
            let shade = f32::from(grey.shades[y * grey.width + x]);
            dark.push(match ink {
                Ink::Dark => shade < mean * DARKER,
                Ink::Bright => shade * DARKER > mean,
            });
        }
    }
    dark
}
