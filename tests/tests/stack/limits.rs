//! Everything has a limit, and what one abuses does not take from others.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::StatusCode;
use serde_json::json;
use tests::serving::{IMPORT_TOKEN, Serving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn who_guesses_passwords_must_wait() {
    let city = Serving::city(80).await;
    let hash = api::service::staff::hash_password("a password").unwrap();
    for login in ["city", "other"] {
        let store = &city.database.store;
        store.staff_put(login, login, &hash, None).await.unwrap();
    }
    // A login that nobody has tells no more than one that somebody has.
    for login in ["city", "nobody"] {
        let replies: FuturesUnordered<_> = (0..20).map(|_| city.sign_in(login, "wrong")).collect();
        let statuses: Vec<_> = replies.map(|reply| reply.status()).collect().await;
        let count = |status| statuses.iter().filter(|seen| **seen == status).count();
        assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 15, "{statuses:?}");
    }
    let reply = city.sign_in("city", "a password").await;
    assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait = reply.text().await.unwrap();
    assert!(wait.contains("Thử sai quá nhiều lần"), "{wait}");
    let other = city.sign_in("other", "a password").await;
    assert_eq!(other.status(), StatusCode::SEE_OTHER, "others go on");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waited = city.sign_in("city", "a password").await;
    assert_eq!(waited.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn many_who_sign_in_at_once_take_little_memory() {
    let city = Serving::city(80).await;
    let before = city.memory_peak_mib().await;
    let logins: Vec<String> = (0..120).map(|n| format!("login-{n}")).collect();
    let replies: FuturesUnordered<_> = logins
        .iter()
        .map(|login| city.sign_in(login, "wrong"))
        .collect();
    let statuses: Vec<_> = replies.map(|reply| reply.status()).collect().await;
    for status in statuses {
        assert!(
            [StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE].contains(&status),
            "{status}"
        );
    }
    // A hash takes 19 MiB, so all at once would take more than 2 GiB.
    let more = city.memory_peak_mib().await - before;
    assert!(more < 300, "{more} MiB");
}

#[tokio::test]
async fn who_sends_slowly_holds_up_nobody() {
    let city = Serving::with_settings(80, &[("CLEARBAY_MAX_REQUESTS", "4")]).await;
    let address = city.url.trim_start_matches("http://").to_owned();
    // More than may send at once: some get no place, and are told so. Which, nobody knows.
    let mut slow = FuturesUnordered::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let begun = "POST /api/v1/quotes HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                     content-length: 100\r\n\r\n{";
        stream.write_all(begun.as_bytes()).await.unwrap();
        slow.push(status_of(stream));
    }
    assert_eq!(slow.next().await.unwrap(), "503");
    for path in ["/livez", "/readyz", "/api/v1/lots", "/staff"] {
        let reply = city.get(path).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(city.bank(&[]).await.status(), StatusCode::OK);
    let statuses: Vec<String> = slow.collect().await;
    let waited = statuses.iter().filter(|status| *status == "408").count();
    let refused = statuses.iter().filter(|status| *status == "503").count();
    assert!(waited > 0, "{statuses:?}");
    assert_eq!(waited + refused, statuses.len(), "{statuses:?}");
    let quote = json!({"bay": "nowhere", "class": "car", "minutes": 60});
    let reply = city.post("/api/v1/quotes", &quote).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::NOT_FOUND, "read and answered");
}

#[tokio::test]
async fn who_reads_pages_is_refused_by_one() {
    let city = Serving::city(80).await;
    let address = city.url.trim_start_matches("http://").to_owned();
    let refused = async |path: &str, accepts: &str| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let begun = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\naccept: {accepts}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\nplate"
        );
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
        reply
    };
    let browser = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
    let (page, program, api) = tokio::join!(
        refused("/b/CN-01-001", browser),
        refused("/b/CN-01-001", "*/*"),
        refused("/api/v1/quotes", browser),
    );
    assert!(page.contains("<html lang=\"vi\""), "{page}");
    for header in ["content-security-policy: ", "x-request-id: "] {
        assert!(page.contains(header), "{header}: {page}");
    }
    for told in [program, api] {
        assert!(told.contains("application/problem+json"), "{told}");
    }
}

/// The status of the reply to what was sent.
async fn status_of(mut stream: TcpStream) -> String {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    String::from_utf8_lossy(&start[9..]).into_owned()
}

#[tokio::test]
async fn a_body_has_a_largest_size() {
    let city = Serving::city(80).await;
    for (path, size) in [
        ("/api/v1/quotes", 64 * 1024),
        ("/api/v1/imports/sessions", 1024 * 1024),
    ] {
        let send = |size: usize| {
            city.client
                .post(format!("{}{path}", city.url))
                .header("content-type", "application/json")
                .bearer_auth(IMPORT_TOKEN)
                .body(" ".repeat(size))
                .send()
        };
        assert_ne!(
            send(size).await.unwrap().status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
        let reply = send(size + 1).await.unwrap();
        assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn what_a_client_makes_up_does_not_become_a_metric() {
    let city = Serving::city(80).await;
    for n in 0..3 {
        let method = reqwest::Method::from_bytes(format!("BREW{n}").as_bytes()).unwrap();
        let request = city
            .client
            .request(method, format!("{}/brew/{n}", city.url));
        let reply = request.send().await.unwrap();
        assert!(reply.status().is_client_error());
    }
    let metrics = city.metrics().await;
    assert!(!metrics.contains("BREW"), "{metrics}");
    assert!(!metrics.contains("/brew/"), "{metrics}");
    assert!(metrics.contains("method=\"other\""), "{metrics}");
}

#[tokio::test]
async fn a_login_that_ends_is_ended_everywhere() {
    let city =
        Serving::with_settings(80, &[("CLEARBAY_PUBLIC_URL", "https://parking.example")]).await;
    let store = &city.database.store;
    let hash = api::service::staff::hash_password("a password").unwrap();
    store.staff_put("city", "City", &hash, None).await.unwrap();
    let reply = city.sign_in("city", "a password").await;
    let cookie = reply.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let token = cookie.split(';').next().unwrap().to_owned();
    let bays = || {
        city.get("/api/v1/staff/lots/HK-01")
            .header("cookie", &token)
            .send()
    };
    assert_eq!(bays().await.unwrap().status(), StatusCode::OK);
    let watching = city.get("/api/v1/live?lot=HK-01").header("cookie", &token);
    let watching = watching.send().await.unwrap();
    let public = city.get("/api/v1/live?lot=HK-01").send().await.unwrap();

    let hash = api::service::staff::hash_password("another password").unwrap();
    store.staff_put("city", "City", &hash, None).await.unwrap();
    assert_eq!(bays().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let told = tokio::time::timeout(Duration::from_secs(60), watching.text()).await;
    assert!(
        told.expect("the stream ends")
            .unwrap()
            .contains("event: bay")
    );
    let told = tokio::time::timeout(Duration::from_secs(1), public.text()).await;
    assert!(told.is_err(), "the public's goes on");
}
