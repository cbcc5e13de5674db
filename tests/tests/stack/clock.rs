//! Processes whose clock is not the database's: what is decided by it would be money of another day, or a sensor's word
//! that nobody takes up again.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use reqwest::StatusCode;
use tests::broker::{Broker, BrokerKind};
use tests::city;
use tests::database::TestDatabase;
use tests::eventually;
use tests::ingesting::{IngestProcess, set_up, subscribed};
use tests::sensors::{publish, told};
use tests::serving::Serving;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_wrong_time_gets_no_requests_and_leaves_the_work_to_others() {
    let database = TestDatabase::create().await;
    database.set_clock(0).await;
    let url = database.serve_url.clone();
    let place = city::small(1, 2);
    let env = vec![("DATABASE_URL", url)];
    let city = Serving::on(database, &place, Broker::rumqttd(), env, None).await;
    let works = || async {
        let held = "lease WHERE name = 'background' AND until > clock_timestamp()";
        city.database.count(held).await == 1
    };
    eventually("the work to be its own", &works).await;
    // As the proxy asks, for whom neither broker nor database counts.
    let asked = || async {
        let path = "/readyz?exclude=broker&exclude=database";
        let reply = city.get(path).send().await.unwrap();
        (reply.status(), reply.text().await.unwrap())
    };
    assert_eq!(asked().await.0, StatusCode::OK);
    for ahead_s in [3_600, -3_600] {
        city.database.set_clock(ahead_s).await;
        let (status, why) = asked().await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(why.contains("clock"), "{why}");
        eventually("the work to be left to others", || async {
            city.database.count("lease WHERE name = 'background'").await == 0
        })
        .await;
        city.database.set_clock(0).await;
        assert_eq!(asked().await.0, StatusCode::OK);
        eventually("the work to be its own again", &works).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sensors_are_not_disbelieved_by_a_clock_that_is_wrong_itself() {
    let (database, broker) = set_up(BrokerKind::Mosquitto).await;
    database.set_clock(0).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("ingest.log");
    let ingest = IngestProcess::logging_to(
        &log,
        &[
            ("DATABASE_URL", database.ingest_url.clone()),
            ("MQTT_URL", broker.url.clone()),
            ("CLEARBAY_INGEST_ID", "test-ingest-clock".to_owned()),
        ],
    );
    subscribed(&database, &broker).await;
    let put_aside = || async {
        let refused = database.refused().await.into_iter();
        let mut ahead = refused.filter(|(reason, _)| reason == "clock_ahead");
        ahead.next().map_or(0, |(_, count)| count)
    };
    // Ours is ten minutes behind: what a sound sensor says seems to be told ahead of its time.
    database.set_clock(600).await;
    let ahead = Utc::now() + TimeDelta::minutes(10);
    publish(&broker.url, vec![told("lot-0-1-sensor", ahead, 1, true)]).await;
    eventually("it to doubt itself", || async {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        said.contains("ahead of the database")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(put_aside().await, 0);
    // Ours was right all along: the sensor's is wrong.
    database.set_clock(0).await;
    eventually("it to be put aside", || async { put_aside().await == 1 }).await;
    assert!(ingest.stop().await.success());
}
