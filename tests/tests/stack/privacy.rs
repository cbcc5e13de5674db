//! What is known of people goes when nobody needs it any more; the books, the receipts and the public log stay as they are.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{join, join_all};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::Store;
use tests::citizen::Citizen;
use tests::database::TestDatabase;
use tests::eventually;
use tests::providers::Paying;
use tests::serving::{Open, Serving, text};
use uuid::Uuid;

/// What stands in the place of a text that is kept no longer.
const FORGOTTEN: &str = "•••••";
/// A moment of a month all of which lies back further than plates are kept, as SQL.
const LONG_AGO: &str = "(date_trunc('month', now() - interval '230 days') + interval '10 days')";
/// Whether a plate is a pseudonym, as SQL.
const IS_PSEUDONYM: &str = "plate ~ '^ĐĐ[0-9A-F]{10}$'";

fn cutoff() -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(180)
}

async fn run(pool: &PgPool, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

async fn one(pool: &PgPool, query: &str) -> String {
    let query = AssertSqlSafe(query.to_owned());
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

async fn all(pool: &PgPool, query: &str) -> Vec<String> {
    let query = AssertSqlSafe(query.to_owned());
    sqlx::query_scalar(query).fetch_all(pool).await.unwrap()
}

/// Takes steps until there is nothing more to take away; how many plates and texts went.
async fn forget(store: &Store) -> (i64, i64) {
    let (mut plates, mut texts) = (0, 0);
    loop {
        let step = store.personal_data_forget(cutoff()).await.unwrap();
        plates += step.plates;
        texts += step.texts;
        if step.finished {
            return (plates, texts);
        }
    }
}

/// Parks a car of that plate, paid by a bank's transfer that says who sent it; the bank's word with it.
async fn park(city: &Serving, bay: &str, plate: &str) -> (Open, Value) {
    let body = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 60});
    let (status, session) = city.post_as("", "/api/v1/sessions", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{session}");
    let (id, token) = (text(&session["id"]), text(&session["token"]));
    let path = format!("/api/v1/sessions/{id}/payments");
    let asked = json!({ "gateway": "vietqr" });
    let (status, payment) = city.post_as(&token, &path, &asked).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    let open = Open {
        session: id,
        token,
        payment: text(&payment["id"]),
        qr: text(&payment["qr"]),
        reference: text(&payment["reference"]),
        amount_vnd: payment["amount_vnd"].as_i64().unwrap(),
    };
    let mut told = open.transfer();
    told["description"] = json!(format!("NGUYEN VAN A chuyen tien {}", open.reference));
    assert_eq!(city.outcomes(std::slice::from_ref(&told)).await, ["posted"]);
    (open, told)
}

/// Lets a session and the bank's word of it lie back for long.
async fn long_ago(city: &Serving, open: &Open) {
    let statements = format!(
        "UPDATE session SET starts_at = {LONG_AGO} - interval '1 hour', ends_at = {LONG_AGO},
            created_at = {LONG_AGO} - interval '1 hour' WHERE session_id = '{}';
         UPDATE bank_notice SET paid_at = {LONG_AGO} WHERE payment_id = '{}'",
        open.session, open.payment
    );
    run(&city.database.pool, &statements).await;
}

async fn plate_of(city: &Serving, open: &Open) -> String {
    let query = format!(
        "SELECT plate FROM session WHERE session_id = '{}'",
        open.session
    );
    one(&city.database.pool, &query).await
}

async fn description_of(city: &Serving, open: &Open) -> String {
    let query = format!(
        "SELECT description FROM bank_notice WHERE payment_id = '{}'",
        open.payment
    );
    one(&city.database.pool, &query).await
}

/// All that is written for ever, in short.
async fn written(pool: &PgPool) -> Vec<String> {
    let tables = ["receipt", "transfer", "log_leaf", "refund"];
    let sums = tables.map(|table| {
        format!(
            "SELECT coalesce(md5(string_agg(r::text, '|' ORDER BY r::text)), '') FROM {table} AS r"
        )
    });
    let mut found = Vec::new();
    for sum in sums {
        found.push(one(pool, &sum).await);
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plates_and_banks_texts_go_once_nothing_is_open_and_receipts_stand() {
    // The city's own housekeeping leaves them to this test.
    let city = Serving::with_settings(80, &[("CLEARBAY_PLATE_DAYS", "3650")]).await;
    let (pool, store) = (&city.database.pool, &city.database.store);
    city.staff("guard", Some("HNP")).await;
    let bays = all(
        pool,
        "SELECT code FROM bay WHERE class = 'car' ORDER BY code LIMIT 5",
    )
    .await;

    // One vehicle twice, one with a notice that is not paid, one that objects, and one of today.
    let (first, told) = park(&city, &bays[0], "30A-111.11").await;
    long_ago(&city, &first).await;
    let (again, _) = park(&city, &bays[1], "30A-111.11").await;
    long_ago(&city, &again).await;
    let (noticed, _) = park(&city, &bays[2], "30A-222.22").await;
    long_ago(&city, &noticed).await;
    let (disputed, _) = park(&city, &bays[3], "30A-333.33").await;
    long_ago(&city, &disputed).await;
    let receipt = text(&city.payment(&disputed).await["receipt_id"]);
    let path = format!("/api/v1/receipts/{receipt}/disputes");
    let objection = json!({"reason": "other", "text": "Tôi là Nguyễn Văn A."});
    assert_eq!(city.post_as("", &path, &objection).await.0, 201);
    let (today, _) = park(&city, &bays[4], "30A-444.44").await;
    // Money of which nobody knows whose it is: by the text they find out.
    let stray = json!({"bank_ref": "FT-stray", "description": "TRAN THI B", "amount_vnd": 7000,
        "currency": "VND", "paid_at": Utc::now()});
    assert_eq!(city.outcomes(&[stray]).await, ["unknown_reference"]);

    let day = |what: &str| what.replace("AGO", LONG_AGO);
    let others = day("
        UPDATE bank_notice SET paid_at = AGO WHERE bank_ref = 'FT-stray';
        INSERT INTO unread_notice (gateway, content, reason, received_at)
            VALUES ('vietqr', 'NGUYEN VAN A', 'old', AGO), ('vietqr', 'NGUYEN VAN A', 'new', now());
        INSERT INTO purchase (purchase_id, kind, tariff_id, starts_at, ends_at, amount_vnd, lines, status, created_at)
            SELECT gen_random_uuid(), 'pass', min(tariff_id), AGO - interval '9 days', AGO, 1000, '[]', 'paid', AGO
            FROM tariff;
        INSERT INTO pass (pass_id, bay_id, zone_id, plate, class, offer, starts_at, ends_at)
            SELECT purchase_id, bay_id, zone_id, '30A11111', 'car', '{}', starts_at, ends_at
            FROM purchase, (SELECT bay_id, zone_id FROM bay JOIN lot USING (lot_id) LIMIT 1) AS there WHERE kind = 'pass';
        INSERT INTO exemption (exemption_id, plate, class, ground, document, starts_at, ends_at, granted_by, granted_at,
                               withdrawn_at)
            SELECT gen_random_uuid(), '30A55555', 'car', 'disabled', 'KT-0123', AGO - interval '9 days',
                   ends_at, staff_id, AGO, withdrawn_at
            FROM staff, (VALUES (AGO, NULL), (now() + interval '9 days', AGO), (now() + interval '9 days', NULL))
                AS time (ends_at, withdrawn_at);
        INSERT INTO exemption_request (exemption_request_id, plate, class, ground, document_kind, document_number, status,
                                       asked_at, decided_at, decided_by, reason)
            SELECT gen_random_uuid(), '30A66666', 'car', 'disabled', 'Giấy', 'KT-0124', 'refused', AGO, AGO, staff_id, 'no'
            FROM staff;
        INSERT INTO exemption_request (exemption_request_id, plate, class, ground, document_kind, document_number, status,
                                       asked_at)
            VALUES (gen_random_uuid(), '30A77777', 'car', 'disabled', 'Giấy', 'KT-0125', 'waiting', AGO);
        INSERT INTO parking_notice (code, bay_id, plate, class, starts_at, ends_at, amount_vnd, issued_by, issued_at,
                                    withdrawn_at, withdrawn_why)
            SELECT code, bay_id, notice.plate, 'car', AGO - interval '1 hour', AGO, 1000, staff_id, AGO, withdrawn_at, why
            FROM staff, (VALUES ('AAAAAAAAAA', '30A88888', AGO, 'a mistake'), ('BBBBBBBBBB', '30A22222', NULL, NULL))
                AS notice (code, plate, withdrawn_at, why), session
            WHERE session_id = ");
    run(pool, &format!("{others}'{}'", noticed.session)).await;

    let published = "log_head WHERE size = (SELECT count(*) FROM receipt) AND NOT EXISTS (SELECT FROM log_queue)";
    eventually("every receipt to be in the public log", || async {
        city.database.count(published).await == 1
    })
    .await;
    let before = written(pool).await;
    let (plates, texts) = forget(store).await;
    // Two sessions, a pass, two exemptions, a request and a notice; the bank's word of four payments, and what nobody
    // could read.
    assert_eq!((plates, texts), (7, 5));
    assert_eq!(written(pool).await, before);
    assert_eq!(forget(store).await, (0, 0), "again changes nothing");

    // It can still be counted how many vehicles came.
    let pseudonym = plate_of(&city, &first).await;
    assert_eq!(plate_of(&city, &again).await, pseudonym);
    let of_pass = format!("pass WHERE {IS_PSEUDONYM} AND plate = '{pseudonym}'");
    assert_eq!(city.database.count(&of_pass).await, 1);
    // But not whose it was.
    assert_eq!(city.database.count("plate_key").await, 0);
    // What is open keeps its plate.
    assert_eq!(plate_of(&city, &noticed).await, "30A22222");
    assert_eq!(plate_of(&city, &disputed).await, "30A33333");
    assert_eq!(plate_of(&city, &today).await, "30A44444");
    for kept in [
        "parking_notice WHERE plate = '30A22222'",
        "exemption WHERE plate = '30A55555' AND document = 'KT-0123'",
        "exemption_request WHERE plate = '30A77777' AND document_number = 'KT-0125'",
        "unread_notice WHERE reason = 'new' AND content = 'NGUYEN VAN A'",
        "bank_notice WHERE description = 'TRAN THI B'",
        "dispute WHERE text = 'Tôi là Nguyễn Văn A.'",
    ] {
        assert_eq!(city.database.count(kept).await, 1, "{kept}");
    }
    for gone in [
        "exemption WHERE document = '•••••'",
        "exemption_request WHERE document_number = '•••••'",
        "unread_notice WHERE content = '•••••'",
    ] {
        assert!(city.database.count(gone).await > 0, "{gone}");
    }

    // Whoever has the session's key reads that its plate is kept no longer; nobody types a pseudonym.
    let path = format!("/api/v1/sessions/{}", first.session);
    assert_eq!(city.get_as(&first.token, &path).await["plate"], FORGOTTEN);
    let typed = json!({"bay": bays[0], "plate": pseudonym, "class": "car", "minutes": 60});
    assert_eq!(
        city.post_as("", "/api/v1/sessions", &typed).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    // The receipt proves what it proved.
    let receipt = text(&city.payment(&first).await["receipt_id"]);
    let shown = city.json(&format!("/api/v1/receipts/{receipt}")).await;
    let said = Citizen::default().verify_receipt(&shown).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    // A bank that says the same money again is known, though its text is gone.
    assert_eq!(description_of(&city, &first).await, FORGOTTEN);
    let query = format!(
        "SELECT to_jsonb(paid_at) #>> '{{}}' FROM bank_notice WHERE payment_id = '{}'",
        first.payment
    );
    let mut again = told.clone();
    again["paid_at"] = json!(one(&city.database.pool, &query).await);
    assert_eq!(city.outcomes(&[again]).await, ["repeated"]);
    assert!(description_of(&city, &today).await.contains("NGUYEN"));
    city.assert_books_are_right().await;
    // Each step that took something away is on the record.
    let recorded =
        "SELECT sum((detail ->> 'plates')::int + (detail ->> 'texts')::int)::text FROM audit
        WHERE action = 'personal_data.forget' AND actor = 'system'";
    assert_eq!(one(pool, recorded).await, (plates + texts).to_string());

    // Once it is settled, the next walk through the past takes it along.
    let settled = day(
        "UPDATE dispute SET status = 'refused', answered_at = AGO, answer = 'Chào anh A.';
         UPDATE parking_notice SET withdrawn_at = AGO, withdrawn_why = 'never paid' WHERE withdrawn_at IS NULL;
         UPDATE plate_walk SET began_at = now() - interval '31 days'",
    );
    run(pool, &settled).await;
    // The walk that has ended begins anew.
    forget(store).await;
    forget(store).await;
    for open in [&noticed, &disputed] {
        assert!(plate_of(&city, open).await.starts_with("ĐĐ"));
    }
    let left = format!("parking_notice WHERE NOT {IS_PSEUDONYM}");
    assert_eq!(city.database.count(&left).await, 0);
    let words = "dispute WHERE text = '•••••' AND answer = '•••••'";
    assert_eq!(city.database.count(words).await, 1);
    assert_eq!(city.database.count("plate_key").await, 0);
    assert_eq!(written(pool).await, before);

    // Other money of the same number and amount, months later, is no repetition: banks begin their numbers anew.
    for outcome in ["contradicts", "repeated"] {
        assert_eq!(city.outcomes(std::slice::from_ref(&told)).await, [outcome]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn housekeeping_forgets_and_goes_on_after_it_was_killed() {
    const SESSIONS: i64 = 100;
    let city = Serving::without_bundle(80).await;
    let pool = &city.database.pool;
    // Seven vehicles in turn, an end every two hours: more than are taken in one minute, all of one month.
    let past = format!(
        "INSERT INTO session (session_id, bay_id, plate, class, starts_at, ends_at, status, created_at)
            SELECT gen_random_uuid(), (SELECT min(bay_id) FROM bay), '30A0000' || i % 7, 'car',
                   at - interval '1 hour', at, 'paid', at
            FROM generate_series(0, {SESSIONS} - 1) AS i,
                LATERAL (SELECT {LONG_AGO} - interval '7 days' + i * interval '2 hours' AS at) AS time;
         CREATE TABLE once AS SELECT session_id, plate AS was FROM session"
    );
    run(pool, &past).await;
    let pseudonyms = format!("session WHERE {IS_PSEUDONYM}");
    let mut gone = 0;
    for _ in 0..2 {
        city.serve.kill().await;
        city.serve.start_again(None).await;
        city.is_back().await;
        eventually("housekeeping to go on", || async {
            city.database.count(&pseudonyms).await > gone
        })
        .await;
        gone = city.database.count(&pseudonyms).await;
    }
    city.serve.kill().await;
    let gone = city.database.count(&pseudonyms).await;
    assert!(gone < SESSIONS, "it was killed on its way");
    city.serve.start_again(None).await;
    eventually("housekeeping to come to its end", || async {
        city.database.count(&pseudonyms).await == SESSIONS
    })
    .await;
    let pairs = "(SELECT DISTINCT was, plate FROM once JOIN session USING (session_id)) AS pair";
    assert_eq!(city.database.count(pairs).await, 7);
    eventually("the month's key to be thrown away", || async {
        city.database.count("plate_key").await == 0
    })
    .await;
    let recorded = "SELECT sum((detail ->> 'plates')::int)::text FROM audit
        WHERE action = 'personal_data.forget'";
    assert_eq!(one(pool, recorded).await, SESSIONS.to_string());
}

#[tokio::test]
async fn who_serves_can_forget_and_neither_change_a_plate_nor_read_a_key() {
    let database = TestDatabase::with_city(1, 1).await;
    let mut serve = PgConnection::connect(&database.serve_url).await.unwrap();
    let mut ends = async |statement: &str| {
        let statement = AssertSqlSafe(statement.to_owned());
        let error = sqlx::raw_sql(statement).execute(&mut serve).await.err()?;
        Some(error.as_database_error()?.code()?.into_owned())
    };
    // SQLSTATE: insufficient privilege.
    for forbidden in [
        "SELECT FROM plate_key",
        "SELECT FROM plate_walk",
        "UPDATE plate_walk SET next_at = '-infinity'",
        "UPDATE pass SET plate = 'X'",
        "UPDATE exemption SET plate = 'X'",
        "UPDATE exemption_request SET plate = 'X'",
        "UPDATE parking_notice SET plate = 'X'",
        "UPDATE bank_notice SET description = 'X'",
        "UPDATE unread_notice SET content = 'X'",
        "UPDATE dispute SET text = 'X'",
        "UPDATE driver SET phone = '+84912345678'",
        "SELECT plate_pseudonym('30A12345', now(), 'UTC')",
    ] {
        let end = ends(forbidden).await;
        assert_eq!(end.as_deref(), Some("42501"), "{forbidden}");
    }
    let old = "SELECT personal_data_forget(now() - interval '31 days', 100)";
    assert_eq!(ends(old).await, None);
    let young = "SELECT personal_data_forget(now() - interval '20 days', 100)";
    assert_eq!(ends(young).await.as_deref(), Some("23001"));

    // A decision stands for its owner, too, but for what is forgotten of it.
    run(
        &database.pool,
        "INSERT INTO exemption_request (exemption_request_id, plate, class, ground, document_kind, document_number, status,
                                        asked_at, decided_at)
         VALUES (gen_random_uuid(), '30A66666', 'car', 'disabled', 'a', 'b', 'withdrawn', now(), now())",
    )
    .await;
    let mut owner = PgConnection::connect(&database.url).await.unwrap();
    let changed =
        sqlx::raw_sql("UPDATE exemption_request SET status = 'waiting', decided_at = NULL");
    let refused = changed.execute(&mut owner).await.unwrap_err();
    let code = refused.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some("23001"));
    let forgotten = sqlx::raw_sql("UPDATE exemption_request SET document_number = '•••••'");
    forgotten.execute(&mut owner).await.unwrap();
}

#[tokio::test]
async fn numbers_of_old_codes_and_sign_ins_go() {
    let database = TestDatabase::with_city(1, 1).await;
    let codes = "INSERT INTO login_code (phone, code_hash, sent_at, expires_at, day_began_at, day_count)
         SELECT phone, decode(repeat('00', 32), 'hex'), at, at, at, 1
         FROM (VALUES ('+84912345678', now() - interval '25 hours'), ('+84987654321', now() - interval '23 hours'))
            AS sent (phone, at)";
    run(&database.pool, codes).await;
    assert_eq!(database.store.logins_forget(Utc::now()).await.unwrap(), 1);
    let left = all(&database.pool, "SELECT phone FROM login_code").await;
    assert_eq!(left, ["+84987654321"]);
}

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

/// Words in a column's name by which it may tell of a person.
const TELLING: [&str; 23] = [
    "plate",
    "phone",
    "name",
    "description",
    "content",
    "text",
    "note",
    "answer",
    "document",
    "subject",
    "endpoint",
    "login",
    "address",
    "mail",
    "reason",
    "detail",
    "actor",
    "why",
    "payload",
    "issuer",
    "person",
    "birth",
    "token",
];

#[tokio::test]
async fn every_column_that_may_tell_of_a_person_is_told_on_the_page_about_them() {
    let page = include_str!("../../../docs/privacy.md");
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let told: BTreeSet<&str> = rows
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let database = TestDatabase::create().await;
    let there: BTreeSet<String> = all(
        &database.pool,
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'
            AND data_type IN ('text', 'bytea', 'jsonb', 'character varying')",
    )
    .await
    .into_iter()
    .collect();
    let untold: Vec<&String> = there
        .iter()
        .filter(|column| {
            let name = column.split('.').nth(1).unwrap();
            TELLING.iter().any(|word| name.contains(word)) && !told.contains(column.as_str())
        })
        .collect();
    assert!(
        untold.is_empty(),
        "may these tell of a person? Say so in docs/privacy.md, with how long they are kept: {untold:?}"
    );
    let gone: Vec<&&str> = told
        .iter()
        .filter(|column| !there.contains(**column))
        .collect();
    assert!(
        gone.is_empty(),
        "docs/privacy.md tells of columns that are not there: {gone:?}"
    );
}
