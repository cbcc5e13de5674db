//! What staff write who find a vehicle that has not paid, and how its driver pays for it.

use chrono::{SubsecRound, TimeDelta, Utc};
use domain::vietqr::VietQr;
use reqwest::StatusCode;
use reqwest::header::COOKIE;
use serde_json::{Value, json};
use tests::eventually;
use tests::sensors::told;
use tests::serving::{Serving, text};
use uuid::Uuid;

const BAY: &str = "CN-01-001";
const PLATE: &str = "29A-777.77";

/// A vehicle has stood in the bay for so many minutes, and the board knows.
pub async fn parked(city: &Serving, minutes: i64) {
    let place = simulator::city::hanoi(80).unwrap();
    let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let device = bays.find(|bay| bay.code == BAY).unwrap().device.clone();
    let device = device.unwrap().id;
    let now = Utc::now().trunc_subsecs(3);
    let arrived = now - TimeDelta::minutes(minutes);
    let messages = [
        told(&device, arrived - TimeDelta::minutes(1), 1, false),
        told(&device, arrived, 2, true),
        told(&device, now, 3, true),
    ];
    city.sense(&messages, 3, "event").await;
    eventually("the board to see the vehicle", || async {
        let lot = city.json("/api/v1/lots/CN-01").await;
        let bays = lot["bays"].as_array().unwrap();
        bays.iter()
            .any(|bay| bay["code"] == BAY && bay["state"] == "occupied")
    })
    .await;
}

async fn as_staff(city: &Serving, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let reply = city.post(path, body).header(COOKIE, who).send().await;
    let reply = reply.unwrap();
    (reply.status(), reply.json().await.unwrap_or_default())
}

pub async fn write(city: &Serving, who: &str, plate: &str) -> (StatusCode, Value) {
    let path = format!("/api/v1/staff/bays/{BAY}/notices");
    as_staff(city, who, &path, &json!({ "plate": plate })).await
}

/// Begins to pay a notice; what the bank will say of it.
async fn ask(city: &Serving, code: &str) -> (StatusCode, Value) {
    let path = format!("/api/v1/notices/{code}/payments");
    let reply = city.post(&path, &json!({"gateway": "vietqr"})).send().await;
    let reply = reply.unwrap();
    let status = reply.status();
    let asked: Value = reply.json().await.unwrap();
    let Some(qr) = asked["qr"].as_str() else {
        return (status, asked);
    };
    let qr = VietQr::parse(qr).unwrap();
    let transfer = json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()),
        "description": qr.purpose, "amount_vnd": qr.amount_vnd, "currency": "VND",
        "paid_at": Utc::now().trunc_subsecs(6)});
    (status, transfer)
}

#[tokio::test]
async fn a_notice_costs_what_the_time_costs_and_is_paid_once() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    // Nobody owes anything where no vehicle is seen.
    let (status, why) = write(&city, &guard, PLATE).await;
    assert_eq!(status, StatusCode::CONFLICT, "{why}");
    parked(&city, 90).await;

    let (status, notice) = write(&city, &guard, PLATE).await;
    assert_eq!(status, StatusCode::CREATED, "{notice}");
    let code = text(&notice["code"]);
    // An hour and a half in Hanoi: two blocks of 25,000, or the increments of them.
    let amount = notice["amount_vnd"].as_i64().unwrap();
    let lines = notice["lines"].as_array().unwrap();
    let sum: i64 = lines
        .iter()
        .map(|line| line["amount_vnd"].as_i64().unwrap())
        .sum();
    assert_eq!(amount, sum, "a notice explains its price");
    assert!((37_500..=50_000).contains(&amount), "{amount}");
    assert_eq!(notice["status"], "open");

    // Two guards, or one who clicks twice: one notice.
    let other = city.staff("other-guard", Some("HNP")).await;
    let (first, second) = tokio::join!(write(&city, &guard, PLATE), write(&city, &other, PLATE));
    assert_eq!(
        (text(&first.1["code"]), text(&second.1["code"])),
        (code.clone(), code.clone())
    );
    assert_eq!(city.database.count("parking_notice").await, 1);

    // Whoever has the number reads it, typed in any way, and never the whole plate.
    let typed = code.to_lowercase().replace('-', " ");
    let read = city.json(&format!("/api/v1/notices/{typed}")).await;
    assert_eq!(read["amount_vnd"], amount);
    assert!(!read.to_string().contains("29A77777"), "{read}");

    // Asked for twice and paid once.
    let (status, _) = ask(&city, &code).await;
    assert_eq!(status, StatusCode::CREATED);
    let (_, transfer) = ask(&city, &code).await;
    assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
    let paid = city.json(&format!("/api/v1/notices/{code}")).await;
    assert_eq!(paid["status"], "paid");
    let receipt = text(&paid["receipt_id"]);
    let receipt = city.json(&format!("/api/v1/receipts/{receipt}")).await;
    assert_eq!(receipt["amount_vnd"], amount);
    let (status, _) = ask(&city, &code).await;
    assert_eq!(status, StatusCode::CONFLICT, "nobody pays it twice");
    let path = format!("/api/v1/staff/notices/{code}/withdrawal");
    let (status, _) = as_staff(&city, &guard, &path, &json!({"why": "too late"})).await;
    assert_eq!(status, StatusCode::CONFLICT, "what is paid is refunded");

    // What the vehicle is found to be entitled to afterwards changes nothing of it.
    let office = city.staff("office", None).await;
    let hanoi = Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    let first = hanoi.date_naive().to_string();
    let exempt = json!({"plate": PLATE, "class": "car", "ground": "disabled", "first": first,
        "document": "Giấy xác nhận khuyết tật 0123", "last": "2099-12-31"});
    let (status, granted) = as_staff(&city, &office, "/api/v1/staff/exemptions", &exempt).await;
    assert_eq!(status, StatusCode::CREATED, "{granted}");
    let still = city.json(&format!("/api/v1/notices/{code}")).await;
    assert_eq!(still["amount_vnd"], amount);

    // And the guard sees that this vehicle has paid.
    let (_, known) = as_staff(
        &city,
        &guard,
        "/api/v1/staff/plates",
        &json!({"plate": PLATE}),
    )
    .await;
    assert_eq!(known["open_notices"], json!([]));
    let sessions = known["sessions"].as_array().unwrap();
    assert!(
        sessions
            .iter()
            .any(|session| session["bay"] == BAY && session["status"] == "paid"),
        "{known}"
    );
    // Her shift shows what she did, and nobody else's.
    let shift = city.get("/staff/shift?lang=en").header(COOKIE, &guard);
    let shift = shift.send().await.unwrap().text().await.unwrap();
    assert!(shift.contains("Notice written"), "{shift}");
    assert!(shift.contains("Plate looked up") && !shift.contains("29A77777"));
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_withdrawn_notice_is_not_to_be_paid_and_others_may_not_touch_it() {
    let city = Serving::city(80).await;
    let (guard, stranger) = (
        city.staff("guard", Some("HNP")).await,
        city.staff("stranger", Some("HKP")).await,
    );
    parked(&city, 30).await;
    for (who, expected) in [
        ("", StatusCode::UNAUTHORIZED),
        (&stranger, StatusCode::FORBIDDEN),
    ] {
        assert_eq!(write(&city, who, PLATE).await.0, expected);
    }
    assert_eq!(
        write(&city, &guard, "?").await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let (_, notice) = write(&city, &guard, PLATE).await;
    let code = text(&notice["code"]);
    let (_, transfer) = ask(&city, &code).await;
    let path = format!("/api/v1/staff/notices/{code}/withdrawal");
    for (who, why, expected) in [
        (&String::new(), "a mistake", StatusCode::UNAUTHORIZED),
        (&stranger, "a mistake", StatusCode::FORBIDDEN),
        (&guard, "  ", StatusCode::UNPROCESSABLE_ENTITY),
        (&guard, "the wrong vehicle", StatusCode::NO_CONTENT),
        (&guard, "again", StatusCode::NO_CONTENT),
    ] {
        let (status, reply) = as_staff(&city, who, &path, &json!({ "why": why })).await;
        assert_eq!(status, expected, "{reply}");
    }
    assert_eq!(ask(&city, &code).await.0, StatusCode::CONFLICT);
    // What had been asked for before is given up: money that comes all the same goes back.
    assert_eq!(city.outcomes(&[transfer]).await, ["late"]);
    let after = city.json(&format!("/api/v1/notices/{code}")).await;
    assert_eq!(after["status"], "withdrawn");
    // The vehicle that still owes can have another.
    let (status, again) = write(&city, &guard, PLATE).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_ne!(text(&again["code"]), code);
    city.assert_books_are_right().await;
    // The other operator's staff learn nothing of who parks here.
    let (_, known) = as_staff(
        &city,
        &stranger,
        "/api/v1/staff/plates",
        &json!({"plate": PLATE}),
    )
    .await;
    assert_eq!(
        (&known["sessions"], &known["open_notices"]),
        (&json!([]), &json!([]))
    );
    let wrong = city.get("/api/v1/notices/nothing").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn staff_put_a_session_right_in_their_own_lots() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    let guard = city.staff("guard", Some("HNP")).await;
    let stranger = city.staff("stranger", Some("HKP")).await;
    let post = async |who: &str, what: &str, field: (&str, &str)| {
        let path = format!("{}/staff/sessions/{}/{what}", city.url, open.session);
        let form = [("plate", "30A-123.45"), field];
        let request = city.client.post(path).header(COOKIE, who).form(&form);
        request.send().await.unwrap().status()
    };
    let session = async || {
        let path = format!("/api/v1/sessions/{}", open.session);
        city.get_as(&open.token, &path).await
    };
    let moved = ("bay", "cn-01-002");
    assert_eq!(post(&stranger, "bay", moved).await, StatusCode::FORBIDDEN);
    assert_eq!(session().await["bay"], BAY);
    assert_eq!(post(&guard, "bay", moved).await, StatusCode::OK);
    assert_eq!(session().await["bay"], "CN-01-002");
    // Another price: that would be another session.
    let dearer = ("bay", "HK-01-001");
    assert_eq!(
        post(&guard, "bay", dearer).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let right = ("right", "30A-999.99");
    assert_eq!(post(&stranger, "plate", right).await, StatusCode::FORBIDDEN);
    assert_eq!(post(&guard, "plate", right).await, StatusCode::OK);
    assert_eq!(session().await["plate"], "30A99999");
}

#[tokio::test]
async fn who_presses_twice_is_asked_for_the_same_money() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    parked(&city, 90).await;
    let (_, notice) = write(&city, &guard, PLATE).await;
    let path = format!("/api/v1/notices/{}/payments", text(&notice["code"]));
    let body = json!({"gateway": "vietqr"});
    let pressed = (0..6).map(|_| async {
        let reply = city.post(&path, &body).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::CREATED);
        let asked: Value = reply.json().await.unwrap();
        (text(&asked["session_id"]), text(&asked["payment_id"]))
    });
    let asked = futures::future::join_all(pressed).await;
    let again = asked.iter().all(|one| *one == asked[0]);
    assert!(again, "{asked:?}");
    let waiting = "purchase WHERE status = 'pending'";
    assert_eq!(city.database.count(waiting).await, 1);
    // Whoever has its number does not learn the plate, nor moves the session or gives it another.
    let token: Value = city
        .post(&path, &body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = text(&token["token"]);
    let session = format!("/api/v1/sessions/{}", asked[0].0);
    let seen = city.get_as(&token, &session).await;
    assert_eq!(seen["plate"], "29A•••77");
    let plate = json!({"plate": "30A-111.11"});
    let (status, _) = city
        .post_as(&token, &format!("{session}/plate"), &plate)
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    // It is not paid by what a wallet would only hold.
    let page = city
        .client
        .post(format!("{}/n/{}", city.url, text(&notice["code"])));
    let form = [
        ("key", Uuid::new_v4().to_string()),
        ("gateway", "wallet-metered".to_owned()),
    ];
    let reply = page.form(&form).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        city.database.count("session WHERE status = 'paid'").await,
        0
    );
}

/// Who has stood there for an hour may pay for that hour, and is told so; a guard collects what is due.
#[tokio::test]
async fn what_was_not_paid_is_asked_for_wherever_one_pays() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    parked(&city, 60).await;
    let look = async |path: &str| city.get(path).send().await.unwrap().text().await.unwrap();
    let now = look(&format!("/b/{BAY}?lang=en")).await;
    assert!(now.contains("data-due"), "{now}");
    assert!(!now.contains("name=\"at\""), "{now}");
    let page = look(&format!("/b/{BAY}?from=arrival&lang=en")).await;
    assert!(page.contains("data-from"), "{page}");
    let field = |name: &str| {
        let (_, rest) = page
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let form = [
        ("plate", PLATE.to_owned()),
        ("minutes", "120".to_owned()),
        ("gateway", "vietqr".to_owned()),
        ("key", field("key")),
        ("at", field("at")),
    ];
    let request = city.client.post(format!("{}/b/{BAY}", city.url));
    let opened = request.form(&form).send().await.unwrap();
    assert_eq!(opened.status(), StatusCode::SEE_OTHER);
    // Its time begins with the vehicle's, not now.
    let hour_ago: bool = sqlx::query_scalar(
        "SELECT now() - starts_at BETWEEN interval '59 minutes' AND interval '62 minutes'
            AND ends_at - starts_at = interval '2 hours' FROM session",
    )
    .fetch_one(&city.database.pool)
    .await
    .unwrap();
    assert!(hour_ago);

    // The guard's button leads to the very notice, with its code for the driver to scan.
    let request = city
        .client
        .post(format!("{}/staff/bays/{BAY}/notice", city.url));
    let form = [("plate", PLATE), ("collect", "true")];
    let written = request
        .header(COOKIE, &guard)
        .form(&form)
        .send()
        .await
        .unwrap();
    let to = written.headers()["location"].to_str().unwrap().to_owned();
    assert!(to.starts_with("/n/") && !to.contains('?'), "{to}");
    let notice = city.get(&to).header(COOKIE, &guard).send().await.unwrap();
    let notice = notice.text().await.unwrap();
    assert!(
        notice.contains("class=\"qr\"") && notice.contains("data-notice=\"open\""),
        "{notice}"
    );
    let bay = city
        .get(&format!("/staff/bays/{BAY}"))
        .header(COOKIE, &guard);
    let bay = bay.send().await.unwrap().text().await.unwrap();
    assert!(bay.contains(to.strip_prefix("/n/").unwrap()), "{bay}");
}

/// Notices that were written after one.
async fn more_notices(city: &Serving, first: i32, count: i32, withdrawn: bool) {
    let written = sqlx::query(
        "INSERT INTO parking_notice (code, bay_id, plate, class, starts_at, ends_at, amount_vnd, issued_by, issued_at,
                                     withdrawn_at, withdrawn_why)
         SELECT lpad(n::text, 10, '0'), bay_id, '30A' || n, class, starts_at, ends_at, amount_vnd, issued_by,
                issued_at + interval '1 minute', CASE WHEN $3 THEN now() END, CASE WHEN $3 THEN 'a mistake' END
         FROM parking_notice, generate_series($1, $1 + $2 - 1) AS n WHERE plate = '29A77777'",
    );
    let written = written.bind(first).bind(count).bind(withdrawn);
    let written = written.execute(&city.database.pool).await.unwrap();
    assert_eq!(written.rows_affected(), u64::try_from(count).unwrap());
}

#[tokio::test]
async fn what_is_unpaid_is_listed_however_much_was_settled_since() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    parked(&city, 90).await;
    let (status, notice) = write(&city, &guard, PLATE).await;
    assert_eq!(status, StatusCode::CREATED, "{notice}");
    let code = text(&notice["code"]);
    let look = async |path: &str| {
        let reply = city.get(path).header(COOKIE, &guard).send().await.unwrap();
        reply.text().await.unwrap().replace("<!>", "")
    };
    more_notices(&city, 1_000, 250, true).await;
    let list = look("/staff/notices?lang=en").await;
    assert!(list.contains(&format!("/n/{code}")), "{list}");
    assert!(list.contains("Older ones are not shown"), "{list}");
    let staff = look("/staff?lang=en").await;
    assert!(staff.contains("Unpaid notices <b>1</b>"), "{staff}");

    more_notices(&city, 2_000, 250, false).await;
    let staff = look("/staff?lang=en").await;
    assert!(staff.contains("Unpaid notices <b>200+</b>"), "{staff}");
}
