//! A cluster: how fast one, two and four ingest processes work off what waits in its shards, and what an event
//! costs; then each part killed again and again under load.
//!
//! `CLEARBAY_FAULTS_PERCENT` makes the kills fewer, as for `faults`.

use std::time::{Duration, Instant};

use anyhow::Context;
use tests::faults::{ClusterRig, cluster_runs, serving_runs, waiting};
use tests::rabbit;

/// How many messages wait in the shards.
const EVENTS: usize = 40_000;
const WORKERS: [usize; 3] = [1, 2, 4];
/// Events a second while parts are killed: ten times a city's peak.
const RATE: usize = 300;
/// Drivers who pay at once.
const DRIVERS: usize = 8;
/// A TCP segment's own bytes.
const SEGMENT: usize = 40;

/// Measures and prints.
pub async fn run() -> anyhow::Result<()> {
    let root = rabbit::unpacked().context("this needs RabbitMQ")?;
    let mut drains = Vec::new();
    for workers in WORKERS {
        drains.push((workers, drain(root.clone(), workers).await));
    }
    let of_one = drains[0].1.per_s;
    for (workers, drain) in &drains[1..] {
        println!(
            "cluster_{workers}_workers_vs_one: {:.2}",
            drain.per_s / of_one
        );
    }
    for (workers, drain) in &drains {
        println!("cluster_events_per_s_{workers}: {:.0}", drain.per_s);
    }
    let (_, one) = &drains[0];
    println!("cluster_accepted_per_s: {:.0}", one.accepted_per_s);
    println!("cluster_cpu_us_per_event_broker: {:.1}", one.broker_us);
    println!("cluster_cpu_us_per_event_ingest: {:.1}", one.ingest_us);
    println!("cluster_wire_bytes_per_event: {:.0}", one.wire_bytes);
    println!("cluster_disk_bytes_per_event: {:.0}", one.disk_bytes);
    println!("cluster_wal_bytes_per_event: {:.0}", one.wal_bytes);
    let percent: usize = match std::env::var("CLEARBAY_FAULTS_PERCENT") {
        Ok(told) => told.parse().context("CLEARBAY_FAULTS_PERCENT")?,
        Err(_) => 100,
    };
    let times = (20 * percent).div_ceil(100).max(1);
    let mut broken = Vec::new();
    for outcome in [
        cluster_runs::kill_worker(root.clone(), times, RATE).await,
        cluster_runs::kill_node(root, times, RATE).await,
    ] {
        println!("{outcome}");
        if !outcome.audit.is_consistent() || outcome.audit.lost > 0 {
            broken.push(outcome.name);
        }
    }
    let haproxy = tests::proxy::provided().context("this needs HAProxy")?;
    let paid = serving_runs::kill_serve(haproxy, times, DRIVERS).await;
    println!("{paid}");
    if paid.lost + paid.duplicates > 0 {
        broken.push("kill_serve");
    }
    anyhow::ensure!(
        broken.is_empty(),
        "something was lost or is wrong: {broken:?}"
    );
    Ok(())
}

struct Drain {
    per_s: f64,
    accepted_per_s: f64,
    broker_us: f64,
    ingest_us: f64,
    wire_bytes: f64,
    disk_bytes: f64,
    wal_bytes: f64,
}

/// Lets messages wait, then so many processes work them off.
async fn drain(root: std::path::PathBuf, workers: usize) -> Drain {
    let mut rig = ClusterRig::idle(root, 3, workers).await;
    let messages = waiting(EVENTS);
    let wire: usize = messages
        .iter()
        // Fixed header, topic's length, packet's number; the acknowledgement; each in a segment of its own.
        .map(|told| 7 + told.topic.len() + told.payload.len() + 4 + 2 * SEGMENT)
        .sum();
    let before = rig.broker_cpu();
    let started = Instant::now();
    rig.publish(messages).await;
    let accepted_per_s = EVENTS as f64 / started.elapsed().as_secs_f64();
    let (size, wal) = (rig.database.bytes().await, rig.database.wal_bytes().await);
    (0..workers).for_each(|worker| rig.worker_start(worker));
    let first = EVENTS / 20;
    let begun = rig.kept(first).await;
    let ended = rig.kept(EVENTS).await;
    let per_s = (EVENTS - first) as f64 / (ended - begun).as_secs_f64();
    let us = |time: Duration| time.as_secs_f64() * 1e6 / EVENTS as f64;
    Drain {
        per_s,
        accepted_per_s,
        broker_us: us(rig.broker_cpu() - before),
        ingest_us: us(rig.workers_cpu()),
        wire_bytes: wire as f64 / EVENTS as f64,
        disk_bytes: (rig.database.bytes().await - size) as f64 / EVENTS as f64,
        wal_bytes: (rig.database.wal_bytes().await - wal) as f64 / EVENTS as f64,
    }
}
