//! What was acknowledged, against what is in the database.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::load::{Spoken, named};
use crate::database::TestDatabase;
use crate::oracle::Derived;

/// What an auditor finds once all is at rest. Only the first two may be other than 0, and
/// `unacknowledged` is what the broker never promised to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Messages that the broker acknowledged to the device.
    pub acknowledged: usize,
    /// Messages that it did not.
    pub unacknowledged: usize,
    /// Acknowledged messages whose event is not there.
    pub lost: usize,
    /// Events that are there more than once.
    pub duplicates: usize,
    /// Events that no device spoke of.
    pub invented: usize,
    /// Messages that were refused.
    pub refused: usize,
    /// Stays, states and tallies that are not what all events give, or that are missing.
    pub misfolded: usize,
}

type EventRow = (String, DateTime<Utc>, i64, bool);

impl Audit {
    /// Looks at everything.
    ///
    /// # Panics
    /// Where the database does not answer.
    pub async fn of(database: &TestDatabase, spoken: &Spoken) -> Self {
        let events: Vec<EventRow> = sqlx::query_as(
            "SELECT bay.code, event.at, event.seq, event.occupied
             FROM event JOIN device_assignment USING (device_id) JOIN bay USING (bay_id)",
        )
        .fetch_all(&database.pool)
        .await
        .unwrap();
        let kept: HashSet<(&str, i64)> = events.iter().map(|row| (&*row.0, row.2)).collect();
        let has = |number: usize| {
            let (bay, seq) = named(number);
            kept.contains(&(&*bay, seq))
        };
        let acknowledged = spoken.acknowledged.iter().filter(|is| **is).count();
        let numbers = 0..spoken.messages;
        let lost = numbers
            .clone()
            .filter(|number| spoken.acknowledged[*number] && !has(*number))
            .count();
        Self {
            acknowledged,
            unacknowledged: spoken.messages - acknowledged,
            lost,
            duplicates: events.len() - kept.len(),
            invented: kept.len() - numbers.filter(|number| has(*number)).count(),
            refused: database.count("refused_message").await as usize,
            misfolded: misfolded(database).await,
        }
    }

    /// Whether everything is as it must be, but perhaps for what was lost.
    pub fn is_consistent(&self) -> bool {
        self.duplicates + self.invented + self.refused + self.misfolded == 0
    }
}

async fn misfolded(database: &TestDatabase) -> usize {
    let kept = Derived::kept(&database.pool).await;
    kept.differences(&Derived::expected(&database.pool).await)
}
