//! Programs of others in Python, from the machine's PyPI registry, in environments of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::say;
use crate::workspace::Workspace;

/// A Python with these packages. A file keeps which: others are fetched anew. Nothing where this machine has no
/// Python or cannot reach its registry.
pub fn python(folder: &Path, packages: &[&str]) -> Option<PathBuf> {
    let program = folder.join("bin/python");
    let installed = folder.join("installed");
    let wanted = packages.join("\n");
    if std::fs::read_to_string(&installed).is_ok_and(|known| known == wanted) {
        return Some(program);
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(folder);
    let mut install = Command::new(&program);
    install
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(packages);
    say::run(&mut make)
        .and_then(|_| say::run(&mut install))
        .ok()?;
    std::fs::write(installed, wanted).ok()?;
    Some(program)
}

/// The same with the packages that a file of the checkout lists, one a line.
pub fn python_with(workspace: &Workspace, name: &str, listed: &str) -> Option<PathBuf> {
    let listed = std::fs::read_to_string(workspace.root.join(listed)).ok()?;
    let packages: Vec<&str> = listed.lines().filter(|line| !line.is_empty()).collect();
    python(&workspace.state.join(name), &packages)
}
