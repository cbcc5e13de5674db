//! However much is logged: no key, no token, no plate.

use serde_json::json;
use tests::broker::{Broker, BrokerKind};
use tests::city::past;
use tests::database::LOGIN_PASSWORD;
use tests::eventually;
use tests::ingesting::{set_up, subscribed_once};
use tests::logged::{assert_says_none_of, log_with};
use tests::paying::Purse;
use tests::sensors::{publish, told};
use tests::serving::{IMPORT_TOKEN, SESSION_KEY, Serving, WEBHOOK_KEY, text};
use tests::signing::{MASTER, Signer, register};
use uuid::Uuid;

const BAY: &str = "CN-01-001";
/// Where the bank would pay money back, if it answered; what follows `?` is as good as a password.
const PAYOUT_URL: &str = "http://127.0.0.1:9/payouts?key=a-payout-key-of-tests";
const PAYOUT_KEY: &str = "a-payout-key-of-tests";

#[tokio::test]
async fn a_log_of_everything_holds_no_secret_and_no_plate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serve.log");
    let env = vec![
        ("CLEARBAY_LOG", "trace".to_owned()),
        ("CLEARBAY_VIETQR_PAYOUT_URL", PAYOUT_URL.to_owned()),
    ];
    let place = simulator::city::hanoi(80).unwrap();
    let city = Serving::with(&place, Broker::rumqttd(), env, Some(path.clone())).await;
    let mut secrets: Vec<String> = [SESSION_KEY, WEBHOOK_KEY, IMPORT_TOKEN, PAYOUT_KEY]
        .map(str::to_owned)
        .to_vec();
    secrets.push(LOGIN_PASSWORD.to_owned());

    // A session by the API: its price, its payment, a bank nobody believes, one that is believed.
    let quote = json!({"bay": BAY, "class": "car", "minutes": 60});
    city.post("/api/v1/quotes", &quote).send().await.unwrap();
    let open = city.open_payment(BAY, 60).await;
    let forged = city.webhook(
        "t=1,v1=00",
        json!({"transactions": [open.transfer()]}).to_string(),
    );
    assert_eq!(forged.await.status(), 401);
    let mut unreadable = open.transfer();
    unreadable["paid_at"] = json!("30A12345 paid at noon");
    assert_eq!(city.outcomes(&[unreadable]).await, ["unreadable"]);
    assert_eq!(city.outcomes(&[open.transfer()]).await, ["posted"]);
    let wrong = city.get(&format!("/api/v1/sessions/{}", open.session));
    assert_eq!(
        wrong
            .bearer_auth("a-wrong-token-of-tests")
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let page = format!("/pay/{}", open.payment);
    let cookie = format!(
        "clearbay_session_{}={}",
        open.session.replace('-', ""),
        open.token
    );
    let seen = city
        .get(&page)
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    assert!(
        seen.status().is_success() || seen.status().is_redirection(),
        "{}",
        seen.status()
    );
    // Its plate is corrected, and it ends early; what goes back needs a call that fails.
    let session = format!("/api/v1/sessions/{}", open.session);
    let plate = json!({"plate": "51K-678.90"});
    let (status, reply) = city
        .post_as(&open.token, &format!("{session}/plate"), &plate)
        .await;
    assert_eq!(status, 200, "{reply}");
    let (status, reply) = city
        .post_as(&open.token, &format!("{session}/stop"), &json!({}))
        .await;
    assert_eq!(status, 200, "{reply}");
    eventually("the refund to be tried", || async {
        let tried = "outbox WHERE kind = 'refund' AND attempts > 0";
        city.database.count(tried).await
            + city.database.count("refund WHERE status = 'manual'").await
            > 0
    })
    .await;
    // A wallet, and a session by the page's form.
    let purse = Purse::full(&city).await;
    secrets.extend([open.token.clone(), text(&purse.key()["token"])]);
    let metered = json!({"bay": BAY, "plate": "29B1-555.66", "class": "car", "minutes": 60,
        "metered": true, "wallet": purse.key()});
    let reply = city
        .post("/api/v1/sessions", &metered)
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 201, "{}", reply.text().await.unwrap());
    let key = Uuid::new_v4().to_string();
    let form = [
        ("plate", "30E-987.65"),
        ("minutes", "60"),
        ("key", &key),
        ("gateway", "vietqr"),
    ];
    let page = city
        .client
        .post(format!("{}/b/{BAY}", city.url))
        .form(&form);
    let reply = page.send().await.unwrap();
    assert_eq!(reply.status(), 303, "{}", reply.text().await.unwrap());
    // A request for an exemption by its form, and one whose file is none.
    for (key, start) in [
        ("a-request-of-tests", "%PDF-1.7"),
        ("another-of-tests", "GIF89a"),
    ] {
        let fields = [
            ("key", key),
            ("ground", "disabled"),
            ("plate", "88C-246.80"),
            ("class", "car"),
            ("document_kind", "a-kind-of-tests"),
            ("document_number", "a-number-of-tests"),
        ];
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!(
                "--limit\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += &format!(
            "--limit\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a-file-of-tests\"\r\n\r\n\
             {start} a-picture-of-tests\r\n--limit--\r\n"
        );
        let form = city.client.post(format!("{}/exemptions", city.url));
        let form = form.header("content-type", "multipart/form-data; boundary=limit");
        form.body(body).send().await.unwrap();
    }
    assert_eq!(city.database.count("exemption_request").await, 1);
    secrets.extend(
        [
            "a-kind-of-tests",
            "a-number-of-tests",
            "a-file-of-tests",
            "a-picture-of-tests",
        ]
        .map(str::to_owned),
    );
    // A terminal with a plate that is none, and one with the wrong token.
    let store = &city.database.store;
    let own = api::service::terminal::put(store, "HNP", "1", "tests", chrono::Utc::now());
    let own = own.await.unwrap();
    for token in [IMPORT_TOKEN, "a-wrong-token-of-tests", &own] {
        let sale = json!({"key": "sale-number-1", "bay": BAY, "plate": "30A-123.45.67.89",
            "class": "car", "minutes": 60, "at": chrono::Utc::now()});
        let upload = city
            .client
            .post(format!("{}/api/v1/imports/sessions", city.url));
        let upload = upload.bearer_auth(token).json(&json!({"sessions": [sale]}));
        upload.send().await.unwrap();
    }
    secrets.extend(["a-wrong-token-of-tests".to_owned(), own]);
    // As they are typed, and as they are kept.
    let plates = [
        "30A-123.45",
        "30A12345",
        "51K-678.90",
        "51K67890",
        "29B1-555.66",
        "29B155566",
        "30E-987.65",
        "30E98765",
        "88C-246.80",
        "88C24680",
    ];
    secrets.extend(plates.map(str::to_owned));

    let log = log_with(&path, &["DEBUG", "webhook refused", "sqlx::query"]);
    assert_says_none_of(&log, &secrets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_all_that_ingest_does_holds_no_key_of_a_device() {
    const DEVICE: &str = "lot-0-0-sensor";
    let (database, broker) = set_up(BrokerKind::Mosquitto).await;
    let signer = Signer::hmac(DEVICE);
    register(&database.store, &[(DEVICE, &signer)]).await;
    subscribed_once(&database, &broker).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ingest.log");
    let mut ingest = tokio::process::Command::new(tests::provided("CLEARBAY_TEST_BIN"))
        .arg("ingest")
        .env("DATABASE_URL", &database.url)
        .env("MQTT_URL", &broker.url)
        .env("CLEARBAY_INGEST_ID", "test-ingest")
        .env("CLEARBAY_DEVICE_KEY", MASTER)
        .env("CLEARBAY_LOG", "trace")
        .stderr(std::fs::File::create(&path).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let messages = vec![
        signer.told(DEVICE, past(), 1, true),
        signer.told(DEVICE, past(), 1, false),
        told(DEVICE, past(), 2, false),
        Signer::hmac("another").told(DEVICE, past(), 3, false),
    ];
    publish(&broker.url, messages).await;
    eventually("what is right and what is not", || async {
        database.count("event").await == 2 && database.count("refused_message").await == 3
    })
    .await;
    ingest.kill().await.unwrap();
    let log = log_with(&path, &["message refused", "forged", "sqlx::query"]);
    let Signer::Hmac(key) = signer else {
        panic!("it signs by HMAC")
    };
    let hex = hex::encode(&key);
    let bytes = format!("{key:?}");
    let bytes = bytes.trim_matches(['[', ']']);
    for secret in [MASTER, &hex, bytes] {
        assert!(!log.contains(secret), "a key was logged");
    }
}
