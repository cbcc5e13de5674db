//! `cargo xtask screens`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::setup::browser;
use crate::setup::database::Purpose;
use crate::test::Environment;
use crate::workspace::Workspace;
use crate::{say, supervise, web};

/// Write a picture of every page in its main states, on a phone by day and night and on a desk.
#[derive(Debug, clap::Args)]
pub struct Screens {
    /// The folder for the pictures.
    #[arg(long, default_value = "target/screens")]
    out: PathBuf,
}

impl Screens {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        let _lock = workspace.lock("test")?;
        let mut env = Environment::new();
        let browser = browser::chromium()?;
        env.set(
            "CLEARBAY_TEST_CHROMIUM",
            &browser.chromium.display().to_string(),
        );
        env.set(
            "CLEARBAY_TEST_CHROMEDRIVER",
            &browser.driver.display().to_string(),
        );
        println!("program: building (minutes at first, seconds later)");
        say::show(&mut workspace.cargo([
            "build",
            "--package",
            "clearbay",
            "--package",
            "clearbay-tests",
            "--bin",
            "clearbay",
            "--bin",
            "screens",
        ]))?;
        let program = workspace.built("debug", "clearbay");
        env.set("CLEARBAY_TEST_BIN", &program.display().to_string());
        env.set("CLEARBAY_LOG", "error");
        let bundle = workspace.in_turn("web", || web::build(workspace))?;
        println!("web: {bundle}");
        if let Some(folder) = bundle.folder() {
            env.set("CLEARBAY_TEST_WEB_DIR", &folder.display().to_string());
        }
        let database = env.provide(workspace, Purpose::Test)?;
        let mut command = Command::new(workspace.built("debug", "screens"));
        command.arg(workspace.root.join(&self.out));
        env.apply(&mut command);
        let code = supervise::run(&command);
        drop(database);
        code
    }
}
