//! Order and repetition do not matter: any permutation, division and duplication of the same
//! events leaves the same events, stays and bay states, also with two writers at once.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::event::{Event, EventKey};
use domain::id::BayId;
use domain::stay::stays_of;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use sqlx::Executor;
use tests::city;
use tests::database::TestDatabase;

type Told = Vec<(i32, Event)>;
type EventRow = (i32, DateTime<Utc>, i64, bool, i32);
type StayRow = (i32, DateTime<Utc>, Option<DateTime<Utc>>);
type StateRow = (i32, DateTime<Utc>, i64, bool, DateTime<Utc>);

/// All that follows from the events, as the tables hold it.
#[derive(Debug, PartialEq)]
struct Kept {
    events: Vec<EventRow>,
    stays: Vec<StayRow>,
    states: Vec<StateRow>,
}

async fn kept(database: &TestDatabase) -> Kept {
    let pool = &database.pool;
    Kept {
        events: sqlx::query_as(
            "SELECT bay_id, at, seq, occupied, device_id FROM event ORDER BY 1, 2, 3, 4",
        )
        .fetch_all(pool)
        .await
        .unwrap(),
        stays: sqlx::query_as("SELECT bay_id, started_at, ended_at FROM stay ORDER BY 1, 2")
            .fetch_all(pool)
            .await
            .unwrap(),
        states: sqlx::query_as(
            "SELECT bay_id, last_at, last_seq, occupied, since FROM bay_state ORDER BY 1",
        )
        .fetch_all(pool)
        .await
        .unwrap(),
    }
}

/// What the pure fold makes of the same events, all at once.
fn expected(told: &Told) -> Kept {
    let mut by_bay: HashMap<BayId, (i32, Vec<EventKey>)> = HashMap::new();
    for (device, event) in told {
        by_bay
            .entry(event.bay)
            .or_insert((*device, vec![]))
            .1
            .push(event.key());
    }
    let mut kept = Kept {
        events: vec![],
        stays: vec![],
        states: vec![],
    };
    for (bay, (device, mut keys)) in by_bay {
        keys.sort_unstable();
        keys.dedup();
        let row = |key: &EventKey| (bay.0, key.at, key.seq, key.occupied, device);
        kept.events.extend(keys.iter().map(row));
        let (stays, track) = stays_of(keys);
        kept.stays.extend(
            stays
                .iter()
                .map(|stay| (bay.0, stay.started_at, stay.ended_at)),
        );
        let last = track.last.unwrap();
        kept.states.push((
            bay.0,
            last.at,
            last.seq,
            last.occupied,
            track.since.unwrap(),
        ));
    }
    kept.events.sort_unstable();
    kept.stays.sort_unstable();
    kept.states.sort_unstable();
    kept
}

/// Few bays, few moments and few counters, so that events meet in every way.
fn some_events(random: &mut StdRng, devices: &[(i32, BayId)]) -> Told {
    let start = city::past();
    let count = random.random_range(1..120);
    let event = |random: &mut StdRng| {
        let (device, bay) = devices[random.random_range(0..devices.len())];
        let at = start + TimeDelta::microseconds(random.random_range(0..25) * 1_000_001);
        let event = Event {
            bay,
            device: String::new(),
            at,
            seq: random.random_range(0..4),
            occupied: random.random(),
            battery_mv: None,
            temperature_dc: None,
            received_at: at,
        };
        (device, event)
    };
    (0..count).map(|_| event(random)).collect()
}

/// The same events in another order, some of them twice or more.
fn shuffled(random: &mut StdRng, told: &Told) -> Told {
    let repeated = told.iter().filter(|_| random.random_bool(0.4)).cloned();
    let mut all: Told = repeated.collect();
    all.extend(told.iter().cloned());
    all.shuffle(random);
    all
}

async fn city_of_four(database: &TestDatabase) -> Vec<(i32, BayId)> {
    database
        .store
        .place_import(&city::small(1, 4))
        .await
        .unwrap();
    let directory = database.store.device_directory().await.unwrap();
    directory
        .values()
        .map(|device| (device.id, device.bay))
        .collect()
}

async fn forget(database: &TestDatabase) {
    for table in ["stay", "bay_state", "event"] {
        database
            .pool
            .execute(sqlx::AssertSqlSafe(format!("DELETE FROM {table}")))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn any_order_division_and_repetition_of_events_leaves_the_same_tables() {
    let database = TestDatabase::create().await;
    let devices = city_of_four(&database).await;
    for seed in 0..60 {
        let mut random = StdRng::seed_from_u64(seed);
        let told = some_events(&mut random, &devices);
        let expected = expected(&told);
        for _ in 0..3 {
            forget(&database).await;
            let mut rest = &shuffled(&mut random, &told)[..];
            let mut counted = 0;
            while !rest.is_empty() {
                let (batch, after) = rest.split_at(random.random_range(1..=rest.len()));
                let ingested = database.store.event_ingest(batch, &[]).await.unwrap();
                assert_eq!(ingested.inserted + ingested.repeated, batch.len() as u64);
                counted += ingested.inserted;
                rest = after;
            }
            assert_eq!(kept(&database).await, expected, "seed {seed}");
            assert_eq!(counted, expected.events.len() as u64, "seed {seed}");
        }
    }
}

#[tokio::test]
async fn two_writers_at_once_leave_the_same_tables_as_one() {
    let database = TestDatabase::create().await;
    let devices = city_of_four(&database).await;
    for seed in 0..30 {
        let mut random = StdRng::seed_from_u64(1_000 + seed);
        let told = some_events(&mut random, &devices);
        forget(&database).await;
        let writer = |events: Told| {
            let store = database.store.clone();
            async move {
                for batch in events.chunks(7) {
                    store.event_ingest(batch, &[]).await.unwrap();
                }
            }
        };
        let (left, right) = (shuffled(&mut random, &told), shuffled(&mut random, &told));
        let (one, other) = tokio::join!(tokio::spawn(writer(left)), tokio::spawn(writer(right)));
        one.unwrap();
        other.unwrap();
        assert_eq!(kept(&database).await, expected(&told), "seed {seed}");
    }
}

#[tokio::test]
async fn a_delta_tells_of_every_bay_that_spoke_and_only_once() {
    let database = TestDatabase::create().await;
    let devices = city_of_four(&database).await;
    let mut random = StdRng::seed_from_u64(7);
    let told = some_events(&mut random, &devices);
    let first = database.store.event_ingest(&told, &[]).await.unwrap();
    let states = expected(&told).states;
    let told_of: Vec<_> = first
        .deltas
        .iter()
        .map(|delta| (delta.bay.0, delta.heard_at, delta.occupied, delta.since))
        .collect();
    let expected: Vec<_> = states
        .iter()
        .map(|(bay, at, _, occupied, since)| (*bay, *at, *occupied, *since))
        .collect();
    assert_eq!(told_of, expected);
    let again = database.store.event_ingest(&told, &[]).await.unwrap();
    assert_eq!((again.inserted, again.deltas), (0, vec![]));
}
