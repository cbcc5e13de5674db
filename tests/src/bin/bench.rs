//! Figures of speed, one `name: figure` a line. `cargo xtask bench` provides what it needs.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tests::broker::Broker;
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::ingesting::Ingesting;
use tests::sensors::{Told, publish, told};

const LOTS: usize = 40;
const BAYS_PER_LOT: usize = 50;
const EVENTS_PER_BAY: i64 = 100;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|given| given == name);
    if wanted("ingest") {
        ingest().await?;
    }
    Ok(())
}

/// Durable events per second while a backlog that waits at the broker is drained, against COPY of
/// the same rows into the same kind of table.
async fn ingest() -> anyhow::Result<()> {
    let database = TestDatabase::create().await;
    database
        .store
        .place_import(&city::small(LOTS, BAYS_PER_LOT))
        .await?;
    let broker = Broker::mosquitto();
    // A session exists from the first subscription on.
    let ingest = Ingesting::start(&database.store, &broker.url);
    let stranger = told("nobody", past(), 0, false);
    while database.count("refused_message").await == 0 {
        publish(&broker.url, vec![stranger.clone()]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ingest.stop().await;
    publish(&broker.url, backlog()).await;

    let started = Instant::now();
    let ingest = Ingesting::start(&database.store, &broker.url);
    // Cheaper to watch than the events: each bay's counter runs to the same end.
    loop {
        let behind: bool =
            sqlx::query_scalar("SELECT count(*) FILTER (WHERE last_seq = $1) < $2 FROM bay_state")
                .bind(EVENTS_PER_BAY)
                .bind((LOTS * BAYS_PER_LOT) as i64)
                .fetch_one(&database.pool)
                .await?;
        if !behind {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ingesting = started.elapsed();
    ingest.stop().await;

    let events = database.count("event").await;
    anyhow::ensure!(
        events == (LOTS * BAYS_PER_LOT) as i64 * EVENTS_PER_BAY,
        "events are missing"
    );
    let copying = copy(&database).await?;
    let rate = |elapsed: Duration| events as f64 / elapsed.as_secs_f64();
    println!("ingest_vs_copy: {:.2}", rate(ingesting) / rate(copying));
    println!("ingest_events_per_s: {:.0}", rate(ingesting));
    println!("copy_rows_per_s: {:.0}", rate(copying));
    Ok(())
}

/// Every bay speaks once a minute, and every other time its state has changed.
fn backlog() -> Vec<Told> {
    let start = past();
    let mut messages = Vec::with_capacity(LOTS * BAYS_PER_LOT * EVENTS_PER_BAY as usize);
    for seq in 1..=EVENTS_PER_BAY {
        for lot in 0..LOTS {
            for bay in 0..BAYS_PER_LOT {
                let at = start + TimeDelta::minutes(seq) + TimeDelta::milliseconds(bay as i64);
                messages.push(told(
                    &format!("lot-{lot}-{bay}-sensor"),
                    at,
                    seq,
                    seq % 4 < 2,
                ));
            }
        }
    }
    messages
}

/// How long PostgreSQL takes to copy the same rows into an empty table of the same kind.
async fn copy(database: &TestDatabase) -> anyhow::Result<Duration> {
    let target = TestDatabase::create().await;
    let mut rows = Vec::new();
    let mut source = database.pool.acquire().await?;
    let order = "COPY (SELECT * FROM event ORDER BY seq, bay_id) TO STDOUT";
    let mut out = source.copy_out_raw(order).await?;
    while let Some(chunk) = futures::StreamExt::next(&mut out).await {
        rows.extend_from_slice(&chunk?);
    }
    drop(out);
    let started = Instant::now();
    let mut connection = target.pool.acquire().await?;
    let mut copy = connection.copy_in_raw("COPY event FROM STDIN").await?;
    for chunk in rows.chunks(1 << 20) {
        copy.send(chunk).await?;
    }
    copy.finish().await?;
    Ok(started.elapsed())
}
