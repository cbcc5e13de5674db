//! `clearbay tariff import`.

use std::path::PathBuf;

use anyhow::Context;
use api::App;
use domain::tariff::file::{Entry, TariffFile};
use store::StoreError;
use store::tariff::{Change, NewVersion};

use super::super::Database;
use crate::out::out;

const RULES: &str = "\
A file is imported whole or not at all. Every mistake in it is told with its line and the reason.

  added      a version that was not there
  unchanged  a version that was there, as it is: importing again changes nothing
  replaced   a version that has not begun yet and says something else now
  holidays   a version in force that knows other holidays, for days to come only
  withdrawn  a version that has not begun yet and that the file no longer has

Beyond that, a version in force is never changed: a new price is a new [[tariff]] with a later
effective_from.";

/// Check a file of tariffs and make them the city's.
#[derive(Debug, clap::Args)]
#[command(after_help = RULES)]
pub struct Import {
    #[command(flatten)]
    database: Database,
    /// The file.
    file: PathBuf,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let file = super::read(&self.file)?;
        let store = self.database.open().await?;
        let name = self.file.display();
        match store.city(&file.city).await {
            Ok(city) => anyhow::ensure!(
                city.timezone == file.timezone,
                "{name}: the time zone of city {:?} is {}, not {}",
                file.city,
                city.timezone,
                file.timezone
            ),
            Err(StoreError::NotFound(_)) => {
                anyhow::bail!("{name}: there is no city {:?} in the database", file.city)
            }
            Err(error) => return Err(error).context("cannot look the city up"),
        }
        let versions: Vec<NewVersion> = file
            .entries
            .iter()
            .map(|entry| NewVersion {
                zone: entry.zone.clone(),
                tariff: entry.tariff.clone(),
            })
            .collect();
        let now = App::now();
        let import = store
            .tariff_import(&file.city, file.timezone, &versions, now, self.dry_run)
            .await?;
        store.close().await;
        for (entry, change) in file.entries.iter().zip(&import.versions) {
            match change {
                Ok(change) => out!("{:<9}  {}", word(*change), title(&file, entry)),
                Err(refusal) => {
                    eprintln!("{name}:{}: {}: {refusal}", entry.line, title(&file, entry))
                }
            }
        }
        for version in &import.withdrawn {
            let from = super::time::local(version.effective_from, file.timezone);
            out!(
                "withdrawn  zone {}, {} from {from}",
                version.zone,
                version.class
            );
        }
        let refused = import
            .versions
            .iter()
            .filter(|change| change.is_err())
            .count();
        anyhow::ensure!(
            refused == 0,
            "{refused} of {} versions are refused; nothing was changed",
            import.versions.len()
        );
        if self.dry_run {
            out!("Nothing was changed (--dry-run).");
        }
        Ok(())
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Unchanged => "unchanged",
        Change::Replaced => "replaced",
        Change::Holidays => "holidays",
    }
}

fn title(file: &TariffFile, entry: &Entry) -> String {
    let from = super::time::local(entry.tariff.effective_from, file.timezone);
    format!("zone {}, {} from {from}", entry.zone, entry.tariff.class)
}
