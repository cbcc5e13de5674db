//! Providers as a city meets them: VNPAY, MoMo, ZaloPay, a bank that pays out, and eSMS, which
//! delivers messages to phones.
//!
//! Each speaks its published protocol from the provider's side, with signatures of its own making:
//! nothing here is shared with the connectors, so that each checks the other. They keep orders in
//! memory, show a driver a page to pay or to give up, tell the city until it hears, and misbehave
//! as they are told to.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, Mac};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::http;

mod bank;
mod esms;
mod momo;
mod vnpay;
mod zalopay;

/// How many orders are remembered; beyond, new ones are refused.
const ORDERS_MAX: usize = 100_000;
/// How often a word is told before the provider gives up.
const TELL_MAX: u32 = 8;
const LATE: Duration = Duration::from_secs(3);
/// Longer than any city waits.
const SILENCE: Duration = Duration::from_secs(12);

/// The keys that providers share with the city, by the names of its environment.
#[derive(Clone, Default)]
pub struct Keys {
    vnpay_hash_secret: String,
    momo_access_key: String,
    momo_secret_key: String,
    zalopay_key1: String,
    zalopay_key2: String,
    bank: String,
    esms_api_key: String,
    esms_secret_key: String,
}

impl Keys {
    /// Those that `env` has.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Self {
        let env = |name: &str| env(name).unwrap_or_default();
        Self {
            vnpay_hash_secret: env("CLEARBAY_VNPAY_HASH_SECRET"),
            momo_access_key: env("CLEARBAY_MOMO_ACCESS_KEY"),
            momo_secret_key: env("CLEARBAY_MOMO_SECRET_KEY"),
            zalopay_key1: env("CLEARBAY_ZALOPAY_KEY1"),
            zalopay_key2: env("CLEARBAY_ZALOPAY_KEY2"),
            bank: env("CLEARBAY_WEBHOOK_KEY"),
            esms_api_key: env("CLEARBAY_ESMS_API_KEY"),
            esms_secret_key: env("CLEARBAY_ESMS_SECRET_KEY"),
        }
    }
}

/// How often a provider misbehaves, each in hundredths of a percent of the occasions.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Tells of a payment seconds late.
    pub late: u32,
    /// Tells of it twice.
    pub repeat: u32,
    /// Tells first, and rightly signed, that the payment failed, then that it came.
    pub reorder: u32,
    /// Tells another amount, rightly signed.
    pub wrong_amount: u32,
    /// Signs wrongly, then tells again rightly.
    pub wrong_signature: u32,
    /// Never tells.
    pub lose_webhook: u32,
    /// Answers a call with 500, before doing anything.
    pub answer_500: u32,
    /// Does what a call asks, and never answers.
    pub timeout: u32,
}

/// Which provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Provider {
    Vnpay,
    Momo,
    Zalopay,
}

impl Provider {
    const fn code(self) -> &'static str {
        match self {
            Self::Vnpay => "vnpay",
            Self::Momo => "momo",
            Self::Zalopay => "zalopay",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        [Self::Vnpay, Self::Momo, Self::Zalopay]
            .into_iter()
            .find(|provider| provider.code() == code)
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Paid,
    Failed,
}

/// An order of the city's.
#[derive(Clone, Debug)]
struct Order {
    provider: Provider,
    /// The city's name at the provider.
    merchant: String,
    /// Its name at the provider.
    name: String,
    amount: i64,
    info: String,
    notify_url: String,
    return_url: String,
    state: Standing,
    /// The provider's number of the transaction.
    number: i64,
    paid_at: chrono::DateTime<chrono::Utc>,
    /// What went back, by the refund's name.
    refunds: HashMap<String, i64>,
}

/// A word to the city: how it is sent, and whether the reply says that it was heard.
struct Word {
    request: reqwest::RequestBuilder,
    heard: fn(StatusCode, &[u8]) -> bool,
}

struct Inner {
    keys: Keys,
    city: String,
    own: String,
    client: reqwest::Client,
    orders: Mutex<HashMap<(Provider, String), Order>>,
    payouts: Mutex<HashMap<String, String>>,
    messages: Mutex<VecDeque<esms::Message>>,
    faults: Mutex<Faults>,
    random: Mutex<StdRng>,
}

/// The providers of one city. Cheap to clone.
#[derive(Clone)]
pub struct Providers(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Providers {
    /// Providers that share `keys` with the city at `city_url` and are reached at `own_url`.
    ///
    /// # Errors
    /// Where a client cannot be made.
    pub fn new(keys: Keys, city_url: &str, own_url: &str, seed: u64) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(Inner {
            keys,
            city: city_url.trim_end_matches('/').to_owned(),
            own: own_url.trim_end_matches('/').to_owned(),
            client: http::local().timeout(Duration::from_secs(15)).build()?,
            orders: Mutex::default(),
            payouts: Mutex::default(),
            messages: Mutex::default(),
            faults: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
        })))
    }

    /// Misbehaves so from now on.
    pub fn misbehave(&self, faults: Faults) {
        *lock(&self.0.faults) = faults;
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        mut shutdown: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let router = Router::new()
            .merge(vnpay::routes())
            .merge(momo::routes())
            .merge(zalopay::routes())
            .merge(bank::routes())
            .merge(esms::routes())
            .route("/checkout/{provider}/{name}", get(checkout))
            .route("/checkout/{provider}/{name}/{decision}", post(decide))
            .route("/faults", post(set_faults))
            .with_state(self);
        axum::serve(listener, router)
            .with_graceful_shutdown(async move {
                let _ = shutdown.wait_for(|stop| *stop).await;
            })
            .await?;
        Ok(())
    }

    fn happens(&self, share: fn(&Faults) -> u32) -> bool {
        let share = share(&lock(&self.0.faults));
        share > 0 && lock(&self.0.random).random_range(0..10_000) < share
    }

    /// Takes a new order; `false` where one of that name is there, or there are too many.
    fn take(&self, order: Order) -> bool {
        let mut orders = lock(&self.0.orders);
        let key = (order.provider, order.name.clone());
        if orders.contains_key(&key) || orders.len() >= ORDERS_MAX {
            return false;
        }
        orders.insert(key, order);
        true
    }

    fn order(&self, provider: Provider, name: &str) -> Option<Order> {
        lock(&self.0.orders)
            .get(&(provider, name.to_owned()))
            .cloned()
    }

    fn change<T>(
        &self,
        provider: Provider,
        name: &str,
        change: impl FnOnce(&mut Order) -> T,
    ) -> Option<T> {
        lock(&self.0.orders)
            .get_mut(&(provider, name.to_owned()))
            .map(change)
    }

    /// Gives back some of an order's money, once per name of the refund; `None` where it cannot.
    fn give_back(&self, provider: Provider, number: i64, name: &str, amount: i64) -> Option<()> {
        let mut orders = lock(&self.0.orders);
        let order = orders.values_mut().find(|order| {
            order.provider == provider && order.number == number && order.state == Standing::Paid
        })?;
        if order.refunds.contains_key(name) {
            return Some(());
        }
        let gone: i64 = order.refunds.values().sum();
        if amount <= 0 || gone + amount > order.amount {
            return None;
        }
        order.refunds.insert(name.to_owned(), amount);
        Some(())
    }

    fn new_order(&self, provider: Provider, name: &str, amount: i64) -> Order {
        let number = lock(&self.0.random).random_range(1_000_000_000..9_000_000_000_i64);
        Order {
            provider,
            merchant: String::new(),
            name: name.to_owned(),
            amount,
            info: String::new(),
            notify_url: String::new(),
            return_url: String::new(),
            state: Standing::Open,
            number,
            paid_at: chrono::Utc::now(),
            refunds: HashMap::new(),
        }
    }

    /// What a call is answered with: as `work` does, or with a fault.
    async fn answer(&self, work: impl FnOnce() -> Response) -> Response {
        if self.happens(|faults| faults.answer_500) {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let response = work();
        if self.happens(|faults| faults.timeout) {
            tokio::time::sleep(SILENCE).await;
        }
        response
    }

    /// The order paid or given up by the driver; tells the city in the background.
    fn decided(&self, provider: Provider, name: &str, paid: bool) -> Option<Order> {
        let (order, first) = self.change(provider, name, |order| {
            let first = order.state == Standing::Open;
            if first {
                order.state = if paid {
                    Standing::Paid
                } else {
                    Standing::Failed
                };
                order.paid_at = chrono::Utc::now();
            }
            (order.clone(), first)
        })?;
        if first {
            let (own, told) = (self.clone(), order.clone());
            tokio::spawn(async move { own.tell(told).await });
        }
        Some(order)
    }

    /// The word of an order; with another amount, or a wrong signature, where that is asked for.
    fn word(&self, order: &Order, paid: bool, amount: i64, right: bool) -> Option<Word> {
        match order.provider {
            Provider::Vnpay => Some(self.vnpay_word(order, paid, amount, right)),
            Provider::Momo => Some(self.momo_word(order, paid, amount, right)),
            // ZaloPay tells of success only.
            Provider::Zalopay => paid.then(|| self.zalopay_word(order, amount, right)),
        }
    }

    async fn tell(&self, order: Order) {
        let paid = order.state == Standing::Paid;
        if self.happens(|faults| faults.lose_webhook) {
            return;
        }
        if self.happens(|faults| faults.late) {
            tokio::time::sleep(LATE).await;
        }
        if paid && self.happens(|faults| faults.reorder) {
            self.say(self.word(&order, false, order.amount, true)).await;
        }
        if self.happens(|faults| faults.wrong_signature) {
            self.say(self.word(&order, paid, order.amount, false)).await;
        }
        let amount = match self.happens(|faults| faults.wrong_amount) {
            true => (order.amount - 1_000).max(500),
            false => order.amount,
        };
        let times = 1 + u32::from(self.happens(|faults| faults.repeat));
        for _ in 0..times {
            for attempt in 0..TELL_MAX {
                if self.say(self.word(&order, paid, amount, true)).await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200 << attempt)).await;
            }
        }
    }

    async fn say(&self, word: Option<Word>) -> bool {
        let Some(word) = word else { return true };
        let Ok(reply) = word.request.send().await else {
            return false;
        };
        let status = reply.status();
        let body = reply.bytes().await.unwrap_or_default();
        (word.heard)(status, &body)
    }
}

async fn set_faults(State(own): State<Providers>, Json(faults): Json<Faults>) -> StatusCode {
    own.misbehave(faults);
    StatusCode::NO_CONTENT
}

/// The page to which a driver is sent.
async fn checkout(
    State(own): State<Providers>,
    Path((provider, name)): Path<(String, String)>,
) -> Response {
    let order = Provider::from_code(&provider).and_then(|provider| own.order(provider, &name));
    match order {
        Some(order) => page(&order).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn page(order: &Order) -> Html<String> {
    let Order { name, amount, .. } = order;
    let provider = order.provider.code();
    let safe: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    Html(format!(
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>{provider}</title><style>body{{font:18px system-ui;max-width:26em;margin:3em auto;\
         padding:0 1em}}button{{font:inherit;width:100%;padding:.8em;margin:.4em 0}}</style>\
         <h1>{provider} (simulated)</h1><p>{amount} VND · {safe}</p>\
         <form method=post action='/checkout/{provider}/{safe}/pay'><button>Pay</button></form>\
         <form method=post action='/checkout/{provider}/{safe}/cancel'><button>Cancel</button></form>"
    ))
}

/// The driver's decision; back to the city's page.
async fn decide(
    State(own): State<Providers>,
    Path((provider, name, decision)): Path<(String, String, String)>,
) -> Response {
    let order = Provider::from_code(&provider)
        .and_then(|provider| own.decided(provider, &name, decision == "pay"));
    match order {
        Some(order) => Redirect::to(&order.return_url).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// HMAC-SHA256 as lower-case hex.
fn sha256_hex(key: &str, text: &str) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A signature that is right, or one that is not.
fn signed(signature: String, right: bool) -> String {
    if right {
        signature
    } else {
        signature.chars().rev().collect()
    }
}
