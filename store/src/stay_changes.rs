//! What a batch of events changes beside the events: stays, bay states and lots' tallies.

use std::collections::{BTreeMap, HashSet};

use domain::Timestamp;
use domain::board::{BayDelta, OccupancyDelta};
use domain::event::EventKey;
use domain::id::{BayId, LotId};
use domain::occupancy::Tallies;
use domain::stay::{BayTrack, History, Stay, StayChange, apply};
use sqlx::PgConnection;

use crate::StoreError;
use crate::copy::{COPY_FROM_ROWS, CopyRows};
use crate::watch::Watches;

/// All rows that one batch changes, beside its events.
pub(crate) struct Changes<'a> {
    pub(crate) watches: &'a Watches,
    stays: BTreeMap<BayId, BayStays>,
    states: BTreeMap<BayId, BayTrack>,
    /// The bays whose state stands in the table already.
    heard: HashSet<BayId>,
    tallies: BTreeMap<LotId, Tallies>,
}

/// The end of one bay's list of stays. A stay that was opened by an earlier batch stands here only
/// once it ends.
#[derive(Default)]
struct BayStays {
    /// Stays that began after all that was known of the bay: they cannot stand in the table.
    new: Vec<Stay>,
    upserts: Vec<Stay>,
    withdrawn: Vec<Timestamp>,
}

impl BayStays {
    /// Takes a change; `known_until` is the last event before the batch.
    fn change(&mut self, change: StayChange, known_until: Option<Timestamp>) {
        let (StayChange::Opened(started_at)
        | StayChange::Closed { started_at, .. }
        | StayChange::Withdrawn(started_at)) = change;
        if known_until.is_none_or(|until| started_at > until) {
            return apply(&mut self.new, change);
        }
        match change {
            StayChange::Closed {
                started_at,
                ended_at,
            } if self
                .upserts
                .last()
                .is_none_or(|last| last.started_at != started_at) =>
            {
                self.upserts.push(Stay {
                    started_at,
                    ended_at: Some(ended_at),
                });
            }
            StayChange::Withdrawn(started_at) => {
                apply(&mut self.upserts, change);
                self.withdrawn.push(started_at);
            }
            StayChange::Opened(started_at) => {
                self.withdrawn.retain(|withdrawn| *withdrawn != started_at);
                apply(&mut self.upserts, change);
            }
            StayChange::Closed { .. } => apply(&mut self.upserts, change),
        }
    }
}

impl<'a> Changes<'a> {
    pub(crate) fn new(watches: &'a Watches) -> Self {
        Self {
            watches,
            stays: BTreeMap::new(),
            states: BTreeMap::new(),
            heard: HashSet::new(),
            tallies: BTreeMap::new(),
        }
    }

    /// Folds a bay's new events, given by their keys in order, onto what is known of it.
    pub(crate) fn fold(&mut self, bay: BayId, mut track: BayTrack, keys: &[EventKey]) {
        let Some(watched) = self.watches.bay(bay) else {
            return;
        };
        let tallies = self.tallies.entry(watched.lot).or_default();
        let known_until = track.last.map(|last| last.at);
        if track.last.is_some() {
            self.heard.insert(bay);
        }
        let mut stays = BayStays::default();
        for key in keys {
            let folded = track.fold(*key, &watched.watch);
            if let Some(known) = folded.known {
                tallies.add_known(&watched.watch, known);
            }
            let Some(change) = folded.stay else { continue };
            match change {
                StayChange::Opened(started_at) => {
                    tallies.add_arrival(&watched.watch, started_at);
                }
                StayChange::Withdrawn(started_at) => {
                    tallies.remove_arrival(&watched.watch, started_at);
                }
                StayChange::Closed { .. } => {}
            }
            stays.change(change, known_until);
        }
        self.stays.insert(bay, stays);
        self.states.insert(bay, track);
    }

    /// Puts one history of a bay in the place of another, both from the same instant on.
    pub(crate) fn replace(&mut self, bay: BayId, old: History, new: History) {
        let Some(watched) = self.watches.bay(bay) else {
            return;
        };
        let stays = self.stays.entry(bay).or_default();
        let gone = |stay: &&Stay| {
            !new.stays
                .iter()
                .any(|kept| kept.started_at == stay.started_at)
        };
        stays
            .withdrawn
            .extend(old.stays.iter().filter(gone).map(|stay| stay.started_at));
        stays
            .upserts
            .extend(new.stays.iter().filter(|stay| !old.stays.contains(stay)));
        let tallies = self.tallies.entry(watched.lot).or_default();
        tallies.add_all(new.tallies);
        tallies.subtract(old.tallies);
        self.states.insert(bay, new.track);
    }

    pub(crate) async fn write(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        self.write_stays(tx).await?;
        self.write_states(tx).await?;
        self.write_tallies(tx).await
    }

    async fn write_stays(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let (mut gone_bays, mut gone) = (Vec::new(), Vec::new());
        let (mut bays, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let count: usize = self.stays.values().map(|stays| stays.new.len()).sum();
        let copied = count >= COPY_FROM_ROWS;
        for (bay, stays) in &self.stays {
            for started_at in &stays.withdrawn {
                gone_bays.push(bay.0);
                gone.push(*started_at);
            }
            let inserted = if copied { &[][..] } else { &stays.new };
            for stay in inserted.iter().chain(&stays.upserts) {
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
        if copied {
            self.copy_new_stays(tx).await?;
        }
        Ok(())
    }

    async fn copy_new_stays(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let statement = "COPY stay (bay_id, started_at, ended_at) FROM STDIN (FORMAT binary)";
        let mut rows = CopyRows::begin(tx, statement, 3).await?;
        for (bay, stays) in &self.stays {
            for stay in &stays.new {
                rows.row()
                    .int4(Some(bay.0))
                    .timestamptz(Some(stay.started_at))
                    .timestamptz(stay.ended_at);
            }
            rows.send_some().await?;
        }
        rows.finish().await?;
        Ok(())
    }

    async fn write_states(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let unheard: Vec<i32> = self
            .states
            .iter()
            .filter(|(_, track)| track.last.is_none())
            .map(|(bay, _)| bay.0)
            .collect();
        if !unheard.is_empty() {
            sqlx::query("DELETE FROM bay_state WHERE bay_id = ANY($1)")
                .bind(&unheard)
                .execute(&mut *tx)
                .await?;
        }
        let (heard, new): (Vec<StateRow>, Vec<StateRow>) = self
            .states
            .iter()
            .filter_map(|(bay, track)| {
                let (last, since, known_from) = (track.last?, track.since?, track.known_from?);
                Some((bay.0, last, since, known_from))
            })
            .partition(|(bay, ..)| self.heard.contains(&BayId(*bay)));
        // Half as dear as to insert what is there already.
        write_state_rows(
            tx,
            "UPDATE bay_state SET last_at = told.last_at, last_seq = told.last_seq,
                occupied = told.occupied, since = told.since, known_from = told.known_from
             FROM unnest($1::int[], $2::timestamptz[], $3::bigint[], $4::bool[],
                $5::timestamptz[], $6::timestamptz[])
                    AS told (bay_id, last_at, last_seq, occupied, since, known_from)
             WHERE bay_state.bay_id = told.bay_id",
            &heard,
        )
        .await?;
        write_state_rows(
            tx,
            "INSERT INTO bay_state (bay_id, last_at, last_seq, occupied, since, known_from)
             SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::bigint[], $4::bool[],
                $5::timestamptz[], $6::timestamptz[])
             ON CONFLICT (bay_id) DO UPDATE SET last_at = excluded.last_at,
                last_seq = excluded.last_seq, occupied = excluded.occupied, since = excluded.since,
                known_from = excluded.known_from",
            &new,
        )
        .await
    }

    async fn write_tallies(&self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let rows: Vec<_> = self
            .tallies
            .iter()
            .flat_map(|(lot, tallies)| tallies.changes().map(|(at, tally)| (lot.0, at, tally)))
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO lot_occupancy AS known (lot_id, bucket, occupied_us, free_us, arrivals)
             SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::int[])
             ON CONFLICT (lot_id, bucket) DO UPDATE SET
                occupied_us = known.occupied_us + excluded.occupied_us,
                free_us = known.free_us + excluded.free_us,
                arrivals = known.arrivals + excluded.arrivals",
        )
        .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.occupied_us).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2.free_us).collect::<Vec<_>>())
        .bind(
            rows.iter()
                .map(|row| i32::try_from(row.2.arrivals).unwrap_or(i32::MAX))
                .collect::<Vec<_>>(),
        )
        .execute(tx)
        .await?;
        Ok(())
    }

    /// What these changes mean for the live board, by lot.
    pub(crate) fn deltas(&self) -> Vec<OccupancyDelta> {
        let mut by_lot: BTreeMap<&str, Vec<BayDelta>> = BTreeMap::new();
        for (bay, track) in &self.states {
            let (Some(watched), Some(last), Some(since)) =
                (self.watches.bay(*bay), track.last, track.since)
            else {
                continue;
            };
            by_lot.entry(&watched.lot_code).or_default().push(BayDelta {
                bay: *bay,
                occupied: last.occupied,
                since,
                heard_at: last.at,
            });
        }
        let delta = |(lot, bays): (&str, _)| OccupancyDelta {
            lot: lot.to_owned(),
            bays,
        };
        by_lot.into_iter().map(delta).collect()
    }
}

/// A bay's key and what its state says: the last event, since when, and from when on it is known.
type StateRow = (i32, EventKey, Timestamp, Timestamp);

async fn write_state_rows(
    tx: &mut PgConnection,
    statement: &'static str,
    rows: &[StateRow],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(statement)
        .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1.at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1.seq).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1.occupied).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.2).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.3).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}
