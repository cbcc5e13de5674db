//! `cargo xtask lint`.

use std::process::{Command, ExitCode};

use crate::say;
use crate::workspace::Workspace;

/// Checks formatting, lints, and, where cargo-deny is installed, licences and advisories.
pub fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    say::show(&mut workspace.cargo(["fmt", "--all", "--check"]))?;
    let fuzz = ["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"];
    say::show(&mut workspace.cargo(fuzz))?;
    say::show(&mut workspace.cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    let deny = Command::new("cargo-deny").arg("--version").output();
    if deny.is_ok_and(|output| output.status.success()) {
        say::show(&mut workspace.cargo(["deny", "check"]))?;
    } else {
        println!(
            "licences and advisories: skipped, cargo-deny is not installed (cargo install cargo-deny --locked)"
        );
    }
    Ok(ExitCode::SUCCESS)
}
