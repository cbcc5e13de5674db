//! A process that is told to end: nobody it serves notices.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use reqwest::StatusCode;
use serde_json::json;
use store::StoreError;
use tests::broker::Broker;
use tests::database::TestDatabase;
use tests::database_server::DatabaseServer;
use tests::logged::log_with;
use tests::proxy::{self, Proxy};
use tests::relay::Relay;
use tests::sensors::{publish, told};
use tests::serving::Serving;
use tests::traffic::{Traffic, Watchers};
use tests::{city, eventually};

/// Two lots: sensors speak of the first, drivers pay in the other. `serve` drains for so many seconds.
async fn draining_for(seconds: u32) -> Serving {
    logged_and_draining_for(seconds, None).await
}

async fn logged_and_draining_for(seconds: u32, log: Option<PathBuf>) -> Serving {
    let place = city::small(2, 10);
    let env = vec![("CLEARBAY_DRAIN_SECONDS", seconds.to_string())];
    Serving::with(&place, Broker::rumqttd(), env, log).await
}

async fn lease_holder(city: &Serving) -> Option<uuid::Uuid> {
    sqlx::query_scalar("SELECT holder FROM lease WHERE name = 'background'")
        .fetch_optional(&city.database.pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_no_request_fails_and_who_watches_is_led_to_the_other_process() {
    let Some(program) = proxy::provided() else {
        return;
    };
    // The proxy looks once a second.
    let city = draining_for(3).await;
    eventually("the first process to hold the lease", || async {
        lease_holder(&city).await.is_some()
    })
    .await;
    let holder = lease_holder(&city).await;
    let second = city.another().await;
    let proxy = Proxy::start(program, &[city.serve.address, second.address]).await;
    let url = proxy.url();
    eventually("the proxy to be ready", || {
        tests::serving::is_ready(&city.client, &url)
    })
    .await;
    let watchers = Watchers::start(proxy.address, "/api/v1/live?city=hn", 8);
    watchers.more_told(2).await;
    let traffic = Traffic::start(&url, "lot-1");
    traffic.more_paid(3).await;
    let there = city.metric("clearbay_live_watchers").await as usize;
    assert!(
        (1..8).contains(&there),
        "{there} of 8 watch at this process"
    );

    city.serve.terminate().await;
    let status = city.serve.ended().await;
    assert!(status.success(), "{status}");
    assert_ne!(lease_holder(&city).await, holder, "it keeps its lease");
    traffic.more_paid(5).await;
    let asked = traffic.stop().await;
    assert_eq!(asked.failed, Vec::<String>::new());
    let vehicles: Vec<_> = (0..3)
        .map(|bay| told(&format!("lot-0-{bay}-sensor"), Utc::now(), 1, true))
        .collect();
    publish(&city.broker.url, vehicles).await;
    watchers.know("lot-0", 3).await;
    let seen = watchers.so_far();
    assert_eq!(seen.broken, Vec::<String>::new());
    assert_eq!(seen.orderly, there, "each who watched there, once");
    assert_eq!(
        city.database.count("receipt").await,
        asked.paid.len() as i64
    );
    city.assert_books_are_right().await;
    eventually(
        "the other to take up the work in the background",
        || async {
            let now = lease_holder(&city).await;
            now.is_some() && now != holder
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_at_once_that_it_ends_and_works_on_until_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("serve.log");
    // Longer than anybody waits.
    let city = logged_and_draining_for(600, Some(log.clone())).await;
    let before = city.get("/livez").send().await.unwrap();
    assert!(!before.headers().contains_key("connection"));
    city.serve.terminate().await;
    eventually("it to be ready no more", || async {
        let reply = city.get("/readyz").send().await.unwrap();
        reply.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let reply = city.get("/readyz").send().await.unwrap();
    assert_eq!(reply.headers()["connection"], "close");
    assert!(reply.text().await.unwrap().contains("draining"));
    // It does what it was told: nobody is called for that.
    let logged = log_with(&log, &["told to stop: draining"]);
    assert!(!logged.contains("ERROR"), "{logged}");
    // Whoever has not heard of it is served.
    city.paid_session("lot-1-0", 60).await;
    assert_eq!(city.serve.has_ended().await, None);
    eventually("the lease to be given up", || async {
        lease_holder(&city).await.is_none()
    })
    .await;

    city.serve.terminate().await;
    let ended = tokio::time::timeout(Duration::from_secs(60), city.serve.ended());
    let status = ended.await.expect("it goes on, told twice");
    assert_eq!(status.code(), Some(1), "what was begun is not finished");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone_and_with_no_time_to_drain_it_finishes_what_it_is_at_and_ends_streams_in_good_order()
{
    let city = draining_for(0).await;
    let watchers = Watchers::start(city.serve.address, "/api/v1/live", 4);
    watchers.more_told(2).await;
    let open = city.open_payment("lot-1-0", 60).await;
    let path = format!("/api/v1/live/payments/{}", open.payment);
    let waiting = city.get(&path).bearer_auth(&open.token);
    let waiting = waiting.send().await.unwrap();
    city.serve.terminate().await;
    // The last that a page hears is when to come again.
    let heard = waiting.text().await.unwrap();
    assert!(
        heard.contains("pending") && heard.contains("retry: "),
        "{heard}"
    );
    let status = city.serve.ended().await;
    assert!(status.success(), "{status}");
    eventually("all streams to end", || async {
        watchers.so_far().orderly == 4
    })
    .await;
    // There again, it leads them on: they come by themselves, at once.
    let told = watchers.so_far().events;
    city.serve.start_again(None).await;
    city.is_back().await;
    watchers.told_since(&told, 2).await;
}

/// While old and new work side by side, a page of the one asks the other for its scripts: a browser that kept what it
/// gets then would have them for a year.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_another_version_are_served_and_not_kept() {
    let city = draining_for(0).await;
    let page = city.get("/").send().await.unwrap().text().await.unwrap();
    let (_, rest) = page.split_once("/static/style.css?v=").unwrap();
    let version = rest.split('"').next().unwrap();
    for (version, kept) in [(version, true), ("0123456789ab", false)] {
        let file = city.get(&format!("/static/style.css?v={version}"));
        let reply = file.send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        let control = reply.headers()["cache-control"].to_str().unwrap();
        assert_eq!(control.contains("max-age"), kept, "{control}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_without_a_word_holds_neither_a_request_nor_the_end() {
    let server = DatabaseServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let relay = Relay::to(server.port).await;
    let env = vec![
        ("DATABASE_URL", relay.by(&database.serve_url)),
        ("CLEARBAY_DRAIN_SECONDS", "0".to_owned()),
    ];
    let place = city::small(1, 2);
    let city = Serving::on(database, &place, Broker::rumqttd(), env, None).await;
    let upload = || {
        let request = city.post("/api/v1/imports/sessions", &json!({"sessions": []}));
        request.bearer_auth("a".repeat(43)).send()
    };
    // Who sends is looked up before anything is read.
    assert_eq!(upload().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    relay.be_gone();
    assert_eq!(
        upload().await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    city.serve.terminate().await;
    let ended = tokio::time::timeout(Duration::from_secs(90), city.serve.ended()).await;
    assert!(ended.unwrap().success(), "told to, it ends well");
}

#[tokio::test]
async fn a_database_that_is_shut_down_amid_the_work_is_away_and_no_fault_of_ours() {
    let database = TestDatabase::with_city(1, 1).await;
    let mut held = database.pool.begin().await.unwrap();
    let lock = sqlx::query("LOCK TABLE lot IN ACCESS EXCLUSIVE MODE");
    lock.execute(&mut *held).await.unwrap();
    let place = city::small(1, 2);
    // As a server that is told to end tells everybody.
    let ends = async {
        eventually("the work to wait", || async {
            let ended: i64 = sqlx::query_scalar(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&database.pool)
            .await
            .unwrap();
            ended > 0
        })
        .await;
    };
    let (work, ()) = tokio::join!(database.store.place_import(&place, Utc::now()), ends);
    let away = work.unwrap_err();
    assert!(matches!(away, StoreError::Unavailable(_)), "{away:?}");
}
