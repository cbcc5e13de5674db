//! Which device stands in which bay, and taking devices out, on the command line.

use std::collections::BTreeMap;
use std::io;

use api::App;
use chrono::{DateTime, SecondsFormat};
use domain::Timestamp;
use store::StoreError;
use store::standing::Standing;

use super::Database;
use super::device::{COLUMNS, TOLD_WITHIN};
use super::device_signing::signing_cells;
use crate::out::out;

const FORMAT: &str = "\
What it prints is a file for `clearbay device import`: change some lines, leave the others away or as they
are, and import it. Keys of devices that sign by HMAC are not in it; `clearbay device key` prints them.";

/// List the devices that stand in bays, as a file that can be imported.
#[derive(Debug, clap::Args)]
#[command(after_help = FORMAT)]
pub struct List {
    #[command(flatten)]
    database: Database,
    /// The city, by its code.
    #[arg(long, env = "CLEARBAY_CITY", default_value = "hanoi")]
    city: String,
    /// Only this lot's, by its code.
    #[arg(long)]
    lot: Option<String>,
}

impl List {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open_to_read().await?;
        let found = store
            .devices_standing(&self.city, self.lot.as_deref())
            .await;
        store.close().await;
        let found = found?;
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(COLUMNS)?;
        for standing in &found {
            csv.write_record(cells(standing))?;
        }
        let text = String::from_utf8(csv.into_inner().map_err(io::Error::other)?)?;
        out!("{}", text.trim_end());
        eprintln!("{} devices stand in bays.", found.len());
        Ok(())
    }
}

/// A line of the file.
fn cells(standing: &Standing) -> [String; COLUMNS.len()] {
    let number = |number: Option<i32>| number.map(|number| number.to_string()).unwrap_or_default();
    let from = |from: Timestamp| from.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let (signing, public_key) = signing_cells(standing.signing);
    [
        standing.device.clone(),
        standing.bay.clone(),
        standing.model.code().to_owned(),
        number(standing.silence_after_s),
        number(standing.occupied_below_mm),
        standing.from.map(from).unwrap_or_default(),
        signing,
        public_key,
    ]
}

/// Take devices out of their bays: what they say from then on is no bay's, and a bay without a device
/// is unknown.
#[derive(Debug, clap::Args)]
pub struct Remove {
    #[command(flatten)]
    database: Database,
    /// What the devices call themselves.
    #[arg(required = true)]
    devices: Vec<String>,
    /// When they were taken out, as 2026-11-20T14:30:00+07:00; now where it is left away.
    #[arg(long, value_parser = DateTime::parse_from_rfc3339)]
    at: Option<DateTime<chrono::FixedOffset>>,
}

impl Remove {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let now = App::now();
        let at = self.at.map_or(now, |at| at.to_utc());
        anyhow::ensure!(at <= now, "--at lies in the future");
        anyhow::ensure!(
            at >= now - TOLD_WITHIN,
            "--at lies more than ten years back: all that the devices have told since would be nobody's"
        );
        let store = self.database.open().await?;
        let names: Vec<&str> = self.devices.iter().map(String::as_str).collect();
        let removed = store.devices_remove(&names, at, now).await;
        let standing = store.devices_in_bays(&names).await.unwrap_or_default();
        store.close().await;
        let removed = match removed {
            Err(StoreError::NotFound(_)) => {
                anyhow::bail!("{}; nothing was written", self.absent(&standing))
            }
            other => other?,
        };
        for moved in removed {
            out!("{moved}");
        }
        Ok(())
    }

    /// Why they could not all be taken out.
    fn absent(&self, standing: &BTreeMap<String, String>) -> String {
        let absent = self
            .devices
            .iter()
            .filter(|name| !standing.contains_key(*name));
        let absent: Vec<&str> = absent.map(String::as_str).collect();
        match absent[..] {
            [] => "one of them was put into its bay after that time".to_owned(),
            _ => format!("in no bay stands {}", absent.join(", ")),
        }
    }
}
