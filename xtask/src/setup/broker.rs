//! mosquitto, the broker that tests run against beside the one in the process.

use std::path::PathBuf;

use super::debs::{Suite, Wanted, install, libraries, without_c_library};
use crate::say;
use crate::workspace::Workspace;

/// A broker's program and, where it was unpacked privately, the folder of its libraries.
#[derive(Debug)]
pub struct Mosquitto {
    /// The program.
    pub program: PathBuf,
    /// For LD_LIBRARY_PATH.
    pub libraries: Option<PathBuf>,
}

/// mosquitto from the PATH, else from Debian's packages.
pub fn mosquitto(workspace: &Workspace) -> anyhow::Result<Mosquitto> {
    if let Some(program) = super::on_path("mosquitto") {
        return Ok(Mosquitto {
            program,
            libraries: None,
        });
    }
    let wanted = Wanted {
        name: "mosquitto",
        suite: Suite::Host,
        packages: &["mosquitto"],
        libraries: true,
    };
    let unpack = || install(&workspace.state, &wanted);
    let there = workspace.state.join("debs/mosquitto").is_dir();
    let root = if there {
        unpack()?
    } else {
        say::step("broker: fetching mosquitto from Debian", unpack)?
    };
    without_c_library(&root);
    Ok(Mosquitto {
        program: root.join("usr/sbin/mosquitto"),
        libraries: Some(libraries(&root)),
    })
}
