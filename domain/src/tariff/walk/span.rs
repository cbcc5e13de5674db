//! What a walk sums up: steps of one kind, and spans with a cap.

use super::super::Block;
use super::super::text::Subject;
use crate::money::Vnd;

/// Steps of one kind that follow each other: a line to be.
pub(super) struct Charged<'a> {
    pub subject: Subject<'a>,
    pub block: Option<&'a Block>,
    pub anchor: i64,
    pub day: i64,
    pub from: i64,
    pub to: i64,
    pub rate: Vnd,
    pub units: i64,
    /// What all this costs within the block's minimum and maximum.
    pub amount: Vnd,
}

/// A span within which no more than a limit is charged.
pub(super) struct Cap {
    pub limit: Option<Vnd>,
    pub from: i64,
    pub until: i64,
    pub used: Vnd,
    /// What was not charged because of the limit.
    pub off: Vnd,
}

impl Cap {
    pub fn new(limit: Option<Vnd>, from: i64, until: i64) -> Self {
        Self {
            limit,
            from,
            until,
            used: Vnd::ZERO,
            off: Vnd::ZERO,
        }
    }

    /// How much of `amount` may be charged.
    pub fn allow(&mut self, amount: Vnd) -> Option<Vnd> {
        let Some(limit) = self.limit else {
            return Some(amount);
        };
        let allowed = amount.min(limit.checked_sub(self.used)?);
        self.used = self.used.checked_add(allowed)?;
        self.off = self.off.checked_add(amount.checked_sub(allowed)?)?;
        Some(allowed)
    }
}

impl Charged<'_> {
    pub fn raw(&self) -> Option<Vnd> {
        self.rate.checked_mul(self.units)
    }

    pub fn bounded(&self) -> Option<Vnd> {
        let mut amount = self.raw()?;
        if let Some(block) = self.block {
            amount = amount.max(block.min_vnd.unwrap_or(amount));
            amount = amount.min(block.max_vnd.unwrap_or(amount));
        }
        Some(amount)
    }
}
