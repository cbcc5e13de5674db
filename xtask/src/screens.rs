//! `cargo xtask screens`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::setup::database::Purpose;
use crate::test::Environment;
use crate::workspace::Workspace;
use crate::{say, supervise};

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
        env.provide_browser()?;
        println!("program: building (minutes at first, seconds later)");
        say::show(&mut workspace.build(Some("screens")))?;
        env.provide_program(workspace)?;
        env.set("CLEARBAY_LOG", "error");
        let database = env.provide(workspace, Purpose::Test)?;
        let mut command = Command::new(workspace.built("debug", "screens"));
        command.arg(workspace.root.join(&self.out));
        env.apply(&mut command);
        let code = supervise::run(&command);
        drop(database);
        code
    }
}
