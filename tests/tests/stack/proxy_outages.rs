//! What is away behind the proxy that operators take: the broker, the database, `serve` itself.

use reqwest::StatusCode;
use serde_json::json;
use tests::broker::Broker;
use tests::database::TestDatabase;
use tests::database_server::DatabaseServer;
use tests::proxy::{self, Proxy};
use tests::serve_process::ServeProcess;
use tests::serving::{Serving, is_ready};
use tests::traffic::Traffic;
use tests::{city, eventually};

const PROBES_PASSED: &str =
    "clearbay_http_requests_total{method=\"GET\",path=\"/readyz\",status=\"200\"}";
const PROBLEM: &str = "application/problem+json";

/// Drivers need no broker: nobody is turned away for one that is gone, also while a process is exchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_broker_people_park_and_pay_and_a_process_that_ends_gets_nothing_new() {
    let Some(program) = proxy::provided() else {
        return;
    };
    // The proxy looks once a second.
    let env = vec![("CLEARBAY_DRAIN_SECONDS", "3".to_owned())];
    let place = city::small(2, 10);
    let mut city = Serving::with(&place, Broker::mosquitto(), env, None).await;
    let second = city.another().await;
    let proxy = Proxy::start(program, &[city.serve.address, second.address]).await;
    city.url = proxy.url();
    city.is_back().await;
    city.broker.stop();
    for process in [&city.serve, &second] {
        misses_something(&city, process).await;
        looked_at(&city, process).await;
    }
    let told = told_by_probe(&city, "exclude=broker").await;
    assert_eq!(
        told,
        (
            StatusCode::OK,
            "ok, although the message broker is not available".to_owned()
        )
    );
    let told = told_by_probe(&city, "exclude=database&exclude=lamp").await;
    assert_eq!(told.0, StatusCode::SERVICE_UNAVAILABLE, "{told:?}");

    let wish = json!({"bay": "lot-1-0", "class": "car", "minutes": 60});
    let quote = city.post("/api/v1/quotes", &wish).send().await.unwrap();
    assert_eq!(quote.status(), StatusCode::OK);
    let traffic = Traffic::start(&city.url, "lot-1");
    traffic.more_paid(3).await;
    city.serve.terminate().await;
    let draining = async || {
        let told = told_by_probe(&city, "exclude=broker&exclude=database").await;
        told.0 == StatusCode::SERVICE_UNAVAILABLE && told.1.contains("draining")
    };
    eventually("it to say that it ends", draining).await;
    let status = city.serve.ended().await;
    assert!(status.success(), "{status}");
    traffic.more_paid(5).await;
    let asked = traffic.stop().await;
    assert_eq!(asked.failed, Vec::<String>::new());
    let receipts = city.database.count("receipt").await;
    assert_eq!(receipts, asked.paid.len() as i64);
    city.assert_books_are_right().await;
}

/// Without its database `serve` says itself what is the matter; where there is no `serve`, the proxy has a page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_serve_answers_and_without_serve_the_proxy_tells_people_what_to_do() {
    let Some(program) = proxy::provided() else {
        return;
    };
    let mut server = DatabaseServer::start().await;
    let database = TestDatabase::create_on(&server.url).await;
    let env = vec![("DATABASE_URL", database.serve_url.clone())];
    let place = city::small(2, 10);
    let mut city = Serving::on(database, &place, Broker::rumqttd(), env, None).await;
    let proxy = Proxy::start(program, &[city.serve.address]).await;
    city.url = proxy.url();
    city.is_back().await;

    // It stands still: nobody who asks it is answered, and probes are all the same.
    server.freeze();
    misses_something(&city, &city.serve).await;
    looked_at(&city, &city.serve).await;
    let told = told_by_probe(&city, "exclude=database").await;
    let although = "ok, although the database is not available".to_owned();
    assert_eq!(told, (StatusCode::OK, although));
    let lots = city.get("/api/v1/lots").send().await.unwrap();
    assert_eq!(lots.status(), StatusCode::OK);
    let wish = json!({"bay": "lot-1-0", "plate": "30A-123.45", "class": "car", "minutes": 60});
    let refused = city.post("/api/v1/sessions", &wish).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["content-type"], PROBLEM);
    server.thaw();
    city.is_back().await;

    // It refuses everybody at once.
    city.database.take_away().await;
    misses_something(&city, &city.serve).await;
    looked_at(&city, &city.serve).await;
    for path in ["/", "/api/v1/lots"] {
        let reply = city.get(path).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
    }
    city.database.bring_back().await;
    city.is_back().await;
    city.paid_session("lot-1-0", 60).await;

    city.serve.kill().await;
    let page = |path: &'static str| {
        let request = city.get(path);
        async move {
            let reply = request.send().await.unwrap();
            let html = reply.headers()["content-type"] == "text/html; charset=utf-8";
            (html, reply.status(), reply)
        }
    };
    eventually("the proxy's own page", || async {
        matches!(page("/").await, (true, StatusCode::SERVICE_UNAVAILABLE, _))
    })
    .await;
    let (_, _, reply) = page("/b/lot-1-0").await;
    assert_eq!(reply.headers()["cache-control"], "no-store");
    assert!(reply.headers().contains_key("retry-after"));
    let text = reply.text().await.unwrap();
    for part in [
        "<html lang=\"vi\">",
        "đừng chuyển lần nữa",
        "lang=\"en\"",
        "do not send it again",
        "width=device-width",
        "</html>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Waits until a process says that it lacks something that it needs.
async fn misses_something(city: &Serving, process: &ServeProcess) {
    let url = process.url();
    eventually("it to miss something", || async {
        !is_ready(&city.client, &url).await
    })
    .await;
}

/// Waits until the proxy has found a process well more often than it is patient with one that is not.
async fn looked_at(city: &Serving, process: &ServeProcess) {
    let passed = async || {
        let shown = city.client.get(process.metrics_url()).send().await.unwrap();
        let shown = shown.text().await.unwrap();
        let mut figures = shown.lines().filter_map(|line| {
            let line = line.strip_prefix(PROBES_PASSED)?;
            line.trim().parse::<u64>().ok()
        });
        figures.next().unwrap_or(0)
    };
    let before = passed().await;
    eventually("the proxy to look", async || passed().await >= before + 4).await;
}

/// What a probe at the first process says that excludes something.
async fn told_by_probe(city: &Serving, query: &str) -> (StatusCode, String) {
    let url = format!("{}/readyz?{query}", city.serve.url());
    let reply = city.client.get(url).send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}
