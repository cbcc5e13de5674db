//! Finding what the project needs on this machine, and fetching what is missing.

use std::path::PathBuf;

pub mod axe;
pub mod browser;
pub mod daemon;
pub mod database;
pub mod debs;
pub mod oidc;
pub mod plates;
pub mod promtool;
pub mod published;
mod python;
pub mod rabbitmq;

/// A program on the PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Debian keeps daemons where a user's PATH may not look.
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
