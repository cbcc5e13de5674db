//! `clearbay replay`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use api::App;
use domain::board::Occupancy;
use simulator::replay::{Recording, Speed};
use store::Store;

use super::{Broker, Database};
use crate::out::out;
use crate::shutdown;

/// Send recorded occupancy through the broker and account for every row.
#[derive(Debug, clap::Subcommand)]
pub enum Replay {
    /// The UCI recording of Birmingham's council car parks (CSV).
    Birmingham(Birmingham),
}

/// The UCI recording of Birmingham's council car parks.
///
/// Every reading becomes the changes of synthetic bays, each with a device of its own. A running
/// `clearbay ingest` takes them from the broker.
#[derive(Debug, clap::Args)]
pub struct Birmingham {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    broker: Broker,
    /// The file.
    file: PathBuf,
    /// How fast: `max`, or a factor of real time such as `3600`.
    #[arg(long, default_value = "max")]
    speed: Speed,
}

impl Replay {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self::Birmingham(command) = self;
        command.run().await
    }
}

impl Birmingham {
    async fn run(self) -> anyhow::Result<()> {
        let mqtt_url = self.broker.address()?;
        let recording = Recording::read(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        let store = self.database.open().await?;
        let (_stop, mut shutdown) = shutdown::on_signal()?;
        let place = recording.place();
        out!(
            "Registering {} car parks with {} places ...",
            place.lots.len(),
            place.lots.iter().map(|lot| lot.bays.len()).sum::<usize>()
        );
        store.place_import(&place, chrono::Utc::now()).await?;
        let sent = recording
            .publish(mqtt_url, self.speed, shutdown.clone())
            .await
            .context(
                "the recording could not be sent whole; start it again, repetition is harmless",
            )?;
        out!("Sent {sent} messages. Waiting for ingest to take them ...");
        tokio::select! {
            () = shutdown::told(&mut shutdown) => anyhow::bail!("stopped before ingest had taken all"),
            done = settled(&store, &recording) => done?,
        }
        out!("\n{}", recording.table());
        store.close().await;
        Ok(())
    }
}

/// Waits until every car park shows the occupancy of its last valid row; gives up when nothing
/// has moved for a minute.
async fn settled(store: &Store, recording: &Recording) -> anyhow::Result<()> {
    let (mut last, mut still) = (usize::MAX, 0);
    loop {
        let now = App::now();
        let board = store.board_load(now).await?;
        let wrong: Vec<&str> = recording
            .expected()
            .iter()
            .filter(|(code, occupied)| {
                let lot = board.iter().find(|lot| lot.code == **code);
                lot.is_none_or(|lot| {
                    let told = lot.bays.values().map(|bay| bay.occupancy(now).0);
                    let full = told
                        .clone()
                        .filter(|state| *state == Occupancy::Occupied)
                        .count();
                    full != **occupied as usize || told.clone().any(|s| s == Occupancy::Unknown)
                })
            })
            .map(|(code, _)| code.as_str())
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let events = usize::try_from(store.event_count(recording.city()).await?).unwrap_or(0);
        still = if events == last { still + 1 } else { 0 };
        last = events;
        anyhow::ensure!(
            still < 60,
            "ingest has taken nothing for a minute and these car parks are not right: {}. Is `clearbay ingest` running on this broker?",
            wrong.join(", ")
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
