//! What must follow from the events, by the simplest way there is: sort them all, then fold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::event::EventKey;
use domain::occupancy::{BayWatch, Span, Tallies, Watch};
use domain::stay::{BayTrack, History};
use sqlx::PgPool;

use crate::database::TestDatabase;

type At = DateTime<Utc>;
/// Bay, start, end.
pub type StayRow = (i32, At, Option<At>);
/// Bay, last event's time, counter and state, since when, known from when.
pub type StateRow = (i32, At, i64, bool, At, At);
/// Lot, bucket, occupied and free microseconds, arrivals.
pub type TallyRow = (i32, At, i64, i64, i32);

/// All that follows from events.
#[derive(Debug, Default, PartialEq)]
pub struct Derived {
    /// Stays, in order of bay and start.
    pub stays: Vec<StayRow>,
    /// Bays' states, in order of bay.
    pub states: Vec<StateRow>,
    /// Lots' tallies that are not nothing, in order of lot and bucket.
    pub tallies: Vec<TallyRow>,
}

impl Derived {
    /// As the tables hold it.
    ///
    /// # Panics
    /// Where the database is away.
    pub async fn kept(pool: &PgPool) -> Self {
        Self {
            stays: sqlx::query_as("SELECT bay_id, started_at, ended_at FROM stay ORDER BY 1, 2")
                .fetch_all(pool)
                .await
                .unwrap(),
            states: sqlx::query_as(
                "SELECT bay_id, last_at, last_seq, occupied, since, known_from
                 FROM bay_state ORDER BY 1",
            )
            .fetch_all(pool)
            .await
            .unwrap(),
            tallies: sqlx::query_as(
                "SELECT lot_id, bucket, occupied_us, free_us, arrivals FROM lot_occupancy
                 WHERE (occupied_us, free_us, arrivals) <> (0, 0, 0) ORDER BY 1, 2",
            )
            .fetch_all(pool)
            .await
            .unwrap(),
        }
    }

    /// As it follows from the events that the table holds, by the devices' assignments and with what
    /// is in doubt left out.
    ///
    /// # Panics
    /// Where the database is away.
    pub async fn expected(pool: &PgPool) -> Self {
        let mut derived = Self::default();
        let mut lots: BTreeMap<i32, Tallies> = BTreeMap::new();
        let mut keys = keys_by_bay(pool).await;
        for (bay, (lot, watch)) in watches(pool).await {
            let Some(keys) = keys.remove(&bay) else {
                continue;
            };
            let history = History::of(BayTrack::default(), keys, &watch);
            let stays = history.stays.iter();
            derived
                .stays
                .extend(stays.map(|stay| (bay, stay.started_at, stay.ended_at)));
            let track = history.track;
            let last = track.last.unwrap();
            derived.states.push((
                bay,
                last.at,
                last.seq,
                last.occupied,
                track.since.unwrap(),
                track.known_from.unwrap(),
            ));
            lots.entry(lot).or_default().add_all(history.tallies);
        }
        for (lot, tallies) in lots {
            derived.tallies.extend(tallies.changes().map(|(at, tally)| {
                let arrivals = i32::try_from(tally.arrivals).unwrap();
                (lot, at, tally.occupied_us, tally.free_us, arrivals)
            }));
        }
        derived
    }
}

impl Derived {
    /// How many rows only one of the two has.
    pub fn differences(&self, other: &Self) -> usize {
        fn apart<T: Ord>(one: &[T], other: &[T]) -> usize {
            let (one, other) = (BTreeSet::from_iter(one), BTreeSet::from_iter(other));
            one.symmetric_difference(&other).count()
        }
        apart(&self.stays, &other.stays)
            + apart(&self.states, &other.states)
            + apart(&self.tallies, &other.tallies)
    }
}

/// Asserts that all that was derived while events came is what follows from all of them.
///
/// # Panics
/// Where it is not.
pub async fn assert_exact(database: &TestDatabase, case: &str) {
    let (kept, expected) = (
        Derived::kept(&database.pool).await,
        Derived::expected(&database.pool).await,
    );
    assert_eq!(kept.stays, expected.stays, "stays, {case}");
    assert_eq!(kept.states, expected.states, "states, {case}");
    assert_eq!(kept.tallies, expected.tallies, "tallies, {case}");
}

async fn keys_by_bay(pool: &PgPool) -> HashMap<i32, Vec<EventKey>> {
    let rows: Vec<(i32, At, i64, bool)> = sqlx::query_as(
        "SELECT bay_id, at, seq, occupied FROM event JOIN device_assignment USING (device_id)
         WHERE during @> at",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut keys: HashMap<i32, Vec<EventKey>> = HashMap::new();
    for (bay, at, seq, occupied) in rows {
        keys.entry(bay)
            .or_default()
            .push(EventKey { at, seq, occupied });
    }
    keys
}

/// Each watched bay's lot, watches and doubts.
async fn watches(pool: &PgPool) -> BTreeMap<i32, (i32, BayWatch)> {
    type Row = (i32, i32, Option<At>, Option<At>, Option<i32>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT bay_id, lot_id, lower(during), upper(during), silence_after_s
         FROM device_assignment JOIN bay USING (bay_id) ORDER BY bay_id, during",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut watches: BTreeMap<i32, (i32, BayWatch)> = BTreeMap::new();
    for (bay, lot, from, until, silence_after_s) in rows {
        let span = Span {
            from: from.unwrap_or(At::MIN_UTC),
            until: until.unwrap_or(At::MAX_UTC),
        };
        let watch = &mut watches.entry(bay).or_insert((lot, BayWatch::default())).1;
        watch.watches.push(Watch {
            span,
            silence_after_s,
        });
    }
    let doubts: Vec<(i32, Option<At>, Option<At>)> = sqlx::query_as(
        "SELECT bay_id, lower(doubt), upper(doubt)
         FROM (SELECT bay_id, during * tstzrange(since, until) AS doubt
               FROM device_fault JOIN device_assignment USING (device_id)
               WHERE kind NOT IN ('comms_lost', 'battery')) AS doubts
         WHERE NOT isempty(doubt)",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for (bay, from, until) in doubts {
        let doubt = Span {
            from: from.unwrap_or(At::MIN_UTC),
            until: until.unwrap_or(At::MAX_UTC),
        };
        watches.get_mut(&bay).unwrap().1.doubts.push(doubt);
    }
    watches
}
