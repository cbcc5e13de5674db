//! A copy of the database: reports are read from it, and it takes over without losing what was paid.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ingest::Options;
use serde_json::Value;
use simulator::city::hanoi;
use sqlx::{Connection, PgConnection};
use store::Store;
use tests::broker::Broker;
use tests::city_cluster::databases::deployed_settings;
use tests::database::TestDatabase;
use tests::database_server::DatabaseServer;
use tests::ingesting::{Ingesting, comings_and_goings, hears};
use tests::relay::Relay;
use tests::sensors::publish;
use tests::serving::Serving;
use tests::tls::Authority;
use tests::{city, eventually};

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

/// Whether a question that a database answers with yes or no is answered with yes.
async fn is_so(url: &str, question: &'static str) -> bool {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(question)
        .fetch_one(&mut connection)
        .await
        .unwrap()
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
    // A report that it did not answer was read at once; the next look tells of it.
    eventually("the replica to be given up", || async {
        city.metric("clearbay_replica_is_read").await < 1.0
    })
    .await;
}

/// A replica that stands still takes connections and says nothing. Nobody's report waits for it: neither one that it
/// had begun, nor any after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_replica_that_stands_still() {
    let (_server, mut replica, city) = with_replica().await;
    city.paid_session(BAY, 60).await;
    eventually("the replica to tell of it", || async {
        total(&revenue(&city).await) > 0
    })
    .await;

    // A report is held up there in the middle of a statement: the lock comes along with the log of changes.
    let url = replica.same_database(&city.database.url);
    let mut lock = city.database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE receipt IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();
    eventually("the replica to hear of the lock", || {
        is_so(
            &url,
            "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'receipt'::regclass
                AND mode = 'AccessExclusiveLock' AND granted",
        )
    })
    .await;
    let begun = tokio::spawn(city.get("/api/v1/reports/revenue").send());
    eventually("a report to wait there", || {
        is_so(
            &url,
            "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'receipt'::regclass AND NOT granted",
        )
    })
    .await;
    replica.freeze();
    let frozen = Utc::now();
    lock.rollback().await.unwrap();
    let begun = begun.await.unwrap().unwrap();
    assert!(begun.status().is_success(), "{}", begun.status());
    let begun: Value = begun.json().await.unwrap();
    assert!(complete_until(&begun) >= frozen - TimeDelta::minutes(1));

    // What was paid since is told, by each of many reports, simple ones and those that are computed once for all.
    let paid = city.paid_session("HK-01-002", 60).await;
    let report = revenue(&city).await;
    assert_eq!(total(&report), total(&begun) + paid.amount_vnd);
    assert!(complete_until(&report) > frozen, "{report}");
    let paths = [
        "/api/v1/reports/revenue?by=lot",
        "/api/v1/reports/collection",
        "/open/csv/lots.csv",
        "/city?lang=en",
    ];
    for path in paths.iter().cycle().take(12) {
        let reply = city.get(path).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
    }
    assert!(city.metric("clearbay_replica_is_read").await < 1.0);
    assert!(city.metric("clearbay_replica_failures_total").await >= 1.0);

    replica.thaw();
    eventually("reports to be read from the replica again", || async {
        city.metric("clearbay_replica_is_read").await > 0.0
    })
    .await;
    eventually("the replica to know all", || async {
        total(&revenue(&city).await) == total(&report)
    })
    .await;
}

/// The bank tells of money all the time; in the middle the server is killed, and its replica takes over at
/// the same address. Whatever the bank was told that it is booked, is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over_and_no_payment_that_was_confirmed_is_lost() {
    const PAYMENTS: usize = 120;
    let (_folder, certificate, key) = Authority::new().issue().write_for_database();
    let settings = deployed_settings(Some((&certificate, &key)));
    let mut server = DatabaseServer::start_with(None, settings).await;
    let (one, two) = ("clearbay_replica", "clearbay_replica_2");
    let (first, second) = (server.replica(one).await, server.replica(two).await);
    let relay = Relay::to(server.port).await;
    let database = TestDatabase::create_on(&server.url).await;
    let env = vec![("DATABASE_URL", relay.by(&database.url))];
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

/// In the middle of a batch: none of its events is taken as long as the table is locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingest_does_not_wait_for_a_server_that_is_gone_without_a_word() {
    let lock = "LOCK TABLE event IN SHARE MODE";
    asks_anew(lock, true, Duration::from_secs(1)).await;
}

/// While it reads which sensors there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingest_does_not_wait_for_its_sensors_of_a_server_that_is_gone() {
    let lock = "LOCK TABLE device IN ACCESS EXCLUSIVE MODE";
    // Nobody here waits for sixteen times that.
    asks_anew(lock, false, Duration::from_secs(10)).await;
}

/// A machine that loses its power says nothing to whoever waits for its answer. Ingest, which waits for a lock, by a
/// batch or without one, asks anew, and finds who took over.
async fn asks_anew(lock: &'static str, by_a_batch: bool, answer_within: Duration) {
    const EVENTS: i64 = 20;
    let mut server = DatabaseServer::start().await;
    let replica = server.replica("one").await;
    let relay = Relay::to(server.port).await;
    let database = TestDatabase::create_on(&server.url).await;
    let place = city::small(1, 2);
    let placed = database.store.place_import(&place, Utc::now());
    placed.await.unwrap();
    let broker = Broker::rumqttd();
    // As `clearbay ingest` has it: one connection.
    let address = relay.by(&database.ingest_url);
    let store = Store::connect(&address, 1).await.unwrap();
    let mut options = Options::new(broker.url.clone(), "test-ingest".to_owned());
    options.answer_within = answer_within;
    options.directory_every = Duration::from_millis(50);
    let ingest = Ingesting::with(&store, options);
    hears(&database, &broker).await;
    let url = replica.same_database(&database.url);
    eventually("the replica to have the city", || {
        is_so(&url, "SELECT count(*) = 2 FROM device")
    })
    .await;

    let mut held = database.pool.begin().await.unwrap();
    sqlx::query(lock).execute(&mut *held).await.unwrap();
    let told = comings_and_goings("lot-0-0-sensor", EVENTS);
    if by_a_batch {
        publish(&broker.url, told.clone()).await;
    }
    eventually("ingest to wait", || {
        is_so(
            &database.url,
            "SELECT count(*) > 0 FROM pg_stat_activity
             WHERE application_name LIKE 'clearbay%' AND wait_event_type = 'Lock'",
        )
    })
    .await;
    if !by_a_batch {
        publish(&broker.url, told).await;
    }
    relay.fall_silent();
    server.kill();
    replica.execute("SELECT pg_promote()").await;
    relay.lead_to(replica.port);
    eventually("all events at who took over", || {
        is_so(&url, "SELECT count(*) = 20 FROM event")
    })
    .await;
    ingest.stop().await;
}

/// No commit waits for this replica, so what was published last may be missing where it takes over. Then the log does
/// not grow otherwise than was published, by whichever process, until people have decided so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_published_is_not_forked_by_who_takes_over_without_it() {
    let mut server = DatabaseServer::start().await;
    let mut replica = server.replica("one").await;
    let relay = Relay::to(server.port).await;
    let database = TestDatabase::create_on(&server.url).await;
    let env = vec![("DATABASE_URL", relay.by(&database.url))];
    let city = Serving::on(database, &hanoi(80).unwrap(), Broker::rumqttd(), env, None).await;
    let second = city.another().await;
    let url = replica.same_database(&city.database.url);
    city.paid_session(BAY, 60).await;
    eventually("the replica to have the first entry", || {
        is_so(&url, "SELECT coalesce((SELECT size FROM log_head), 0) = 1")
    })
    .await;
    let first = checkpoint(&city).await;

    replica.kill();
    city.paid_session("HK-01-002", 60).await;
    eventually("the second entry to be published", || async {
        checkpoint(&city).await.contains("\n2\n")
    })
    .await;
    server.kill();
    replica.start_again().await;
    replica.execute("SELECT pg_promote()").await;
    relay.lead_to(replica.port);
    city.is_back().await;
    assert_eq!(checkpoint(&city).await, first, "the replica lacks it");

    city.paid_session("HK-02-001", 60).await;
    let refusals = async |url: &str| {
        let reply = city.client.get(url).send().await;
        let metrics = reply.unwrap().text().await.unwrap();
        let name = "clearbay_log_witness_refusals_total{";
        let mut found = metrics.lines().filter(|line| line.starts_with(name));
        let found = found.find(|line| line.contains("witness=\"serve\""));
        let figure = found.and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        figure.unwrap_or(0.0)
    };
    for process in [&city.serve.metrics_url(), &second.metrics_url()] {
        let before = refusals(process).await;
        eventually("it to refuse twice", || async {
            refusals(process).await >= before + 2.0
        })
        .await;
    }
    assert_eq!(checkpoint(&city).await, first);
    assert!(is_so(&url, "SELECT count(*) = 1 FROM log_queue").await);

    // Who starts anew knows of nothing else.
    second.kill().await;
    city.serve.kill().await;
    city.serve.start_again(None).await;
    eventually("the receipt to be published", || async {
        city.is_back().await;
        checkpoint(&city).await.contains("\n2\n")
    })
    .await;
}

/// The public log's, as it is served: its second line says how many entries it has.
async fn checkpoint(city: &Serving) -> String {
    let reply = city.get("/log/checkpoint").send().await.unwrap();
    assert!(reply.status().is_success(), "{}", reply.status());
    reply.text().await.unwrap()
}
