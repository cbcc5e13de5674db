//! The OpenID Connect provider over which tests sign in: npm's oidc-provider, with the versions of all that it
//! needs as `tests/oidc-provider/package-lock.json` has them.

use std::path::PathBuf;
use std::process::Command;

use crate::say;
use crate::workspace::Workspace;

/// Its version, as `package.json` names it.
const VERSION: &str = "9.13.3";
/// What is installed, and what starts it.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "start.mjs"];

/// The script that starts it, fetched the first time; nothing where this machine has no node and npm or cannot
/// reach its registry.
pub fn provider(workspace: &Workspace) -> Option<PathBuf> {
    super::on_path("node")?;
    let folder = workspace.state.join(format!("oidc-provider-{VERSION}"));
    std::fs::create_dir_all(&folder).ok()?;
    let ours = workspace.root.join("tests/oidc-provider");
    // Each time: the script is the checkout's, and finds what it needs beside it.
    for file in FILES {
        std::fs::copy(ours.join(file), folder.join(file)).ok()?;
    }
    let script = folder.join("start.mjs");
    if folder.join("node_modules/oidc-provider").is_dir() {
        return Some(script);
    }
    let mut install = Command::new("npm");
    install
        .args(["ci", "--silent", "--ignore-scripts", "--omit=dev"])
        .current_dir(&folder);
    say::run(&mut install).ok()?;
    Some(script)
}
