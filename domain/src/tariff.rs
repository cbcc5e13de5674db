//! Tariffs as data, and prices that explain themselves.
//!
//! A [`Tariff`] is one version of the price of one vehicle class in one zone. [`Tariff::quote`]
//! turns it and an interval into lines that sum to the total; there is no other way to a price.

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::money::Vnd;
use crate::place::VehicleClass;

/// The longest interval that is quoted at once: 31 days.
pub const MAX_QUOTED: TimeDelta = TimeDelta::days(31);

const DAY: TimeDelta = TimeDelta::days(1);

/// One version of the price for one vehicle class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// Whom it is for.
    pub class: VehicleClass,
    /// From when on stays that begin are priced by it, until a later version begins.
    pub effective_from: Timestamp,
    /// Stays of at most this many minutes are free of charge.
    pub free_min: u32,
    /// The longest session that may be bought at once, in minutes.
    pub max_stay_min: u32,
    /// At most this for each 24 hours counted from the start of the stay.
    #[serde(default)]
    pub cap_24h_vnd: Option<Vnd>,
    /// How the time is priced.
    pub pricing: Pricing,
}

/// How time becomes money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pricing {
    /// Progressive blocks, counted from the start of the stay.
    Blocks(Vec<Block>),
    /// A flat price for each day or night window of local time that the stay touches.
    Windows(Vec<Window>),
}

/// Every started `per_min` minutes until `until_min` cost `rate_vnd`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Minutes from the start of the stay at which the block ends; `None` for the last.
    #[serde(default)]
    pub until_min: Option<u32>,
    /// The price of one increment.
    pub rate_vnd: Vnd,
    /// The length of one increment in minutes; a started one counts whole.
    pub per_min: u32,
}

/// A part of the day with a flat price. A window may cross midnight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its name in Vietnamese, as it stands on the price board.
    pub name_vi: String,
    /// Its name in English.
    pub name_en: String,
    /// Local time at which it begins.
    pub from: NaiveTime,
    /// Local time at which it ends, which is where the next begins.
    pub to: NaiveTime,
    /// The flat price.
    pub rate_vnd: Vnd,
}

/// A price with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quote {
    /// The sum of the lines.
    pub amount_vnd: Vnd,
    /// The reasons, in order of time. Never empty.
    pub lines: Vec<QuoteLine>,
}

/// One reason of a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuoteLine {
    /// Where the priced interval begins.
    pub from: DateTime<Utc>,
    /// Where it ends.
    pub to: DateTime<Utc>,
    /// The price of one unit.
    pub rate_vnd: Vnd,
    /// How many units are charged.
    pub units: i64,
    /// `rate_vnd` times `units`; negative only in the line that applies a cap.
    pub amount_vnd: Vnd,
    /// The reason in Vietnamese.
    pub text: String,
    /// The reason in English.
    pub text_en: String,
}

/// Why an interval has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The interval is empty or runs backwards.
    #[error("the end must be later than the start")]
    NoTime,
    /// The interval exceeds [`MAX_QUOTED`].
    #[error("at most 31 days can be quoted at once")]
    TooLong,
    /// The amount does not fit.
    #[error("the price is too large to be stated")]
    Overflow,
}

/// Why a tariff is no tariff.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TariffError {
    /// There is nothing to price by.
    #[error("a tariff needs at least one block or window")]
    Empty,
    /// Blocks must follow one another and only the last may be open.
    #[error("block {0}: blocks must end one after the other, and the last must have no end")]
    BlockOrder(usize),
    /// An increment of no length.
    #[error("block {0}: an increment has at least one minute")]
    NoIncrement(usize),
    /// A price below zero.
    #[error("line {0}: a price cannot be negative")]
    Negative(usize),
    /// A block that is no whole number of increments long would charge its last one too high.
    #[error("block {0}: its length must be a whole number of increments")]
    Uneven(usize),
    /// Windows must tile the day.
    #[error("window {0}: it must begin where the one before ends, and together they fill 24 hours")]
    WindowGap(usize),
    /// A session of no length.
    #[error("the longest session must be at least 15 minutes and at most 31 days")]
    MaxStay,
}

/// The version in force for a stay that begins at `at`.
pub fn in_force(tariffs: &[Tariff], class: VehicleClass, at: Timestamp) -> Option<&Tariff> {
    tariffs
        .iter()
        .filter(|tariff| tariff.class == class && tariff.effective_from <= at)
        .max_by_key(|tariff| tariff.effective_from)
}

impl Tariff {
    /// Checks that the tariff prices every moment exactly once and never below zero.
    ///
    /// # Errors
    /// The first rule broken, with the number of the block or window, counted from 1.
    pub fn validate(&self) -> Result<(), TariffError> {
        if self.max_stay_min < 15 || i64::from(self.max_stay_min) > MAX_QUOTED.num_minutes() {
            return Err(TariffError::MaxStay);
        }
        if self.cap_24h_vnd.is_some_and(|cap| cap < Vnd::ZERO) {
            return Err(TariffError::Negative(0));
        }
        match &self.pricing {
            Pricing::Blocks(blocks) => validate_blocks(blocks),
            Pricing::Windows(windows) => validate_windows(windows),
        }
    }

    /// The price of parking from `from` to `to`, with its reasons.
    ///
    /// # Errors
    /// [`QuoteError`] where the interval cannot be priced.
    pub fn quote(&self, tz: Tz, from: Timestamp, to: Timestamp) -> Result<Quote, QuoteError> {
        if to <= from {
            return Err(QuoteError::NoTime);
        }
        if to - from > MAX_QUOTED {
            return Err(QuoteError::TooLong);
        }
        let mut lines = Vec::new();
        if to - from <= TimeDelta::minutes(i64::from(self.free_min)) {
            lines.push(QuoteLine {
                from,
                to,
                rate_vnd: Vnd::ZERO,
                units: 1,
                amount_vnd: Vnd::ZERO,
                text: format!("Miễn phí {} phút đầu", self.free_min),
                text_en: format!("First {} minutes free", self.free_min),
            });
        } else if let Some(cap) = self.cap_24h_vnd {
            let mut start = from;
            while start < to {
                let end = to.min(start + DAY);
                let first = lines.len();
                self.price(tz, start, end, &mut lines)?;
                cap_lines(&mut lines, first, cap, start, end)?;
                start = end;
            }
        } else {
            self.price(tz, from, to, &mut lines)?;
        }
        let amount_vnd = Vnd::checked_sum(lines.iter().map(|line| line.amount_vnd))
            .ok_or(QuoteError::Overflow)?;
        Ok(Quote { amount_vnd, lines })
    }

    fn price(
        &self,
        tz: Tz,
        from: Timestamp,
        to: Timestamp,
        lines: &mut Vec<QuoteLine>,
    ) -> Result<(), QuoteError> {
        match &self.pricing {
            Pricing::Blocks(blocks) => price_blocks(blocks, from, to, lines),
            Pricing::Windows(windows) => price_windows(windows, tz, from, to, lines),
        }
    }
}

fn validate_blocks(blocks: &[Block]) -> Result<(), TariffError> {
    let mut start = 0;
    for (index, block) in blocks.iter().enumerate() {
        let number = index + 1;
        if block.per_min == 0 {
            return Err(TariffError::NoIncrement(number));
        }
        if block.rate_vnd < Vnd::ZERO {
            return Err(TariffError::Negative(number));
        }
        match block.until_min {
            None if number == blocks.len() => return Ok(()),
            Some(end) if end > start && number < blocks.len() => {
                if !(end - start).is_multiple_of(block.per_min) {
                    return Err(TariffError::Uneven(number));
                }
                start = end;
            }
            _ => return Err(TariffError::BlockOrder(number)),
        }
    }
    Err(TariffError::Empty)
}

fn validate_windows(windows: &[Window]) -> Result<(), TariffError> {
    let Some(last) = windows.last() else {
        return Err(TariffError::Empty);
    };
    let mut begin = last.to;
    let mut total = TimeDelta::zero();
    for (index, window) in windows.iter().enumerate() {
        if window.rate_vnd < Vnd::ZERO {
            return Err(TariffError::Negative(index + 1));
        }
        if window.from != begin {
            return Err(TariffError::WindowGap(index + 1));
        }
        let length = window.to - window.from;
        total += if length <= TimeDelta::zero() {
            length + DAY
        } else {
            length
        };
        begin = window.to;
    }
    if total == DAY {
        Ok(())
    } else {
        Err(TariffError::WindowGap(windows.len()))
    }
}

fn line(
    (from, to): (Timestamp, Timestamp),
    rate_vnd: Vnd,
    units: i64,
    text: String,
    text_en: String,
) -> Result<QuoteLine, QuoteError> {
    let amount_vnd = rate_vnd.checked_mul(units).ok_or(QuoteError::Overflow)?;
    Ok(QuoteLine {
        from,
        to,
        rate_vnd,
        units,
        amount_vnd,
        text,
        text_en,
    })
}

fn price_blocks(
    blocks: &[Block],
    from: Timestamp,
    to: Timestamp,
    lines: &mut Vec<QuoteLine>,
) -> Result<(), QuoteError> {
    let mut start_min = 0;
    for block in blocks {
        let start = from + TimeDelta::minutes(i64::from(start_min));
        if start >= to {
            break;
        }
        let end = block.until_min.map_or(to, |until| {
            to.min(from + TimeDelta::minutes(i64::from(until)))
        });
        let step_ms = i64::from(block.per_min) * 60_000;
        let length_ms = (end - start).num_milliseconds().max(1);
        let units = (length_ms - 1) / step_ms + 1;
        let unit = unit_name(block.per_min);
        let (first, last) = (hours(start_min), block.until_min.map(hours));
        let (span_vi, span_en) = match last {
            _ if blocks.len() == 1 => (String::new(), String::new()),
            Some(last) => (
                format!("Từ {first} đến {last} giờ: "),
                format!("Hours {first} to {last}: "),
            ),
            None => (
                format!("Sau {first} giờ: "),
                format!("After {first} hours: "),
            ),
        };
        lines.push(line(
            (start, end),
            block.rate_vnd,
            units,
            format!("{span_vi}{units} × {} mỗi {}", block.rate_vnd, unit.0),
            format!("{span_en}{units} × {} per {}", block.rate_vnd, unit.1),
        )?);
        start_min = block.until_min.unwrap_or(u32::MAX);
    }
    Ok(())
}

/// Minutes as hours, with a fraction only where there is one.
fn hours(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (whole, 0) => whole.to_string(),
        (whole, rest) => format!("{whole}:{rest:02}"),
    }
}

fn unit_name(per_min: u32) -> (String, String) {
    match per_min {
        60 => ("giờ".to_owned(), "hour".to_owned()),
        n if n.is_multiple_of(60) => (format!("{} giờ", n / 60), format!("{} hours", n / 60)),
        n => (format!("{n} phút"), format!("{n} minutes")),
    }
}

fn price_windows(
    windows: &[Window],
    tz: Tz,
    from: Timestamp,
    to: Timestamp,
    lines: &mut Vec<QuoteLine>,
) -> Result<(), QuoteError> {
    let mut start = from;
    while start < to {
        let local = start.with_timezone(&tz).time();
        let Some(window) = windows.iter().find(|window| window.holds(local)) else {
            return Err(QuoteError::Overflow);
        };
        let end = to.min(next_local(tz, start, window.to));
        lines.push(line(
            (start, end),
            window.rate_vnd,
            1,
            format!("{}: {} mỗi lượt", window.name_vi, window.rate_vnd),
            format!("{}: {} flat", window.name_en, window.rate_vnd),
        )?);
        start = end;
    }
    Ok(())
}

impl Window {
    fn holds(&self, time: NaiveTime) -> bool {
        if self.from < self.to {
            self.from <= time && time < self.to
        } else {
            time >= self.from || time < self.to
        }
    }
}

/// The first instant after `after` at which clocks in `tz` show `time`; where they skip it, the
/// instant an hour later, so that every window ends.
fn next_local(tz: Tz, after: Timestamp, time: NaiveTime) -> Timestamp {
    let mut date = after.with_timezone(&tz).date_naive();
    for _ in 0..3 {
        for skipped in [TimeDelta::zero(), TimeDelta::hours(1)] {
            let found = tz
                .from_local_datetime(&(date.and_time(time) + skipped))
                .earliest();
            if let Some(instant) = found.map(|local| local.to_utc()).filter(|at| *at > after) {
                return instant;
            }
        }
        date = date.succ_opt().unwrap_or(date);
    }
    after + DAY
}

fn cap_lines(
    lines: &mut Vec<QuoteLine>,
    first: usize,
    cap: Vnd,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), QuoteError> {
    let amounts = lines.iter().skip(first).map(|line| line.amount_vnd);
    let sum = Vnd::checked_sum(amounts).ok_or(QuoteError::Overflow)?;
    if sum > cap {
        let off = cap.checked_sub(sum).ok_or(QuoteError::Overflow)?;
        lines.push(line(
            (from, to),
            off,
            1,
            format!("Không quá {cap} cho 24 giờ"),
            format!("No more than {cap} in 24 hours"),
        )?);
    }
    Ok(())
}

#[cfg(test)]
#[path = "tariff_tests.rs"]
mod tests;
