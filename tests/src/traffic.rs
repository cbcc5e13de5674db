//! Drivers who pay, people who look and people who watch, all the time. Each asks once: whatever fails is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{SubsecRound, Utc};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::eventually;
use crate::serving::{bank_request, text};
use crate::watching::{Line, Reader};

/// How many drivers pay at once; each has the next bays of the lot.
const DRIVERS: usize = 2;
const BAYS_EACH: usize = 5;
/// How many look at pages at once.
const LOOKERS: usize = 2;
const PAUSE: Duration = Duration::from_millis(30);
/// After how long a page connects again that was told nothing else.
const AGAIN: Duration = Duration::from_secs(1);

/// What was asked, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// How many requests.
    pub requests: usize,
    /// Those without a success, in words.
    pub failed: Vec<String>,
    /// Payments of which the bank's word was taken, with their amounts in đồng.
    pub paid: Vec<(Uuid, i64)>,
}

/// Those who ask.
pub struct Traffic {
    asked: Arc<Mutex<Asked>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Traffic {
    /// Starts them at an address. They pay in the first bays of a lot, `LOT-0` and so on, of which no sensor should
    /// speak: who pays for a bay that looks empty is asked first.
    ///
    /// # Panics
    /// Where there can be no client.
    pub fn start(url: &str, lot: &str) -> Self {
        let client = simulator::http::local()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let asked = Arc::new(Mutex::new(Asked::default()));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let asker = Asker {
            client,
            url: url.to_owned(),
            lot: lot.to_owned(),
            asked: asked.clone(),
            stopped,
        };
        for driver in 0..DRIVERS {
            tasks.spawn(asker.clone().pays(driver));
        }
        for _ in 0..LOOKERS {
            tasks.spawn(asker.clone().looks());
        }
        Self { asked, stop, tasks }
    }

    /// What was asked so far.
    pub fn so_far(&self) -> Asked {
        lock(&self.asked).clone()
    }

    /// Waits until so many more have paid.
    ///
    /// # Panics
    /// Where they do not.
    pub async fn more_paid(&self, count: usize) {
        let paid = || lock(&self.asked).paid.len();
        let before = paid();
        eventually("drivers to pay", || async { paid() >= before + count }).await;
    }

    /// Lets them finish what they are at, and tells what was asked.
    ///
    /// # Panics
    /// Where one of them has.
    pub async fn stop(mut self) -> Asked {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.so_far()
    }
}

#[derive(Clone)]
struct Asker {
    client: Client,
    url: String,
    lot: String,
    asked: Arc<Mutex<Asked>>,
    stopped: watch::Receiver<bool>,
}

impl Asker {
    /// The JSON of an answer that is a success; anything else is noted.
    async fn ask(&self, what: &str, request: RequestBuilder) -> Option<Value> {
        let asking = async {
            let reply = request.send().await?;
            Ok::<_, reqwest::Error>((reply.status(), reply.text().await?))
        };
        let reply = asking.await;
        let mut asked = lock(&self.asked);
        asked.requests += 1;
        match reply {
            Ok((status, body)) if status.is_success() => {
                Some(serde_json::from_str(&body).unwrap_or_default())
            }
            Ok((status, body)) => {
                asked.failed.push(format!("{what}: {status}: {body}"));
                None
            }
            Err(error) => {
                asked.failed.push(format!("{what}: {error:?}"));
                None
            }
        }
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        request.header("idempotency-key", Uuid::new_v4().to_string())
    }

    async fn pays(self, driver: usize) {
        let mut vehicle = 0;
        while !*self.stopped.borrow() {
            let bay = driver * BAYS_EACH + vehicle % BAYS_EACH;
            // Each vehicle once: what one pays twice for the same time goes back to it.
            let plate = format!("3{driver}A{vehicle:05}");
            let _ = self.pay(&format!("{}-{bay}", self.lot), &plate).await;
            vehicle += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A session that is paid for, as far as every request of it succeeds.
    async fn pay(&self, bay: &str, plate: &str) -> Option<()> {
        let body = json!({"bay": bay, "plate": plate, "class": "car", "minutes": 60});
        let open = self.post("/api/v1/sessions", &body);
        let session = self.ask("opening a session", open).await?;
        let token = text(&session["token"]);
        let path = format!("/api/v1/sessions/{}/payments", text(&session["id"]));
        let request = self.post(&path, &json!({"gateway": "vietqr"}));
        let request = request.bearer_auth(&token);
        let payment = self.ask("asking for the money", request).await?;
        let amount_vnd = payment["amount_vnd"].as_i64().unwrap();
        let transfer = json!({
            "bank_ref": format!("FT{}", Uuid::new_v4().simple()),
            "description": format!("IBFT {} GD", text(&payment["reference"])),
            "amount_vnd": amount_vnd,
            "currency": "VND",
            "paid_at": Utc::now().trunc_subsecs(6),
        });
        let told = bank_request(&self.client, &self.url, &[transfer]);
        let told = self.ask("telling of a transfer", told).await?;
        let outcome = &told["results"][0]["outcome"];
        let mut asked = lock(&self.asked);
        // A proxy that got no answer asks another process, which has it by then.
        if outcome == "posted" || outcome == "repeated" {
            let id = text(&payment["id"]).parse().unwrap();
            asked.paid.push((id, amount_vnd));
        } else {
            asked
                .failed
                .push(format!("a transfer is not taken: {told}"));
        }
        Some(())
    }

    async fn looks(self) {
        let bay = format!("/b/{}-0", self.lot);
        for path in ["/", "/api/v1/lots", bay.as_str()].iter().cycle() {
            if *self.stopped.borrow() {
                return;
            }
            let request = self.client.get(format!("{}{path}", self.url));
            let _ = self.ask(path, request).await;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What those who watch have been through.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Streams that ended in good order, with the wish to come again.
    pub orderly: usize,
    /// Streams that broke off, or were none.
    pub broken: Vec<String>,
    /// Of each who watches, how many events they were told.
    pub events: Vec<usize>,
    /// Of each, how many vehicles the lots have that they were told of.
    occupied: Vec<HashMap<String, u64>>,
}

/// People who watch the live board of a city, and connect again where their stream ends, as browsers do.
pub struct Watchers {
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Watchers {
    /// So many at an address. They watch until this value ends.
    pub fn start(address: SocketAddr, path: &'static str, count: usize) -> Self {
        let seen = Arc::new(Mutex::new(Seen {
            events: vec![0; count],
            occupied: vec![HashMap::new(); count],
            ..Seen::default()
        }));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            tasks.spawn(watch(address, path, number, seen.clone()));
        }
        Self {
            seen,
            _tasks: tasks,
        }
    }

    /// What they have been through so far.
    pub fn so_far(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Waits until each was told so many more events.
    ///
    /// # Panics
    /// Where one is not.
    pub async fn more_told(&self, count: usize) {
        self.told_since(&self.so_far().events, count).await;
    }

    /// Waits until each was told so many more events than [`Seen::events`] were before.
    ///
    /// # Panics
    /// Where one is not.
    pub async fn told_since(&self, before: &[usize], count: usize) {
        eventually("all who watch to be told", || async {
            let now = self.so_far().events;
            now.iter()
                .zip(before)
                .all(|(now, before)| *now >= before + count)
        })
        .await;
    }

    /// Waits until each knows how many vehicles a lot has.
    ///
    /// # Panics
    /// Where one does not learn it.
    pub async fn know(&self, lot: &str, occupied: u64) {
        eventually("all who watch to know", || async {
            let seen = self.so_far();
            seen.occupied
                .iter()
                .all(|lots| lots.get(lot) == Some(&occupied))
        })
        .await;
    }
}

async fn watch(address: SocketAddr, path: &'static str, number: usize, seen: Arc<Mutex<Seen>>) {
    loop {
        let again = match Reader::connect(address, path, Line::LOCAL).await {
            Err(error) => {
                lock(&seen).broken.push(format!("no stream: {error}"));
                AGAIN
            }
            Ok(reader) if !reader.head.starts_with("HTTP/1.1 200") => {
                lock(&seen).broken.push(reader.head);
                AGAIN
            }
            Ok(mut reader) => {
                let error = loop {
                    match reader.next().await {
                        Ok(told) => {
                            let lot = told.json();
                            let (code, occupied) = (lot["code"].as_str(), lot["occupied"].as_u64());
                            let mut seen = lock(&seen);
                            seen.events[number] += 1;
                            if let (Some(code), Some(occupied)) = (code, occupied) {
                                seen.occupied[number].insert(code.to_owned(), occupied);
                            }
                        }
                        Err(error) => break error,
                    }
                };
                let again = reader.retry_ms.map(Duration::from_millis);
                match again {
                    Some(_) if reader.is_over => lock(&seen).orderly += 1,
                    _ => lock(&seen).broken.push(format!("it broke off: {error}")),
                }
                again.unwrap_or(AGAIN)
            }
        };
        tokio::time::sleep(again).await;
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap()
}
