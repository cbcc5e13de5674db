//! What is wrong with devices: assessed from time to time, kept with its beginning and its end.
//! `repair` lists it for whoever repairs them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::Timestamp;
use domain::device::DeviceModel;
use domain::health::{FaultChange, FaultKind, LastCheck, assess, listened_until};
use domain::id::BayId;
use sqlx::PgConnection;

use crate::health_record::records;
use crate::watch::{Watches, watches_change, watches_load};
use crate::watch_change::WatchChange;
use crate::{Store, StoreError, corrupt};

/// Whoever assesses holds this advisory lock: `hlth`.
pub const HEALTH_LOCK: i64 = 0x686c_7468;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkup {
    /// Whether devices are heard, and whether they flap: what the last hour tells.
    Quick,
    /// Everything: also the newest messages of each device, and what comes to bays beside one that
    /// does not change.
    Thorough,
}

/// What an assessment found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultsRecorded {
    /// How many faults began.
    pub begun: u64,
    /// How many ended.
    pub ended: u64,
    /// Whether a doubt is among them: bays have become unknown by it, or known.
    pub doubts: bool,
}

impl Store {
    /// Assesses every device that stands in a bay, and keeps what has changed: faults that begin and
    /// faults that end. Several processes may do this: who comes while another is at it does
    /// nothing, and gets `None`. `battery_limit_mv` tells below what a model's battery is weak.
    ///
    /// Recordings' devices are left out: they report nothing but changes, of years ago.
    ///
    /// # Errors
    /// Database errors; then nothing has changed.
    pub async fn devices_assess(
        &self,
        checkup: Checkup,
        battery_limit_mv: impl Fn(&DeviceModel) -> i32 + Send,
        now: Timestamp,
    ) -> Result<Option<FaultsRecorded>, StoreError> {
        let mut tx = self.begin().await?;
        let mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(HEALTH_LOCK)
            .fetch_one(&mut *tx)
            .await?;
        if !mine {
            return Ok(None);
        }
        let mut open = faults_open(&mut tx).await?;
        let listened = listened(&mut tx, now).await?;
        let standing = records(
            &mut tx,
            checkup,
            battery_limit_mv,
            &mut open,
            (now, &listened),
        )
        .await?;
        let mut changes: Vec<(i32, FaultChange)> = Vec::new();
        for (device, record) in &standing {
            let found = assess(record, now);
            changes.extend(found.into_iter().map(|change| (*device, change)));
        }
        // Who stands in no bay any more has no fault that matters.
        for (device, faults) in open {
            for (kind, since) in faults.into_iter().filter(|(_, since)| *since < now) {
                tracing::debug!(device, %kind, %since, "a faulty device was taken away");
                changes.push((device, FaultChange::Ends { kind, until: now }));
            }
        }
        let recorded = faults_record(&mut tx, &changes).await?;
        tx.commit().await?;
        Ok(Some(recorded))
    }

    /// Keeps that faults of devices, by their keys, begin and end. What has begun already does not
    /// begin again, and what has not begun does not end. Where a device comes into doubt, or out of
    /// it, all that followed from its word in that time changes with it, exactly.
    ///
    /// # Errors
    /// Database errors; then nothing has changed.
    pub async fn faults_record(
        &self,
        changes: &[(i32, FaultChange)],
    ) -> Result<FaultsRecorded, StoreError> {
        let mut tx = self.begin().await?;
        let recorded = faults_record(&mut tx, changes).await?;
        tx.commit().await?;
        Ok(recorded)
    }
}

pub(crate) fn kind(code: &str) -> Result<FaultKind, StoreError> {
    FaultKind::from_code(code).ok_or_else(|| corrupt("kind of fault", code))
}

/// Until when silence may be held against a model's devices; notes for the next time how far they are
/// now.
async fn listened(
    tx: &mut PgConnection,
    now: Timestamp,
) -> Result<HashMap<DeviceModel, Timestamp>, StoreError> {
    type Row = (
        String,
        Option<Timestamp>,
        Option<Timestamp>,
        Option<Timestamp>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "WITH newest AS (
            SELECT model, max(last_at) AS at
            FROM device_assignment JOIN device USING (device_id) LEFT JOIN bay_state USING (bay_id)
            WHERE upper_inf(during) AND silence_after_s IS NOT NULL GROUP BY model
         ), last AS (SELECT model, checked_at, newest_at FROM health_check
         ), noted AS (
            INSERT INTO health_check (model, checked_at, newest_at) SELECT model, $1, at FROM newest
            ON CONFLICT (model) DO UPDATE SET checked_at = excluded.checked_at,
                newest_at = excluded.newest_at)
         SELECT model, newest.at, checked_at, newest_at FROM newest LEFT JOIN last USING (model)",
    )
    .bind(now)
    .fetch_all(tx)
    .await?;
    let until = |(model, newest, checked_at, before): Row| {
        let last = checked_at.map(|at| LastCheck { at, newest: before });
        (DeviceModel::from(model), listened_until(last, newest, now))
    };
    Ok(rows.into_iter().map(until).collect())
}

/// The faults that have begun and not ended, by device.
async fn faults_open(
    tx: &mut PgConnection,
) -> Result<BTreeMap<i32, Vec<(FaultKind, Timestamp)>>, StoreError> {
    let rows: Vec<(i32, String, Timestamp)> =
        sqlx::query_as("SELECT device_id, kind, since FROM device_fault WHERE until IS NULL")
            .fetch_all(tx)
            .await?;
    let mut open: BTreeMap<i32, Vec<(FaultKind, Timestamp)>> = BTreeMap::new();
    for (device, code, since) in rows {
        open.entry(device).or_default().push((kind(&code)?, since));
    }
    Ok(open)
}

/// As [`Store::faults_record`].
async fn faults_record(
    tx: &mut PgConnection,
    changes: &[(i32, FaultChange)],
) -> Result<FaultsRecorded, StoreError> {
    let mut recorded = FaultsRecorded::default();
    if changes.is_empty() {
        return Ok(recorded);
    }
    let doubts = changes
        .iter()
        .filter(|(_, change)| change.kind().is_doubt());
    let doubts: Vec<&(i32, FaultChange)> = doubts.collect();
    if doubts.is_empty() {
        (recorded.begun, recorded.ended) = faults_write(tx, changes).await?;
        return Ok(recorded);
    }
    watches_change(tx).await?;
    let before = watches_load(tx).await?;
    let change = WatchChange::begin(tx, &before, &affected(&before, &doubts)).await?;
    (recorded.begun, recorded.ended) = faults_write(tx, changes).await?;
    change.finish(tx).await?;
    recorded.doubts = true;
    Ok(recorded)
}

/// The bays of which other time is known once these doubts have changed, each from when on.
fn affected(
    before: &Watches,
    doubts: &[&(i32, FaultChange)],
) -> BTreeMap<BayId, Option<Timestamp>> {
    let mut affected: BTreeMap<BayId, Option<Timestamp>> = BTreeMap::new();
    for (device, change) in doubts {
        let from = Some(match change {
            FaultChange::Begins(fault) => fault.since,
            FaultChange::Ends { until, .. } => *until,
        });
        for bay in before.bays_since(*device, from) {
            let earliest = affected.entry(bay).or_insert(from);
            *earliest = (*earliest).min(from);
        }
    }
    affected
}

/// How many of them began, and how many ended.
async fn faults_write(
    tx: &mut PgConnection,
    changes: &[(i32, FaultChange)],
) -> Result<(u64, u64), StoreError> {
    let ends: BTreeSet<_> = changes
        .iter()
        .filter_map(|(device, change)| match change {
            FaultChange::Ends { kind, until } => Some((*device, kind.code(), *until)),
            FaultChange::Begins(_) => None,
        })
        .collect();
    let ended = sqlx::query(
        "UPDATE device_fault SET until = ended.until
         FROM unnest($1::int[], $2::text[], $3::timestamptz[]) AS ended (device_id, kind, until)
         WHERE device_fault.device_id = ended.device_id AND device_fault.kind = ended.kind
           AND device_fault.until IS NULL AND since < ended.until",
    )
    .bind(ends.iter().map(|end| end.0).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.1).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.2).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?
    .rows_affected();
    let mut begins = Vec::new();
    for (device, change) in changes {
        if let FaultChange::Begins(fault) = change {
            let detail = serde_json::to_string(&fault.detail);
            let detail = detail.map_err(|error| corrupt("particulars of a fault", error))?;
            begins.push((*device, fault.kind.code(), fault.since, detail));
        }
    }
    let begun = sqlx::query(
        "INSERT INTO device_fault (device_id, kind, since, detail)
         SELECT * FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::text[])
         ON CONFLICT (device_id, kind) WHERE until IS NULL DO NOTHING",
    )
    .bind(begins.iter().map(|begin| begin.0).collect::<Vec<_>>())
    .bind(begins.iter().map(|begin| begin.1).collect::<Vec<_>>())
    .bind(begins.iter().map(|begin| begin.2).collect::<Vec<_>>())
    .bind(
        begins
            .iter()
            .map(|begin| begin.3.as_str())
            .collect::<Vec<_>>(),
    )
    .execute(tx)
    .await?
    .rows_affected();
    Ok((begun, ended))
}
