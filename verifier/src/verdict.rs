//! What was found of a log.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use domain::Timestamp;
use domain::log::{Cosignature, Sums, TreeHead};

use crate::{Behind, Finding, Memory, OtherKey};

/// Why nothing can be told: at that address is no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLog {
    /// It has no checkpoint.
    NotServed,
    /// What it serves as one is none.
    NoCheckpoint,
}

impl fmt::Display for NoLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotServed => "there is no public log: /log/checkpoint is not served",
            Self::NoCheckpoint => {
                "there is no public log: what is served as /log/checkpoint is no log's checkpoint"
            }
        })
    }
}

/// What was found.
#[derive(Debug)]
pub struct Verdict {
    /// Why nothing can be told, where there is no log: then there is nothing else either.
    pub no_log: Option<NoLog>,
    /// What does not hold. Empty: everything holds, unless there is no log.
    pub findings: Vec<Finding>,
    /// What holds and yet is worth knowing.
    pub notes: Vec<Finding>,
    /// The tree head that was checked.
    pub head: Option<TreeHead>,
    /// The tree head that was known from the last time.
    pub known: Option<TreeHead>,
    /// The tree head that trusted witnesses have seen, and which of them.
    pub witnessed: Option<(TreeHead, Vec<Cosignature>)>,
    /// What was collected and given back, by day, as the log has it: of days that have a signed report, with
    /// which it was compared.
    pub days: BTreeMap<NaiveDate, Sums>,
    /// The same of days that have none yet, so that there is nothing published to compare it with.
    pub unpublished: BTreeMap<NaiveDate, Sums>,
    /// How many signed reports were compared.
    pub reports: usize,
    /// How many published totals were compared.
    pub totals: usize,
    /// Until when every receipt is in them, where the city tells.
    pub complete_until: Option<Timestamp>,
    /// What to remember until the next time; `None` where something does not hold: then the old is kept.
    pub memory: Option<Memory>,
}

impl Verdict {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.findings.is_empty() && self.no_log.is_none()
    }

    /// Whether it holds and is empty: there is nothing yet that could be added up.
    pub fn is_empty(&self) -> bool {
        self.holds() && self.head.is_some_and(|head| head.size == 0)
    }

    /// Whether all that was found may be so for a moment, so that it is worth asking again before anybody is blamed.
    pub fn may_settle(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(|it| it.behind().is_some())
    }

    /// Whether all that was found is money that is published and not in the log, or not in a report.
    pub fn is_ahead(&self) -> bool {
        let is_ahead = |finding: &Finding| finding.behind() == Some(Behind::Log);
        !self.findings.is_empty() && self.findings.iter().all(is_ahead)
    }

    /// Whether what is published tells less than what the log had at a moment.
    pub fn is_published_before(&self, moment: Timestamp) -> bool {
        self.complete_until.is_some_and(|until| until < moment)
    }

    /// That the log is signed by none of the keys that are trusted, where that is all that was found.
    pub fn other_key(&self) -> Option<&OtherKey> {
        match self.findings.as_slice() {
            [Finding::OtherKey(other)] => Some(other),
            _ => None,
        }
    }
}

/// The sum of several days.
pub fn total(days: &BTreeMap<NaiveDate, Sums>) -> Sums {
    let mut total = Sums::default();
    days.values().for_each(|sums| total.plus(sums));
    total
}
