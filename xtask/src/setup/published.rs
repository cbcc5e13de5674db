//! What checks open data by published schemas.

use std::path::PathBuf;

use super::python::{python, python_with};
use crate::workspace::Workspace;

/// A reader of NGSI-LD that is not ours. It pins older packages than the checkers want.
const CLIENT: &str = "ngsildclient==0.5.2";

/// Two Pythons, fetched the first time: one with the checkers, one with a client of NGSI-LD. Nothing where this
/// machine has no Python or cannot reach its registry.
pub fn pythons(workspace: &Workspace) -> Option<(PathBuf, PathBuf)> {
    let checks = python_with(
        workspace,
        "open-data-checks",
        "tests/published/requirements.txt",
    )?;
    let client = python(&workspace.state.join("open-data-client"), &[CLIENT])?;
    Some((checks, client))
}

/// schemathesis, which asks an API all that its OpenAPI document lets it ask; fetched the first time. Nothing where
/// this machine has no Python or cannot reach its registry.
pub fn schemathesis(workspace: &Workspace) -> Option<PathBuf> {
    let python = python_with(
        workspace,
        "schemathesis",
        "tests/schemathesis/requirements.txt",
    )?;
    Some(python.with_file_name("st"))
}
