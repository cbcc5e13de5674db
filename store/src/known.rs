//! Of which time it was known what bays held: by lot and day out of the tallies, and bay by bay where a
//! lot was not known all the time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::{BayId, LotId};
use domain::occupancy::{Span, bucket_of, merged, outside};
use sqlx::PgConnection;

use crate::stay::bay_tracks;
use crate::watch::WatchedBay;
use crate::{Store, StoreError};

/// What was known of some bays within a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownPast {
    /// Bay-microseconds by lot and local day.
    pub(crate) known_us: BTreeMap<(LotId, NaiveDate), i64>,
    /// When nobody knew what a bay held, since its lot began, in order of time.
    pub(crate) unknown: HashMap<BayId, Vec<Span>>,
    /// When lots began of which not all was known: with the first word of one of their bays or the first
    /// session that was paid for in one. Not among them are lots of which nothing was ever known: that they
    /// say nothing is what there is to tell of them.
    pub(crate) begun: BTreeMap<LotId, Timestamp>,
}

impl Store {
    /// What was known of bays, each with its lot, within a time that has passed, and of some bays for
    /// longer, each until an instant. The cost follows the lots of which not all was known: only of those
    /// is every word looked at.
    pub(crate) async fn known_past(
        &self,
        tx: &mut PgConnection,
        bays: &BTreeMap<BayId, LotId>,
        longer: &BTreeMap<BayId, Timestamp>,
        during: Span,
        tz: Tz,
    ) -> Result<KnownPast, StoreError> {
        let mut past = KnownPast::default();
        if during.until <= during.from {
            return Ok(past);
        }
        past.known_us = self.known_by_day(tx, bays, during, tz).await?;
        let mut known_us: BTreeMap<LotId, i64> = BTreeMap::new();
        for ((lot, _), us) in &past.known_us {
            *known_us.entry(*lot).or_default() += us;
        }
        let mut all_us: BTreeMap<LotId, i64> = BTreeMap::new();
        for lot in bays.values() {
            let sum = all_us.entry(*lot).or_default();
            *sum = sum.saturating_add(during.length_us());
        }
        let less = |lot: &LotId| known_us.get(lot).copied().unwrap_or(0) < all_us[lot];
        let lots: BTreeSet<LotId> = all_us.keys().copied().filter(less).collect();
        let of_these = bays.iter().filter(|(_, lot)| lots.contains(lot));
        let these: Vec<BayId> = of_these.map(|(bay, _)| *bay).collect();
        let first = first_words(tx, &these).await?;
        past.begun = begun(tx, &lots, &these, bays, &first).await?;
        past.unknown = self.unknown_time(tx, &these, &first, during).await?;
        for (bay, spans) in &mut past.unknown {
            if let Some(begun) = past.begun.get(&bays[bay]) {
                let before = Span {
                    from: during.from,
                    until: *begun,
                };
                *spans = spans
                    .iter()
                    .flat_map(|span| span.without(&before))
                    .collect();
            }
        }
        if let Some(until) = longer.values().max() {
            let after = Span {
                from: during.until,
                until: *until,
            };
            let bays: Vec<BayId> = longer.keys().copied().collect();
            let first = first_words(tx, &bays).await?;
            for (bay, spans) in self.unknown_time(tx, &bays, &first, after).await? {
                let all = past.unknown.entry(bay).or_default();
                all.extend(spans);
                *all = merged(std::mem::take(all));
            }
        }
        Ok(past)
    }

    /// The tallies, with what goes on at the end.
    async fn known_by_day(
        &self,
        tx: &mut PgConnection,
        bays: &BTreeMap<BayId, LotId>,
        during: Span,
        tz: Tz,
    ) -> Result<BTreeMap<(LotId, NaiveDate), i64>, StoreError> {
        let lots: BTreeSet<i32> = bays.values().map(|lot| lot.0).collect();
        let rows: Vec<(i32, NaiveDate, i64)> = sqlx::query_as(
            "SELECT lot_id, (bucket AT TIME ZONE $4)::date, sum(occupied_us + free_us)::bigint
             FROM lot_occupancy WHERE lot_id = ANY($1) AND bucket >= $2 AND bucket < $3 GROUP BY 1, 2",
        )
        .bind(lots.into_iter().collect::<Vec<_>>())
        .bind(bucket_of(during.from))
        .bind(during.until)
        .bind(tz.name())
        .fetch_all(&mut *tx)
        .await?;
        let row = |(lot, day, us)| ((LotId(lot), day), us);
        let mut known: BTreeMap<(LotId, NaiveDate), i64> = rows.into_iter().map(row).collect();
        let keys = bays.keys().map(|bay| bay.0).collect();
        for (lot, tallies) in self.present(tx, keys, during.until).await? {
            for (at, tally) in tallies.changes().filter(|(at, _)| *at >= during.from) {
                let day = at.with_timezone(&tz).date_naive();
                *known.entry((lot, day)).or_default() += tally.occupied_us + tally.free_us;
            }
        }
        Ok(known)
    }

    /// When nobody knew what bays held.
    async fn unknown_time(
        &self,
        tx: &mut PgConnection,
        bays: &[BayId],
        first: &HashMap<BayId, Timestamp>,
        during: Span,
    ) -> Result<HashMap<BayId, Vec<Span>>, StoreError> {
        if bays.is_empty() {
            return Ok(HashMap::new());
        }
        let mut unknown: HashMap<BayId, Vec<Span>> = silences(tx, bays, during).await?;
        let tracks = bay_tracks(tx, bays.iter().copied()).await?;
        let watches = self.watches.read(tx).await?;
        for bay in bays {
            let spans = unknown.entry(*bay).or_default();
            let told = (first.get(bay), tracks.get(bay).and_then(|track| track.last));
            let (Some(watched), (Some(first), Some(last))) = (watches.bay(*bay), told) else {
                *spans = vec![during];
                continue;
            };
            spans.extend(unwatched(watched, during));
            spans.push(Span {
                from: during.from,
                until: *first,
            });
            spans.push(Span {
                from: watched.watch.believed_until(last.at),
                until: during.until,
            });
            let clipped = spans.iter().filter_map(|span| span.overlap(&during));
            *spans = merged(clipped.collect());
        }
        Ok(unknown)
    }
}

/// When no device stood in a bay, or one that was in doubt.
fn unwatched(bay: &WatchedBay, during: Span) -> Vec<Span> {
    let watched = merged(bay.watch.watches.iter().map(|watch| watch.span).collect());
    let mut spans = outside(during, &watched);
    spans.extend_from_slice(&bay.watch.doubts);
    spans
}

/// The first word that was ever told of each bay. Where events have been forgotten, a vehicle's arrival
/// is remembered.
async fn first_words(
    tx: &mut PgConnection,
    bays: &[BayId],
) -> Result<HashMap<BayId, Timestamp>, StoreError> {
    let rows: Vec<(i32, Option<Timestamp>)> = sqlx::query_as(
        "SELECT bay_id, least((SELECT min(started_at) FROM stay WHERE stay.bay_id = bay.bay_id),
                              (SELECT min(told.at) FROM device_assignment, LATERAL (
                                    SELECT at FROM event
                                    WHERE event.device_id = device_assignment.device_id
                                      AND at >= coalesce(lower(during), '-infinity')
                                      AND at < coalesce(upper(during), 'infinity')
                                    ORDER BY at LIMIT 1) AS told
                               WHERE device_assignment.bay_id = bay.bay_id))
         FROM unnest($1::int[]) AS bay (bay_id)",
    )
    .bind(bays.iter().map(|bay| bay.0).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let told = |(bay, at): (i32, Option<Timestamp>)| Some((BayId(bay), at?));
    Ok(rows.into_iter().filter_map(told).collect())
}

/// When lots began, of which `these` are the bays: with a word, a tally or a paid session.
async fn begun(
    tx: &mut PgConnection,
    lots: &BTreeSet<LotId>,
    these: &[BayId],
    lot_of: &BTreeMap<BayId, LotId>,
    first: &HashMap<BayId, Timestamp>,
) -> Result<BTreeMap<LotId, Timestamp>, StoreError> {
    let words = first.iter().map(|(bay, at)| (lot_of[bay], *at));
    // Where events have been forgotten tallies remain, of a quarter of an hour each. Who left first came
    // first, or nearly so: a bay holds one vehicle after the other.
    let rows: Vec<(i32, Option<Timestamp>)> = sqlx::query_as(
        "SELECT lot_id, (SELECT min(bucket) + interval '15 minutes' FROM lot_occupancy
                         WHERE lot_occupancy.lot_id = lot.lot_id AND occupied_us + free_us > 0)
         FROM unnest($1::int[]) AS lot (lot_id)
         UNION ALL
         SELECT lot_id, (SELECT starts_at FROM session
                         WHERE session.bay_id = bay.bay_id AND status = 'paid' ORDER BY ends_at LIMIT 1)
         FROM bay WHERE bay_id = ANY($2)",
    )
    .bind(lots.iter().map(|lot| lot.0).collect::<Vec<_>>())
    .bind(these.iter().map(|bay| bay.0).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let told = |(lot, at): (i32, Option<Timestamp>)| Some((LotId(lot), at?));
    let mut begun: BTreeMap<LotId, Timestamp> = BTreeMap::new();
    for (lot, at) in words.chain(rows.into_iter().filter_map(told)) {
        begun
            .entry(lot)
            .and_modify(|first| *first = at.min(*first))
            .or_insert(at);
    }
    Ok(begun)
}

/// When bays' devices had been silent for too long, after a word or before their first one, or were taken
/// away after one; as far as events are remembered, and what was noticed at the time.
async fn silences(
    tx: &mut PgConnection,
    bays: &[BayId],
    during: Span,
) -> Result<HashMap<BayId, Vec<Span>>, StoreError> {
    let rows: Vec<(i32, Timestamp, Timestamp)> = sqlx::query_as(
        // Device by device, so that words come in the order of the index and are not sorted all at once.
        "WITH watch AS MATERIALIZED (
            SELECT bay_id, device_id, silence_after_s, coalesce(lower(during), '-infinity') AS installed,
                   coalesce(upper(during), 'infinity') AS removed
            FROM device_assignment WHERE bay_id = ANY($1)
         )
         SELECT bay_id, believed, next_at FROM watch, LATERAL (
            SELECT least(at + make_interval(secs => silence_after_s), removed) AS believed,
                   lead(at, 1, least(removed, $3)) OVER (ORDER BY at) AS next_at
            FROM ((SELECT at FROM event
                   WHERE event.device_id = watch.device_id AND at >= installed AND at < removed AND at < $2
                   ORDER BY at DESC LIMIT 1)
                  UNION ALL
                  SELECT at FROM event
                  WHERE event.device_id = watch.device_id AND at >= installed AND at < removed
                    AND at >= $2 AND at < $3) AS word) AS told
         WHERE believed < next_at AND next_at > $2
         UNION ALL
         SELECT bay_id, installed, coalesce((
                SELECT at FROM event
                WHERE event.device_id = watch.device_id AND at >= installed AND at < least(removed, $3)
                ORDER BY at LIMIT 1), least(removed, $3))
         FROM watch WHERE installed > $2 AND installed < $3
         UNION ALL
         SELECT bay_id, greatest(since, installed, $2), least(until, removed, $3)
         FROM watch JOIN device_fault USING (device_id)
         WHERE kind = 'comms_lost' AND since < least(removed, $3)
           AND coalesce(until, 'infinity') > greatest(installed, $2)",
    )
    .bind(bays.iter().map(|bay| bay.0).collect::<Vec<_>>())
    .bind(during.from)
    .bind(during.until)
    .fetch_all(tx)
    .await?;
    let mut silences: HashMap<BayId, Vec<Span>> = HashMap::new();
    for (bay, from, until) in rows {
        let spans = silences.entry(BayId(bay)).or_default();
        spans.push(Span { from, until });
    }
    Ok(silences)
}
