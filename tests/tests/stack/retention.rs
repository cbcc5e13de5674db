//! Raw events are forgotten; what followed from them stays, and goes on rightly.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use ingest::Options;
use store::retention::Compressed;
use tests::broker::Broker;
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::eventually;
use tests::ingesting::{Ingesting, subscribed};
use tests::oracle::{Derived, assert_exact};
use tests::sensors::{self, publish, told};

async fn says(database: &TestDatabase, at: DateTime<Utc>, occupied: bool) {
    sensors::says(&database.store, "lot-0-0-sensor", &[(at, at, occupied)]).await;
}

#[tokio::test]
async fn stays_and_figures_outlive_their_events() {
    let database = TestDatabase::with_city(1, 1).await;
    let store = &database.store;
    let now = Utc::now().trunc_subsecs(0);
    let day = |n| now - TimeDelta::days(n);
    for (at, occupied) in [(60, true), (59, false), (58, true), (1, true)] {
        says(&database, day(at), occupied).await;
    }
    let before = Derived::kept(&database.pool).await;
    // More than a week's chunk lies between the old events and the limit.
    while !store.events_forget(day(30)).await.unwrap() {}
    assert_eq!(database.count("event").await, 1);
    assert_eq!(Derived::kept(&database.pool).await, before);

    // The vehicle that came in the forgotten time leaves, and that is told late.
    says(&database, day(0), true).await;
    says(&database, day(1) + TimeDelta::hours(2), false).await;
    let bay = store.bay_place("lot-0-0").await.unwrap().id;
    let stays = store.bay_stays(bay, day(100), now + TimeDelta::days(1));
    assert_eq!(
        stays.await.unwrap(),
        [
            (day(60), Some(day(59))),
            (day(58), Some(day(1) + TimeDelta::hours(2))),
            (day(0), None)
        ]
    );
}

#[tokio::test]
async fn events_are_compressed_where_the_database_can_and_count_as_before() {
    let database = TestDatabase::with_city(1, 1).await;
    let store = &database.store;
    let now = Utc::now().trunc_subsecs(0);
    let day = |n| now - TimeDelta::days(n);
    for (at, occupied) in [(60, true), (50, false), (40, true), (30, false)] {
        says(&database, day(at), occupied).await;
    }
    let first = store.events_compress(day(20)).await.unwrap();
    if first == Compressed::Impossible {
        println!("this database cannot compress: only that it says so was seen");
    } else {
        assert_eq!(first, Compressed::One);
        while store.events_compress(day(20)).await.unwrap() == Compressed::One {}
    }
    assert_eq!(database.count("event").await, 4);
    // Late news of a time that is compressed.
    says(&database, day(45), true).await;
    says(&database, day(44), false).await;
    assert_exact(&database, "compressed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_taken_that_is_older_than_what_is_kept() {
    let database = TestDatabase::create().await;
    let mut place = city::small(1, 2);
    // A recording's devices may speak of any past, but for this.
    place.lots[0].bays[1]
        .device
        .as_mut()
        .unwrap()
        .silence_after_s = None;
    database
        .store
        .place_import(&place, Utc::now())
        .await
        .unwrap();
    let broker = Broker::mosquitto();
    let mut options = Options::new(broker.url.clone(), "test-ingest".to_owned());
    options.keep_events = Some(TimeDelta::days(20));
    let ingest = Ingesting::with(&database.store, options);
    subscribed(&database, &broker).await;
    let old = past() - TimeDelta::days(21);
    let messages = ["lot-0-0-sensor", "lot-0-1-sensor"]
        .into_iter()
        .flat_map(|device| [told(device, old, 1, true), told(device, past(), 2, true)]);
    publish(&broker.url, messages.collect()).await;
    eventually("both refusals", || async {
        let refused = database.refused().await;
        refused.contains(&("clock_behind".to_owned(), 2))
    })
    .await;
    eventually("both events", || async {
        database.count("event").await == 2
    })
    .await;
    ingest.stop().await;
}
