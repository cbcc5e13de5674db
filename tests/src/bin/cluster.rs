//! A city on a cluster, to look at and to break. `cargo xtask demo --cluster` provides what it needs. It forgets
//! everything when it ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use tests::city_cluster::tally::Tally;
use tests::city_cluster::{CityCluster, Wish};
use tests::{proxy, rabbit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// How often it is looked who has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is told what was counted.
const TELL_EVERY: Duration = Duration::from_secs(30);

// What is started ends with the thread that has started it: this one, which nobody else has. The other leads
// connections to whoever is the primary, whatever this one waits for.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::var("CLEARBAY_CLUSTER_PORT")?.parse()?;
    let wish = Wish {
        rabbitmq: rabbit::unpacked().context("RabbitMQ could not be fetched")?,
        haproxy: proxy::provided().context("HAProxy could not be fetched")?,
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        bays: std::env::var("CLEARBAY_CLUSTER_BAYS")?.parse()?,
        history_days: std::env::var("CLEARBAY_CLUSTER_HISTORY_DAYS")?.parse()?,
    };
    let mut cluster = CityCluster::start(wish).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    println!("{}", cluster.help().await);

    let mut tally = Tally::of(&cluster.record());
    let mut told_at = Instant::now();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // All parts are told to end together with us: then nobody is missed.
            biased;
            _ = interrupted.recv() => break,
            _ = terminated.recv() => break,
            _ = looks.tick() => {}
        }
        let news = cluster.look().await;
        if news.is_empty() && told_at.elapsed() < TELL_EVERY {
            continue;
        }
        tally.look(&cluster.database.pool).await;
        for line in news.into_iter().chain([tally.to_string()]) {
            println!("{}  {line}", chrono::Local::now().format("%H:%M:%S"));
        }
        told_at = Instant::now();
    }
    println!("Ending ...");
    Ok(())
}
