//! MQTT 3.1.1 byte by byte, for what no honest client sends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A broker that says nothing for so long has hung.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
/// At QoS 1.
const PUBLISH_ONCE: u8 = 0x32;
const SUBSCRIBE: u8 = 0x82;
const PINGREQ: u8 = 0xC0;
const PINGRESP: u8 = 13;

/// How somebody comes to a broker.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The user's name, if any is said.
    pub user: Option<String>,
    /// The password, if any is said.
    pub password: Option<String>,
    /// The client's id.
    pub client: String,
    /// What the broker is to say on which topic once the connection breaks.
    pub will: Option<(String, String)>,
}

impl Caller {
    /// Somebody by name and password, under an id of their own.
    pub fn named(user: &str, password: &str) -> Self {
        Self {
            user: Some(user.to_owned()),
            password: Some(password.to_owned()),
            client: uuid::Uuid::new_v4().simple().to_string(),
            will: None,
        }
    }
}

/// A packet of the broker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its type (MQTT 3.1.1, 2.2.1).
    pub kind: u8,
    /// All behind its length.
    pub body: Vec<u8>,
}

impl Packet {
    /// Topic and payload of a message that came at QoS 0 or 1.
    pub fn message(&self, qos: u8) -> Option<(String, Vec<u8>)> {
        let (length, rest) = self.body.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
        let (topic, rest) = rest.split_at_checked(length)?;
        let payload = rest.get(usize::from(qos) * 2..)?;
        let is_message = self.kind == PUBLISH;
        is_message.then(|| {
            (
                String::from_utf8_lossy(topic).into_owned(),
                payload.to_vec(),
            )
        })
    }
}

/// A connection that the broker has taken.
pub struct Connection(TcpStream);

impl Connection {
    /// Comes to the broker at `host:port`; `None` where it is not let in.
    ///
    /// # Panics
    /// Where nobody listens there.
    pub async fn open(address: &str, caller: &Caller) -> Option<Self> {
        let mut connection = Self(TcpStream::connect(address).await.unwrap());
        let mut flags = 0b10;
        let mut payload = text(&caller.client);
        if let Some((topic, message)) = &caller.will {
            // At QoS 1.
            flags |= 0b1100;
            payload.extend([text(topic), text(message)].concat());
        }
        if let Some(user) = &caller.user {
            flags |= 0x80;
            payload.extend(text(user));
        }
        if let Some(password) = &caller.password {
            flags |= 0x40;
            payload.extend(text(password));
        }
        let keep_alive = 600u16.to_be_bytes();
        let body = [&text("MQTT")[..], &[4, flags], &keep_alive, &payload].concat();
        connection.send(CONNECT, &body).await.ok()?;
        let answer = connection.next().await?;
        (answer.kind == CONNACK && answer.body.get(1) == Some(&0)).then_some(connection)
    }

    /// Says something at QoS 1, and waits until the broker has answered or hung up.
    pub async fn publish(&mut self, topic: &str, payload: &str) -> Option<Packet> {
        let body = [&text(topic)[..], &[0, 1], payload.as_bytes()].concat();
        self.send(PUBLISH_ONCE, &body).await.ok()?;
        self.next().await
    }

    /// Asks to hear something at QoS 0, and waits until the broker has answered or hung up.
    pub async fn subscribe(&mut self, filter: &str) -> Option<Packet> {
        let body = [&[0, 1][..], &text(filter), &[0]].concat();
        self.send(SUBSCRIBE, &body).await.ok()?;
        self.next().await
    }

    /// What comes before the answer to a ping; `None` where the broker has hung up.
    pub async fn until_ping(&mut self) -> Option<Vec<Packet>> {
        self.send(PINGREQ, &[]).await.ok()?;
        let mut before = Vec::new();
        loop {
            match self.next().await? {
                Packet { kind: PINGRESP, .. } => return Some(before),
                packet => before.push(packet),
            }
        }
    }

    /// The next packet; `None` where the broker has hung up.
    ///
    /// # Panics
    /// Where it says nothing for a minute.
    pub async fn next(&mut self) -> Option<Packet> {
        let next = tokio::time::timeout(ANSWER_WITHIN, self.read()).await;
        next.expect("the broker says nothing").ok()
    }

    async fn read(&mut self) -> io::Result<Packet> {
        let kind = self.0.read_u8().await? >> 4;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = self.0.read_u8().await?;
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 21 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(Packet { kind, body })
    }

    async fn send(&mut self, first: u8, body: &[u8]) -> io::Result<()> {
        let mut packet = vec![first];
        let mut length = body.len();
        loop {
            let low = (length % 128) as u8;
            length /= 128;
            packet.push(if length > 0 { low | 0x80 } else { low });
            if length == 0 {
                break;
            }
        }
        packet.extend_from_slice(body);
        self.0.write_all(&packet).await
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}
