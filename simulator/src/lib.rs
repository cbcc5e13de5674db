//! A synthetic city, its drivers and their bank, seen from outside: MQTT and HTTP only.
//!
//! Everything is planned from a seed (`plan`), turned into acts at moments (`act`), and carried
//! out: what lies in the past in bulk (`history`), what comes when its moment comes (`live`).

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

pub mod act;
pub mod bank;
pub mod city;
pub mod driver;
pub mod history;
pub mod http;
mod live;
pub mod mqtt;
pub mod plan;
pub mod replay;
pub mod sensor;

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
    /// Where to remember how far the city has been played.
    pub state_file: PathBuf,
}

/// Plays the city until told to stop.
///
/// # Errors
/// Where the API or the broker refuses.
pub async fn run(options: Options, mut shutdown: watch::Receiver<bool>) -> anyhow::Result<()> {
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
    let api = http::Api::new(&options.api_url)?.with_import_token(&options.import_token);
    while !api.is_ready().await {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let bank = bank::Bank::new(api.clone(), options.webhook_secret.clone());
    let place = city::hanoi(options.bays)?;
    live::City {
        options,
        place,
        api,
        bank,
    }
    .play()
    .await
}
