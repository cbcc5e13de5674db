//! RabbitMQ, over whose cluster the tests of several ingest processes run.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::debs::{Suite, Wanted, fetch, without_c_library};
use crate::workspace::Workspace;

/// RabbitMQ, and of Erlang what it needs.
const PACKAGES: &[&str] = &[
    "rabbitmq-server",
    "erlang-base",
    "erlang-asn1",
    "erlang-crypto",
    "erlang-eldap",
    "erlang-inets",
    "erlang-mnesia",
    "erlang-os-mon",
    "erlang-parsetools",
    "erlang-public-key",
    "erlang-runtime-tools",
    "erlang-ssl",
    "erlang-syntax-tools",
    "erlang-tools",
    "erlang-xmerl",
];

/// The folder under which Debian's packages are unpacked.
///
/// # Errors
/// Where they cannot be fetched.
pub fn rabbitmq(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let wanted = Wanted {
        name: "rabbitmq",
        suite: Suite::Host,
        packages: PACKAGES,
        libraries: true,
    };
    let saying = "cluster: fetching RabbitMQ from Debian (about 35 MB, once)";
    let root = fetch(&workspace.state, &wanted, saying, relocate)?;
    without_c_library(&root);
    Ok(root)
}

/// Debian's script that starts Erlang knows one place only.
fn relocate(part: &Path, root: &Path) -> anyhow::Result<()> {
    let script = part.join("usr/lib/erlang/bin/erl");
    let text = std::fs::read_to_string(&script).context("the fetched Erlang has no erl")?;
    let here = root.join("usr/lib/erlang").display().to_string();
    let text = text.replace("=/usr/lib/erlang\n", &format!("='{here}'\n"));
    std::fs::write(&script, text)?;
    Ok(())
}
