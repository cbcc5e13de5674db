//! Drivers with a phone number: the code that is sent to it, the wallet behind it, and what it pays.

use domain::vietqr::VietQr;
use futures::future::join_all;
use reqwest::header::{COOKIE, LOCATION};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tests::database::run;
use tests::eventually;
use tests::providers::Paying;
use tests::serving::{Serving, session_cookie, text};
use uuid::Uuid;

const BAY: &str = "CN-01-001";

async fn ask(city: &Serving, phone: &str) -> StatusCode {
    let body = json!({ "phone": phone });
    let reply = city.post("/api/v1/drivers/codes", &body).send().await;
    reply.unwrap().status()
}

async fn sign_in(city: &Serving, phone: &str, code: &str) -> (StatusCode, Value) {
    let body = json!({ "phone": phone, "code": code });
    let reply = city.post("/api/v1/drivers/logins", &body).send().await;
    let reply = reply.unwrap();
    (reply.status(), reply.json().await.unwrap())
}

/// Another code than this one.
fn wrong(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

/// A form that a page sends.
async fn send(city: &Serving, path: &str, cookie: &str, form: &[(&str, &str)]) -> Response {
    let request = city.client.post(format!("{}{path}", city.url)).form(form);
    request.header(COOKIE, cookie).send().await.unwrap()
}

async fn page(city: &Serving, path: &str, cookie: &str) -> String {
    let reply = city.get(path).header(COOKIE, cookie).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK, "{path}");
    reply.text().await.unwrap()
}

/// Signs a browser in by the page's forms; what it sends from then on.
async fn browser(paying: &Paying, phone: &str) -> String {
    let city = &paying.city;
    let asked = send(city, "/wallet/code", "", &[("phone", phone)]).await;
    assert_eq!(asked.status(), StatusCode::OK);
    let code = paying.code(phone).await;
    let form = [("phone", phone), ("code", &code), ("to", "/b/CN-01-001")];
    let reply = send(city, "/wallet/sign-in", "", &form).await;
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    assert_eq!(reply.headers()[LOCATION], "/b/CN-01-001");
    session_cookie(&reply)
}

/// Puts money into the wallet of a browser, by VietQR.
async fn fill(city: &Serving, cookie: &str, amount: &str) {
    let key = Uuid::new_v4().to_string();
    let form = [("amount", amount), ("key", &key), ("gateway", "vietqr")];
    let reply = send(city, "/wallet/top-up", cookie, &form).await;
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    let to = reply.headers()[LOCATION].to_str().unwrap().to_owned();
    let shown = page(city, &to, cookie).await;
    assert!(shown.contains("data-status=\"pending\""), "{shown}");
    // Another browser has no business with it.
    let other = city.get(&to).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::UNAUTHORIZED);
    let qr: String = sqlx::query_scalar("SELECT qr FROM payment WHERE payment_id = $1::uuid")
        .bind(to.trim_start_matches("/pay/"))
        .fetch_one(&city.database.pool)
        .await
        .unwrap();
    let qr = VietQr::parse(&qr).unwrap();
    let transfer = json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()),
        "description": qr.purpose, "amount_vnd": qr.amount_vnd, "currency": "VND",
        "paid_at": chrono::Utc::now()});
    assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
    let reply = city.get(&to).header(COOKIE, cookie).send().await.unwrap();
    assert_eq!(reply.headers()[LOCATION], "/wallet");
}

#[tokio::test]
async fn a_code_is_good_once_and_may_be_guessed_at_five_times() {
    let paying = Paying::start().await;
    let city = &paying.city;
    // Nobody is sent anything who has no Vietnamese mobile number.
    assert_eq!(ask(city, "+1 202 555 0143").await, 422);
    assert_eq!(ask(city, "0912 345 678").await, StatusCode::ACCEPTED);
    assert_eq!(ask(city, "+84912345678").await, 429, "within a minute");
    let right = paying.code("0912345678").await;
    let (status, reply) = sign_in(city, "0912345678", wrong(&right)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply["type"], "urn:clearbay:problem:wrong-code");
    // A code belongs to its number.
    assert_eq!(ask(city, "0987654321").await, StatusCode::ACCEPTED);
    assert_eq!(sign_in(city, "0987654321", &right).await.0, 401);

    // Of four at once with the right code one comes in.
    let tries = (0..4).map(|_| sign_in(city, "0912345678", &right));
    let replies = join_all(tries).await;
    let opened = replies.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(opened, 1, "{replies:?}");
    assert_eq!(city.database.count("driver").await, 1);
    assert_eq!(sign_in(city, "0912345678", &right).await.0, 401);

    // After five guesses, however many at once, the right code is good no more.
    let right = paying.code("0987654321").await;
    let tries = (0..12).map(|_| sign_in(city, "0987654321", wrong(&right)));
    assert!(
        join_all(tries)
            .await
            .iter()
            .all(|(status, _)| *status == 401)
    );
    let attempts: i16 =
        sqlx::query_scalar("SELECT attempts FROM login_code WHERE phone = '+84987654321'")
            .fetch_one(&city.database.pool)
            .await
            .unwrap();
    assert_eq!(attempts, 5);
    assert_eq!(sign_in(city, "0987654321", &right).await.0, 401);
    // What is kept of a code does not tell it.
    let kept: Vec<u8> =
        sqlx::query_scalar("SELECT code_hash FROM login_code WHERE phone = '+84987654321'")
            .fetch_one(&city.database.pool)
            .await
            .unwrap();
    assert_eq!(kept.len(), 32);
}

#[tokio::test]
async fn a_wallet_is_filled_and_spent_from_any_phone_of_its_driver() {
    let paying = Paying::start().await;
    let city = &paying.city;
    let first = browser(&paying, "0912345678").await;
    let empty = page(city, "/wallet?lang=en", &first).await;
    assert!(empty.contains("Nothing yet."), "{empty}");
    fill(city, &first, "500000").await;
    let form = page(city, "/b/CN-01-001?lang=en", &first).await;
    assert!(
        form.contains("Pay from the wallet") && form.contains("500,000"),
        "{form}"
    );
    assert!(form.contains("Pay when I leave"), "{form}");

    // At once.
    let key = Uuid::new_v4().to_string();
    let filled = [
        ("plate", "30A-111.22"),
        ("minutes", "120"),
        ("key", &key),
        ("gateway", "wallet"),
    ];
    let reply = send(city, "/b/CN-01-001", &first, &filled).await;
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    let session = session_cookie(&reply);
    let to = reply.headers()[LOCATION].to_str().unwrap().to_owned();
    let paid = page(city, &to, &session).await;
    assert!(paid.contains("data-status=\"paid\""), "{paid}");
    // Who leaves early is shown what went back, why, and what it cost then.
    let own = page(city, "/my?lang=en", &session).await;
    let (_, rest) = own.split_once("href=\"/s/").unwrap();
    let home = format!("/s/{}", rest.split_once('"').unwrap().0);
    send(city, &format!("{home}/stop"), &session, &[]).await;
    let ended = page(city, &format!("{home}?lang=en"), &session).await;
    for part in [
        "not used",
        "What this parking cost",
        "given back by its share",
    ] {
        assert!(ended.contains(part), "{part}: {ended}");
    }
    // The receipt, and the way to a complaint, are where one comes back to.
    assert!(
        ended.contains("href=\"/r/") && ended.contains("#dispute"),
        "{ended}"
    );
    let mine = page(city, "/my?lang=en", &session).await;
    assert!(
        mine.contains("0\u{a0}₫") && mine.contains("href=\"/r/"),
        "{mine}"
    );

    // When leaving: what the longest stay costs is held, what was parked is taken.
    let key = Uuid::new_v4().to_string();
    let filled = [
        ("plate", "30A-333.44"),
        ("minutes", "60"),
        ("longest", "1440"),
        ("key", &key),
        ("gateway", "wallet-metered"),
    ];
    let too_little = send(city, "/b/CN-01-002", &first, &filled).await;
    assert_eq!(
        too_little.status(),
        StatusCode::CONFLICT,
        "a day costs more than is left"
    );
    assert!(too_little.text().await.unwrap().contains("role=\"alert\""));
    // The same driver on another phone, after the minute that a number waits for its next code.
    sqlx::query("UPDATE login_code SET sent_at = sent_at - interval '2 minutes'")
        .execute(&city.database.pool)
        .await
        .unwrap();
    let second = browser(&paying, "0912345678").await;
    fill(city, &second, "1000000").await;
    let reply = send(city, "/b/CN-01-002", &second, &filled).await;
    assert_eq!(
        reply.status(),
        StatusCode::SEE_OTHER,
        "{}",
        reply.text().await.unwrap()
    );
    let metered = session_cookie(&reply);
    let home = reply.headers()[LOCATION].to_str().unwrap().to_owned();
    let running = page(city, &format!("{home}?lang=en"), &metered).await;
    for part in [
        "data-status=\"paid\"",
        "So far",
        "Held in the wallet",
        "Stop and pay",
    ] {
        assert!(running.contains(part), "{part}: {running}");
    }
    let mine = page(city, "/my?lang=en", &metered).await;
    assert!(mine.contains("held "), "{mine}");
    assert!(
        page(city, "/wallet?lang=en", &second)
            .await
            .contains("Held for a vehicle")
    );
    send(city, &format!("{home}/stop"), &metered, &[]).await;
    city.assert_books_are_right().await;

    let history = page(city, "/wallet?lang=en", &second).await;
    // Who leaves at once has parked for nothing.
    for part in ["+500,000", "+1,000,000", "CN-01-001"] {
        assert!(history.contains(part), "{part}: {history}");
    }
    assert!(!history.contains("Held for a vehicle"));

    // A lost phone is shut out from another.
    let out = send(city, "/wallet/sign-out", &second, &[("everywhere", "true")]).await;
    assert_eq!(out.status(), StatusCode::SEE_OTHER);
    for lost in [&first, &second] {
        let shown = page(city, "/wallet", lost).await;
        assert!(shown.contains("action=\"/wallet/code\""), "{shown}");
    }
    let key = Uuid::new_v4().to_string();
    let filled = [
        ("plate", "30A-555.66"),
        ("minutes", "60"),
        ("key", &key),
        ("gateway", "wallet"),
    ];
    let reply = send(city, "/b/CN-01-001", &first, &filled).await;
    assert_eq!(reply.headers()[LOCATION], "/wallet?to=/b/CN-01-001");
}

#[tokio::test]
async fn what_a_wallet_holds_is_not_paid_and_what_is_paid_twice_goes_back() {
    let paying = Paying::start().await;
    let city = &paying.city;
    let browser = browser(&paying, "0912345678").await;
    fill(city, &browser, "1000000").await;
    let pay = async |gateway: &str| {
        let key = Uuid::new_v4().to_string();
        let form = [
            ("plate", "30A-333.44"),
            ("minutes", "60"),
            ("longest", "120"),
            ("key", &key),
            ("gateway", gateway),
        ];
        let reply = send(city, "/b/CN-01-002", &browser, &form).await;
        assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    };
    // Who means to pay when leaving, and then pays at once, has paid once.
    pay("wallet-metered").await;
    pay("wallet").await;
    assert_eq!(city.database.count("refund").await, 0);
    // Who pays once more gets it back when that has ended.
    pay("wallet").await;
    assert_eq!(city.database.count("refund").await, 0);
    run(
        &city.database.pool,
        "UPDATE session SET stopped_at = now(), stopped_by = 'driver' WHERE NOT metered",
    )
    .await;
    eventually("what was paid twice to go back", || async {
        city.database.count("refund WHERE ground = 'double'").await == 1
    })
    .await;
    city.assert_books_are_right().await;

    // Only a time can be paid for when leaving, and only with an end.
    let key = Uuid::new_v4().to_string();
    let form = [
        ("plate", "30A-555.66"),
        ("minutes", "60"),
        ("key", &key),
        ("gateway", "wallet-metered"),
    ];
    let reply = send(city, "/b/CN-01-001", &browser, &form).await;
    assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let form = [
        ("amount", "100000"),
        ("key", &key),
        ("gateway", "wallet-metered"),
    ];
    let reply = send(city, "/wallet/top-up", &browser, &form).await;
    assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
    // Nor may another site's form speak for whoever visits it.
    let forged = city.client.post(format!("{}/wallet/sign-out", city.url));
    let forged = forged.header("sec-fetch-site", "cross-site").form(&form);
    assert_eq!(forged.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_wallet_opens_to_its_driver_and_to_nobody_else() {
    let paying = Paying::start().await;
    let city = &paying.city;
    let mut drivers = Vec::new();
    for phone in ["0912345678", "0387654321"] {
        assert_eq!(ask(city, phone).await, StatusCode::ACCEPTED);
        let (status, reply) = sign_in(city, phone, &paying.code(phone).await).await;
        assert_eq!(status, StatusCode::CREATED, "{reply}");
        drivers.push((text(&reply["wallet"]), text(&reply["token"])));
    }
    let look = async |wallet: &str, token: &str| {
        let request = city.get(&format!("/api/v1/wallets/{wallet}"));
        request.bearer_auth(token).send().await.unwrap().status()
    };
    let [(own, token), (other, other_token)] = &drivers[..] else {
        panic!("two drivers")
    };
    assert_eq!(look(own, token).await, StatusCode::OK);
    assert_eq!(look(other, token).await, StatusCode::UNAUTHORIZED);
    assert_eq!(look(own, other_token).await, StatusCode::UNAUTHORIZED);
    // Money for one's own wallet only, and seen by oneself only.
    let body = json!({"amount_vnd": 100_000, "gateway": "vietqr"});
    let path = format!("/api/v1/wallets/{own}/top-ups");
    assert_eq!(city.post_as(other_token, &path, &body).await.0, 401);
    let (status, payment) = city.post_as(token, &path, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    let path = format!("/api/v1/payments/{}", text(&payment["id"]));
    assert_eq!(city.get_as(token, &path).await["status"], "pending");
    let request = city.get(&path).bearer_auth(other_token).send().await;
    assert_eq!(request.unwrap().status(), StatusCode::UNAUTHORIZED);
    // Nor does somebody else's wallet pay for a session.
    let open = city.open_payment(BAY, 60).await;
    let body = json!({"gateway": "wallet", "wallet": {"id": own, "token": other_token}});
    let path = format!("/api/v1/sessions/{}/payments", open.session);
    assert_eq!(city.post_as(&open.token, &path, &body).await.0, 401);

    let out = city
        .client
        .delete(format!("{}/api/v1/drivers/logins/current", city.url));
    let reply = out.bearer_auth(token).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::NO_CONTENT);
    assert_eq!(look(own, token).await, StatusCode::UNAUTHORIZED);
}
