//! Chromium and its driver, for the browser test.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::say;

/// A browser and the program that drives it.
#[derive(Debug)]
pub struct Browser {
    /// Chromium.
    pub chromium: PathBuf,
    /// ChromeDriver of the same version.
    pub driver: PathBuf,
}

/// Chromium from the PATH, else installed from Debian's packages where we may.
pub fn chromium() -> anyhow::Result<Browser> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    anyhow::ensure!(
        nix::unistd::geteuid().is_root() && super::on_path("apt-get").is_some(),
        "the browser test needs Chromium; run: sudo apt-get install chromium chromium-driver"
    );
    let installed = say::step(
        "browser: installing Chromium from Debian (about 100 MB, once)",
        || {
            let apt = |args: &[&str]| {
                say::run(
                    Command::new("apt-get")
                        .args(args)
                        .env("DEBIAN_FRONTEND", "noninteractive"),
                )
            };
            apt(&["update", "-qq"])?;
            apt(&[
                "install",
                "-y",
                "-qq",
                "--no-install-recommends",
                "chromium",
                "chromium-driver",
                "fonts-noto-core",
            ])
        },
    );
    installed.context(
        "Chromium could not be installed for the browser test; check the network and the disk, or run: apt-get install chromium chromium-driver",
    )?;
    find().context("Chromium was installed but is not on the PATH")
}

fn find() -> Option<Browser> {
    let first = |names: &[&str]| names.iter().find_map(|name| super::on_path(name));
    Some(Browser {
        chromium: first(&["chromium", "chromium-browser", "google-chrome"])?,
        driver: first(&["chromedriver"])?,
    })
}
