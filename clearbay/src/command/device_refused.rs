//! Whose messages gave no event, on the command line.

use api::App;
use chrono::TimeDelta;

use super::Database;
use crate::out::out;

/// List whose messages were refused, or wait until their device is installed, and why.
///
/// A line for each device and reason, tabs between: the device, the reason, how many messages are kept,
/// when the last came, and what was wrong with it. Of what a broken sensor says without end only some are
/// kept; /metrics counts all.
#[derive(Debug, clap::Args)]
pub struct Refused {
    #[command(flatten)]
    database: Database,
    /// How many days back.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i64).range(1..=3_660))]
    days: i64,
    /// At most so many lines.
    #[arg(long, default_value_t = 1_000)]
    limit: u32,
}

impl Refused {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open_to_read().await?;
        let since = App::now() - TimeDelta::days(self.days);
        let found = store.refused_by_device(since, self.limit.into()).await;
        store.close().await;
        let found = found?;
        for row in &found {
            let last_at = row.last_at.format("%Y-%m-%dT%H:%M:%SZ");
            let device = row.device.as_deref().unwrap_or("-");
            let detail = row.detail.replace(['\t', '\n', '\r'], " ");
            out!(
                "{device}\t{}\t{}\t{last_at}\t{detail}",
                row.reason,
                row.messages
            );
        }
        if found.is_empty() {
            eprintln!("No message was refused in the last {} days.", self.days);
        }
        Ok(())
    }
}
