//! Metrics of commands that end before anybody asks them: a file for Prometheus's node_exporter, which reads a folder of
//! such files (its textfile collector).

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Where they are left.
#[derive(Debug, clap::Args)]
pub struct MetricsDir {
    /// The folder in which to leave when this was last done, and with what outcome, as a file for Prometheus's
    /// node_exporter (its textfile collector).
    #[arg(long, env = "CLEARBAY_METRICS_DIR")]
    metrics_dir: Option<PathBuf>,
}

impl MetricsDir {
    /// Leaves gauges, each with its name, its meaning and its value, in place of those that were there under the file's
    /// name; nothing where no folder is named.
    ///
    /// # Errors
    /// Where the file cannot be written; then the old one is there as it was.
    pub fn leave(&self, file: &str, gauges: &[(&str, &str, i64)]) -> anyhow::Result<()> {
        let Some(folder) = &self.metrics_dir else {
            return Ok(());
        };
        let mut text = String::new();
        for (name, help, value) in gauges {
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
            );
        }
        let path = folder.join(file).with_extension("prom");
        replace(&path, &text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// In one step, for whoever reads it meanwhile; the collector passes over what does not end in `.prom`.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    // Of a run that was cut off.
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    // The collector is another user; what a unit's UMask took away comes back.
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    fs::rename(new, path)
}
