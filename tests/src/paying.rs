//! Drivers and a bank that do not give up: each says the same thing again until it is answered.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::Utc;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::run;
use crate::serving::{Serving, text};

/// How long anybody goes on asking.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much is put into a wallet at once, in đồng.
const TOP_UP_VND: i64 = 500_000;

impl Serving {
    /// Sends a request until there is an answer other than a failure on the server's side.
    ///
    /// # Panics
    /// Where nobody answers for two minutes.
    pub async fn until_answered(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> (StatusCode, String) {
        let started = Instant::now();
        let mut reply_within = self.reply_within;
        loop {
            if let Ok(reply) = request().timeout(reply_within).send().await {
                let status = reply.status();
                // A reply that breaks off is none.
                if let Ok(body) = reply.text().await
                    && !status.is_server_error()
                {
                    return (status, body);
                }
            }
            assert!(started.elapsed() < PATIENCE, "nobody answers");
            reply_within = (reply_within * 2).min(PATIENCE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a phone is answered that says a wish under one key until it is heard.
    ///
    /// # Panics
    /// Where nobody answers.
    pub async fn insist(
        &self,
        token: &str,
        path: &str,
        body: &Value,
        key: &str,
    ) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.url);
        let request = || {
            let request = self.client.post(&url).header("idempotency-key", key);
            request.bearer_auth(token).json(body)
        };
        let (status, body) = self.until_answered(request).await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// The outcome of a transfer of which the bank tells until it is believed.
    ///
    /// # Panics
    /// Where it never is.
    pub async fn bank_insists(&self, transfer: &Value) -> String {
        let request = || self.bank_request(std::slice::from_ref(transfer));
        let (status, body) = self.until_answered(request).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let reply: Value = serde_json::from_str(&body).unwrap();
        text(&reply["results"][0]["outcome"])
    }

    /// All that was parked was parked so many minutes earlier than it was.
    ///
    /// # Panics
    /// Where the database refuses.
    pub async fn time_passes(&self, minutes: u32) {
        let earlier = format!(
            "UPDATE purchase SET starts_at = starts_at - interval '{minutes} minutes',
                ends_at = ends_at - interval '{minutes} minutes' WHERE session_id IS NOT NULL;
             UPDATE session SET starts_at = starts_at - interval '{minutes} minutes',
                ends_at = ends_at - interval '{minutes} minutes'"
        );
        run(&self.database.pool, &earlier).await;
    }

    /// Ends a session on its driver's word; what goes back of it, in đồng.
    ///
    /// # Panics
    /// Where that is refused.
    pub async fn stop(&self, session: &str, token: &str) -> i64 {
        let path = format!("/api/v1/sessions/{session}/stop");
        let (status, stopped) = self.post_as(token, &path, &json!({})).await;
        assert_eq!(status, StatusCode::OK, "{stopped}");
        stopped["refunded_vnd"].as_i64().unwrap()
    }

    /// The bank's number of a transfer of what a payment asks for, once it has been acknowledged. The bank tells of it
    /// once more, in vain.
    ///
    /// # Panics
    /// Where the money does not pay for it.
    pub async fn pay_by_bank(&self, payment: &Value) -> String {
        let transfer = transfer_for(payment);
        self.bank_pays(&transfer).await;
        assert_eq!(self.bank_insists(&transfer).await, "repeated");
        text(&transfer["bank_ref"])
    }

    /// The same, of a bank that tells of it once.
    ///
    /// # Panics
    /// Where the money does not pay for it.
    pub async fn pay_by_bank_told_once(&self, payment: &Value) {
        self.bank_pays(&transfer_for(payment)).await;
    }

    async fn bank_pays(&self, transfer: &Value) {
        let outcome = self.bank_insists(transfer).await;
        // What was taken before a reply got lost is a repetition.
        assert!(
            ["posted", "repeated"].contains(&outcome.as_str()),
            "{outcome}"
        );
    }
}

/// A bank's transfer of what a payment asks for.
pub fn transfer_for(payment: &Value) -> Value {
    let bank_ref = format!("FT{}", Uuid::new_v4().simple());
    json!({"bank_ref": bank_ref, "description": payment["reference"],
        "amount_vnd": payment["amount_vnd"], "currency": "VND", "paid_at": Utc::now()})
}

/// A wallet that is filled up as soon as it covers too little.
pub struct Purse {
    /// Its identity.
    pub id: String,
    token: String,
    bank_refs: Mutex<Vec<String>>,
}

impl Purse {
    /// A new one.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn open(city: &Serving) -> Self {
        let key = Uuid::new_v4().to_string();
        let (status, wallet) = city.insist("", "/api/v1/wallets", &json!({}), &key).await;
        assert_eq!(status, StatusCode::CREATED, "{wallet}");
        Self {
            id: text(&wallet["id"]),
            token: text(&wallet["token"]),
            bank_refs: Mutex::default(),
        }
    }

    /// A new one with half a million in it.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn full(city: &Serving) -> Self {
        let purse = Self::open(city).await;
        purse.fill(city).await;
        purse
    }

    /// The bank's numbers of the acknowledged transfers that filled it, and their sum.
    ///
    /// # Panics
    /// Where filling it has failed.
    pub fn filled(&self) -> (Vec<String>, i64) {
        let bank_refs = self.bank_refs.lock().unwrap().clone();
        let sum = TOP_UP_VND * bank_refs.len() as i64;
        (bank_refs, sum)
    }

    /// What is in it, and what of that is reserved.
    ///
    /// # Panics
    /// Where that is refused.
    pub async fn look(&self, city: &Serving) -> (i64, i64) {
        let wallet = city
            .get_as(&self.token, &format!("/api/v1/wallets/{}", self.id))
            .await;
        let amount = |name: &str| wallet[name].as_i64().unwrap();
        (amount("balance_vnd"), amount("held_vnd"))
    }

    /// What a request carries that spends it.
    pub fn key(&self) -> Value {
        json!({"id": self.id, "token": self.token})
    }

    /// Begins to park by the minute, four hours at most; the session and its token.
    ///
    /// # Panics
    /// Where that is refused.
    pub async fn park_by_the_minute(
        &self,
        city: &Serving,
        bay: &str,
        plate: &str,
    ) -> (String, String) {
        let body = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 240, "metered": true,
            "wallet": self.key()});
        let (status, session) = city.post_as("", "/api/v1/sessions", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{session}");
        (text(&session["id"]), text(&session["token"]))
    }

    /// Fills it up by half a million.
    ///
    /// # Panics
    /// Where that is refused.
    pub async fn fill(&self, city: &Serving) {
        let path = format!("/api/v1/wallets/{}/top-ups", self.id);
        let body = json!({"amount_vnd": TOP_UP_VND, "gateway": "vietqr"});
        let key = Uuid::new_v4().to_string();
        let (status, payment) = city.insist(&self.token, &path, &body, &key).await;
        assert_eq!(status, StatusCode::CREATED, "{payment}");
        let bank_ref = city.pay_by_bank(&payment).await;
        self.bank_refs.lock().unwrap().push(bank_ref);
    }
}

/// How somebody parks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Asks how to pay, and never does.
    Unpaid,
    /// Pays by bank transfer, and stays.
    Bank,
    /// Pays by bank transfer, and leaves early.
    BankAndStop,
    /// Pays out of a wallet, and leaves early.
    WalletAndStop,
    /// Lets a wallet reserve the price, and pays when leaving.
    Metered,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unpaid,
        Self::Bank,
        Self::BankAndStop,
        Self::WalletAndStop,
        Self::Metered,
    ];
}

/// What somebody knows who has parked.
#[derive(Clone, Debug)]
pub struct Parked {
    /// How.
    pub way: Way,
    /// The session.
    pub session: Uuid,
    /// The wallet, where one paid.
    pub wallet: Option<String>,
    /// The bank's number of the transfer, once it has been acknowledged.
    pub bank_ref: Option<String>,
    /// What the reply to the early end says to have gone back, in đồng.
    pub refunded_vnd: i64,
}

/// Parks for an hour, whatever happens to the city meanwhile.
///
/// # Panics
/// Where anything is refused.
pub async fn park(city: &Serving, bay: &str, plate: &str, way: Way, purse: &Purse) -> Parked {
    let mut bank_ref = None;
    let mut body = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 60});
    if way == Way::Metered {
        body["metered"] = json!(true);
        body["wallet"] = purse.key();
    }
    let session = covered(city, purse, ("", "/api/v1/sessions"), &body).await;
    let (id, token) = (text(&session["id"]), text(&session["token"]));
    let path = format!("/api/v1/sessions/{id}");
    let pay = (token.as_str(), format!("{path}/payments"));
    let pay = (pay.0, pay.1.as_str());
    match way {
        Way::Unpaid | Way::Bank | Way::BankAndStop => {
            let body = json!({"gateway": "vietqr"});
            let payment = covered(city, purse, pay, &body).await;
            if way != Way::Unpaid {
                bank_ref = Some(city.pay_by_bank(&payment).await);
            }
        }
        Way::WalletAndStop => {
            let body = json!({"gateway": "wallet", "wallet": purse.key()});
            let payment = covered(city, purse, pay, &body).await;
            assert_eq!(payment["status"], "posted");
        }
        Way::Metered => assert_eq!(session["status"], "paid"),
    }
    let mut refunded_vnd = 0;
    if matches!(way, Way::BankAndStop | Way::WalletAndStop | Way::Metered) {
        let stop = format!("{path}/stop");
        let (status, ended) = city.insist(&token, &stop, &json!({}), "unused key").await;
        assert_eq!(status, StatusCode::OK, "{ended}");
        refunded_vnd = ended["refunded_vnd"].as_i64().unwrap();
    }
    let by_wallet = matches!(way, Way::WalletAndStop | Way::Metered);
    Parked {
        way,
        session: id.parse().unwrap(),
        wallet: by_wallet.then(|| purse.id.clone()),
        bank_ref,
        refunded_vnd,
    }
}

/// Buys a pass for a month, whatever happens to the city meanwhile; the bank's number of the
/// transfer.
///
/// # Panics
/// Where anything is refused.
pub async fn buy_pass(city: &Serving, bay: &str, plate: &str) -> String {
    let today = Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    let first = today.date_naive();
    let body = json!({"bay": bay, "plate": plate, "class": "car", "kind": "day", "first": first});
    let key = Uuid::new_v4().to_string();
    let (status, pass) = city.insist("", "/api/v1/passes", &body, &key).await;
    assert_eq!(status, StatusCode::CREATED, "{pass}");
    let path = format!("/api/v1/passes/{}/payments", text(&pass["id"]));
    let (token, body) = (text(&pass["token"]), json!({"gateway": "vietqr"}));
    let (status, payment) = city.insist(&token, &path, &body, &key).await;
    assert_eq!(status, StatusCode::CREATED, "{payment}");
    city.pay_by_bank(&payment).await
}

/// A wish that is granted, after filling the wallet where it covers too little.
async fn covered(
    city: &Serving,
    purse: &Purse,
    (token, path): (&str, &str),
    body: &Value,
) -> Value {
    let key = Uuid::new_v4().to_string();
    loop {
        let (status, reply) = city.insist(token, path, body, &key).await;
        if status == StatusCode::CREATED {
            return reply;
        }
        assert_eq!(
            reply["detail"], "there is not enough in the wallet",
            "{reply}"
        );
        purse.fill(city).await;
    }
}
