//! Metrics of what is: how much waits, how many bays are known, whether a process can do its work.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use simulator::city::hanoi;
use tests::broker::{Broker, BrokerKind};
use tests::database::{TestDatabase, run};
use tests::database_server::DatabaseServer;
use tests::ingesting::{IngestProcess, set_up};
use tests::serving::Serving;
use tests::{eventually, free_address};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_runs_a_city_sees_what_waits() {
    let city = Serving::without_bundle(80).await;
    // A call about a payment that there is not: it can never be made. Before it is due, it is held.
    sqlx::query(
        "INSERT INTO outbox (kind, subject_id, due_at, created_at) VALUES ('payment', $1, $2, $2)",
    )
    .bind(Uuid::new_v4())
    .bind(Utc::now() + TimeDelta::seconds(2))
    .execute(&city.database.pool)
    .await
    .unwrap();
    let mut held = city.database.pool.begin().await.unwrap();
    sqlx::query("SELECT kind FROM outbox FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    eventually("a call that is due and not made", || async {
        city.metric("clearbay_outbox_waiting").await == 1.0
            && city.metric("clearbay_outbox_oldest_due_seconds").await >= 1.0
    })
    .await;
    assert_eq!(
        city.metric(r#"clearbay_outbox_failed_total{step="payment"}"#)
            .await,
        0.0
    );
    held.rollback().await.unwrap();
    eventually(
        "the call to fail on our side, and to be put off",
        || async {
            city.metric(r#"clearbay_outbox_failed_total{step="payment"}"#)
                .await
                >= 1.0
                && city.metric("clearbay_outbox_waiting").await == 0.0
        },
    )
    .await;
    for state in ["free", "occupied", "unknown"] {
        let shown = format!(r#"clearbay_bays{{state="{state}"}}"#);
        assert!(city.metrics().await.contains(&shown), "{shown}");
    }
    let mut bays = 0.0;
    for state in ["free", "occupied", "unknown"] {
        bays += city
            .metric(&format!(r#"clearbay_bays{{state="{state}"}}"#))
            .await;
    }
    assert_eq!(bays, 80.0);
    for (name, value) in [
        ("clearbay_ready", 1.0),
        ("clearbay_log_waiting", 0.0),
        ("clearbay_refunds_by_hand", 0.0),
        (r#"clearbay_http_places{pool="public"}"#, 512.0),
        (r#"clearbay_http_places{pool="probes"}"#, 16.0),
        (r#"clearbay_http_places_taken{pool="bank"}"#, 0.0),
        (r#"clearbay_device_faults{kind="stuck"}"#, 0.0),
    ] {
        assert_eq!(city.metric(name).await, value, "{name}");
    }
    assert!(city.metric("process_start_time_seconds").await > 1.7e9);

    // Each zone's next prices know holidays until then; what is shown is shown every quarter of a minute.
    let with_holidays = r#"
        INSERT INTO tariff (zone_id, class, effective_from, document)
        SELECT DISTINCT ON (zone_id, class) zone_id, class, date '2031-01-01' + zone_id, jsonb_set(jsonb_set(document,
            '{effective_from}', to_jsonb((date '2031-01-01' + zone_id)::timestamptz)), '{holidays}', '["2029-12-31", "2030-01-01"]')
        FROM tariff ORDER BY zone_id, class, effective_from DESC"#;
    run(&city.database.pool, with_holidays).await;
    eventually("the last holiday", || async {
        let until = "clearbay_tariff_holidays_end_timestamp_seconds";
        city.metric(until).await == 1_893_456_000.0
    })
    .await;

    // Every figure says what it means.
    let page = city.metrics().await;
    let named = |word: &str| -> BTreeSet<String> {
        let lines = page.lines().filter_map(|line| line.strip_prefix(word));
        let names = lines.filter_map(|line| line.split(' ').next());
        names.map(str::to_owned).collect()
    };
    assert_eq!(named("# TYPE "), named("# HELP "));
    assert!(page.contains("clearbay_build_info{version=\""), "{page}");

    // They are not for whoever asks for pages.
    let public = city.get("/metrics").send().await.unwrap();
    assert_eq!(public.status(), reqwest::StatusCode::NOT_FOUND);

    // One process asks the database for all of them.
    let second = city.another().await;
    let others = city.client.get(second.metrics_url());
    eventually("the other process's figures", || async {
        let page = others.try_clone().unwrap().send().await.unwrap();
        page.text().await.unwrap().contains("clearbay_ready 1")
    })
    .await;
    let page = others.send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("clearbay_outbox_waiting"), "{page}");
    assert!(page.contains("clearbay_bays"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingest_shows_whether_it_has_its_broker() {
    let (database, mut broker) = set_up(BrokerKind::Mosquitto).await;
    let address = free_address();
    let env = [("CLEARBAY_INGEST_METRICS", &*address.to_string())];
    let _ingest = IngestProcess::with(&database.url, &broker.url, &env);
    let client = simulator::http::local().build().unwrap();
    let shows = |figure: &'static str| {
        let asked = client.get(format!("http://{address}/metrics")).send();
        async move {
            // It may not listen yet.
            let Ok(reply) = asked.await else { return false };
            let page = reply.text().await.unwrap();
            page.lines().any(|line| line == figure)
        }
    };
    eventually("the broker to be there", || {
        shows("clearbay_ingest_connected 1")
    })
    .await;
    assert!(shows("clearbay_ingest_waiting_messages 0").await);
    assert!(shows("clearbay_ingest_waiting_bytes 0").await);
    broker.kill();
    eventually("the broker to be away", || {
        shows("clearbay_ingest_connected 0")
    })
    .await;
    broker.start_again();
    eventually("the broker to be back", || {
        shows("clearbay_ingest_connected 1")
    })
    .await;
}

/// Where commits wait for a standby that is away nobody can take the turn, for that is a commit, too: it is told all the
/// same, and by a login without any right to look into the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standbys_that_commits_wait_for_are_told_also_where_none_is_there() {
    // Dropped after the server: while that waits for a standby, no database of it can be dropped.
    let city;
    let server = DatabaseServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let env = vec![("DATABASE_URL", database.serve_url.clone())];
    city = Serving::on(database, &hanoi(80).unwrap(), Broker::rumqttd(), env, None).await;
    server
        .execute("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (one, two)'")
        .await;
    server.execute("SELECT pg_reload_conf()").await;
    eventually(
        "it to be told that one is wanted and none there",
        || async {
            let page = city.metrics().await;
            let figures = [
                "clearbay_standbys_named 2",
                "clearbay_standbys_wanted 1",
                "clearbay_standbys_connected 0",
            ];
            figures
                .iter()
                .all(|figure| page.lines().any(|line| line == *figure))
        },
    )
    .await;
    let _one = server.replica("one").await;
    eventually("it to be told that one is there", || async {
        city.metric("clearbay_standbys_connected").await == 1.0
    })
    .await;
}
