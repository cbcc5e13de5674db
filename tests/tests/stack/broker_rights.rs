//! Who may say what at a broker with the rights that `deploy/` gives.

use std::path::Path;

use tests::broker::Broker;
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::eventually;
use tests::ingesting::Ingesting;
use tests::sensors::{Listener, Told, publish, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensor_speaks_for_itself_only() {
    let rights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/mosquitto.acl");
    let broker = Broker::mosquitto_with(&format!("acl_file {}", rights.display()));
    let database = TestDatabase::create().await;
    database
        .store
        .place_import(&city::small(1, 2), chrono::Utc::now())
        .await
        .unwrap();
    let url_of = |user: &str| {
        broker
            .url
            .replace("mqtt://", &format!("mqtt://{user}:any@"))
    };
    let mut board = Listener::subscribe(&url_of("clearbay-serve"), "clearbay/v1/occupancy/+").await;
    let ingest = Ingesting::start(&database.store, &url_of("clearbay-ingest"));
    let sensor = url_of("lot-0-0-sensor");
    // The same message each time, however often it takes.
    let first = told("lot-0-0-sensor", past(), 1, true);
    eventually("its own message", || async {
        publish(&sensor, vec![first.clone()]).await;
        database.count("event").await == 1
    })
    .await;
    assert_eq!(board.next().await.topic, "clearbay/v1/occupancy/lot-0");

    let delta = Told {
        topic: "clearbay/v1/occupancy/lot-0".to_owned(),
        payload: b"a lie".to_vec(),
    };
    let another = told("lot-0-1-sensor", past(), 2, true);
    let network_server = Told {
        topic: "application/1/device/00/event/up".to_owned(),
        payload: b"{}".to_vec(),
    };
    let own = told("lot-0-0-sensor", past(), 3, true);
    publish(&sensor, vec![delta, another, network_server, own]).await;
    eventually("its own second message", || async {
        database.count("event").await == 2
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.refused().await, []);
    assert_ne!(board.next().await.payload, b"a lie");
}
