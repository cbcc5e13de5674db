//! The sums, and how sure they are.

use std::ops::AddAssign;

/// What was due and what came, in đồng.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// How many stays were seen whole.
    pub stays: i64,
    /// How long they were together, in microseconds.
    pub seen_us: i64,
    /// What they should have brought by the board's prices.
    pub due_vnd: i64,
    /// What sessions brought.
    pub collected_vnd: i64,
    /// Due from vehicles whose drivers had paid and were given it back, by somebody's decision.
    pub given_back_vnd: i64,
    /// Due for stays of which no more was unpaid than the grace that everybody has.
    pub grace_vnd: i64,
    /// Due from vehicles with a pass.
    pub pass_vnd: i64,
    /// Due from vehicles that are exempt.
    pub exempt_vnd: i64,
    /// Due from vehicles for which a bay nearby was paid that was empty.
    pub paid_elsewhere_vnd: i64,
    /// Due from vehicles without any session.
    pub unpaid_vnd: i64,
    /// Due from vehicles that paid for a part of their stay.
    pub short_vnd: i64,
    /// Due so far, and not paid yet, from vehicles that are still there or whose driver pays when the session ends.
    pub open_vnd: i64,
    /// Paid for time that was not used, or not yet.
    pub beyond_vnd: i64,
    /// Paid where nobody knows whether a vehicle was there: for all or a part of the session's time the
    /// sensor was silent or in doubt, the stay was not seen whole, or the time is not over.
    pub unknown_vnd: i64,
    /// Paid where the sensor knew that no vehicle was there.
    pub elsewhere_vnd: i64,
    /// How sure that is.
    pub uncertainty: Uncertainty,
}

/// How much was known, and by how much sums may be wrong for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncertainty {
    /// Bay-microseconds of which it was known whether a vehicle was there.
    pub known_us: i64,
    /// Bay-microseconds in all.
    pub total_us: i64,
    /// Stays that are not over.
    pub open_stays: i64,
    /// Stays that reach into time of which nothing is known: they are not among those that are due.
    pub unsure_stays: i64,
    /// By how much less may have been owed, in đồng: what sessions of unseen bays may have paid for.
    pub owed_less_vnd: i64,
    /// By how much more may have been owed, in đồng, beside what is open.
    pub owed_more_vnd: i64,
    /// By how much more may have been due, in đồng.
    pub due_more_vnd: i64,
}

/// Between what and what an amount lies, in đồng, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// At least.
    pub low_vnd: i64,
    /// At most.
    pub high_vnd: i64,
}

impl Bounds {
    /// Whether both are the same.
    pub const fn is_exact(self) -> bool {
        self.low_vnd == self.high_vnd
    }
}

impl Uncertainty {
    /// Whether too little was known to say anything: less than half of the time, as with advice about
    /// prices.
    pub const fn is_too_large(&self) -> bool {
        self.known_us < self.total_us - self.known_us
    }

    /// Whether there is nothing that is not known.
    pub const fn is_none(&self) -> bool {
        self.known_us >= self.total_us && self.open_stays == 0 && self.unsure_stays == 0
    }
}

impl Collection {
    /// What nobody paid who should have, as far as it was seen: the part of the gap that is somebody's
    /// to close.
    pub fn owed_vnd(&self) -> i64 {
        self.unpaid_vnd.saturating_add(self.short_vnd)
    }

    /// Paid where no vehicle was seen.
    pub fn unseen_vnd(&self) -> i64 {
        self.unknown_vnd.saturating_add(self.elsewhere_vnd)
    }

    /// Between what and what [`Self::owed_vnd`] lies once everything is known; what that rests on is
    /// said at the top of this module.
    pub fn owed(&self) -> Bounds {
        let owed = self.owed_vnd();
        let more = self.uncertainty.owed_more_vnd.saturating_add(self.open_vnd);
        Bounds {
            low_vnd: owed.saturating_sub(self.uncertainty.owed_less_vnd),
            high_vnd: owed.saturating_add(more),
        }
    }

    /// The same of what was due. What was seen was due.
    pub fn due(&self) -> Bounds {
        Bounds {
            low_vnd: self.due_vnd,
            high_vnd: self.due_vnd.saturating_add(self.uncertainty.due_more_vnd),
        }
    }

    /// Whether the sums come out.
    pub fn is_balanced(&self) -> bool {
        let due = i128::from(self.due_vnd);
        let sum = |amounts: &[i64]| -> i128 { amounts.iter().copied().map(i128::from).sum() };
        let explained = sum(&[
            self.collected_vnd,
            self.given_back_vnd,
            self.grace_vnd,
            self.pass_vnd,
            self.exempt_vnd,
            self.paid_elsewhere_vnd,
            self.unpaid_vnd,
            self.short_vnd,
            self.open_vnd,
        ]);
        due == explained - sum(&[self.beyond_vnd, self.unknown_vnd, self.elsewhere_vnd])
    }
}

fn add(sum: &mut i64, more: i64) {
    *sum = sum.saturating_add(more);
}

impl AddAssign for Collection {
    fn add_assign(&mut self, other: Self) {
        add(&mut self.stays, other.stays);
        add(&mut self.seen_us, other.seen_us);
        add(&mut self.due_vnd, other.due_vnd);
        add(&mut self.collected_vnd, other.collected_vnd);
        add(&mut self.given_back_vnd, other.given_back_vnd);
        add(&mut self.grace_vnd, other.grace_vnd);
        add(&mut self.pass_vnd, other.pass_vnd);
        add(&mut self.exempt_vnd, other.exempt_vnd);
        add(&mut self.paid_elsewhere_vnd, other.paid_elsewhere_vnd);
        add(&mut self.unpaid_vnd, other.unpaid_vnd);
        add(&mut self.short_vnd, other.short_vnd);
        add(&mut self.open_vnd, other.open_vnd);
        add(&mut self.beyond_vnd, other.beyond_vnd);
        add(&mut self.unknown_vnd, other.unknown_vnd);
        add(&mut self.elsewhere_vnd, other.elsewhere_vnd);
        self.uncertainty += other.uncertainty;
    }
}

impl AddAssign for Uncertainty {
    fn add_assign(&mut self, other: Self) {
        add(&mut self.known_us, other.known_us);
        add(&mut self.total_us, other.total_us);
        add(&mut self.open_stays, other.open_stays);
        add(&mut self.unsure_stays, other.unsure_stays);
        add(&mut self.owed_less_vnd, other.owed_less_vnd);
        add(&mut self.owed_more_vnd, other.owed_more_vnd);
        add(&mut self.due_more_vnd, other.due_more_vnd);
    }
}
