//! Who pays less than the price board says: holders of passes, and whom the city exempts.

use chrono::{SubsecRound, TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::COOKIE;
use serde_json::{Value, json};
use tests::sensors::{Told, told};
use tests::serving::{Serving, text};
use uuid::Uuid;

/// In zone A, where passes are on offer.
const BAY: &str = "HK-01-001";
const PLATE: &str = "30A-777.77";

async fn session(city: &Serving, plate: &str, minutes: u32) -> Value {
    let body = json!({"bay": BAY, "plate": plate, "class": "car", "minutes": minutes});
    let reply = city.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::CREATED);
    reply.json().await.unwrap()
}

fn today() -> String {
    let hanoi = Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    hanoi.date_naive().to_string()
}

fn a_pass() -> Value {
    json!({"bay": BAY, "plate": PLATE, "class": "car", "kind": "day_and_night", "first": today()})
}

async fn buy(city: &Serving, pass: &Value) -> (StatusCode, Value) {
    let reply = city.post("/api/v1/passes", pass).send().await.unwrap();
    (reply.status(), reply.json().await.unwrap())
}

/// Buys a pass and lets the bank pay it; its receipt.
async fn bought(city: &Serving) -> (Value, Value) {
    let (status, pass) = buy(city, &a_pass()).await;
    assert_eq!(status, StatusCode::CREATED, "{pass}");
    assert_eq!(pass["status"], "pending");
    let token = text(&pass["token"]);
    let path = format!("/api/v1/passes/{}", text(&pass["id"]));
    let body = json!({"gateway": "vietqr"});
    let (status, payment) = city
        .post_as(&token, &format!("{path}/payments"), &body)
        .await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    assert_eq!(payment["amount_vnd"], 4_000_000);
    // Until it is paid it is no pass.
    assert_eq!(
        session(city, PLATE, 60).await["quote"]["amount_vnd"],
        60_000
    );
    let transfer = json!({"bank_ref": format!("FT{}", Uuid::new_v4().simple()),
        "description": payment["reference"], "amount_vnd": 4_000_000, "currency": "VND",
        "paid_at": Utc::now()});
    assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
    let paid = format!("/api/v1/payments/{}", text(&payment["id"]));
    let payment = city.get_as(&token, &paid).await;
    let receipt = format!("/api/v1/receipts/{}", text(&payment["receipt_id"]));
    assert_eq!(city.get_as(&token, &path).await["status"], "paid");
    (pass, city.json(&receipt).await)
}

#[tokio::test]
async fn a_pass_is_bought_like_time_and_then_pays_for_parking() {
    let city = Serving::city(80).await;
    let (_, receipt) = bought(&city).await;
    assert_eq!(receipt["amount_vnd"], 4_000_000);
    assert_eq!(receipt["lines"][0]["text"], "Vé tháng ngày đêm");
    let lots = city.json("/api/v1/reports/revenue?by=lot").await;
    assert_eq!(lots["total_vnd"], 4_000_000, "{lots}");

    let parked = session(&city, PLATE, 180).await;
    assert_eq!(parked["status"], "paid");
    assert_eq!(parked["quote"]["amount_vnd"], 0);
    assert_eq!(parked["quote"]["lines"][0]["text"], "Vé tháng ngày đêm");
    let (token, path) = (
        text(&parked["token"]),
        format!("/api/v1/sessions/{}", text(&parked["id"])),
    );
    let more = json!({"minutes": 120});
    let (status, more) = city
        .post_as(&token, &format!("{path}/extensions"), &more)
        .await;
    assert_eq!(status, StatusCode::CREATED, "{more}");
    assert_eq!(more["quote"]["amount_vnd"], 0, "{more}");

    // The plate is what the price rests on.
    let other = json!({"plate": "30A-111.11"});
    let (status, refused) = city.post_as(&token, &format!("{path}/plate"), &other).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    let theirs = session(&city, "30A-111.11", 180).await;
    assert_eq!(theirs["quote"]["amount_vnd"], 120_000);
    let (status, again) = buy(&city, &a_pass()).await;
    assert_eq!(status, StatusCode::CONFLICT, "{again}");
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_browser_buys_a_pass_by_its_page() {
    let city = Serving::city(80).await;
    let path = format!("/b/{BAY}/pass");
    let page = city.get(&format!("{path}?lang=en")).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("4,000,000\u{a0}₫"), "{page}");
    let post = |plate: &'static str, key: &'static str| {
        let form = [
            ("plate", plate),
            ("kind", "day_and_night"),
            ("first", &today()),
            ("key", key),
            ("gateway", "vietqr"),
        ];
        city.client
            .post(format!("{}{path}", city.url))
            .form(&form)
            .send()
    };
    let wrong = post("?", "a-key-of-this-test").await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let opened = post(PLATE, "a-key-of-this-test").await.unwrap();
    assert_eq!(opened.status(), StatusCode::SEE_OTHER);
    let cookie = tests::serving::session_cookie(&opened);
    let payment = opened.headers()["location"].to_str().unwrap().to_owned();
    // A second click comes to the same payment.
    let again = post(PLATE, "a-key-of-this-test").await.unwrap();
    assert_eq!(again.headers()["location"].to_str().unwrap(), payment);
    let look = async |path: &str| {
        let reply = city.get(path).header(COOKIE, &cookie).send().await.unwrap();
        let to = reply.headers().get("location").cloned();
        (
            to.map(|to| to.to_str().unwrap().to_owned()),
            reply.text().await.unwrap(),
        )
    };
    let (_, page) = look(&payment).await;
    assert!(page.contains("data-status=\"pending\"") && page.contains("<svg"));
    let other = city.get(&payment).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::UNAUTHORIZED);
    let id = payment.strip_prefix("/pay/").unwrap();
    let asked = city
        .get(&format!("/api/v1/payments/{id}"))
        .header(COOKIE, &cookie);
    let asked: Value = asked.send().await.unwrap().json().await.unwrap();
    let transfer = json!({"bank_ref": "FT-pass", "description": asked["reference"],
        "amount_vnd": 4_000_000, "currency": "VND", "paid_at": Utc::now()});
    assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
    let (to, _) = look(&payment).await;
    let (_, page) = look(&to.unwrap()).await;
    assert!(page.contains("data-status=\"paid\""), "{page}");
    // Every payment has a receipt, and it is found again.
    assert!(page.contains("href=\"/r/"), "{page}");
    let (_, mine) = look("/my").await;
    assert!(mine.contains("href=\"/r/"), "{mine}");
    assert_eq!(session(&city, PLATE, 60).await["quote"]["amount_vnd"], 0);
}

#[tokio::test]
async fn a_pass_that_went_back_is_none() {
    let city = Serving::city(80).await;
    let (_, receipt) = bought(&city).await;
    let path = format!("/api/v1/receipts/{}", text(&receipt["id"]));
    let invoice = city.get(&format!("{path}/invoice.xml")).send().await;
    let invoice = invoice.unwrap().text().await.unwrap();
    assert!(invoice.contains("Vé tháng trông giữ ô tô"), "{invoice}");

    let objection = json!({"reason": "other", "text": "Tôi đã bán xe"});
    let dispute = city.post(&format!("{path}/disputes"), &objection);
    let dispute: Value = dispute.send().await.unwrap().json().await.unwrap();
    let clerk = city.staff("city", None).await;
    let decision = json!({"decision": "refund", "answer": "Hoàn lại"});
    let decided = city
        .post(
            &format!("/api/v1/staff/disputes/{}", text(&dispute["id"])),
            &decision,
        )
        .header(COOKIE, clerk)
        .send()
        .await
        .unwrap();
    assert_eq!(decided.status(), StatusCode::ACCEPTED);
    // Four million are more than one person decides.
    let decided: Value = decided.json().await.unwrap();
    let proposal = text(&decided["proposal"]);
    assert_eq!(session(&city, PLATE, 60).await["quote"]["amount_vnd"], 0);
    let chief = city.administrator("chief", None).await;
    let path_of_proposal = format!("/api/v1/staff/refund-proposals/{proposal}");
    let confirmed = city.post(&path_of_proposal, &json!({"decision": "confirm"}));
    let confirmed = confirmed.header(COOKIE, chief).send().await.unwrap();
    assert_eq!(confirmed.status(), StatusCode::OK);
    assert_eq!(
        session(&city, PLATE, 60).await["quote"]["amount_vnd"],
        60_000
    );
    let invoice_of = |receipt: Value| {
        let refund = text(&receipt["refunds"][0]["id"]);
        let request = city.get(&format!("/api/v1/refunds/{refund}/invoice.xml"));
        async { request.send().await.unwrap().text().await.unwrap() }
    };
    let adjusting = invoice_of(city.json(&path).await).await;
    for part in [
        "<SHDon>2</SHDon>",
        "<TCHDon>2</TCHDon>",
        "<SHDCLQuan>1</SHDCLQuan>",
        "<TgTTTBSo>-4000000</TgTTTBSo>",
        "Hoàn tiền theo khiếu nại",
    ] {
        assert!(adjusting.contains(part), "no {part} in {adjusting}");
    }
    let page = city.get(&format!("/r/{}", text(&receipt["id"]))).send();
    let page = page.await.unwrap().text().await.unwrap();
    assert!(page.contains("hóa đơn điều chỉnh"), "{page}");
    // And another one can be bought.
    let (status, again) = buy(&city, &a_pass()).await;
    assert_eq!(status, StatusCode::CREATED, "{again}");
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn a_pass_that_is_not_on_offer_is_not_sold() {
    let city = Serving::city(80).await;
    let with = |key: &str, value: &str| {
        let mut pass = a_pass();
        pass[key] = json!(value);
        pass
    };
    for (pass, status) in [
        (with("bay", "CN-01-001"), StatusCode::UNPROCESSABLE_ENTITY),
        (with("bay", "nowhere"), StatusCode::NOT_FOUND),
        (with("class", "motorbike"), StatusCode::UNPROCESSABLE_ENTITY),
        (
            with("first", "2020-01-01"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            with("first", "9999-12-31"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (with("plate", "?"), StatusCode::UNPROCESSABLE_ENTITY),
        (with("kind", "yearly"), StatusCode::BAD_REQUEST),
    ] {
        let (found, problem) = buy(&city, &pass).await;
        assert_eq!(found, status, "{pass}: {problem}");
    }
    let (_, pass) = buy(&city, &a_pass()).await;
    let path = format!("/api/v1/passes/{}", text(&pass["id"]));
    let reply = city.get(&path).bearer_auth("a guess").send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(city.database.count("pass").await, 1);
}

#[tokio::test]
async fn the_city_exempts_on_a_ground_that_is_kept() {
    let city = Serving::city(80).await;
    let (ours, theirs) = (
        city.staff("city", None).await,
        city.staff("operator", Some("HKP")).await,
    );
    let grant = |cookie: &str, ground: &str, last: &str| {
        let body = json!({"plate": PLATE, "class": "car", "ground": ground, "first": today(),
            "document": "Giấy xác nhận khuyết tật 0123", "last": last});
        let request = city.post("/api/v1/staff/exemptions", &body);
        request.header(COOKIE, cookie.to_owned()).send()
    };
    let refused = grant(&theirs, "disabled", "2099-12-31").await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let refused = grant(&ours, "friend", "2099-12-31").await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let refused = grant(&ours, "disabled", "2020-01-01").await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let nobody = grant("a=b", "disabled", "2099-12-31").await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        session(&city, PLATE, 60).await["quote"]["amount_vnd"],
        60_000
    );

    let granted = grant(&ours, "disabled", "2099-12-31").await.unwrap();
    assert_eq!(granted.status(), StatusCode::CREATED);
    let granted: Value = granted.json().await.unwrap();
    let id = text(&granted["id"]);
    // Touched twice, it is one that is withdrawn at once.
    let twice = grant(&ours, "disabled", "2099-12-31").await.unwrap();
    assert_eq!(text(&twice.json::<Value>().await.unwrap()["id"]), id);
    let parked = session(&city, PLATE, 600).await;
    assert_eq!(parked["status"], "paid");
    assert_eq!(parked["quote"]["amount_vnd"], 0);
    assert_eq!(
        parked["quote"]["lines"][0]["text"],
        "Miễn phí: xe được thành phố miễn phí"
    );
    let list = city
        .get("/api/v1/staff/exemptions")
        .header(COOKIE, ours.clone());
    let list: Value = list.send().await.unwrap().json().await.unwrap();
    assert_eq!(list["exemptions"][0]["sessions"], 1, "{list}");
    assert_eq!(list["exemptions"][0]["granted_by"], "city");
    let page = city.get("/staff/exemptions").header(COOKIE, ours.clone());
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Xe của người khuyết tật"), "{page}");

    // Found by its plate, however many were granted since; and what is refused is not to be typed anew.
    let by_plate = async |plate: &str| {
        let reply = city
            .form_as(&ours, "/staff/exemptions/of", &[("plate", plate)])
            .await;
        (reply.status(), reply.text().await.unwrap())
    };
    let withdrawn_by = format!("/staff/exemptions/{id}/withdraw");
    let (status, page) = by_plate(PLATE).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains(&withdrawn_by), "{page}");
    let (_, page) = by_plate("30A-000.01").await;
    assert!(!page.contains(&withdrawn_by), "{page}");
    assert_eq!(by_plate("?").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let today = today();
    let form = [
        ("plate", "30A-000.02"),
        ("class", "motorbike"),
        ("ground", "disabled"),
        ("document", "Số \"7\""),
        ("first", today.as_str()),
        ("last", "2020-01-01"),
    ];
    let reply = city.form_as(&ours, "/staff/exemptions", &form).await;
    assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = reply.text().await.unwrap();
    for kept in ["30A-000.02", "Số &quot;7&quot;", "2020-01-01"] {
        assert!(page.contains(kept), "{kept}: {page}");
    }

    let path = format!("{}/api/v1/staff/exemptions/{id}", city.url);
    for (cookie, status) in [
        (theirs, StatusCode::FORBIDDEN),
        (ours.clone(), StatusCode::NO_CONTENT),
        (ours, StatusCode::NO_CONTENT),
    ] {
        let withdraw = city.client.delete(&path).header(COOKIE, cookie);
        assert_eq!(withdraw.send().await.unwrap().status(), status);
    }
    assert_eq!(
        session(&city, PLATE, 60).await["quote"]["amount_vnd"],
        60_000
    );
    // What began before stays free.
    let (token, session) = (text(&parked["token"]), text(&parked["id"]));
    let more = json!({"minutes": 60});
    let path = format!("/api/v1/sessions/{session}/extensions");
    let (_, more) = city.post_as(&token, &path, &more).await;
    assert_eq!(more["quote"]["amount_vnd"], 0, "{more}");
    let done: Vec<String> = sqlx::query_scalar(
        "SELECT action FROM audit WHERE exemption_id IS NOT NULL ORDER BY audit_id",
    )
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    assert_eq!(done, ["exemption.grant", "exemption.withdraw"]);
}

/// Grants the plate an exemption everywhere.
async fn exempt(city: &Serving) {
    let office = city.staff("office", None).await;
    let body = json!({"plate": PLATE, "class": "car", "ground": "disabled", "first": today(),
        "document": "Giấy xác nhận khuyết tật 0123", "last": "2099-12-31"});
    let request = city.post("/api/v1/staff/exemptions", &body);
    let granted = request.header(COOKIE, office).send().await.unwrap();
    assert_eq!(granted.status(), StatusCode::CREATED);
}

/// What the sensor of a bay says of it, a moment ago.
fn seen(bay: &str, seq: i64, occupied: bool) -> Told {
    let place = simulator::city::hanoi(80).unwrap();
    let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let device = bays.find(|known| known.code == bay).unwrap().device.clone();
    let at = Utc::now().trunc_subsecs(3) - TimeDelta::seconds(1);
    told(&device.unwrap().id, at, seq, occupied)
}

#[tokio::test]
async fn an_exemption_serves_one_vehicle_at_a_time() {
    let city = Serving::city(80).await;
    exempt(&city).await;
    city.sense(&[seen(BAY, 1, true)], 1, "stay").await;
    assert_eq!(session(&city, PLATE, 60).await["quote"]["amount_vnd"], 0);

    let other = "HK-01-002";
    let ask = async |confirm: bool| {
        let body = json!({"bay": other, "plate": PLATE, "class": "car", "minutes": 60,
            "confirm_bay": confirm});
        let reply = city.post("/api/v1/sessions", &body).send().await.unwrap();
        (reply.status(), reply.json::<Value>().await.unwrap())
    };
    let (status, asked) = ask(false).await;
    assert_eq!(status, StatusCode::CONFLICT, "{asked}");
    assert_eq!(asked["type"], "urn:clearbay:problem:parked-elsewhere");
    // A browser is asked in words, and its form comes back with the answer in it.
    let form = [
        ("plate", PLATE),
        ("minutes", "60"),
        ("gateway", "vietqr"),
        ("key", "a-key-of-a-form-1"),
    ];
    let page = city.client.post(format!("{}/b/{other}?lang=en", city.url));
    let page = page.form(&form).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::CONFLICT);
    let page = page.text().await.unwrap();
    assert!(page.contains("data-status=\"parked-elsewhere\""), "{page}");
    assert!(page.contains("name=\"confirm\" value=\"true\""), "{page}");
    // Where the vehicle stands is nobody's to know.
    assert!(!page.contains(BAY), "{page}");
    assert_eq!(city.database.count("session").await, 1);

    let (status, insisted) = ask(true).await;
    assert_eq!(status, StatusCode::CREATED, "{insisted}");
    assert_eq!(insisted["quote"]["amount_vnd"], 60_000);
    // In its own bay it still counts, and once the vehicle has left, everywhere.
    assert_eq!(session(&city, PLATE, 120).await["quote"]["amount_vnd"], 0);
    city.sense(&[seen(BAY, 2, false)], 1, "stay WHERE ended_at IS NOT NULL")
        .await;
    let (status, free) = ask(false).await;
    assert_eq!(status, StatusCode::CREATED, "{free}");
    assert_eq!(free["quote"]["amount_vnd"], 0, "{free}");
}

#[tokio::test]
async fn staff_see_one_plate_in_two_bays() {
    let city = Serving::city(80).await;
    exempt(&city).await;
    let (guard, stranger) = (
        city.staff("guard", Some("HKP")).await,
        city.staff("stranger", Some("HNP")).await,
    );
    let board = async |who: &str| {
        let page = city.get("/staff?lang=en").header(COOKIE, who);
        page.send().await.unwrap().text().await.unwrap()
    };
    session(&city, PLATE, 60).await;
    let body = json!({"bay": "HK-01-002", "plate": PLATE, "class": "car", "minutes": 60});
    let second = city.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(second.status(), StatusCode::CREATED);
    // Nobody has seen either vehicle yet.
    assert!(!board(&guard).await.contains("data-twice"));
    let both = [seen(BAY, 1, true), seen("HK-01-002", 1, true)];
    city.sense(&both, 2, "stay").await;
    let told = board(&guard).await;
    let (_, twice) = told.split_once("data-twice").unwrap();
    for bay in [BAY, "HK-01-002"] {
        assert!(twice.contains(&format!("/staff/bays/{bay}")), "{twice}");
    }
    assert!(!board(&stranger).await.contains("data-twice"));
    city.sense(
        &[seen("HK-01-002", 2, false)],
        1,
        "stay WHERE ended_at IS NOT NULL",
    )
    .await;
    assert!(!board(&guard).await.contains("data-twice"));
}

/// Whoever pays a second time on one phone meant to move, as a rule.
#[tokio::test]
async fn a_driver_who_has_time_elsewhere_is_asked_whether_to_move_it() {
    let city = Serving::city(80).await;
    let open = city.paid_session("CN-01-001", 60).await;
    let id = open.session.replace('-', "");
    let secret = format!(
        "{}{id}={}",
        api::service::session_cookie::COOKIE,
        open.token
    );
    let plate = city
        .get_as(&open.token, &format!("/api/v1/sessions/{}", open.session))
        .await;
    let plate = text(&plate["plate"]);
    let send = async |path: &str, fields: &[(&str, &str)]| {
        let request = city.client.post(format!("{}{path}", city.url));
        let request = request.header(COOKIE, &secret).form(fields);
        request.send().await.unwrap()
    };
    let form = [
        ("plate", plate.as_str()),
        ("minutes", "60"),
        ("gateway", "vietqr"),
        ("key", "a-key-of-a-form-2"),
    ];
    let asked = send("/b/CN-01-002?lang=en", &form).await;
    assert_eq!(asked.status(), StatusCode::CONFLICT);
    let asked = asked.text().await.unwrap();
    assert!(asked.contains("data-status=\"move-or-pay\""), "{asked}");
    assert_eq!(city.database.count("session").await, 1);
    let path = format!("/s/{}/bay", open.session);
    let moved = send(&path, &[("bay", "CN-01-002")]).await;
    assert_eq!(moved.status(), StatusCode::SEE_OTHER);
    let session = format!("/api/v1/sessions/{}", open.session);
    assert_eq!(city.get_as(&open.token, &session).await["bay"], "CN-01-002");
    // Who insists pays for both.
    let back = send(
        "/b/CN-01-001",
        &[
            &form[..3],
            &[("key", "a-key-of-a-form-3"), ("confirm", "true")],
        ]
        .concat(),
    )
    .await;
    assert!(!back.status().is_client_error());
    assert_eq!(city.database.count("session").await, 2);
}

/// Nothing was reserved for it, so there is nothing to settle.
#[tokio::test]
async fn a_metered_session_that_is_free_can_be_stopped() {
    let city = Serving::city(80).await;
    bought(&city).await;
    let wallet = city.post("/api/v1/wallets", &json!({})).send().await;
    let wallet: Value = wallet.unwrap().json().await.unwrap();
    let body = json!({"bay": BAY, "plate": PLATE, "class": "car", "minutes": 240, "metered": true,
        "wallet": {"id": wallet["id"], "token": wallet["token"]}});
    let parked = city.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(parked.status(), StatusCode::CREATED);
    let parked: Value = parked.json().await.unwrap();
    let path = format!("/api/v1/sessions/{}/stop", text(&parked["id"]));
    let (status, stopped) = city
        .post_as(&text(&parked["token"]), &path, &json!({}))
        .await;
    assert_eq!(status, StatusCode::OK, "{stopped}");
    assert_eq!(stopped["status"], "ended", "{stopped}");
    city.assert_books_are_right().await;
}
