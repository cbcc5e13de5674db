//! Open data over MQTT: who listens is told, and says nothing.

use std::collections::BTreeMap;
use std::path::Path;

use api::open::catalogue::TOPICS;
use chrono::Utc;
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::open_city::place;
use tests::sensors::{Listener, Told, publish, told};
use tests::serving::Serving;

/// What lots are told to be over MQTT, until it is what is wanted.
async fn heard(
    listener: &mut Listener,
    lots: &mut BTreeMap<String, Value>,
    wanted: impl Fn(&BTreeMap<String, Value>) -> bool,
) {
    while !wanted(lots) {
        let Told { topic, payload } = listener.next().await;
        let code = topic
            .strip_prefix("clearbay/v1/open/lots/")
            .unwrap()
            .to_owned();
        lots.insert(code, serde_json::from_slice(&payload).unwrap());
    }
}

#[tokio::test]
async fn whoever_listens_is_told_of_each_lot_and_of_each_change() {
    let city = Serving::with(&place(), Broker::rumqttd(), Vec::new(), None).await;
    let mut lots = BTreeMap::new();
    // Retained: it does not matter when a reader comes.
    let mut listener = Listener::subscribe(&city.broker.url, "clearbay/v1/open/lots/+").await;
    heard(&mut listener, &mut lots, |lots| lots.len() == 3).await;
    let lot = &lots["lot-0"];
    assert_eq!(
        (&lot["unknown"], &lot["free"], &lot["occupied"]),
        (&json!(4), &json!(0), &json!(0))
    );
    for field in TOPICS[0].fields {
        assert!(lot.get(field).is_some(), "{field}: {lot}");
    }
    let now = Utc::now();
    let messages = vec![
        told("lot-0-0-sensor", now, 1, true),
        told("lot-0-1-sensor", now, 1, false),
    ];
    publish(&city.broker.url, messages).await;
    heard(&mut listener, &mut lots, |lots| {
        let lot = &lots["lot-0"];
        lot["occupied"] == 1 && lot["free"] == 1 && lot["unknown"] == 2
    })
    .await;
    let mut later = BTreeMap::new();
    let mut listener = Listener::subscribe(&city.broker.url, "clearbay/v1/open/lots/lot-0").await;
    heard(&mut listener, &mut later, |lots| !lots.is_empty()).await;
    assert_eq!(later["lot-0"]["occupied"], 1);
}

#[tokio::test]
async fn who_reads_open_data_at_the_broker_says_nothing_and_hears_nothing_else() {
    let rights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/mosquitto.acl");
    let broker = Broker::mosquitto_with(&format!("acl_file {}", rights.display()));
    let url_of = |user: &str| {
        broker
            .url
            .replace("mqtt://", &format!("mqtt://{user}:any@"))
    };
    let reader = url_of("open-data-reader");
    let message = |topic: &str, payload: &str| Told {
        topic: topic.to_owned(),
        payload: payload.as_bytes().to_vec(),
    };
    let mut listener = Listener::subscribe(&reader, "clearbay/v1/#").await;
    let lie = message("clearbay/v1/open/lots/lot-0", "a lie");
    publish(&reader, vec![lie]).await;
    publish(
        &url_of("clearbay-ingest"),
        vec![message("clearbay/v1/occupancy/lot-0", "inside")],
    )
    .await;
    publish(
        &url_of("clearbay-serve"),
        vec![message("clearbay/v1/open/lots/lot-0", "true")],
    )
    .await;
    assert_eq!(listener.next().await.payload, b"true");
}
