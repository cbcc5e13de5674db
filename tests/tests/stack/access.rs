//! Who may do what: `docs/access.md` has every route, and nobody gets further than it says.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tests::serving::{IMPORT_TOKEN, Open, Serving, text};
use uuid::Uuid;

const TABLE: &str = include_str!("../../../docs/access.md");
const PAGES: &str = include_str!("../../../dashboard/src/ssr/mod.rs");
/// In a lot of the operator [`OPERATOR`].
const BAY: &str = "CN-01-001";
const OPERATOR: &str = "HNP";
const NOTHING: &str = "018f0000-0000-7000-8000-000000000000";

/// A method and a path.
type Route = (String, String);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Nobody,
    /// Whoever holds the token of the thing in question.
    Holder,
    /// Another driver, with tokens of things of their own.
    Other,
    Terminal,
    Staff,
    /// Of another operator.
    ForeignStaff,
    Administrator,
    ForeignAdministrator,
    City,
    CityAdministrator,
    Auditor,
}

use Who::{
    Administrator, Auditor, City, CityAdministrator, ForeignAdministrator, ForeignStaff, Holder,
    Nobody, Other, Staff, Terminal,
};

const ALL: [Who; 11] = [
    Nobody,
    Holder,
    Other,
    Terminal,
    Staff,
    ForeignStaff,
    Administrator,
    ForeignAdministrator,
    City,
    CityAdministrator,
    Auditor,
];

/// The table: who may, by route.
fn table() -> BTreeMap<Route, &'static str> {
    let rows = TABLE.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [method, path, who] = cells[..] else {
            return None;
        };
        let path = path.strip_prefix('`')?.strip_suffix('`')?;
        let known = ["GET", "POST", "DELETE", "PUT"].contains(&method);
        known.then(|| ((method.to_owned(), path.to_owned()), who))
    });
    rows.collect()
}

/// What describes the API, and is not described by it.
const OF_THE_API: [&str; 3] = ["/api", "/api/docs/", "/api/openapi.json"];

/// Every route that there is: those of the OpenAPI document and of itself, and the pages'.
fn routes() -> BTreeSet<Route> {
    let document = serde_json::to_value(api::routes::openapi()).unwrap();
    let mut routes: BTreeSet<Route> = OF_THE_API
        .map(|path| ("GET".to_owned(), path.to_owned()))
        .into();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if ["get", "post", "put", "delete", "patch"].contains(&&**method) {
                routes.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let text: String = PAGES.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in text.split(".route(").skip(1) {
        let part = part.split(".fallback(").next().unwrap().trim_start();
        let path = match part.strip_prefix('"') {
            Some(rest) => rest.split('"').next().unwrap(),
            None if part.starts_with("RETURN_PATH") => "/sign-in/return",
            None if part.starts_with("PICTURE_PATH") => "/staff/plates/picture",
            None => panic!("what path has {part}"),
        };
        for (call, method) in [("get(", "GET"), ("post(", "POST"), ("delete(", "DELETE")] {
            if part.contains(&format!(" {call}")) || part.contains(&format!(".{call}")) {
                routes.insert((method.to_owned(), path.to_owned()));
            }
        }
    }
    routes
}

#[test]
fn every_route_is_in_the_table_and_nothing_else_is() {
    let told: BTreeSet<Route> = table().into_keys().collect();
    let there = routes();
    let missing: Vec<_> = there.difference(&told).collect();
    let gone: Vec<_> = told.difference(&there).collect();
    assert!(
        missing.is_empty(),
        "routes that docs/access.md does not have: {missing:?}"
    );
    assert!(
        gone.is_empty(),
        "rows of docs/access.md without a route: {gone:?}"
    );
}

/// Who of all may, by what the table says: any of its words.
fn may(told: &str, who: Who) -> bool {
    told.split(", ").any(|word| is_one(word, who))
}

fn is_one(word: &str, who: Who) -> bool {
    match word {
        "all" => true,
        "session" | "wallet" | "pass" | "request" | "driver" => who == Holder,
        "terminal" => who == Terminal,
        "signed" => false,
        "staff" => matches!(who, Staff | Administrator | City | CityAdministrator),
        "administrator" => matches!(
            who,
            Administrator | ForeignAdministrator | CityAdministrator
        ),
        "city" => matches!(who, City | CityAdministrator),
        "auditor" => who == Auditor,
        other => panic!("who is {other}"),
    }
}

/// Rows that name nothing of anybody's: staff of every operator have their own there.
const OF_EVERY_OPERATOR: [&str; 17] = [
    "/api/v1/staff/confirmations",
    "/api/v1/staff/devices",
    "/api/v1/staff/disputes",
    "/api/v1/staff/plates",
    "/api/v1/staff/refund-proposals",
    "/staff",
    "/staff/devices",
    "/staff/identity",
    "/staff/money",
    "/staff/notices",
    "/staff/people",
    "/staff/plates",
    "/staff/plates/picture",
    "/staff/second-factor",
    "/staff/shift",
    "/staff/shifts",
    "/staff/terminals",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_further_than_the_table_says() {
    let city = Serving::city(80).await;
    let world = World::new(&city).await;
    let mut wrong = Vec::new();
    let (mut tried, mut refused) = (0, 0);
    for ((method, path), told) in table() {
        // Signing out ends what others are still to try.
        if told == "all" || path == "/api/v1/drivers/logins/current" {
            continue;
        }
        for who in ALL {
            let everywhere = OF_EVERY_OPERATOR.contains(&&*path);
            let foreign = match told.split(", ").next().unwrap() {
                "staff" => matches!(who, ForeignStaff | ForeignAdministrator),
                "administrator" => who == ForeignAdministrator,
                _ => false,
            };
            let allowed = may(told, who) || (everywhere && foreign);
            // There is no pass, request or signed-in driver here whose holder could come.
            if allowed && matches!(told, "pass" | "request" | "driver") {
                continue;
            }
            let got = world.try_it(&city, &method, &path, told, who).await;
            tried += 1;
            refused += usize::from(!allowed);
            match (allowed, got) {
                (false, Got::In(status)) => {
                    wrong.push(format!("{who:?} gets into {method} {path}: {status}"))
                }
                (true, Got::Out(status)) if status != StatusCode::NOT_FOUND => {
                    wrong.push(format!("{who:?} is kept from {method} {path}: {status}"));
                }
                _ => {}
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(refused > 300, "{refused}");
}

/// How far somebody got.
enum Got {
    In(StatusCode),
    Out(StatusCode),
}

/// What there is to get at.
struct World {
    own: Things,
    other: Things,
    cookies: BTreeMap<Who, String>,
}

/// A driver's things, by what they are.
struct Things {
    session: Open,
    receipt: String,
    dispute: String,
    wallet: (String, String),
}

impl World {
    async fn new(city: &Serving) -> Self {
        let foreign = Some("THP");
        let cookies = BTreeMap::from([
            (Staff, city.staff("own", Some(OPERATOR)).await),
            (ForeignStaff, city.staff("foreign", foreign).await),
            (
                Administrator,
                city.administrator("chief", Some(OPERATOR)).await,
            ),
            (
                ForeignAdministrator,
                city.administrator("stranger", foreign).await,
            ),
            (City, city.staff("city", None).await),
            (CityAdministrator, city.administrator("mayor", None).await),
            (Auditor, city.auditor("auditor").await),
        ]);
        Self {
            own: Things::new(city, BAY).await,
            other: Things::new(city, "CN-02-001").await,
            cookies,
        }
    }

    async fn try_it(&self, city: &Serving, method: &str, path: &str, told: &str, who: Who) -> Got {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{}", city.url, self.address(path));
        let mut request = city.client.request(method.clone(), url);
        request = request.header("idempotency-key", Uuid::new_v4().to_string());
        if method == Method::POST {
            request = match path.starts_with("/api/") {
                true => request.json(&body(path)),
                false => request.form(&form(path)),
            };
        }
        let request = self.identify(request, told, who);
        let sent = tokio::time::timeout(std::time::Duration::from_secs(10), request.send()).await;
        got(sent.expect("an answer").unwrap()).await
    }

    /// The path with the names of own things in it.
    fn address(&self, path: &str) -> String {
        let id = match path {
            _ if path.contains("/wallets/") => &self.own.wallet.0,
            _ if path.contains("/payments/") || path.starts_with("/pay/") => {
                &self.own.session.payment
            }
            _ if path.contains("/sessions/") || path.starts_with("/s/") => {
                &self.own.session.session
            }
            _ if path.contains("/disputes/") => &self.own.dispute,
            // Numbered, not named.
            _ if path.contains("/shifts/") || path.contains("/terminals/") => "1",
            _ if path.contains("/receipts/") || path.starts_with("/r/") => &self.own.receipt,
            _ => NOTHING,
        };
        let code = match path {
            _ if path.contains("/bays/") || path.starts_with("/b/") => BAY,
            _ if path.contains("/notices/") || path.starts_with("/n/") => "K7QM2-XPD4R",
            _ => "CN-01",
        };
        path.replace("{id}", id)
            .replace("{code}", code)
            .replace("{login}", "own")
            .replace("{gateway}", "vnpay")
            .replace("{subscription}", NOTHING)
    }

    fn identify(&self, request: RequestBuilder, told: &str, who: Who) -> RequestBuilder {
        let things = match who {
            Nobody => return request,
            Terminal => return request.bearer_auth(IMPORT_TOKEN),
            Holder => &self.own,
            Other => &self.other,
            _ => return request.header("cookie", &self.cookies[&who]),
        };
        let token = match told {
            "wallet" => &things.wallet.1,
            _ => &things.session.token,
        };
        // A browser that holds a token under the name of another's session gets nowhere either.
        let session = self.own.session.session.parse::<Uuid>().unwrap().simple();
        request
            .bearer_auth(token)
            .header("cookie", format!("clearbay_session_{session}={token}"))
    }
}

impl Things {
    async fn new(city: &Serving, bay: &str) -> Self {
        let session = city.paid_session(bay, 60).await;
        let paid = city
            .get_as(
                &session.token,
                &format!("/api/v1/payments/{}", session.payment),
            )
            .await;
        let receipt = text(&paid["receipt_id"]);
        let dispute = json!({"reason": "other", "text": "nobody parked there"});
        let reply = city
            .post(&format!("/api/v1/receipts/{receipt}/disputes"), &dispute)
            .send()
            .await
            .unwrap();
        assert_eq!(
            reply.status(),
            StatusCode::CREATED,
            "{}",
            reply.text().await.unwrap()
        );
        let dispute: Value = reply.json().await.unwrap();
        let wallet: Value = city
            .post("/api/v1/wallets", &json!({}))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        Self {
            session,
            receipt,
            dispute: text(&dispute["id"]),
            wallet: (text(&wallet["id"]), text(&wallet["token"])),
        }
    }
}

/// Whether somebody was let in: a page that asks who they are lets nobody in.
async fn got(reply: Response) -> Got {
    let status = reply.status();
    let to = reply
        .headers()
        .get("location")
        .map(|to| to.to_str().unwrap().to_owned());
    let asks = to.is_some_and(|to| to == "/staff" || to.starts_with("/wallet"));
    let closed = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
    ]
    .contains(&status);
    // Streams never end; they are no pages.
    let is_page = reply
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind.to_str().unwrap().starts_with("text/html"));
    let page = if is_page {
        reply.text().await.unwrap()
    } else {
        String::new()
    };
    if closed || asks || page.contains("action=\"/staff/login\"") {
        Got::Out(status)
    } else {
        Got::In(status)
    }
}

/// What an API route takes, so that it comes to the question who asks.
fn body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "extensions" => json!({"minutes": 60}),
        "payments" => json!({"gateway": "vietqr"}),
        "plate" => json!({"plate": "30A-999.99"}),
        "bay" => json!({"bay": "CN-01-002"}),
        "top-ups" => json!({"amount_vnd": 50_000, "gateway": "vietqr"}),
        "push-subscriptions" => json!({"endpoint": "https://fcm.googleapis.com/x", "lang": "vi",
            "keys": {"p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}),
        "confirmations" => json!({"password": "a password"}),
        "notices" | "plates" => json!({"plate": "30A-999.99"}),
        "withdrawal" => json!({"why": "a mistake"}),
        "exemptions" => {
            json!({"plate": "30A-777.77", "class": "car", "ground": "disabled", "document": "1",
            "first": "2099-01-01", "last": "2099-12-31"})
        }
        _ if path.contains("/disputes/") => json!({"decision": "refuse", "answer": "no"}),
        _ if path.contains("/refund-proposals/") => json!({"decision": "confirm"}),
        "sessions" => json!({"sessions": []}),
        _ => json!({}),
    }
}

/// The same of a page.
fn form(path: &str) -> Vec<(&'static str, &'static str)> {
    match path {
        "/s/{id}/extend" => vec![("minutes", "60"), ("key", NOTHING), ("gateway", "vietqr")],
        "/s/{id}/plate" | "/staff/plates" => vec![("plate", "30A-999.99"), ("read", "")],
        "/s/{id}/bay" => vec![("bay", "CN-01-002")],
        "/staff/bays/{code}/notice" => vec![("plate", "30A-999.99"), ("collect", "false")],
        "/staff/sessions/{id}/bay" => vec![("plate", "30A-999.99"), ("bay", "CN-01-002")],
        "/staff/sessions/{id}/plate" => vec![("plate", "30A-999.99"), ("right", "30A-999.98")],
        "/staff/people" => vec![("login", "new"), ("name", "New"), ("operator", "")],
        "/staff/terminals" => vec![("name", ""), ("operator", "")],
        "/staff/people/{login}" => vec![("deed", "nothing")],
        "/staff/money/disputes/{id}" => vec![("decision", "refuse"), ("answer", "no")],
        "/staff/money/proposals/{id}" => vec![("decision", "confirm")],
        "/staff/money/limits" => vec![("payment_vnd", "200000"), ("day_vnd", "1000000")],
        "/staff/money/suspense" => vec![("gateway", "vietqr"), ("bank_ref", "none"), ("note", "x")],
        "/staff/money/refunds/{id}" => vec![("gateway_ref", "none")],
        "/staff/exemptions" => vec![
            ("plate", "30A-777.77"),
            ("class", "car"),
            ("ground", "disabled"),
            ("document", "1"),
            ("first", "2099-01-01"),
            ("last", "2099-12-31"),
        ],
        "/staff/exemptions/of" => vec![("plate", "30A-123.45")],
        "/staff/exemptions/requests/{id}/grant" => {
            vec![("first", "2099-01-01"), ("last", "2099-12-31")]
        }
        "/staff/exemptions/requests/{id}/refuse" => vec![("reason", "x")],
        "/staff/second-factor" => vec![("deed", "nothing")],
        "/staff/identity" => vec![("deed", "nothing"), ("confirmed", "")],
        "/n/{code}/withdraw" => vec![("why", "a mistake")],
        "/wallet/top-up" => vec![("amount", "50000"), ("key", NOTHING), ("gateway", "vietqr")],
        _ => vec![("why", "x")],
    }
}
