//! `live` with ten thousand who watch one `clearbay serve`: how soon a sensor's message is with each
//! of them, alone and at a city's peak, and how much memory one of them takes there.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::{DateTime, SubsecRound, Utc};
use domain::board::LotSummary;
use futures::{StreamExt, TryStreamExt, stream};
use rumqttc::{AsyncClient, QoS};
use tests::broker::Broker;
use tests::city;
use tests::sensors::told;
use tests::serving::Serving;
use tests::watching::{Line, Reader, raise_open_files};
use tokio::sync::mpsc;

use super::live::publisher;
use crate::{BAYS_PER_LOT, LOTS};

const SUBSCRIBERS: usize = 10_000;
/// How many connect at once.
const CONNECTING: usize = 128;
/// Each loopback address has a range of ports of its own.
const PER_ADDRESS: usize = 5_000;
/// Single changes, each told to all before the next.
const ROUNDS: usize = 20;
/// A city's peak.
const BUSY_PER_S: usize = 30;
const BUSY_S: usize = 10;
/// At the peak one in so many subscribers notes what it is told.
const SAMPLE: usize = 100;
const PATIENCE: Duration = Duration::from_secs(30);

/// What one of the sample was told.
type Notes = Arc<Mutex<Vec<Seen>>>;

/// A lot as a subscriber was told of it.
struct Seen {
    code: String,
    updated_at: DateTime<Utc>,
    at: Instant,
}

/// What was published.
struct Sent {
    code: String,
    at: DateTime<Utc>,
    then: Instant,
}

/// Measures and prints.
pub(crate) async fn run() -> anyhow::Result<()> {
    raise_open_files();
    let city = Serving::place(&city::small(LOTS, BAYS_PER_LOT), Broker::mosquitto()).await;
    let (client, poll) = publisher(&city)?;
    let mut sensors = Sensors { client, spoken: 0 };
    // What is made once is made before it is weighed.
    let mut first = Reader::connect(city.serve.address, "/api/v1/live", Line::LOCAL).await?;
    sensors.speak().await?;
    while first.next().await?.json()["updated_at"].is_null() {}
    drop(first);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = city.memory_kib("VmRSS").await;

    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let sample: Vec<Notes> = (0..SUBSCRIBERS / SAMPLE)
        .map(|_| Notes::default())
        .collect();
    let connected: Vec<Reader> = stream::iter(0..SUBSCRIBERS)
        .map(|index| connect(&city, index))
        .buffer_unordered(CONNECTING)
        .try_collect()
        .await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = city.memory_kib("VmRSS").await;
    let readers: Vec<_> = connected
        .into_iter()
        .enumerate()
        .map(|(index, reader)| {
            let notes = index
                .is_multiple_of(SAMPLE)
                .then(|| sample[index / SAMPLE].clone());
            tokio::spawn(follow(reader, arrived.clone(), notes))
        })
        .collect();
    drop(arrived);

    let (mut times, mut lasts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let sent = sensors.speak().await?;
        let mut reached = 0;
        let mut last = Duration::ZERO;
        while reached < SUBSCRIBERS {
            let next = tokio::time::timeout(PATIENCE, arrivals.recv()).await;
            let (updated_at, at): (DateTime<Utc>, Instant) = next
                .with_context(|| format!("a change reached {reached} of {SUBSCRIBERS}"))?
                .context("all connections ended")?;
            if updated_at == sent.at {
                reached += 1;
                last = at - sent.then;
                times.push(last);
            }
        }
        lasts.push(last);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    times.sort_unstable();
    lasts.sort_unstable();
    println!("live_10k_delta_p50_ms: {:.0}", share(&times, 50));
    println!("live_10k_delta_p99_ms: {:.0}", share(&times, 99));
    println!("live_10k_delta_last_ms: {:.0}", share(&lasts, 100));
    println!("live_10k_reached: {}", times.len() / ROUNDS);
    println!(
        "live_10k_bytes_per_subscriber: {}",
        after.saturating_sub(before) * 1024 / SUBSCRIBERS as u64
    );

    let mut sent = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / BUSY_PER_S as u32);
    for _ in 0..BUSY_PER_S * BUSY_S {
        ticks.tick().await;
        sent.push(sensors.speak().await?);
        while arrivals.try_recv().is_ok() {}
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    poll.abort();
    for reader in readers {
        anyhow::ensure!(!reader.is_finished(), "a subscriber lost its connection");
        reader.abort();
        let _ = reader.await;
    }
    let mut times = Vec::new();
    for notes in &sample {
        let seen = notes.lock().unwrap();
        for sent in &sent {
            let told = seen
                .iter()
                .find(|seen| seen.code == sent.code && seen.updated_at >= sent.at)
                .context("a subscriber missed a change")?;
            times.push(told.at - sent.then);
        }
    }
    times.sort_unstable();
    println!("live_10k_peak_p50_ms: {:.0}", share(&times, 50));
    println!("live_10k_peak_p99_ms: {:.0}", share(&times, 99));
    println!("live_10k_peak_events_per_s: {BUSY_PER_S}");
    Ok(())
}

/// The duration that so many in a hundred do not exceed, in milliseconds.
fn share(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1000.0
}

/// Connects a subscriber of all lots, and reads until it was told of each.
async fn connect(city: &Serving, index: usize) -> anyhow::Result<Reader> {
    let from = Ipv4Addr::new(127, 0, 0, 2 + (index / PER_ADDRESS) as u8);
    let line = Line {
        from,
        receive_buffer: None,
    };
    let connecting = async {
        let mut reader = Reader::connect(city.serve.address, "/api/v1/live", line).await?;
        anyhow::ensure!(reader.head.contains(" 200 "), "refused: {}", reader.head);
        for _ in 0..LOTS {
            reader.next().await?;
        }
        Ok(reader)
    };
    tokio::time::timeout(PATIENCE, connecting).await?
}

/// Reads until the connection ends, tells of each change, and notes it where it is one of the sample.
async fn follow(
    mut reader: Reader,
    arrived: mpsc::UnboundedSender<(DateTime<Utc>, Instant)>,
    notes: Option<Notes>,
) {
    while let Ok(told) = reader.next().await {
        let at = Instant::now();
        let Ok(lot) = serde_json::from_str::<LotSummary>(&told.data) else {
            continue;
        };
        let Some(updated_at) = lot.updated_at else {
            continue;
        };
        let _ = arrived.send((updated_at, at));
        if let Some(notes) = &notes {
            let code = lot.code;
            let seen = Seen {
                code,
                updated_at,
                at,
            };
            notes.lock().unwrap().push(seen);
        }
    }
}

/// Speaks as one bay after the other, lot by lot.
struct Sensors {
    client: AsyncClient,
    spoken: usize,
}

impl Sensors {
    async fn speak(&mut self) -> anyhow::Result<Sent> {
        let turn = self.spoken;
        self.spoken += 1;
        let (lot, bay) = (turn % LOTS, turn / LOTS % BAYS_PER_LOT);
        let at = Utc::now().trunc_subsecs(3);
        let told = told(&format!("lot-{lot}-{bay}-sensor"), at, turn as i64, true);
        let then = Instant::now();
        self.client
            .publish(told.topic, QoS::AtLeastOnce, false, told.payload)
            .await?;
        let code = format!("lot-{lot}");
        Ok(Sent { code, at, then })
    }
}
