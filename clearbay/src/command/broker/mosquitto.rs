//! mosquitto's password file and access rules.

use std::path::PathBuf;

use super::account::{Accounts, Service, topic_of};
use super::file::{locked, replace};
use crate::command::Database;
use crate::out::out;

const HELP: &str = "\
Each file is put in place in one step, with the old one's owner and mode: mosquitto never reads half. It reads them
when it is told to (systemctl reload mosquitto, or SIGHUP), and then ends the connections of whoever has another
password or none. Before the first time make two empty files that mosquitto may read:

  cd /etc/mosquitto && for file in clearbay.passwd clearbay.acl; do
    install -o mosquitto -g mosquitto -m 0600 /dev/null $file; done

Who may come in: services that have a password, and the devices of model clearbay that stand in a bay and have one. A
device that is removed is left out, and is back with its password when it is put back.";

/// Write mosquitto's password file and access rules.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Mosquitto {
    #[command(flatten)]
    database: Database,
    /// mosquitto's password_file.
    #[arg(long, default_value = "/etc/mosquitto/clearbay.passwd")]
    password_file: PathBuf,
    /// mosquitto's acl_file.
    #[arg(long, default_value = "/etc/mosquitto/clearbay.acl")]
    acl_file: PathBuf,
}

impl Mosquitto {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let _writes = locked(&self.password_file)?;
        let store = self.database.open_to_read().await?;
        let accounts = Accounts::load(&store).await;
        store.close().await;
        let accounts = accounts?;
        let services = accounts.services.iter().map(|(service, _)| service);
        // Rules before passwords: nobody has a password for whom there is no rule.
        replace(&self.acl_file, rules(services).as_bytes())?;
        replace(&self.password_file, passwords(&accounts).as_bytes())?;
        let (devices, services) = (accounts.devices.len(), accounts.services.len());
        out!("{devices} devices and {services} services may come to the broker.");
        out!("It knows once it has been told: systemctl reload mosquitto");
        Ok(())
    }
}

fn passwords(accounts: &Accounts) -> String {
    let services = accounts.services.iter();
    let services = services.map(|(service, credential)| (service.name, credential));
    let devices = accounts.devices.iter();
    let devices = devices.map(|(name, credential)| (name.as_str(), credential));
    services
        .chain(devices)
        .map(|(name, credential)| format!("{name}:{}\n", credential.mosquitto_hash))
        .collect()
}

/// One rule for all devices rather than one for each: mosquitto 2.0 goes through all users that are named in this
/// file for each of them as it reads it, so that 50,000 would have it stand still for 20 seconds at every reload.
/// Only a user of the password file can come in, and only a device that stands in a bay is in that. What the rule
/// would give services, the topic of a device of their name, is denied to them.
fn rules<'a>(services: impl Iterator<Item = &'a Service>) -> String {
    let mut text = format!(
        "# Written by `clearbay broker mosquitto`, which writes it anew.\n\n\
         # A device's user name is its own name: it speaks for its own bay and hears nothing.\n\
         pattern write {}\n",
        topic_of("%u")
    );
    for service in services {
        let name = service.name;
        text += &format!("\nuser {name}\ntopic deny {}\n", topic_of(name));
        for filter in service.reads {
            let access = match service.writes.contains(filter) {
                true => "readwrite",
                false => "read",
            };
            text += &format!("topic {access} {filter}\n");
        }
        let only_written = service.writes.iter();
        for filter in only_written.filter(|filter| !service.reads.contains(filter)) {
            text += &format!("topic write {filter}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::account::SERVICES;
    use super::*;

    /// Without comments and empty lines.
    fn bare(text: &str) -> Vec<&str> {
        let lines = text.lines();
        lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect()
    }

    #[test]
    fn the_rules_are_those_that_deploy_has_by_hand() {
        let by_hand = include_str!("../../../../deploy/mosquitto.acl");
        assert_eq!(bare(&rules(SERVICES.iter())), bare(by_hand));
    }

    #[test]
    fn a_service_that_the_city_does_not_have_has_no_right() {
        let named = |names: &[&str]| {
            let services = SERVICES
                .iter()
                .filter(|service| names.contains(&service.name));
            rules(services)
        };
        assert!(!named(&["clearbay-ingest"]).contains("chirpstack"));
        assert!(named(&["chirpstack"]).contains("user chirpstack\n"));
    }
}
