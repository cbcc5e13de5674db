//! What makes a tariff sound: every moment has exactly one price, and none is below zero.

use std::fmt;

use chrono::{NaiveTime, TimeDelta, Timelike};

use super::clock::MINUTE;
use super::{Block, Day, Increments, MAX_QUOTED, PassKind, Pricing, Tariff, Window};
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

/// A part of a tariff. Positions count from 0; all `None` is the tariff itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Which of `days`.
    pub rule: Option<usize>,
    /// Which window.
    pub window: Option<usize>,
    /// Which block.
    pub block: Option<usize>,
    /// Which of `passes`.
    pub pass: Option<usize>,
    /// Which of `exemptions`.
    pub ground: Option<usize>,
    /// Which field.
    pub field: Option<&'static str>,
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
        let parts = [
            ("day rule", self.rule),
            ("window", self.window),
            ("block", self.block),
            ("pass", self.pass),
            ("exemption", self.ground),
        ];
        let mut separator = "";
        for (name, index) in parts {
            if let Some(index) = index {
                write!(f, "{separator}{name} {}", index + 1)?;
                separator = ", ";
            }
        }
        if let Some(field) = self.field {
            write!(f, "{separator}{field}")?;
            separator = ", ";
        }
        f.write_str(if separator.is_empty() { "" } else { ": " })
    }
}

/// Collects what is wrong.
struct Faults(Vec<TariffError>);

impl Faults {
    fn add(&mut self, spot: Spot, broken: Broken) {
        self.0.push(TariffError { spot, broken });
    }

    fn price(&mut self, spot: Spot, field: &'static str, price: Option<Vnd>) {
        let spot = Spot {
            field: Some(field),
            ..spot
        };
        match price {
            Some(price) if price < Vnd::ZERO => self.add(spot, Broken::Negative(price)),
            Some(price) if price > MAX_RATE => self.add(spot, Broken::TooHigh(price)),
            _ => {}
        }
    }

    fn names(&mut self, spot: Spot, names: &[&str]) {
        if names.iter().any(|name| name.trim().is_empty()) {
            self.add(spot, Broken::Nameless);
        }
    }
}

impl Tariff {
    /// Checks that the tariff prices every moment exactly once and never below zero.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn validate(&self) -> Result<(), TariffError> {
        self.check().into_iter().next().map_or(Ok(()), Err)
    }

    /// All that is wrong with the tariff; nothing where it is sound.
    pub fn check(&self) -> Vec<TariffError> {
        let mut faults = Faults(Vec::new());
        let whole = Spot::default();
        let field = |name| Spot {
            field: Some(name),
            ..whole
        };
        let longest = MAX_QUOTED.num_minutes();
        if self.max_stay_min < 15 || i64::from(self.max_stay_min) > longest {
            faults.add(field("max_stay_min"), Broken::MaxStay(self.max_stay_min));
        }
        if self.free_min > 24 * 60 {
            faults.add(field("free_min"), Broken::Free(self.free_min));
        }
        if self.vat_bp > 10_000 {
            faults.add(field("vat_bp"), Broken::Vat(self.vat_bp));
        }
        faults.price(whole, "cap_24h_vnd", self.cap_24h_vnd);
        faults.price(whole, "cap_day_vnd", self.cap_day_vnd);
        self.check_pricing(whole, &self.pricing, &mut faults);
        self.check_days(&mut faults);
        self.check_offers(&mut faults);
        faults.0
    }

    fn check_days(&self, faults: &mut Faults) {
        let mut seen = Vec::new();
        for (index, rule) in self.days.iter().enumerate() {
            let spot = Spot {
                rule: Some(index),
                ..Spot::default()
            };
            let on = Spot {
                field: Some("on"),
                ..spot
            };
            faults.names(spot, &[&rule.name_vi, &rule.name_en]);
            if rule.on.is_empty() {
                faults.add(on, Broken::NoDay);
            }
            for day in &rule.on {
                if seen.contains(day) {
                    faults.add(on, Broken::DayTwice(*day));
                }
                seen.push(*day);
            }
            if rule.on.contains(&Day::Holiday) && self.holidays.is_empty() {
                faults.add(on, Broken::NoHolidays);
            }
            self.check_pricing(spot, &rule.pricing, faults);
        }
    }

    fn check_offers(&self, faults: &mut Faults) {
        for (index, offer) in self.passes.iter().enumerate() {
            let spot = Spot {
                pass: Some(index),
                ..Spot::default()
            };
            faults.price(spot, "price_vnd", Some(offer.price_vnd));
            if (offer.kind == PassKind::Day) != offer.hours.is_some() {
                faults.add(spot, Broken::PassHours);
            }
            let before = &self.passes[..index];
            if before.iter().any(|known| known.kind == offer.kind) {
                faults.add(spot, Broken::Twice(offer.kind.code().to_owned()));
            }
        }
        for (index, ground) in self.exemptions.iter().enumerate() {
            let spot = Spot {
                ground: Some(index),
                ..Spot::default()
            };
            faults.names(spot, &[&ground.code, &ground.name_vi, &ground.name_en]);
            let before = &self.exemptions[..index];
            if before.iter().any(|known| known.code == ground.code) {
                faults.add(spot, Broken::Twice(ground.code.clone()));
            }
        }
    }

    fn check_pricing(&self, spot: Spot, pricing: &Pricing, faults: &mut Faults) {
        match pricing {
            Pricing::Blocks(blocks) => self.check_blocks(spot, blocks, faults),
            Pricing::Windows(windows) => {
                for (index, window) in windows.iter().enumerate() {
                    let spot = Spot {
                        window: Some(index),
                        ..spot
                    };
                    faults.names(spot, &[&window.name_vi, &window.name_en]);
                    faults.price(spot, "rate_vnd", Some(window.rate_vnd));
                    if !window.blocks.is_empty() {
                        if window.rate_vnd != Vnd::ZERO {
                            faults.add(spot, Broken::TwoPrices);
                        }
                        self.check_blocks(spot, &window.blocks, faults);
                    }
                }
                check_day_is_filled(spot, windows, faults);
            }
        }
    }

    fn check_blocks(&self, spot: Spot, blocks: &[Block], faults: &mut Faults) {
        if blocks.is_empty() {
            return faults.add(spot, Broken::Empty);
        }
        let mut begin = 0;
        for (index, block) in blocks.iter().enumerate() {
            let spot = Spot {
                block: Some(index),
                ..spot
            };
            faults.price(spot, "rate_vnd", Some(block.rate_vnd));
            faults.price(spot, "min_vnd", block.min_vnd);
            faults.price(spot, "max_vnd", block.max_vnd);
            if let (Some(min), Some(max)) = (block.min_vnd, block.max_vnd)
                && min > max
            {
                faults.add(spot, Broken::Bounds { min, max });
            }
            let per_min = block.per_min;
            let sound = (1..=44_640).contains(&per_min);
            let increment = Spot {
                field: Some("per_min"),
                ..spot
            };
            if !sound {
                faults.add(increment, Broken::Increment(per_min));
            } else if self.increments == Increments::Calendar && 24 * 60 % per_min != 0 {
                faults.add(increment, Broken::NoCalendar(per_min));
            }
            let last = index + 1 == blocks.len();
            let until = Spot {
                field: Some("until_min"),
                ..spot
            };
            match block.until_min {
                None if last => {}
                None => faults.add(spot, Broken::OpenTooEarly),
                Some(end) if last => faults.add(until, Broken::NoEnd(end)),
                Some(end) if end <= begin => {
                    faults.add(until, Broken::Backwards { begin, end });
                }
                Some(end) => {
                    let length = end - begin;
                    let rolling = self.increments == Increments::Rolling;
                    if sound && rolling && !length.is_multiple_of(per_min) {
                        faults.add(until, Broken::Uneven { length, per_min });
                    }
                }
            }
            begin = block.until_min.unwrap_or(begin).max(begin);
        }
    }
}

/// Every minute of the day must lie in exactly one window.
fn check_day_is_filled(spot: Spot, windows: &[Window], faults: &mut Faults) {
    const MINUTES: i64 = 24 * 60;
    let Some(first) = windows.first() else {
        return faults.add(spot, Broken::Empty);
    };
    for (index, window) in windows.iter().enumerate() {
        if window.from.second() != 0 || window.to.second() != 0 {
            let spot = Spot {
                window: Some(index),
                ..spot
            };
            faults.add(spot, Broken::Seconds);
        }
    }
    let start = i64::from(first.from.num_seconds_from_midnight()) / 60;
    let holding = |minute: i64| {
        let time = (start + minute) % MINUTES * MINUTE;
        let holds = windows
            .iter()
            .enumerate()
            .filter(move |(_, w)| w.holds(time));
        (holds.clone().count(), holds.map(|(index, _)| index).last())
    };
    let clock = |minute: i64| NaiveTime::MIN + TimeDelta::minutes((start + minute) % MINUTES);
    let mut minute = 0;
    while minute < MINUTES {
        let begin = minute;
        let (count, last) = holding(minute);
        while minute < MINUTES && holding(minute) == (count, last) {
            minute += 1;
        }
        let (from, to, minutes) = (clock(begin), clock(minute), minute - begin);
        // A gap is told of the window that should have begun there.
        let next = holding(minute % MINUTES).1;
        let spot = Spot {
            window: last.or(next),
            ..spot
        };
        match count {
            0 => faults.add(spot, Broken::WindowGap { from, to, minutes }),
            1 => {}
            _ => faults.add(spot, Broken::WindowOverlap { from, to, minutes }),
        }
    }
}
