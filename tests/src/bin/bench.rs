//! Figures of speed and of foresight, one `name: figure` a line. `cargo xtask bench` provides what
//! they need.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, Utc};
use rumqttc::{AsyncClient, MqttOptions, QoS};
use serde_json::Value;
use tests::broker::Broker;
use tests::city;
use tests::sensors::told;
use tests::serving::Serving;

#[path = "bench/forecast.rs"]
mod forecast;
#[path = "bench/ingest.rs"]
mod ingest;
#[path = "bench/pay.rs"]
mod pay;
#[path = "bench/pgbench.rs"]
mod pgbench;
#[path = "bench/tariff.rs"]
mod tariff;

const LOTS: usize = 40;
const BAYS_PER_LOT: usize = 50;
const NAMES: [&str; 5] = ["ingest", "live", "pay", "tariff", "forecast"];
/// Ten times a city's peak.
const LIVE_PER_S: usize = 300;
const LIVE_S: usize = 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|given| given == name);
    if let Some(unknown) = names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        anyhow::bail!(
            "there is no figure {unknown:?}; there are: {}",
            NAMES.join(", ")
        );
    }
    if wanted("ingest") {
        ingest::run().await?;
    }
    if wanted("live") {
        live().await?;
    }
    if wanted("pay") {
        pay::run().await?;
    }
    if wanted("tariff") {
        tariff::run()?;
    }
    if wanted("forecast") {
        forecast::run()?;
    }
    Ok(())
}

/// From a sensor's message to the event on a watching page: `clearbay ingest` and `clearbay serve`
/// in processes of their own, at ten times a city's peak.
async fn live() -> anyhow::Result<()> {
    let city = Serving::place(&city::small(LOTS, BAYS_PER_LOT), Broker::mosquitto()).await;
    let watching = city.get("/api/v1/live").send().await?;
    let sent: Waiting = Arc::default();
    let seen = tokio::spawn(watch(watching, sent.clone()));
    let mut options = MqttOptions::parse_url(format!("{}?client_id=bench", city.broker.url))?;
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 1_000);
    let poll = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let count = LIVE_PER_S * LIVE_S;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / LIVE_PER_S as u32);
    for index in 0..count {
        ticks.tick().await;
        let (lot, bay) = (index % LOTS, index / LOTS % BAYS_PER_LOT);
        let device = format!("lot-{lot}-{bay}-sensor");
        let at = Utc::now().trunc_subsecs(3);
        let told = told(
            &device,
            at,
            index as i64,
            (index / (LOTS * BAYS_PER_LOT)).is_multiple_of(2),
        );
        let entry = (at, Instant::now());
        sent.lock()
            .unwrap()
            .entry(format!("lot-{lot}"))
            .or_default()
            .push(entry);
        client
            .publish(told.topic, QoS::AtLeastOnce, false, told.payload)
            .await?;
    }
    let mut times = tokio::time::timeout(Duration::from_secs(30), seen).await??;
    poll.abort();
    anyhow::ensure!(
        times.len() == count,
        "only {} of {count} events were seen",
        times.len()
    );
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    println!("live_p50_ms: {:.1}", at(50));
    println!("live_p99_ms: {:.1}", at(99));
    println!("live_events_per_s: {LIVE_PER_S}");
    Ok(())
}

/// What was sent of each lot and has not been seen yet.
type Waiting = Arc<Mutex<HashMap<String, Vec<(DateTime<Utc>, Instant)>>>>;

/// Reads the stream until all was seen; an event of a lot tells of all that was sent up to its
/// time, for changes that follow closely are told together.
async fn watch(reply: reqwest::Response, waiting: Waiting) -> Vec<Duration> {
    let mut stream = reply.bytes_stream();
    let (mut text, mut times) = (String::new(), Vec::new());
    while times.len() < LIVE_PER_S * LIVE_S {
        let Some(Ok(part)) = futures::StreamExt::next(&mut stream).await else {
            break;
        };
        let now = Instant::now();
        text += &String::from_utf8_lossy(&part);
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            let data = block.lines().find_map(|line| line.strip_prefix("data: "));
            let Some(lot) = data.and_then(|data| serde_json::from_str::<Value>(data).ok()) else {
                continue;
            };
            let updated = lot["updated_at"]
                .as_str()
                .and_then(|at| at.parse::<DateTime<Utc>>().ok());
            let mut waiting = waiting.lock().unwrap();
            let (Some(updated), Some(sent)) = (
                updated,
                waiting.get_mut(lot["code"].as_str().unwrap_or_default()),
            ) else {
                continue;
            };
            times.extend(
                sent.extract_if(.., |(at, _)| *at <= updated)
                    .map(|(_, then)| now - then),
            );
        }
    }
    times
}
