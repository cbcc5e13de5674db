//! HAProxy, in front of several processes in tests and in the demo of a cluster.

use std::path::PathBuf;

use super::debs::{Suite, Wanted, install, libraries, without_c_library};
use crate::say;
use crate::workspace::Workspace;

/// The program and, where it was unpacked privately, the folder of its libraries.
#[derive(Debug)]
pub struct HaProxy {
    /// The program.
    pub program: PathBuf,
    /// For LD_LIBRARY_PATH.
    pub libraries: Option<PathBuf>,
}

/// HAProxy from the PATH, else from Debian's packages.
///
/// # Errors
/// Where it cannot be fetched.
pub fn haproxy(workspace: &Workspace) -> anyhow::Result<HaProxy> {
    if let Some(program) = super::on_path("haproxy") {
        return Ok(HaProxy {
            program,
            libraries: None,
        });
    }
    let wanted = Wanted {
        name: "haproxy",
        suite: Suite::Host,
        packages: &["haproxy"],
        libraries: true,
    };
    let unpack = || install(&workspace.state, &wanted);
    let there = workspace.state.join("debs/haproxy").is_dir();
    let root = if there {
        unpack()?
    } else {
        say::step("proxy: fetching HAProxy from Debian", unpack)?
    };
    without_c_library(&root);
    Ok(HaProxy {
        program: root.join("usr/sbin/haproxy"),
        libraries: Some(libraries(&root)),
    })
}
