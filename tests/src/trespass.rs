//! What somebody may try at a broker who has one device, or none, or a network server.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};

use crate::raw_mqtt::{Caller, Connection};

/// What whoever tries knows: more than they could.
#[derive(Clone, Debug)]
pub struct Loot {
    /// Devices and their passwords.
    pub devices: Vec<(String, String)>,
    /// A device that was removed, with its password.
    pub removed: (String, String),
    /// A device that has another password by now, with the old one.
    pub renewed: (String, String),
    /// Devices with what the broker knows their passwords by.
    pub hashes: Vec<(String, String)>,
    /// Network servers and readers of open data with their passwords.
    pub services: Vec<(String, String)>,
}

/// What is tried.
#[derive(Clone, Debug)]
pub enum Act {
    /// To be let in, and to say something on this topic.
    ComeIn(String),
    /// To say something on this topic.
    Say(String),
    /// To have something said on this topic once the connection breaks.
    Leave,
    /// To hear by this filter what is said on that topic.
    Hear(String, String),
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Who comes.
    pub caller: Caller,
    /// What for.
    pub act: Act,
}

/// How an attempt went that must be in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// Nobody was let in who must not be, and nobody heard anything. What was said the listener tells.
    InVain,
    /// Somebody was let in.
    LetIn,
    /// Somebody heard something.
    Heard,
}

/// How many kinds of attempts there are.
const KINDS: usize = 20;

impl Attempt {
    /// The attempt of that number: its kind goes round, all else is random.
    pub fn random(random: &mut StdRng, loot: &Loot, number: usize) -> Self {
        let two: Vec<_> = loot.devices.choose_multiple(random, 2).collect();
        let ((own, password), (other, others)) = (two[0], two[1]);
        let topic = |name: &str| format!("clearbay/v1/devices/{name}/up");
        let come_in = |user: &str, password: &str| Self {
            caller: Caller::named(user, password),
            act: Act::ComeIn(topic(user)),
        };
        let say = |topic: String| Self {
            caller: Caller::named(own, password),
            act: Act::Say(topic),
        };
        let mut pick = |among: &[&str]| (*among.choose(random).unwrap()).to_owned();
        let picked = match number % KINDS {
            8 => pick(&[
                "+",
                "#",
                "a/b",
                "$SYS",
                "%u",
                "clearbay/v1/devices",
                "x:y",
                ".*",
                "dot.ted",
            ]),
            9 => pick(&[
                "eye",
                "guest",
                "admin",
                "clearbay-ingest",
                "clearbay-serve",
                "stranger",
                "",
            ]),
            11 => pick(&[
                "clearbay/v1/occupancy/lot-0",
                "clearbay/v1/serve/words",
                "clearbay/v1/open/lots/lot-0",
                "clearbay/v1/occupancy",
                "clearbay",
            ]),
            12 => pick(&[
                "v3/app@ttn/devices/ID/up",
                "application/1/device/ID/event/up",
                "application/1/device/ID/event/join",
            ]),
            13 => pick(&[
                "$SYS/broker/lie",
                "$CONTROL/lie",
                "$share/group/clearbay/v1/devices/ID/up",
            ]),
            14 => pick(&[
                "clearbay/v1/devices/+/up",
                "clearbay/v1/devices/#",
                "#",
                "+/+/+/+/+",
            ]),
            15 => pick(&[
                "clearbay/v1/devices/ID/up/",
                "clearbay/v1/devices/ID/upx",
                "/clearbay/v1/devices/ID/up",
                "clearbay/v1/devices//ID/up",
                "clearbay/v1/devices/ID",
                "clearbay/v1/devices/ID/up\n",
                "clearbay/v1/devices/ID/down",
                "clearbay/v1/devices/ID /up",
                "CLEARBAY/v1/devices/ID/up",
                "clearbay/v1/devices/%u/up",
                "clearbay/v1/devices/{username}/up",
                "clearbay/v1/devices/xID/up",
                "clearbay/v1/devices//up",
            ]),
            _ => String::new(),
        };
        let with_own = picked.replace("ID", own);
        match number % KINDS {
            0 => come_in(own, &random.random::<u128>().to_string()),
            1 => come_in(own, others),
            2 => come_in(own, ""),
            3 => Self {
                caller: Caller {
                    password: None,
                    ..Caller::named(own, "")
                },
                act: Act::ComeIn(topic(own)),
            },
            4 => Self {
                caller: Caller {
                    user: None,
                    password: None,
                    ..Caller::named("", "")
                },
                act: Act::ComeIn(topic(own)),
            },
            5 => {
                let (name, hash) = loot.hashes.choose(random).unwrap();
                come_in(name, hash)
            }
            6 => come_in(&loot.removed.0, &loot.removed.1),
            7 => come_in(&loot.renewed.0, &loot.renewed.1),
            8 | 9 => come_in(&picked, password),
            10 => say(topic(other)),
            11..=13 => say(with_own),
            14 => say(picked),
            // Where the own name is not in it, another's is not either.
            15 => say(with_own),
            16 => {
                let mut as_other = say(topic(other));
                as_other.caller.client.clone_from(other);
                as_other
            }
            17 => {
                let about = [topic(other), "clearbay/v1/occupancy/lot-0".to_owned()];
                let will = about.choose(random).unwrap().clone();
                Self {
                    caller: Caller {
                        will: Some((will, format!("attempt {number}"))),
                        ..Caller::named(own, password)
                    },
                    act: Act::Leave,
                }
            }
            18 => Self {
                caller: Caller::named(own, password),
                act: heard_by(random, own, other),
            },
            _ => of_service(random, loot, own),
        }
    }

    /// Tries it at the broker at `host:port`. `speaker` may say anything.
    pub async fn make(&self, address: &str, speaker: &mut Connection, number: usize) -> Went {
        let Some(mut connection) = Connection::open(address, &self.caller).await else {
            return Went::InVain;
        };
        let message = format!("attempt {number}");
        match &self.act {
            Act::ComeIn(topic) => {
                connection.publish(topic, &message).await;
                Went::LetIn
            }
            Act::Say(topic) => {
                connection.publish(topic, &message).await;
                Went::InVain
            }
            Act::Leave => Went::InVain,
            Act::Hear(filter, topic) => {
                connection.subscribe(filter).await;
                speaker.publish(topic, "probe").await;
                let heard = connection.until_ping().await.unwrap_or_default();
                match heard.iter().any(|packet| packet.message(0).is_some()) {
                    true => Went::Heard,
                    false => Went::InVain,
                }
            }
        }
    }
}

fn heard_by(random: &mut StdRng, own: &str, other: &str) -> Act {
    let device = |name: &str| format!("clearbay/v1/devices/{name}/up");
    let occupancy = "clearbay/v1/occupancy/lot-0";
    let pairs = [
        (device(own), device(own)),
        (device(other), device(other)),
        ("clearbay/v1/devices/+/up".to_owned(), device(other)),
        ("#".to_owned(), device(other)),
        ("+/+/+/+".to_owned(), occupancy.to_owned()),
        ("clearbay/v1/occupancy/+".to_owned(), occupancy.to_owned()),
        (
            "clearbay/v1/serve/words".to_owned(),
            "clearbay/v1/serve/words".to_owned(),
        ),
        (
            "clearbay/v1/open/lots/#".to_owned(),
            "clearbay/v1/open/lots/lot-0".to_owned(),
        ),
        (
            "$share/group/clearbay/v1/occupancy/+".to_owned(),
            occupancy.to_owned(),
        ),
    ];
    let (filter, topic) = pairs.choose(random).unwrap().clone();
    Act::Hear(filter, topic)
}

/// What a network server tries beside its own topics, and a reader of open data beside reading them.
fn of_service(random: &mut StdRng, loot: &Loot, device: &str) -> Attempt {
    let is_of_ours = |name: &str| name.starts_with("clearbay-");
    let others = loot.services.iter().filter(|(name, _)| !is_of_ours(name));
    let (name, password) = others.choose(random).unwrap();
    let mut caller = Caller::named(name, password);
    // As it subscribes at RabbitMQ where it may.
    caller.client = format!("{name}-{}", caller.client);
    let is_reader = name == "open-data-reader";
    if is_reader || random.random() {
        let pairs = [
            ("clearbay/v1/#", format!("clearbay/v1/devices/{device}/up")),
            (
                "clearbay/v1/occupancy/+",
                "clearbay/v1/occupancy/lot-0".to_owned(),
            ),
            (
                "application/+/device/+/event/+",
                "application/1/device/2/event/up".to_owned(),
            ),
            ("v3/+/devices/+/up", "v3/a/devices/b/up".to_owned()),
        ];
        let (filter, topic) = pairs.choose(random).unwrap().clone();
        return Attempt {
            caller,
            act: Act::Hear(filter.to_owned(), topic),
        };
    }
    let others = match name.as_str() {
        "chirpstack" => "v3/app@ttn/devices/ID/up",
        _ => "application/1/device/ID/event/up",
    };
    let topics = [
        others,
        "clearbay/v1/devices/ID/up",
        "clearbay/v1/devices/SELF/up",
        "clearbay/v1/occupancy/lot-0",
        "clearbay/v1/open/lots/lot-0",
        "clearbay/v1/serve/words",
        "v3/devices/ID/up",
        "application/device/ID/event",
    ];
    let topic = topics.choose(random).unwrap().replace("ID", device);
    Attempt {
        caller,
        act: Act::Say(topic.replace("SELF", name)),
    }
}
