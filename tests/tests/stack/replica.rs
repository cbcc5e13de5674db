//! A copy of the database: reports are read from it, and it takes over without losing what was paid.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use simulator::city::hanoi;
use tests::broker::Broker;
use tests::database::TestDatabase;
use tests::database_server::DatabaseServer;
use tests::eventually;
use tests::relay::Relay;
use tests::serving::Serving;
use tests::tls::Authority;

const BAY: &str = "HK-01-001";

async fn revenue(city: &Serving) -> Value {
    city.json("/api/v1/reports/revenue").await
}

fn complete_until(report: &Value) -> DateTime<Utc> {
    report["complete_until"].as_str().unwrap().parse().unwrap()
}

fn total(report: &Value) -> i64 {
    report["total_vnd"].as_i64().unwrap()
}

/// A server, a city on it, and a replica from which reports are read.
async fn with_replica() -> (DatabaseServer, DatabaseServer, Serving) {
    let server = DatabaseServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let replica = server.replica("reports").await;
    let env = vec![
        ("DATABASE_URL", database.serve_url.clone()),
        (
            "CLEARBAY_REPLICA_URL",
            replica.same_database(&database.read_url),
        ),
    ];
    let city = Serving::on(database, &hanoi(80).unwrap(), Broker::rumqttd(), env, None).await;
    eventually("reports to be read from the replica", || async {
        city.metric("clearbay_replica_is_read").await > 0.0
    })
    .await;
    (server, replica, city)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_read_from_a_replica_and_say_how_old_they_are() {
    let (_server, mut replica, city) = with_replica().await;
    let paid = city.paid_session(BAY, 60).await;
    eventually("the replica to tell of it", || async {
        total(&revenue(&city).await) == paid.amount_vnd
    })
    .await;

    // While the replica stands still, what it tells is as old as it says.
    replica.execute("SELECT pg_wal_replay_pause()").await;
    let paused = Utc::now();
    city.paid_session("HK-01-002", 60).await;
    let report = revenue(&city).await;
    assert_eq!(total(&report), paid.amount_vnd, "read from the replica");
    // The program looks every two seconds how far the replica is.
    assert!(
        complete_until(&report) < paused + TimeDelta::seconds(1),
        "{report}"
    );
    let page = city.get("/city?lang=en").send().await.unwrap();
    assert!(
        page.text()
            .await
            .unwrap()
            .contains("Every receipt is in it until")
    );
    let feed = city.get("/open/csv/lots.csv").send().await.unwrap();
    assert!(feed.headers().contains_key("last-modified"));
    replica.execute("SELECT pg_wal_replay_resume()").await;
    eventually("the replica to catch up", || async {
        let report = revenue(&city).await;
        total(&report) > paid.amount_vnd && complete_until(&report) > paused
    })
    .await;

    // Without it, the database itself is read.
    let before = total(&revenue(&city).await);
    replica.kill();
    city.paid_session("HK-02-001", 60).await;
    eventually("the database to be read", || async {
        let reply = city.get("/api/v1/reports/revenue").send().await.unwrap();
        reply.status().is_success() && total(&reply.json().await.unwrap()) > before
    })
    .await;
    assert!(city.metric("clearbay_replica_is_read").await < 1.0);
}

/// The bank tells of money all the time; in the middle the server is killed, and its replica takes over at
/// the same address. Whatever the bank was told that it is booked, is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_and_no_payment_that_was_confirmed_is_lost() {
    const PAYMENTS: usize = 120;
    let settings = include_str!("../../../deploy/postgresql/primary.conf");
    let settings = settings
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let (_folder, certificate, key) = Authority::new().issue().write_for_database();
    let settings = settings.map(|line| match line.split_once(" = ").unwrap() {
        (name @ "ssl_cert_file", _) => format!("{name}={}", certificate.display()),
        (name @ "ssl_key_file", _) => format!("{name}={}", key.display()),
        (name, value) => format!("{name}={}", value.replace('\'', "")),
    });
    let mut server = DatabaseServer::start_with(None, settings.collect()).await;
    let (one, two) = ("clearbay_replica", "clearbay_replica_2");
    let (first, second) = (server.replica(one).await, server.replica(two).await);
    let relay = Relay::to(server.port).await;
    let database = TestDatabase::create_on(&server.url).await;
    let mut address = reqwest::Url::parse(&database.url).unwrap();
    address.set_port(Some(relay.port)).unwrap();
    let env = vec![("DATABASE_URL", address.to_string())];
    let city = Serving::on(database, &hanoi(80).unwrap(), Broker::rumqttd(), env, None).await;

    let mut open = Vec::new();
    for number in 0..PAYMENTS {
        open.push(
            city.open_payment(&format!("HK-0{}-001", 1 + number % 3), 60)
                .await,
        );
    }
    let (mut confirmed, mut primary) = (Vec::new(), None);
    for (number, payment) in open.iter().enumerate() {
        if number == PAYMENTS / 2 {
            server.kill();
            // Whichever of the two has heard more has heard all that was confirmed; the other follows it.
            let (next, other, name) = match first.heard().await >= second.heard().await {
                true => (&first, &second, two),
                false => (&second, &first, one),
            };
            next.execute("SELECT pg_promote()").await;
            other.follow(next, name).await;
            relay.lead_to(next.port);
            primary = Some(next);
        }
        // A bank asks again until it is told that its word was taken.
        let transfers = [payment.transfer()];
        eventually("the bank to be heard", || async {
            let reply = city.bank_request(&transfers).send().await;
            reply.is_ok_and(|reply| reply.status().is_success())
        })
        .await;
        confirmed.push(payment.payment.to_string());
    }
    let primary = primary.unwrap();
    // One plate in one bay pays once: what came again is booked, and goes back.
    let pool = sqlx::PgPool::connect(&primary.same_database(&city.database.url))
        .await
        .unwrap();
    let posted: Vec<String> = sqlx::query_scalar(
        "SELECT payment_id::text FROM payment WHERE status IN ('posted', 'refunded')",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let lost: Vec<_> = confirmed.iter().filter(|id| !posted.contains(id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(posted.len(), PAYMENTS, "each once");
    let receipts: i64 = sqlx::query_scalar("SELECT count(*) FROM receipt")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(receipts, PAYMENTS as i64);
}
