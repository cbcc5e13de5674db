//! Each handheld terminal has a token of its own, and says by it which it is.

use std::process::Output;

use reqwest::StatusCode;
use reqwest::header::COOKIE;
use serde_json::{Value, json};
use tests::provided;
use tests::serving::{IMPORT_TOKEN, SESSION_KEY, Serving, WEBHOOK_KEY, some_time_ago, text};
use tokio::process::Command;

/// In a lot of the operator [`OPERATOR`].
const BAY: &str = "CN-01-001";
const OPERATOR: &str = "HNP";
/// In a lot of another operator.
const FOREIGN_BAY: &str = "HK-01-001";

async fn command(city: &Serving, args: &[&str]) -> Output {
    Command::new(provided("CLEARBAY_TEST_BIN"))
        .arg("terminal")
        .args(args)
        .env("DATABASE_URL", &city.database.url)
        .output()
        .await
        .unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .trim()
        .to_owned()
}

async fn added(city: &Serving, name: &str) -> String {
    said(&command(city, &["add", name, "--operator", OPERATOR]).await)
}

async fn uploads(city: &Serving, token: &str, key: &str, bay: &str) -> (StatusCode, Value) {
    let sale = json!({"key": key, "bay": bay, "plate": "30A-123.45", "class": "car", "minutes": 60,
        "at": some_time_ago()});
    upload(city, token, &sale).await
}

async fn upload(city: &Serving, token: &str, sale: &Value) -> (StatusCode, Value) {
    let url = format!("{}/api/v1/imports/sessions", city.url);
    let request = city.client.post(url).bearer_auth(token);
    let reply = request.json(&json!({"sessions": [sale]})).send().await;
    let reply = reply.unwrap();
    let status = reply.status();
    let body: Value = reply.json().await.unwrap();
    (status, body["sessions"][0].clone())
}

/// The name of the terminal that uploaded a session.
async fn sold_by(city: &Serving, session: &Value) -> Option<String> {
    sqlx::query_scalar(
        "SELECT name FROM terminal_session JOIN terminal USING (terminal_id) WHERE session_id::text = $1",
    )
    .bind(text(session))
    .fetch_optional(&city.database.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_lost_terminal_ends_alone_and_every_sale_names_its_own() {
    let city = Serving::city(80).await;
    let (first, second) = (added(&city, "Máy 1").await, added(&city, "Máy 2").await);
    assert_eq!(first.len(), 43, "256 bits in base 64");
    assert_ne!(first, second);
    // There is one of a name, and one is of an operator that there is.
    for args in [
        ["add", "Máy 1", "--operator", OPERATOR],
        ["add", "Máy 3", "--operator", "nobody"],
        ["add", " ", "--operator", OPERATOR],
    ] {
        assert!(!command(&city, &args).await.status.success(), "{args:?}");
    }
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("SELECT token_hash FROM terminal ORDER BY name")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    let hash = |token: &str| api::secret::sha256(token.as_bytes()).to_vec();
    assert_eq!(kept, [hash(&first), hash(&second)]);

    // Each says which it is; once, however often it uploads.
    let at = some_time_ago();
    let sale = |key: &str| json!({"key": key, "bay": BAY, "plate": "30A-123.45", "class": "car", "minutes": 60, "at": at});
    let (one, two) = (sale("sale-number-1"), sale("sale-number-2"));
    let (status, sold) = upload(&city, &first, &one).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(upload(&city, &first, &one).await.1, sold);
    assert_eq!(sold_by(&city, &sold["session_id"]).await.unwrap(), "Máy 1");
    let (_, sold) = upload(&city, &second, &two).await;
    assert_eq!(sold_by(&city, &sold["session_id"]).await.unwrap(), "Máy 2");
    // Who repeats another's sale takes it from nobody.
    upload(&city, &first, &two).await;
    assert_eq!(sold_by(&city, &sold["session_id"]).await.unwrap(), "Máy 2");
    assert_eq!(city.database.count("terminal_session").await, 2);

    // It sells in its operator's lots.
    let (status, refused) = uploads(&city, &first, "sale-number-3", FOREIGN_BAY).await;
    assert_eq!(status, StatusCode::OK);
    assert!(refused["session_id"].is_null(), "{refused}");
    assert!(
        text(&refused["error"]).contains("another operator"),
        "{refused}"
    );

    // The first is lost: it alone ends. The token that all share goes on, and names none.
    let end = ["end", "Máy 1", "--operator", OPERATOR];
    assert!(command(&city, &end).await.status.success());
    assert!(!command(&city, &end).await.status.success(), "it has ended");
    let (status, _) = uploads(&city, &first, "sale-number-4", BAY).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, _) = uploads(&city, &second, "sale-number-5", BAY).await;
    assert_eq!(status, StatusCode::OK);
    let (status, sold) = uploads(&city, IMPORT_TOKEN, "sale-number-6", FOREIGN_BAY).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(sold_by(&city, &sold["session_id"]).await, None);
    for nobody in ["", "not-a-token-of-anybody"] {
        let (status, _) = uploads(&city, nobody, "sale-number-7", BAY).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }

    // Its name is free for another, and it stays ended.
    added(&city, "Máy 1").await;
    let list = said(&command(&city, &["list", "--operator", OPERATOR]).await);
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.lines().last().unwrap().contains("ended"), "{list}");
    let pool = &city.database.pool;
    for change in [
        "UPDATE terminal SET ended_at = NULL, ended_by = NULL WHERE ended_at IS NOT NULL",
        "UPDATE terminal SET token_hash = decode(repeat('00', 32), 'hex')",
        "DELETE FROM terminal_session",
        "DELETE FROM terminal",
    ] {
        assert!(sqlx::query(change).execute(pool).await.is_err(), "{change}");
    }
    assert_eq!(
        city.database
            .count("audit WHERE action = 'terminal.add'")
            .await,
        3
    );
    assert_eq!(
        city.database
            .count("audit WHERE action = 'terminal.end'")
            .await,
        1
    );
}

#[tokio::test]
async fn administrators_make_and_end_their_operator_s_terminals() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some(OPERATOR)).await;
    let chief = city.administrator("chief", Some(OPERATOR)).await;
    let stranger = city.administrator("stranger", Some("THP")).await;
    let mayor = city.administrator("mayor", None).await;
    let sends = async |who: &str, path: &str, form: &[(&str, &str)]| {
        let request = city.client.post(format!("{}{path}", city.url));
        let reply = request.header(COOKIE, who).form(form).send().await.unwrap();
        (reply.status(), reply.text().await.unwrap())
    };
    let page = "/staff/terminals";
    let (refused, _) = sends(&guard, page, &[("name", "1")]).await;
    assert_eq!(refused, StatusCode::FORBIDDEN);
    let theirs = [("name", "1"), ("operator", OPERATOR)];
    assert_eq!(
        sends(&stranger, page, &theirs).await.0,
        StatusCode::FORBIDDEN
    );
    let (status, shown) = sends(&chief, page, &[("name", "1")]).await;
    assert_eq!(status, StatusCode::OK, "{shown}");
    let token = shown.split_once("data-token").unwrap().1;
    let token = token.split_once('>').unwrap().1;
    let token = token.split_once('<').unwrap().0.to_owned();
    let (status, _) = uploads(&city, &token, "sale-number-1", BAY).await;
    assert_eq!(status, StatusCode::OK);
    // Shown once; a name is given once.
    let again = city.get(page).header(COOKIE, &chief).send().await.unwrap();
    assert!(!again.text().await.unwrap().contains(&token));
    assert_eq!(
        sends(&chief, page, &[("name", "1")]).await.0,
        StatusCode::CONFLICT
    );
    // The city's administrators say whose it is.
    for (operator, expected) in [("", StatusCode::NOT_FOUND), ("HKP", StatusCode::OK)] {
        let form = [("name", "2"), ("operator", operator)];
        assert_eq!(sends(&mayor, page, &form).await.0, expected, "{operator:?}");
    }

    let id: i32 = sqlx::query_scalar("SELECT terminal_id FROM terminal WHERE name = '1'")
        .fetch_one(&city.database.pool)
        .await
        .unwrap();
    let end = format!("/staff/terminals/{id}/end");
    for (who, expected) in [
        (&guard, StatusCode::FORBIDDEN),
        (&stranger, StatusCode::FORBIDDEN),
        (&chief, StatusCode::SEE_OTHER),
        (&chief, StatusCode::SEE_OTHER),
    ] {
        assert_eq!(sends(who, &end, &[]).await.0, expected);
    }
    let (status, _) = uploads(&city, &token, "sale-number-2", BAY).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let ended = "audit WHERE action = 'terminal.end' AND actor = 'staff:chief'";
    assert_eq!(city.database.count(ended).await, 1);
}

#[tokio::test]
async fn a_shared_token_that_can_be_guessed_is_refused() {
    let refused = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("DATABASE_URL", "postgres://127.0.0.1:9/none")
        .env("CLEARBAY_SESSION_KEY", SESSION_KEY)
        .env("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY)
        .env("CLEARBAY_IMPORT_TOKEN", "fifteen-letters")
        .output()
        .await
        .unwrap();
    assert!(!refused.status.success());
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        why.contains("CLEARBAY_IMPORT_TOKEN needs at least 16"),
        "{why}"
    );
    assert!(!why.contains("fifteen-letters"), "{why}");
}
