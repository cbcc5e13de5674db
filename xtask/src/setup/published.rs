//! What checks open data by published schemas: Python packages, from the machine's PyPI registry, in environments
//! of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::say;
use crate::workspace::Workspace;

/// A reader of NGSI-LD that is not ours. It pins older packages than the checkers want.
const CLIENT: &str = "ngsildclient==0.5.2";

/// Two Pythons, fetched the first time: one with the checkers, one with a client of NGSI-LD. Nothing where this
/// machine has no Python or cannot reach its registry.
pub fn pythons(workspace: &Workspace) -> Option<(PathBuf, PathBuf)> {
    let requirements = workspace.root.join("tests/published/requirements.txt");
    let listed = std::fs::read_to_string(&requirements).ok()?;
    let checkers: Vec<&str> = listed.lines().filter(|line| !line.is_empty()).collect();
    let checks = python(&workspace.state.join("open-data-checks"), &checkers)?;
    let client = python(&workspace.state.join("open-data-client"), &[CLIENT])?;
    Some((checks, client))
}

/// A Python with these packages. A file keeps which: others are fetched anew.
fn python(folder: &Path, packages: &[&str]) -> Option<PathBuf> {
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
