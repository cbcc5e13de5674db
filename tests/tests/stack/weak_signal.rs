//! What drivers meet on a street: answers that are lost, payments that do not go through, a device that many pay on.

use chrono::{SubsecRound, Utc};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Response, StatusCode};
use serde_json::json;
use tests::page::marked;
use tests::providers::Paying;
use tests::serving::{Serving, text};
use tests::telling::cookie;
use uuid::Uuid;

use crate::parking_notice::{parked, write};

const BAY: &str = "CN-01-001";

async fn send(city: &Serving, path: &str, cookies: &str, form: &[(&str, &str)]) -> Response {
    let request = city.client.post(format!("{}{path}", city.url));
    let request = request.header(COOKIE, cookies).form(form);
    request.send().await.unwrap()
}

async fn look(city: &Serving, path: &str, cookies: &str) -> (StatusCode, String) {
    let request = city.get(path).header(COOKIE, cookies);
    let reply = request.send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

/// What a browser holds, in the order in which it sends it: the oldest first.
#[derive(Default)]
struct Jar(Vec<(String, String)>);

impl Jar {
    fn take(&mut self, reply: &Response) {
        for set in reply.headers().get_all(SET_COOKIE) {
            let (pair, rest) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.0.retain(|(held, _)| held != name);
            if !rest.contains("Max-Age=0;") {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn header(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }
}

/// A guard takes payments on one device for a whole shift.
#[tokio::test]
async fn however_many_pay_on_one_device_the_last_one_sees_their_payment() {
    let city = Serving::city(80).await;
    let mut jar = Jar::default();
    for number in 0..25 {
        let (key, plate) = (Uuid::new_v4().to_string(), format!("30A-100.{number:02}"));
        let form = [
            ("plate", plate.as_str()),
            ("minutes", "60"),
            ("key", &key),
            ("gateway", "vietqr"),
        ];
        let reply = send(&city, &format!("/b/{BAY}"), &jar.header(), &form).await;
        assert_eq!(reply.status(), StatusCode::SEE_OTHER, "{number}");
        jar.take(&reply);
        let to = reply.headers()[LOCATION].to_str().unwrap().to_owned();
        let (status, page) = look(&city, &to, &jar.header()).await;
        assert_eq!(status, StatusCode::OK, "{number}: {page}");
    }
    assert_eq!(jar.0.len(), 20);
    let (_, mine) = look(&city, "/my", &jar.header()).await;
    assert_eq!(mine.matches("href=\"/s/").count(), 20, "{mine}");
}

/// The phone cannot tell whether the form came: it notes the start and sends it again, when there is a signal.
#[tokio::test]
async fn a_form_whose_answer_was_lost_opens_one_session() {
    let city = Serving::city(80).await;
    let key = Uuid::new_v4().to_string();
    let form = [
        ("plate", "30A-123.45"),
        ("minutes", "60"),
        ("key", &key),
        ("gateway", "vietqr"),
    ];
    let lost = send(&city, &format!("/b/{BAY}"), "", &form).await;
    let to = lost.headers()[LOCATION].clone();
    let at = Utc::now().trunc_subsecs(3);
    let again = |sent: &'static str, key: String| {
        let (own, at) = (api::secret::key_made_at(at), at.to_rfc3339());
        let city = &city;
        async move {
            let form = [
                ("plate", "30A-123.45"),
                ("minutes", "60"),
                ("key", &own),
                ("at", &at),
                ("gateway", "vietqr"),
                ("confirm", "true"),
                (sent, &key),
            ];
            send(city, &format!("/b/{BAY}"), "", &form).await
        }
    };
    let found = again("sent", format!("{} {key}", Uuid::new_v4())).await;
    assert_eq!(found.headers()[LOCATION], to);
    assert_eq!(city.database.count("session").await, 1);
    assert_eq!(city.database.count("payment").await, 1);
    let mut jar = Jar::default();
    jar.take(&found);
    let (status, _) = look(&city, to.to_str().unwrap(), &jar.header()).await;
    assert_eq!(status, StatusCode::OK);
    // One that never came is begun by what was noted.
    let begun = again("sent", Uuid::new_v4().to_string()).await;
    assert_ne!(begun.headers()[LOCATION], to);
    assert_eq!(city.database.count("session").await, 2);

    // One that counted from the vehicle's arrival.
    let arrived = at - chrono::TimeDelta::minutes(5);
    let (key, arrived) = (api::secret::key_made_at(arrived), arrived.to_rfc3339());
    let form = [
        ("plate", "30A-123.45"),
        ("minutes", "60"),
        ("key", &key),
        ("at", &arrived),
        ("gateway", "vietqr"),
        ("confirm", "true"),
    ];
    let lost = send(&city, &format!("/b/{BAY}"), "", &form).await;
    let found = again("sent", key).await;
    assert_eq!(found.headers()[LOCATION], lost.headers()[LOCATION]);
    assert_eq!(city.database.count("session").await, 3);
}

#[tokio::test]
async fn who_has_not_paid_yet_goes_on_where_they_were() {
    let paying = Paying::start().await;
    let city = &paying.city;
    let open = city.open_payment(BAY, 60).await;
    let own = cookie(&open);
    let (_, page) = look(city, &format!("/s/{}", open.session), &own).await;
    let to_payment = format!("data-begin href=\"/pay/{}\"", open.payment);
    assert!(page.contains(&to_payment), "{page}");
    // Given up at the provider: nothing is called paid, and there is a way to try again.
    let waiting = paying.open("CN-01-002", "momo").await;
    paying.decide(&waiting, "cancel").await;
    tests::eventually("it to be given up", || async {
        paying.payment(&waiting).await["status"] == "voided"
    })
    .await;
    let token = format!(
        "clearbay_session_{}={}",
        waiting.session.replace('-', ""),
        waiting.token
    );
    let path = format!("/pay/{}?lang=en", waiting.payment);
    let (status, page) = look(city, &path, &token).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("<title>Not paid · Clearbay</title>"),
        "{page}"
    );
    assert!(page.contains("data-again href=\"/b/CN-01-002\""), "{page}");
}

/// Their session is of a time that is over, and not to be bought anew.
#[tokio::test]
async fn who_pays_a_notice_tries_again_where_it_is_told() {
    let city = Serving::city(80).await;
    let guard = city.staff("guard", Some("HNP")).await;
    parked(&city, 90).await;
    let (status, notice) = write(&city, &guard, "29A-777.77").await;
    assert_eq!(status, StatusCode::CREATED, "{notice}");
    let code = text(&notice["code"]);
    let key = Uuid::new_v4().to_string();
    let form = [("key", key.as_str()), ("gateway", "vietqr")];
    let reply = send(&city, &format!("/n/{code}"), "", &form).await;
    let mut jar = Jar::default();
    jar.take(&reply);
    let to = reply.headers()[LOCATION].to_str().unwrap().to_owned();
    let (status, page) = look(&city, &to, &jar.header()).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains(&format!("href=\"/n/{code}\"")), "{page}");
    assert!(!page.contains(&format!("href=\"/b/{BAY}\"")), "{page}");
    // Out of a wallet that is signed out: to its sign-in, and back.
    let form = [("key", key.as_str()), ("gateway", "wallet")];
    let reply = send(&city, &format!("/n/{code}"), "", &form).await;
    let to = reply.headers()[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(to, format!("/wallet?to=/n/{code}"));
}

/// It costs what the other bay's operator asks: the time cannot be moved, and nobody is told that it can.
#[tokio::test]
async fn time_is_offered_to_be_moved_only_where_it_can_be() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    let path = format!("/api/v1/sessions/{}", open.session);
    let plate = text(&city.get_as(&open.token, &path).await["plate"]);
    let ask = async |bay: &str| {
        let key = Uuid::new_v4().to_string();
        let form = [
            ("plate", plate.as_str()),
            ("minutes", "60"),
            ("key", &key),
            ("gateway", "vietqr"),
        ];
        let reply = send(&city, &format!("/b/{bay}"), &cookie(&open), &form).await;
        assert_eq!(reply.status(), StatusCode::CONFLICT, "{bay}");
        reply.text().await.unwrap()
    };
    let moves = format!("action=\"/s/{}/bay\"", open.session);
    assert!(ask("CN-01-002").await.contains(&moves));
    // Another zone.
    let page = ask("HK-01-001").await;
    assert!(
        page.contains("data-status=\"move-or-pay\"") && !page.contains(&moves),
        "{page}"
    );
}

#[tokio::test]
async fn a_page_that_answered_a_form_can_be_asked_for_again() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    for deed in ["extend", "stop", "plate", "bay"] {
        let path = format!("/s/{}/{deed}", open.session);
        let reply = city.get(&path).send().await.unwrap();
        assert_eq!(reply.headers()[LOCATION], format!("/s/{}", open.session));
    }
    let reply = city.get("/wallet/sign-in").send().await.unwrap();
    assert_eq!(reply.headers()[LOCATION], "/wallet");
    // What a form says that is refused is said in the reader's words.
    let own = cookie(&open);
    let form = [("bay", "HK-01-001")];
    let path = format!("/s/{}/bay?lang=vi", open.session);
    let reply = send(&city, &path, &own, &form).await;
    let page = reply.text().await.unwrap();
    assert!(page.contains("khác giá hoặc khác đơn vị"), "{page}");
    assert_eq!(marked(&page, "data-begin").len(), 0);
}

/// A version of the prices that comes into force while a vehicle stands may have another tax.
#[tokio::test]
async fn more_time_is_taxed_as_it_is_when_it_begins() {
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 120).await;
    tests::database::run(
        &city.database.pool,
        "INSERT INTO tariff (zone_id, class, effective_from, document)
         SELECT zone_id, class, later, document || jsonb_build_object('effective_from', later, 'vat_bp', 500)
         FROM (SELECT DISTINCT ON (zone_id, class) zone_id, class, document, now() + interval '1 hour' AS later
               FROM tariff ORDER BY zone_id, class, effective_from DESC) AS newest",
    )
    .await;
    let path = format!("/api/v1/sessions/{}/extensions", open.session);
    let (status, more) = city
        .post_as(&open.token, &path, &json!({"minutes": 60}))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{more}");
    let rates: Vec<i16> = sqlx::query_scalar("SELECT vat_bp FROM purchase ORDER BY created_at")
        .fetch_all(&city.database.pool)
        .await
        .unwrap();
    assert_eq!(rates[1], 500);
    assert_ne!(rates[0], rates[1]);
}
