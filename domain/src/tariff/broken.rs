//! What can be wrong with a tariff.

use std::fmt;

use chrono::NaiveTime;

use super::Day;
use crate::money::Vnd;

/// What is wrong with a tariff, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{spot}{broken}")]
pub struct TariffError {
    /// Where.
    pub spot: Spot,
    /// Which rule is broken.
    pub broken: Broken,
}

/// The way to a part of a tariff; empty for the tariff itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot(Vec<Part>);

/// One step of the way. Positions count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One of `days`.
    Rule(usize),
    /// A window.
    Window(usize),
    /// A block.
    Block(usize),
    /// One of `passes`.
    Pass(usize),
    /// One of `exemptions`.
    Exemption(usize),
    /// A field.
    Field(&'static str),
}

impl Spot {
    /// A part of this part.
    pub fn with(&self, part: Part) -> Self {
        Self(self.0.iter().copied().chain([part]).collect())
    }

    /// What this is a part of; `None` for the tariff itself.
    pub fn whole(&self) -> Option<Self> {
        let (_, whole) = self.0.split_last()?;
        Some(Self(whole.to_vec()))
    }
}

/// A rule of sound tariffs that is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// There is nothing to price by.
    #[error("there is neither a block nor a window to price by")]
    Empty,
    /// The last block must be open.
    #[error("the last block ends at {0} minutes and a longer stay has no price: leave its end out")]
    NoEnd(u32),
    /// Only the last block may be open.
    #[error("it has no end, so that the next block is never reached")]
    OpenTooEarly,
    /// A block must have a length.
    #[error("it ends at {end} minutes but begins at {begin}")]
    Backwards {
        /// Where it begins.
        begin: u32,
        /// Where it ends.
        end: u32,
    },
    /// A block that is no whole number of increments long would charge its last one too high.
    #[error("its {length} minutes are no whole number of increments of {per_min} minutes")]
    Uneven {
        /// Its length in minutes.
        length: u32,
        /// Its increment in minutes.
        per_min: u32,
    },
    /// An increment of no or immense length.
    #[error("an increment has 1 to 44640 minutes, not {0}")]
    Increment(u32),
    /// Increments of the clock must fill a day.
    #[error("calendar increments must fill a day evenly, {0} minutes do not")]
    NoCalendar(u32),
    /// A price below zero.
    #[error("a price cannot be negative: {0}")]
    Negative(Vnd),
    /// A price that nobody can mean.
    #[error("a price of {0} is surely a mistake; the most is {MAX_RATE}")]
    TooHigh(Vnd),
    /// Bounds that exclude each other.
    #[error("its minimum {min} exceeds its maximum {max}")]
    Bounds {
        /// The minimum.
        min: Vnd,
        /// The maximum.
        max: Vnd,
    },
    /// A time of day without a price.
    #[error(
        "nothing is priced from {} to {}: a gap of {minutes} minutes",
        clock(from),
        clock(to)
    )]
    WindowGap {
        /// Where it begins.
        from: NaiveTime,
        /// Where it ends.
        to: NaiveTime,
        /// Its length.
        minutes: i64,
    },
    /// A time of day with two prices.
    #[error(
        "{} to {} is priced twice: an overlap of {minutes} minutes",
        clock(from),
        clock(to)
    )]
    WindowOverlap {
        /// Where it begins.
        from: NaiveTime,
        /// Where it ends.
        to: NaiveTime,
        /// Its length.
        minutes: i64,
    },
    /// Windows begin and end on whole minutes.
    #[error("it must begin and end on a whole minute")]
    Seconds,
    /// A window with two prices.
    #[error("a window has a flat price or blocks, not both")]
    TwoPrices,
    /// A rule for no day.
    #[error("it names no day")]
    NoDay,
    /// A day with two rules.
    #[error("{0} is named twice")]
    DayTwice(Day),
    /// A rule for holidays that nobody listed.
    #[error("it prices holidays, but no holidays are listed")]
    NoHolidays,
    /// A session of no or immense length.
    #[error("the longest session has 15 to 44640 minutes, not {0}")]
    MaxStay(u32),
    /// Free minutes of a day or more.
    #[error("at most 1440 minutes can be free, not {0}")]
    Free(u32),
    /// More tax than price.
    #[error("VAT is at most 10000 basis points (100 %), not {0}")]
    Vat(u16),
    /// A day pass needs hours, and only it.
    #[error("a day pass has hours, a pass for day and night has none")]
    PassHours,
    /// Who pays nothing is exempt, on a ground; a pass is paid for.
    #[error(
        "a pass that costs nothing is an exemption: give it a price, or the ground an [[exemption]]"
    )]
    FreePass,
    /// Two of a kind.
    #[error("{0:?} appears twice")]
    Twice(String),
    /// A name or code of no letters.
    #[error("it needs a code and a name in Vietnamese and in English")]
    Nameless,
}

/// The highest price that is taken for meant.
pub const MAX_RATE: Vnd = Vnd::new(1_000_000_000);

fn clock(time: &NaiveTime) -> impl fmt::Display {
    time.format("%H:%M")
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            match part {
                Part::Rule(index) => write!(f, "day rule {}", index + 1),
                Part::Window(index) => write!(f, "window {}", index + 1),
                Part::Block(index) => write!(f, "block {}", index + 1),
                Part::Pass(index) => write!(f, "pass {}", index + 1),
                Part::Exemption(index) => write!(f, "exemption {}", index + 1),
                Part::Field(name) => f.write_str(name),
            }?;
        }
        f.write_str(if self.0.is_empty() { "" } else { ": " })
    }
}
