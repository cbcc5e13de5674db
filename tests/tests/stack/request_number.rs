//! A request's number leads from its answer, or from the page that says that something failed, to its statements.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tests::broker::Broker;
use tests::eventually;
use tests::serving::{Serving, text};
use uuid::Uuid;

const NUMBER: &str = "test-7d1c0a52.of_one_request";
const BAY: &str = "CN-01-001";

async fn city(log: &Path) -> Serving {
    let env = vec![
        ("CLEARBAY_LOG_FORMAT", "json".to_owned()),
        ("CLEARBAY_SLOW_STATEMENT_MS", "200".to_owned()),
    ];
    let place = simulator::city::hanoi(80).unwrap();
    Serving::with(&place, Broker::rumqttd(), env, Some(log.to_owned())).await
}

/// The lines of a log that belong to a request.
fn lines_of(log: &Path, number: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(log).unwrap();
    // The last line may be on its way.
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let is_of = |line: &Value| {
        let spans = line["spans"].as_array();
        spans.is_some_and(|spans| spans.iter().any(|span| span["request_id"] == number))
    };
    lines.filter(is_of).collect()
}

fn says(line: &Value, part: &str) -> bool {
    let message = line["fields"]["message"].as_str();
    message.is_some_and(|message| message.contains(part))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_statement_bears_its_request_s_number() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("serve.log");
    let city = city(&log).await;
    // Nobody writes a session until this lets go.
    let mut lock = city.database.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE session IN EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let body = json!({"bay": BAY, "plate": "30A-123.45", "class": "car", "minutes": 60});
    let request = city.post("/api/v1/sessions", &body);
    let opening = tokio::spawn(request.header("x-request-id", NUMBER).send());
    // PostgreSQL knows whose transaction it is that waits.
    let waiting = format!(
        "pg_stat_activity WHERE application_name = 'clearbay {NUMBER}' AND wait_event_type = 'Lock'"
    );
    eventually("the transaction to wait", || async {
        city.database.count(&waiting).await == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    lock.rollback().await.unwrap();
    let reply = opening.await.unwrap().unwrap();
    assert_eq!(reply.status(), 201);
    assert_eq!(reply.headers()["x-request-id"], NUMBER);

    let lines = lines_of(&log, NUMBER);
    let slow: Vec<&Value> = lines
        .iter()
        .filter(|line| line["target"] == "sqlx::query" && says(line, "slow statement"))
        .collect();
    let waited = slow.iter().any(|line| {
        let statement = line["fields"]["db.statement"].as_str();
        statement.is_some_and(|statement| statement.contains("session"))
    });
    assert!(waited, "{lines:#?}");
    assert!(
        !format!("{lines:?}").contains("12345"),
        "a plate was logged"
    );
    // The name was the transaction's, not the connection's.
    let left = "pg_stat_activity WHERE application_name LIKE 'clearbay test-%'";
    assert_eq!(city.database.count(left).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_failed_names_the_number_by_which_its_statement_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("serve.log");
    let city = city(&log).await;
    let rename = AssertSqlSafe("ALTER TABLE receipt RENAME TO receipt_of_yesterday");
    sqlx::query(rename)
        .execute(&city.database.pool)
        .await
        .unwrap();

    let receipt = Uuid::new_v4();
    let page = city.get(&format!("/r/{receipt}")).send().await.unwrap();
    assert_eq!(page.status(), 500);
    let number = page.headers()["x-request-id"].to_str().unwrap().to_owned();
    let page = page.text().await.unwrap();
    assert!(page.contains(&format!("<code>{number}</code>")), "{page}");
    let lines = lines_of(&log, &number);
    let failed: Vec<&Value> = lines
        .iter()
        .filter(|line| says(line, "database work failed"))
        .collect();
    assert_eq!(failed.len(), 1, "{lines:#?}");
    let statement = failed[0]["fields"]["statement"].as_str().unwrap();
    assert!(statement.starts_with("SELECT"), "{statement}");
    assert!(statement.contains("receipt"), "{statement}");

    let reply = city.get(&format!("/api/v1/receipts/{receipt}"));
    let reply = reply.header("x-request-id", NUMBER).send().await.unwrap();
    assert_eq!(reply.status(), 500);
    let problem: Value = reply.json().await.unwrap();
    assert_eq!(problem["request_id"], NUMBER);
    assert!(!lines_of(&log, NUMBER).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_could_be_something_else_is_not_taken() {
    let city = Serving::without_bundle(80).await;
    for wrong in [
        "",
        "short",
        "with space",
        "it's-a-quote",
        "clearbay'; DROP TABLE session; --",
        &"a".repeat(55),
    ] {
        let reply = city.get("/nowhere").header("x-request-id", wrong);
        let reply = reply.send().await.unwrap();
        let number = reply.headers()["x-request-id"].to_str().unwrap();
        let number: Uuid = number.parse().expect(number);
        assert_eq!(number.get_version_num(), 7, "{wrong:?}");
        assert_eq!(reply.headers().get_all("x-request-id").iter().count(), 1);
    }
    let first = city.get("/livez").send().await.unwrap();
    let second = city.get("/livez").send().await.unwrap();
    assert_ne!(
        first.headers()["x-request-id"],
        second.headers()["x-request-id"]
    );
    // Who asks for what is not there did nothing wrong that anybody would look into.
    let page = city.get("/nowhere").send().await.unwrap();
    let number = text(&json!(page.headers()["x-request-id"].to_str().unwrap()));
    assert!(!page.text().await.unwrap().contains(&number));
}
