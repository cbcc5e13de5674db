//! What does not hold, and where.

use std::fmt;

use chrono::NaiveDate;
use domain::log::{LATE_DAYS, NoteError, Place, ReportError, Sums, TreeHead};
use domain::money::Vnd;

use crate::{Flaw, OtherKey};

/// By what published revenue is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The city's local date.
    Day,
    /// The ward's code.
    Ward,
    /// The lot's code.
    Lot,
    /// The operator's code.
    Operator,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Day, Self::Ward, Self::Lot, Self::Operator];

    /// As the report's address names it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Ward => "ward",
            Self::Lot => "lot",
            Self::Operator => "operator",
        }
    }
}

/// Something that does not hold, or is worth knowing. Its text says what and where, for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Something that a log must serve is not there.
    NotServed(String),
    /// Something cannot be read.
    Unreadable {
        /// Its path.
        path: String,
        /// Why.
        why: Flaw,
    },
    /// The log is another's, or its key was exchanged: no trusted key has signed it. Then it is the only finding.
    OtherKey(OtherKey),
    /// The checkpoint is not believed.
    Checkpoint(NoteError),
    /// The log has fewer entries than the last time: some were taken away.
    Shrunk {
        /// The head of the last time.
        known: TreeHead,
        /// The head now.
        now: TreeHead,
    },
    /// Two trees of the same size: different people are shown different logs.
    Fork {
        /// The head of the last time.
        known: TreeHead,
        /// The head now.
        now: TreeHead,
    },
    /// The log does not begin with what it was the last time.
    Rewritten {
        /// The head of the last time.
        known: TreeHead,
        /// Between which entries the first difference lies, where that can be told.
        entries: Option<(u64, u64)>,
    },
    /// Too few of the witnesses that are trusted have seen this log.
    NotWitnessed {
        /// How many are needed.
        needed: usize,
        /// How many have.
        found: usize,
    },
    /// Witnesses have seen another log under the same key.
    WitnessedTree {
        /// What they have seen.
        head: TreeHead,
        /// What is served.
        now: TreeHead,
    },
    /// An entry cannot be read.
    Entry {
        /// Which.
        index: u64,
        /// Why.
        why: Flaw,
    },
    /// An entry is not the one that the tree was made of.
    NotInTree {
        /// Which.
        index: u64,
    },
    /// A tile is not made of the entries, or of the tiles below it.
    Tile(String),
    /// The entries do not make the tree that was signed.
    Root {
        /// What was signed.
        signed: TreeHead,
        /// What the entries make.
        made: TreeHead,
    },
    /// An entry counts on a day long before those of entries before it.
    Backdated {
        /// Which.
        index: u64,
        /// Its day.
        day: NaiveDate,
        /// The latest day before it.
        after: NaiveDate,
    },
    /// A signed report is not believed.
    Report {
        /// Its path.
        path: String,
        /// Why.
        why: ReportError,
    },
    /// A report is served under another day or revision than it says.
    ReportElsewhere {
        /// Its path.
        path: String,
        /// The day that it says.
        day: NaiveDate,
    },
    /// A report stands on a tree that is not the beginning of this log.
    ReportTree {
        /// Its day.
        day: NaiveDate,
        /// Its revision.
        revision: u32,
        /// The tree that it names.
        head: TreeHead,
    },
    /// A report says other sums than the log.
    ReportSums {
        /// Its day.
        day: NaiveDate,
        /// Its revision.
        revision: u32,
        /// Where.
        place: Place,
        /// What it says.
        reported: Sums,
        /// What the log has.
        logged: Sums,
    },
    /// A day that was closed long ago has no report of all its entries.
    Unreported {
        /// The day.
        day: NaiveDate,
        /// How many of its entries are in no report.
        entries: u64,
    },
    /// Worth knowing: a day's report was revised.
    Revised {
        /// The day.
        day: NaiveDate,
        /// By how much.
        added_vnd: i64,
    },
    /// What the city publishes is not what the log has.
    Published {
        /// By what it is summed.
        by: By,
        /// Of which of these; `None` is all of them.
        key: Option<String>,
        /// The first day and the last.
        days: (NaiveDate, NaiveDate),
        /// What is published.
        published: i64,
        /// What the log has.
        logged: i64,
    },
}

/// What has not caught up yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The log: money is published as it comes, and has its place in the log and in a signed report seconds after that.
    Log,
    /// What is published: a replica tells it.
    Publication,
}

impl Finding {
    /// What is behind where it may be so for a moment, though all is right.
    pub fn behind(&self) -> Option<Behind> {
        match self {
            Self::Published {
                published, logged, ..
            } if published < logged => Some(Behind::Publication),
            Self::Published { .. } | Self::Unreported { .. } => Some(Behind::Log),
            _ => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vnd = |amount: i64| Vnd::new(amount).to_string();
        match self {
            Self::NotServed(path) => write!(f, "{path} is not served"),
            Self::Unreadable { path, why } => write!(f, "{path} cannot be read: {why}"),
            Self::OtherKey(other) => write!(f, "{other}"),
            Self::Checkpoint(why) => write!(f, "the checkpoint is not believed: {why}"),
            Self::Shrunk { known, now } => write!(
                f,
                "the log has shrunk: {} entries the last time, {} now; entries were taken away, or you are shown another log",
                known.size, now.size
            ),
            Self::Fork { known, now } => write!(
                f,
                "a fork: two logs of {} entries are signed, with root {} the last time and {} now; different people are shown different logs",
                now.size, known.root, now.root
            ),
            Self::Rewritten { known, entries } => {
                write!(
                    f,
                    "the past was changed: the log does not begin with the {} entries of the last time",
                    known.size
                )?;
                match entries {
                    Some((from, to)) => {
                        write!(f, "; the first difference lies in entries {from} to {to}")
                    }
                    None => Ok(()),
                }
            }
            Self::NotWitnessed { needed, found } => write!(
                f,
                "{found} of the witnesses that you trust have seen this log, {needed} are needed: you may be shown another one than they"
            ),
            Self::WitnessedTree { head, now } => write!(
                f,
                "a fork: the witnesses have seen a log of {} entries with root {}, with which the {} entries that are served do not begin",
                head.size, head.root, now.size
            ),
            Self::Entry { index, why } => write!(f, "entry {index}: {why}"),
            Self::NotInTree { index } => write!(
                f,
                "entry {index} is not the one that the tree was made of: it was changed, exchanged or inserted"
            ),
            Self::Tile(path) => write!(
                f,
                "{path} does not fit the entries and tiles that it is made of"
            ),
            Self::Root { signed, made } => write!(
                f,
                "the {} entries that are served make the root {}, signed was {} of {} entries",
                made.size, made.root, signed.root, signed.size
            ),
            Self::Backdated { index, day, after } => write!(
                f,
                "entry {index} counts on {day}, though an entry before it counts on {after}: backdated"
            ),
            Self::Report { path, why } => write!(f, "{path} is not believed: {why}"),
            Self::ReportElsewhere { path, day } => write!(f, "{path} is the report of {day}"),
            Self::ReportTree {
                day,
                revision,
                head,
            } => write!(
                f,
                "the report of {day} (revision {revision}) stands on a tree of {} entries that is not the beginning of this log",
                head.size
            ),
            Self::ReportSums {
                day,
                revision,
                place,
                reported,
                logged,
            } => write!(
                f,
                "the report of {day} (revision {revision}) says {} of {} receipts and {} refunds for lot {} (ward {}, operator {}); the log has {} of {} receipts and {} refunds",
                vnd(reported.revenue_vnd()),
                reported.receipts,
                reported.refunds,
                place.lot,
                place.ward,
                place.operator,
                vnd(logged.revenue_vnd()),
                logged.receipts,
                logged.refunds
            ),
            Self::Unreported { day, entries } => match entries {
                1 => write!(f, "1 entry of {day} is in no signed report"),
                _ => write!(f, "{entries} entries of {day} are in no signed report"),
            },
            Self::Revised { day, added_vnd } => write!(
                f,
                "the report of {day} was revised: {} came after it was first signed. That is by rule: what banks tell late counts on its day for {LATE_DAYS} days; each đồng of it is an entry of this log, which the revised report was compared with",
                vnd(*added_vnd)
            ),
            Self::Published {
                by,
                key,
                days: (from, to),
                published,
                logged,
            } => {
                let by = by.code();
                match key {
                    None => write!(f, "published for the total by {by} of {from} to {to}")?,
                    Some(key) => write!(f, "published for {by} {key}, {from} to {to}")?,
                }
                write!(f, ": {}; the log has {}", vnd(*published), vnd(*logged))
            }
        }
    }
}
