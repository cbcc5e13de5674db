//! promtool, which lets alert rules meet made-up figures.

use std::path::PathBuf;

use super::debs::{Suite, Wanted, fetch};
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
    let saying = "alerts: fetching promtool from Debian (about 20 MB, once)";
    let root = fetch(&workspace.state, &wanted, saying, |_, _| Ok(()))?;
    Ok(root.join("usr/bin/promtool"))
}
