//! `cargo xtask bench`.

use std::process::ExitCode;

use crate::setup::database::Purpose;
use crate::test::Environment;
use crate::workspace::Workspace;
use crate::{say, supervise};

/// What is measured without a database or a broker.
const PURE: [&str; 2] = ["tariff", "forecast"];

/// Print figures of speed and of foresight, one `name: figure` a line, ratios first.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Which: ingest, live, pay, cost (of a payment), log, tariff, forecast (on the recordings in ../shared/data or
    /// CLEARBAY_BENCH_DATA), growth (CLEARBAY_BENCH_MILLIONS=100 for as many events, which takes 25
    /// GB); all of these where none is named. And faults, for half an hour:
    /// CLEARBAY_FAULTS=kill_ingest,... chooses among them, CLEARBAY_FAULTS_PERCENT=10 makes them
    /// fewer and shorter. And cluster: what several ingest processes add over a cluster of brokers, and what comes of
    /// killing its parts.
    names: Vec<String>,
}

impl Bench {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        let _lock = workspace.lock("bench")?;
        println!("program: building for speed (minutes at first)");
        say::show(workspace.build(Some("bench")).arg("--release"))?;
        let mut env = Environment::new();
        let program = workspace.built("release", "clearbay");
        env.set("CLEARBAY_TEST_BIN", &program.display().to_string());
        let log = std::env::var("CLEARBAY_LOG")
            .unwrap_or_else(|_| "error,lapin=off,rumqttd=off".to_owned());
        env.set("CLEARBAY_LOG", &log);
        // Of what it runs within itself, a broker among them.
        env.set("RUST_LOG", &log);
        if self.names.iter().any(|name| name == "cluster") {
            env.provide_cluster(workspace);
        }
        let is_pure = |name: &String| PURE.contains(&name.as_str());
        let database = if !self.names.is_empty() && self.names.iter().all(is_pure) {
            None
        } else {
            Some(env.provide(workspace, Purpose::Bench)?)
        };
        if let Some(pgbench) = database.as_ref().and_then(|database| database.pgbench()) {
            env.set("CLEARBAY_TEST_PGBENCH", &pgbench.display().to_string());
        }
        let mut command = std::process::Command::new(workspace.built("release", "bench"));
        command.args(&self.names);
        env.apply(&mut command);
        let code = supervise::run(&command);
        drop(database);
        code
    }
}
