//! `cargo xtask demo`.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context;

use crate::setup::database::{self, Purpose};
use crate::setup::plates;
use crate::test::Environment;
use crate::workspace::Workspace;
use crate::{say, supervise, web};

const ADDRESSES: &str = "\
Addresses, with the default port (logins are printed at the start):
  http://127.0.0.1:8080/            find parking
  http://127.0.0.1:8080/b/BAY_CODE  pay for a bay, as its sticker's QR code opens it
  http://127.0.0.1:8080/staff       lots and bays, live, for staff
  http://127.0.0.1:8080/city        revenue and occupancy, for the city and its citizens
  http://127.0.0.1:8080/api/docs/   the API

Environment:
  DATABASE_URL  a PostgreSQL 15 or newer to use instead of a private one
  MQTT_URL      a broker to use instead of the one in the process
  CLEARBAY_LOG  what is logged, such as info or debug,rumqttc=warn";

/// A cluster has gigabytes to forget when it ends.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(90);

/// Run a whole city on this machine: database, broker, API, pages, simulated sensors and drivers.
///
/// What is missing is fetched into .clearbay/, which may be deleted at any time. DATABASE_URL names
/// a PostgreSQL to use instead of a private one, MQTT_URL a broker instead of the one in the
/// process. Ctrl-C stops everything.
#[derive(Debug, clap::Args)]
#[command(after_help = ADDRESSES)]
pub struct Demo {
    /// The port of the pages and the API, on loopback.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Run it on a cluster instead: three RabbitMQ nodes, two ingest processes, two serving ones behind HAProxy, a
    /// primary database and two replicas. Each may be killed, and is started again; what is lost is counted once the
    /// past is sent. It lives until Ctrl-C and then forgets everything, has VietQR alone, takes 13 GB of the disk for
    /// temporary files, and its first build takes as long again as the demo's.
    #[arg(long, conflicts_with = "fresh")]
    cluster: bool,
    /// Forget an earlier demo and begin anew.
    #[arg(long)]
    fresh: bool,
    /// How many days of the past the city is given at first; with fewer than 14 there is no forecast yet.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(0..=60))]
    history_days: u32,
    /// How many bays the city has.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(80..=20_000))]
    bays: u32,
}

impl Demo {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        let _lock = workspace.lock("demo")?;
        check_port(self.port)?;
        if self.cluster {
            return self.run_cluster(workspace);
        }
        anyhow::ensure!(
            !self.fresh || database::given().is_none(),
            "--fresh would empty the database that DATABASE_URL names; do that by hand"
        );
        println!("program: building (minutes at first, seconds later)");
        say::show(&mut workspace.build(None))?;
        let bundle = workspace.in_turn("web", || web::build(workspace))?;
        println!("web: {bundle}");
        let database = database::start(workspace, Purpose::Demo)?;
        let url = database.named("clearbay", self.fresh)?;
        let mut command = Command::new(workspace.built("debug", "clearbay"));
        command
            .arg("demo")
            .args(["--port", &self.port.to_string()])
            .args(["--history-days", &self.history_days.to_string()])
            .args(["--bays", &self.bays.to_string()])
            .arg("--state-dir")
            .arg(&workspace.state)
            .env("DATABASE_URL", url)
            .current_dir(&workspace.root);
        if self.fresh {
            command.arg("--fresh");
        }
        if let Some(program) = plates::tesseract(workspace) {
            command.arg("--plate-reader").arg(program);
        }
        if let Some(folder) = bundle.folder() {
            command.arg("--web-dir").arg(folder);
        }
        supervise::run_until_stopped(&command, supervise::PATIENCE)
    }
}

impl Demo {
    fn run_cluster(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        println!(
            "program: building (the first time as long again as the demo's own, many minutes; seconds later)"
        );
        say::show(&mut workspace.build(Some("cluster")))?;
        let mut env = Environment::new();
        env.provide_program(workspace)?;
        env.provide_cluster(workspace);
        let database = env.provide(workspace, Purpose::Test)?;
        env.set("CLEARBAY_CLUSTER_PORT", &self.port.to_string());
        env.set("CLEARBAY_CLUSTER_BAYS", &self.bays.to_string());
        env.set(
            "CLEARBAY_CLUSTER_HISTORY_DAYS",
            &self.history_days.to_string(),
        );
        let mut command = Command::new(workspace.built("debug", "cluster"));
        env.apply(&mut command);
        let code = supervise::run_until_stopped(&command, CLUSTER_PATIENCE);
        drop(database);
        code
    }
}

/// Before the long work, whether the pages can have their port.
fn check_port(port: u16) -> anyhow::Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            anyhow::bail!("port {port} is taken; choose another with --port")
        }
        Err(error) => Err(error)
            .with_context(|| format!("port {port} cannot be used; choose another with --port")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_taken_port_is_told_with_the_way_out() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = check_port(port).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("port {port} is taken; choose another with --port")
        );
        // Any free one; the one above may for a moment be held by a child of another test.
        check_port(0).unwrap();
    }
}
