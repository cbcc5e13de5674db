//! `clearbay broker`: who may say what at the broker, out of the registry.

mod account;
mod credentials;
mod file;
mod hash;
mod mosquitto;
mod rabbitmq;

/// Make passwords for the broker, and write its files from the registry.
#[derive(Debug, clap::Subcommand)]
pub enum Rights {
    /// Make passwords for the devices that have none, or for those named, and write them down once.
    Credentials(credentials::Credentials),
    /// Write mosquitto's password file and access rules.
    Mosquitto(mosquitto::Mosquitto),
    /// Write users and their rights as definitions that RabbitMQ imports.
    Rabbitmq(rabbitmq::Rabbitmq),
}

impl Rights {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Credentials(command) => command.run().await,
            Self::Mosquitto(command) => command.run().await,
            Self::Rabbitmq(command) => command.run().await,
        }
    }
}
