//! The faults, one a function. Each starts everything anew, and is as long as it is told to be.

use std::time::{Duration, Instant};

use chrono::Utc;

use super::{Load, Outcome, Rig, Unacknowledged};
use crate::broker::Broker;
use crate::database_server::DatabaseServer;
use crate::memory_kib;
use crate::small_disk::SmallDisk;

const DEPLOYED: &str = include_str!("../../../deploy/mosquitto.conf");
/// How far behind what devices say counts as caught up.
const CAUGHT_UP_S: usize = 1;

/// How a broker is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// Connections are refused.
    Refused,
    /// Nobody is answered, on connections new or old.
    Silent,
}

/// Whose disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullDisk {
    /// PostgreSQL's.
    Database,
    /// mosquitto's.
    Broker,
}

/// Ingest is killed again and again.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn kill_ingest(times: usize, rate_per_s: usize) -> Outcome {
    let mut rig = usual().await;
    let load = begin(&rig, rate_per_s, Unacknowledged::SentAgain).await;
    let mut recoveries = Vec::new();
    for n in 0..times {
        pause(n, 200, 600).await;
        rig.ingest_kill().await;
        pause(n, 0, 200).await;
        let up = Utc::now();
        rig.ingest_start();
        recoveries.push(rig.heard_after(up).await);
    }
    finish("kill_ingest", rig, load, recoveries).await
}

/// PostgreSQL is killed again and again, all its processes at once.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn kill_database(times: usize, rate_per_s: usize) -> Outcome {
    let mut rig = usual().await;
    let load = begin(&rig, rate_per_s, Unacknowledged::SentAgain).await;
    let mut recoveries = Vec::new();
    for n in 0..times {
        pause(n, 200, 600).await;
        rig.server.kill();
        pause(n, 0, 500).await;
        rig.server.start_again().await;
        let up = Utc::now();
        recoveries.push(rig.heard_after(up).await);
    }
    finish("kill_database", rig, load, recoveries).await
}

/// mosquitto is killed again and again.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn kill_broker(
    times: usize,
    rate_per_s: usize,
    unacknowledged: Unacknowledged,
) -> Outcome {
    let mut rig = usual().await;
    let load = begin(&rig, rate_per_s, unacknowledged).await;
    let mut recoveries = Vec::new();
    for n in 0..times {
        pause(n, 200, 600).await;
        rig.broker.kill();
        pause(n, 0, 500).await;
        rig.broker.start_again();
        let up = Utc::now();
        recoveries.push(rig.heard_after(up).await);
    }
    let name = match unacknowledged {
        Unacknowledged::SentAgain => "kill_broker_sent_again",
        Unacknowledged::Forgotten => "kill_broker_forgotten",
    };
    finish(name, rig, load, recoveries).await
}

/// mosquitto is killed again and again, each time while the database has stood still for `behind`:
/// what devices said since waits in ingest's memory and at the broker, and they forget it.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn kill_broker_behind(times: usize, behind: Duration, rate_per_s: usize) -> Outcome {
    let mut rig = usual().await;
    let load = begin(&rig, rate_per_s, Unacknowledged::Forgotten).await;
    let mut recoveries = Vec::new();
    for n in 0..times {
        pause(n, 200, 300).await;
        rig.server.freeze();
        tokio::time::sleep(behind).await;
        pause(n, 0, 100).await;
        rig.broker.kill();
        rig.broker.start_again();
        rig.server.thaw();
        let up = Utc::now();
        recoveries.push(rig.heard_after(up).await);
    }
    finish("kill_broker_behind", rig, load, recoveries).await
}

/// Ingest is away, so that messages wait at mosquitto alone, and mosquitto is killed `later`, once.
/// What it had not written down is lost, however the rest is built: with the usual figures comes how
/// many seconds' worth.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn kill_broker_alone(later: Duration, rate_per_s: usize) -> Outcome {
    let mut rig = usual().await;
    let load = begin(&rig, rate_per_s, Unacknowledged::SentAgain).await;
    rig.ingest_kill().await;
    tokio::time::sleep(later).await;
    rig.broker.kill();
    rig.broker.start_again();
    let up = Utc::now();
    rig.ingest_start();
    let recovery = rig.heard_after(up).await;
    let mut outcome = finish("kill_broker_alone", rig, load, vec![recovery]).await;
    let seconds = outcome.audit.lost as f64 / rate_per_s as f64;
    outcome.others = vec![("lost_s", seconds)];
    outcome
}

/// Nobody reaches the broker for a while.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn unreachable(how: Unreachable, away: Duration, rate_per_s: usize) -> Outcome {
    let mut rig = usual().await;
    let load = begin(&rig, rate_per_s, Unacknowledged::SentAgain).await;
    pause(0, 500, 0).await;
    match how {
        Unreachable::Refused => rig.broker.stop(),
        Unreachable::Silent => rig.broker.freeze(),
    }
    tokio::time::sleep(away).await;
    match how {
        Unreachable::Refused => rig.broker.start_again(),
        Unreachable::Silent => rig.broker.thaw(),
    }
    let up = Utc::now();
    let recovery = rig.heard_after(up).await;
    let name = match how {
        Unreachable::Refused => "broker_refuses",
        Unreachable::Silent => "broker_silent",
    };
    finish(name, rig, load, vec![recovery]).await
}

/// The database stands still for a while, with its connections open, under full load. Beside the
/// usual figures: the most memory that ingest ever had, and how many seconds' worth of events it
/// kept each second until it had caught up.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn stall_database(stalled: Duration, rate_per_s: usize) -> Outcome {
    let mut rig = usual().await;
    let load = begin(&rig, rate_per_s, Unacknowledged::SentAgain).await;
    pause(0, 1_000, 0).await;
    rig.server.freeze();
    let before = load.spoken();
    tokio::time::sleep(stalled).await;
    rig.server.thaw();
    let (up, thawed) = (Utc::now(), Instant::now());
    let recovery = rig.heard_after(up).await;
    let kept = loop {
        let due = load.spoken() - CAUGHT_UP_S * rate_per_s;
        match rig.kept().await {
            Some(kept) if kept >= due => break kept,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let speed = (kept - before) as f64 / rate_per_s as f64 / thawed.elapsed().as_secs_f64();
    let peak = memory_kib(rig.ingest.as_ref().unwrap().id(), "VmHWM") / 1024;
    let mut outcome = finish("stall_database", rig, load, vec![recovery]).await;
    outcome.others = vec![
        ("ingest_peak_mib", peak as f64),
        ("caught_up_times_real_time", speed),
        ("events_per_s", rate_per_s as f64),
    ];
    outcome
}

/// A disk is full for a while; `None` where this machine allows no disk for it.
///
/// # Panics
/// Where a part fails otherwise than it is made to.
pub async fn full_disk(whose: FullDisk, full: Duration, rate_per_s: usize) -> Option<Outcome> {
    let disk = SmallDisk::mount(400)?;
    let (server, broker) = match whose {
        FullDisk::Database => (
            DatabaseServer::start_on(Some(disk)).await,
            Broker::mosquitto_with(&saving()),
        ),
        // It goes on trying to write down its sessions, in vain.
        FullDisk::Broker => (
            DatabaseServer::start().await,
            Broker::mosquitto_on(Some(disk), &saving()),
        ),
    };
    let mut rig = Rig::start(broker, server).await;
    let load = begin(&rig, rate_per_s, Unacknowledged::SentAgain).await;
    let fault = Instant::now();
    let (name, up) = match whose {
        FullDisk::Database => {
            rig.server.disk().fill();
            stuck(&rig).await;
            tokio::time::sleep(full.saturating_sub(fault.elapsed())).await;
            rig.server.disk().free();
            // It gives up where even its log finds no room; then somebody must start it.
            if !rig.server.runs() {
                rig.server.start_again().await;
            }
            ("database_disk_full", Utc::now())
        }
        FullDisk::Broker => {
            rig.broker.disk().fill();
            tokio::time::sleep(full).await;
            rig.broker.disk().free();
            let freed = Utc::now();
            // What it writes down on its way out is whole again.
            rig.broker.restart();
            ("broker_disk_full", freed)
        }
    };
    let recovery = rig.heard_after(up).await;
    Some(finish(name, rig, load, vec![recovery]).await)
}

async fn usual() -> Rig {
    let server = DatabaseServer::start().await;
    Rig::start(Broker::mosquitto_with(&saving()), server).await
}

/// How often mosquitto writes down its sessions: as it is deployed.
fn saving() -> String {
    let settings = DEPLOYED.lines();
    let saving: Vec<&str> = settings
        .filter(|line| line.starts_with("autosave_"))
        .collect();
    saving.join("\n")
}

/// Load, from the first event that is kept.
async fn begin(rig: &Rig, rate_per_s: usize, unacknowledged: Unacknowledged) -> Load {
    let begun = Utc::now();
    let load = Load::start(
        std::slice::from_ref(&rig.broker.url),
        rate_per_s,
        unacknowledged,
    );
    rig.heard_after(begun).await;
    load
}

/// Waits until no more events are kept.
async fn stuck(rig: &Rig) {
    let (mut last, mut since) = (None, Instant::now());
    while since.elapsed() < Duration::from_secs(2) {
        let kept = rig.kept().await;
        // Who does not answer keeps nothing.
        if kept.is_some() && kept != last {
            (last, since) = (kept, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn finish(name: &'static str, rig: Rig, load: Load, recoveries: Vec<Duration>) -> Outcome {
    Outcome {
        name,
        audit: rig.audit(load).await,
        recoveries,
        others: Vec::new(),
    }
}

/// Waits for at least so long and at most so much longer, evenly spread over `n`, so that faults
/// meet every moment of the work.
pub(super) async fn pause(n: usize, least_ms: u64, more_ms: u64) {
    // The golden ratio's multiples lie as evenly as can be.
    let share = (n as f64 * 0.618_033_988_75).fract();
    let more = Duration::from_millis(more_ms).mul_f64(share);
    tokio::time::sleep(Duration::from_millis(least_ms) + more).await;
}
