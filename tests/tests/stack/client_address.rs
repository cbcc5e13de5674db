//! Who asks is told apart by address, and nobody is another by writing so.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;
use tests::providers::Paying;
use tests::serving::Serving;

/// More than one address may do of anything at once.
const MANY: u32 = 60;

fn named(request: RequestBuilder, name: &str) -> RequestBuilder {
    request.header("x-forwarded-for", name)
}

/// What as many requests for open data get, each under a name of its own.
async fn under_many_names(city: &Serving) -> Vec<StatusCode> {
    let mut statuses = Vec::new();
    for number in 0..8 {
        let request = named(city.get("/open/parkapi/"), &format!("192.0.2.{number}"));
        statuses.push(request.send().await.unwrap().status());
    }
    statuses
}

#[tokio::test]
async fn who_is_no_trusted_proxy_speaks_for_itself_alone() {
    let settings = [
        ("CLEARBAY_OPEN_REQUESTS_PER_S", "1"),
        ("CLEARBAY_TRUSTED_PROXIES", "203.0.113.0/24"),
    ];
    let city = Serving::with_settings(80, &settings).await;
    let statuses = under_many_names(&city).await;
    assert!(
        statuses.contains(&StatusCode::TOO_MANY_REQUESTS),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_whoever_comes_to_it() {
    let settings = [("CLEARBAY_OPEN_REQUESTS_PER_S", "1")];
    let city = Serving::with_settings(80, &settings).await;
    let statuses = under_many_names(&city).await;
    assert_eq!(statuses, [StatusCode::OK; 8]);
    // What stood there before the proxy wrote is nobody's name.
    let mut statuses = Vec::new();
    for number in 0..8 {
        let lie = format!("192.0.2.{number}, 198.51.100.7");
        let request = named(city.get("/open/parkapi/"), &lie);
        statuses.push(request.send().await.unwrap().status());
    }
    assert!(
        statuses.contains(&StatusCode::TOO_MANY_REQUESTS),
        "{statuses:?}"
    );
}

async fn sign_in(city: &Serving, from: &str, login: &str) -> StatusCode {
    let request = city.client.post(format!("{}/staff/login", city.url));
    let request = request.form(&[("login", login), ("password", "wrong")]);
    named(request, from).send().await.unwrap().status()
}

#[tokio::test]
async fn one_address_tries_few_passwords_whatever_the_logins() {
    let city = Serving::city(80).await;
    // After five of them no password is looked at any more, so that these take no time.
    for _ in 0..MANY {
        sign_in(&city, "192.0.2.1", "nobody").await;
    }
    assert_eq!(sign_in(&city, "192.0.2.1", "other").await, 429);
    assert_eq!(sign_in(&city, "192.0.2.2", "other").await, 401);
    // All of a subscriber's addresses are one.
    for number in 0..MANY {
        sign_in(&city, &format!("2001:db8::{number:x}"), "nobody").await;
    }
    assert_eq!(sign_in(&city, "2001:db8::ffff", "other").await, 429);
    assert_eq!(sign_in(&city, "2001:db8:0:1::1", "other").await, 401);
}

#[tokio::test]
async fn one_address_has_few_text_messages_sent() {
    let paying = Paying::start().await;
    let city = &paying.city;
    let ask = |from: &'static str, number: u32| {
        let body = json!({"phone": format!("09120{number:05}")});
        named(city.post("/api/v1/drivers/codes", &body), from).send()
    };
    let mut sent = 0;
    for number in 0..MANY {
        let status = ask("192.0.2.1", number).await.unwrap().status();
        assert!(matches!(status.as_u16(), 202 | 429), "{status}");
        sent += u32::from(status == StatusCode::ACCEPTED);
    }
    // Twenty, and what comes up while they are asked for: six a minute.
    assert!((20..40).contains(&sent), "{sent}");
    let other = ask("192.0.2.2", MANY).await.unwrap().status();
    assert_eq!(other, StatusCode::ACCEPTED);
}
