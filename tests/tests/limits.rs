//! Everything has a limit, and what one abuses does not take from others.

#![allow(clippy::unwrap_used)]

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::{Response, StatusCode};
use tests::serving::Serving;

async fn sign_in(city: &Serving, login: &str, password: &str) -> Response {
    city.client
        .post(format!("{}/staff/login", city.url))
        .form(&[("login", login), ("password", password)])
        .send()
        .await
        .unwrap()
}

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
        let replies: FuturesUnordered<_> =
            (0..20).map(|_| sign_in(&city, login, "wrong")).collect();
        let statuses: Vec<_> = replies.map(|reply| reply.status()).collect().await;
        let count = |status| statuses.iter().filter(|seen| **seen == status).count();
        assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 15, "{statuses:?}");
    }
    let reply = sign_in(&city, "city", "a password").await;
    assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait = reply.text().await.unwrap();
    assert!(wait.contains("Thử sai quá nhiều lần"), "{wait}");
    let other = sign_in(&city, "other", "a password").await;
    assert_eq!(other.status(), StatusCode::SEE_OTHER, "others go on");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let waited = sign_in(&city, "city", "a password").await;
    assert_eq!(waited.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn many_who_sign_in_at_once_take_little_memory() {
    let city = Serving::city(80).await;
    let before = city.memory_peak_mib().await;
    let logins: Vec<String> = (0..120).map(|n| format!("login-{n}")).collect();
    let replies: FuturesUnordered<_> = logins
        .iter()
        .map(|login| sign_in(&city, login, "wrong"))
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
