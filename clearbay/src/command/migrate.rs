//! `clearbay migrate`.

use super::Database;
use crate::out::out;

/// Bring the database's schema up to date, and stop.
#[derive(Debug, clap::Args)]
pub struct Migrate {
    #[command(flatten)]
    database: Database,
}

impl Migrate {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open().await?;
        out!("The schema is up to date ({:?}).", store.engine().await?);
        store.close().await;
        Ok(())
    }
}
