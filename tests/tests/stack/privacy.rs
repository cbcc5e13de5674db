//! What is known of people goes when nobody needs it any more; the books, the receipts and the public log stay as they are.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use store::Store;
use tests::citizen::Citizen;
use tests::database::{TestDatabase, run, written};
use tests::eventually;
use tests::serving::{Open, Serving, text};

/// What stands in the place of a text that is kept no longer.
const FORGOTTEN: &str = "•••••";
/// A moment of a month all of which lies back further than plates are kept, as SQL.
const LONG_AGO: &str = "(date_trunc('month', now() - interval '230 days') + interval '10 days')";
/// Whether a plate is a pseudonym, as SQL.
const IS_PSEUDONYM: &str = "plate ~ '^ĐĐ[0-9A-F]{10}$'";

fn cutoff() -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(180)
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
