//! axe-core, which looks for what keeps people from using a page: from the machine's npm registry.

use std::path::PathBuf;
use std::process::Command;

use crate::say;
use crate::workspace::Workspace;

/// Its version. Another finds other things.
const VERSION: &str = "4.10.3";

/// The script, fetched the first time; nothing where this machine has no npm or cannot reach its registry.
pub fn script(workspace: &Workspace) -> Option<PathBuf> {
    let folder = workspace.state.join(format!("axe-core-{VERSION}"));
    let script = folder.join("package/axe.min.js");
    if script.is_file() {
        return Some(script);
    }
    std::fs::create_dir_all(&folder).ok()?;
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", &format!("axe-core@{VERSION}")])
        .current_dir(&folder);
    let mut unpack = Command::new("tar");
    unpack
        .args(["xzf", &format!("axe-core-{VERSION}.tgz")])
        .current_dir(&folder);
    say::run(&mut pack)
        .and_then(|_| say::run(&mut unpack))
        .ok()?;
    script.is_file().then_some(script)
}
