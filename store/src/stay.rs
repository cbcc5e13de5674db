//! Stays and bay states: read, and folded again where an event came late.

use std::collections::{BTreeMap, HashMap};

use domain::Timestamp;
use domain::event::EventKey;
use domain::id::BayId;
use domain::stay::{BayTrack, History};
use sqlx::{FromRow, PgConnection};

use crate::stay_changes::Changes;
use crate::watch::Watches;
use crate::{Store, StoreError};

#[derive(FromRow)]
struct StateRow {
    bay_id: i32,
    last_at: Timestamp,
    last_seq: i64,
    occupied: bool,
    since: Timestamp,
    known_from: Timestamp,
}

impl StateRow {
    fn track(&self) -> (BayId, BayTrack) {
        let last = EventKey {
            at: self.last_at,
            seq: self.last_seq,
            occupied: self.occupied,
        };
        let track = BayTrack {
            last: Some(last),
            since: Some(self.since),
            known_from: Some(self.known_from),
        };
        (BayId(self.bay_id), track)
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
        // Stays of a bay follow one another: of those that began before `from` only the last can
        // reach beyond it.
        Ok(sqlx::query_as(
            "SELECT started_at, ended_at FROM stay
             WHERE bay_id = $1 AND started_at < $3 AND coalesce(ended_at, $3) > $2
               AND started_at >= coalesce((SELECT max(started_at) FROM stay
                                           WHERE bay_id = $1 AND started_at <= $2), '-infinity')
             ORDER BY started_at LIMIT 100",
        )
        .bind(bay.0)
        .bind(from)
        .bind(to)
        .fetch_all(&self.pool)
        .await?)
    }
}

/// What is known of these bays, as far as they were ever heard.
pub(crate) async fn bay_tracks(
    tx: &mut PgConnection,
    bays: impl Iterator<Item = BayId>,
) -> Result<HashMap<BayId, BayTrack>, StoreError> {
    let bays: Vec<i32> = bays.map(|bay| bay.0).collect();
    let rows: Vec<StateRow> = sqlx::query_as(
        "SELECT bay_id, last_at, last_seq, occupied, since, known_from
         FROM bay_state WHERE bay_id = ANY($1)",
    )
    .bind(bays)
    .fetch_all(tx)
    .await?;
    Ok(rows.iter().map(StateRow::track).collect())
}

/// Takes events that came late, by bay, into the history of their bays: from before the earliest of
/// them on it is folded once without and once with them.
pub(crate) async fn refold(
    tx: &mut PgConnection,
    late: &BTreeMap<BayId, Vec<EventKey>>,
    changes: &mut Changes<'_>,
) -> Result<(), StoreError> {
    if late.is_empty() {
        return Ok(());
    }
    let earliest = late
        .iter()
        .map(|(bay, keys)| (*bay, keys.first().map(|key| key.at)));
    let past = Past::read(tx, earliest).await?;
    for (bay, late) in late {
        let with = past.keys(*bay);
        let without = with
            .iter()
            .filter(|key| late.binary_search(key).is_err())
            .copied()
            .collect();
        changes.replace(
            *bay,
            past.history(*bay, without, changes.watches),
            past.history(*bay, with.to_vec(), changes.watches),
        );
    }
    Ok(())
}

/// What some bays' devices said from some instant on, with a stay to begin the fold with.
#[derive(Default)]
pub(crate) struct Past {
    anchors: BTreeMap<BayId, Option<Timestamp>>,
    keys: HashMap<BayId, Vec<EventKey>>,
}

impl Past {
    /// Reads bays' events from before an instant each (`None`: from ever): from the start of the last stay that began
    /// earlier, or all of them where there is none.
    pub(crate) async fn read(
        tx: &mut PgConnection,
        earliest: impl Iterator<Item = (BayId, Option<Timestamp>)>,
    ) -> Result<Self, StoreError> {
        let (bays, instants): (Vec<i32>, Vec<Option<Timestamp>>) =
            earliest.map(|(bay, at)| (bay.0, at)).unzip();
        let anchors: Vec<Option<Timestamp>> = sqlx::query_scalar(
            "SELECT (SELECT max(started_at) FROM stay
                     WHERE stay.bay_id = late.bay_id AND started_at < late.at)
             FROM unnest($1::int[], $2::timestamptz[]) WITH ORDINALITY AS late (bay_id, at, n)
             ORDER BY n",
        )
        .bind(&bays)
        .bind(&instants)
        .fetch_all(&mut *tx)
        .await?;
        let mut past = Self {
            anchors: bays.iter().map(|bay| BayId(*bay)).zip(anchors).collect(),
            keys: HashMap::new(),
        };
        past.read_keys(tx).await?;
        Ok(past)
    }

    /// Reads the events again, as the assignments are now.
    pub(crate) async fn read_keys(&mut self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let bays: Vec<i32> = self.anchors.keys().map(|bay| bay.0).collect();
        let anchors: Vec<Option<Timestamp>> = self.anchors.values().copied().collect();
        let rows: Vec<(i32, Timestamp, i64, bool)> = sqlx::query_as(
            "SELECT bay_id, event.at, seq, occupied
             FROM unnest($1::int[], $2::timestamptz[]) AS anchor (bay_id, at)
                  JOIN device_assignment USING (bay_id)
                  JOIN event USING (device_id)
             WHERE event.at >= coalesce(anchor.at, '-infinity')
               AND event.at >= coalesce(lower(during), '-infinity')
               AND event.at < coalesce(upper(during), 'infinity')
               AND event.at >= coalesce($3, '-infinity')
             ORDER BY bay_id, event.at, seq, occupied",
        )
        .bind(&bays)
        .bind(&anchors)
        // Said once more for all of them, so that earlier chunks are not searched.
        .bind(anchors.iter().copied().min().flatten())
        .fetch_all(tx)
        .await?;
        self.keys.clear();
        for (bay, at, seq, occupied) in rows {
            let key = EventKey { at, seq, occupied };
            self.keys.entry(BayId(bay)).or_default().push(key);
        }
        Ok(())
    }

    /// A bay's events, in order.
    pub(crate) fn keys(&self, bay: BayId) -> &[EventKey] {
        self.keys.get(&bay).map_or(&[], Vec::as_slice)
    }

    /// A bay's history from its anchor on, out of these events. What retention has dropped since the
    /// anchor is not missed: the stay itself says that a vehicle was there.
    pub(crate) fn history(&self, bay: BayId, keys: Vec<EventKey>, watches: &Watches) -> History {
        let anchor = self.anchors.get(&bay).copied().flatten();
        let before = anchor.map(BayTrack::arrived).unwrap_or_default();
        match watches.bay(bay) {
            Some(watched) => History::of(before, keys, &watched.watch),
            None => History::default(),
        }
    }
}
