//! Order and repetition do not matter: any permutation, division and duplication of the same
//! events leaves the same events, stays, bay states and tallies, also with two writers at once, and
//! with sensors that are moved or come into doubt meanwhile. What is right is what sorting everything first would give.

use chrono::{DateTime, TimeDelta, Utc};
use domain::device::{Device, DeviceModel, Mounting};
use domain::event::Event;
use domain::health::{Fault, FaultChange, FaultDetail, FaultKind};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use sqlx::Executor;
use store::assignment::Installation;
use tests::city;
use tests::database::TestDatabase;
use tests::oracle::{Derived, assert_exact};

type Told = Vec<(i32, Event)>;
type EventRow = (i32, DateTime<Utc>, i64, bool);

async fn kept(database: &TestDatabase) -> Vec<EventRow> {
    sqlx::query_as("SELECT device_id, at, seq, occupied FROM event ORDER BY 1, 2, 3, 4")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

/// The distinct events among these.
fn distinct(told: &Told) -> Vec<EventRow> {
    let row = |(device, event): &(i32, Event)| (*device, event.at, event.seq, event.occupied);
    let mut rows: Vec<EventRow> = told.iter().map(row).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// Few bays, few moments and few counters, so that events meet in every way.
fn some_events(random: &mut StdRng, devices: &[i32]) -> Told {
    let start = city::past();
    let count = random.random_range(1..120);
    let event = |random: &mut StdRng| {
        let device = devices[random.random_range(0..devices.len())];
        let at = start + TimeDelta::microseconds(random.random_range(0..25) * 1_000_001);
        let event = Event {
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

/// The keys of its devices, which are silent after ten seconds.
async fn city_of_four(database: &TestDatabase) -> Vec<i32> {
    let mut place = city::small(2, 2);
    for bay in place.lots.iter_mut().flat_map(|lot| &mut lot.bays) {
        bay.device.as_mut().unwrap().silence_after_s = Some(10);
    }
    database
        .store
        .place_import(&place, Utc::now())
        .await
        .unwrap();
    let directory = database.store.device_directory().await.unwrap();
    let mut devices: Vec<i32> = directory.values().map(|device| device.id).collect();
    // In one order every time, so that a seed means the same.
    devices.sort_unstable();
    devices
}

async fn forget(database: &TestDatabase) {
    for table in [
        "stay",
        "bay_state",
        "lot_occupancy",
        "event",
        "device_fault",
    ] {
        database
            .pool
            .execute(sqlx::AssertSqlSafe(format!("DELETE FROM {table}")))
            .await
            .unwrap();
    }
    // Doubts are read anew only where they are said to have changed.
    database
        .pool
        .execute("UPDATE watch_version SET version = version + 1")
        .await
        .unwrap();
}

#[tokio::test]
async fn any_order_division_and_repetition_of_events_leaves_the_same_tables() {
    let database = TestDatabase::create().await;
    let devices = city_of_four(&database).await;
    for seed in 0..60 {
        let mut random = StdRng::seed_from_u64(seed);
        let told = some_events(&mut random, &devices);
        let expected = distinct(&told);
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
            assert_eq!(counted, expected.len() as u64, "seed {seed}");
            assert_exact(&database, &format!("seed {seed}")).await;
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
        assert_eq!(kept(&database).await, distinct(&told), "seed {seed}");
        assert_exact(&database, &format!("seed {seed}")).await;
    }
}

#[tokio::test]
async fn a_delta_tells_of_every_bay_that_spoke_and_only_once() {
    let database = TestDatabase::create().await;
    let devices = city_of_four(&database).await;
    let mut random = StdRng::seed_from_u64(7);
    let told = some_events(&mut random, &devices);
    let first = database.store.event_ingest(&told, &[]).await.unwrap();
    let mut told_of: Vec<_> = first
        .deltas
        .iter()
        .flat_map(|delta| &delta.bays)
        .map(|bay| (bay.bay.0, bay.heard_at, bay.occupied, bay.since))
        .collect();
    told_of.sort_unstable();
    let expected: Vec<_> = Derived::expected(&database.pool)
        .await
        .states
        .into_iter()
        .map(|(bay, at, _, occupied, since, _)| (bay, at, occupied, since))
        .collect();
    assert_eq!(told_of, expected);
    let again = database.store.event_ingest(&told, &[]).await.unwrap();
    assert_eq!((again.inserted, again.deltas), (0, vec![]));
}

/// A device of the little city, as an installer would tell of it.
fn device(bay: usize, silence_after_s: i32) -> Device {
    Device {
        id: format!("lot-{}-{}-sensor", bay / 2, bay % 2),
        model: DeviceModel::CLEARBAY,
        mounting: Mounting::default(),
        silence_after_s: Some(silence_after_s),
    }
}

#[tokio::test]
async fn sensors_may_be_moved_at_any_time_and_for_any_time() {
    let database = TestDatabase::create().await;
    let devices = city_of_four(&database).await;
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(2_000 + seed);
        let told = some_events(&mut random, &devices);
        forget(&database).await;
        for batch in told.chunks(9) {
            database.store.event_ingest(batch, &[]).await.unwrap();
            let device = device(random.random_range(0..4), random.random_range(3..30));
            let bay = random.random_range(0..4);
            let bay = format!("lot-{}-{}", bay / 2, bay % 2);
            let second = TimeDelta::seconds(random.random_range(-5..30));
            let installation = Installation {
                bay: &bay,
                device: &device,
                from: random.random_bool(0.8).then(|| city::past() + second),
            };
            let installed = [installation];
            let done = database.store.devices_install(&installed, &[], Utc::now());
            done.await.unwrap();
        }
        assert_eq!(kept(&database).await, distinct(&told), "seed {seed}");
        assert_exact(&database, &format!("seed {seed}")).await;
    }
}

/// That some sensor comes into doubt, or out of it, at some time.
fn some_doubt(random: &mut StdRng, devices: &[i32]) -> (i32, FaultChange) {
    let device = devices[random.random_range(0..devices.len())];
    let kinds = FaultKind::ALL;
    let kind = kinds[random.random_range(0..kinds.len())];
    let at = city::past() + TimeDelta::milliseconds(random.random_range(-5_000..30_000));
    let change = if random.random_bool(0.5) {
        FaultChange::Begins(Fault {
            kind,
            since: at,
            detail: FaultDetail::Flapping { changes: 20 },
        })
    } else {
        FaultChange::Ends { kind, until: at }
    };
    (device, change)
}

#[tokio::test]
async fn sensors_may_come_into_doubt_at_any_time_and_for_any_time() {
    let database = TestDatabase::create().await;
    let devices = city_of_four(&database).await;
    let (mut begun, mut ended) = (0, 0);
    for seed in 0..60 {
        let mut random = StdRng::seed_from_u64(3_000 + seed);
        let told = some_events(&mut random, &devices);
        forget(&database).await;
        for (step, batch) in told.chunks(9).enumerate() {
            database.store.event_ingest(batch, &[]).await.unwrap();
            let count = random.random_range(1..4);
            let changes: Vec<_> = (0..count)
                .map(|_| some_doubt(&mut random, &devices))
                .collect();
            let recorded = database.store.faults_record(&changes).await.unwrap();
            begun += recorded.begun;
            ended += recorded.ended;
            if random.random_bool(0.3) {
                let device = device(random.random_range(0..4), random.random_range(3..30));
                let bay = random.random_range(0..4);
                let bay = format!("lot-{}-{}", bay / 2, bay % 2);
                let installed = Installation {
                    bay: &bay,
                    device: &device,
                    from: Some(city::past() + TimeDelta::seconds(random.random_range(-5..30))),
                };
                let installed = [installed];
                let done = database.store.devices_install(&installed, &[], Utc::now());
                done.await.unwrap();
            }
            assert_exact(&database, &format!("seed {seed}, step {step}")).await;
        }
    }
    assert!(begun > 100 && ended > 20, "{begun} begun, {ended} ended");
}

#[tokio::test]
async fn doubts_may_change_while_events_come() {
    let database = TestDatabase::create().await;
    let devices = city_of_four(&database).await;
    for seed in 0..30 {
        let mut random = StdRng::seed_from_u64(4_000 + seed);
        let told = some_events(&mut random, &devices);
        forget(&database).await;
        let (store, doubting) = (database.store.clone(), database.store.clone());
        let changes: Vec<_> = (0..12).map(|_| some_doubt(&mut random, &devices)).collect();
        let writing = tokio::spawn(async move {
            for batch in told.chunks(5) {
                store.event_ingest(batch, &[]).await.unwrap();
            }
        });
        for change in &changes {
            doubting
                .faults_record(std::slice::from_ref(change))
                .await
                .unwrap();
        }
        writing.await.unwrap();
        assert_exact(&database, &format!("seed {seed}")).await;
    }
}

/// How many bays the week below has; more, to run it at length.
fn bays_of_the_week() -> usize {
    let given = std::env::var("CLEARBAY_TEST_WEEK_BAYS").ok();
    given.map_or(60, |bays| bays.parse().unwrap())
}

/// A week of events of every bay: one each twenty minutes or so, some of them after a silence that is
/// too long.
fn week(random: &mut StdRng, devices: &[i32]) -> Told {
    let start = city::past() - TimeDelta::days(7);
    let mut told = Told::new();
    for device in devices {
        let (mut at, mut occupied) = (start, false);
        for seq in 0.. {
            let pause_s = if random.random_bool(0.01) {
                9_000
            } else {
                2_400
            };
            at += TimeDelta::milliseconds(random.random_range(1..pause_s * 1_000));
            if at > start + TimeDelta::days(7) {
                break;
            }
            occupied ^= random.random_bool(0.4);
            let event = Event {
                device: String::new(),
                at,
                seq,
                occupied,
                battery_mv: None,
                temperature_dc: None,
                received_at: at,
            };
            told.push((*device, event));
        }
    }
    told
}

#[tokio::test]
async fn a_week_in_disorder_leaves_what_sorting_it_first_would() {
    let database = TestDatabase::create().await;
    let place = city::small(bays_of_the_week().div_ceil(20), 20);
    database
        .store
        .place_import(&place, Utc::now())
        .await
        .unwrap();
    let directory = database.store.device_directory().await.unwrap();
    let devices: Vec<i32> = directory.values().map(|device| device.id).collect();
    let mut random = StdRng::seed_from_u64(7);
    let told = week(&mut random, &devices);
    // As they arrive: 30 % of them twice, 20 % of all late by up to ten minutes.
    let mut arriving: Vec<(DateTime<Utc>, usize)> = Vec::new();
    for (index, (_, event)) in told.iter().enumerate() {
        for _ in 0..if random.random_bool(0.3) { 2 } else { 1 } {
            let late_s = if random.random_bool(0.2) {
                random.random_range(1..600)
            } else {
                0
            };
            arriving.push((event.at + TimeDelta::seconds(late_s), index));
        }
    }
    arriving.sort_unstable();
    // Small batches are inserted, large ones copied.
    let mut arrived = 0;
    for size in [2_000, 30_000] {
        forget(&database).await;
        arrived = 0;
        for batch in arriving.chunks(size) {
            let batch: Told = batch
                .iter()
                .map(|(_, index)| told[*index].clone())
                .collect();
            let ingested = database.store.event_ingest(&batch, &[]).await.unwrap();
            arrived += ingested.inserted + ingested.repeated;
        }
        assert_eq!(arrived, arriving.len() as u64);
        assert_eq!(kept(&database).await, distinct(&told));
        assert_exact(&database, &format!("a week by {size}")).await;
    }
    println!(
        "{} events of {} bays, {arrived} with repetitions: no difference",
        told.len(),
        devices.len()
    );
}
