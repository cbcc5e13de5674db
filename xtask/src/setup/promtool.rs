//! promtool, which lets alert rules meet made-up figures.

use std::path::PathBuf;

use super::debs::{Suite, Wanted, install};
use crate::say;
use crate::workspace::Workspace;

/// promtool from the PATH, else from Debian's package of Prometheus.
///
/// # Errors
/// Where it cannot be fetched.
pub fn promtool(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    if let Some(program) = super::on_path("promtool") {
        return Ok(program);
    }
    let wanted = Wanted {
        name: "prometheus",
        suite: Suite::Host,
        packages: &["prometheus"],
        libraries: false,
    };
    let unpack = || install(&workspace.state, &wanted);
    let there = workspace.state.join("debs/prometheus").is_dir();
    let root = if there {
        unpack()?
    } else {
        say::step(
            "alerts: fetching promtool from Debian (about 20 MB, once)",
            unpack,
        )?
    };
    Ok(root.join("usr/bin/promtool"))
}
