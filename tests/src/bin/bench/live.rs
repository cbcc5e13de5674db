//! `live`: from a sensor's message to the event on a watching page.

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
use tokio::task::JoinHandle;

use crate::{BAYS_PER_LOT, LOTS};

/// Ten times a city's peak.
const LIVE_PER_S: usize = 300;
const LIVE_S: usize = 20;

/// From a sensor's message to the event on a watching page: `clearbay ingest` and `clearbay serve`
/// in processes of their own, at ten times a city's peak.
pub(crate) async fn run() -> anyhow::Result<()> {
    let city = Serving::place(&city::small(LOTS, BAYS_PER_LOT), Broker::mosquitto()).await;
    let watching = city.get("/api/v1/live").send().await?;
    let sent: Waiting = Arc::default();
    let seen = tokio::spawn(watch(watching, sent.clone()));
    let (client, poll) = publisher(&city)?;
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

/// A connection to the city's broker, and what keeps it going.
pub(crate) fn publisher(city: &Serving) -> anyhow::Result<(AsyncClient, JoinHandle<()>)> {
    let mut options = MqttOptions::parse_url(format!("{}?client_id=bench", city.broker.url))?;
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = AsyncClient::new(options, 1_000);
    let poll = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    Ok((client, poll))
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
