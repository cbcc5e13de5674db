//! What a paid amount contains, and what of it is given back.

use serde::{Deserialize, Serialize};

use super::{QuoteError, TariffBook};
use crate::Timestamp;
use crate::money::Vnd;
use crate::place::codes;

/// What becomes of paid time that is given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unused {
    /// It is lost.
    #[default]
    Kept,
    /// Its share of what was paid is returned, rounded down to whole đồng, or what [`Unused::Repriced`]
    /// returns where that is more: who pays before never pays more than who pays when leaving.
    ProRata,
    /// What was paid beyond the price of the time used is returned.
    Repriced,
}

codes!(Unused { Kept = "kept", ProRata = "pro_rata", Repriced = "repriced" });

impl TariffBook<'_> {
    /// What is returned of `paid` for a session of `from` to `to` that ended at `stop`, by the
    /// tariff in force at its start. Never below zero and never above `paid`.
    ///
    /// # Errors
    /// [`QuoteError::NoTime`] where `to` is not after `from`, and where the time used must be priced
    /// and cannot be.
    pub fn refund(
        &self,
        from: Timestamp,
        to: Timestamp,
        stop: Timestamp,
        paid: Vnd,
    ) -> Result<Vnd, QuoteError> {
        if to <= from {
            return Err(QuoteError::NoTime);
        }
        let tariff = self.in_force(from).ok_or(QuoteError::NoTariff)?;
        let stop = stop.clamp(from, to);
        let beyond_used = || {
            if stop == from {
                return Ok(paid);
            }
            let used = self.quote(from, stop)?.amount_vnd;
            paid.checked_sub(used).ok_or(QuoteError::Overflow)
        };
        let back = match tariff.unused {
            _ if stop == to => 0,
            Unused::Kept => 0,
            Unused::ProRata => {
                let (unused, whole) = (to - stop, to - from);
                let share = paid
                    .portion(unused.num_milliseconds(), whole.num_milliseconds().max(1))
                    .ok_or(QuoteError::Overflow)?;
                share.max(beyond_used()?).get()
            }
            Unused::Repriced => beyond_used()?.get(),
        };
        Ok(Vnd::new(back.clamp(0, paid.get().max(0))))
    }
}
