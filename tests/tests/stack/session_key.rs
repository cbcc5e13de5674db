//! The key of drivers' tokens is exchanged while they are in people's hands.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::eventually;
use tests::serve_process::ServeProcess;
use tests::serving::{SESSION_KEY, Serving, text};

const NEW: &str = "another-session-key-of-tests";

/// One more process of the city with another key, or keys.
async fn with_key(city: &Serving, key: &str) -> ServeProcess {
    let process = city.serve.another_with(|settings| {
        settings
            .env
            .retain(|(name, _)| *name != "CLEARBAY_SESSION_KEY");
        settings.env.push(("CLEARBAY_SESSION_KEY", key.to_owned()));
    });
    let ready = format!("{}/readyz", process.url());
    eventually("another process to be ready", || async {
        let reply = city.client.get(&ready).send().await;
        reply.is_ok_and(|reply| reply.status() == StatusCode::OK)
    })
    .await;
    process
}

async fn status(city: &Serving, process: &ServeProcess, path: &str, token: &str) -> StatusCode {
    let request = city.client.get(format!("{}{path}", process.url()));
    request.bearer_auth(token).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_outlive_the_exchange_of_their_key_until_it_is_dropped() {
    let city = Serving::city(80).await;
    let open = city.paid_session("CN-01-001", 60).await;
    let (created, wallet) = city.post_as("", "/api/v1/wallets", &json!({})).await;
    assert_eq!(created, StatusCode::CREATED, "{wallet}");
    let things = [
        (format!("/api/v1/sessions/{}", open.session), open.token),
        (
            format!("/api/v1/wallets/{}", text(&wallet["id"])),
            text(&wallet["token"]),
        ),
    ];
    let between = with_key(&city, &format!("{NEW} {SESSION_KEY}")).await;
    let after = with_key(&city, NEW).await;
    for (path, token) in &things {
        assert_eq!(status(&city, &between, path, token).await, StatusCode::OK);
        let dropped = status(&city, &after, path, token).await;
        assert_eq!(dropped, StatusCode::UNAUTHORIZED, "{path}");
    }

    // What is made meanwhile stays good.
    let body = json!({"bay": "CN-01-002", "plate": "30A-999.99", "class": "car", "minutes": 60});
    let request = city
        .client
        .post(format!("{}/api/v1/sessions", between.url()));
    let request = request.header("idempotency-key", "a-key-of-a-session");
    let reply = request.json(&body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::CREATED);
    let made: Value = reply.json().await.unwrap();
    let path = format!("/api/v1/sessions/{}", text(&made["id"]));
    let token = text(&made["token"]);
    assert_eq!(status(&city, &after, &path, &token).await, StatusCode::OK);
}
