//! Services that tests run against, each a program of Debian's package of that name.

use std::path::PathBuf;

use super::debs::{Suite, Wanted, fetch, libraries, without_c_library};
use crate::workspace::Workspace;

/// A service's program and, where it was unpacked privately, the folder of its libraries.
#[derive(Debug)]
pub struct Daemon {
    /// The program.
    pub program: PathBuf,
    /// For LD_LIBRARY_PATH.
    pub libraries: Option<PathBuf>,
}

/// The broker that tests run against beside the one in the process.
///
/// # Errors
/// Where it cannot be fetched.
pub fn mosquitto(workspace: &Workspace) -> anyhow::Result<Daemon> {
    daemon(
        workspace,
        "mosquitto",
        "broker: fetching mosquitto from Debian",
    )
}

/// The proxy in front of several processes.
///
/// # Errors
/// Where it cannot be fetched.
pub fn haproxy(workspace: &Workspace) -> anyhow::Result<Daemon> {
    daemon(workspace, "haproxy", "proxy: fetching HAProxy from Debian")
}

/// A service from the PATH, else from Debian's packages.
fn daemon(workspace: &Workspace, name: &str, saying: &str) -> anyhow::Result<Daemon> {
    if let Some(program) = super::on_path(name) {
        return Ok(Daemon {
            program,
            libraries: None,
        });
    }
    let wanted = Wanted {
        name,
        suite: Suite::Host,
        packages: &[name],
        libraries: true,
    };
    let root = fetch(&workspace.state, &wanted, saying, |_, _| Ok(()))?;
    without_c_library(&root);
    Ok(Daemon {
        program: root.join("usr/sbin").join(name),
        libraries: Some(libraries(&root)),
    })
}
