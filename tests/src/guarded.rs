//! A broker that is tried.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::named_city::topic_of;
use crate::raw_mqtt::{Caller, Connection};
use crate::trespass::{Attempt, Loot, Went};

/// A broker with rights of the registry, and two who may do anything.
pub struct Guarded {
    /// Where devices come.
    pub address: String,
    listener: Connection,
    speaker: Connection,
}

impl Guarded {
    /// Subscribes the listener to all that anybody could say.
    ///
    /// # Panics
    /// Where one of them is not let in.
    pub async fn watched(address: String, listener: &Caller, speaker: &Caller) -> Self {
        let mut listener = Connection::open(&address, listener).await.unwrap();
        for filter in ["#", "$SYS/broker/lie", "$CONTROL/lie"] {
            listener.subscribe(filter).await.unwrap();
        }
        let speaker = Connection::open(&address, speaker).await.unwrap();
        Self {
            address,
            listener,
            speaker,
        }
    }

    /// All that was said up to now, but for what the speaker said.
    async fn heard(&mut self) -> Vec<(String, String)> {
        self.speaker.publish("end", "end").await.unwrap();
        let mut heard = Vec::new();
        loop {
            let packet = self
                .listener
                .next()
                .await
                .expect("the listener was cut off");
            let Some((topic, payload)) = packet.message(0) else {
                continue;
            };
            match String::from_utf8(payload).unwrap().as_str() {
                "end" => return heard,
                "probe" => {}
                payload => heard.push((topic, payload.to_owned())),
            }
        }
    }

    /// So many attempts, then everybody as themselves: only these are heard.
    ///
    /// # Panics
    /// Where one of them is not in vain, or somebody cannot speak as themselves.
    pub async fn withstands(&mut self, loot: &Loot, attempts: usize) {
        const SEED: u64 = 20_261_126;
        let random = &mut StdRng::seed_from_u64(SEED);
        for number in 0..attempts {
            let attempt = Attempt::random(random, loot, number);
            let went = attempt.make(&self.address, &mut self.speaker, number).await;
            assert_eq!(went, Went::InVain, "attempt {number}: {attempt:?}");
        }
        let mut expected = BTreeSet::new();
        for (name, password) in &loot.devices {
            let topic = topic_of(name);
            let own = format!("own of {name}");
            let mut device = Connection::open(&self.address, &Caller::named(name, password))
                .await
                .unwrap();
            device
                .publish(&topic, &own)
                .await
                .expect("a device says its own");
            expected.insert((topic, own));
        }
        // A will is heard where it is one's own: those of the attempts would have been.
        let (name, password) = &loot.devices[0];
        let will = (topic_of(name), "own will".to_owned());
        let dying = Caller {
            will: Some(will.clone()),
            ..Caller::named(name, password)
        };
        drop(Connection::open(&self.address, &dying).await.unwrap());
        expected.insert(will);
        let of_services = [
            (
                "chirpstack",
                "application/1/device/24e124713b123456/event/up",
            ),
            (
                "the-things-stack",
                "v3/app@ttn/devices/eui-24e124713b123456/up",
            ),
            ("clearbay-serve", "clearbay/v1/open/lots/lot-0"),
            ("clearbay-serve", "clearbay/v1/serve/words"),
        ];
        let passwords: BTreeMap<&str, &str> = loot
            .services
            .iter()
            .map(|(name, password)| (name.as_str(), password.as_str()))
            .collect();
        for (name, topic) in of_services {
            let caller = Caller::named(name, passwords[name]);
            let mut service = Connection::open(&self.address, &caller).await.unwrap();
            service
                .publish(topic, name)
                .await
                .expect("a service says its own");
            expected.insert((topic.to_owned(), name.to_owned()));
        }
        let mut heard = Vec::new();
        while !heard.iter().any(|(_, payload)| payload == "own will") {
            heard.extend(self.heard().await);
        }
        assert_eq!(heard.len(), expected.len(), "nothing twice");
        let heard: BTreeSet<(String, String)> = heard.into_iter().collect();
        assert_eq!(heard, expected, "after {attempts} attempts of seed {SEED}");

        let hears = [
            (
                "clearbay-serve",
                "clearbay-live-1",
                "clearbay/v1/occupancy/+",
                "clearbay/v1/occupancy/lot-0",
            ),
            (
                "clearbay-serve",
                "clearbay-live-2",
                "clearbay/v1/serve/words",
                "clearbay/v1/serve/words",
            ),
            (
                "open-data-reader",
                "open-data-reader-1",
                "clearbay/v1/open/lots/+",
                "clearbay/v1/open/lots/lot-0",
            ),
        ];
        for (name, client, filter, topic) in hears {
            let caller = Caller {
                client: client.to_owned(),
                ..Caller::named(name, passwords[name])
            };
            let mut service = Connection::open(&self.address, &caller).await.unwrap();
            service
                .subscribe(filter)
                .await
                .expect("a service may hear its own");
            self.speaker.publish(topic, "probe").await.unwrap();
            let heard = service.next().await.and_then(|packet| packet.message(0));
            assert_eq!(heard, Some((topic.to_owned(), b"probe".to_vec())));
        }
    }
}
