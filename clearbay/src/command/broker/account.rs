//! Who has a name at the broker: devices that speak to it themselves, and services.

use std::collections::BTreeMap;

use anyhow::Context;
use domain::device::DeviceModel;
use ingest::envelope::FILTERS;
use store::Store;
use store::broker_credential::{BrokerCredential, BrokerDevice};

/// The longest name of a device, in bytes.
const NAME_MAX: usize = 128;

const INGEST: &str = "clearbay-ingest";
const SERVE: &str = "clearbay-serve";
const OCCUPANCY: &str = "clearbay/v1/occupancy/+";
const WORDS: &str = "clearbay/v1/serve/words";
const OPEN_LOTS: &str = "clearbay/v1/open/lots/+";

/// A user of the broker that is no device.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The user's name.
    pub name: &'static str,
    /// What it may hear, by filters.
    pub reads: &'static [&'static str],
    /// What it may say, by filters.
    pub writes: &'static [&'static str],
    /// How its MQTT clients' ids begin, where it subscribes at RabbitMQ: the queues are named for them.
    pub clients: Option<&'static str>,
    /// Whether it takes the shards of a RabbitMQ cluster.
    pub takes_shards: bool,
}

/// All of them. `deploy/mosquitto.acl` says the same by hand, and a test compares.
pub const SERVICES: [Service; 5] = [
    Service {
        name: INGEST,
        reads: &FILTERS,
        writes: &[OCCUPANCY],
        clients: None,
        takes_shards: true,
    },
    Service {
        name: SERVE,
        reads: &[OCCUPANCY, WORDS],
        writes: &[WORDS, OPEN_LOTS],
        clients: Some("clearbay-"),
        takes_shards: false,
    },
    Service {
        name: "open-data-reader",
        reads: &[OPEN_LOTS],
        writes: &[],
        clients: Some("open-data-reader"),
        takes_shards: false,
    },
    Service {
        name: "the-things-stack",
        reads: &[],
        writes: &[FILTERS[1]],
        clients: None,
        takes_shards: false,
    },
    Service {
        name: "chirpstack",
        reads: &[],
        writes: &[FILTERS[2]],
        clients: None,
        takes_shards: false,
    },
];

/// The topic on which a device of that name speaks.
pub fn topic_of(device: &str) -> String {
    FILTERS[0].replace('+', device)
}

/// Why a device may not have that name at the broker, if it may not.
///
/// The registry takes any level of a topic. But `:` ends a name in mosquitto's password file and a virtual host
/// in RabbitMQ's names, `.` is a `/` to RabbitMQ, wildcards and `%` mean something in rules, and a service's
/// name is a service's. So names are plain, and nothing has to be escaped anywhere.
pub fn fault_of(name: &str) -> Option<&'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(is_plain) {
        return Some("a name at the broker has letters, digits, - and _ only, 128 at most");
    }
    // What begins so is kept for services to come; guest is RabbitMQ's own.
    let is_kept = name.starts_with("clearbay-") || name == "guest";
    if is_kept || SERVICES.iter().any(|service| service.name == name) {
        return Some("that name is a service's at the broker");
    }
    None
}

/// Whether a device speaks to the broker itself. Every other model speaks LoRaWAN, and a network server speaks
/// for it.
pub fn speaks_itself(device: &BrokerDevice) -> bool {
    device.model == DeviceModel::CLEARBAY
}

/// Everybody who may come to the broker, and who no longer may.
#[derive(Debug)]
pub struct Accounts {
    /// Services with a password.
    pub services: Vec<(Service, BrokerCredential)>,
    /// Devices with a password that stand in a bay, by name.
    pub devices: BTreeMap<String, BrokerCredential>,
    /// Devices that have a password from before, and must not come in by it, by name.
    pub ended: Vec<String>,
}

impl Accounts {
    /// As the registry has them. Tells on standard error whom it leaves out who stands in a bay.
    ///
    /// # Errors
    /// Database errors, and where `ingest` or `serve` would be locked out.
    pub async fn load(store: &Store) -> anyhow::Result<Self> {
        let mut kept: BTreeMap<String, BrokerCredential> =
            store.broker_services().await?.into_iter().collect();
        let services: Vec<(Service, BrokerCredential)> = SERVICES
            .into_iter()
            .filter_map(|service| Some((service, kept.remove(service.name)?)))
            .collect();
        for name in [INGEST, SERVE] {
            let known = services.iter().any(|(service, _)| service.name == name);
            known.then_some(()).with_context(|| {
                format!("{name} has no password: `clearbay broker credentials FILE.csv {name}` makes one; nothing was written")
            })?;
        }
        let mut accounts = Self {
            services,
            devices: BTreeMap::new(),
            ended: Vec::new(),
        };
        let mut without = 0;
        for device in store.broker_devices().await? {
            let stands = device.bay.is_some() && speaks_itself(&device);
            let fault = fault_of(&device.name);
            match (device.credential, stands, fault) {
                (Some(credential), true, None) => {
                    accounts.devices.insert(device.name, credential);
                }
                (_, true, Some(why)) => eprintln!("{:?} is left out: {why}", device.name),
                (None, true, None) => without += 1,
                // Never another's name, of whom a stub would take the rights.
                (Some(_), false, None) => accounts.ended.push(device.name),
                (_, false, _) => {}
            }
        }
        if without > 0 {
            eprintln!(
                "{without} devices have no password, so that the broker refuses them: see `clearbay broker credentials`"
            );
        }
        Ok(accounts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_plain_name_that_is_no_service_s() {
        for name in ["d000123", "AA-bb_9", &"x".repeat(128)] {
            assert_eq!(fault_of(name), None, "{name}");
        }
        let long = "x".repeat(129);
        for name in [
            "",
            "+",
            "#",
            "a+",
            "a#b",
            "a/b",
            "%u",
            "a%c",
            "x:y",
            "a.b",
            ".*",
            "a b",
            " a",
            "a\n",
            "$SYS",
            "đèn",
            "\"",
            "a\\",
            long.as_str(),
            "guest",
            "chirpstack",
            "the-things-stack",
            "open-data-reader",
            "clearbay-ingest",
            "clearbay-serve",
            "clearbay-x",
        ] {
            assert!(fault_of(name).is_some(), "{name}");
        }
        assert_eq!(topic_of("d1"), "clearbay/v1/devices/d1/up");
    }
}
