//! Stays and bay states: what follows from the events, written where the events are.

use std::collections::{BTreeMap, HashMap};

use domain::Timestamp;
use domain::board::BayDelta;
use domain::event::EventKey;
use domain::id::BayId;
use domain::stay::{BayTrack, Stay, StayChange, apply};
use sqlx::{FromRow, PgConnection};

use crate::{Store, StoreError};

#[derive(FromRow)]
pub(crate) struct StateRow {
    bay_id: i32,
    last_at: Timestamp,
    last_seq: i64,
    occupied: bool,
    since: Timestamp,
}

impl StateRow {
    /// What is known of the bay.
    pub(crate) fn track(&self) -> BayTrack {
        let last = EventKey {
            at: self.last_at,
            seq: self.last_seq,
            occupied: self.occupied,
        };
        BayTrack {
            last: Some(last),
            since: Some(self.since),
        }
    }
}

impl Store {
    /// The sensor's record of a bay between two instants: the vehicles' stays, oldest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn bay_stays(
        &self,
        bay: BayId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Option<Timestamp>)>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT started_at, ended_at FROM stay
             WHERE bay_id = $1 AND started_at < $3 AND coalesce(ended_at, $3) > $2
             ORDER BY started_at LIMIT 100",
        )
        .bind(bay.0)
        .bind(from)
        .bind(to)
        .fetch_all(&self.pool)
        .await?)
    }
}

/// Locks the bays in order of key, so that two batches cannot wait for each other. The lock is on
/// `bay`, not on `bay_state`, which a bay that was never heard does not have.
pub(crate) async fn bay_states_lock(
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
    Ok(rows
        .into_iter()
        .map(|row| (BayId(row.bay_id), row))
        .collect())
}

/// Folds bays again from before their earliest new event: from the start of the last stay that
/// began earlier, or from the first event where there is none. Stays from there on are replaced.
pub(crate) async fn refold(
    tx: &mut PgConnection,
    earliest: &BTreeMap<BayId, Timestamp>,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    if earliest.is_empty() {
        return Ok(());
    }
    let bays: Vec<i32> = earliest.keys().map(|bay| bay.0).collect();
    let anchors: Vec<Option<Timestamp>> = sqlx::query_scalar(
        "SELECT (SELECT max(started_at) FROM stay
                 WHERE stay.bay_id = late.bay_id AND started_at < late.at)
         FROM unnest($1::int[], $2::timestamptz[]) WITH ORDINALITY AS late (bay_id, at, n)
         ORDER BY n",
    )
    .bind(&bays)
    .bind(earliest.values().copied().collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    // Before a stay's start the bay was free, so the fold may begin at that instant from nothing:
    // its "occupied" opens the same stay again.
    let rows: Vec<(i32, Timestamp, i64, bool)> = sqlx::query_as(
        "SELECT bay_id, event.at, seq, occupied
         FROM unnest($1::int[], $2::timestamptz[]) AS anchor (bay_id, at)
              JOIN event USING (bay_id)
         WHERE event.at >= coalesce(anchor.at, '-infinity')
         ORDER BY bay_id, event.at, seq, occupied",
    )
    .bind(&bays)
    .bind(&anchors)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query(
        "DELETE FROM stay USING unnest($1::int[], $2::timestamptz[]) AS anchor (bay_id, at)
         WHERE stay.bay_id = anchor.bay_id
           AND started_at >= coalesce(anchor.at, '-infinity')",
    )
    .bind(&bays)
    .bind(&anchors)
    .execute(&mut *tx)
    .await?;
    for bay in rows.chunk_by(|left, right| left.0 == right.0) {
        let key = |&(_, at, seq, occupied)| EventKey { at, seq, occupied };
        let keys: Vec<EventKey> = bay.iter().map(key).collect();
        changes.fold(BayId(bay[0].0), BayTrack::default(), &keys);
    }
    Ok(())
}

/// All rows that one batch changes, beside its events.
#[derive(Default)]
pub(crate) struct Changes {
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
    /// Folds a bay's new events, given by their keys in order, onto what is known of it.
    pub(crate) fn fold(&mut self, bay: BayId, mut track: BayTrack, keys: &[EventKey]) {
        for key in keys {
            if let Some(change) = track.fold(*key) {
                self.stay(bay, change);
            }
        }
        self.states.insert(bay, track);
    }

    fn stay(&mut self, bay: BayId, change: StayChange) {
        let stays = self.stays.entry(bay).or_default();
        match change {
            StayChange::Closed {
                started_at,
                ended_at,
            } if stays
                .upserts
                .last()
                .is_none_or(|last| last.started_at != started_at) =>
            {
                stays.upserts.push(Stay {
                    started_at,
                    ended_at: Some(ended_at),
                });
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

    pub(crate) async fn write(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
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

    pub(crate) fn deltas(&self) -> Vec<BayDelta> {
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
