//! The walk along a stay that makes its price.
//!
//! Equal steps that follow each other are taken at once, up to the next moment at which anything
//! about the price may change.

use super::clock::{Clock, DAY, MINUTE, instant, time_of_day};
use super::text::{self, Subject, Texts};
use super::{
    Block, DayRule, Increments, Pass, Pricing, Quote, QuoteError, QuoteLine, Tariff, Window,
};
use crate::Timestamp;
use crate::money::Vnd;

mod span;

use span::{Cap, Charged};

/// A walk, with all that it has to remember. Times are microseconds since 1970.
pub(super) struct Walk<'a> {
    /// The versions in force from the start of the stay to its end, in order.
    versions: &'a [&'a Tariff],
    clock: Clock,
    pass: Option<&'a Pass>,
    stay: (Timestamp, Timestamp),
    from: i64,
    to: i64,
    /// Where the next step begins.
    at: i64,
    /// Which version is in force there.
    version: usize,
    /// Whence blocks are counted.
    anchor: i64,
    /// The local day there, counted from 1970-01-01; kept only where days matter.
    today: i64,
    charged: Option<Charged<'a>>,
    day: Cap,
    period: Cap,
    lines: Vec<QuoteLine>,
    total: Vnd,
}

impl<'a> Walk<'a> {
    /// A walk that has not begun. `versions` begins with the one in force at the start.
    pub(super) fn new(
        versions: &'a [&'a Tariff],
        clock: Clock,
        stay: (Timestamp, Timestamp),
        pass: Option<&'a Pass>,
    ) -> Self {
        let (from, to) = (stay.0.timestamp_micros(), stay.1.timestamp_micros());
        let days_matter = versions
            .iter()
            .any(|tariff| tariff.cap_day_vnd.is_some() || !tariff.days.is_empty());
        Self {
            versions,
            clock,
            pass,
            stay,
            from,
            to,
            at: from,
            version: 0,
            anchor: from,
            today: 0,
            charged: None,
            // Spans that have ended make the first step open new ones.
            day: Cap::new(None, from, if days_matter { from } else { i64::MAX }),
            period: Cap::new(None, from, from),
            lines: Vec::with_capacity(4),
            total: Vnd::ZERO,
        }
    }

    /// Walks to the end of the stay.
    pub(super) fn quote(mut self) -> Result<Quote, QuoteError> {
        while self.at < self.to {
            self.step()?;
        }
        self.close()?;
        self.close_day()?;
        self.close_period()?;
        Ok(Quote {
            amount_vnd: self.total,
            lines: self.lines,
        })
    }

    /// Takes equal steps, as many as there are.
    fn step(&mut self) -> Result<(), QuoteError> {
        // A step of this kind must begin before that.
        let mut limit = self.to;
        while let Some(next) = self.versions.get(self.version + 1) {
            let begins = next.effective_from.timestamp_micros();
            if begins > self.at {
                limit = limit.min(begins);
                break;
            }
            self.version += 1;
        }
        let tariff: &'a Tariff = self
            .versions
            .get(self.version)
            .ok_or(QuoteError::NoTariff)?;
        if self.at >= self.day.until {
            self.open_day(tariff)?;
        }
        if self.at >= self.period.until {
            self.open_period(tariff)?;
        }
        limit = limit.min(self.day.until);
        if self.period.limit.is_some() {
            limit = limit.min(self.period.until);
        }
        if let Some(pass) = self.pass {
            let (covered, until) = pass.covers(self.clock, self.at);
            if covered {
                return self.covered(pass, limit.min(until));
            }
            limit = limit.min(until);
        }
        let rule = tariff.day_rule(self.today);
        match rule.map_or(&tariff.pricing, |rule| &rule.pricing) {
            Pricing::Blocks(blocks) => self.blocks(tariff, rule, None, blocks, limit),
            Pricing::Windows(windows) => {
                let (_, time) = self.clock.local(self.at);
                let window = windows
                    .iter()
                    .find(|window| window.holds(time))
                    .ok_or(QuoteError::NoTariff)?;
                let end = self.clock.next(self.at, time_of_day(window.to));
                if window.blocks.is_empty() {
                    let subject = self.subject(rule, Some(window), None);
                    self.charge(subject, None, window.rate_vnd, 1, end)
                } else {
                    self.blocks(tariff, rule, Some(window), &window.blocks, limit.min(end))
                }
            }
        }
    }

    /// Takes steps of the block that the time since the anchor has reached.
    fn blocks(
        &mut self,
        tariff: &Tariff,
        rule: Option<&'a DayRule>,
        window: Option<&'a Window>,
        blocks: &'a [Block],
        limit: i64,
    ) -> Result<(), QuoteError> {
        let end_of = |block: &Block| {
            block.until_min.map_or(i64::MAX, |minutes| {
                self.anchor + i64::from(minutes) * MINUTE
            })
        };
        let (index, block) = blocks
            .iter()
            .enumerate()
            .find(|(_, block)| self.at < end_of(block))
            .ok_or(QuoteError::NoTariff)?;
        let limit = limit.min(end_of(block));
        let step = i64::from(block.per_min.max(1)) * MINUTE;
        let first_end = match tariff.increments {
            Increments::Rolling => self.at + step,
            Increments::Calendar => self.clock.step_end(self.at, step),
        };
        // One at a time where clocks are changed meanwhile, for then steps differ in length.
        let even = tariff.increments == Increments::Rolling || self.clock.even(self.at, limit);
        let more = if even && limit > first_end {
            (limit - first_end - 1) / step + 1
        } else {
            0
        };
        let subject = self.subject(rule, window, Some((blocks, index)));
        self.charge(
            subject,
            Some(block),
            block.rate_vnd,
            1 + more,
            first_end + more * step,
        )
    }

    fn subject(
        &self,
        rule: Option<&'a DayRule>,
        window: Option<&'a Window>,
        blocks: Option<(&'a [Block], usize)>,
    ) -> Subject<'a> {
        let changed = match self.version {
            0 => None,
            version => self.versions.get(version).copied(),
        };
        Subject {
            changed,
            rule,
            window,
            blocks,
        }
    }

    /// Charges `units` steps from here to `end`.
    fn charge(
        &mut self,
        subject: Subject<'a>,
        block: Option<&'a Block>,
        rate: Vnd,
        units: i64,
        end: i64,
    ) -> Result<(), QuoteError> {
        let end = match self.period.limit {
            // What a cap holds for ends with it.
            Some(_) => end.min(self.period.until),
            None => end,
        };
        // Under a day's cap a block's minimum and maximum count anew each day, as the cap does.
        let day = self.day.limit.map_or(0, |_| self.today);
        let continues = self.charged.as_ref().is_some_and(|charged| {
            let same = match (charged.block, block) {
                (Some(before), Some(block)) => std::ptr::eq(before, block),
                _ => false,
            };
            same && charged.anchor == self.anchor && charged.day == day
        });
        if !continues {
            self.close()?;
        }
        let at = self.at;
        let charged = self.charged.get_or_insert(Charged {
            subject,
            block,
            anchor: self.anchor,
            day,
            from: at,
            to: at,
            rate,
            units: 0,
            amount: Vnd::ZERO,
        });
        charged.to = end;
        charged.units += units;
        let amount = charged.bounded().ok_or(QuoteError::Overflow)?;
        let more = amount
            .checked_sub(charged.amount)
            .ok_or(QuoteError::Overflow)?;
        charged.amount = amount;
        let allowed = self
            .day
            .allow(more)
            .and_then(|more| self.period.allow(more));
        self.total = allowed
            .and_then(|more| self.total.checked_add(more))
            .ok_or(QuoteError::Overflow)?;
        self.at = end;
        Ok(())
    }

    /// Passes over the time until `until`, which is paid for by a pass and counts for no block.
    fn covered(&mut self, pass: &Pass, until: i64) -> Result<(), QuoteError> {
        self.close()?;
        self.line(
            (self.at, until),
            Vnd::ZERO,
            1,
            Vnd::ZERO,
            text::pass(pass.offer.kind),
        );
        self.anchor += until - self.at;
        self.at = until;
        Ok(())
    }

    fn open_day(&mut self, tariff: &Tariff) -> Result<(), QuoteError> {
        if self.day.off > Vnd::ZERO {
            self.close()?;
        }
        self.close_day()?;
        self.today = self.clock.local(self.at).0;
        self.day = Cap::new(tariff.cap_day_vnd, self.at, self.clock.next(self.at, 0));
        Ok(())
    }

    fn close_day(&mut self) -> Result<(), QuoteError> {
        if let Some(limit) = self.day.limit.filter(|_| self.day.off > Vnd::ZERO) {
            let texts = text::cap_day(limit, self.day.from, self.clock);
            self.deduct((self.day.from, self.day.until), self.day.off, texts)?;
        }
        Ok(())
    }

    /// Opens the 24 hours, counted from the start of the stay, in which the next step begins.
    fn open_period(&mut self, tariff: &Tariff) -> Result<(), QuoteError> {
        if self.period.limit.is_some() {
            self.close()?;
            self.close_period()?;
        }
        let begins = self.at - (self.at - self.from) % DAY;
        self.period = Cap::new(tariff.cap_24h_vnd, begins, begins + DAY);
        if tariff.cap_24h_vnd.is_some() {
            self.anchor = begins;
        }
        Ok(())
    }

    fn close_period(&mut self) -> Result<(), QuoteError> {
        if let Some(limit) = self.period.limit.filter(|_| self.period.off > Vnd::ZERO) {
            let texts = text::cap_24h(limit);
            self.deduct(
                (self.period.from, self.period.until),
                self.period.off,
                texts,
            )?;
        }
        Ok(())
    }

    /// Writes the line of what was charged last, and what its block's minimum or maximum makes of
    /// it.
    fn close(&mut self) -> Result<(), QuoteError> {
        let Some(charged) = self.charged.take() else {
            return Ok(());
        };
        let span = (charged.from, charged.to);
        let raw = charged.raw().ok_or(QuoteError::Overflow)?;
        let texts = text::charge(&charged.subject, self.clock, charged.rate, charged.units);
        self.line(span, charged.rate, charged.units, raw, texts);
        if charged.amount > raw {
            let more = charged
                .amount
                .checked_sub(raw)
                .ok_or(QuoteError::Overflow)?;
            self.line(span, more, 1, more, text::at_least(charged.amount));
        } else if charged.amount < raw {
            let less = raw
                .checked_sub(charged.amount)
                .ok_or(QuoteError::Overflow)?;
            self.deduct(span, less, text::at_most(charged.amount))?;
        }
        Ok(())
    }

    fn deduct(&mut self, span: (i64, i64), off: Vnd, texts: Texts) -> Result<(), QuoteError> {
        let amount = Vnd::ZERO.checked_sub(off).ok_or(QuoteError::Overflow)?;
        self.line(span, amount, 1, amount, texts);
        Ok(())
    }

    fn line(
        &mut self,
        (from, to): (i64, i64),
        rate_vnd: Vnd,
        units: i64,
        amount_vnd: Vnd,
        texts: Texts,
    ) {
        self.lines.push(QuoteLine {
            from: if from <= self.from {
                self.stay.0
            } else {
                instant(from)
            },
            to: if to >= self.to {
                self.stay.1
            } else {
                instant(to)
            },
            rate_vnd,
            units,
            amount_vnd,
            text: texts.0,
            text_en: texts.1,
        });
    }
}
