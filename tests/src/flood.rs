//! Messages at a broker as fast as it takes them: a publisher that costs as little as can be, so that
//! what is measured beside it is not its own work.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sensors::Told;

/// How many messages may be unacknowledged; fewer than there are packet numbers.
const WINDOW: usize = 10_000;
/// How much is written before acknowledgements are read.
const CHUNK: usize = 64 * 1024;
/// Longer than any broker takes to acknowledge a window.
const PATIENCE: Duration = Duration::from_secs(60);

/// Publishes all, in order, at QoS 1, and returns when the broker has acknowledged each.
///
/// Speaks just so much of MQTT 3.1.1
/// (<https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html>) as that needs.
///
/// # Panics
/// Where the broker is away or does not keep to the protocol.
pub async fn flood(url: &str, messages: &[Told]) {
    let address = url.strip_prefix("mqtt://").unwrap();
    let mut broker = TcpStream::connect(address).await.unwrap();
    broker.set_nodelay(true).unwrap();
    // A clean session without an identity, for ever.
    let connect = [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 0];
    broker.write_all(&connect).await.unwrap();
    let mut accepted = [0; 4];
    broker.read_exact(&mut accepted).await.unwrap();
    assert_eq!(
        accepted,
        [0x20, 2, 0, 0],
        "the broker refuses the connection"
    );

    let (mut sent, mut acknowledged) = (0, 0);
    let mut out = Vec::with_capacity(CHUNK * 2);
    // Acknowledgements are four bytes each; the numbers do not matter, since all are counted.
    let (mut read, mut partial) = (vec![0; CHUNK], 0);
    while acknowledged < messages.len() {
        out.clear();
        while sent < messages.len() && sent - acknowledged < WINDOW && out.len() < CHUNK {
            let number = u16::try_from(sent % usize::from(u16::MAX)).unwrap() + 1;
            publish(&mut out, &messages[sent], number);
            sent += 1;
        }
        broker.write_all(&out).await.unwrap();
        let count = tokio::time::timeout(PATIENCE, broker.read(&mut read)).await;
        let count = count.expect("the broker acknowledges no more").unwrap();
        assert!(count > 0, "the broker has closed the connection");
        acknowledged += (partial + count) / 4;
        partial = (partial + count) % 4;
    }
    broker.write_all(&[0xe0, 0]).await.unwrap();
}

fn publish(out: &mut Vec<u8>, message: &Told, number: u16) {
    let topic = message.topic.as_bytes();
    let mut length = 2 + topic.len() + 2 + message.payload.len();
    out.push(0x32);
    loop {
        let low = u8::try_from(length % 128).unwrap();
        length /= 128;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(&u16::try_from(topic.len()).unwrap().to_be_bytes());
    out.extend_from_slice(topic);
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&message.payload);
}
