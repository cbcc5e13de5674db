//! `clearbay place`: a city's installation file.

use std::path::PathBuf;

use anyhow::Context;
use domain::place::Place as Document;
use store::place::Imported;

use super::Database;
use crate::out::out;

/// The most bytes of an installation file: some hundred thousand bays.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Install a city from a file: operators, lots, bays, sensors, map.
#[derive(Debug, clap::Subcommand)]
pub enum Place {
    /// Check an installation file and bring the city up to date with it.
    Import(Import),
    /// Print an installation file to start from: a small Hanoi of its own, with other bays and sensors than the demo's.
    Example(Example),
}

const RULES: &str = "\
The file is JSON; docs/installation.md describes it. It is imported whole or not at all. What exists under
the same code is brought up to date, what the file leaves out stays, but for the map: that is drawn anew.
Prices are taken for zones that have none. A sensor that the file names for another bay moves there as of now;
`clearbay device remove` takes one out.";

/// Check an installation file and bring the city up to date with it.
#[derive(Debug, clap::Args)]
#[command(after_help = RULES)]
pub struct Import {
    #[command(flatten)]
    database: Database,
    /// The file.
    file: PathBuf,
    /// Check the file against what is there, tell which sensors would move, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Print an installation file to start from: a small Hanoi of its own, with other bays and sensors than the demo's.
#[derive(Debug, clap::Args)]
pub struct Example {
    /// How many bays it has.
    #[arg(long, default_value_t = 80)]
    bays: u32,
}

impl Place {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Import(command) => command.run().await,
            Self::Example(command) => command.run(),
        }
    }
}

impl Import {
    async fn run(self) -> anyhow::Result<()> {
        let place = self.read()?;
        let bays: usize = place.lots.iter().map(|lot| lot.bays.len()).sum();
        let what = format!(
            "{}: {} lots with {bays} bays, {} features on the map",
            place.city.name,
            place.lots.len(),
            place.map.len()
        );
        let (store, now) = (self.database.open().await?, chrono::Utc::now());
        let done = match self.dry_run {
            true => store.place_import_try(&place, now).await,
            false => store.place_import(&place, now).await,
        };
        store.close().await;
        let Imported { priced, moves } = done?;
        for moved in moves {
            out!("{moved}");
        }
        for zone in priced {
            out!(
                "zone {zone}: it has prices, which stay as they are; `clearbay tariff import` changes them"
            );
        }
        match self.dry_run {
            true => out!("{what}: the file is sound and fits what is there; nothing was written"),
            false => out!("{what}"),
        }
        Ok(())
    }

    fn read(&self) -> anyhow::Result<Document> {
        let name = self.file.display();
        let read = || format!("cannot read {name}");
        let size = std::fs::metadata(&self.file).with_context(read)?.len();
        anyhow::ensure!(
            size <= BYTES_MAX,
            "{name} has {size} bytes; at most {BYTES_MAX} are read"
        );
        let text = std::fs::read_to_string(&self.file).with_context(read)?;
        let place: Document = serde_json::from_str(&text).with_context(|| {
            format!("{name} is no installation file, which is JSON as `clearbay place example` prints it")
        })?;
        place.validate().with_context(|| name.to_string())?;
        Ok(place)
    }
}

impl Example {
    fn run(self) -> anyhow::Result<()> {
        let place = simulator::city::hanoi(self.bays)?;
        out!("{}", serde_json::to_string_pretty(&place)?);
        Ok(())
    }
}
