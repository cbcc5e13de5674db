//! One intent, one charge; every price explains itself; the books are right whatever the bank says.

use chrono::{TimeDelta, Utc};
use domain::vietqr::VietQr;
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::database::run;
use tests::serving::{IMPORT_TOKEN, Serving, some_time_ago, text};
use uuid::Uuid;

const BAY: &str = "CN-01-001";

#[tokio::test]
async fn every_price_is_the_sum_of_its_lines() {
    let city = Serving::city(80).await;
    for minutes in [15, 60, 121, 540, 1440] {
        let body = json!({"bay": BAY, "class": "car", "minutes": minutes});
        let quote: Value = city
            .post("/api/v1/quotes", &body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let lines = quote["lines"].as_array().unwrap();
        assert!(!lines.is_empty());
        let sum: i64 = lines
            .iter()
            .map(|line| line["amount_vnd"].as_i64().unwrap())
            .sum();
        assert_eq!(quote["amount_vnd"].as_i64().unwrap(), sum, "{minutes} min");
        assert!(lines.iter().all(|line| !text(&line["text"]).is_empty()));
    }
    let nine_hours = json!({"bay": BAY, "class": "car", "minutes": 540});
    let quote: Value = city
        .post("/api/v1/quotes", &nine_hours)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(quote["amount_vnd"], 345_000);
}

#[tokio::test]
async fn money_that_arrives_posts_the_payment_moves_money_and_makes_a_receipt_at_once() {
    let city = Serving::city(80).await;
    let open = city.open_payment(BAY, 120).await;
    let qr = VietQr::parse(&open.qr).unwrap();
    assert_eq!(qr.amount_vnd, Some(50_000));
    assert_eq!(qr.purpose.as_deref(), Some(open.reference.as_str()));
    assert_eq!(city.payment(&open).await["status"], "pending");

    let transfer = open.transfer();
    assert_eq!(
        city.outcomes(std::slice::from_ref(&transfer)).await,
        ["posted"]
    );
    // Told again, alone and beside another: nothing more happens.
    assert_eq!(
        city.outcomes(&[transfer.clone(), transfer]).await,
        ["repeated", "repeated"]
    );

    let payment = city.payment(&open).await;
    assert_eq!(payment["status"], "posted");
    let receipt = city
        .json(&format!(
            "/api/v1/receipts/{}",
            text(&payment["receipt_id"])
        ))
        .await;
    assert_eq!(receipt["amount_vnd"], 50_000);
    assert_eq!(receipt["bay"], BAY);
    assert!(
        !receipt.to_string().contains("30A"),
        "a receipt holds no plate"
    );
    assert_eq!(city.database.count("receipt").await, 1);
    assert_eq!(city.database.count("transfer WHERE kind = 'post'").await, 1);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn money_that_fits_nothing_waits_in_suspense() {
    let city = Serving::city(80).await;
    let open = city.open_payment(BAY, 60).await;
    let mut dollars = open.transfer();
    dollars["currency"] = json!("USD");
    let mut stranger = open.transfer();
    stranger["description"] = json!("tien com");
    let wrong = [
        open.transfer_of(24_000, Utc::now()),
        dollars,
        stranger,
        open.transfer_of(25_000, Utc::now() + TimeDelta::minutes(16)),
    ];
    let outcomes = city.outcomes(&wrong).await;
    assert_eq!(
        outcomes,
        [
            "amount_differs",
            "currency_differs",
            "unknown_reference",
            "late"
        ]
    );
    assert_eq!(city.payment(&open).await["status"], "pending");
    assert_eq!(city.database.count("receipt").await, 0);
    assert_eq!(
        city.outcomes(&[open.transfer(), open.transfer()]).await,
        ["posted", "paid_twice"]
    );
    let suspended = city.database.store.suspense_list(false, 100).await.unwrap();
    assert_eq!(suspended.len(), 5);
    let goes_back = suspended
        .iter()
        .map(|notice| notice.refund_status.is_some());
    assert!(goes_back.is_sorted(), "what waits for people stands first");
    // Dong only: the dollars are noted, not booked.
    assert_eq!(
        city.database
            .count("transfer WHERE suspense IS NOT NULL")
            .await,
        4
    );
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn only_the_bank_is_believed() {
    let city = Serving::city(80).await;
    let open = city.open_payment(BAY, 60).await;
    let body = json!({ "transactions": [open.transfer()] }).to_string();
    let now = Utc::now().timestamp();
    let sign = |key: &str, time: i64, body: &str| {
        let time = time.to_string();
        let parts = [time.as_bytes(), b".", body.as_bytes()];
        format!(
            "t={time},v1={}",
            hex::encode(api::secret::hmac_sha256(key.as_bytes(), &parts))
        )
    };
    let right = tests::serving::WEBHOOK_KEY;
    let forgeries = [
        sign("another-key-altogether", now, &body),
        sign(right, now, &body.replace("25000", "1")),
        sign(right, now - 301, &body),
        sign(right, now + 301, &body),
        format!("t={now},v1="),
        format!("t={now},v1=zz"),
        "t=,v1=".to_owned(),
        String::new(),
    ];
    for forgery in forgeries {
        let reply = city.webhook(&forgery, body.clone()).await;
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{forgery}");
    }
    assert_eq!(city.database.count("bank_notice").await, 0);
    assert_eq!(city.payment(&open).await["status"], "pending");
    assert_eq!(
        city.webhook(&sign(right, now, &body), body).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn one_key_one_session_one_reply() {
    let city = Serving::city(80).await;
    let key = Uuid::new_v4().to_string();
    let send = |minutes: u32| {
        city.client
            .post(format!("{}/api/v1/sessions", city.url))
            .header("idempotency-key", &key)
            .json(&json!({"bay": BAY, "plate": "30A12345", "class": "car", "minutes": minutes}))
            .send()
    };
    let replies = join_all((0..50).map(|_| send(60))).await;
    let mut bodies = Vec::new();
    for reply in replies {
        let reply = reply.unwrap();
        assert_eq!(reply.status(), StatusCode::CREATED);
        bodies.push(reply.text().await.unwrap());
    }
    assert!(
        bodies.iter().all(|body| *body == bodies[0]),
        "identical replies"
    );
    assert_eq!(city.database.count("session").await, 1);
    let other = send(120).await.unwrap();
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Value = other.json().await.unwrap();
    assert_eq!(problem["type"], "urn:clearbay:problem:key-reused");
    let without = city
        .client
        .post(format!("{}/api/v1/sessions", city.url))
        .json(&json!({"bay": BAY, "plate": "30A12345", "class": "car", "minutes": 60}));
    assert_eq!(
        without.send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn two_clicks_at_once_make_one_payment_and_one_charge() {
    let city = Serving::city(80).await;
    let body = json!({"bay": BAY, "plate": "30A12345", "class": "car", "minutes": 60});
    let session: Value = city
        .post("/api/v1/sessions", &body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let path = format!("/api/v1/sessions/{}/payments", text(&session["id"]));
    let token = text(&session["token"]);
    let clicks = (0..20).map(|_| {
        city.post(&path, &json!({"gateway": "vietqr"}))
            .bearer_auth(&token)
            .send()
    });
    for reply in join_all(clicks).await {
        assert_eq!(reply.unwrap().status(), StatusCode::CREATED);
    }
    assert_eq!(city.database.count("payment").await, 1);

    // The bank tells of one transfer twenty times at once, in twenty messages.
    let open = city.open_payment(BAY, 60).await;
    let transfer = [open.transfer()];
    let replies = join_all((0..20).map(|_| city.bank(&transfer))).await;
    let mut posted = 0;
    for reply in replies {
        let reply: Value = reply.json().await.unwrap();
        posted += usize::from(reply["results"][0]["outcome"] == "posted");
    }
    assert_eq!(posted, 1);
    assert_eq!(city.database.count("receipt").await, 1);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_session_belongs_to_its_token() {
    let city = Serving::city(80).await;
    let (mine, other) = (
        city.open_payment(BAY, 60).await,
        city.open_payment("CN-01-002", 60).await,
    );
    let session = format!("/api/v1/sessions/{}", mine.session);
    let payment = format!("/api/v1/payments/{}", mine.payment);
    for path in [
        &session,
        &payment,
        &format!("/api/v1/live/payments/{}", mine.payment),
    ] {
        for token in ["", "nonsense", &other.token] {
            let reply = city.get(path).bearer_auth(token).send().await.unwrap();
            assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        assert_eq!(
            city.get(path).send().await.unwrap().status(),
            StatusCode::UNAUTHORIZED
        );
    }
    let seen: Value = city
        .get(&session)
        .bearer_auth(&mine.token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(seen["plate"], "30A12345");
    let page = city
        .get(&format!("/pay/{}", mine.payment))
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_ledger_and_its_receipts_can_only_grow() {
    let city = Serving::city(80).await;
    let open = city.open_payment(BAY, 60).await;
    assert_eq!(city.outcomes(&[open.transfer()]).await, ["posted"]);
    for table in ["transfer", "receipt"] {
        for change in [
            format!("UPDATE {table} SET amount_vnd = 1"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
        ] {
            let refused = sqlx::query(sqlx::AssertSqlSafe(change.clone()))
                .execute(&city.database.pool)
                .await
                .unwrap_err();
            assert!(
                refused.to_string().contains("append-only"),
                "{change}: {refused}"
            );
        }
    }
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn what_terminals_upload_is_taken_once_and_published_to_the_dong() {
    let city = Serving::city(80).await;
    let at = some_time_ago();
    let sale = |index: usize| {
        json!({"key": format!("sale-number-{index}"), "bay": BAY, "plate": format!("30A123{index:02}"),
               "class": "car", "minutes": 60, "at": at})
    };
    let mut sales: Vec<Value> = (0..50).map(sale).collect();
    sales[7]["bay"] = json!("no-such-bay");
    let upload = || {
        city.client
            .post(format!("{}/api/v1/imports/sessions", city.url))
            .bearer_auth(IMPORT_TOKEN)
            .json(&json!({ "sessions": sales }))
            .send()
    };
    let first: Value = upload().await.unwrap().json().await.unwrap();
    let again: Value = upload().await.unwrap().json().await.unwrap();
    assert_eq!(first, again);
    assert!(first["sessions"][7]["error"].is_string());
    assert_eq!(city.database.count("session").await, 49);
    let transfers: Vec<Value> = first["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|sale| sale["qr"].as_str())
        .enumerate()
        .map(|(index, qr)| {
            let qr = VietQr::parse(qr).unwrap();
            json!({"bank_ref": format!("FT{index}"), "description": qr.purpose, "currency": "VND",
                   "amount_vnd": qr.amount_vnd, "paid_at": at + TimeDelta::minutes(1)})
        })
        .collect();
    assert!(
        city.outcomes(&transfers)
            .await
            .iter()
            .all(|outcome| outcome == "posted")
    );
    city.assert_books_are_right().await;

    // The published revenue is the sum of the receipts, by whatever it is summed.
    let receipts: i64 = sqlx::query_scalar("SELECT sum(amount_vnd)::bigint FROM receipt")
        .fetch_one(&city.database.pool)
        .await
        .unwrap();
    for by in ["day", "ward", "zone", "lot", "operator"] {
        let report = city.json(&format!("/api/v1/reports/revenue?by={by}")).await;
        assert_eq!(report["total_vnd"].as_i64(), Some(receipts), "{by}");
    }
    // What a bay is made for may change: what was parked there before has not.
    let by_class = async || city.json("/api/v1/reports/revenue?by=class").await;
    let before = by_class().await;
    assert_eq!(before["total_vnd"].as_i64(), Some(receipts));
    assert_eq!(before["rows"][0]["key"], "car");
    run(
        &city.database.pool,
        "UPDATE bay SET class = CASE class WHEN 'car' THEN 'motorbike' ELSE 'car' END",
    )
    .await;
    assert_eq!(by_class().await["rows"], before["rows"]);
    let csv = city
        .get("/api/v1/reports/revenue?by=lot&format=csv")
        .send()
        .await
        .unwrap();
    let csv = csv.text().await.unwrap();
    assert!(
        csv.starts_with("\u{feff}key,name,receipts,amount_vnd,refunded_vnd\r\n"),
        "{csv}"
    );
    assert!(
        csv.contains(&format!("CN-01,Phố Trần Hưng Đạo,49,{receipts},0\r\n")),
        "{csv}"
    );
    let refused = city
        .client
        .post(format!("{}/api/v1/imports/sessions", city.url))
        .bearer_auth("not-the-token")
        .json(&json!({"sessions": []}));
    assert_eq!(
        refused.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}
