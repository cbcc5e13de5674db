//! What devices said: events, and the stays and states folded from them in the same transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::Timestamp;
use domain::board::BayDelta;
use domain::device::DeviceModel;
use domain::event::{Event, EventKey};
use domain::id::BayId;
use domain::stay::{BayTrack, Stay, StayChange, apply};
use sqlx::{FromRow, PgConnection};

use crate::{Store, StoreError, corrupt};

/// A device as ingest needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// Its key.
    pub id: i32,
    /// The bay that it watches.
    pub bay: BayId,
    /// The code of that bay's lot.
    pub lot: String,
    /// Its model, which decides the decoder.
    pub model: DeviceModel,
}

/// A message that gave no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedMessage {
    /// When it reached us.
    pub received_at: Timestamp,
    /// Where it was published.
    pub topic: String,
    /// What it was.
    pub payload: Vec<u8>,
    /// A short code.
    pub reason: &'static str,
    /// The reason in words.
    pub detail: String,
}

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
    /// Every device by the name it calls itself.
    ///
    /// # Errors
    /// Database errors, and [`StoreError::Corrupt`] for a model this version does not know.
    pub async fn device_directory(&self) -> Result<HashMap<String, KnownDevice>, StoreError> {
        let rows: Vec<(String, i32, i32, String, String)> = sqlx::query_as(
            "SELECT device.name, device_id, bay_id, lot.code, model
             FROM device JOIN bay USING (bay_id) JOIN lot USING (lot_id)",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(name, id, bay, lot, model)| {
                let model =
                    DeviceModel::from_code(&model).ok_or_else(|| corrupt("device model", &model))?;
                Ok((name, KnownDevice { id, bay: BayId(bay), lot, model }))
            })
            .collect()
    }

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
        let mut result = Ingested::default();
        if !events.is_empty() {
            let mut by_bay: BTreeMap<BayId, Vec<&Event>> = BTreeMap::new();
            for (_, event) in events {
                by_bay.entry(event.bay).or_default().push(event);
            }
            let bays: Vec<i32> = by_bay.keys().map(|bay| bay.0).collect();
            let states = bay_states_lock(&mut tx, &bays).await?;
            let track = |bay: &BayId| states.get(bay).map(StateRow::track).unwrap_or_default();
            let late: Vec<&Event> = events
                .iter()
                .map(|(_, event)| event)
                .filter(|event| !track(&event.bay).accepts(&event.key()))
                .collect();
            let known = events_known(&mut tx, &late).await?;
            result.inserted = events_insert(&mut tx, events).await?;
            result.repeated = events.len() as u64 - result.inserted;
            let mut changes = Changes::default();
            for (bay, events) in by_bay {
                let mut keys: Vec<EventKey> = events.iter().map(|event| event.key()).collect();
                keys.retain(|key| !known.contains(&(bay, *key)));
                keys.sort_unstable();
                fold(&mut tx, bay, track(&bay), &keys, &mut changes).await?;
            }
            changes.write(&mut tx).await?;
            result.deltas = changes.deltas();
        }
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

    /// How many messages were refused, by reason.
    ///
    /// # Errors
    /// Database errors.
    pub async fn refused_counts(&self) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT reason, count(*) FROM refused_message GROUP BY reason ORDER BY reason",
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

#[derive(FromRow)]
struct StateRow {
    bay_id: i32,
    last_at: Timestamp,
    last_seq: i64,
    occupied: bool,
    since: Timestamp,
}

impl StateRow {
    fn track(&self) -> BayTrack {
        let last = EventKey { at: self.last_at, seq: self.last_seq, occupied: self.occupied };
        BayTrack { last: Some(last), since: Some(self.since) }
    }
}

/// Locks the bays in order of key, so that two batches cannot wait for each other. The lock is on
/// `bay`, not on `bay_state`, which a bay that was never heard does not have.
async fn bay_states_lock(
    tx: &mut PgConnection,
    bays: &[i32],
) -> Result<HashMap<BayId, StateRow>, StoreError> {
    sqlx::query("SELECT FROM bay WHERE bay_id = ANY($1) ORDER BY bay_id FOR NO KEY UPDATE")
        .bind(bays)
        .execute(&mut *tx)
        .await?;
    let rows: Vec<StateRow> = sqlx::query_as(
        "SELECT bay_id, last_at, last_seq, occupied, since FROM bay_state WHERE bay_id = ANY($1)",
    )
    .bind(bays)
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(|row| (BayId(row.bay_id), row)).collect())
}

async fn events_insert(
    tx: &mut PgConnection,
    events: &[(i32, Event)],
) -> Result<u64, StoreError> {
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
    .bind(events.iter().map(|(_, e)| e.received_at).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.battery_mv).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.temperature_dc).collect::<Vec<_>>())
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

/// Folds a bay's new events, given by their keys in order, onto what is known of it.
async fn fold(
    tx: &mut PgConnection,
    bay: BayId,
    mut track: BayTrack,
    keys: &[EventKey],
    changes: &mut Changes,
) -> Result<(), StoreError> {
    let Some(first) = keys.first() else { return Ok(()) };
    let before = track;
    if track.accepts(first) {
        for key in keys {
            if let Some(change) = track.fold(*key) {
                changes.stay(bay, change);
            }
        }
    } else {
        track = refold(tx, bay, *first, changes).await?;
    }
    if track != before {
        changes.states.insert(bay, track);
    }
    Ok(())
}

/// Folds a bay again from before its earliest new event: from the start of the last stay that
/// began earlier, or from its first event where there is none. Stays from there on are replaced.
async fn refold(
    tx: &mut PgConnection,
    bay: BayId,
    first: EventKey,
    changes: &mut Changes,
) -> Result<BayTrack, StoreError> {
    let anchor: Option<Timestamp> =
        sqlx::query_scalar("SELECT max(started_at) FROM stay WHERE bay_id = $1 AND started_at < $2")
            .bind(bay.0)
            .bind(first.at)
            .fetch_one(&mut *tx)
            .await?;
    // Before a stay's start the bay was free, so the fold may begin at that instant from nothing:
    // its "occupied" opens the same stay again.
    let rows: Vec<(Timestamp, i64, bool)> = sqlx::query_as(
        "SELECT at, seq, occupied FROM event
         WHERE bay_id = $1 AND ($2::timestamptz IS NULL OR at >= $2)
         ORDER BY at, seq, occupied",
    )
    .bind(bay.0)
    .bind(anchor)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM stay WHERE bay_id = $1 AND ($2::timestamptz IS NULL OR started_at >= $2)")
        .bind(bay.0)
        .bind(anchor)
        .execute(&mut *tx)
        .await?;
    changes.stays.remove(&bay);
    let mut track = BayTrack::default();
    for (at, seq, occupied) in rows {
        if let Some(change) = track.fold(EventKey { at, seq, occupied }) {
            changes.stay(bay, change);
        }
    }
    Ok(track)
}

/// All rows that one batch changes, beside its events.
#[derive(Default)]
struct Changes {
    stays: BTreeMap<BayId, BayStays>,
    states: BTreeMap<BayId, BayTrack>,
}

/// The end of one bay's list of stays. A stay that was opened by an earlier batch stands here only
/// once it ends.
#[derive(Default)]
struct BayStays {
    upserts: Vec<Stay>,
    withdrawn: Vec<Timestamp>,
}

impl Changes {
    fn stay(&mut self, bay: BayId, change: StayChange) {
        let stays = self.stays.entry(bay).or_default();
        match change {
            StayChange::Closed { started_at, ended_at }
                if stays.upserts.last().is_none_or(|last| last.started_at != started_at) =>
            {
                stays.upserts.push(Stay { started_at, ended_at: Some(ended_at) });
            }
            StayChange::Withdrawn(started_at) => {
                apply(&mut stays.upserts, change);
                stays.withdrawn.push(started_at);
            }
            StayChange::Opened(started_at) => {
                stays.withdrawn.retain(|withdrawn| *withdrawn != started_at);
                apply(&mut stays.upserts, change);
            }
            StayChange::Closed { .. } => apply(&mut stays.upserts, change),
        }
    }

    async fn write(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let (mut gone_bays, mut gone) = (Vec::new(), Vec::new());
        let (mut bays, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for (bay, stays) in &self.stays {
            for started_at in &stays.withdrawn {
                gone_bays.push(bay.0);
                gone.push(*started_at);
            }
            for stay in &stays.upserts {
                bays.push(bay.0);
                starts.push(stay.started_at);
                ends.push(stay.ended_at);
            }
        }
        if !gone.is_empty() {
            sqlx::query(
                "DELETE FROM stay USING unnest($1::int[], $2::timestamptz[]) AS gone (bay_id, started_at)
                 WHERE stay.bay_id = gone.bay_id AND stay.started_at = gone.started_at",
            )
            .bind(&gone_bays)
            .bind(&gone)
            .execute(&mut *tx)
            .await?;
        }
        if !bays.is_empty() {
            sqlx::query(
                "INSERT INTO stay (bay_id, started_at, ended_at)
                 SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[])
                 ON CONFLICT (bay_id, started_at) DO UPDATE SET ended_at = excluded.ended_at",
            )
            .bind(&bays)
            .bind(&starts)
            .bind(&ends)
            .execute(&mut *tx)
            .await?;
        }
        self.write_states(tx).await
    }

    async fn write_states(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let rows: Vec<_> = self
            .states
            .iter()
            .filter_map(|(bay, track)| Some((bay.0, track.last?, track.since?)))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO bay_state (bay_id, last_at, last_seq, occupied, since)
             SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::bigint[], $4::bool[],
                $5::timestamptz[])
             ON CONFLICT (bay_id) DO UPDATE SET last_at = excluded.last_at,
                last_seq = excluded.last_seq, occupied = excluded.occupied, since = excluded.since",
        )
        .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1.at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1.seq).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1.occupied).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2).collect::<Vec<_>>())
        .execute(tx)
        .await?;
        Ok(())
    }

    fn deltas(&self) -> Vec<BayDelta> {
        self.states
            .iter()
            .filter_map(|(bay, track)| {
                let last = track.last?;
                Some(BayDelta {
                    bay: *bay,
                    occupied: last.occupied,
                    since: track.since?,
                    heard_at: last.at,
                })
            })
            .collect()
    }
}

async fn refused_insert(
    tx: &mut PgConnection,
    refused: &[RefusedMessage],
) -> Result<(), StoreError> {
    if refused.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO refused_message (received_at, topic, payload, reason, detail)
         SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::bytea[], $4::text[], $5::text[])",
    )
    .bind(refused.iter().map(|row| row.received_at).collect::<Vec<_>>())
    .bind(refused.iter().map(|row| row.topic.replace('\0', "\u{fffd}")).collect::<Vec<_>>())
    .bind(refused.iter().map(|row| row.payload.as_slice()).collect::<Vec<_>>())
    .bind(refused.iter().map(|row| row.reason).collect::<Vec<_>>())
    .bind(refused.iter().map(|row| row.detail.replace('\0', "\u{fffd}")).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
