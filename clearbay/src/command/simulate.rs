//! `clearbay simulate`.

use std::path::PathBuf;

use clearbay::secret_files;

use simulator::acknowledged::Acknowledged;

use super::Broker;
use crate::shutdown;

/// Play a city's sensors, drivers and bank against a running system, over MQTT and HTTP only.
#[derive(Debug, clap::Args)]
pub struct Simulate {
    #[command(flatten)]
    broker: Broker,
    /// Where the API is.
    #[arg(
        long,
        env = "CLEARBAY_API_URL",
        default_value = "http://127.0.0.1:8080"
    )]
    api_url: String,
    /// The key that the bank shares with Clearbay.
    #[arg(long, env = "CLEARBAY_WEBHOOK_KEY", hide_env_values = true)]
    webhook_key: String,
    /// A handheld terminal's token, or the one that all share.
    #[arg(long, env = "CLEARBAY_IMPORT_TOKEN", hide_env_values = true)]
    import_token: String,
    /// How many bays the city has.
    #[arg(long, default_value_t = 2_000)]
    bays: u32,
    /// Another seed is another week.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many days of the past to send first; with fewer than 14 there is no forecast yet.
    #[arg(long, default_value_t = 15)]
    history_days: u32,
    /// Where simulated payment providers listen: VNPAY under /vnpay, MoMo under /momo, ZaloPay under
    /// /zalopay, a bank that pays out under /bank. Their keys are those of `serve`, from the same
    /// names in the environment. POST /faults makes them misbehave.
    #[arg(long, env = "CLEARBAY_PROVIDERS_LISTEN")]
    providers_listen: Option<std::net::SocketAddr>,
    /// Where to remember how far the city has been played.
    #[arg(long, default_value = "simulator.json")]
    state_file: PathBuf,
    /// Where to write down what the live city was promised: events that the broker has acknowledged, transfers of
    /// which the bank's word was taken.
    #[arg(long, hide = true)]
    acknowledged_file: Option<PathBuf>,
    /// Stop when standard input ends.
    #[arg(long, hide = true)]
    until_end_of_input: bool,
}

impl Simulate {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let (stop, shutdown) = shutdown::on_signal()?;
        if self.until_end_of_input {
            shutdown::on_end_of_input(stop.clone());
        }
        let acknowledged = match &self.acknowledged_file {
            Some(path) => Acknowledged::open(path)?,
            None => Acknowledged::default(),
        };
        let options = simulator::Options {
            api_url: self.api_url,
            mqtt_url: self.broker.address()?.to_owned(),
            import_token: self.import_token,
            webhook_secret: self.webhook_key,
            bays: self.bays,
            seed: self.seed,
            history_days: self.history_days,
            providers_listen: self.providers_listen,
            provider_keys: simulator::providers::Keys::from_env(secret_files::of_providers()?),
            state_file: self.state_file,
            acknowledged,
        };
        simulator::run(options, shutdown).await
    }
}
