//! Which devices need repair, on the command line.

use api::App;
use store::repair::DevicesOf;

use super::Database;
use crate::out::out;

/// List the devices that need repair, the worst first, with what is wrong.
#[derive(Debug, clap::Args)]
pub struct Faults {
    #[command(flatten)]
    database: Database,
    /// The city, by its code.
    #[arg(long, env = "CLEARBAY_CITY", default_value = "hanoi")]
    city: String,
    /// Only this lot's, by its code.
    #[arg(long)]
    lot: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 1_000)]
    limit: u32,
}

impl Faults {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let store = self.database.open_to_read().await?;
        let of = match &self.lot {
            Some(lot) => DevicesOf::Lot(lot),
            None => DevicesOf::City {
                city: &self.city,
                operator: None,
            },
        };
        let found = store.device_health(of, self.limit.into(), App::now()).await;
        store.close().await;
        let found = found?;
        for device in &found.repairs {
            for fault in &device.faults {
                let since = fault.since.format("%Y-%m-%dT%H:%M:%SZ");
                let detail = fault.detail.as_ref().map(ToString::to_string);
                out!(
                    "{}\t{}\t{}\t{since}\t{}",
                    device.bay,
                    device.device,
                    fault.kind,
                    detail.unwrap_or_default()
                );
            }
        }
        let well = found.devices - found.faulty;
        eprintln!("{well} of {} devices are well.", found.devices);
        Ok(())
    }
}
