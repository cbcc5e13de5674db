//! How several ingest processes share one city.

use std::str::FromStr;

/// Which of the devices' messages are this process's to keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// All of them.
    #[default]
    All,
    /// Those that the broker gives to this member of the group: shared subscriptions, of MQTT 5 and of
    /// brokers that grant them to MQTT 3.1.1 as well (mosquitto, EMQX, HiveMQ).
    Group(String),
    /// Those of one part of the devices, out of so many: for brokers without shared subscriptions.
    /// Every process is sent all messages and acknowledges the others' unread, so one process must
    /// run for every part. Before their number changes, all must have worked off what is queued.
    Part {
        /// Which, from 0.
        index: u32,
        /// How many.
        count: u32,
    },
}

impl Share {
    /// The subscription for a filter.
    pub(crate) fn subscription(&self, filter: &str) -> String {
        match self {
            Self::Group(group) => format!("$share/{group}/{filter}"),
            _ => filter.to_owned(),
        }
    }

    /// Whether this process keeps what comes on a topic.
    pub(crate) fn takes(&self, topic: &str) -> bool {
        match self {
            Self::Part { index, count } => fnv_1a(topic) % count == *index,
            _ => true,
        }
    }
}

/// The Fowler-Noll-Vo hash, which is the same in every version and on every machine
/// (<https://www.rfc-editor.org/rfc/rfc9923.html>).
fn fnv_1a(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

impl FromStr for Share {
    type Err = String;

    /// `all`, `group:NAME` or `INDEX/COUNT`, counted from 1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Some(name) = text.strip_prefix("group:") {
            let plain = !name.is_empty() && !name.contains(['/', '+', '#', '\0']);
            return match plain {
                true => Ok(Self::Group(name.to_owned())),
                false => Err("a group's name is not empty and has no / + #".to_owned()),
            };
        }
        let part = text.split_once('/').and_then(|(index, count)| {
            Some((index.parse::<u32>().ok()?, count.parse::<u32>().ok()?))
        });
        match part {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self::Part {
                index: index - 1,
                count,
            }),
            _ => Err("not all, group:NAME or a part such as 1/2".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_topic_is_taken_by_exactly_one_part() {
        let parts: Vec<Share> = (1..=3).map(|n| format!("{n}/3").parse().unwrap()).collect();
        let mut taken = [0; 3];
        for device in 0..3_000 {
            let topic = format!("clearbay/v1/devices/d{device}/up");
            let takers: Vec<usize> = (0..3).filter(|n| parts[*n].takes(&topic)).collect();
            let [taker] = takers[..] else {
                panic!("{topic} is taken by {takers:?}")
            };
            taken[taker] += 1;
        }
        assert!(taken.iter().all(|n| (900..1_100).contains(n)), "{taken:?}");
    }

    #[test]
    fn what_is_no_share_is_refused() {
        assert_eq!("all".parse(), Ok(Share::All));
        assert_eq!("group:a".parse(), Ok(Share::Group("a".to_owned())));
        for wrong in ["", "0/2", "3/2", "1/0", "2", "group:", "group:a/b", "x/y"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
