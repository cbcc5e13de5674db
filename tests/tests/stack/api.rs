//! The interface that others rely on: shapes, problems, limits, health, who may see what.

use chrono::Utc;
use futures::StreamExt;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::sensors::{publish, told};
use tests::serving::{Serving, session_cookie, text};

async fn problem(reply: Response) -> Value {
    assert_eq!(reply.headers()["content-type"], "application/problem+json");
    let status = reply.status();
    let problem: Value = reply.json().await.unwrap();
    assert_eq!(problem["status"], status.as_u16());
    assert!(text(&problem["type"]).starts_with("urn:clearbay:problem:"));
    problem
}

#[tokio::test]
async fn errors_are_problems_whatever_is_wrong() {
    let city = Serving::city(80).await;
    let post = |path: &str, body: &'static str| {
        city.client
            .post(format!("{}{path}", city.url))
            .header("content-type", "application/json")
            .header("idempotency-key", "a-key-of-tests")
            .body(body)
            .send()
    };
    for (reply, status) in [
        (
            city.get("/api/v1/nothing").send().await,
            StatusCode::NOT_FOUND,
        ),
        (
            city.get("/api/v1/lots/nowhere").send().await,
            StatusCode::NOT_FOUND,
        ),
        (
            city.get("/api/v1/receipts/not-an-id").send().await,
            StatusCode::NOT_FOUND,
        ),
        (
            city.get("/api/v1/reports/revenue?by=moon").send().await,
            StatusCode::BAD_REQUEST,
        ),
        (
            city.get("/api/v1/reports/revenue?from=2026-02-02&to=2026-01-01")
                .send()
                .await,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            city.client
                .delete(format!("{}/api/v1/lots", city.url))
                .send()
                .await,
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (post("/api/v1/quotes", "{").await, StatusCode::BAD_REQUEST),
        (
            post(
                "/api/v1/quotes",
                r#"{"bay":"x","class":"car","minutes":60}"#,
            )
            .await,
            StatusCode::NOT_FOUND,
        ),
        (
            post(
                "/api/v1/quotes",
                r#"{"bay":"CN-01-001","class":"motorbike","minutes":60}"#,
            )
            .await,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            post(
                "/api/v1/quotes",
                r#"{"bay":"CN-01-001","class":"car","minutes":5}"#,
            )
            .await,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            post(
                "/api/v1/sessions",
                r#"{"bay":"CN-01-001","plate":"?","class":"car","minutes":60}"#,
            )
            .await,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            post(
                "/api/v1/quotes",
                r#"{"bay":"\u0000","class":"car","minutes":60}"#,
            )
            .await,
            StatusCode::NOT_FOUND,
        ),
        (
            city.get("/api/v1/reports/revenue?to=-262143-01-01")
                .send()
                .await,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            city.get("/api/v1/reports/parking?from=%2B262142-12-31&to=%2B262142-12-31")
                .send()
                .await,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let reply = reply.unwrap();
        assert_eq!(reply.status(), status, "{}", reply.url());
        problem(reply).await;
    }
}

#[tokio::test]
async fn pages_of_nothing_say_so() {
    let city = Serving::city(80).await;
    for path in [
        "/b/NOWHERE",
        "/b/%00",
        "/lots/nowhere",
        "/r/nothing",
        "/nothing",
        "/b?code=",
    ] {
        let reply = city.get(path).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(reply.text().await.unwrap().contains("<main"), "{path}");
    }
}

/// What a framework says of a request is for those who write programs by it: people are shown a page in their language,
/// and whoever calls the API reads what is wrong.
#[tokio::test]
async fn what_cannot_be_read_is_told_in_words_for_people() {
    let city = Serving::without_bundle(80).await;
    let form = |path: &str| {
        let request = city.client.post(format!("{}{path}", city.url));
        request.header("content-type", "application/x-www-form-urlencoded")
    };
    for (request, status) in [
        (form("/b/CN-01-001?lang=vi").body("minutes=60"), 422),
        (form("/b/CN-01-001?lang=en").body("minutes=60"), 422),
        (form("/b/%ff?lang=vi").body(""), 400),
        (city.get("/b/%ff?lang=en"), 404),
        (city.get("/lots/%ff?lang=vi"), 404),
    ] {
        let reply = request.send().await.unwrap();
        let path = reply.url().to_string();
        assert_eq!(reply.status(), status, "{path}");
        let kind = reply.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/html"), "{path}: {kind}");
        let lang = if path.ends_with("en") { "en" } else { "vi" };
        let page = reply.text().await.unwrap();
        assert!(page.contains(&format!("<html lang=\"{lang}\"")), "{path}");
        assert!(!page.contains("deserialize"), "{path}: {page}");
    }
    let sessions = |body: &'static str| {
        let request = city.client.post(format!("{}/api/v1/sessions", city.url));
        let request = request.header("idempotency-key", uuid::Uuid::new_v4().to_string());
        request
            .header("content-type", "application/json")
            .body(body)
    };
    for (request, what) in [
        (city.get("/api/v1/reports/revenue?from=soon"), "soon"),
        (sessions("{}"), "missing field"),
        (sessions("{"), "not JSON"),
    ] {
        let told = problem(request.send().await.unwrap()).await;
        let detail = text(&told["detail"]);
        assert!(detail.contains(what), "{detail}");
        for word in ["deserialize", "Failed", "target type"] {
            assert!(!detail.contains(word), "{detail}");
        }
    }
}

/// The page of the API's documentation is as wide as a phone.
#[tokio::test]
async fn the_documentation_fits_a_phone() {
    let city = Serving::without_bundle(80).await;
    let page = city.get("/api/docs/").send().await.unwrap();
    let page = page.text().await.unwrap();
    assert_eq!(page.matches("width=device-width").count(), 1, "{page}");
    assert!(
        page.ends_with("</html>\n") || page.ends_with("</html>"),
        "{page}"
    );
}

#[tokio::test]
async fn the_document_names_every_route_that_clients_count_on() {
    let city = Serving::city(80).await;
    let document = city.json("/api/openapi.json").await;
    for (path, method) in [
        ("/api/v1/lots", "get"),
        ("/api/v1/lots/{code}", "get"),
        ("/api/v1/live", "get"),
        ("/api/v1/quotes", "post"),
        ("/api/v1/sessions", "post"),
        ("/api/v1/sessions/{id}/payments", "post"),
        ("/api/v1/payments/{id}", "get"),
        ("/api/v1/receipts/{id}", "get"),
        ("/api/v1/reports/revenue", "get"),
        ("/api/v1/reports/collection", "get"),
        ("/api/v1/reports/over-capacity", "get"),
        ("/log/checkpoint", "get"),
        ("/log/checkpoint/witnessed", "get"),
        ("/log/keys", "get"),
        ("/log/report/{day}", "get"),
        ("/log/report/{day}/{revision}", "get"),
        ("/log/reports", "get"),
        ("/log/tile/{path}", "get"),
    ] {
        assert!(
            document["paths"][path][method].is_object(),
            "{method} {path}"
        );
    }
    let page = city.get("/api/docs/").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let lot = &city.json("/api/v1/lots").await["lots"][0];
    for field in [
        "code",
        "name",
        "kind",
        "ward",
        "operator",
        "position",
        "capacity",
        "occupied",
        "free",
        "unknown",
        "updated_at",
    ] {
        assert!(lot.get(field).is_some(), "lot.{field}");
    }
}

#[tokio::test]
async fn health_tells_the_truth() {
    let city = Serving::city(80).await;
    let status = |path: &'static str| {
        let request = city.get(path);
        async move { request.send().await.unwrap().status() }
    };
    assert_eq!(status("/livez").await, StatusCode::OK);
    assert_eq!(status("/readyz").await, StatusCode::OK);
    let metrics = city.metrics().await;
    assert!(
        metrics.contains("clearbay_http_requests_total"),
        "{metrics}"
    );
    city.database.take_away().await;
    eventually("not being ready without a database", || async {
        status("/readyz").await == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(status("/livez").await, StatusCode::OK);
    city.database.bring_back().await;
    eventually("being ready again", || async {
        status("/readyz").await == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn large_bodies_are_refused_before_they_are_read() {
    let city = Serving::city(80).await;
    let body = json!({"bay": "x".repeat(100_000), "class": "car", "minutes": 60});
    let reply = city.post("/api/v1/quotes", &body).send().await.unwrap();
    assert!(reply.status().is_client_error());
}

/// Reads a stream of events until one satisfies `wanted`.
async fn event(reply: Response, wanted: impl Fn(&str, &Value) -> bool) -> Value {
    let mut stream = reply.bytes_stream();
    let mut text = String::new();
    let found = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while let Some(part) = stream.next().await {
            text += &String::from_utf8_lossy(&part.unwrap());
            while let Some((block, rest)) = text.clone().split_once("\n\n") {
                text = rest.to_owned();
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                        .to_owned()
                };
                // A comment, or how long to wait before connecting again.
                if field("event:").is_empty() {
                    continue;
                }
                let data: Value = serde_json::from_str(&field("data:")).unwrap_or_default();
                if wanted(&field("event:"), &data) {
                    return data;
                }
            }
        }
        panic!("the stream ended");
    });
    found.await.expect("the event did not come")
}

#[tokio::test]
async fn a_sensor_s_word_reaches_whoever_watches() {
    let city = Serving::city(80).await;
    let place = simulator::city::hanoi(80).unwrap();
    let lot = &place.lots[0];
    let device = lot.bays[0].device.as_ref().unwrap();
    assert_eq!(
        city.json(&format!("/api/v1/lots/{}", lot.code)).await["unknown"],
        lot.bays.len()
    );

    let watching = city
        .get(&format!("/api/v1/live?lot={}", lot.code))
        .send()
        .await
        .unwrap();
    assert_eq!(watching.headers()["content-type"], "text/event-stream");
    publish(
        &city.broker.url,
        vec![told(&device.id, Utc::now(), 1, true)],
    )
    .await;
    let seen = event(watching, |name, lot| name == "lot" && lot["occupied"] == 1).await;
    assert_eq!(seen["code"], lot.code);
    let bays = city.json(&format!("/api/v1/lots/{}", lot.code)).await;
    assert_eq!(bays["bays"][0]["state"], "occupied");
    assert_eq!(bays["bays"][1]["state"], "unknown");
}

#[tokio::test]
async fn staff_see_the_bays_of_their_own_operator_only() {
    let city = Serving::city(80).await;
    let store = &city.database.store;
    let hash = api::service::staff::hash_password("a password").unwrap();
    store
        .staff_put("ours", "Ours", &hash, Some("HKP"))
        .await
        .unwrap();
    store.staff_put("city", "City", &hash, None).await.unwrap();
    assert_eq!(
        city.sign_in("ours", "wrong").await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        city.sign_in("nobody", "a password").await.status(),
        StatusCode::UNAUTHORIZED
    );
    let cookie = |reply: Response| {
        let header = reply.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(header.contains("HttpOnly") && header.contains("SameSite=Strict"));
        session_cookie(&reply)
    };
    let ours = cookie(city.sign_in("ours", "a password").await);
    let all = cookie(city.sign_in("city", "a password").await);
    let status = |path: &'static str, cookie: String| {
        let request = city.get(path).header("cookie", cookie);
        async move { request.send().await.unwrap().status() }
    };
    // HK-01 is HKP's, CN-01 is not.
    assert_eq!(
        status("/api/v1/staff/lots/HK-01", ours.clone()).await,
        StatusCode::OK
    );
    assert_eq!(
        status("/api/v1/staff/lots/CN-01", ours.clone()).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status("/staff/lots/CN-01", ours.clone()).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status("/api/v1/staff/lots/CN-01", all).await,
        StatusCode::OK
    );
    assert_eq!(
        status("/api/v1/staff/lots/HK-01", String::new()).await,
        StatusCode::UNAUTHORIZED
    );
    let page = city
        .get("/staff")
        .header("cookie", &ours)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("HK-01") && !page.contains("CN-01"));

    for nowhere in ["lot=nope", "city=nope"] {
        let reply = city.get(&format!("/api/v1/live?{nowhere}")).send().await;
        assert_eq!(reply.unwrap().status(), StatusCode::NOT_FOUND, "{nowhere}");
    }

    // An unpaid arrival turns paid, live, for staff; the public stream never has bays.
    let place = simulator::city::hanoi(80).unwrap();
    let device = place.lots[0].bays[0].device.as_ref().unwrap();
    let watch = |cookie: &str| {
        city.get("/api/v1/live?lot=HK-01")
            .header("cookie", cookie)
            .send()
    };
    let (staff, staff_later, public) = (
        watch(&ours).await.unwrap(),
        watch(&ours).await.unwrap(),
        watch("").await.unwrap(),
    );
    publish(
        &city.broker.url,
        vec![told(&device.id, Utc::now(), 1, true)],
    )
    .await;
    event(staff, |name, bay| {
        name == "bay" && bay["code"] == "HK-01-001" && bay["status"] == "unpaid"
    })
    .await;
    let open = city.open_payment("HK-01-001", 60).await;
    city.outcomes(&[open.transfer()]).await;
    event(staff_later, |name, bay| {
        name == "bay" && bay["status"] == "paid"
    })
    .await;
    event(public, |name, lot| {
        assert_eq!(name, "lot");
        lot["occupied"] == 1
    })
    .await;
}

#[tokio::test]
async fn every_answer_bears_the_headers_that_protect_its_reader() {
    let city =
        Serving::with_settings(80, &[("CLEARBAY_PUBLIC_URL", "https://parking.example")]).await;
    for path in [
        "/",
        "/b/HK-01-001",
        "/staff",
        "/nowhere",
        "/api/v1/lots",
        "/api/v1/nowhere",
        "/api/v1/reports/revenue?from=never",
        "/api/docs/",
        "/api/openapi.json",
        "/open/csv/lots.csv",
        "/log/checkpoint",
    ] {
        let reply = city.get(path).send().await.unwrap();
        let header = |name: &str| {
            let value = reply.headers().get(name);
            value
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert!(
            header("content-security-policy").contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(
            header("strict-transport-security").starts_with("max-age="),
            "{path}"
        );
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        if path.starts_with("/api/v1/") {
            assert_eq!(header("cache-control"), "no-store", "{path}");
        }
    }
    // What another site has a browser send is not taken, whatever it is; a bank sends no such header.
    for path in [
        "/api/v1/quotes",
        "/api/v1/wallets",
        "/staff/login",
        "/wallet/code",
    ] {
        for from in ["cross-site", "same-site"] {
            let request = city.post(path, &serde_json::json!({}));
            let reply = request.header("sec-fetch-site", from).send().await;
            assert_eq!(
                reply.unwrap().status(),
                StatusCode::FORBIDDEN,
                "{path} {from}"
            );
        }
        // Older browsers say only where the page was from.
        for (from, is_foreign) in [
            ("https://evil.example", true),
            ("null", true),
            (city.url.as_str(), false),
        ] {
            let request = city.post(path, &serde_json::json!({}));
            let reply = request.header("origin", from).send().await.unwrap();
            let refused = reply.status() == StatusCode::FORBIDDEN;
            assert_eq!(refused, is_foreign, "{path} {from}");
        }
    }
}
