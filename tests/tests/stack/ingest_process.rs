//! `clearbay ingest` as a process that is killed again and again.

use chrono::TimeDelta;
use domain::event::EventKey;
use tests::broker::Broker;
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::eventually;
use tests::ingesting::IngestProcess;
use tests::oracle::assert_exact;
use tests::sensors::{publish, told};

const BAYS: usize = 40;
const EVENTS_PER_BAY: i64 = 750;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_midstream_it_loses_no_event_and_keeps_none_twice() {
    let database = TestDatabase::create().await;
    database
        .store
        .place_import(&city::small(1, BAYS), chrono::Utc::now())
        .await
        .unwrap();
    let broker = Broker::mosquitto();
    let start = past();

    // A session exists from the first subscription on; until then messages go nowhere.
    let mut process = IngestProcess::start(&database.ingest_url, &broker.url);
    eventually("the first message", || async {
        publish(&broker.url, vec![told("lot-0-0-sensor", start, 0, true)]).await;
        database.count("event").await > 0
    })
    .await;

    let key = |n: i64| EventKey {
        at: start + TimeDelta::seconds(n),
        seq: n,
        occupied: n % 3 == 0,
    };
    let messages = (0..EVENTS_PER_BAY).flat_map(|n| {
        let key = key(n);
        (0..BAYS).map(move |bay| {
            told(
                &format!("lot-0-{bay}-sensor"),
                key.at,
                key.seq,
                key.occupied,
            )
        })
    });
    let (url, messages) = (broker.url.clone(), messages.collect());
    let publishing = tokio::spawn(async move { publish(&url, messages).await });

    let total = BAYS as i64 * EVENTS_PER_BAY;
    let mut kills = 0;
    for share in 1..=5 {
        eventually("progress", || async {
            database.count("event").await >= total * share / 8
        })
        .await;
        kills += i32::from(database.count("event").await < total);
        process.kill().await;
        process = IngestProcess::start(&database.ingest_url, &broker.url);
    }
    publishing.await.unwrap();
    eventually("all events", || async {
        database.count("event").await >= total
    })
    .await;
    process.kill().await;

    assert!(kills > 0, "it was never killed in midstream");
    assert_eq!(database.count("event").await, total);
    assert_exact(&database, "after it was killed").await;
    assert_eq!(database.refused().await, []);
}
