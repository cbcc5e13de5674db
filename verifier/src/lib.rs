//! Checks a city's public log for somebody who trusts neither the operators nor the city: from a pinned key,
//! and what the log serves.
//!
//! [`Verifier`] fetches nothing and keeps nothing: it says what it wants ([`Verifier::wants`]), is given it
//! ([`Verifier::give`]), and tells in the end what holds and what does not ([`Verifier::verdict`]). So the
//! command line and the page in the browser are the same code. What is checked is written down in
//! `docs/public-log.md`.

#[cfg(feature = "browser")]
pub mod browser;
mod entries;
mod finding;
mod flaw;
mod memory;
mod patience;
mod pinned;
mod published;
mod receipt;
mod reports;
mod tally;
#[cfg(test)]
mod tests;
mod verdict;
pub mod vietnamese;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;
use domain::log::{Cosignature, LogKeys, LogPath, NoteError, Place, Sums, TreeHead, Witnesses};

pub use finding::{Behind, By, Finding};
pub use flaw::Flaw;
pub use memory::{Memory, MemoryError};
pub use patience::{Next, Patience};
pub use pinned::{OtherKey, PinError, Pinned};
pub use receipt::{CODE_MARK, Held, HeldError, ReceiptError, Unproven};
pub use verdict::{NoLog, Verdict, total};

use entries::Entries;
use published::{Compared, Published};
use reports::Reports;
use tally::Tally;

/// The log's own list of its keys, which counts as far as a trusted key has signed it.
const KEYS: &str = "/log/keys";
/// The newest tree head that witnesses have seen.
const WITNESSED: &str = "/log/checkpoint/witnessed";

/// What came of fetching something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its bytes.
    Body(Vec<u8>),
    /// The server says that there is no such thing.
    NotFound,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Entries that were checked.
    pub entries: u64,
    /// Entries that there are; 0 before that is known.
    pub of: u64,
}

/// Sums by day and place.
pub(crate) type DaySums = BTreeMap<NaiveDate, BTreeMap<Place, Sums>>;

enum Phase {
    /// Whether it is a log, and one that a trusted key has signed; which reports there are.
    Begin,
    /// The reports themselves.
    Reports,
    /// The signed head, after the reports, so that it is newer than what they stand on.
    Checkpoint,
    /// Entries and tiles.
    Entries(Box<Entries>),
    /// What the city publishes.
    Published(Published),
    Done,
}

/// A check of one log.
pub struct Verifier {
    keys: LogKeys,
    witnesses: Witnesses,
    known: Option<Memory>,
    witnessed: Option<(TreeHead, Vec<Cosignature>)>,
    phase: Phase,
    /// What was asked for, with what has come of it.
    asked: BTreeMap<String, Option<Answer>>,
    reports: Reports,
    tally: Tally,
    head: Option<TreeHead>,
    memory: Option<Memory>,
    compared: Compared,
    no_log: Option<NoLog>,
    findings: Vec<Finding>,
    notes: Vec<Finding>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("origin", &self.keys.origin())
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Begins. `known` is what was remembered of the last time, for the same log.
    pub fn new(keys: LogKeys, witnesses: Witnesses, known: Option<Memory>) -> Self {
        let known = known.filter(|known| known.origin == keys.origin());
        let first = [
            at(LogPath::Checkpoint),
            KEYS.to_owned(),
            reports::LIST.to_owned(),
        ];
        Self {
            keys,
            witnesses,
            known,
            witnessed: None,
            phase: Phase::Begin,
            asked: first.map(|path| (path, None)).into(),
            reports: Reports::default(),
            tally: Tally::default(),
            head: None,
            memory: None,
            compared: Compared::default(),
            no_log: None,
            findings: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        self.keys.origin()
    }

    /// What it wants, as paths below the city's address, in any order; nothing where it is done.
    pub fn wants(&self) -> Vec<String> {
        let open = self.asked.iter().filter(|(_, answer)| answer.is_none());
        open.map(|(path, _)| path.clone()).collect()
    }

    /// Gives it what it wanted. What it did not want is passed over.
    pub fn give(&mut self, path: &str, answer: Answer) {
        if let Some(place) = self.asked.get_mut(path) {
            *place = Some(answer);
        }
        while !matches!(self.phase, Phase::Done) && self.asked.values().all(Option::is_some) {
            let answers = std::mem::take(&mut self.asked);
            let answers = answers.into_iter();
            let answers = answers.filter_map(|(path, answer)| Some((path, answer?)));
            self.go_on(&answers.collect());
        }
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        Progress {
            entries: self.tally.entries(),
            of: self.head.map_or(0, |head| head.size),
        }
    }

    /// What was found.
    pub fn verdict(self) -> Verdict {
        let reported: BTreeSet<NaiveDate> = self.reports.days();
        let days = self.tally.days().into_iter();
        let (days, unpublished) = days.partition(|(day, _)| reported.contains(day));
        Verdict {
            no_log: self.no_log,
            memory: self.memory.filter(|_| self.findings.is_empty()),
            findings: self.findings,
            notes: self.notes,
            head: self.head,
            known: self.known.map(|known| known.head()),
            witnessed: self.witnessed,
            days,
            unpublished,
            reports: self.reports.len(),
            totals: self.compared.totals,
            complete_until: self.compared.complete_until,
        }
    }

    fn go_on(&mut self, answers: &BTreeMap<String, Answer>) {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Begin => {
                // Where no trusted key has signed it, it says nothing.
                if let Some(Answer::Body(list)) = answers.get(KEYS)
                    && let Ok(keys) = self.keys.with_list(list)
                {
                    self.keys = keys;
                }
                if !self.is_ours(answers) {
                    return;
                }
                let body = self.body(reports::LIST, answers);
                let wanted = body.and_then(|body| self.reports.list(&body, &mut self.findings));
                let mut wanted = wanted.unwrap_or_default();
                if !self.witnesses.is_empty() {
                    wanted.push(WITNESSED.to_owned());
                }
                self.ask(wanted);
                self.phase = Phase::Reports;
            }
            Phase::Reports => {
                for (path, answer) in answers {
                    match answer {
                        _ if path == WITNESSED => self.witnessed(answer),
                        Answer::Body(note) => {
                            self.reports.add(path, note, &self.keys, &mut self.findings);
                        }
                        Answer::NotFound => self.findings.push(Finding::NotServed(path.clone())),
                    }
                }
                self.ask(vec![at(LogPath::Checkpoint)]);
                self.phase = Phase::Checkpoint;
            }
            Phase::Checkpoint => self.checkpoint(answers),
            Phase::Entries(mut entries) => {
                entries.take(
                    answers,
                    &mut self.tally,
                    &mut self.reports,
                    &mut self.findings,
                );
                self.entries(entries);
            }
            Phase::Published(published) => {
                self.compared = published.compare(answers, &self.tally, &mut self.findings);
            }
            Phase::Done => {}
        }
    }

    /// Whether there is a log whose head a trusted key has signed. Else nothing of it is read: who pinned another
    /// log's key, or went to another address, is told just that.
    fn is_ours(&mut self, answers: &BTreeMap<String, Answer>) -> bool {
        let Some(Answer::Body(note)) = answers.get(&at(LogPath::Checkpoint)) else {
            self.no_log = Some(NoLog::NotServed);
            return false;
        };
        match self.keys.open(note) {
            Ok(_) => return true,
            Err(NoteError::Malformed) => self.no_log = Some(NoLog::NoCheckpoint),
            Err(NoteError::Stranger) => {
                let other = OtherKey::of(note, &self.keys);
                self.findings.push(Finding::OtherKey(other));
            }
            Err(why) => self.findings.push(Finding::Checkpoint(why)),
        }
        false
    }

    /// What the witnesses say, read before the newest head, which begins with it.
    fn witnessed(&mut self, answer: &Answer) {
        let body = match answer {
            Answer::Body(body) => body.as_slice(),
            Answer::NotFound => &[],
        };
        let cosigned = self.witnesses.cosigned(body);
        if !self.witnesses.suffice(&cosigned) {
            return self.findings.push(Finding::NotWitnessed {
                needed: self.witnesses.needed(),
                found: cosigned.len(),
            });
        }
        match self.keys.open_head(body) {
            Ok(head) => self.witnessed = Some((head, cosigned)),
            Err(why) => self.findings.push(Finding::Checkpoint(why)),
        }
    }

    fn checkpoint(&mut self, answers: &BTreeMap<String, Answer>) {
        let Some(note) = self.body(&at(LogPath::Checkpoint), answers) else {
            return;
        };
        let head = match self.keys.open_head(&note) {
            Ok(head) => head,
            // Nothing that an unknown hand has signed is worth reading on.
            Err(why) => return self.findings.push(Finding::Checkpoint(why)),
        };
        self.head = Some(head);
        if let Some(known) = &self.known {
            if head.size < known.size {
                self.findings.push(Finding::Shrunk {
                    known: known.head(),
                    now: head,
                });
            } else if head.size == known.size && head.root != known.root {
                self.findings.push(Finding::Fork {
                    known: known.head(),
                    now: head,
                });
            }
        }
        self.reports.stand_on(head, &mut self.findings);
        self.entries(Box::new(Entries::new(
            head,
            self.known.clone(),
            self.witnessed.as_ref().map(|(head, _)| *head),
        )));
    }

    fn entries(&mut self, mut entries: Box<Entries>) {
        let wanted = entries.wants();
        if !wanted.is_empty() {
            self.ask(wanted);
            self.phase = Phase::Entries(entries);
            return;
        }
        self.memory = entries.finish(self.keys.origin(), &mut self.findings);
        self.reports
            .finish(&self.tally, &mut self.findings, &mut self.notes);
        self.tally.finish(&mut self.findings);
        let published = Published::new(&self.reports.days());
        let wanted = published.wants();
        if wanted.is_empty() {
            return;
        }
        self.ask(wanted);
        self.phase = Phase::Published(published);
    }

    fn ask(&mut self, paths: Vec<String>) {
        self.asked = paths.into_iter().map(|path| (path, None)).collect();
    }

    fn body(&mut self, path: &str, answers: &BTreeMap<String, Answer>) -> Option<Vec<u8>> {
        match answers.get(path) {
            Some(Answer::Body(body)) => Some(body.clone()),
            _ => {
                self.findings.push(Finding::NotServed(path.to_owned()));
                None
            }
        }
    }
}

/// Where a resource of the log is, below the city's address.
pub(crate) fn at(path: LogPath) -> String {
    format!("/log/{path}")
}
