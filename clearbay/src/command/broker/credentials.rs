//! Passwords for the broker: made, written down once, and kept as hashes.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use api::App;
use domain::Timestamp;
use store::Store;
use store::broker_credential::{BrokerDevice, CredentialOf, NewCredential};

use super::account::{SERVICES, fault_of, speaks_itself};
use super::file::write_once;
use super::hash::{for_mosquitto, for_rabbitmq, new_password};
use crate::command::Database;
use crate::out::out;

/// So often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

const HELP: &str = "\
Without names, every device gets a password that has none, stands in a bay and is of model clearbay: others speak
through a network server, which has a name of its own. With names, those get one: devices, or services, of which
clearbay-ingest and clearbay-serve must have one, and the-things-stack, chirpstack and open-data-reader where the city
has them.

The file is CSV with name,password,bay, of mode 0600, and must not be there yet. It is the only place where the
passwords are: load them onto the devices, or put them into MQTT_URL, and destroy it. The registry keeps what the
brokers know them by. They hold once the broker has its files: clearbay broker mosquitto, or clearbay broker
rabbitmq.

To end a name's access although its device stands in its bay, --renew it and destroy the file.";

/// Make passwords for the devices that have none, or for those named, and write them down once.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Credentials {
    #[command(flatten)]
    database: Database,
    /// Where to write the passwords.
    file: PathBuf,
    /// Whose: devices or services by their names; every device that has none if left out.
    names: Vec<String>,
    /// Make another password for those named that have one.
    #[arg(long, requires = "names")]
    renew: bool,
}

impl Credentials {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.file.exists(),
            "{} is there already: passwords are written into a new file",
            self.file.display()
        );
        let store = self.database.open().await?;
        let done = self.make(&store).await;
        store.close().await;
        done
    }

    async fn make(&self, store: &Store) -> anyhow::Result<()> {
        let devices = store.broker_devices().await?;
        let wanted = match self.names.is_empty() {
            true => without_password(&devices),
            false => self.named(store, &devices).await?,
        };
        if wanted.is_empty() {
            out!("Every device that speaks to the broker has its password; nothing was written.");
            return Ok(());
        }
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["name", "password", "bay"])?;
        let mut made = Vec::with_capacity(wanted.len());
        let (due, mut told) = (wanted.len(), Instant::now());
        for wanted in &wanted {
            let password = new_password();
            csv.write_record([wanted.name, &password, wanted.bay])?;
            made.push(wanted.with(&password));
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                eprintln!("{} of {} passwords are made.", made.len(), due);
            }
        }
        let text = csv.into_inner().map_err(io::Error::other)?;
        // Before they count: a password that counts and is written nowhere would be lost.
        write_once(&self.file, &text)?;
        let kept = store.broker_credentials_put(&made, App::now()).await;
        kept.with_context(|| {
            format!(
                "{} may be void: run this again with another file, and take a password from this one only where \
                 that one has none",
                self.file.display()
            )
        })?;
        out!(
            "{} passwords were made. They are in {} only.",
            made.len(),
            self.file.display()
        );
        eprintln!(
            "They hold once the broker has its files: see `clearbay broker mosquitto --help` or `... rabbitmq --help`."
        );
        Ok(())
    }

    /// Those named. Tells what is wrong with each on standard error, and fails where anything is.
    async fn named<'a>(
        &'a self,
        store: &Store,
        devices: &'a [BrokerDevice],
    ) -> anyhow::Result<Vec<Wanted<'a>>> {
        let services: HashMap<String, Timestamp> = store
            .broker_services()
            .await?
            .into_iter()
            .map(|(name, credential)| (name, credential.made_at))
            .collect();
        let devices: HashMap<&str, &BrokerDevice> = devices
            .iter()
            .map(|device| (device.name.as_str(), device))
            .collect();
        let mut wanted = Vec::new();
        let mut faults = 0;
        let names: BTreeSet<&str> = self.names.iter().map(String::as_str).collect();
        for name in names {
            let found = match SERVICES.iter().any(|service| service.name == name) {
                true => Ok(Wanted {
                    of: CredentialOf::Service(name),
                    name,
                    bay: "",
                    replaces: services.get(name).copied(),
                }),
                false => devices
                    .get(name)
                    .ok_or("no device of that name stands in a bay, and it is no service")
                    .and_then(|device| Wanted::device(device)),
            };
            match found {
                Ok(found) if found.replaces.is_none() || self.renew => wanted.push(found),
                Ok(_) => {
                    eprintln!("{name:?} has a password; --renew makes another");
                    faults += 1;
                }
                Err(why) => {
                    eprintln!("{name:?}: {why}");
                    faults += 1;
                }
            }
        }
        anyhow::ensure!(faults == 0, "nothing was written");
        let of_devices = wanted
            .iter()
            .filter(|wanted| matches!(wanted.of, CredentialOf::Device(_)));
        anyhow::ensure!(
            [0, wanted.len()].contains(&of_devices.count()),
            "devices' passwords go to installers, services' do not: make them one after the other; nothing was written"
        );
        Ok(wanted)
    }
}

/// Somebody for whom a password is to be made.
struct Wanted<'a> {
    of: CredentialOf<'a>,
    name: &'a str,
    bay: &'a str,
    /// When the one that they have was made.
    replaces: Option<Timestamp>,
}

impl<'a> Wanted<'a> {
    /// A device, or why it can have none.
    fn device(device: &'a BrokerDevice) -> Result<Self, &'static str> {
        let bay = device.bay.as_deref().ok_or("it stands in no bay")?;
        if !speaks_itself(device) {
            return Err("a device of its model speaks through a network server");
        }
        match fault_of(&device.name) {
            Some(why) => Err(why),
            None => Ok(Self {
                of: CredentialOf::Device(device.id),
                name: &device.name,
                bay,
                replaces: device.credential.as_ref().map(|kept| kept.made_at),
            }),
        }
    }

    /// What is kept of a password of theirs.
    fn with(&self, password: &str) -> NewCredential<'a> {
        NewCredential {
            of: self.of,
            name: self.name,
            replaces: self.replaces,
            mosquitto_hash: for_mosquitto(password),
            rabbitmq_hash: for_rabbitmq(password),
        }
    }
}

/// The devices that need a password and have none. Tells on standard error who cannot have one.
fn without_password(devices: &[BrokerDevice]) -> Vec<Wanted<'_>> {
    let mut wanted = Vec::new();
    let speaking = devices
        .iter()
        .filter(|device| device.bay.is_some() && speaks_itself(device));
    for device in speaking.filter(|device| device.credential.is_none()) {
        match Wanted::device(device) {
            Ok(device) => wanted.push(device),
            Err(why) => eprintln!("{:?} gets none: {why}", device.name),
        }
    }
    wanted
}
