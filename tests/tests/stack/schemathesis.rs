//! The API against its own OpenAPI document, by schemathesis, which asks all that the document lets it ask and what
//! it does not: whoever asks, no answer is our fault, and none is outside the document.

use std::fmt::Write;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use tests::broker::Broker;
use tests::sensors::told;
use tests::serving::{IMPORT_TOKEN, Open, Serving, text};
use tokio::process::Command;

/// In a lot of the operator [`OPERATOR`].
const BAY: &str = "CN-01-001";
const LOT: &str = "CN-01";
const OPERATOR: &str = "HNP";
/// A payment provider that does not answer.
const NOWHERE: &str = "http://127.0.0.1:9";
/// How many requests are made up for an operation, beside those that try each rule of its schema once. More by
/// `CLEARBAY_TEST_SCHEMATHESIS_EXAMPLES`.
const EXAMPLES: &str = "4";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";
/// Streams never end; and who has signed out is nobody any more.
const LEFT_OUT: &str = "^/api/v1/live|/logins/current$";
/// So much of what is wrong is shown.
const SHOWN: usize = 20_000;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    /// Whoever holds the tokens of a session and a wallet.
    Driver,
    Terminal,
    Staff,
    Administrator,
    City,
    CityAdministrator,
}

use Who::{Administrator, City, CityAdministrator, Driver, Nobody, Staff, Terminal};

const ALL: [Who; 7] = [
    Nobody,
    Driver,
    Terminal,
    Staff,
    Administrator,
    City,
    CityAdministrator,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_outside_the_document_whoever_asks() {
    let Ok(program) = std::env::var("CLEARBAY_TEST_SCHEMATHESIS") else {
        println!("skipped: there is no schemathesis here");
        return;
    };
    let world = World::new().await;
    let mut wrong = Vec::new();
    for (seed, who) in ALL.into_iter().enumerate() {
        if let Err(why) = world.asked_by(who, seed, &program).await {
            wrong.push(format!("{who:?}:\n{why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    world.city.assert_books_are_right().await;
}

/// Where every text message is taken and none is sent.
async fn messages_taken() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = || async { axum::Json(json!({"CodeResult": "100", "SMSID": "1"})) };
    let service = axum::Router::new().fallback(taken).into_make_service();
    tokio::spawn(async { axum::serve(listener, service).await });
    url
}

/// A city with something of each kind in it.
struct World {
    city: Serving,
    session: Open,
    receipt: String,
    dispute: String,
    wallet: (String, String),
    cookies: Vec<(Who, String)>,
}

impl World {
    async fn new() -> Self {
        let place = simulator::city::hanoi(80).unwrap();
        let env = [
            // Who asks for open data is to be answered, not told to wait.
            ("CLEARBAY_OPEN_REQUESTS_PER_S", "10000"),
            ("CLEARBAY_VNPAY_TMN_CODE", "CLEARBAY"),
            ("CLEARBAY_VNPAY_HASH_SECRET", "a-key-of-tests"),
            ("CLEARBAY_VNPAY_PAY_URL", NOWHERE),
            ("CLEARBAY_VNPAY_API_URL", NOWHERE),
            ("CLEARBAY_MOMO_PARTNER_CODE", "CLEARBAY"),
            ("CLEARBAY_MOMO_ACCESS_KEY", "a-key-of-tests"),
            ("CLEARBAY_MOMO_SECRET_KEY", "a-key-of-tests"),
            ("CLEARBAY_MOMO_URL", NOWHERE),
            ("CLEARBAY_ZALOPAY_APP_ID", "2553"),
            ("CLEARBAY_ZALOPAY_KEY1", "a-key-of-tests"),
            ("CLEARBAY_ZALOPAY_KEY2", "a-key-of-tests"),
            ("CLEARBAY_ZALOPAY_URL", NOWHERE),
            ("CLEARBAY_ESMS_API_KEY", "a-key-of-tests"),
            ("CLEARBAY_ESMS_SECRET_KEY", "a-key-of-tests"),
            ("CLEARBAY_ESMS_BRANDNAME", "Clearbay"),
        ];
        let mut env: Vec<_> = env.map(|(name, value)| (name, value.to_owned())).into();
        env.push(("CLEARBAY_ESMS_URL", messages_taken().await));
        let city = Serving::with(&place, Broker::rumqttd(), env, None).await;
        let sensor = place.lots[0].bays[0].device.as_ref().unwrap();
        let said = [(120, false), (90, true), (10, false)];
        let said = (1..).zip(said).map(|(seq, (minutes, occupied))| {
            let at = Utc::now() - TimeDelta::minutes(minutes);
            told(&sensor.id, at, seq, occupied)
        });
        city.sense(&said.collect::<Vec<_>>(), 3, "event").await;
        let session = city.paid_session(BAY, 60).await;
        let receipt = text(&city.payment(&session).await["receipt_id"]);
        let dispute = json!({"reason": "other", "text": "nobody parked there"});
        let disputes = format!("/api/v1/receipts/{receipt}/disputes");
        let dispute = created(&city, &disputes, &dispute).await;
        let wallet = created(&city, "/api/v1/wallets", &json!({})).await;
        let cookies = vec![
            (Staff, city.staff("own", Some(OPERATOR)).await),
            (
                Administrator,
                city.administrator("chief", Some(OPERATOR)).await,
            ),
            (City, city.staff("city", None).await),
            (CityAdministrator, city.administrator("mayor", None).await),
        ];
        Self {
            city,
            session,
            receipt,
            dispute: text(&dispute["id"]),
            wallet: (text(&wallet["id"]), text(&wallet["token"])),
            cookies,
        }
    }

    /// Has one of them ask; what is wrong with the answers.
    async fn asked_by(&self, who: Who, seed: usize, program: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("schemathesis.toml");
        std::fs::write(&settings, self.settings(who)).unwrap();
        let examples = std::env::var("CLEARBAY_TEST_SCHEMATHESIS_EXAMPLES");
        let examples = examples.unwrap_or_else(|_| EXAMPLES.to_owned());
        let done = Command::new(program)
            .current_dir(folder.path())
            .arg("--config-file")
            .arg(&settings)
            .args(["run", &format!("{}/api/openapi.json", self.city.url)])
            .args(["--checks", CHECKS, "--exclude-path-regex", LEFT_OUT])
            .args(["--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", &examples, "--seed", &seed.to_string()])
            // The same requests each time, whatever was found before.
            .arg("--generation-database=none")
            .args(["--continue-on-failure", "--no-shrink", "--no-color"])
            .args(["--warnings", "off", "--request-timeout", "30"])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        println!("{who:?}: {}", said.lines().last().unwrap_or_default());
        if done.status.success() {
            return Ok(());
        }
        let shown: String = said.chars().take(SHOWN).collect();
        Err(shown + &String::from_utf8_lossy(&done.stderr))
    }

    /// What schemathesis does not find in the document: what there is in this city, so that it comes further than
    /// that there is no such thing, and who asks.
    fn settings(&self, who: Who) -> String {
        let mut settings = String::from("[dictionaries]\n");
        let known = [
            ("session", self.session.session.as_str()),
            ("payment", &self.session.payment),
            ("receipt", &self.receipt),
            ("dispute", &self.dispute),
            ("wallet", &self.wallet.0),
            ("lot", LOT),
            ("bay", BAY),
            ("plate", "30A-123.45"),
            ("gateway", "vietqr"),
            ("provider", "momo"),
            ("class", "car"),
            ("ground", "disabled"),
        ];
        for (name, value) in known {
            writeln!(settings, "{name}.values = [\"{value}\"]").unwrap();
        }
        settings.push_str("[parameters]\n");
        for name in ["bay", "plate", "gateway", "class", "ground"] {
            settings.push_str(&often(&format!("body.{name}"), name));
        }
        settings.push_str(&often("query.lot", "lot"));
        let named = [
            ("/sessions/{", "id", "session"),
            ("/payments/{", "id", "payment"),
            ("/receipts/{", "id", "receipt"),
            ("/disputes/{", "id", "dispute"),
            ("/wallets/{", "id", "wallet"),
            ("/lots/{", "code", "lot"),
            ("/bays/{", "code", "bay"),
            ("/gateways/{", "gateway", "provider"),
        ];
        for (path, name, of) in named {
            settings += "[[operations]]\n";
            writeln!(
                settings,
                "include-path-regex = '{}'",
                path.replace('{', "[{]")
            )
            .unwrap();
            let token = match of {
                "wallet" => &self.wallet.1,
                _ => &self.session.token,
            };
            settings += &self.identity(who, token);
            settings += "[operations.parameters]\n";
            settings += &often(&format!("path.{name}"), of);
        }
        // The last, for all others: the first that fits counts. One that sets nothing is refused.
        let identity = self.identity(who, &self.session.token);
        if !identity.is_empty() {
            settings += "[[operations]]\ninclude-path-regex = '^/'\n";
            settings += &identity;
        }
        settings
    }

    /// The header by which somebody is known.
    fn identity(&self, who: Who, token: &str) -> String {
        let cookie = self.cookies.iter().find(|(of, _)| *of == who);
        let header = match (who, cookie) {
            (_, Some((_, cookie))) => format!("Cookie = \"{cookie}\""),
            (Driver, _) => format!("Authorization = \"Bearer {token}\""),
            (Terminal, _) => format!("Authorization = \"Bearer {IMPORT_TOKEN}\""),
            _ => return String::new(),
        };
        format!("headers = {{ {header} }}\n")
    }
}

/// A parameter that mostly is what there is, and now and then what is made up.
fn often(parameter: &str, of: &str) -> String {
    format!("\"{parameter}\" = {{ dictionary = \"{of}\", probability = 0.8 }}\n")
}

async fn created(city: &Serving, path: &str, body: &Value) -> Value {
    let reply = city.post(path, body).send().await.unwrap();
    assert_eq!(reply.status(), 201, "{path}");
    reply.json().await.unwrap()
}
