//! All versions of one zone's prices for one vehicle class.

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::clock::Clock;
use super::walk::Walk;
use super::{Entitlement, Pass, Quote, QuoteError, QuoteLine, Tariff, text};
use crate::Timestamp;
use crate::money::Vnd;
use crate::place::VehicleClass;

/// The longest interval that is quoted at once: 31 days.
pub const MAX_QUOTED: TimeDelta = TimeDelta::days(31);

/// A vehicle has its free minutes once while it parks in a zone, however many sessions that makes: again only when it
/// has not parked there for an hour. (What signs call "no return within".) Else nobody would pay who stops every session
/// before they are over.
pub const FREE_AGAIN_AFTER: TimeDelta = TimeDelta::hours(1);

/// All versions of one zone's prices for one vehicle class, in a city's local time.
#[derive(Clone, Debug)]
pub struct TariffBook<'a> {
    /// In order of `effective_from`.
    versions: Vec<&'a Tariff>,
    clock: Clock,
    entitlement: Option<&'a Entitlement>,
    parked_before: TimeDelta,
}

impl<'a> TariffBook<'a> {
    /// The versions for `class` among a zone's tariffs.
    pub fn new(tariffs: impl IntoIterator<Item = &'a Tariff>, class: VehicleClass, tz: Tz) -> Self {
        let mut versions: Vec<&Tariff> = tariffs
            .into_iter()
            .filter(|tariff| tariff.class == class)
            .collect();
        versions.sort_by_key(|tariff| tariff.effective_from);
        Self {
            versions,
            clock: Clock(tz),
            entitlement: None,
            parked_before: TimeDelta::zero(),
        }
    }

    /// The version in force at `at`.
    pub fn in_force(&self, at: Timestamp) -> Option<&'a Tariff> {
        self.versions[..self.begun(at)].last().copied()
    }

    /// How many versions have begun at `at`.
    fn begun(&self, at: Timestamp) -> usize {
        self.versions
            .partition_point(|tariff| tariff.effective_from <= at)
    }

    /// The same prices for somebody who is entitled to pay less. That a pass is for this class and
    /// zone is for the caller to see.
    #[must_use]
    pub fn entitled(self, entitlement: Option<&'a Entitlement>) -> Self {
        Self {
            entitlement,
            ..self
        }
    }

    /// The same prices for a vehicle that has parked in the zone for so long before, not [`FREE_AGAIN_AFTER`] ago: its
    /// free minutes are fewer by that.
    #[must_use]
    pub fn after(self, parked_before: TimeDelta) -> Self {
        Self {
            parked_before,
            ..self
        }
    }

    /// The price of parking from `from` to `to`, with its reasons.
    ///
    /// Time that a pass covers is free and does not carry the rest into later blocks; where that
    /// would cost more, as later blocks may be cheaper, the ordinary price holds. An exemption makes
    /// one line that names its ground.
    ///
    /// # Errors
    /// [`QuoteError::NoGround`] where the tariff in force at the start does not know an exemption's
    /// ground, and where the interval cannot be priced.
    pub fn quote(&self, from: Timestamp, to: Timestamp) -> Result<Quote, QuoteError> {
        match self.entitlement {
            None => self.priced(from, to, None),
            Some(Entitlement::Exemption { ground }) => self.exempt(from, to, ground),
            Some(Entitlement::Pass(pass)) => {
                let with = self.priced(from, to, Some(pass))?;
                let without = self.priced(from, to, None)?;
                Ok(if with.amount_vnd <= without.amount_vnd {
                    with
                } else {
                    without
                })
            }
        }
    }

    /// The price of making a stay from `from` last until `to`, for which `paid` has been paid: what
    /// the whole stay costs less that. However often a stay is extended, it costs what it would
    /// have cost at once.
    ///
    /// # Errors
    /// [`QuoteError`] where the whole cannot be priced.
    pub fn extension(
        &self,
        from: Timestamp,
        to: Timestamp,
        paid: Vnd,
    ) -> Result<Quote, QuoteError> {
        let quote = self.quote(from, to)?;
        // Prices may have fallen since; what was paid for a stay is not handed back by extending it.
        let deducted = paid.clamp(Vnd::ZERO, quote.amount_vnd);
        quote.less(deducted, (from, to), text::paid(deducted))
    }

    fn exempt(&self, from: Timestamp, to: Timestamp, ground: &str) -> Result<Quote, QuoteError> {
        let tariff = self.checked(from, to)?;
        let mut known = tariff.exemptions.iter();
        if !known.any(|known| known.code == ground) {
            return Err(QuoteError::NoGround);
        }
        Ok(Quote::line((from, to), Vnd::ZERO, text::exempt()))
    }

    fn priced(
        &self,
        from: Timestamp,
        to: Timestamp,
        pass: Option<&Pass>,
    ) -> Result<Quote, QuoteError> {
        let tariff = self.checked(from, to)?;
        let free = TimeDelta::minutes(i64::from(tariff.free_min));
        let is_short = to - from <= free;
        if is_short && to - from <= free - self.parked_before {
            let texts = text::free_minutes(tariff.free_min);
            return Ok(Quote::line((from, to), Vnd::ZERO, texts));
        }
        let (first, last) = (self.begun(from) - 1, self.begun(to));
        let walk = Walk::new(&self.versions[first..last], self.clock, (from, to), pass);
        let mut quote = walk.quote()?;
        if is_short && quote.amount_vnd > Vnd::ZERO {
            let why = Quote::line((from, to), Vnd::ZERO, text::no_free_minutes());
            quote.lines.extend(why.lines);
        }
        Ok(quote)
    }

    /// The version in force at the start of an interval that can be priced.
    fn checked(&self, from: Timestamp, to: Timestamp) -> Result<&'a Tariff, QuoteError> {
        if to.timestamp_micros() <= from.timestamp_micros() {
            return Err(QuoteError::NoTime);
        }
        if to - from > MAX_QUOTED {
            return Err(QuoteError::TooLong);
        }
        self.in_force(from).ok_or(QuoteError::NoTariff)
    }
}

impl Quote {
    /// No more than `most`, of which the last line says that it was told before.
    ///
    /// # Errors
    /// [`QuoteError::Overflow`] for what no price is.
    pub fn at_most(self, most: Vnd) -> Result<Self, QuoteError> {
        let beyond = self.amount_vnd.checked_sub(most);
        let beyond = beyond.ok_or(QuoteError::Overflow)?.max(Vnd::ZERO);
        let time = self.lines.first().zip(self.lines.last());
        let time = time.map(|(first, last)| (first.from, last.to));
        self.less(beyond, time.unwrap_or_default(), text::told_before(most))
    }

    /// The same less something, for one reason.
    fn less(
        mut self,
        deducted: Vnd,
        (from, to): (Timestamp, Timestamp),
        (text, text_en): text::Texts,
    ) -> Result<Self, QuoteError> {
        if deducted == Vnd::ZERO {
            return Ok(self);
        }
        let off = Vnd::ZERO.checked_sub(deducted);
        let off = off.ok_or(QuoteError::Overflow)?;
        self.lines.push(QuoteLine {
            from,
            to,
            rate_vnd: off,
            units: 1,
            amount_vnd: off,
            text,
            text_en,
        });
        let left = self.amount_vnd.checked_add(off);
        self.amount_vnd = left.ok_or(QuoteError::Overflow)?;
        Ok(self)
    }

    /// A price for one reason.
    pub(super) fn line(
        (from, to): (Timestamp, Timestamp),
        amount_vnd: Vnd,
        (text, text_en): text::Texts,
    ) -> Self {
        Self {
            amount_vnd,
            lines: vec![QuoteLine {
                from,
                to,
                rate_vnd: amount_vnd,
                units: 1,
                amount_vnd,
                text,
                text_en,
            }],
        }
    }
}
