//! The sensor path while its parts fail: what is lost, what is there twice, how soon it recovers.
//!
//! `CLEARBAY_FAULTS` chooses faults by name, with commas between; all where it is not set.
//! `CLEARBAY_FAULTS_PERCENT` makes them fewer or shorter: 10 kills ingest 10 times instead of 100.

use std::time::Duration;

use anyhow::Context;
use tests::faults::runs::{self, FullDisk, Unreachable};
use tests::faults::{Outcome, Unacknowledged};

/// Events a second while parts are killed: more than thirty times a city's peak.
const RATE: usize = 1_000;
/// While the database stands still for ten minutes: what then waits at the broker is just below
/// the million that it keeps.
const FULL_RATE: usize = 1_500;
const NAMES: [&str; 11] = [
    "kill_ingest",
    "kill_database",
    "kill_broker_sent_again",
    "kill_broker_forgotten",
    "kill_broker_behind",
    "kill_broker_alone",
    "broker_refuses",
    "broker_silent",
    "stall_database",
    "database_disk_full",
    "broker_disk_full",
];
/// Where what the broker forgets when it is killed may be lost, which nobody else can help.
const MAY_LOSE: [&str; 4] = [
    "kill_broker_sent_again",
    "kill_broker_forgotten",
    "kill_broker_behind",
    "kill_broker_alone",
];

/// Measures and prints.
pub async fn run() -> anyhow::Result<()> {
    let chosen = std::env::var("CLEARBAY_FAULTS").unwrap_or_else(|_| NAMES.join(","));
    let percent = match std::env::var("CLEARBAY_FAULTS_PERCENT") {
        Ok(told) => told.parse().context("CLEARBAY_FAULTS_PERCENT")?,
        Err(_) => 100,
    };
    let names: Vec<&str> = chosen.split(',').map(str::trim).collect();
    if let Some(unknown) = names.iter().find(|name| !NAMES.contains(name)) {
        anyhow::bail!(
            "there is no fault {unknown:?}; there are: {}",
            NAMES.join(", ")
        );
    }
    let mut broken = Vec::new();
    for name in names {
        let Some(outcome) = fault(name, Scale { percent }).await else {
            continue;
        };
        println!("{outcome}");
        if !outcome.audit.is_consistent() || outcome.audit.lost > 0 && !MAY_LOSE.contains(&name) {
            broken.push(name);
        }
    }
    anyhow::ensure!(
        broken.is_empty(),
        "events were lost or are wrong: {broken:?}"
    );
    Ok(())
}

#[derive(Clone, Copy)]
struct Scale {
    percent: u32,
}

impl Scale {
    fn times(self, full: u32) -> usize {
        (full * self.percent).div_ceil(100).max(1) as usize
    }

    fn seconds(self, full: u32) -> Duration {
        Duration::from_secs(self.times(full) as u64)
    }
}

async fn fault(name: &str, scale: Scale) -> Option<Outcome> {
    let broker = |unacknowledged| runs::kill_broker(scale.times(20), RATE, unacknowledged);
    let away = |how| runs::unreachable(how, scale.seconds(300), RATE);
    let full = |whose| runs::full_disk(whose, scale.seconds(60), RATE);
    Some(match name {
        "kill_ingest" => runs::kill_ingest(scale.times(100), RATE).await,
        "kill_database" => runs::kill_database(scale.times(50), RATE).await,
        "kill_broker_sent_again" => broker(Unacknowledged::SentAgain).await,
        "kill_broker_forgotten" => broker(Unacknowledged::Forgotten).await,
        "kill_broker_behind" => {
            runs::kill_broker_behind(scale.times(20), Duration::from_secs(5), RATE).await
        }
        "kill_broker_alone" => runs::kill_broker_alone(scale.seconds(60), RATE).await,
        "broker_refuses" => away(Unreachable::Refused).await,
        "broker_silent" => away(Unreachable::Silent).await,
        "stall_database" => runs::stall_database(scale.seconds(600), FULL_RATE).await,
        "database_disk_full" => full(FullDisk::Database).await?,
        _ => full(FullDisk::Broker).await?,
    })
}
