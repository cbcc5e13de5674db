//! Drivers ask for an exemption with a document; the city's staff look at it and decide.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{Days, TimeDelta, Utc};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::header::{COOKIE, LOCATION};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tests::eventually;
use tests::phone::Phone;
use tests::serving::{Serving, session_cookie, text};
use uuid::Uuid;

const BAY: &str = "HK-01-001";
const PLATE: &str = "30A-777.77";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and what a camera saw";
const PDF: &[u8] = b"%PDF-1.7 and what a scanner saw";

/// A request as a program sends it.
fn a_request(plate: &str, scan: &[u8]) -> Value {
    json!({"ground": "disabled", "plate": plate, "class": "car",
        "document_kind": "Giấy xác nhận khuyết tật", "document_number": "KT-0123",
        "scan": STANDARD.encode(scan)})
}

async fn ask(city: &Serving, request: &Value) -> (StatusCode, Value) {
    let sent = city.post("/api/v1/exemption-requests", request);
    let reply = sent.send().await.unwrap();
    (reply.status(), reply.json().await.unwrap())
}

/// A request that is taken: its id and its token.
async fn asked(city: &Serving, plate: &str) -> (String, String) {
    let (status, sent) = ask(city, &a_request(plate, PNG)).await;
    assert_eq!(status, StatusCode::CREATED, "{sent}");
    assert_eq!(sent["status"], "waiting");
    (text(&sent["id"]), text(&sent["token"]))
}

/// What a browser sends that posts the form: some fields, and files as (field, name, content).
async fn send_form(
    city: &Serving,
    fields: &[(&str, &str)],
    files: &[(&str, &str, &[u8])],
) -> Response {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!(
            "--limit\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    for (field, name, content) in files {
        let part = format!(
            "--limit\r\ncontent-disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             content-type: image/jpeg\r\n\r\n"
        );
        body.extend_from_slice(part.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--limit--\r\n");
    let request = city.client.post(format!("{}/exemptions", city.url));
    let request = request.header("content-type", "multipart/form-data; boundary=limit");
    request.body(body).send().await.unwrap()
}

fn filled<'a>(plate: &'a str, key: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("key", key),
        ("ground", "disabled"),
        ("plate", plate),
        ("class", "car"),
        ("document_kind", "Giấy xác nhận khuyết tật"),
        ("document_number", "KT-0123"),
    ]
}

async fn look(city: &Serving, who: &str, path: &str) -> (StatusCode, String) {
    let reply = city.get(path).header(COOKIE, who).send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

async fn page(city: &Serving, who: &str, path: &str) -> String {
    let (status, page) = look(city, who, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {page}");
    page
}

async fn decide(
    city: &Serving,
    who: &str,
    id: &str,
    deed: &str,
    form: &[(&str, &str)],
) -> (StatusCode, String) {
    let url = format!("{}/staff/exemptions/requests/{id}/{deed}", city.url);
    let request = city.client.post(url).header(COOKIE, who).form(form);
    let reply = request.send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

fn days() -> [(&'static str, String); 2] {
    let today = Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    let today = today.date_naive();
    let year = today + Days::new(365);
    [("first", today.to_string()), ("last", year.to_string())]
}

async fn grant(city: &Serving, who: &str, id: &str) -> StatusCode {
    let [first, last] = days();
    let form = [(first.0, first.1.as_str()), (last.0, last.1.as_str())];
    decide(city, who, id, "grant", &form).await.0
}

/// What an hour costs that car.
async fn price(city: &Serving, plate: &str) -> Value {
    let body = json!({"bay": BAY, "plate": plate, "class": "car", "minutes": 60});
    let reply = city.post("/api/v1/sessions", &body).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::CREATED);
    reply.json::<Value>().await.unwrap()["quote"]["amount_vnd"].clone()
}

/// What the record says was done about requests, with by whom.
async fn record(city: &Serving) -> Vec<(String, String)> {
    let of =
        "SELECT action, actor FROM audit WHERE exemption_request_id IS NOT NULL ORDER BY audit_id";
    let lines = sqlx::query_as(of).fetch_all(&city.database.pool).await;
    lines.unwrap()
}

fn line(action: &str, actor: &str) -> (String, String) {
    (action.to_owned(), actor.to_owned())
}

#[tokio::test]
async fn a_driver_asks_and_the_city_grants() {
    let city = Serving::city(80).await;
    let (ours, theirs) = (
        city.staff("city", None).await,
        city.staff("operator", Some("HKP")).await,
    );
    // The way there, and the form.
    assert!(
        page(&city, "", &format!("/b/{BAY}"))
            .await
            .contains("href=\"/exemptions\"")
    );
    assert!(
        page(&city, "", "/my")
            .await
            .contains("href=\"/exemptions\"")
    );
    let form = page(&city, "", "/exemptions").await;
    for part in [
        "Xe của người khuyết tật",
        "enctype=\"multipart/form-data\"",
        "capture=\"environment\"",
        "application/pdf",
    ] {
        assert!(form.contains(part), "no {part} in {form}");
    }
    assert_eq!(price(&city, PLATE).await, 60_000);
    // A picture taken, and the other input left empty, as browsers send it.
    let files = [("photo", "IMG_1.jpg", PNG), ("file", "", &b""[..])];
    let sent = send_form(&city, &filled(PLATE, "a-key-of-tests"), &files).await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    let driver = session_cookie(&sent);
    let home = sent.headers()[LOCATION].to_str().unwrap().to_owned();
    let id = home.strip_prefix("/exemptions/").unwrap().to_owned();
    // A second click comes to the same request.
    let again = send_form(&city, &filled(PLATE, "a-key-of-tests"), &files).await;
    assert_eq!(again.headers()[LOCATION].to_str().unwrap(), home);
    assert_eq!(city.database.count("exemption_request").await, 1);
    let waiting = page(&city, &driver, &home).await;
    assert!(waiting.contains("data-request=\"waiting\""), "{waiting}");
    assert!(page(&city, &driver, "/my").await.contains(&home));
    for who in ["", "clearbay_exemption_0=a", &ours] {
        let (status, _) = look(&city, who, &home).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{who}");
    }
    assert_eq!(price(&city, PLATE).await, 60_000, "asking grants nothing");

    // Staff: nobody but the city's.
    let case = format!("/staff/exemptions/requests/{id}");
    let document = format!("{case}/document");
    for path in [&case, &document, &"/staff/exemptions".to_owned()] {
        let (status, shown) = look(&city, &theirs, path).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert!(!shown.contains("KT-0123") && !shown.contains("30A77777"));
    }
    assert_eq!(
        look(&city, &driver, &document).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert!(!look(&city, &driver, &case).await.1.contains("KT-0123"));
    assert_eq!(grant(&city, &theirs, &id).await, StatusCode::FORBIDDEN);
    let waits = "Xin miễn phí";
    assert!(!page(&city, &theirs, "/staff").await.contains(waits));
    assert!(page(&city, &ours, "/staff").await.contains(waits));
    let list = page(&city, &ours, "/staff/exemptions").await;
    assert!(
        list.contains("data-waiting=\"1\"") && list.contains(&case),
        "{list}"
    );

    // The document, on the record.
    let shown = page(&city, &ours, &case).await;
    assert!(shown.contains(&format!("src=\"{document}\"")), "{shown}");
    assert!(!shown.contains("Ai đã mở"), "{shown}");
    let reply = city
        .get(&document)
        .header(COOKIE, &ours)
        .send()
        .await
        .unwrap();
    for (header, value) in [
        ("content-type", "image/png"),
        ("content-disposition", "inline; filename=\"document.png\""),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.headers()[header], value);
    }
    assert_eq!(&reply.bytes().await.unwrap()[..], PNG);
    assert!(page(&city, &ours, &case).await.contains("Ai đã mở"));

    // Days that run backwards are put right where they are; then it counts.
    let backwards = [("first", "2026-02-02"), ("last", "2026-01-01")];
    let (status, shown) = decide(&city, &ours, &id, "grant", &backwards).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        shown.contains("days-error") && shown.contains("value=\"2026-02-02\""),
        "{shown}"
    );
    assert_eq!(grant(&city, &ours, &id).await, StatusCode::SEE_OTHER);
    assert_eq!(grant(&city, &ours, &id).await, StatusCode::CONFLICT);
    let granted = page(&city, &driver, &home).await;
    assert!(granted.contains("data-request=\"granted\""), "{granted}");
    assert_eq!(price(&city, PLATE).await, 0);
    let documents: Vec<String> = sqlx::query_scalar("SELECT document FROM exemption")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    assert_eq!(documents, ["Giấy xác nhận khuyết tật KT-0123"]);
    let list = page(&city, &ours, "/staff/exemptions").await;
    assert!(
        list.contains("data-waiting=\"0\"") && list.contains(&case),
        "{list}"
    );
    assert_eq!(
        record(&city).await,
        [
            line("exemption.ask", "driver"),
            line("exemption.look", "staff:city"),
            line("exemption.grant", "staff:city"),
        ]
    );
    let plates = "audit WHERE detail::text LIKE '%30A77777%'";
    assert_eq!(
        city.database.count(plates).await,
        0,
        "the record masks plates"
    );
    // What the city takes back, the driver is told.
    let exemption: Uuid = sqlx::query_scalar("SELECT exemption_id FROM exemption")
        .fetch_one(&city.database.pool)
        .await
        .unwrap();
    let path = format!("{}/staff/exemptions/{exemption}/withdraw", city.url);
    let reply = city.client.post(path).header(COOKIE, &ours).send().await;
    assert_eq!(reply.unwrap().status(), StatusCode::SEE_OTHER);
    let shown = page(&city, &driver, &home).await;
    assert!(shown.contains("data-request=\"taken-back\""), "{shown}");
}

#[tokio::test]
async fn a_refusal_says_why_and_lets_one_ask_again() {
    let city = Serving::city(80).await;
    let ours = city.staff("city", None).await;
    let files = [("file", "giay.pdf", PDF)];
    let sent = send_form(&city, &filled(PLATE, "a-key-of-tests"), &files).await;
    let driver = session_cookie(&sent);
    let home = sent.headers()[LOCATION].to_str().unwrap().to_owned();
    let id = home.strip_prefix("/exemptions/").unwrap();
    let case = format!("/staff/exemptions/requests/{id}");
    let shown = page(&city, &ours, &case).await;
    assert!(
        shown.contains("Mở tệp PDF") && !shown.contains("<img"),
        "{shown}"
    );
    let (status, shown) = decide(&city, &ours, id, "refuse", &[("reason", "  ")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(shown.contains("reason-error"), "{shown}");
    let reason = [("reason", "Ảnh mờ <b>quá</b>, không đọc được số")];
    let (status, _) = decide(&city, &ours, id, "refuse", &reason).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(grant(&city, &ours, id).await, StatusCode::CONFLICT);

    let shown = page(&city, &driver, &home).await;
    assert!(shown.contains("data-request=\"refused\""), "{shown}");
    assert!(
        shown.contains("Ảnh mờ &lt;b&gt;quá&lt;/b&gt;, không đọc được số"),
        "{shown}"
    );
    let again = format!("/exemptions?again={id}");
    assert!(shown.contains(&again), "{shown}");
    let form = page(&city, &driver, &again).await;
    assert!(
        form.contains("value=\"30A77777\"") && form.contains("value=\"KT-0123\""),
        "{form}"
    );
    assert!(
        !page(&city, "", &again).await.contains("30A77777"),
        "its key is needed"
    );
    assert_eq!(price(&city, PLATE).await, 60_000);
    // The next official sees the first answer beside the second request.
    let (second, _) = asked(&city, PLATE).await;
    let shown = page(
        &city,
        &ours,
        &format!("/staff/exemptions/requests/{second}"),
    )
    .await;
    assert!(
        shown.contains(&case) && shown.contains("không đọc được số"),
        "{shown}"
    );
    assert_eq!(city.database.count("exemption").await, 0);
}

#[tokio::test]
async fn a_request_that_is_withdrawn_takes_its_picture_along() {
    let city = Serving::city(80).await;
    let ours = city.staff("city", None).await;
    let (id, token) = asked(&city, PLATE).await;
    let path = format!("/api/v1/exemption-requests/{id}");
    let withdraw = async |token: &str, path: &str| {
        let request = city.client.delete(format!("{}{path}", city.url));
        request.bearer_auth(token).send().await.unwrap().status()
    };
    let (other, other_token) = asked(&city, "29A-111.11").await;
    for wrong in ["a guess", &other_token] {
        let reply = city.get(&path).bearer_auth(wrong).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(withdraw(wrong, &path).await, StatusCode::UNAUTHORIZED);
    }
    let nobody = city.get(&path).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(withdraw(&token, &path).await, StatusCode::NO_CONTENT);
    assert_eq!(withdraw(&token, &path).await, StatusCode::NO_CONTENT);
    assert_eq!(city.get_as(&token, &path).await["status"], "withdrawn");
    assert_eq!(
        city.database.count("exemption_scan").await,
        1,
        "the other's stays"
    );
    let document = format!("/staff/exemptions/requests/{id}/document");
    assert_eq!(look(&city, &ours, &document).await.0, StatusCode::NOT_FOUND);
    assert_eq!(grant(&city, &ours, &id).await, StatusCode::CONFLICT);

    // By its page; what was decided is not withdrawn.
    let cookie =
        |id: &str, token: &str| format!("clearbay_exemption_{}={token}", id.replace('-', ""));
    let by_page = async |id: &str, cookie: &str| {
        let request = city
            .client
            .post(format!("{}/exemptions/{id}/withdraw", city.url));
        request
            .header(COOKIE, cookie)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(by_page(&other, "").await, StatusCode::UNAUTHORIZED);
    let holder = cookie(&other, &other_token);
    assert_eq!(by_page(&other, &holder).await, StatusCode::SEE_OTHER);
    let shown = page(&city, &holder, &format!("/exemptions/{other}")).await;
    assert!(shown.contains("data-request=\"withdrawn\""), "{shown}");
    assert_eq!(city.database.count("exemption_scan").await, 0);
    let (third, third_token) = asked(&city, PLATE).await;
    assert_eq!(grant(&city, &ours, &third).await, StatusCode::SEE_OTHER);
    let path = format!("/api/v1/exemption-requests/{third}");
    assert_eq!(withdraw(&third_token, &path).await, StatusCode::CONFLICT);
    let shown = city.get_as(&third_token, &path).await;
    assert_eq!(shown["status"], "granted", "{shown}");
    assert!(
        shown["ends_at"].is_string() && shown["scan_until"].is_string(),
        "{shown}"
    );
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field() {
    let city = Serving::city(80).await;
    let fields = [
        ("key", "a-key-of-tests"),
        ("ground", "friend"),
        ("plate", "?"),
        ("class", "motorbike"),
        ("document_kind", "Giấy tờ <i>nào đó</i>"),
        ("document_number", " "),
    ];
    // A page that calls itself a picture.
    let files = [(
        "file",
        "giay.jpg",
        &b"<!doctype html><script>alert(1)</script>"[..],
    )];
    let reply = send_form(&city, &fields, &files).await;
    assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let shown = reply.text().await.unwrap();
    for part in [
        "id=\"ground-error\"",
        "id=\"plate-error\"",
        "id=\"number-error\"",
        "id=\"scan-error\"",
        "value=\"?\"",
        "value=\"Giấy tờ &lt;i&gt;nào đó&lt;/i&gt;\"",
        "value=\"motorbike\" selected",
        "không phải ảnh JPEG",
    ] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    assert!(!shown.contains("id=\"kind-error\""), "{shown}");
    let large = [b"\xff\xd8\xff".as_slice(), &vec![0; 4 * 1024 * 1024]].concat();
    for (files, what) in [
        (vec![], "Xin chụp hoặc chọn một ảnh"),
        (
            vec![("photo", "a.jpg", PNG), ("file", "b.pdf", PDF)],
            "Chỉ gửi một ảnh",
        ),
        (
            vec![("photo", "a.jpg", large.as_slice())],
            "Tệp lớn hơn 4 MB",
        ),
    ] {
        let reply = send_form(&city, &filled(PLATE, "a-key-of-tests"), &files).await;
        assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let shown = reply.text().await.unwrap();
        assert!(shown.contains(what), "no {what} in {shown}");
        assert!(
            shown.contains("Xin chọn lại") || shown.contains("xin chọn lại"),
            "{shown}"
        );
    }
    let urlencoded = city.client.post(format!("{}/exemptions", city.url));
    let urlencoded = urlencoded
        .form(&filled(PLATE, "a-key-of-tests"))
        .send()
        .await;
    assert_eq!(urlencoded.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(city.database.count("exemption_request").await, 0);
}

#[tokio::test]
async fn requests_have_limits() {
    let city = Serving::city(80).await;
    let large = [b"\xff\xd8\xff".as_slice(), &vec![0; 4 * 1024 * 1024]].concat();
    let with = |key: &str, value: Value| {
        let mut request = a_request(PLATE, PDF);
        request[key] = value;
        request
    };
    for (request, expected) in [
        (
            a_request(PLATE, b"GIF89a"),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (a_request(PLATE, &large), StatusCode::UNPROCESSABLE_ENTITY),
        (with("scan", json!("?")), StatusCode::BAD_REQUEST),
        (
            with("ground", json!("friend")),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            with("document_number", json!("\u{0}")),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            with("document_kind", json!("x".repeat(101))),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let (status, problem) = ask(&city, &request).await;
        assert_eq!(status, expected, "{problem}");
    }
    let huge = a_request(PLATE, &vec![0; 10 * 1024 * 1024]);
    // A connection on which something was refused halfway is closed: nothing else may come by it.
    let alone = || simulator::http::local().build().unwrap();
    let huge = city.post("/api/v1/exemption-requests", &huge).build();
    let huge = alone().execute(huge.unwrap()).await;
    // Refused while it is still being sent: the reply may come to nobody.
    assert!(huge.is_err() || huge.unwrap().status() == StatusCode::PAYLOAD_TOO_LARGE);
    // Other pages take no more than before.
    let body = " ".repeat(100_000);
    let quote = alone()
        .post(format!("{}/api/v1/quotes", city.url))
        .body(body);
    assert_eq!(
        quote.send().await.unwrap().status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(city.database.count("exemption_request").await, 0);

    // The same key: the same request, or none.
    let send = async |request: &Value| {
        let sent = city
            .client
            .post(format!("{}/api/v1/exemption-requests", city.url));
        let sent = sent
            .header("idempotency-key", "a-key-of-tests")
            .json(request);
        let reply = sent.send().await.unwrap();
        (reply.status(), reply.json::<Value>().await.unwrap())
    };
    let request = a_request(PLATE, PDF);
    let (first, second) = tokio::join!(send(&request), send(&request));
    assert_eq!(first, second);
    assert_eq!(first.0, StatusCode::CREATED);
    let (status, other) = send(&a_request(PLATE, PNG)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other["type"], "urn:clearbay:problem:key-reused");

    // Three of a plate, however many come at once; withdrawn ones do not count.
    let replies: FuturesUnordered<_> = (0..6).map(|_| ask(&city, &request)).collect();
    let replies: Vec<_> = replies.collect().await;
    let count = |wanted| {
        replies
            .iter()
            .filter(|(status, _)| *status == wanted)
            .count()
    };
    assert_eq!(count(StatusCode::CREATED), 2, "{replies:?}");
    assert_eq!(count(StatusCode::CONFLICT), 4, "{replies:?}");
    let sent = send_form(
        &city,
        &filled(PLATE, "another-key"),
        &[("file", "a.pdf", PDF)],
    )
    .await;
    assert_eq!(sent.status(), StatusCode::CONFLICT);
    let shown = sent.text().await.unwrap();
    assert!(shown.contains("đã có ba yêu cầu đang chờ"), "{shown}");
    assert!(shown.contains("value=\"30A-777.77\""), "{shown}");
    city.database
        .store
        .exemption_request_withdraw(first.1["id"].as_str().unwrap().parse().unwrap(), Utc::now())
        .await
        .unwrap();
    asked(&city, PLATE).await;

    // So many in all.
    sqlx::query(
        "INSERT INTO exemption_request (exemption_request_id, plate, class, ground, document_kind,
                                        document_number, status, asked_at)
         SELECT gen_random_uuid(), 'AAAA' || n, 'car', 'disabled', 'a', 'b', 'waiting', now()
         FROM generate_series(1, 497) AS n",
    )
    .execute(&city.database.pool)
    .await
    .unwrap();
    let (status, problem) = ask(&city, &a_request("29A-222.22", PDF)).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    let waiting = "exemption_request WHERE status = 'waiting'";
    assert_eq!(city.database.count(waiting).await, 500);
}

#[tokio::test]
async fn two_officials_make_one_decision() {
    let city = Serving::city(80).await;
    let (a, b) = (
        city.staff("anh", None).await,
        city.staff("binh", None).await,
    );
    for round in 0..4 {
        let (id, token) = asked(&city, &format!("30A-777.1{round}")).await;
        let refusal = [("reason", "Giấy tờ đã hết hạn")];
        let (granted, again, refused) = tokio::join!(
            grant(&city, &a, &id),
            grant(&city, &b, &id),
            decide(&city, &b, &id, "refuse", &refusal),
        );
        let all = [granted, again, refused.0];
        let done = all
            .iter()
            .filter(|status| **status == StatusCode::SEE_OTHER);
        assert_eq!(done.count(), 1, "{all:?}");
        let late = all.iter().filter(|status| **status == StatusCode::CONFLICT);
        assert_eq!(late.count(), 2, "{all:?}");
        let path = format!("/api/v1/exemption-requests/{id}");
        let status = text(&city.get_as(&token, &path).await["status"]);
        let is_granted = refused.0 != StatusCode::SEE_OTHER;
        assert_eq!(status, if is_granted { "granted" } else { "refused" });
        let lines = format!("audit WHERE exemption_request_id = '{id}' AND actor LIKE 'staff:%'");
        assert_eq!(city.database.count(&lines).await, 1);
    }
    let granted = "exemption_request WHERE status = 'granted'";
    assert_eq!(
        city.database.count("exemption").await,
        city.database.count(granted).await
    );
    // The database itself refuses a second one.
    let undone = sqlx::query("UPDATE exemption_request SET decided_at = now()");
    assert!(undone.execute(&city.database.pool).await.is_err());
}

#[tokio::test]
async fn a_picture_goes_thirty_days_after_the_decision() {
    let city = Serving::city(80).await;
    let ours = city.staff("city", None).await;
    let (waits, _) = asked(&city, "29A-111.11").await;
    let (refused, _) = asked(&city, "29A-222.22").await;
    let (granted, token) = asked(&city, PLATE).await;
    let reason = [("reason", "Không rõ")];
    assert_eq!(
        decide(&city, &ours, &refused, "refuse", &reason).await.0,
        StatusCode::SEE_OTHER
    );
    assert_eq!(grant(&city, &ours, &granted).await, StatusCode::SEE_OTHER);
    let store = &city.database.store;
    let later = |days| Utc::now() + TimeDelta::days(days);
    assert_eq!(store.exemption_scans_forget(later(29)).await.unwrap(), 0);
    let document = format!("/staff/exemptions/requests/{refused}/document");
    assert_eq!(look(&city, &ours, &document).await.0, StatusCode::OK);

    // The service's own housekeeping, once the time is over for one of them.
    let over = "UPDATE exemption_scan SET delete_after = now() WHERE exemption_request_id = $1";
    let id: Uuid = refused.parse().unwrap();
    sqlx::query(over)
        .bind(id)
        .execute(&city.database.pool)
        .await
        .unwrap();
    assert_eq!(
        look(&city, &ours, &document).await.0,
        StatusCode::NOT_FOUND,
        "it is shown no more, even before it is gone"
    );
    let _another = city.another().await;
    eventually("housekeeping to delete it", || async {
        city.database.count("exemption_scan").await == 2
    })
    .await;
    let forgotten = format!(
        "audit WHERE exemption_request_id = '{refused}' AND action = 'exemption.forget' AND actor = 'system'"
    );
    assert_eq!(city.database.count(&forgotten).await, 1);
    let shown = page(
        &city,
        &ours,
        &format!("/staff/exemptions/requests/{refused}"),
    )
    .await;
    assert!(shown.contains("Ảnh không còn được giữ"), "{shown}");
    assert!(
        shown.contains("KT-0123"),
        "what the document was stays on the record"
    );
    assert_eq!(store.exemption_scans_forget(later(31)).await.unwrap(), 1);
    assert_eq!(store.exemption_scans_forget(later(365)).await.unwrap(), 0);
    let left: Vec<Uuid> = sqlx::query_scalar("SELECT exemption_request_id FROM exemption_scan")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    assert_eq!(left, [waits.parse::<Uuid>().unwrap()], "what waits is kept");
    let path = format!("/api/v1/exemption-requests/{granted}");
    assert!(city.get_as(&token, &path).await.get("scan_until").is_none());
}

#[tokio::test]
async fn a_phone_sends_a_smaller_picture_and_keeps_nothing() {
    let city = Serving::without_bundle(80).await;
    city.staff("city", None).await;
    let phone = Phone::start().await;
    phone.goto(&format!("{}/", city.url)).await;
    eventually("the worker to be there", || async {
        phone
            .script("return Boolean(navigator.serviceWorker.controller)")
            .await
            == true
    })
    .await;
    phone.goto(&format!("{}/", city.url)).await;
    eventually("a copy of a page that is kept", || async {
        let kept = "return Boolean(await caches.match('/'))";
        phone.script(kept).await == true
    })
    .await;
    // A picture of some kind, as a file.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("giay.png");
    std::fs::write(&file, phone.page.screenshot().await.unwrap()).unwrap();
    phone.goto(&format!("{}/exemptions", city.url)).await;
    phone
        .click("select[name=ground] option[value=disabled]")
        .await;
    phone.fill("input[name=plate]", "30a 777.77").await;
    phone
        .fill("input[name=document_kind]", "Giấy xác nhận")
        .await;
    phone.fill("input[name=document_number]", "KT-0123").await;
    phone.fill("input[name=file]", file.to_str().unwrap()).await;
    eventually("the picture to be made smaller", || async {
        let name = "return document.querySelector('input[name=file]').files[0]?.name";
        phone.script(name).await == "document.jpg"
    })
    .await;
    phone.click("form.pay button.primary").await;
    phone.find("[data-request=waiting]").await;
    let home = phone.page.current_url().await.unwrap();
    let kinds: Vec<String> = sqlx::query_scalar("SELECT kind FROM exemption_scan")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    assert_eq!(kinds, ["jpeg"]);

    // The official, on the same device: the picture is shown, and nothing of it stays there.
    phone.sign_in(&city.url, "city", "a password").await;
    phone.goto(&format!("{}/staff/exemptions", city.url)).await;
    phone.click("[data-waiting] th a").await;
    phone.find(".scan img").await;
    eventually("the picture to be shown", || async {
        phone
            .script("return document.querySelector('.scan img').naturalWidth > 0")
            .await
            == true
    })
    .await;
    phone.goto(&format!("{}/my", city.url)).await;
    phone.find(&format!("a[href='{}']", home.path())).await;
    let kept = "const kept = await caches.open('clearbay');
        return (await kept.keys()).map(({ url }) => new URL(url).pathname)";
    let kept: Vec<String> = serde_json::from_value(phone.script(kept).await).unwrap();
    assert!(
        kept.iter().any(|path| path == "/"),
        "the worker keeps nothing at all: {kept:?}"
    );
    assert!(
        !kept
            .iter()
            .any(|path| path.starts_with("/exemptions") || path.starts_with("/staff")),
        "{kept:?}"
    );
    phone.close().await;
}
