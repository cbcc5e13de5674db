//! `cargo xtask upgrade`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::setup::database::Purpose;
use crate::test::Environment;
use crate::workspace::{Workspace, make_dir};
use crate::{say, supervise};

/// Upgrade a city under load from an older program to this one and back, and show that nothing was lost.
///
/// The older program is built in target/upgrade, with a target folder of its own: ten minutes on two cores and 5 GB at
/// first. Then the older program makes a database and serves a city; sensors, drivers and those who watch are at it
/// all the time while the newer one migrates, starts beside it and takes its place, and while the older one comes back
/// on the newer schema.
#[derive(Debug, clap::Args)]
pub struct Upgrade {
    /// The commit to upgrade from; by default the one before the schema was last changed.
    #[arg(long)]
    from: Option<String>,
    /// Do not go back: programs from before they could start on a newer schema refuse to.
    #[arg(long)]
    no_step_back: bool,
}

impl Upgrade {
    /// Runs the command.
    pub fn run(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        // It has the database of the tests.
        let _lock = workspace.lock("test")?;
        let from = self.from(workspace)?;
        println!("from: {}", subject(workspace, &from)?);
        let old = built(workspace, &from)?;
        println!("program and drill: building");
        say::show(&mut workspace.build(None))?;
        let drill = ["test", "--package", "clearbay-tests", "--test", "stack"];
        say::show(workspace.cargo(drill).arg("--no-run"))?;
        let mut env = Environment::new();
        let program = workspace.built("debug", "clearbay");
        env.set("CLEARBAY_TEST_BIN", &program.display().to_string());
        env.set("CLEARBAY_TEST_OLD_BIN", &old.display().to_string());
        if self.no_step_back {
            env.set("CLEARBAY_TEST_NO_STEP_BACK", "1");
        }
        env.provide_proxy(workspace);
        let database = env.provide(workspace, Purpose::Test)?;
        let mut command = workspace.cargo(drill);
        command.args(["--", "--exact", "--nocapture"]);
        command.arg("upgrade::from_an_older_program_nothing_is_lost");
        env.apply(&mut command);
        let code = supervise::run(&command);
        drop(database);
        code
    }

    /// The commit whose program is the older one.
    fn from(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let name = match &self.from {
            Some(named) => named.clone(),
            // A migration that is not committed yet is the last change.
            None if !git(workspace, &["status", "--porcelain", "--", "migrations"])?.is_empty() => {
                "HEAD".to_owned()
            }
            None => {
                let last = [
                    "log",
                    "-1",
                    "--first-parent",
                    "--format=%H",
                    "--",
                    "migrations",
                ];
                let last = git(workspace, &last)?;
                anyhow::ensure!(!last.is_empty(), "no commit has changed migrations/");
                format!("{last}^")
            }
        };
        let commit = format!("{name}^{{commit}}");
        git(workspace, &["rev-parse", "--verify", "--quiet", &commit])
            .with_context(|| format!("there is no commit {name}; a shallow clone lacks its past"))
    }
}

/// Builds the program as it was at a commit, and says where it is.
fn built(workspace: &Workspace, commit: &str) -> anyhow::Result<PathBuf> {
    let folder = workspace.root.join("target/upgrade");
    let (tree, record) = (folder.join("tree"), folder.join("commit"));
    if fs::read_to_string(&record).ok().as_deref() != Some(commit) {
        let _ = fs::remove_file(&record);
        unpack(workspace, commit, &tree)?;
        fs::write(&record, commit).with_context(|| format!("cannot write {}", record.display()))?;
    }
    println!("older program: building in target/upgrade (ten minutes at first)");
    let target = folder.join("target");
    let mut build = workspace.build(None);
    build
        .current_dir(&tree)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_PROFILE_DEV_DEBUG", "false");
    say::show(&mut build)?;
    Ok(target.join("debug/clearbay"))
}

/// Lays out the files of a commit, in place of those of another.
fn unpack(workspace: &Workspace, commit: &str, tree: &Path) -> anyhow::Result<()> {
    if tree.exists() {
        fs::remove_dir_all(tree).with_context(|| format!("cannot empty {}", tree.display()))?;
    }
    make_dir(tree)?;
    let archive = tree.with_extension("tar");
    let mut write = Command::new("git");
    write
        .current_dir(&workspace.root)
        .args(["archive", "--format=tar", "-o"])
        .arg(&archive)
        .arg(commit);
    say::run(&mut write)?;
    // Their times are now: cargo takes what is older than its last build for built.
    let mut read = Command::new("tar");
    read.arg("-xmf").arg(&archive).arg("-C").arg(tree);
    say::run(&mut read)?;
    fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))
}

fn subject(workspace: &Workspace, commit: &str) -> anyhow::Result<String> {
    git(workspace, &["log", "-1", "--format=%h %s", commit])
}

fn git(workspace: &Workspace, args: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    let said = say::run(command.current_dir(&workspace.root).args(args))?;
    Ok(said.trim().to_owned())
}
