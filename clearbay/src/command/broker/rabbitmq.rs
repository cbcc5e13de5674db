//! RabbitMQ's users and their rights, as definitions.

use std::path::PathBuf;

use serde_json::{Value, json};
use store::broker_credential::BrokerCredential;

use super::account::{Accounts, Service, topic_of};
use super::file::{locked, replace};
use crate::command::Database;
use crate::out::out;

/// The exchange whose keys are MQTT's topics (`mqtt.exchange`).
const EXCHANGE: &str = "amq.topic";
const VHOST: &str = "/";
/// Nothing has this name.
const NOTHING: &str = "^$";
/// The shards of `deploy/rabbitmq/definitions.json`.
const SHARDS: &str = r"^clearbay\.events\.[0-9]+\z";

/// Users with their hashes, and what they may say and hear by topic.
const USERS: &str = "users.json";
/// Which exchanges and queues they may use. Who has this and no rule by topic may say anything, so it comes after.
const PERMISSIONS: &str = "permissions.json";

const HELP: &str = "\
Writes users.json and permissions.json. On one node of the cluster, in this order, for in the other one a new device
could for a while say anything:

  rabbitmqctl import_definitions < users.json
  rabbitmqctl import_definitions < permissions.json

Nothing is ever removed by that. So a device that no longer stands in a bay is in them as well, without a password and
without any right; `rabbitmqctl delete_user NAME` removes it and ends its connection. After --renew as well: a
connection that was made by the old password stays until it ends, or until delete_user before the import.

Devices' port is MQTT's. Keep AMQP's for ingest: there RabbitMQ 3 looks at the first of a message's keys only.";

/// Write users and their rights as definitions that RabbitMQ imports.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Rabbitmq {
    #[command(flatten)]
    database: Database,
    /// The folder to write them into.
    folder: PathBuf,
}

impl Rabbitmq {
    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<()> {
        let _writes = locked(&self.folder.join(USERS))?;
        let store = self.database.open_to_read().await?;
        let accounts = Accounts::load(&store).await;
        store.close().await;
        let accounts = accounts?;
        let (users, permissions) = definitions(&accounts);
        for (name, definitions) in [(USERS, users), (PERMISSIONS, permissions)] {
            replace(&self.folder.join(name), &serde_json::to_vec(&definitions)?)?;
        }
        let (devices, services) = (accounts.devices.len(), accounts.services.len());
        out!("{devices} devices and {services} services may come to the broker.");
        if !accounts.ended.is_empty() {
            let ended = accounts.ended.len();
            out!("{ended} devices that have a password from before may not.");
        }
        out!(
            "It knows once it has imported {USERS}, then {PERMISSIONS}: rabbitmqctl import_definitions < FILE"
        );
        Ok(())
    }
}

/// A user and what it may do, by regular expressions: of queues and exchanges, and of topics.
struct User<'a> {
    name: &'a str,
    /// `None` is nobody's: it can come in by no password.
    credential: Option<&'a BrokerCredential>,
    configure: String,
    write: String,
    read: String,
    topic_write: String,
    topic_read: String,
}

impl<'a> User<'a> {
    fn without_rights(name: &'a str) -> Self {
        let nothing = || NOTHING.to_owned();
        Self {
            name,
            credential: None,
            configure: nothing(),
            write: nothing(),
            read: nothing(),
            topic_write: nothing(),
            topic_read: nothing(),
        }
    }

    fn device(name: &'a str, credential: &'a BrokerCredential) -> Self {
        Self {
            credential: Some(credential),
            write: exactly(EXCHANGE),
            topic_write: any_of(&[topic_of(name).as_str()], key_of),
            ..Self::without_rights(name)
        }
    }

    fn service(service: &'a Service, credential: &'a BrokerCredential) -> Self {
        let mut user = Self {
            credential: Some(credential),
            topic_write: any_of(service.writes, key_of),
            ..Self::without_rights(service.name)
        };
        if !service.writes.is_empty() {
            user.write = exactly(EXCHANGE);
        }
        if service.takes_shards {
            user.read = SHARDS.to_owned();
        }
        if let Some(clients) = service.clients {
            // A queue by the client's id, which it makes, binds to the exchange and reads.
            let queues = format!("mqtt-subscription-{}", escaped(clients));
            user.configure = format!("^{queues}");
            user.read = format!(r"^({}\z|{queues})", escaped(EXCHANGE));
            user.write = match service.writes {
                [] => user.configure.clone(),
                _ => user.read.clone(),
            };
            user.topic_read = any_of(service.reads, binding_of);
        }
        user
    }
}

/// What [`USERS`] holds, and what [`PERMISSIONS`] does.
fn definitions(accounts: &Accounts) -> (Value, Value) {
    let services = accounts.services.iter();
    let services = services.map(|(service, credential)| User::service(service, credential));
    let devices = accounts.devices.iter();
    let devices = devices.map(|(name, credential)| User::device(name, credential));
    let ended = accounts.ended.iter().map(|name| User::without_rights(name));
    let (mut users, mut permissions, mut topics) = (Vec::new(), Vec::new(), Vec::new());
    for user in services.chain(devices).chain(ended) {
        let hash = user.credential.map(|kept| kept.rabbitmq_hash.as_str());
        users.push(json!({
            "name": user.name,
            // With an empty one nobody comes in.
            "password_hash": hash.unwrap_or_default(),
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": "",
        }));
        permissions.push(json!({
            "user": user.name, "vhost": VHOST,
            "configure": user.configure, "write": user.write, "read": user.read,
        }));
        topics.push(json!({
            "user": user.name, "vhost": VHOST, "exchange": EXCHANGE,
            "write": user.topic_write, "read": user.topic_read,
        }));
    }
    let users = json!({ "users": users, "topic_permissions": topics });
    (users, json!({ "permissions": permissions }))
}

/// Matches what one of the filters does, each written as a regular expression.
fn any_of(filters: &[&str], regex: fn(&str) -> String) -> String {
    match filters {
        [] => NOTHING.to_owned(),
        _ => {
            let each: Vec<String> = filters.iter().map(|filter| regex(filter)).collect();
            // Not `$`, which matches before a line feed as well.
            format!(r"^({})\z", each.join("|"))
        }
    }
}

/// Matches the keys of messages on topics that a filter matches. A lot's code may have dots, which are levels to
/// RabbitMQ: so what comes last may have more of them.
fn key_of(filter: &str) -> String {
    let levels: Vec<&str> = filter.split('/').collect();
    let last = levels.len() - 1;
    let level = |(index, level): (usize, &&str)| match (*level, index == last) {
        ("+", true) => ".+".to_owned(),
        ("+", false) => r"[^.]+".to_owned(),
        (literal, _) => escaped(literal),
    };
    let levels: Vec<String> = levels.iter().enumerate().map(level).collect();
    levels.join(r"\.")
}

/// Matches the keys by which somebody binds who subscribes to a filter, or to one topic of it.
fn binding_of(filter: &str) -> String {
    let level = |level: &str| match level {
        // `+` itself is `*` there. `#` would be any number of levels.
        "+" => r"[^.#]+".to_owned(),
        literal => escaped(literal),
    };
    let levels: Vec<String> = filter.split('/').map(level).collect();
    levels.join(r"\.")
}

fn exactly(name: &str) -> String {
    format!(r"^{}\z", escaped(name))
}

/// A text as a regular expression that matches it and nothing else. ASCII only, as all names here are.
fn escaped(text: &str) -> String {
    let mut regex = String::with_capacity(text.len());
    for letter in text.chars() {
        if !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_') {
            regex.push('\\');
        }
        regex.push(letter);
    }
    regex
}

#[cfg(test)]
mod tests {
    use super::super::account::SERVICES;
    use super::*;

    #[test]
    fn a_topic_is_a_key_and_nothing_is_left_open() {
        let of_device = any_of(&[topic_of("d-1").as_str()], key_of);
        assert_eq!(of_device, r"^(clearbay\.v1\.devices\.d-1\.up)\z");
        assert_eq!(any_of(&[], key_of), "^$");
        let rights = |name: &str| {
            let service = SERVICES.iter().find(|service| service.name == name);
            let service = service.copied().unwrap_or(SERVICES[0]);
            (
                any_of(service.writes, key_of),
                any_of(service.reads, binding_of),
            )
        };
        assert_eq!(
            rights("the-things-stack").0,
            r"^(v3\.[^.]+\.devices\.[^.]+\.up)\z"
        );
        let (writes, reads) = rights("clearbay-serve");
        assert_eq!(
            writes,
            r"^(clearbay\.v1\.serve\.words|clearbay\.v1\.open\.lots\..+)\z"
        );
        assert_eq!(
            reads,
            r"^(clearbay\.v1\.occupancy\.[^.#]+|clearbay\.v1\.serve\.words)\z"
        );
    }
}
