//! Commit, then acknowledge: whatever ends in between, no message is lost and none counts twice.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::{ConnAck, ConnectReturnCode, Packet, Publish, QoS, SubAck, SubscribeReasonCode};
use tests::broker::BrokerKind;
use tests::database::TestDatabase;
use tests::ingesting::{Ingesting, comings_and_goings, set_up, subscribed_once};
use tests::sensors::{Told, publish};
use tests::{eventually, over_both_brokers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

over_both_brokers!(
    while_the_database_is_away_nothing_is_lost,
    ingest_waits_for_the_database_to_come_back,
    a_crash_before_the_commit_loses_nothing,
);

async fn while_the_database_is_away_nothing_is_lost(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    publish(&broker.url, comings_and_goings("lot-0-0-sensor", 10)).await;
    eventually("ingest at work", || async {
        database.count("event").await == 11
    })
    .await;
    database.take_away().await;
    publish(&broker.url, comings_and_goings("lot-0-1-sensor", 500)).await;
    // One that gives up meanwhile has acknowledged nothing.
    ingest.stop().await;
    database.bring_back().await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    eventually("all events", || async {
        database.count("event").await == 511
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.count("stay").await, 5 + 250);
}

async fn ingest_waits_for_the_database_to_come_back(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    database.take_away().await;
    publish(&broker.url, comings_and_goings("lot-0-1-sensor", 500)).await;
    database.bring_back().await;
    eventually("all events", || async {
        database.count("event").await == 501
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.count("stay").await, 250);
}

async fn a_crash_before_the_commit_loses_nothing(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    subscribed_once(&database, &broker).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    // Whoever writes events now waits, with its transaction open.
    let mut blocking = database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE event IN SHARE MODE")
        .execute(&mut *blocking)
        .await
        .unwrap();
    publish(&broker.url, comings_and_goings("lot-0-0-sensor", 300)).await;
    eventually("a transaction that waits", || waiting(&database)).await;
    ingest.crash().await;
    blocking.rollback().await.unwrap();
    let ingest = Ingesting::start(&database.store, &broker.url);
    eventually("all events", || async {
        database.count("event").await == 301
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.count("stay").await, 150);
    assert_eq!(database.refused().await, []);
}

/// Whether a transaction waits for the lock on `event`.
async fn waiting(database: &TestDatabase) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
         WHERE datname = current_database() AND NOT granted)",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_restarts_with_messages_unacknowledged_loses_none() {
    let (database, mut broker) = set_up(BrokerKind::Mosquitto).await;
    subscribed_once(&database, &broker).await;
    let ingest = Ingesting::start(&database.store, &broker.url);
    let mut blocking = database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE event IN SHARE MODE")
        .execute(&mut *blocking)
        .await
        .unwrap();
    publish(&broker.url, comings_and_goings("lot-0-0-sensor", 2_000)).await;
    eventually("a transaction that waits", || waiting(&database)).await;
    broker.restart();
    blocking.rollback().await.unwrap();
    eventually("all events", || async {
        database.count("event").await == 2_001
    })
    .await;
    publish(&broker.url, comings_and_goings("lot-0-1-sensor", 100)).await;
    eventually("all events", || async {
        database.count("event").await == 2_101
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.count("stay").await, 1_000 + 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_every_queue_holds_passes_without_loss() {
    let (database, broker) = set_up(BrokerKind::Mosquitto).await;
    subscribed_once(&database, &broker).await;
    let mut options = ingest::Options::new(broker.url.clone(), "test-ingest".to_owned());
    (options.batch_max, options.queue_max) = (16, 8);
    options.queue_bytes_max = 2_000;
    options.retry_after = Duration::from_millis(20);
    publish(&broker.url, comings_and_goings("lot-0-0-sensor", 5_000)).await;
    let ingest = Ingesting::with(&database.store, options);
    eventually("all events", || async {
        database.count("event").await == 5_001
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.count("stay").await, 2_500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_before_the_broker_ended_is_kept() {
    let (database, _broker) = set_up(BrokerKind::Mosquitto).await;
    let messages = comings_and_goings("lot-0-0-sensor", 6);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if serve_once(stream, &messages).await {
                return;
            }
        }
    });
    let ingest = Ingesting::start(&database.store, &url);
    serving.await.unwrap();
    eventually("what was sent", || async {
        database.count("event").await == 6
    })
    .await;
    ingest.stop().await;
}

/// A broker for one connection, which sends all it has with its word on the subscription, and ends.
/// Whether there was one: who only tells of changes never subscribes.
async fn serve_once(mut stream: TcpStream, messages: &[Told]) -> bool {
    let (mut received, mut sent) = (BytesMut::new(), BytesMut::new());
    loop {
        match Packet::read(&mut received, usize::MAX) {
            Ok(Packet::Connect(connect)) => {
                if connect.client_id.ends_with("-deltas") {
                    return false;
                }
                let ack = ConnAck::new(ConnectReturnCode::Success, false);
                Packet::ConnAck(ack).write(&mut sent, usize::MAX).unwrap();
                stream.write_all(&sent.split()).await.unwrap();
            }
            Ok(Packet::Subscribe(subscribe)) => {
                let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
                let ack = SubAck::new(subscribe.pkid, vec![granted; subscribe.filters.len()]);
                Packet::SubAck(ack).write(&mut sent, usize::MAX).unwrap();
                for (pkid, told) in (1..).zip(messages) {
                    let (topic, payload) = (told.topic.clone(), told.payload.clone());
                    let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
                    publish.pkid = pkid;
                    publish.write(&mut sent).unwrap();
                }
                stream.write_all(&sent).await.unwrap();
                return true;
            }
            Ok(other) => panic!("{other:?}"),
            // Not whole yet.
            Err(_) => assert!(stream.read_buf(&mut received).await.unwrap() > 0),
        }
    }
}
