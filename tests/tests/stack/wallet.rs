//! Drivers' money with us: never below zero, however many spend it at once.

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::serving::{Serving, text};
use uuid::Uuid;

struct Purse {
    id: String,
    token: String,
}

impl Purse {
    /// A wallet with that much in it.
    async fn filled(city: &Serving, amount_vnd: i64) -> Self {
        let reply = city
            .post("/api/v1/wallets", &json!({}))
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), StatusCode::CREATED);
        let wallet: Value = reply.json().await.unwrap();
        let purse = Self {
            id: text(&wallet["id"]),
            token: text(&wallet["token"]),
        };
        let body = json!({"amount_vnd": amount_vnd, "gateway": "vietqr"});
        let path = format!("/api/v1/wallets/{}/top-ups", purse.id);
        let (status, payment) = city.post_as(&purse.token, &path, &body).await;
        assert_eq!(status, StatusCode::CREATED, "{payment}");
        assert_eq!(purse.look(city).await["balance_vnd"], 0);
        let transfer = json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()),
            "description": payment["reference"], "amount_vnd": amount_vnd, "currency": "VND",
            "paid_at": chrono::Utc::now()});
        assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
        assert_eq!(purse.look(city).await["balance_vnd"], amount_vnd);
        purse
    }

    async fn look(&self, city: &Serving) -> Value {
        city.get_as(&self.token, &format!("/api/v1/wallets/{}", self.id))
            .await
    }

    fn key(&self) -> Value {
        json!({"id": self.id, "token": self.token})
    }
}

async fn session(city: &Serving, bay: &str, plate: &str) -> (String, String) {
    let body = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 60});
    let reply = city.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::CREATED);
    let session: Value = reply.json().await.unwrap();
    (text(&session["id"]), text(&session["token"]))
}

#[tokio::test]
async fn a_wallet_pays_at_once_and_never_more_than_it_holds() {
    let city = Serving::city(80).await;
    // Five hours' worth, for twenty who pay at the same moment.
    let purse = Purse::filled(&city, 5 * 25_000).await;
    let mut sessions = Vec::new();
    for index in 0..20 {
        sessions.push(session(&city, "CN-01-001", &format!("30A123{index:02}")).await);
    }
    let pay = |(id, token): &(String, String)| {
        let body = json!({"gateway": "wallet", "wallet": purse.key()});
        let (path, token) = (format!("/api/v1/sessions/{id}/payments"), token.clone());
        let city = &city;
        async move { city.post_as(&token, &path, &body).await }
    };
    let replies = join_all(sessions.iter().map(pay)).await;
    let posted = replies
        .iter()
        .filter(|(_, reply)| reply["status"] == "posted")
        .count();
    let refused = replies
        .iter()
        .filter(|(status, _)| *status == StatusCode::CONFLICT)
        .count();
    assert_eq!((posted, refused), (5, 15));
    let purse_now = purse.look(&city).await;
    assert_eq!(purse_now["balance_vnd"], 0);
    assert_eq!(purse_now["held_vnd"], 0);
    assert_eq!(city.database.count("receipt").await, 5);
    // Somebody else's wallet pays for nothing.
    let stolen = json!({"gateway": "wallet", "wallet": {"id": purse.id, "token": "nonsense"}});
    let (id, token) = &sessions[0];
    let path = format!("/api/v1/sessions/{id}/payments");
    assert_eq!(
        city.post_as(token, &path, &stolen).await.0,
        StatusCode::UNAUTHORIZED
    );
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn start_and_stop_pays_for_what_was_parked() {
    let city = Serving::city(80).await;
    let purse = Purse::filled(&city, 100_000).await;
    let start = |minutes: u32| {
        json!({"bay": "CN-01-001", "plate": "30A12345", "class": "car", "minutes": minutes,
               "metered": true, "wallet": purse.key()})
    };
    let too_long = city
        .post("/api/v1/sessions", &start(600))
        .send()
        .await
        .unwrap();
    assert_eq!(
        too_long.status(),
        StatusCode::CONFLICT,
        "the wallet does not cover ten hours"
    );
    let reply = city
        .post("/api/v1/sessions", &start(180))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::CREATED);
    let session: Value = reply.json().await.unwrap();
    assert_eq!(session["status"], "paid");
    let held = purse.look(&city).await;
    assert_eq!(held["balance_vnd"], 100_000);
    assert_eq!(held["held_vnd"], 85_000);
    assert_eq!(held["available_vnd"], 15_000);

    // An hour later, by the database's own clock of this session.
    sqlx::query(
        "UPDATE session SET starts_at = starts_at - interval '61 minutes'
         WHERE session_id = $1::uuid",
    )
    .bind(text(&session["id"]))
    .execute(&city.database.pool)
    .await
    .unwrap();
    let stop = format!("/api/v1/sessions/{}/stop", text(&session["id"]));
    let (status, ended) = city
        .post_as(&text(&session["token"]), &stop, &json!({}))
        .await;
    assert_eq!(status, StatusCode::OK, "{ended}");
    assert_eq!(ended["status"], "ended");
    // Two started hours.
    assert_eq!(ended["paid_vnd"], 50_000);
    let purse_now = purse.look(&city).await;
    assert_eq!(purse_now["balance_vnd"], 50_000);
    assert_eq!(purse_now["held_vnd"], 0);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn what_a_wallet_paid_goes_back_into_it() {
    let city = Serving::city(80).await;
    let purse = Purse::filled(&city, 50_000).await;
    let (id, token) = session(&city, "CN-01-001", "30A12345").await;
    let body = json!({"gateway": "wallet", "wallet": purse.key()});
    let (status, payment) = city
        .post_as(&token, &format!("/api/v1/sessions/{id}/payments"), &body)
        .await;
    assert_eq!(
        (status, payment["status"].as_str()),
        (StatusCode::CREATED, Some("posted"))
    );
    let (_, ended) = city
        .post_as(&token, &format!("/api/v1/sessions/{id}/stop"), &json!({}))
        .await;
    let back = ended["refunded_vnd"].as_i64().unwrap();
    assert!(back > 20_000, "{back}");
    assert_eq!(purse.look(&city).await["balance_vnd"], 25_000 + back);
    assert_eq!(city.database.count("refund WHERE status = 'done'").await, 1);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_wallet_s_key_cannot_be_guessed_and_is_not_kept() {
    let city = Serving::city(80).await;
    let open = |key: String| {
        let request = city.client.post(format!("{}/api/v1/wallets", city.url));
        request
            .header("idempotency-key", key)
            .json(&json!({}))
            .send()
    };
    // Whoever repeats a key is given the wallet that it made.
    let guessed = open("wallet-1".to_owned()).await.unwrap();
    assert_eq!(guessed.status(), StatusCode::BAD_REQUEST);
    let key = Uuid::new_v4().to_string();
    let first: Value = open(key.clone()).await.unwrap().json().await.unwrap();
    let again: Value = open(key.clone()).await.unwrap().json().await.unwrap();
    assert_eq!(first, again);
    let kept: Vec<String> = sqlx::query_scalar("SELECT key FROM idempotency")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    assert_eq!(kept.len(), 1);
    assert!(!kept.contains(&key), "who reads a backup opens no wallet");

    // Nor does who sends what is kept.
    let stolen: Value = open(kept[0].clone()).await.unwrap().json().await.unwrap();
    assert_ne!(stolen["id"], first["id"]);

    // A key of a process of before is understood as long as it is remembered.
    let old = Uuid::new_v4().to_string();
    let made: Value = open(old.clone()).await.unwrap().json().await.unwrap();
    let plain = sqlx::query("UPDATE idempotency SET key = $1 WHERE resource_id = $2::uuid");
    let plain = plain.bind(&old).bind(made["id"].as_str().unwrap());
    plain.execute(&city.database.pool).await.unwrap();
    let again: Value = open(old).await.unwrap().json().await.unwrap();
    assert_eq!(made, again);

    // Terminals' keys are kept beside drivers': nobody takes one first.
    let taken = open(format!("terminal:{}", Uuid::new_v4())).await.unwrap();
    assert_eq!(taken.status(), StatusCode::BAD_REQUEST);
}
