//! How RabbitMQ's MQTT plugin writes a topic as the key of a message, and the other way round.

/// A topic of MQTT out of a key, as RabbitMQ's plugin makes the one of the other.
pub(super) fn topic(routing_key: &str) -> String {
    swapped(routing_key)
}

/// The key of a topic.
pub(super) fn routing_key(topic: &str) -> String {
    swapped(topic)
}

fn swapped(text: &str) -> String {
    let swap = |character| match character {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    text.chars().map(swap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_topics_with_dots_and_slashes_exchanged() {
        let of_tts = "v3/parking@tenant.example/devices/eui-1/up";
        assert_eq!(
            routing_key(of_tts),
            "v3.parking@tenant/example.devices.eui-1.up"
        );
        assert_eq!(topic(&routing_key(of_tts)), of_tts);
    }
}
