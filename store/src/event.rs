//! What devices said: events, and the stays, states and tallies that follow from them, written in the
//! same transaction.

use std::collections::{BTreeMap, HashSet};

use domain::Timestamp;
use domain::board::OccupancyDelta;
use domain::event::{Event, EventKey};
use domain::id::BayId;
use sqlx::PgConnection;

use crate::copy::{COPY_FROM_ROWS, CopyRows};
use crate::quarantine::{RefusedMessage, refused_insert};
use crate::stay::{bay_tracks, refold};
use crate::stay_changes::Changes;
use crate::watch::{Watches, lots_lock};
use crate::{Store, StoreError};

/// What one batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Events that were new.
    pub inserted: u64,
    /// Events that were known.
    pub repeated: u64,
    /// Bays about which something new is known, by lot.
    pub deltas: Vec<OccupancyDelta>,
}

impl Store {
    /// Keeps a batch: events once each with the keys of their devices, the stays, states and tallies
    /// that follow from them, and the messages that gave none. One transaction.
    ///
    /// The outcome depends on the set of all events ever given, not on their order, their
    /// repetition or their batches. Two processes may do this at once: whoever folds a lot's bays
    /// holds its lock.
    ///
    /// # Errors
    /// Database errors; then nothing of the batch is kept.
    pub async fn event_ingest(
        &self,
        events: &[(i32, Event)],
        refused: &[RefusedMessage],
    ) -> Result<Ingested, StoreError> {
        let mut tx = self.begin().await?;
        refused_insert(&mut tx, refused).await?;
        let result = self.events_keep(&mut tx, events).await?;
        tx.commit().await?;
        Ok(result)
    }

    /// How many events a city's devices have given.
    ///
    /// # Errors
    /// Database errors.
    pub async fn event_count(&self, city: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM event WHERE device_id IN (
                SELECT device_id FROM device_assignment JOIN bay USING (bay_id)
                     JOIN lot USING (lot_id) JOIN city USING (city_id)
                WHERE city.code = $1)",
        )
        .bind(city)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Keeps events and what follows from them.
    pub(crate) async fn events_keep(
        &self,
        tx: &mut PgConnection,
        events: &[(i32, Event)],
    ) -> Result<Ingested, StoreError> {
        let mut result = Ingested::default();
        if events.is_empty() {
            return Ok(result);
        }
        let watches = self.watches.hold(tx).await?;
        let (told, mut unsure) = by_bay(events, &watches);
        let bays = || told.chunk_by(|left, right| left.bay == right.bay);
        let ids: Vec<BayId> = bays().map(|bay| bay[0].bay).collect();
        let watched = watches.bays(ids.iter().copied());
        let lots: Vec<i32> = watched.map(|(_, bay)| bay.lot.0).collect();
        lots_lock(tx, &lots).await?;
        let tracks = bay_tracks(tx, ids.into_iter()).await?;
        let track = |bay: &BayId| tracks.get(bay).copied().unwrap_or_default();

        // What is later than all that its bay was ever told is new, and nobody else can write it
        // while the lot is locked.
        let (mut sure, late): (Vec<Told<'_>>, Vec<Told<'_>>) = told
            .iter()
            .partition(|told| track(&told.bay).accepts(&told.key));
        unsure.extend(late.iter().map(|told| told.event));
        if sure.len() < COPY_FROM_ROWS {
            unsure.extend(sure.drain(..).map(|told| told.event));
        }
        let known = events_known(tx, &late).await?;

        let mut changes = Changes::new(&watches);
        let mut late = BTreeMap::new();
        let fold = async {
            for told in bays() {
                let bay = told[0].bay;
                let new = told.iter().filter(|told| !known.contains(&told.id()));
                let keys: Vec<EventKey> = new.map(|told| told.key).collect();
                match keys.first() {
                    Some(first) if track(&bay).accepts(first) => {
                        changes.fold(bay, track(&bay), &keys);
                    }
                    Some(_) => _ = late.insert(bay, keys),
                    None => {}
                }
            }
        };
        result.inserted = events_copy(tx, &sure, fold).await? + events_insert(tx, &unsure).await?;
        result.repeated = events.len() as u64 - result.inserted;
        refold(tx, &late, &mut changes).await?;
        changes.write(tx).await?;
        result.deltas = changes.deltas();
        Ok(result)
    }
}

/// What a device said of a bay.
#[derive(Clone, Copy)]
struct Told<'a> {
    bay: BayId,
    key: EventKey,
    event: &'a (i32, Event),
}

impl Told<'_> {
    fn id(&self) -> (i32, EventKey) {
        (self.event.0, self.key)
    }
}

/// Distinct events in order of bay and key, and those of devices that had no bay.
fn by_bay<'a>(
    events: &'a [(i32, Event)],
    watches: &Watches,
) -> (Vec<Told<'a>>, Vec<&'a (i32, Event)>) {
    let (mut told, mut bayless) = (Vec::with_capacity(events.len()), Vec::new());
    for event in events {
        let key = event.1.key();
        match watches.bay_at(event.0, key.at) {
            Some(bay) => told.push(Told { bay, key, event }),
            None => bayless.push(event),
        }
    }
    // A bay has one device at a time, so that an equal key is a repetition.
    told.sort_by_key(|told| (told.bay, told.key));
    told.dedup_by_key(|told| (told.bay, told.key));
    (told, bayless)
}

/// Keeps events that are known to be new, and does `meanwhile` while the database is at it.
async fn events_copy(
    tx: &mut PgConnection,
    new: &[Told<'_>],
    meanwhile: impl Future<Output = ()>,
) -> Result<u64, StoreError> {
    if new.is_empty() {
        meanwhile.await;
        return Ok(0);
    }
    let statement =
        "COPY event (device_id, at, seq, occupied, received_at, battery_mv, temperature_dc)
         FROM STDIN (FORMAT binary)";
    let mut rows = CopyRows::begin(tx, statement, 7).await?;
    let copy = async move {
        for told in new {
            let (device, event) = told.event;
            rows.row()
                .int4(Some(*device))
                .timestamptz(Some(event.at))
                .int8(event.seq)
                .bool(event.occupied)
                .timestamptz(Some(event.received_at))
                .int4(event.battery_mv)
                .int2(event.temperature_dc);
            rows.send_some().await?;
        }
        rows.finish().await
    };
    // The first: the other begins once the database has enough to do.
    let (copied, ()) = tokio::join!(biased; copy, meanwhile);
    copied
}

/// Keeps those of the events that are not kept yet.
async fn events_insert(tx: &mut PgConnection, events: &[&(i32, Event)]) -> Result<u64, StoreError> {
    if events.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(
        "INSERT INTO event (device_id, at, seq, occupied, received_at, battery_mv, temperature_dc)
         SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::bigint[], $4::bool[],
            $5::timestamptz[], $6::int[], $7::smallint[])
         ON CONFLICT DO NOTHING",
    )
    .bind(events.iter().map(|(device, _)| *device).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.at).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.seq).collect::<Vec<_>>())
    .bind(events.iter().map(|(_, e)| e.occupied).collect::<Vec<_>>())
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
    late: &[Told<'_>],
) -> Result<HashSet<(i32, EventKey)>, StoreError> {
    if late.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(i32, Timestamp, i64, bool)> = sqlx::query_as(
        "SELECT device_id, at, seq, occupied
         FROM unnest($1::int[], $2::timestamptz[], $3::bigint[], $4::bool[])
                AS late (device_id, at, seq, occupied)
              JOIN event USING (device_id, at, seq, occupied)
         WHERE event.at BETWEEN $5 AND $6",
    )
    .bind(late.iter().map(|told| told.event.0).collect::<Vec<_>>())
    .bind(late.iter().map(|told| told.key.at).collect::<Vec<_>>())
    .bind(late.iter().map(|told| told.key.seq).collect::<Vec<_>>())
    .bind(
        late.iter()
            .map(|told| told.key.occupied)
            .collect::<Vec<_>>(),
    )
    // Said once more, so that chunks in which none of them can lie are not searched.
    .bind(late.iter().map(|told| told.key.at).min())
    .bind(late.iter().map(|told| told.key.at).max())
    .fetch_all(tx)
    .await?;
    let key = |(device, at, seq, occupied)| (device, EventKey { at, seq, occupied });
    Ok(rows.into_iter().map(key).collect())
}
