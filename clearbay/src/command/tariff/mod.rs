//! `clearbay tariff`.

use std::path::Path;

use anyhow::Context;
use domain::tariff::file::TariffFile;

mod explain;
mod import;
mod rules;
mod table;
mod time;

/// The largest file that is read: a city's tariffs are some kilobytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Import tariffs from a file, and explain prices.
///
/// A city's prices are a TOML file; deploy/tariffs/hanoi.toml is an example, and
/// deploy/tariffs/every-rule.toml shows all that a tariff can say.
#[derive(Debug, clap::Subcommand)]
pub enum Tariff {
    /// Check a file of tariffs and make them the city's.
    Import(import::Import),
    /// Show how the price of a stay comes about, line by line.
    Explain(explain::Explain),
    /// Show by what rules the city is advised to change its prices, and set them.
    Rules(rules::Rules),
}

impl Tariff {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Import(command) => command.run().await,
            Self::Explain(command) => command.run().await,
            Self::Rules(command) => command.run().await,
        }
    }
}

/// Reads a file of tariffs. What is wrong with it goes to standard error, a line for each mistake.
fn read(path: &Path) -> anyhow::Result<TariffFile> {
    let cannot = || format!("cannot read {}", path.display());
    let size = std::fs::metadata(path).with_context(cannot)?.len();
    anyhow::ensure!(
        size <= MAX_FILE_BYTES,
        "{} has {size} bytes, at most {MAX_FILE_BYTES} are read",
        path.display()
    );
    let source = std::fs::read_to_string(path).with_context(cannot)?;
    TariffFile::read(&source).map_err(|errors| {
        for error in &errors {
            eprintln!("{}:{error}", path.display());
        }
        let count = errors.len();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        anyhow::anyhow!("{} has {count} {mistakes}", path.display())
    })
}
