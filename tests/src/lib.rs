//! What black-box tests stand on: a database of their own, real brokers, sensors, a small city.
//!
//! Nothing here is a stand-in for a part of Clearbay. `cargo xtask test` provides the database
//! server and the programs, and names them in the environment.

#![allow(clippy::unwrap_used)]

pub mod assessing;
pub mod authenticator;
pub mod broker;
pub mod citizen;
pub mod city;
pub mod city_cluster;
pub mod collector;
pub mod cpu;
pub mod database;
pub mod database_server;
pub mod faults;
pub mod flood;
pub mod guarded;
pub mod identity_provider;
pub mod ingesting;
pub mod log_owner;
pub mod logged;
pub mod named_city;
pub mod open_city;
pub mod oracle;
pub mod page;
pub mod paying;
pub mod phone;
pub mod providers;
pub mod proxy;
pub mod push_service;
pub mod rabbit;
pub mod raw_mqtt;
pub mod relay;
pub mod sensors;
pub mod serve_process;
pub mod serving;
pub mod signing;
pub mod small_disk;
pub mod statements;
pub mod telling;
pub mod tls;
pub mod traffic;
pub mod trespass;
pub mod upgrade;
pub mod watching;
pub mod witness;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::time::Duration;

use uuid::Uuid;

/// Waits until `condition` holds, for as long as a slow machine may need.
///
/// # Panics
/// After two minutes, naming what was waited for.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(120), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain for: {what}");
}

/// A variable that `cargo xtask test` sets.
///
/// # Panics
/// Where it is missing.
pub fn provided(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run cargo xtask test"))
}

/// A port below those from which connections go out, which no other test takes as long as this process lives. One of
/// those could be taken while the program is away: even by a client that calls this very port, and so connects to itself.
///
/// # Panics
/// Where every one is taken.
pub fn free_address() -> SocketAddr {
    let start = Uuid::new_v4().as_u128() % 12_000;
    (0..12_000)
        .map(|step| 20_000 + ((start + step) % 12_000) as u16)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| is_ours(address.port()) && TcpListener::bind(address).is_ok())
        .unwrap()
}

/// Takes a port among all tests of this machine, if none has it: what is free only is taken by another before a program
/// that was told to listen does.
fn is_ours(port: u16) -> bool {
    static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join("clearbay-test-ports");
    std::fs::create_dir_all(&folder).unwrap();
    let file = File::options()
        .create(true)
        .append(true)
        .open(folder.join(port.to_string()));
    let file = file.unwrap();
    // Of a process that has ended, however it did, the system gives it back.
    let is_ours = file.try_lock().is_ok();
    if is_ours {
        TAKEN.lock().unwrap().push(file);
    }
    is_ours
}

/// A figure of a process's memory in KiB, by the system's name for it (proc(5)).
///
/// # Panics
/// Where the machine does not tell.
pub fn memory_kib(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let figure = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = figure.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// Shows what the program logs, for a test that fails; `RUST_LOG` chooses. Once is enough.
pub fn log() {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
}

/// Tests that take a [`broker::BrokerKind`], over each: `rumqttd::NAME` and `mosquitto::NAME`.
#[macro_export]
macro_rules! over_both_brokers {
    ($($name:ident),* $(,)?) => {
        mod rumqttd {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::broker::BrokerKind::Rumqttd).await; })*
        }
        mod mosquitto {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::broker::BrokerKind::Mosquitto).await; })*
        }
    };
}

/// Where data lies that is shared beside the checkout, or beside the checkout it was cloned from.
pub fn shared_path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared")
        .join(name)
}

/// A file that is shared beside the checkout; says so where it is missing, and the test that
/// needed it is skipped.
pub fn shared(name: &str) -> Option<Vec<u8>> {
    let path = shared_path(name);
    let found = std::fs::read(&path).ok();
    if found.is_none() {
        println!("skipped: {} is not on this machine", path.display());
    }
    found
}
