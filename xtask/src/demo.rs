//! `cargo xtask demo`.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::setup::database::{self, Purpose};
use crate::workspace::Workspace;
use crate::{say, supervise, web};

/// Run a whole city on this machine: database, broker, API, pages, simulated sensors and drivers.
///
/// What is missing is fetched into .clearbay/, which may be deleted at any time. DATABASE_URL names
/// a PostgreSQL to use instead of a private one, MQTT_URL a broker instead of the one in the
/// process. Ctrl-C stops everything.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// The port of the pages and the API, on loopback.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Forget an earlier demo and begin anew.
    #[arg(long)]
    fresh: bool,
    /// How many days of the past the city is given at first.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(0..=60))]
    history_days: u32,
    /// How many bays the city has.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(80..=20_000))]
    bays: u32,
}

impl Demo {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        let _lock = workspace.lock("demo")?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))
            .with_context(|| format!("port {} is taken; choose another with --port", self.port))?;
        println!("program: building (minutes at first, seconds later)");
        say::show(&mut workspace.cargo(["build", "--package", "clearbay", "--bin", "clearbay"]))?;
        let bundle = web::build(workspace)?;
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
        if let Some(folder) = bundle.folder() {
            command.arg("--web-dir").arg(folder);
        }
        supervise::run(&command)
    }
}
