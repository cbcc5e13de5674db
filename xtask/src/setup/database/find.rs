//! PostgreSQL's programs: those of this machine, or Debian's unpacked privately.

use std::fs;
use std::path::{Path, PathBuf};

use super::Programs;
use crate::say;
use crate::setup::debs::{Suite, Wanted, install, install_with, patch_programs};

/// The oldest PostgreSQL that the schema works on.
const OLDEST: u32 = 15;
/// What only just-in-time compilation loads, which is off: half of the download.
const JUST_IN_TIME: [&str; 2] = ["libllvm", "libz3"];

/// The best PostgreSQL that can be had: with TimescaleDB where that is possible at all.
pub fn programs(state: &Path) -> anyhow::Result<Programs> {
    let installed = installed();
    if let Some(programs) = installed.iter().find(|(_, timescale)| *timescale) {
        return Ok(Programs {
            bin: programs.0.clone(),
            timescale: true,
        });
    }
    match fetched(state) {
        Ok(bin) => Ok(Programs { bin, timescale: true }),
        Err(error) if say::is_disk_full(&error) => Err(error),
        Err(error) => match installed.into_iter().next() {
            Some((bin, _)) => {
                println!(
                    "Warning: TimescaleDB cannot be had ({error:#}), so events go to a plain table of {}; all else works.",
                    bin.display()
                );
                Ok(Programs { bin, timescale: false })
            }
            None => Err(error.context(
                "there is no PostgreSQL 15 or newer here and none can be fetched; install one or set DATABASE_URL",
            )),
        },
    }
}

/// PostgreSQL on this machine, newest first, and whether it has TimescaleDB.
fn installed() -> Vec<(PathBuf, bool)> {
    let mut versions: Vec<u32> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|version| *version >= OLDEST)
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions
        .into_iter()
        .map(|version| {
            let bin = PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
            let control = format!("/usr/share/postgresql/{version}/extension/timescaledb.control");
            (bin, Path::new(&control).is_file())
        })
        .filter(|(bin, _)| bin.join("initdb").is_file() && bin.join("psql").is_file())
        .collect()
}

/// Debian 13's PostgreSQL with TimescaleDB, unpacked privately and made to run here.
fn fetched(state: &Path) -> anyhow::Result<PathBuf> {
    let bin = "usr/lib/postgresql/17/bin";
    let wanted = Wanted {
        name: "postgresql-17",
        suite: Suite::Trixie,
        packages: &[
            "postgresql-17",
            "postgresql-client-17",
            "postgresql-17-timescaledb",
        ],
        libraries: true,
    };
    if state.join("debs").join(wanted.name).is_dir() {
        return Ok(install(state, &wanted)?.join(bin));
    }
    say::step(
        "database: fetching PostgreSQL and TimescaleDB from Debian (about 45 MB, once)",
        || {
            let patchelf = install(
                state,
                &Wanted {
                    name: "patchelf",
                    suite: Suite::Host,
                    packages: &["patchelf"],
                    libraries: false,
                },
            )?;
            let tool = patchelf.join("usr/bin/patchelf");
            let root = install_with(state, &wanted, &JUST_IN_TIME, |part, root| {
                patch_programs(part, root, bin, &tool)
            })?;
            Ok(root.join(bin))
        },
    )
}
