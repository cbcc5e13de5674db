//! What devices said: events, and the stays and states folded from them in the same transaction.

use std::collections::{BTreeMap, HashSet};

use domain::Timestamp;
use domain::board::BayDelta;
use domain::event::{Event, EventKey};
use domain::id::BayId;
use sqlx::PgConnection;

use crate::quarantine::{RefusedMessage, refused_insert};
use crate::stay::{Changes, StateRow, bay_states_lock, refold};
use crate::{Store, StoreError};

/// What one batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Events that were new.
    pub inserted: u64,
    /// Events that were known.
    pub repeated: u64,
    /// Bays about which something new is known.
    pub deltas: Vec<BayDelta>,
}

impl Store {
    /// Keeps a batch: events once each, the stays and states that follow from them, and the
    /// messages that gave none. One transaction.
    ///
    /// The outcome depends on the set of all events ever given, not on their order, their
    /// repetition or their batches. Two processes may do this at once: whoever folds a bay holds
    /// its lock.
    ///
    /// # Errors
    /// Database errors; then nothing of the batch is kept.
    pub async fn event_ingest(
        &self,
        events: &[(i32, Event)],
        refused: &[RefusedMessage],
    ) -> Result<Ingested, StoreError> {
        let mut tx = self.pool.begin().await?;
        refused_insert(&mut tx, refused).await?;
        let result = events_keep(&mut tx, events).await?;
        tx.commit().await?;
        Ok(result)
    }

    /// How many events a city's devices have given.
    ///
    /// # Errors
    /// Database errors.
    pub async fn event_count(&self, city: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM event JOIN bay USING (bay_id) JOIN lot USING (lot_id)
                  JOIN city USING (city_id)
             WHERE city.code = $1",
        )
        .bind(city)
        .fetch_one(&self.pool)
        .await?)
    }
}

/// Keeps events and what follows from them.
pub(crate) async fn events_keep(
    tx: &mut PgConnection,
    events: &[(i32, Event)],
) -> Result<Ingested, StoreError> {
    let mut result = Ingested::default();
    if events.is_empty() {
        return Ok(result);
    }
    let mut by_bay: BTreeMap<BayId, Vec<&Event>> = BTreeMap::new();
    for (_, event) in events {
        by_bay.entry(event.bay).or_default().push(event);
    }
    let bays: Vec<i32> = by_bay.keys().map(|bay| bay.0).collect();
    let states = bay_states_lock(tx, &bays).await?;
    let track = |bay: &BayId| states.get(bay).map(StateRow::track).unwrap_or_default();
    let late: Vec<&Event> = events
        .iter()
        .map(|(_, event)| event)
        .filter(|event| !track(&event.bay).accepts(&event.key()))
        .collect();
    let known = events_known(tx, &late).await?;
    result.inserted = events_insert(tx, events).await?;
    result.repeated = events.len() as u64 - result.inserted;
    let mut changes = Changes::default();
    let mut earliest = BTreeMap::new();
    for (bay, events) in by_bay {
        let mut keys: Vec<EventKey> = events.iter().map(|event| event.key()).collect();
        keys.retain(|key| !known.contains(&(bay, *key)));
        keys.sort_unstable();
        match keys.first() {
            Some(first) if track(&bay).accepts(first) => {
                changes.fold(bay, track(&bay), &keys);
            }
            Some(first) => _ = earliest.insert(bay, first.at),
            None => {}
        }
    }
    refold(tx, &earliest, &mut changes).await?;
    changes.write(tx).await?;
    result.deltas = changes.deltas();
    Ok(result)
}

async fn events_insert(tx: &mut PgConnection, events: &[(i32, Event)]) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "INSERT INTO event (bay_id, at, seq, occupied, device_id, received_at, battery_mv,
                            temperature_dc)
         SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::bigint[], $4::bool[], $5::int[],
            $6::timestamptz[], $7::int[], $8::smallint[])
         ON CONFLICT DO NOTHING",
    )
    .bind(events.iter().map(|(_, e)| e.bay.0).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.at).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.seq).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.occupied).collect::<Vec<_>>())
    .bind(events.iter().map(|(device, _)| *device).collect::<Vec<_>>())
    .bind(
        events
            .iter()
            .map(|(_, e)| e.received_at)
            .collect::<Vec<_>>(),
    )
    .bind(events.iter().map(|(_, e)| e.battery_mv).collect::<Vec<_>>())
    .bind(
        events
            .iter()
            .map(|(_, e)| e.temperature_dc)
            .collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

/// Which of the events are kept already: a redelivered batch must not fold whole bays again.
async fn events_known(
    tx: &mut PgConnection,
    late: &[&Event],
) -> Result<HashSet<(BayId, EventKey)>, StoreError> {
    if late.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(i32, Timestamp, i64, bool)> = sqlx::query_as(
        "SELECT bay_id, at, seq, occupied
         FROM unnest($1::int[], $2::timestamptz[], $3::bigint[], $4::bool[])
                AS late (bay_id, at, seq, occupied)
              JOIN event USING (bay_id, at, seq, occupied)",
    )
    .bind(late.iter().map(|e| e.bay.0).collect::<Vec<_>>())
    .bind(late.iter().map(|e| e.at).collect::<Vec<_>>())
    .bind(late.iter().map(|e| e.seq).collect::<Vec<_>>())
    .bind(late.iter().map(|e| e.occupied).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let key = |(bay, at, seq, occupied)| (BayId(bay), EventKey { at, seq, occupied });
    Ok(rows.into_iter().map(key).collect())
}
