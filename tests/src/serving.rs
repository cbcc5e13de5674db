//! A whole city in processes of its own: `clearbay serve` and `clearbay ingest` over a real
//! broker and database, each with the rights of its role alone, and a client that speaks to it as drivers
//! and banks do.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::log::{LogKey, LogSigner};
use domain::place::Place;
use domain::staff::Role;
use reqwest::header::COOKIE;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use store::health::HEALTH_LOCK;
use uuid::Uuid;

use crate::broker::Broker;
use crate::database::TestDatabase;
use crate::eventually;
use crate::ingesting::{IngestProcess, hears};
use crate::sensors::{Told, publish};
use crate::serve_process::{ServeProcess, ServeSettings};

/// The key by which tests' sessions and wallets get their tokens.
/// The name of the public log of tests.
pub const LOG_NAME: &str = "tests.clearbay.example/log";

/// A key of the public log of tests, public and private; each number has another.
///
/// # Panics
/// Never: the name is right.
pub fn log_key(number: u8) -> (LogKey, String) {
    let (signer, text) = LogSigner::generate(LOG_NAME, [number; 32]).unwrap();
    (signer.public().clone(), text)
}

/// The key of the tests' sessions.
pub const SESSION_KEY: &str = "a-session-key-of-tests";
/// The key that tests share with the bank.
pub const WEBHOOK_KEY: &str = "a-webhook-key-of-tests";
/// The token that tests share with terminals.
pub const IMPORT_TOKEN: &str = "an-import-token-of-tests";

/// A running city. Everything ends with it.
pub struct Serving {
    // What ends first stands first: its programs, then what they work with.
    /// The process that serves it.
    pub serve: ServeProcess,
    _ingest: IngestProcess,
    /// Its broker.
    pub broker: Broker,
    /// Its database.
    pub database: TestDatabase,
    /// Where its pages and API are.
    pub url: String,
    /// A client without cookies.
    pub client: Client,
    /// How long whoever insists waits for a first reply; each time they ask again, twice as long.
    pub reply_within: Duration,
}

/// What a browser sends back of the cookie that a reply sets.
///
/// # Panics
/// Where it sets none.
pub fn session_cookie(reply: &Response) -> String {
    let cookie = reply.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// Whether a process takes requests.
pub async fn is_ready(client: &Client, url: &str) -> bool {
    let reply = client.get(format!("{url}/readyz")).send().await;
    reply.is_ok_and(|reply| reply.status() == StatusCode::OK)
}

impl Serving {
    /// The synthetic city with that many bays.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn city(bays: u32) -> Self {
        Self::place(&simulator::city::hanoi(bays).unwrap(), Broker::rumqttd()).await
    }

    /// Waits until it answers again.
    ///
    /// # Panics
    /// Where it never does.
    pub async fn is_back(&self) {
        eventually("the city to be back", || async {
            is_ready(&self.client, &self.url).await
        })
        .await;
    }

    /// The same without the browser's bundle.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn without_bundle(bays: u32) -> Self {
        Self::start(
            &simulator::city::hanoi(bays).unwrap(),
            Broker::rumqttd(),
            None,
        )
        .await
    }

    /// The same with settings of one's own for `clearbay serve`.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn with_settings(bays: u32, settings: &[(&'static str, &str)]) -> Self {
        let place = simulator::city::hanoi(bays).unwrap();
        let env = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self::with(&place, Broker::rumqttd(), env.collect(), None).await
    }

    /// A city of one's own over a broker of one's own.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn place(place: &Place, broker: Broker) -> Self {
        let web_dir = std::env::var("CLEARBAY_TEST_WEB_DIR").ok();
        Self::start(place, broker, web_dir).await
    }

    async fn start(place: &Place, broker: Broker, web_dir: Option<String>) -> Self {
        let web_dir = web_dir.map(|folder| ("CLEARBAY_WEB_DIR", folder));
        Self::with(place, broker, web_dir.into_iter().collect(), None).await
    }

    /// A city without the browser's bundle, with more in its environment; what it logs goes to a
    /// file where one is named.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn with(
        place: &Place,
        broker: Broker,
        mut env: Vec<(&'static str, String)>,
        log: Option<PathBuf>,
    ) -> Self {
        let database = TestDatabase::create().await;
        env.push(("DATABASE_URL", database.serve_url.clone()));
        Self::on(database, place, broker, env, log).await
    }

    /// The same on a database of one's own, whose address for `clearbay serve` is in its environment.
    ///
    /// # Panics
    /// Where anything it needs is missing.
    pub async fn on(
        database: TestDatabase,
        place: &Place,
        broker: Broker,
        mut env: Vec<(&'static str, String)>,
        log: Option<PathBuf>,
    ) -> Self {
        database
            .store
            .place_import(place, chrono::Utc::now())
            .await
            .unwrap();
        env.extend([
            ("MQTT_URL", broker.url.clone()),
            ("CLEARBAY_SESSION_KEY", SESSION_KEY.to_owned()),
            ("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY.to_owned()),
            ("CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN.to_owned()),
            ("CLEARBAY_LOG_KEY", log_key(1).1),
        ]);
        let serve = ServeProcess::start(ServeSettings {
            program: None,
            env,
            city: place.city.code.clone(),
            log,
            open_files: None,
        });
        let ingest = IngestProcess::start(&database.ingest_url, &broker.url);
        let client = simulator::http::local()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let url = serve.url();
        eventually("the city to be ready", || is_ready(&client, &url)).await;
        hears(&database, &broker).await;
        Self {
            database,
            broker,
            url,
            client,
            reply_within: Duration::from_secs(20),
            serve,
            _ingest: ingest,
        }
    }

    /// One more process that serves the same city.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn another(&self) -> ServeProcess {
        let process = self.serve.another();
        let url = process.url();
        eventually("another process to be ready", || {
            is_ready(&self.client, &url)
        })
        .await;
        process
    }

    /// The most memory that `clearbay serve` has held so far, in MiB.
    ///
    /// # Panics
    /// Where the machine does not tell.
    pub async fn memory_peak_mib(&self) -> u64 {
        self.memory_kib("VmHWM").await / 1024
    }

    /// All figures that `clearbay serve` publishes about itself.
    ///
    /// # Panics
    /// Where it publishes none.
    pub async fn metrics(&self) -> String {
        let reply = self.client.get(self.serve.metrics_url()).send().await;
        reply.unwrap().text().await.unwrap()
    }

    /// One of the figures that `clearbay serve` publishes about itself; zero before it is there.
    ///
    /// # Panics
    /// Where it publishes none.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics().await;
        let figure = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        metrics.lines().find_map(figure).unwrap_or(0.0)
    }

    /// A figure of `clearbay serve`'s memory in KiB, by the system's name for it (proc(5)).
    ///
    /// # Panics
    /// Where the machine does not tell.
    pub async fn memory_kib(&self, name: &str) -> u64 {
        crate::memory_kib(self.serve.id().await, name)
    }

    /// A GET of a path.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    /// A POST of JSON to a path, with a new idempotency key.
    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client
            .post(format!("{}{path}", self.url))
            .header("idempotency-key", Uuid::new_v4().to_string())
            .json(body)
    }

    /// Sends a page's form as whoever has that cookie.
    ///
    /// # Panics
    /// Where the city does not answer.
    pub async fn form_as(&self, cookie: &str, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header(COOKIE, cookie).form(form);
        request.send().await.unwrap()
    }

    /// The JSON of a GET that succeeds.
    ///
    /// # Panics
    /// Where it does not.
    pub async fn json(&self, path: &str) -> Value {
        let reply = self.get(path).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.json().await.unwrap()
    }

    /// Opens a session for a car and asks for its money.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn open_payment(&self, bay: &str, minutes: u32) -> Open {
        let body = json!({"bay": bay, "plate": "30A-123.45", "class": "car", "minutes": minutes});
        let reply = self.post("/api/v1/sessions", &body).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::CREATED);
        let session: Value = reply.json().await.unwrap();
        let (id, token) = (text(&session["id"]), text(&session["token"]));
        let reply = self
            .post(
                &format!("/api/v1/sessions/{id}/payments"),
                &json!({"gateway": "vietqr"}),
            )
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), StatusCode::CREATED);
        let payment: Value = reply.json().await.unwrap();
        Open {
            session: id,
            token,
            payment: text(&payment["id"]),
            qr: text(&payment["qr"]),
            reference: text(&payment["reference"]),
            amount_vnd: payment["amount_vnd"].as_i64().unwrap(),
        }
    }

    /// Lets sensors speak, and waits until what they said is in the database: that many rows of a
    /// table. No sensor is assessed meanwhile: half of a past would make a fault of one whose half is missing.
    ///
    /// # Panics
    /// Where it never gets there.
    pub async fn sense(&self, messages: &[Told], count: i64, of: &str) {
        let mut held = self.database.pool.begin().await.unwrap();
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(HEALTH_LOCK)
            .execute(&mut *held)
            .await
            .unwrap();
        publish(&self.broker.url, messages.to_vec()).await;
        eventually(of, || async { self.database.count(of).await == count }).await;
        held.rollback().await.unwrap();
    }

    /// A POST of JSON with a session's or a wallet's token.
    ///
    /// # Panics
    /// Where the city does not answer.
    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let reply = self
            .post(path, body)
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        let status = reply.status();
        (status, reply.json().await.unwrap_or_default())
    }

    /// What a GET with a token says.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn get_as(&self, token: &str, path: &str) -> Value {
        let reply = self.get(path).bearer_auth(token).send().await.unwrap();
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.json().await.unwrap()
    }

    /// Opens a session for a car with that plate, asks for its money and lets the bank pay it.
    ///
    /// # Panics
    /// Where any of it is refused.
    pub async fn paid_session(&self, bay: &str, minutes: u32) -> Open {
        let open = self.open_payment(bay, minutes).await;
        assert_eq!(self.outcomes(&[open.transfer()]).await, ["posted"]);
        open
    }

    /// Where a payment stands, for whoever holds its session's token.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn payment(&self, open: &Open) -> Value {
        let path = format!("/api/v1/payments/{}", open.payment);
        let reply = self
            .get(&path)
            .bearer_auth(&open.token)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        reply.json().await.unwrap()
    }

    /// What somebody is told who signs in at the counter.
    ///
    /// # Panics
    /// Where the city does not answer.
    pub async fn sign_in(&self, login: &str, password: &str) -> Response {
        self.client
            .post(format!("{}/staff/login", self.url))
            .form(&[("login", login), ("password", password)])
            .send()
            .await
            .unwrap()
    }

    /// The cookie of new staff who have signed in, of an operator or of the city.
    ///
    /// # Panics
    /// Where they cannot.
    pub async fn staff(&self, login: &str, operator: Option<&str>) -> String {
        let password = "a password";
        let hash = api::service::staff::hash_password(password).unwrap();
        let store = &self.database.store;
        store
            .staff_put(login, login, &hash, operator)
            .await
            .unwrap();
        session_cookie(&self.sign_in(login, password).await)
    }

    /// The same, who say who works there.
    ///
    /// # Panics
    /// Where they cannot.
    pub async fn administrator(&self, login: &str, operator: Option<&str>) -> String {
        let cookie = self.staff(login, operator).await;
        let store = &self.database.store;
        let promoted = store.member_set_role(login, Role::Administrator, "test", Utc::now());
        promoted.await.unwrap();
        cookie
    }

    /// The same of an auditor of the city.
    ///
    /// # Panics
    /// Where they cannot.
    pub async fn auditor(&self, login: &str) -> String {
        let cookie = self.staff(login, None).await;
        let store = &self.database.store;
        let made = store.member_set_role(login, Role::Auditor, "test", Utc::now());
        made.await.unwrap();
        cookie
    }

    /// What the bank says, rightly signed.
    ///
    /// # Panics
    /// Where the city does not answer.
    pub async fn bank(&self, transactions: &[Value]) -> Response {
        self.bank_request(transactions).send().await.unwrap()
    }

    /// The same, not sent yet.
    pub fn bank_request(&self, transactions: &[Value]) -> RequestBuilder {
        self.bank_request_to(&self.url, transactions)
    }

    /// The same to one of several processes.
    pub fn bank_request_to(&self, url: &str, transactions: &[Value]) -> RequestBuilder {
        bank_request(&self.client, url, transactions)
    }

    /// What somebody says who claims to be the bank.
    ///
    /// # Panics
    /// Where the city does not answer.
    pub async fn webhook(&self, signature: &str, body: String) -> Response {
        let request = webhook_request(&self.client, &self.url, signature, body);
        request.send().await.unwrap()
    }

    /// The outcomes of what the bank says.
    ///
    /// # Panics
    /// Where it is not believed.
    pub async fn outcomes(&self, transactions: &[Value]) -> Vec<String> {
        let reply = self.bank(transactions).await;
        assert_eq!(reply.status(), StatusCode::OK);
        let reply: Value = reply.json().await.unwrap();
        reply["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| text(&result["outcome"]))
            .collect()
    }

    /// Fails where the books are not right.
    ///
    /// # Panics
    /// Where a payment, a transfer and a receipt do not agree, or the sums do not.
    pub async fn assert_books_are_right(&self) {
        assert_eq!(
            self.database.store.ledger_breaks().await.unwrap(),
            Vec::<String>::new()
        );
        let balances = self.database.store.ledger_balances().await.unwrap();
        let sum = |side: fn(&store::ledger::Balance) -> i64| balances.iter().map(side).sum::<i64>();
        assert_eq!(
            sum(|balance| balance.debits_vnd),
            sum(|balance| balance.credits_vnd)
        );
    }
}

/// What the bank says to one of a city's processes, rightly signed, not sent yet.
pub fn bank_request(client: &Client, url: &str, transactions: &[Value]) -> RequestBuilder {
    let body = json!({ "transactions": transactions }).to_string();
    let time = Utc::now().timestamp().to_string();
    let parts = [time.as_bytes(), b".", body.as_bytes()];
    let hash = hex::encode(api::secret::hmac_sha256(WEBHOOK_KEY.as_bytes(), &parts));
    webhook_request(client, url, &format!("t={time},v1={hash}"), body)
}

fn webhook_request(client: &Client, url: &str, signature: &str, body: String) -> RequestBuilder {
    client
        .post(format!("{url}/api/v1/gateways/vietqr/webhook"))
        .header("content-type", "application/json")
        .header("clearbay-signature", signature)
        .body(body)
}

/// A payment that waits for its money.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its session's identity.
    pub session: String,
    /// The only key to it.
    pub token: String,
    /// Its identity.
    pub payment: String,
    /// What the driver's bank app reads.
    pub qr: String,
    /// The text that the transfer must carry.
    pub reference: String,
    /// What it costs.
    pub amount_vnd: i64,
}

impl Open {
    /// The bank's word that the right amount came just now.
    pub fn transfer(&self) -> Value {
        self.transfer_of(self.amount_vnd, Utc::now())
    }

    /// The bank's word that an amount came at a moment.
    pub fn transfer_of(&self, amount_vnd: i64, paid_at: DateTime<Utc>) -> Value {
        json!({
            "bank_ref": format!("FT{}", Uuid::new_v4().simple()),
            "description": format!("IBFT {} GD", self.reference),
            "amount_vnd": amount_vnd,
            "currency": "VND",
            "paid_at": paid_at.trunc_subsecs(6),
        })
    }
}

/// A time in the past that is not too long ago for anything.
pub fn some_time_ago() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6) - TimeDelta::hours(2)
}

/// The text of a JSON value.
///
/// # Panics
/// Where it is none.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}
