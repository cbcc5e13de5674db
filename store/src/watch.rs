//! Which device watches which bay, and how long its word is believed: what decides how events become
//! stays and figures.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use domain::Timestamp;
use domain::id::{BayId, LotId};
use domain::occupancy::{BayWatch, Span, Watch};
use sqlx::PgConnection;

use crate::StoreError;

/// Advisory locks, by their first number; the second is 0 or the lot's key.
const WATCHES_LOCK: i32 = 0x6277;
const LOT_LOCK: i32 = 0x6c74;

/// Every device's watches over bays, past and present.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    version: i64,
    of_device: HashMap<i32, Vec<(Span, BayId)>>,
    of_bay: HashMap<BayId, WatchedBay>,
}

/// A bay that is watched, or was.
#[derive(Debug)]
pub(crate) struct WatchedBay {
    pub(crate) lot: LotId,
    pub(crate) lot_code: Arc<str>,
    pub(crate) watch: BayWatch,
}

impl Watches {
    /// The bay that a device watched at an instant.
    pub(crate) fn bay_at(&self, device: i32, at: Timestamp) -> Option<BayId> {
        let spans = self.of_device.get(&device)?;
        let watch = spans.iter().rfind(|(span, _)| span.contains(at))?;
        Some(watch.1)
    }

    /// The bays that a device watched at any time from an instant on.
    pub(crate) fn bays_since(
        &self,
        device: i32,
        from: Option<Timestamp>,
    ) -> impl Iterator<Item = BayId> {
        let spans = self.of_device.get(&device).map_or(&[][..], Vec::as_slice);
        spans
            .iter()
            .filter(move |(span, _)| from.is_none_or(|from| span.until > from))
            .map(|(_, bay)| *bay)
    }

    /// A bay that some device watches or watched.
    pub(crate) fn bay(&self, bay: BayId) -> Option<&WatchedBay> {
        self.of_bay.get(&bay)
    }

    /// The bays among these, with their keys.
    pub(crate) fn bays<'a>(
        &'a self,
        of: impl IntoIterator<Item = BayId> + 'a,
    ) -> impl Iterator<Item = (BayId, &'a WatchedBay)> {
        of.into_iter().filter_map(|id| Some((id, self.bay(id)?)))
    }
}

/// The watches as they were read last. They change a few times a day and are needed for every batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchCache(Arc<Mutex<Arc<Watches>>>);

impl WatchCache {
    /// The watches as the transaction sees them.
    pub(crate) async fn read(&self, tx: &mut PgConnection) -> Result<Arc<Watches>, StoreError> {
        let version: i64 = sqlx::query_scalar("SELECT version FROM watch_version")
            .fetch_one(&mut *tx)
            .await?;
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if known.version == version {
            return Ok(known);
        }
        let watches = Arc::new(load(tx, version).await?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = watches.clone();
        Ok(watches)
    }

    /// The same, and nobody changes them before the transaction ends.
    pub(crate) async fn hold(&self, tx: &mut PgConnection) -> Result<Arc<Watches>, StoreError> {
        sqlx::query("SELECT pg_advisory_xact_lock_shared($1, 0)")
            .bind(WATCHES_LOCK)
            .execute(&mut *tx)
            .await?;
        self.read(tx).await
    }
}

/// Waits until nobody relies on the watches, and lets nobody do so before the transaction ends. They
/// are another version from here on.
pub(crate) async fn watches_change(tx: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, 0)")
        .bind(WATCHES_LOCK)
        .execute(&mut *tx)
        .await?;
    // By the clock: where a server takes over that lacks the last of them, none of its own has a lost one's number.
    sqlx::query(
        "UPDATE watch_version
         SET version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)",
    )
        .execute(tx)
        .await?;
    Ok(())
}

/// The watches as the transaction sees them, which may have changed them itself.
pub(crate) async fn watches_load(tx: &mut PgConnection) -> Result<Watches, StoreError> {
    load(tx, 0).await
}

/// Locks lots for whoever folds their bays, in order of key, so that two cannot wait for each other.
pub(crate) async fn lots_lock(tx: &mut PgConnection, lots: &[i32]) -> Result<(), StoreError> {
    sqlx::query(
        "SELECT pg_advisory_xact_lock($1, lot_id)
         FROM (SELECT DISTINCT lot_id FROM unnest($2::int[]) AS lot_id ORDER BY lot_id) AS lots",
    )
    .bind(LOT_LOCK)
    .bind(lots)
    .execute(tx)
    .await?;
    Ok(())
}

async fn load(tx: &mut PgConnection, version: i64) -> Result<Watches, StoreError> {
    type AssignmentRow = (
        i32,
        i32,
        i32,
        String,
        Option<Timestamp>,
        Option<Timestamp>,
        Option<i32>,
    );
    let rows: Vec<AssignmentRow> = sqlx::query_as(
        "SELECT device_id, bay_id, lot_id, lot.code, lower(during), upper(during), silence_after_s
         FROM device_assignment JOIN bay USING (bay_id) JOIN lot USING (lot_id)
         ORDER BY during",
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut watches = Watches {
        version,
        ..Watches::default()
    };
    let mut codes: BTreeMap<i32, Arc<str>> = BTreeMap::new();
    for (device, bay, lot, lot_code, from, until, silence_after_s) in rows {
        let span = span(from, until);
        let spans = watches.of_device.entry(device).or_default();
        spans.push((span, BayId(bay)));
        let bay = watches
            .of_bay
            .entry(BayId(bay))
            .or_insert_with(|| WatchedBay {
                lot: LotId(lot),
                lot_code: codes.entry(lot).or_insert_with(|| lot_code.into()).clone(),
                watch: BayWatch::default(),
            });
        bay.watch.watches.push(Watch {
            span,
            silence_after_s,
        });
    }
    let doubts: Vec<(i32, Timestamp, Option<Timestamp>)> = sqlx::query_as(
        "SELECT bay_id, greatest(since, lower(during)), least(until, upper(during))
         FROM device_fault JOIN device_assignment USING (device_id)
         WHERE kind IN ('stuck', 'flapping', 'clock') AND during && tstzrange(since, until)",
    )
    .fetch_all(tx)
    .await?;
    for (bay, from, until) in doubts {
        if let Some(bay) = watches.of_bay.get_mut(&BayId(bay)) {
            bay.watch.doubts.push(span(Some(from), until));
        }
    }
    Ok(watches)
}

fn span(from: Option<Timestamp>, until: Option<Timestamp>) -> Span {
    Span {
        from: from.unwrap_or(Timestamp::MIN_UTC),
        until: until.unwrap_or(Timestamp::MAX_UTC),
    }
}
