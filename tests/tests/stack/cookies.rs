//! Cookies are of this host alone: what a sibling's domain, or somebody in the clear, could plant is not looked at.

use reqwest::StatusCode;
use tests::serving::{Open, Serving, session_cookie};

const SECURE: [(&str, &str); 1] = [("CLEARBAY_PUBLIC_URL", "https://parking.example")];

async fn status(city: &Serving, path: &str, cookie: &str) -> StatusCode {
    let request = city.get(path).header("cookie", cookie);
    request.send().await.unwrap().status()
}

/// A browser opens a session by the page's form: all that it is told to keep.
async fn kept(city: &Serving, bay: &str) -> String {
    let key = uuid::Uuid::new_v4().to_string();
    let form = [
        ("plate", "30A-123.45"),
        ("minutes", "60"),
        ("key", &key),
        ("gateway", "vietqr"),
    ];
    let request = city.client.post(format!("{}/b/{bay}", city.url));
    let reply = request.form(&form).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    reply.headers()["set-cookie"].to_str().unwrap().to_owned()
}

fn path_of(open: &Open) -> String {
    format!("/api/v1/payments/{}", open.payment)
}

fn session_of(open: &Open) -> String {
    tests::telling::cookie(open)
}

#[tokio::test]
async fn by_tls_none_is_believed_that_another_host_could_have_set() {
    let city = Serving::with_settings(80, &SECURE).await;
    let guard = city.staff("guard", None).await;
    let token = guard.strip_prefix("__Host-clearbay_staff=").unwrap();
    let bays = "/api/v1/staff/lots/HK-01";
    assert_eq!(status(&city, bays, &guard).await, StatusCode::OK);
    let planted = format!("clearbay_staff={token}");
    assert_eq!(
        status(&city, bays, &planted).await,
        StatusCode::UNAUTHORIZED
    );
    // Beside one that is planted, the own one counts.
    let both = format!("clearbay_staff=another; {guard}");
    assert_eq!(status(&city, bays, &both).await, StatusCode::OK);

    let set = kept(&city, "HK-01-001").await;
    assert!(set.starts_with("__Host-clearbay_session_"), "{set}");
    for part in ["; Path=/;", "; HttpOnly", "; Secure"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    let open = city.open_payment("HK-01-002", 60).await;
    let (planted, path) = (session_of(&open), path_of(&open));
    assert_eq!(
        status(&city, &path, &planted).await,
        StatusCode::UNAUTHORIZED
    );
    let own = format!("__Host-{planted}");
    assert_eq!(status(&city, &path, &own).await, StatusCode::OK);
    let document = city.json("/api/openapi.json").await;
    let scheme = &document["components"]["securitySchemes"]["staff"];
    assert_eq!(scheme["name"], "__Host-clearbay_staff");

    // What ends one names the same.
    let request = city.client.post(format!("{}/staff/logout", city.url));
    let out = request.header("cookie", &guard).send().await.unwrap();
    assert_eq!(session_cookie(&out), "__Host-clearbay_staff=");
    assert_eq!(status(&city, bays, &guard).await, StatusCode::UNAUTHORIZED);
}

/// Browsers take no such name without TLS: a first look, on this machine alone, goes without.
#[tokio::test]
async fn in_the_clear_on_loopback_they_have_plain_names() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", None).await;
    assert!(guard.starts_with("clearbay_staff="), "{guard}");
    let bays = "/api/v1/staff/lots/HK-01";
    assert_eq!(status(&city, bays, &guard).await, StatusCode::OK);
    let set = kept(&city, "HK-01-001").await;
    assert!(set.starts_with("clearbay_session_"), "{set}");
    assert!(!set.contains("Secure"), "{set}");
}
