//! A change of the watches over bays, with its exact consequences for all that was folded by them.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::board::OccupancyDelta;
use domain::id::BayId;
use domain::stay::History;
use sqlx::PgConnection;

use crate::StoreError;
use crate::stay::Past;
use crate::stay_changes::Changes;
use crate::watch::{Watches, lots_lock, watches_load};

/// What followed from the watches over some bays before they change.
pub(crate) struct WatchChange {
    past: Past,
    old: BTreeMap<BayId, History>,
}

impl WatchChange {
    /// Locks the lots of bays whose watches are about to change, each from an instant on (`None`:
    /// from ever), and folds their history once more by the watches of `before`. The caller holds
    /// the watches ([`watches_change`](crate::watch::watches_change)).
    pub(crate) async fn begin(
        tx: &mut PgConnection,
        before: &Watches,
        affected: &BTreeMap<BayId, Option<Timestamp>>,
    ) -> Result<Self, StoreError> {
        if affected.is_empty() {
            return Ok(Self {
                past: Past::default(),
                old: BTreeMap::new(),
            });
        }
        let lots: Vec<i32> = sqlx::query_scalar("SELECT lot_id FROM bay WHERE bay_id = ANY($1)")
            .bind(affected.keys().map(|bay| bay.0).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await?;
        lots_lock(tx, &lots).await?;
        let past = Past::read(tx, affected.iter().map(|(bay, from)| (*bay, *from))).await?;
        let history = |bay: BayId| past.history(bay, past.keys(bay).to_vec(), before);
        let old = affected.keys().map(|bay| (*bay, history(*bay))).collect();
        Ok(Self { past, old })
    }

    /// Folds the history by the watches as they are now, writes what differs, and tells what each bay
    /// is by it.
    pub(crate) async fn finish(
        mut self,
        tx: &mut PgConnection,
    ) -> Result<Vec<OccupancyDelta>, StoreError> {
        if self.old.is_empty() {
            return Ok(Vec::new());
        }
        let after = watches_load(tx).await?;
        self.past.read_keys(tx).await?;
        let mut changes = Changes::new(&after);
        for (bay, old) in self.old {
            let keys = self.past.keys(bay).to_vec();
            changes.replace(bay, old, self.past.history(bay, keys, &after));
        }
        changes.write(tx).await?;
        Ok(changes.deltas())
    }
}
