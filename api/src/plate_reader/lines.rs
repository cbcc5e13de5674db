//! Letters that stand beside each other as on a plate: in one line, or in two, one below the other.

use super::glyphs::Glyph;

/// How many plates are looked for at most in one picture.
const PLATES_MAX: usize = 6;
/// The steepest line, as rise over run: some 20 degrees.
const SLOPE_MAX: f32 = 0.36;

/// What leaving a letter out adds to the unevenness of the rest: all of them are likelier the plate.
const TRIMMED: f32 = 0.03;

/// Letters beside each other, from left to right.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) glyphs: Vec<Glyph>,
    /// Rise over run.
    pub(super) slope: f32,
    /// The height of its letters.
    pub(super) height: f32,
    /// The middle of all.
    middle: (f32, f32),
    /// How uneven it is: 0 is as if printed.
    uneven: f32,
}

impl Line {
    fn of(glyphs: Vec<Glyph>) -> Self {
        let count = glyphs.len() as f32;
        let middles: Vec<(f32, f32)> = glyphs.iter().map(Glyph::middle).collect();
        let mean = |of: fn(&(f32, f32)) -> f32| middles.iter().map(of).sum::<f32>() / count;
        let (x, y) = (mean(|at| at.0), mean(|at| at.1));
        let run: f32 = middles.iter().map(|at| (at.0 - x).powi(2)).sum();
        let rise: f32 = middles.iter().map(|at| (at.0 - x) * (at.1 - y)).sum();
        let slope = if run > 0.0 { rise / run } else { 0.0 };
        let height = median(glyphs.iter().map(Glyph::height).collect());
        // Seen from the side, they grow from one end to the other.
        let growth = if glyphs.len() >= 4 && run > 0.0 {
            let of = |glyph: &Glyph| (glyph.middle().0 - x) * (glyph.height() - height);
            glyphs.iter().map(of).sum::<f32>() / run
        } else {
            0.0
        };
        let off = |glyph: &Glyph| {
            let at = glyph.middle();
            let aside = (at.1 - y - slope * (at.0 - x)).abs();
            let taller = glyph.height() - height - growth * (at.0 - x);
            (aside + taller.abs()) / height
        };
        let uneven = glyphs.iter().map(off).sum::<f32>() / count;
        Self {
            slope,
            height,
            middle: (x, y),
            uneven,
            glyphs,
        }
    }

    /// The same without what stands out at one of its ends: a piece of the plate's edge.
    fn trimmed(&self) -> Vec<Self> {
        let count = self.glyphs.len();
        let without = |range: std::ops::Range<usize>| {
            let kept = self.glyphs.get(range).filter(|kept| kept.len() >= 3)?;
            let mut line = Self::of(kept.to_vec());
            let better = self.uneven > 0.07 && line.uneven < 0.5 * self.uneven;
            line.uneven += TRIMMED;
            better.then_some(line)
        };
        let ends = [without(1..count), without(0..count - 1)];
        ends.into_iter().flatten().collect()
    }

    fn left(&self) -> f32 {
        self.glyphs.first().map_or(0.0, |glyph| glyph.left as f32)
    }

    fn right(&self) -> f32 {
        self.glyphs.last().map_or(0.0, |glyph| glyph.right as f32)
    }
}

fn median(mut of: Vec<f32>) -> f32 {
    of.sort_by(f32::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(1.0)
}

/// One or two lines that may be a plate, and how likely: less is likelier.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) lines: Vec<Line>,
    pub(super) doubt: f32,
}

/// What in a picture may be a plate, the likeliest first.
pub(super) fn layouts(glyphs: &[Glyph]) -> Vec<Layout> {
    let lines = lines(glyphs);
    let mut found: Vec<Layout> = Vec::new();
    for line in &lines {
        if (7..=9).contains(&line.glyphs.len()) {
            found.push(Layout {
                doubt: line.uneven,
                lines: vec![line.clone()],
            });
        }
    }
    for upper in lines
        .iter()
        .filter(|line| (3..=5).contains(&line.glyphs.len()))
    {
        for lower in lines
            .iter()
            .filter(|line| (4..=5).contains(&line.glyphs.len()))
        {
            if belong_together(upper, lower) {
                found.push(Layout {
                    doubt: (upper.uneven + lower.uneven) / 2.0
                        + (upper.slope - lower.slope).abs()
                        + 0.02,
                    lines: vec![upper.clone(), lower.clone()],
                });
            }
        }
    }
    // Small letters are a sticker's rather than a plate's.
    let tallest = found
        .iter()
        .map(|layout| layout.lines[0].height)
        .fold(1.0, f32::max);
    for layout in &mut found {
        layout.doubt += 0.15 * (1.0 - layout.lines[0].height / tallest);
    }
    found.sort_by(|one, other| one.doubt.total_cmp(&other.doubt));
    found.truncate(PLATES_MAX);
    found
}

/// Whether one line stands right above the other.
fn belong_together(upper: &Line, lower: &Line) -> bool {
    let height = upper.height.max(lower.height);
    let down = lower.middle.1 - upper.middle.1 - upper.slope * (lower.middle.0 - upper.middle.0);
    let aside = (upper.left() + upper.right() - lower.left() - lower.right()).abs() / 2.0;
    upper.height.min(lower.height) > 0.7 * height
        && (0.9 * height..2.0 * height).contains(&down)
        && aside < 0.35 * (lower.right() - lower.left())
        && (upper.slope - lower.slope).abs() < 0.2
}

/// Letters of one height beside each other.
fn lines(glyphs: &[Glyph]) -> Vec<Line> {
    let mut taken = vec![false; glyphs.len()];
    let mut found = Vec::new();
    for start in 0..glyphs.len() {
        if taken[start] {
            continue;
        }
        let mut chain = vec![start];
        // Letters lie from left to right: the next is the nearest of those that fit.
        while let Some(next) = next_of(&chain, glyphs, &taken) {
            chain.push(next);
            if chain.len() > 12 {
                break;
            }
        }
        if chain.len() < 3 {
            continue;
        }
        for &at in &chain {
            taken[at] = true;
        }
        let line = Line::of(chain.into_iter().map(|at| glyphs[at]).collect());
        found.extend(line.trimmed());
        found.push(line);
    }
    found.retain(|line| line.slope.abs() < SLOPE_MAX && line.uneven < 0.35);
    found
}

fn next_of(chain: &[usize], glyphs: &[Glyph], taken: &[bool]) -> Option<usize> {
    let last_at = *chain.last()?;
    let last = &glyphs[last_at];
    let slope = match chain {
        [] | [_] | [_, _] => None,
        _ => {
            let first = glyphs[chain[0]].middle();
            let end = last.middle();
            Some((end.1 - first.1) / (end.0 - first.0).max(1.0))
        }
    };
    let fits = |glyph: &Glyph| {
        let height = last.height();
        let gap = glyph.left as f32 - last.right as f32;
        let run = glyph.middle().0 - last.middle().0;
        let rise = glyph.middle().1 - last.middle().1;
        let aside = match slope {
            Some(slope) => (rise - slope * run).abs() < 0.22 * height,
            None => rise.abs() < SLOPE_MAX * run + 0.05 * height,
        };
        run > 0.0
            && (0.78..1.28).contains(&(glyph.height() / height))
            && gap > -0.15 * height
            && gap < 0.75 * height
            && aside
    };
    glyphs
        .iter()
        .enumerate()
        .skip(last_at + 1)
        .take_while(|(_, glyph)| (glyph.left as f32) < last.right as f32 + last.height())
        .filter(|(at, glyph)| !taken[*at] && fits(glyph))
        .min_by_key(|(_, glyph)| glyph.left)
        .map(|(at, _)| at)
}
