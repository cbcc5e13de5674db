//! `cargo xtask test`.

use std::process::{Command, ExitCode};

use crate::setup::daemon::Daemon;
use crate::setup::database::{self, Database, Purpose};
use crate::setup::{axe, browser, daemon, debs, oidc, plates, promtool, published, rabbitmq};
use crate::workspace::Workspace;
use crate::{say, supervise, web};

/// Run every test, over a real database, real brokers and a real browser.
#[derive(Debug, clap::Args)]
pub struct Test {
    /// Arguments for cargo nextest (or for cargo test where nextest is missing), after `--`.
    #[arg(last = true)]
    args: Vec<String>,
}

impl Test {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        let _lock = workspace.lock("test")?;
        let mut env = Environment::new();
        env.provide_browser()?;
        match axe::script(workspace) {
            Some(script) => env.set("CLEARBAY_TEST_AXE", &script.display().to_string()),
            None => println!(
                "axe-core: npm or its registry is missing: the test of accessibility skips, and passes"
            ),
        }
        match published::pythons(workspace) {
            Some((checks, client)) => {
                env.set(
                    "CLEARBAY_TEST_OPEN_DATA_PYTHON",
                    &checks.display().to_string(),
                );
                env.set(
                    "CLEARBAY_TEST_NGSI_LD_PYTHON",
                    &client.display().to_string(),
                );
            }
            None => println!(
                "open data: Python or its registry is missing: tests by published schemas skip, and pass"
            ),
        }
        match published::schemathesis(workspace) {
            Some(program) => env.set("CLEARBAY_TEST_SCHEMATHESIS", &program.display().to_string()),
            None => println!(
                "schemathesis: Python or its registry is missing: the test of the OpenAPI document skips, and passes"
            ),
        }
        match oidc::provider(workspace) {
            Some(script) => env.set("CLEARBAY_TEST_OIDC", &script.display().to_string()),
            None => println!(
                "identity provider: node, npm or its registry is missing: tests that sign in over a real one skip, and pass"
            ),
        }
        match plates::tesseract(workspace) {
            Some(program) => env.set("CLEARBAY_TEST_PLATE_READER", &program.display().to_string()),
            None => println!("plates: without tesseract the tests of reading them skip, and pass"),
        }
        match promtool::promtool(workspace) {
            Ok(program) => env.set("CLEARBAY_TEST_PROMTOOL", &program.display().to_string()),
            Err(error) => println!("alerts: no promtool ({error:#}): their test skips, and passes"),
        }
        println!("program: building (minutes at first, seconds later)");
        // All of it at once, as the test runner will ask for it: what it shares is built once.
        let all = ["--workspace", "--exclude", "clearbay-bundler"];
        say::show(workspace.cargo(["build", "--bins", "--tests"]).args(all))?;
        env.provide_program(workspace)?;
        env.provide_cluster(workspace);
        let database = env.provide(workspace, Purpose::Test)?;
        let nextest = Command::new("cargo-nextest")
            .args(["nextest", "--version"])
            .output()
            .is_ok_and(|output| output.status.success());
        let runner: &[&str] = if nextest {
            &["nextest", "run"]
        } else {
            &["test", "--no-fail-fast"]
        };
        let mut command = workspace.cargo(runner);
        command.args(all).args(&self.args);
        env.apply(&mut command);
        if !workspace.root.join("../shared/vectors").is_dir() {
            println!(
                "vectors: ../shared is not here: tests of known vectors and recordings skip what they need of it, and pass"
            );
        }
        let code = supervise::run(&command);
        drop(database);
        code
    }
}

/// Variables by which tests and measurements find what was provided.
#[derive(Debug)]
pub struct Environment(Vec<(&'static str, String)>);

impl Environment {
    /// Nothing provided yet.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.0.push((name, value.to_owned()));
    }

    /// Finds a browser and what drives it.
    pub fn provide_browser(&mut self) -> anyhow::Result<()> {
        let browser = browser::chromium()?;
        self.set(
            "CLEARBAY_TEST_CHROMIUM",
            &browser.chromium.display().to_string(),
        );
        self.set(
            "CLEARBAY_TEST_CHROMEDRIVER",
            &browser.driver.display().to_string(),
        );
        Ok(())
    }

    /// Names the program as it was built, and builds the browser's bundle.
    pub fn provide_program(&mut self, workspace: &Workspace) -> anyhow::Result<()> {
        let program = workspace.built("debug", "clearbay");
        self.set("CLEARBAY_TEST_BIN", &program.display().to_string());
        let bundle = workspace.in_turn("web", || web::build(workspace))?;
        println!("web: {bundle}");
        if let Some(folder) = bundle.folder() {
            self.set("CLEARBAY_TEST_WEB_DIR", &folder.display().to_string());
        }
        Ok(())
    }

    /// Starts a database and finds a broker.
    pub fn provide(&mut self, workspace: &Workspace, purpose: Purpose) -> anyhow::Result<Database> {
        let names = ["CLEARBAY_TEST_MOSQUITTO", "CLEARBAY_TEST_MOSQUITTO_LIBS"];
        self.set_daemon(names, daemon::mosquitto(workspace)?);
        let database = database::start(workspace, purpose)?;
        self.set("CLEARBAY_TEST_DATABASE_URL", &database.url);
        if let Some((bin, owner)) = database.kit()? {
            self.set("CLEARBAY_TEST_PG_BIN", &bin.display().to_string());
            if let Some(owner) = owner {
                self.set("CLEARBAY_TEST_PG_OWNER", &owner);
            }
        }
        self.set(
            "CLEARBAY_TEST_PG_KIND",
            if database.timescale {
                "timescale"
            } else {
                "plain"
            },
        );
        Ok(database)
    }

    /// Finds what a cluster is made of, as far as it can be had.
    pub fn provide_cluster(&mut self, workspace: &Workspace) {
        match rabbitmq::rabbitmq(workspace) {
            Ok(root) => {
                self.set("CLEARBAY_TEST_RABBITMQ", &root.display().to_string());
                let libraries = debs::libraries(&root).display().to_string();
                self.set("CLEARBAY_TEST_RABBITMQ_LIBS", &libraries);
            }
            Err(error) => println!("cluster: no RabbitMQ ({error:#}): its tests skip, and pass"),
        }
        self.provide_proxy(workspace);
    }

    /// Finds the proxy that operators take, if it can be had.
    pub fn provide_proxy(&mut self, workspace: &Workspace) {
        match daemon::haproxy(workspace) {
            Ok(found) => self.set_daemon(
                ["CLEARBAY_TEST_HAPROXY", "CLEARBAY_TEST_HAPROXY_LIBS"],
                found,
            ),
            Err(error) => println!("proxy: no HAProxy ({error:#}): its test skips, and passes"),
        }
    }

    /// Names a service's program, and the folder of its libraries where it has one of its own.
    fn set_daemon(&mut self, [program, libraries]: [&'static str; 2], found: Daemon) {
        self.set(program, &found.program.display().to_string());
        if let Some(folder) = found.libraries {
            self.set(libraries, &folder.display().to_string());
        }
    }

    /// Gives a command all of them.
    pub fn apply(&self, command: &mut Command) {
        command.envs(self.0.iter().map(|(name, value)| (name, value)));
    }
}
