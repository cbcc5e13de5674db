//! Sensors in doubt, as time goes by: their word counts for nothing until they are quiet, or right.

use chrono::{DateTime, TimeDelta, Utc};
use store::health::{Checkup, FaultsRecorded};
use tests::assessing::{assess, faults};
use tests::city;
use tests::database::TestDatabase;
use tests::oracle::assert_exact;
use tests::sensors::says;

type At = DateTime<Utc>;

async fn bay_is_known(database: &TestDatabase, now: At) -> bool {
    let board = database.store.board_load(now).await.unwrap();
    let bay = board[0].bays.values().next().unwrap();
    bay.occupancy(now).0 != domain::board::Occupancy::Unknown
}

async fn arrivals(database: &TestDatabase) -> i64 {
    let sum = "SELECT coalesce(sum(arrivals), 0)::bigint FROM lot_occupancy";
    let sum = sqlx::query_scalar(sum).fetch_one(&database.pool);
    sum.await.unwrap()
}

#[tokio::test]
async fn a_sensor_that_flaps_counts_for_nothing_until_it_is_quiet() {
    let database = TestDatabase::create().await;
    let start = city::past();
    let store = &database.store;
    store.place_import(&city::small(1, 1), start).await.unwrap();
    let device = "lot-0-0-sensor";
    let word = |minutes: i64, occupied| {
        let at = start + TimeDelta::minutes(minutes);
        (at, at, occupied)
    };
    says(
        &database.store,
        device,
        &[word(-30, true), word(-10, false)],
    )
    .await;
    let noise: Vec<_> = (0..20).map(|n| word(n, n % 2 == 0)).collect();
    says(&database.store, device, &noise).await;
    assert_eq!(arrivals(&database).await, 11);
    let minute = |n| start + TimeDelta::minutes(n);
    assert!(bay_is_known(&database, minute(20)).await);
    assert!(assess(&database, minute(20)).await.doubts);
    assert!(!bay_is_known(&database, minute(20)).await);
    assert_eq!(arrivals(&database).await, 1, "of noise no vehicle is made");
    assert_exact(&database, "flapping").await;

    // Less than it was, and then quiet for an hour.
    says(&database.store, device, &[word(50, true)]).await;
    assert_eq!(
        assess(&database, minute(60)).await,
        FaultsRecorded::default()
    );
    says(&database.store, device, &[word(90, false)]).await;
    assert_eq!(assess(&database, minute(95)).await.ended, 1);
    assert!(bay_is_known(&database, minute(95)).await);
    assert_exact(&database, "quiet").await;
    says(&database.store, device, &[word(100, true)]).await;
    assert_eq!(arrivals(&database).await, 2);
    assert_exact(&database, "after it").await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_makes_its_bay_unknown_until_it_is_right() {
    let database = TestDatabase::create().await;
    let start = city::past();
    let store = &database.store;
    store.place_import(&city::small(1, 1), start).await.unwrap();
    let device = "lot-0-0-sensor";
    let minute = |n| start + TimeDelta::minutes(n);
    // A quarter of an hour behind.
    let word = |n: i64| (minute(n - 15), minute(n), n % 40 == 0);
    let wrong: Vec<_> = (0..4).map(|n| word(n * 20)).collect();
    says(&database.store, device, &wrong).await;
    assert!(bay_is_known(&database, minute(61)).await);
    assert!(assess(&database, minute(61)).await.doubts);
    assert!(!bay_is_known(&database, minute(61)).await);
    let rows = faults(&database).await;
    assert_eq!((&*rows[0].1, rows[0].2), ("clock", minute(-15)));
    assert_exact(&database, "wrong").await;

    let right = |n| (minute(n), minute(n), true);
    says(&database.store, device, &[right(80)]).await;
    assert_eq!(assess(&database, minute(81)).await.ended, 0);
    says(&database.store, device, &[right(110)]).await;
    assert_eq!(assess(&database, minute(120)).await.ended, 1);
    assert!(bay_is_known(&database, minute(120)).await);
    assert_exact(&database, "right").await;
}

#[tokio::test]
async fn several_processes_assess_as_one() {
    let database = TestDatabase::create().await;
    let start = Utc::now();
    let store = &database.store;
    store
        .place_import(&city::small(2, 20), start)
        .await
        .unwrap();
    let later = start + TimeDelta::hours(2);
    let limit = ingest::decoder::battery_limit_mv;
    let assess = || {
        let store = store.clone();
        tokio::spawn(async move {
            let done = store.devices_assess(Checkup::Quick, limit, later);
            done.await.unwrap().map_or(0, |found| found.begun)
        })
    };
    let mut begun = 0;
    for task in [assess(), assess(), assess(), assess()] {
        begun += task.await.unwrap();
    }
    assert_eq!(begun, 40);
    assert_eq!(database.count("device_fault").await, 40);
}
