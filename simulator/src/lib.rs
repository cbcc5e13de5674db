//! A synthetic city, its drivers and their bank, seen from outside: MQTT and HTTP only.
//!
//! `plan` decides from a seed which vehicle stands where and when; `timeline` what the sensors say
//! of it; `purchase` what the drivers buy; `scene` puts the three together for a part of time. What
//! lies in the past is sent in bulk (`history`), what is to come when its moment comes (`live`).
//! `replay` sends recorded occupancy instead of planned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub mod acknowledged;
pub mod bank;
pub mod city;
pub mod driver;
pub mod history;
pub mod http;
mod live;
pub mod mqtt;
pub mod plan;
pub mod providers;
pub mod purchase;
pub mod replay;
pub mod scene;
pub mod sensor;
pub mod state;
pub mod timeline;

/// How long the API may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// Whom to play, and against whom.
#[derive(Clone)]
pub struct Options {
    /// Where the API is.
    pub api_url: String,
    /// Where the broker is.
    pub mqtt_url: String,
    /// The token that terminals share with the API.
    pub import_token: String,
    /// The key that the bank shares with the API.
    pub webhook_secret: String,
    /// How many bays the city has.
    pub bays: u32,
    /// Another seed is another week.
    pub seed: u64,
    /// How many days of the past to send first.
    pub history_days: u32,
    /// Where the simulated payment providers listen, if they do.
    pub providers_listen: Option<std::net::SocketAddr>,
    /// The keys that they share with the API.
    pub provider_keys: providers::Keys,
    /// Where to remember how far the city has been played.
    pub state_file: PathBuf,
    /// Where to write down what the live city was promised, if anywhere.
    pub acknowledged: acknowledged::Acknowledged,
}

/// Plays the city until told to stop.
///
/// # Errors
/// Where the API or the broker refuses.
pub async fn run(options: Options, mut shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
    if let Some(address) = options.providers_listen {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let own = format!("http://{}", listener.local_addr()?);
        let keys = options.provider_keys.clone();
        let providers = providers::Providers::new(keys, &options.api_url, &own, options.seed)?;
        tokio::spawn(providers.serve(listener, shutdown.clone()));
    }
    let mut stop = shutdown.clone();
    tokio::select! {
        _ = shutdown.wait_for(|stop| *stop) => Ok(()),
        done = play(&options) => {
            // Ended by an error or not at all; a stop at the same moment is no error.
            if *stop.borrow_and_update() { Ok(()) } else { done }
        }
    }
}

async fn play(options: &Options) -> anyhow::Result<()> {
    let place = city::hanoi(options.bays)?;
    let scene = Arc::new(scene::Scene::new(options.seed, &place));
    let state = state::StateFile::new(&options.state_file, options.seed, options.bays);
    let sent_until = state.sent_until()?;
    let api = http::Api::new(&options.api_url)?;
    ready(&api, &options.api_url).await?;
    let bank = bank::Bank::new(api.clone(), &options.webhook_secret);
    let terminal = purchase::Terminal::new(api.clone(), &options.import_token, bank.clone());
    let mut publisher = mqtt::Publisher::connect(&options.mqtt_url).await?;

    let now = live::now();
    let begins = history::begins(now, options.history_days);
    let from = sent_until.map_or(begins, |until| (until - live::OVERLAP).clamp(begins, now));
    let past = history::History {
        scene: scene.clone(),
        api: &api,
        terminal: &terminal,
        now,
        // What was bought after it was remembered last is not known; to buy it again is worse than
        // to leave it out.
        sold_until: sent_until.map(|until| until + live::REMEMBER_EVERY),
    };
    let state = past.send(from, &mut publisher).await?.then_some(state);
    if let Some(state) = &state {
        state.save(now)?;
    }
    println!("The city is live.");
    live::Live {
        scene,
        api,
        bank: bank.recorded(options.acknowledged.clone()),
        terminal,
        state,
        acknowledged: options.acknowledged.clone(),
    }
    .play(now, &mut publisher)
    .await
}

async fn ready(api: &http::Api, url: &str) -> anyhow::Result<()> {
    let wait = async {
        while !api.is_ready().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let waited = tokio::time::timeout(READY_WITHIN, wait).await;
    waited.map_err(|_| anyhow::anyhow!("the API at {url} did not become ready within five minutes"))
}
