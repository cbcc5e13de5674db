//! Nothing that the broker acknowledged to a device is lost, whatever part fails under load.
//!
//! Short versions; `cargo xtask bench faults` runs them in full.

use std::time::Duration;

use tests::faults::runs::{self, FullDisk, Unreachable};
use tests::faults::{Outcome, Unacknowledged};

/// Events a second: ten times a city's peak.
const RATE: usize = 300;
/// What ingest may need of the machine's memory with the usual limits and sensors' small messages,
/// however long the database stands still: 20,000 of them in flight, twice where the broker came back
/// meanwhile, and itself.
const MEMORY_MIB: f64 = 96.0;

fn nothing_lost(outcome: &Outcome) {
    lost_at_most(0, outcome);
}

/// What a broker that is killed has just sent is lost where ingest meets the broken connection while
/// it acknowledges, before it has read all. Seldom, and then some messages.
fn lost_at_most(most: usize, outcome: &Outcome) {
    println!("{outcome}");
    assert!(outcome.audit.lost <= most, "{outcome:?}");
    assert!(outcome.audit.is_consistent(), "{outcome:?}");
    assert!(outcome.audit.acknowledged > RATE, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingest_is_killed() {
    nothing_lost(&runs::kill_ingest(5, RATE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_killed() {
    nothing_lost(&runs::kill_database(3, RATE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_killed() {
    lost_at_most(
        15,
        &runs::kill_broker(3, RATE, Unacknowledged::SentAgain).await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_killed_and_devices_forget() {
    lost_at_most(
        15,
        &runs::kill_broker(3, RATE, Unacknowledged::Forgotten).await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_broker_had_handed_over_outlives_it() {
    nothing_lost(&runs::kill_broker_behind(5, Duration::from_secs(1), RATE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_broker_had_is_lost_with_it_but_for_what_it_saved() {
    let away_s = 6;
    let outcome = runs::kill_broker_alone(Duration::from_secs(away_s as u64), RATE).await;
    lost_at_most((away_s - 2) * RATE, &outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_refuses_connections() {
    nothing_lost(&runs::unreachable(Unreachable::Refused, Duration::from_secs(4), RATE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_is_silent() {
    nothing_lost(&runs::unreachable(Unreachable::Silent, Duration::from_secs(7), RATE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_stands_still() {
    let outcome = runs::stall_database(Duration::from_secs(10), 1_000).await;
    nothing_lost(&outcome);
    assert!(outcome.other("ingest_peak_mib") < MEMORY_MIB, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_s_disk_is_full() {
    if let Some(outcome) = runs::full_disk(FullDisk::Database, Duration::from_secs(4), RATE).await {
        nothing_lost(&outcome);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_s_disk_is_full() {
    if let Some(outcome) = runs::full_disk(FullDisk::Broker, Duration::from_secs(4), RATE).await {
        nothing_lost(&outcome);
    }
}
