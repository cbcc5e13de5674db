//! What lots' bays did, by the quarter of an hour: the tallies that ingest keeps, and what goes on
//! at present.

use std::collections::{BTreeMap, HashMap};

use domain::Timestamp;
use domain::id::{BayId, LotId};
use domain::occupancy::{OccupancyBucket, Tallies, Tally, bucket_of};
use domain::stay::BayTrack;
use sqlx::PgConnection;

use crate::stay::bay_tracks;
use crate::{Store, StoreError};

impl Store {
    /// What a lot's bays did between two instants, both rounded down to a bucket's start, as far as
    /// it is known at `now`: a row for each bucket in which anything is known, in order of time.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such lot; database errors.
    pub async fn lot_occupancy(
        &self,
        lot: &str,
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<OccupancyBucket>, StoreError> {
        let (from, to) = (bucket_of(from), bucket_of(to));
        let mut tx = self.snapshot().await?;
        let lot_id: i32 = sqlx::query_scalar("SELECT lot_id FROM lot WHERE code = $1")
            .bind(lot)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(StoreError::NotFound("lot"))?;
        let bays: Vec<i32> = sqlx::query_scalar("SELECT bay_id FROM bay WHERE lot_id = $1")
            .bind(lot_id)
            .fetch_all(&mut *tx)
            .await?;
        let rows: Vec<(Timestamp, i64, i64, i64)> = sqlx::query_as(
            "SELECT bucket, occupied_us, free_us, arrivals::bigint FROM lot_occupancy
             WHERE lot_id = $1 AND bucket >= $2 AND bucket < $3",
        )
        .bind(lot_id)
        .bind(from)
        .bind(to)
        .fetch_all(&mut *tx)
        .await?;
        let mut present = self.present(&mut tx, bays, now).await?;
        let mut tallies = present.remove(&LotId(lot_id)).unwrap_or_default();
        tx.commit().await?;
        for (at, occupied_us, free_us, arrivals) in rows {
            let tally = Tally {
                occupied_us,
                free_us,
                arrivals,
            };
            tallies.add(at, tally);
        }
        Ok(tallies
            .changes()
            .filter(|(at, _)| (from..to).contains(at))
            .map(|(at, tally)| OccupancyBucket { at, tally })
            .collect())
    }

    /// The known time of some bays that has not come to an end, as of `now`, by their lots.
    pub(crate) async fn present(
        &self,
        tx: &mut PgConnection,
        bays: Vec<i32>,
        now: Timestamp,
    ) -> Result<BTreeMap<LotId, Tallies>, StoreError> {
        let watches = self.watches.read(tx).await?;
        let tracks: HashMap<BayId, BayTrack> = bay_tracks(tx, bays.into_iter().map(BayId)).await?;
        let mut present: BTreeMap<LotId, Tallies> = BTreeMap::new();
        for (bay, watched) in watches.bays(tracks.keys().copied()) {
            if let Some(known) = tracks[&bay].known_so_far(&watched.watch, now) {
                let tallies = present.entry(watched.lot).or_default();
                tallies.add_known(&watched.watch, known);
            }
        }
        Ok(present)
    }
}
