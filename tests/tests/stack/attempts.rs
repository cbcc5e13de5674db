//! What may not be tried often: who fails waits, and makes nobody wait elsewhere.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::StatusCode;
use serde_json::json;
use tests::serving::Serving;

/// How a picture begins.
const PNG: &str = "iVBORw0KGgo=";
const RIGHT: &str = "a password";

async fn city_of(logins: &[&str]) -> Serving {
    let city = Serving::city(80).await;
    let hash = api::service::staff::hash_password(RIGHT).unwrap();
    for login in logins {
        let store = &city.database.store;
        store.staff_put(login, login, &hash, None).await.unwrap();
    }
    city
}

/// What somebody is told who signs in from that address.
async fn sign_in(city: &Serving, url: &str, from: &str, login: &str, password: &str) -> StatusCode {
    let request = city.client.post(format!("{url}/staff/login"));
    let request = request.header("x-forwarded-for", from);
    let request = request.form(&[("login", login), ("password", password)]);
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn who_fails_often_waits_and_makes_nobody_wait_elsewhere() {
    let city = city_of(&["city"]).await;
    let url = city.url.as_str();
    let wrong: FuturesUnordered<_> = (0..15)
        .map(|_| sign_in(&city, url, "192.0.2.1", "city", "wrong"))
        .collect();
    let wrong: Vec<_> = wrong.collect().await;
    let refused = wrong.iter().filter(|status| **status == 401);
    assert_eq!(refused.count(), 5, "{wrong:?}");
    let here = sign_in(&city, url, "192.0.2.1", "city", RIGHT).await;
    assert_eq!(here, StatusCode::TOO_MANY_REQUESTS);
    let elsewhere = sign_in(&city, url, "192.0.2.2", "city", RIGHT).await;
    assert_eq!(elsewhere, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn many_addresses_try_few_passwords_and_the_owner_comes_in_from_where_they_were() {
    let city = city_of(&["city", "other"]).await;
    let url = city.url.as_str();
    let at_home = "203.0.113.1";
    let came = sign_in(&city, url, at_home, "city", RIGHT).await;
    assert_eq!(came, StatusCode::SEE_OTHER);
    let mut tried = 0;
    for number in 0..60 {
        let from = format!("192.0.2.{number}");
        match sign_in(&city, url, &from, "city", "wrong").await.as_u16() {
            401 => tried += 1,
            429 => break,
            other => panic!("{other}"),
        }
    }
    // Twenty with the one that went well, and what has come up meanwhile: one in 45 seconds.
    assert!((19..30).contains(&tried), "{tried}");
    let from_anywhere = sign_in(&city, url, "198.51.100.1", "city", RIGHT).await;
    assert_eq!(from_anywhere, StatusCode::TOO_MANY_REQUESTS);
    let again = sign_in(&city, url, at_home, "city", RIGHT).await;
    assert_eq!(again, StatusCode::SEE_OTHER);
    let others = sign_in(&city, url, "198.51.100.1", "other", RIGHT).await;
    assert_eq!(others, StatusCode::SEE_OTHER);
}

/// Neither another process nor a new one has forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_count_failures_together_and_know_them_when_they_come_back() {
    let city = city_of(&["city"]).await;
    let other = city.another().await;
    let urls = [city.url.clone(), other.url()];
    let from = "192.0.2.1";
    let wrong: FuturesUnordered<_> = (0..20)
        .map(|number| sign_in(&city, &urls[number % 2], from, "city", "wrong"))
        .collect();
    let wrong: Vec<_> = wrong.collect().await;
    let refused = wrong.iter().filter(|status| **status == 401);
    assert_eq!(refused.count(), 5, "at both together: {wrong:?}");
    // As after an hour of it: a minute's wait.
    sqlx::query("UPDATE attempt SET failures = 20, failed_at = now() WHERE failures > 0")
        .execute(&city.database.pool)
        .await
        .unwrap();
    city.serve.kill().await;
    city.serve.start_again(None).await;
    city.is_back().await;
    for url in &urls {
        let right = sign_in(&city, url, from, "city", RIGHT).await;
        assert_eq!(right, StatusCode::TOO_MANY_REQUESTS, "{url}");
    }
    // What is kept tells nobody's login and nobody's address.
    let kept: Vec<String> = sqlx::query_scalar("SELECT row_to_json(attempt)::text FROM attempt")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    assert!(!kept.is_empty());
    for row in kept {
        assert!(!row.contains("city") && !row.contains(from), "{row}");
    }
}

/// However many names somebody makes up, whoever waits is not forgotten.
#[tokio::test]
async fn made_up_logins_push_out_nobody_who_waits() {
    let city = city_of(&["city"]).await;
    let url = city.url.as_str();
    let waiting = async || {
        let count = "attempt WHERE failures = 20 AND failed_at > now() - interval '1 hour'";
        city.database.count(count).await
    };
    sign_in(&city, url, "192.0.2.1", "city", "wrong").await;
    sqlx::query("UPDATE attempt SET failures = 20 WHERE failures > 0")
        .execute(&city.database.pool)
        .await
        .unwrap();
    // What others tried long ago goes as new attempts come.
    sqlx::query(
        "INSERT INTO attempt (about, failures, failed_at, forget_at)
         SELECT sha256(number::text::bytea), 7, now() - interval '1 day', now() - interval '1 day'
         FROM generate_series(1, 12) AS number",
    )
    .execute(&city.database.pool)
    .await
    .unwrap();
    for number in 0..4 {
        let login = format!("made-up-{number}");
        let told = sign_in(&city, url, "192.0.2.2", &login, "wrong").await;
        assert_eq!(told, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(waiting().await, 1);
    assert_eq!(city.database.count("attempt WHERE failures = 7").await, 0);
    let right = sign_in(&city, url, "192.0.2.1", "city", RIGHT).await;
    assert_eq!(right, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn one_address_fills_no_list_of_requests_for_exemptions() {
    let city = Serving::city(80).await;
    let ask = async |from: &str, number: u32| {
        let body = json!({"ground": "disabled", "plate": format!("30A-{number:03}.45"),
            "class": "car", "document_kind": "Giấy xác nhận khuyết tật",
            "document_number": "KT-0123", "scan": PNG});
        let request = city.post("/api/v1/exemption-requests", &body);
        let request = request.header("x-forwarded-for", from);
        request.send().await.unwrap()
    };
    let mut taken = 0;
    let refusal = loop {
        let reply = ask("192.0.2.1", 100 + taken).await;
        if reply.status() != StatusCode::CREATED {
            break reply;
        }
        taken += 1;
    };
    assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refusal.headers().contains_key("retry-after"));
    assert_eq!(taken, 20);
    assert_eq!(city.database.count("exemption_request").await, 20);
    let other = ask("192.0.2.2", 500).await;
    assert_eq!(other.status(), StatusCode::CREATED);
}
