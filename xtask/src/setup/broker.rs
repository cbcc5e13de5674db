//! mosquitto, the broker that tests run against beside the one in the process.

use std::path::PathBuf;

use super::debs::{Suite, Wanted, install, multiarch};
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
    // The machine's own C library goes before the fetched one, which its loader would not fit.
    let libraries = root.join("usr/lib").join(multiarch());
    for name in [
        "libc.so.6",
        "libm.so.6",
        "libpthread.so.0",
        "libdl.so.2",
        "librt.so.1",
    ] {
        for folder in [root.join("lib").join(multiarch()), libraries.clone()] {
            let _ = std::fs::remove_file(folder.join(name));
        }
    }
    Ok(Mosquitto {
        program: root.join("usr/sbin/mosquitto"),
        libraries: Some(libraries),
    })
}
