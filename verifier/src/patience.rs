//! How long what is found is asked for again before anybody is blamed.

use std::collections::BTreeMap;

use chrono::{NaiveDate, TimeDelta};
use domain::Timestamp;
use domain::log::Sums;

use crate::Verdict;

/// What may be money on its way into the log is asked for so often.
const TIMES: u32 = 3;
/// So long, where what is published lags behind: a replica tells it, and is a minute behind at most.
const LAG_MAX: TimeDelta = TimeDelta::seconds(90);

/// What is done about a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is told as it is.
    Tell,
    /// What was found may have been so for a moment: all is asked again after [`Patience::PAUSE`].
    AskAgain,
    /// It cannot be told yet: what is published is ahead of the log, as it was each time, and the log takes in more of
    /// days that are over, as while a city brings in its past. It has to catch up.
    NotYet,
}

/// Of one who checks a log until it can be told what holds.
#[derive(Clone, Debug, Default)]
pub struct Patience {
    times: u32,
    begun: Option<Timestamp>,
    days: BTreeMap<NaiveDate, Sums>,
}

impl Patience {
    /// The pause before a log is asked again.
    pub const PAUSE: TimeDelta = TimeDelta::seconds(5);

    /// How often has been asked.
    pub fn times(&self) -> u32 {
        self.times
    }

    /// What is done about a verdict on what was asked from `asked` on.
    pub fn next(&mut self, verdict: &Verdict, asked: Timestamp) -> Next {
        if self.times == 0 {
            self.days = verdict.days.clone();
        }
        self.times += 1;
        let begun = *self.begun.get_or_insert(asked);
        let is_enough = self.times >= TIMES;
        let grows = |(day, sums)| verdict.days.get(day).is_some_and(|now| now != sums);
        if is_enough && verdict.is_ahead() && self.days.iter().any(grows) {
            return Next::NotYet;
        }
        let lags = verdict.is_published_before(asked) && asked - begun < LAG_MAX;
        match verdict.may_settle() && (!is_enough || lags) {
            true => Next::AskAgain,
            false => Next::Tell,
        }
    }
}
