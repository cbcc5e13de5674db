//! What a driver can have of what is known of them: all of it, or that it goes.

use chrono::Utc;
use futures::future::{join, join_all};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::database::{run, written};
use tests::eventually;
use tests::providers::Paying;
use tests::serving::{Serving, text};
use uuid::Uuid;

/// A driver who has signed in: their wallet and their token.
async fn sign_in(paying: &Paying, phone: &str) -> (String, String) {
    let city = &paying.city;
    let asked = city.post("/api/v1/drivers/codes", &json!({ "phone": phone }));
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::ACCEPTED);
    let body = json!({"phone": phone, "code": paying.code(phone).await});
    let (status, reply) = city.post_as("", "/api/v1/drivers/logins", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{reply}");
    (text(&reply["wallet"]), text(&reply["token"]))
}

/// Asks for money for a wallet; what the bank will say when it comes.
async fn announce(city: &Serving, (wallet, token): (&str, &str), amount_vnd: i64) -> Value {
    let body = json!({"amount_vnd": amount_vnd, "gateway": "vietqr"});
    let path = format!("/api/v1/wallets/{wallet}/top-ups");
    let (status, payment) = city.post_as(token, &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()), "description": payment["reference"],
        "amount_vnd": amount_vnd, "currency": "VND", "paid_at": Utc::now()})
}

/// Opens a session; its id, its token and what it costs.
async fn open(city: &Serving, bay: &str, plate: &str) -> (String, String, i64) {
    let body = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 60});
    let (status, session) = city.post_as("", "/api/v1/sessions", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{session}");
    let price = session["quote"]["amount_vnd"].as_i64().unwrap();
    (text(&session["id"]), text(&session["token"]), price)
}

/// Pays a session out of a wallet; its receipt.
async fn spend(city: &Serving, session: (&str, &str), (wallet, key): (&str, &str)) -> String {
    let body = json!({"gateway": "wallet", "wallet": {"id": wallet, "token": key}});
    let path = format!("/api/v1/sessions/{}/payments", session.0);
    let (status, payment) = city.post_as(session.1, &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    assert_eq!(payment["status"], "posted", "{payment}");
    text(&payment["receipt_id"])
}

/// What the driver with that token is told who wishes to be deleted.
async fn delete(city: &Serving, token: &str) -> (StatusCode, String) {
    let request = city
        .client
        .delete(format!("{}/api/v1/drivers/current", city.url));
    let reply = request.bearer_auth(token).send().await.unwrap();
    let status = reply.status();
    let problem: Value = reply.json().await.unwrap_or_default();
    (
        status,
        problem["detail"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_is_deleted_with_their_number_and_the_books_stay() {
    let paying = Paying::start().await;
    let (city, phone) = (&paying.city, "0912345678");
    let pool = &city.database.pool;
    let (wallet, token) = sign_in(&paying, phone).await;
    let own = (wallet.as_str(), token.as_str());
    let (session, key, price) = open(city, "CN-01-001", "30A-111.11").await;
    let money = announce(city, own, price).await;
    assert_eq!(city.outcomes(&[money]).await, ["posted"]);

    // What stands in the way is told, with what to do about it, and nothing changes.
    let (status, why) = delete(city, &token).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(why.contains("spend it"), "{why}");
    let receipt = spend(city, (&session, &key), own).await;
    let (status, why) = delete(city, &token).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(why.contains("a session runs"), "{why}");
    // On the page as well.
    let cookie = format!("clearbay_driver={token}");
    let shown = city.get("/wallet/delete?lang=en").header("cookie", &cookie);
    let shown = shown.send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("Delete for good"), "{shown}");
    let pressed = city
        .client
        .post(format!("{}/wallet/delete?lang=en", city.url));
    let refused = pressed.header("cookie", &cookie).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    let told = refused.text().await.unwrap();
    assert!(told.contains("role=\"alert\""), "{told}");
    assert_eq!(city.database.count("driver").await, 1);

    run(
        pool,
        &format!(
            "UPDATE session SET starts_at = now() - interval '2 hours', ends_at = now() - interval '1 hour'
                WHERE session_id = '{session}';
             INSERT INTO push_subscription (session_id, endpoint, p256dh, auth, lang, due_at, created_at)
                VALUES ('{session}', 'https://fcm.googleapis.com/x', decode(repeat('00', 65), 'hex'),
                        decode(repeat('00', 16), 'hex'), 'vi', now() + interval '1 day', now())"
        ),
    )
    .await;
    let objection = json!({"reason": "other", "text": "nobody parked there"});
    let path = format!("/api/v1/receipts/{receipt}/disputes");
    assert_eq!(city.post_as("", &path, &objection).await.0, 201);
    let (status, why) = delete(city, &token).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(why.contains("objection"), "{why}");
    run(
        pool,
        "UPDATE dispute SET status = 'refused', answered_at = now(), answer = 'no'",
    )
    .await;

    // Money that is asked for and has not come is no reason to stay: it goes back when it comes.
    let late = announce(city, own, 50_000).await;
    eventually("the receipt to be in the public log", || async {
        city.database.count("log_leaf").await == 1
    })
    .await;
    let before = written(pool).await;
    assert_eq!(delete(city, &token).await.0, StatusCode::NO_CONTENT);
    assert_eq!(written(pool).await, before);
    assert_eq!(delete(city, &token).await.0, StatusCode::UNAUTHORIZED);
    for gone in ["driver", "driver_login", "push_subscription"] {
        assert_eq!(city.database.count(gone).await, 0, "{gone}");
    }
    let closed = format!("wallet WHERE wallet_id = '{wallet}' AND closed_at IS NOT NULL");
    assert_eq!(city.database.count(&closed).await, 1);
    let recorded = format!(
        "audit WHERE action = 'driver.delete' AND actor = 'driver' AND detail ->> 'wallet' = '{wallet}'"
    );
    assert_eq!(city.database.count(&recorded).await, 1);
    assert_eq!(
        city.database
            .count("audit WHERE audit::text LIKE '%912345678%'")
            .await,
        0
    );
    assert_eq!(city.outcomes(&[late]).await, ["late"]);
    let empty = format!("wallet WHERE wallet_id = '{wallet}' AND balance_vnd = 0");
    assert_eq!(city.database.count(&empty).await, 1);
    assert_eq!(city.database.count("refund WHERE ground = 'late'").await, 1);
    let shown = city.json(&format!("/api/v1/receipts/{receipt}")).await;
    assert_eq!(shown["amount_vnd"], price);

    // The same number later is somebody new; a number waits a minute for its next code.
    run(
        pool,
        "UPDATE login_code SET sent_at = sent_at - interval '2 minutes'",
    )
    .await;
    let (other, token) = sign_in(&paying, phone).await;
    assert_ne!(other, wallet);
    let path = format!("/api/v1/wallets/{other}/entries");
    assert_eq!(city.get_as(&token, &path).await["entries"], json!([]));
    // By the page's button.
    let pressed = city
        .client
        .post(format!("{}/wallet/delete?lang=en", city.url));
    let cookie = format!("clearbay_driver={token}");
    let done = pressed.header("cookie", &cookie).send().await.unwrap();
    assert_eq!(done.status(), StatusCode::OK);
    let forgets = done.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(forgets.contains("Max-Age=0"), "{forgets}");
    assert!(done.text().await.unwrap().contains("Deleted"));
    assert_eq!(city.database.count("driver").await, 0);
    city.assert_books_are_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_fills_a_wallet_that_is_being_closed() {
    let paying = Paying::start().await;
    let city = &paying.city;
    let (wallet, token) = sign_in(&paying, "0912345678").await;
    // Many at once wish to fill it, and to close it.
    let path = format!("/api/v1/wallets/{wallet}/top-ups");
    let body = json!({"amount_vnd": 50_000, "gateway": "vietqr"});
    let fills = (0..8).map(|_| city.post_as(&token, &path, &body));
    let closes = (0..4).map(|_| delete(city, &token));
    let (filled, closed) = join(join_all(fills), join_all(closes)).await;
    let gone = closed.iter().filter(|(status, _)| *status == 204).count();
    assert!(gone <= 1, "{closed:?}");
    assert!(
        closed
            .iter()
            .all(|(status, _)| [204, 401, 409].contains(&status.as_u16())),
        "{closed:?}"
    );
    for (status, payment) in filled {
        if status != StatusCode::CREATED {
            assert!([401, 404, 409].contains(&status.as_u16()), "{payment}");
            continue;
        }
        let told = json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()),
            "description": payment["reference"], "amount_vnd": 50_000, "currency": "VND", "paid_at": Utc::now()});
        let outcome = city.outcomes(&[told]).await;
        let expected = if gone == 1 { "late" } else { "posted" };
        assert_eq!(outcome, [expected]);
    }
    let lost = "wallet WHERE closed_at IS NOT NULL AND balance_vnd > 0";
    assert_eq!(city.database.count(lost).await, 0);
    city.assert_books_are_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_is_told_all_that_is_known_of_them_and_nothing_of_others() {
    let paying = Paying::start().await;
    let city = &paying.city;
    let (wallet, token) = sign_in(&paying, "0912345678").await;
    let own = (wallet.as_str(), token.as_str());
    let money = announce(city, own, 500_000).await;
    assert_eq!(city.outcomes(&[money]).await, ["posted"]);
    let mut receipts = Vec::new();
    for (bay, plate) in [("CN-01-001", "30A-111.11"), ("CN-01-002", "30A-222.22")] {
        let (session, key, _) = open(city, bay, plate).await;
        receipts.push(spend(city, (&session, &key), own).await);
    }
    let (_, stranger) = sign_in(&paying, "0387654321").await;

    let path = "/api/v1/drivers/current/export";
    let told = city.get_as(&token, path).await;
    assert_eq!(told["phone"], "+84912345678");
    assert_eq!(told["wallet"], wallet);
    assert_eq!(told["plates"], json!(["30A11111", "30A22222"]));
    assert_eq!(told["logins"].as_array().unwrap().len(), 1);
    assert!(told.get("next").is_none(), "{told}");
    let payments = told["payments"].as_array().unwrap();
    let kinds: Vec<&Value> = payments.iter().map(|payment| &payment["kind"]).collect();
    assert_eq!(kinds, ["start", "start", "top_up"], "the latest first");
    let proofs: Vec<&Value> = payments[..2].iter().map(|one| &one["receipt_id"]).collect();
    assert_eq!(proofs, [&receipts[1], &receipts[0]]);
    assert_eq!(payments[0]["parking"]["plate"], "30A22222");
    assert_eq!(payments[0]["parking"]["bay"], "CN-01-002");

    // Page by page it is the same.
    let (mut next, mut paged) = (Some(format!("{path}?limit=2")), Vec::new());
    while let Some(page) = next {
        let part = city.get_as(&token, &page).await;
        paged.extend(part["payments"].as_array().unwrap().clone());
        next = part["next"].as_str().map(str::to_owned);
    }
    assert_eq!(&paged, payments);
    for limit in ["0", "1001"] {
        let asked = city
            .get(&format!("{path}?limit={limit}"))
            .bearer_auth(&token);
        assert_eq!(asked.send().await.unwrap().status(), 422, "{limit}");
    }

    // Another driver is told of themselves, and nobody else of anybody.
    let other = city.get_as(&stranger, path).await;
    assert_eq!(other["payments"], json!([]));
    assert_eq!(city.get(path).send().await.unwrap().status(), 401);
    // A link of the wallet's page.
    let cookie = format!("clearbay_driver={token}");
    let page = city.get("/wallet?lang=en").header("cookie", &cookie);
    let page = page.send().await.unwrap().text().await.unwrap();
    for link in [path, "/wallet/delete"] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{page}");
    }
    let file = city
        .get(path)
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(file.status(), StatusCode::OK);
    let saved = file.headers()["content-disposition"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(saved.starts_with("attachment"), "{saved}");
    assert_eq!(file.headers()["cache-control"], "no-store");
}
