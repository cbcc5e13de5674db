//! What may happen to a session after it began, and what happens to its money then.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::vietqr::VietQr;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::database::run;
use tests::eventually;
use tests::sensors::{device, told};
use tests::serving::{Open, Serving, text};
use uuid::Uuid;

const BAY: &str = "CN-01-001";
const NEXT: &str = "CN-01-002";

fn vnd(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("no amount: {value}"))
}

fn path(open: &Open) -> String {
    format!("/api/v1/sessions/{}", open.session)
}

/// Wishes for more time and lets the bank pay it; what it cost.
async fn extend(city: &Serving, open: &Open, minutes: u32) -> i64 {
    let (status, more) = city
        .post_as(
            &open.token,
            &format!("{}/extensions", path(open)),
            &json!({"minutes": minutes}),
        )
        .await;
    assert_eq!(status, StatusCode::CREATED, "{more}");
    let lines = more["quote"]["lines"].as_array().unwrap();
    let sum: i64 = lines.iter().map(|line| vnd(&line["amount_vnd"])).sum();
    let amount = vnd(&more["quote"]["amount_vnd"]);
    assert_eq!(amount, sum, "an extension explains its price");
    // Within the hour that has been paid for.
    if amount == 0 {
        return 0;
    }
    let transfer = ask(city, open, &more["purchase"]).await;
    assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
    amount
}

/// Asks for the money of a purchase; the transfer that pays it.
async fn ask(city: &Serving, open: &Open, purchase: &Value) -> Value {
    let body = json!({"gateway": "vietqr", "purchase": purchase});
    let (status, payment) = city
        .post_as(&open.token, &format!("{}/payments", path(open)), &body)
        .await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    let qr = VietQr::parse(payment["qr"].as_str().unwrap()).unwrap();
    json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()), "description": qr.purpose,
        "amount_vnd": qr.amount_vnd, "currency": "VND", "paid_at": Utc::now().trunc_subsecs(6)})
}

#[tokio::test]
async fn extending_bit_by_bit_costs_what_it_costs_at_once() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    let before = city.get_as(&open.token, &path(&open)).await;
    let mut paid = open.amount_vnd;
    for minutes in [30, 30, 60, 60, 240] {
        paid += extend(&city, &open, minutes).await;
    }
    // Eight hours are 300,000 in Hanoi.
    assert_eq!(paid, 300_000);
    let after = city.get_as(&open.token, &path(&open)).await;
    assert_eq!(vnd(&after["paid_vnd"]), 300_000);
    let end = |session: &Value| {
        session["ends_at"]
            .as_str()
            .unwrap()
            .parse::<DateTime<Utc>>()
    };
    assert_eq!(
        end(&after).unwrap() - end(&before).unwrap(),
        TimeDelta::minutes(420)
    );
    let (status, _) = city
        .post_as(
            &open.token,
            &format!("{}/extensions", path(&open)),
            &json!({"minutes": 24 * 60}),
        )
        .await;
    assert_eq!(
        status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "beyond the longest stay"
    );
    assert_eq!(city.database.count("receipt").await, 5);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn money_for_a_wish_that_was_given_up_goes_back() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    let extensions = format!("{}/extensions", path(&open));
    let wish = |minutes: u32| {
        let (extensions, token, city) = (extensions.clone(), open.token.clone(), &city);
        async move {
            let (status, more) = city
                .post_as(&token, &extensions, &json!({ "minutes": minutes }))
                .await;
            assert_eq!(status, StatusCode::CREATED);
            more["purchase"].clone()
        }
    };
    let given_up = ask(&city, &open, &wish(30).await).await;
    let second = ask(&city, &open, &wish(60).await).await;
    let outcomes = city.outcomes(&[given_up, second]).await;
    assert_eq!(outcomes, ["late", "posted"]);
    // The bank has no way to pay out here, so people are asked to.
    eventually("the refund to wait for people", || async {
        city.database
            .count("refund WHERE status = 'manual' AND ground = 'late'")
            .await
            == 1
    })
    .await;
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn what_is_not_parked_is_given_back() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 120).await;
    let stop = format!("{}/stop", path(&open));
    let (status, ended) = city.post_as(&open.token, &stop, &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{ended}");
    assert_eq!(ended["status"], "ended");
    let back = vnd(&ended["refunded_vnd"]);
    // Who leaves within the minutes that are free pays nothing, whether they paid before or not.
    assert_eq!(back, 50_000);
    // Two clicks: the second changes nothing.
    let (status, again) = city.post_as(&open.token, &stop, &json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(vnd(&again["refunded_vnd"]), back);
    assert_eq!(city.database.count("refund").await, 1);
    let report = city.json("/api/v1/reports/revenue?by=lot").await;
    assert_eq!(report["total_vnd"].as_i64(), Some(50_000 - back));
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn the_sensor_ends_a_session_when_the_vehicle_has_left() {
    let city = Serving::city(80).await;
    let began = Utc::now().trunc_subsecs(6) - TimeDelta::minutes(60);
    let left = began + TimeDelta::minutes(30);
    let vehicle = [
        told(&device(BAY), began - TimeDelta::minutes(1), 1, true),
        told(&device(BAY), left, 2, false),
    ];
    city.sense(&vehicle, 1, "stay WHERE ended_at IS NOT NULL")
        .await;
    // It was begun without a signal, an hour ago.
    let (session, token) = paid_offline(&city, BAY, "30A12345", began).await;
    eventually("the session to end by itself", || async {
        let seen = city
            .get_as(&token, &format!("/api/v1/sessions/{session}"))
            .await;
        seen["status"] == "ended"
    })
    .await;
    let seen = city
        .get_as(&token, &format!("/api/v1/sessions/{session}"))
        .await;
    let end: DateTime<Utc> = seen["ends_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(end, left);
    // 120 minutes were paid, 30 were parked.
    assert_eq!(vnd(&seen["refunded_vnd"]), 37_500);
    city.assert_books_are_right().await;
}

/// They are looked at by the two hundred: as many as have nothing to be given back wait before one that has.
#[tokio::test]
async fn sessions_of_which_nothing_goes_back_do_not_keep_others_from_ending() {
    let city = Serving::city(80).await;
    // What is left of an hour that has begun is kept.
    run(
        &city.database.pool,
        r#"INSERT INTO tariff (zone_id, class, effective_from, document)
           SELECT DISTINCT ON (zone_id, class) zone_id, class, now() - interval '1 day', jsonb_set(
               jsonb_set(document, '{effective_from}', to_jsonb(now() - interval '1 day')), '{unused}', '"repriced"')
           FROM tariff WHERE effective_from < now() ORDER BY zone_id, class, effective_from DESC"#,
    )
    .await;
    for _ in 0..3 {
        let mut transfers = Vec::new();
        for _ in 0..70 {
            transfers.push(city.open_payment(BAY, 60).await.transfer());
        }
        let outcomes = city.outcomes(&transfers).await;
        assert!(outcomes.iter().all(|outcome| outcome == "posted"));
    }
    let last = city.paid_session(NEXT, 180).await;
    city.time_passes(30).await;
    let now = Utc::now().trunc_subsecs(6);
    let ago = |minutes| now - TimeDelta::minutes(minutes);
    let vehicles = [
        told(&device(BAY), ago(29), 1, true),
        told(&device(NEXT), ago(29), 1, true),
        told(&device(BAY), ago(20), 2, false),
        told(&device(NEXT), ago(10), 2, false),
    ];
    city.sense(&vehicles, 2, "stay WHERE ended_at IS NOT NULL")
        .await;
    let path = format!("/api/v1/sessions/{}", last.session);
    eventually("the last to be ended", || async {
        city.get_as(&last.token, &path).await["status"] == "ended"
    })
    .await;
    let ended = "session WHERE stopped_at IS NOT NULL";
    assert_eq!(city.database.count(ended).await, 1);
}

#[tokio::test]
async fn a_sensor_in_doubt_ends_no_session() {
    let city = Serving::city(80).await;
    let began = Utc::now().trunc_subsecs(6) - TimeDelta::minutes(60);
    let left = began + TimeDelta::minutes(30);
    let vehicles = [BAY, NEXT].map(|bay| {
        [
            told(&device(bay), began - TimeDelta::minutes(1), 1, true),
            told(&device(bay), left, 2, false),
        ]
    });
    city.sense(
        vehicles.as_flattened(),
        2,
        "stay WHERE ended_at IS NOT NULL",
    )
    .await;
    let doubt = "INSERT INTO device_fault (device_id, kind, since, detail)
                 SELECT device_id, 'clock', $2, '' FROM device WHERE name = $1";
    sqlx::query(doubt)
        .bind(device(BAY))
        .bind(began)
        .execute(&city.database.pool)
        .await
        .unwrap();
    let doubtful = paid_offline(&city, BAY, "30A12345", began).await;
    let sound = paid_offline(&city, NEXT, "30A54321", began).await;
    let status = |of: &(String, String)| {
        let (path, token) = (format!("/api/v1/sessions/{}", of.0), of.1.clone());
        let city = &city;
        async move { text(&city.get_as(&token, &path).await["status"]) }
    };
    // Both had left at the same time, and are looked at together.
    eventually("the other session to end", || async {
        status(&sound).await == "ended"
    })
    .await;
    assert_eq!(status(&doubtful).await, "paid");
    sqlx::query("UPDATE device_fault SET until = now()")
        .execute(&city.database.pool)
        .await
        .unwrap();
    eventually("the session to end once the doubt has", || async {
        status(&doubtful).await == "ended"
    })
    .await;
    city.assert_books_are_right().await;
}

/// Two hours that were begun without a signal at `began`, paid; the session and its token.
async fn paid_offline(
    city: &Serving,
    bay: &str,
    plate: &str,
    began: DateTime<Utc>,
) -> (String, String) {
    let (session, token) = begin_offline(city, bay, plate, began).await;
    let (status, payment) = city
        .post_as(
            &token,
            &format!("/api/v1/sessions/{session}/payments"),
            &json!({"gateway": "vietqr"}),
        )
        .await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    let transfer = json!({"bank_ref": format!("FT-{bay}"), "description": payment["reference"],
        "amount_vnd": payment["amount_vnd"], "currency": "VND", "paid_at": Utc::now()});
    assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
    (session, token)
}

/// Begins two hours without a signal at `began`; the session and its token.
async fn begin_offline(
    city: &Serving,
    bay: &str,
    plate: &str,
    began: DateTime<Utc>,
) -> (String, String) {
    let seconds = began.timestamp().unsigned_abs();
    let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0);
    let body = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 120,
        "started_at": began});
    let request = city
        .client
        .post(format!("{}/api/v1/sessions", city.url))
        .header("idempotency-key", Uuid::new_v7(time).to_string())
        .json(&body);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::CREATED);
    let session: Value = reply.json().await.unwrap();
    let starts: DateTime<Utc> = session["starts_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(starts, began);
    (text(&session["id"]), text(&session["token"]))
}

#[tokio::test]
async fn a_start_without_a_signal_is_bounded_by_its_key_and_the_sensor() {
    let city = Serving::city(80).await;
    let now = Utc::now().trunc_subsecs(6);
    let arrived = now - TimeDelta::minutes(20);
    city.sense(&[told(&device(BAY), arrived, 1, true)], 1, "stay")
        .await;
    let send = |key: Uuid, began: DateTime<Utc>| {
        let body = json!({"bay": BAY, "plate": "30A12345", "class": "car", "minutes": 60,
            "started_at": began});
        let request = city
            .client
            .post(format!("{}/api/v1/sessions", city.url))
            .header("idempotency-key", key.to_string())
            .json(&body);
        async move {
            let reply = request.send().await.unwrap();
            (reply.status(), reply.json::<Value>().await.unwrap())
        }
    };
    let key = |at: DateTime<Utc>| {
        let seconds = at.timestamp().unsigned_abs();
        Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0))
    };
    let hour_ago = now - TimeDelta::hours(1);
    for (key, began) in [
        (Uuid::new_v4(), hour_ago),
        (key(now), hour_ago),
        (key(now - TimeDelta::hours(13)), now - TimeDelta::hours(13)),
        (key(now + TimeDelta::hours(1)), now + TimeDelta::hours(1)),
    ] {
        let (status, refused) = send(key, began).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    }
    // The vehicle came twenty minutes ago: no session begins long before it.
    let (status, session) = send(key(hour_ago), hour_ago).await;
    assert_eq!(status, StatusCode::CREATED, "{session}");
    let starts: DateTime<Utc> = session["starts_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(starts, arrived - domain::board::EARLY_PAYMENT);
}

/// The sensor's word of the vehicle comes between a request and its repetition: the start that it
/// would bound is another by then, the request is not.
#[tokio::test]
async fn a_start_without_a_signal_that_is_sent_again_is_the_same_start() {
    let city = Serving::city(80).await;
    let began = Utc::now().trunc_subsecs(6) - TimeDelta::hours(1);
    let seconds = began.timestamp().unsigned_abs();
    let key = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
    let send = || {
        let body = json!({"bay": BAY, "plate": "30A12345", "class": "car", "minutes": 60,
            "started_at": began});
        let request = city
            .client
            .post(format!("{}/api/v1/sessions", city.url))
            .header("idempotency-key", key.to_string())
            .json(&body);
        async move {
            let reply = request.send().await.unwrap();
            (reply.status(), reply.json::<Value>().await.unwrap())
        }
    };
    let (status, first) = send().await;
    assert_eq!(status, StatusCode::CREATED, "{first}");
    let arrived = Utc::now() - TimeDelta::minutes(20);
    city.sense(&[told(&device(BAY), arrived, 1, true)], 1, "stay")
        .await;
    assert_eq!(send().await, (StatusCode::CREATED, first));
}

#[tokio::test]
async fn one_stay_paid_twice_is_found_and_given_back() {
    let city = Serving::city(80).await;
    let first = city.open_payment(BAY, 60).await;
    let second = city.open_payment(BAY, 60).await;
    let outcomes = city.outcomes(&[first.transfer(), second.transfer()]).await;
    assert_eq!(outcomes, ["posted", "posted"]);
    // Both are in force, and one may end as if there were no other.
    assert_eq!(city.database.count("refund").await, 0);
    assert_eq!(city.database.count("session_double").await, 2);
    city.time_passes(180).await;
    eventually("what was paid twice to go back", || async {
        city.database.count("session_double").await == 0
    })
    .await;
    let refunds: Vec<(i64, String)> = sqlx::query_as("SELECT amount_vnd, ground FROM refund")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    let [(amount, ground)] = refunds.as_slice() else {
        panic!("one refund: {refunds:?}");
    };
    assert_eq!(ground, "double");
    // The second began a moment later, and ends as much later.
    assert!((24_900..=25_000).contains(amount), "{amount}");
    // Another vehicle in the same bay is another stay.
    let body = json!({"bay": BAY, "plate": "29B-999.99", "class": "car", "minutes": 60});
    let reply = city.post("/api/v1/sessions", &body).send().await.unwrap();
    let session: Value = reply.json().await.unwrap();
    let (_, payment) = city
        .post_as(
            &text(&session["token"]),
            &format!("/api/v1/sessions/{}/payments", text(&session["id"])),
            &json!({"gateway": "vietqr"}),
        )
        .await;
    let transfer = json!({"bank_ref": "FT9", "description": payment["reference"],
        "amount_vnd": 25_000, "currency": "VND", "paid_at": Utc::now()});
    assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
    assert_eq!(city.database.count("refund").await, 1);
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_driver_is_asked_before_paying_for_the_bay_next_door() {
    let city = Serving::city(80).await;
    let now = Utc::now();
    let vehicles = [
        told(&device(BAY), now - TimeDelta::minutes(3), 1, true),
        told(&device(BAY), now - TimeDelta::minutes(2), 2, false),
        told(&device(NEXT), now - TimeDelta::seconds(30), 1, true),
    ];
    city.sense(&vehicles, 2, "stay").await;
    eventually("both bays on the board", || async {
        let lot = city.json("/api/v1/lots/CN-01").await;
        let state = |code: &str| {
            let bays = lot["bays"].as_array().unwrap();
            bays.iter().find(|bay| bay["code"] == code).unwrap()["state"].clone()
        };
        state(BAY) == "free" && state(NEXT) == "occupied"
    })
    .await;
    let mut body = json!({"bay": BAY, "plate": "30A12345", "class": "car", "minutes": 60});
    let reply = city.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    let problem: Value = reply.json().await.unwrap();
    assert_eq!(problem["type"], "urn:clearbay:problem:wrong-bay");
    assert_eq!(problem["likelier_bay"], NEXT);
    body["confirm_bay"] = json!(true);
    let insists = city.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(insists.status(), StatusCode::CREATED);
    body["confirm_bay"] = json!(false);
    body["bay"] = json!(NEXT);
    let right = city.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(right.status(), StatusCode::CREATED);
    // The page asks as well, and offers both.
    let form = [
        ("plate", "30A12346"),
        ("minutes", "60"),
        ("key", "a-key-of-its-own"),
    ];
    let page = city
        .client
        .post(format!("{}/b/{BAY}", city.url))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::CONFLICT);
    let page = page.text().await.unwrap();
    assert!(page.contains(&format!("action=\"/b/{NEXT}\"")), "{page}");
    assert!(page.contains(&format!("action=\"/b/{BAY}\"")));
}

#[tokio::test]
async fn a_session_keeps_its_paid_time_in_the_right_bay_and_under_the_right_plate() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    let before = city.get_as(&open.token, &path(&open)).await;
    let (status, moved) = city
        .post_as(
            &open.token,
            &format!("{}/bay", path(&open)),
            &json!({"bay": NEXT}),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{moved}");
    assert_eq!(moved["bay"], NEXT);
    assert_eq!(moved["ends_at"], before["ends_at"]);
    assert_eq!(moved["paid_vnd"], before["paid_vnd"]);
    let (status, _) = city
        .post_as(
            &open.token,
            &format!("{}/bay", path(&open)),
            &json!({"bay": "HK-01-001"}),
        )
        .await;
    assert_eq!(
        status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "another price and operator"
    );
    let (status, right) = city
        .post_as(
            &open.token,
            &format!("{}/plate", path(&open)),
            &json!({"plate": "30a 123.46"}),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(right["plate"], "30A12346");
    // The record of it holds no plate.
    let audit: Vec<String> = sqlx::query_scalar("SELECT detail::text FROM audit")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    assert!(
        audit.iter().all(|line| !line.contains("30A1234")),
        "{audit:?}"
    );
    sqlx::query("UPDATE session SET created_at = created_at - interval '16 minutes'")
        .execute(&city.database.pool)
        .await
        .unwrap();
    let (status, _) = city
        .post_as(
            &open.token,
            &format!("{}/plate", path(&open)),
            &json!({"plate": "30A12347"}),
        )
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "too late to correct");
}

#[tokio::test]
async fn a_dispute_is_answered_once_and_its_refund_is_one_click() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    let receipt = text(&city.payment(&open).await["receipt_id"]);
    let disputes = format!("/api/v1/receipts/{receipt}/disputes");
    let body = json!({"reason": "could_not_park", "text": "Chỗ đã có xe khác."});
    let (status, dispute) = city.post_as("", &disputes, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{dispute}");
    let (status, _) = city.post_as("", &disputes, &body).await;
    assert_eq!(status, StatusCode::CONFLICT, "one at a time");

    let decide = format!("/api/v1/staff/disputes/{}", text(&dispute["id"]));
    let decision = json!({"decision": "refund", "answer": "Xin lỗi bạn."});
    let sent = |cookie: String| {
        let request = city.post(&decide, &decision).header("cookie", cookie);
        async move { request.send().await.unwrap().status() }
    };
    assert_eq!(sent(String::new()).await, StatusCode::UNAUTHORIZED);
    let lot_operator: String = sqlx::query_scalar(
        "SELECT operator.code FROM lot JOIN operator USING (operator_id) WHERE lot.code = 'CN-01'",
    )
    .fetch_one(&city.database.pool)
    .await
    .unwrap();
    assert_ne!(lot_operator, "HKP", "the other's lot is another's");
    assert_eq!(
        sent(city.staff("other", Some("HKP")).await).await,
        StatusCode::NOT_FOUND
    );
    let ours = city.staff("city", None).await;
    for unsound in [
        json!({"decision": "refund", "answer": "Xin lỗi bạn.", "amount_vnd": -5}),
        json!({"decision": "refund", "answer": "Xin lỗi bạn.", "amount_vnd": 0}),
        json!({"decision": "refuse", "answer": " "}),
    ] {
        let request = city.post(&decide, &unsound).header("cookie", ours.clone());
        let status = request.send().await.unwrap().status();
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{unsound}");
    }
    assert_eq!(sent(ours.clone()).await, StatusCode::OK);
    assert_eq!(
        sent(ours.clone()).await,
        StatusCode::CONFLICT,
        "decided once"
    );

    let seen = city.json(&format!("/api/v1/receipts/{receipt}")).await;
    assert_eq!(seen["refunded_vnd"], 25_000);
    assert_eq!(city.payment(&open).await["status"], "refunded");
    let report = city.json("/api/v1/reports/revenue?by=day").await;
    assert_eq!(report["total_vnd"], 0);
    assert_eq!(
        city.database
            .count("audit WHERE action = 'dispute.decide'")
            .await,
        1
    );

    // Of a payment that went back as a whole nothing is left for a second dispute.
    let again = city
        .post(&disputes, &json!({"reason": "other", "text": "Lần nữa."}))
        .send();
    let again: Value = again.await.unwrap().json().await.unwrap();
    let decide = format!("/api/v1/staff/disputes/{}", text(&again["id"]));
    let refuse = json!({"decision": "refuse", "answer": "Đã hoàn tiền."});
    for (decision, expected) in [
        (&decision, StatusCode::UNPROCESSABLE_ENTITY),
        (&refuse, StatusCode::OK),
    ] {
        let request = city.post(&decide, decision).header("cookie", ours.clone());
        assert_eq!(request.send().await.unwrap().status(), expected);
    }
    city.assert_books_are_right().await;
}
