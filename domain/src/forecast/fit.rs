//! The regression: one set of weights for each hour of the day, each learnt from the hours around.

use std::ops::Range;

use super::DAY;
use super::week::{FEATURES, Quarter, USUAL_CHANGE};

/// Hours of the day.
pub(super) const HOURS: usize = 24;
/// After how many days a sample counts half.
const HALF_LIFE_DAYS: f64 = 12.0;
/// How hard the weights are held: the day's at the usual change, an hour's at the day's.
const RIDGE: f64 = 0.15;
/// How far in hours one hour learns from another (standard deviation).
const REACH_HOURS: f64 = 1.0;
/// Beyond this many hours it learns nothing.
const REACH_MAX: usize = 3;
/// An error of this share or less counts squared, a greater one by its size.
const ERROR_MIN: f64 = 0.01;
/// An error of this share keeps its sample's weight.
const ERROR_USUAL: f64 = 0.05;
/// Weeks that are foretold from those before to see what is missed. The last holds all that is
/// older, and is foretold from those after.
const FOLDS: usize = 6;

type Weights = [f64; FEATURES];

/// A change that was seen, and what was known before it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    features: [f64; FEATURES],
    change: f64,
    weight: f64,
    quarter: Quarter,
    fold: usize,
}

impl Sample {
    /// From `quarter` on, learnt at quarter `end`.
    pub(super) fn new(quarter: Quarter, features: Weights, change: f64, end: i64) -> Self {
        let age = end - quarter.index;
        Self {
            features,
            change,
            weight: 0.5f64.powf(age as f64 / DAY as f64 / HALF_LIFE_DAYS),
            quarter,
            fold: usize::try_from(age / (7 * DAY)).map_or(0, |week| week.min(FOLDS - 1)),
        }
    }

    fn missed_by(&self, model: &Model) -> f64 {
        self.change - model.change(self.quarter, &self.features)
    }
}

/// What a model that had not seen a change missed it by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missed {
    /// From when on.
    pub quarter: Quarter,
    /// The change less the expected one.
    pub share: f64,
}

/// The weights of each hour.
#[derive(Clone, Debug)]
pub(super) struct Model(Vec<Weights>);

impl Model {
    /// The expected change of the share.
    pub(super) fn change(&self, from: Quarter, features: &[f64; FEATURES]) -> f64 {
        dot(&self.0[from.hour()], features)
    }

    fn solve(hours: &[Sums]) -> Self {
        let mut day = Sums::default();
        hours.iter().for_each(|hour| day.add(hour, 1.0));
        let mut usual = [0.0; FEATURES];
        usual[USUAL_CHANGE] = 1.0;
        let day = day.solve(&usual);
        let solve = |hour: usize| {
            let mut sums = Sums::default();
            for (other, part) in hours.iter().enumerate() {
                let apart = hour.abs_diff(other).min(HOURS - hour.abs_diff(other));
                if apart <= REACH_MAX {
                    let reach = apart as f64 / REACH_HOURS;
                    sums.add(part, (-0.5 * reach * reach).exp());
                }
            }
            sums.solve(&day)
        };
        Self((0..HOURS).map(solve).collect())
    }
}

/// The model of all samples, and what models of earlier weeks missed in the weeks that followed.
pub(super) fn fit(samples: &[Sample]) -> (Model, Vec<Missed>) {
    let mut hours = vec![Sums::default(); HOURS];
    for sample in samples {
        hours[sample.quarter.hour()].take(sample, sample.weight);
    }
    // Least squares first; then large errors lose weight, so that it is about the middle.
    let squares = Model::solve(&hours);
    let mut folds = vec![vec![Sums::default(); HOURS]; FOLDS];
    for sample in samples {
        let error = sample.missed_by(&squares).abs().max(ERROR_MIN);
        let weight = sample.weight * ERROR_USUAL / error;
        folds[sample.fold][sample.quarter.hour()].take(sample, weight);
    }
    let of = |weeks: Range<usize>| {
        let mut hours = vec![Sums::default(); HOURS];
        for week in &folds[weeks] {
            for (sum, part) in hours.iter_mut().zip(week) {
                sum.add(part, 1.0);
            }
        }
        Model::solve(&hours)
    };
    let oldest = FOLDS - 1;
    let mut unseen: Vec<_> = (0..oldest).map(|week| of(week + 1..FOLDS)).collect();
    unseen.push(of(0..oldest));
    let missed = samples.iter().map(|sample| Missed {
        quarter: sample.quarter,
        share: sample.missed_by(&unseen[sample.fold]),
    });
    (of(0..FOLDS), missed.collect())
}

/// The sums of a weighted least-squares regression; of the square only the lower half.
#[derive(Clone, Debug, Default)]
struct Sums {
    square: [Weights; FEATURES],
    right: Weights,
}

impl Sums {
    fn take(&mut self, sample: &Sample, weight: f64) {
        for (row, of_row) in sample.features.iter().enumerate() {
            let weighted = weight * of_row;
            self.right[row] += weighted * sample.change;
            for (sum, of_column) in self.square[row][..=row].iter_mut().zip(&sample.features) {
                *sum += weighted * of_column;
            }
        }
    }

    fn add(&mut self, other: &Self, part: f64) {
        for row in 0..FEATURES {
            self.right[row] += part * other.right[row];
            for column in 0..=row {
                self.square[row][column] += part * other.square[row][column];
            }
        }
    }

    /// The weights that fit best while they stay near `held`, by Cholesky's decomposition.
    fn solve(&self, held: &Weights) -> Weights {
        let (mut lower, mut weights) = (self.square, self.right);
        for row in 0..FEATURES {
            lower[row][row] += RIDGE;
            weights[row] += RIDGE * held[row];
        }
        for row in 0..FEATURES {
            for column in 0..=row {
                let (above, below) = lower.split_at(row);
                let done = if column == row {
                    dot(&below[0][..column], &below[0][..column])
                } else {
                    dot(&below[0][..column], &above[column][..column])
                };
                let rest = lower[row][column] - done;
                lower[row][column] = if column < row {
                    rest / lower[column][column]
                } else {
                    // The ridge keeps it above zero; rounding may not make it less.
                    rest.max(RIDGE * 1e-6).sqrt()
                };
            }
        }
        for row in 0..FEATURES {
            let done = dot(&lower[row][..row], &weights[..row]);
            weights[row] = (weights[row] - done) / lower[row][row];
        }
        for row in (0..FEATURES).rev() {
            let below = (row + 1..FEATURES).map(|under| lower[under][row] * weights[under]);
            weights[row] = (weights[row] - below.sum::<f64>()) / lower[row][row];
        }
        weights
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
