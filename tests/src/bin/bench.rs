//! Figures of speed and of foresight, one `name: figure` a line. `cargo xtask bench` provides what
//! they need.

#![allow(clippy::unwrap_used)]

#[path = "bench/cluster.rs"]
mod cluster;
#[path = "bench/cost.rs"]
mod cost;
#[path = "bench/faults.rs"]
mod faults;
#[path = "bench/forecast.rs"]
mod forecast;
#[path = "bench/growth.rs"]
mod growth;
#[path = "bench/ingest.rs"]
mod ingest;
#[path = "bench/live.rs"]
mod live;
#[path = "bench/live_many.rs"]
mod live_many;
#[path = "bench/log.rs"]
mod log;
#[path = "bench/pay.rs"]
mod pay;
#[path = "bench/pgbench.rs"]
mod pgbench;
#[path = "bench/tariff.rs"]
mod tariff;

/// The city that sensors and watchers are measured with.
const LOTS: usize = 40;
const BAYS_PER_LOT: usize = 50;
const NAMES: [&str; 10] = [
    "ingest", "live", "pay", "cost", "log", "tariff", "forecast", "growth", "faults", "cluster",
];

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
        live::run().await?;
        live_many::run().await?;
    }
    if wanted("pay") {
        pay::run().await?;
    }
    if wanted("cost") {
        cost::run().await?;
    }
    if wanted("log") {
        log::run().await?;
    }
    if wanted("tariff") {
        tariff::run()?;
    }
    if wanted("forecast") {
        forecast::run()?;
    }
    if wanted("growth") {
        growth::run().await?;
    }
    // A quarter of an hour, and half of one: only where they are asked for.
    if names.iter().any(|name| name == "cluster") {
        cluster::run().await?;
    }
    if names.iter().any(|name| name == "faults") {
        faults::run().await?;
    }
    Ok(())
}
