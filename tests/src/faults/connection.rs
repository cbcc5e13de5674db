//! Devices that share one connection to the broker, packet by packet, so that it is known of each
//! message whether the broker has acknowledged it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::{Connect, Login, Packet, Publish, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use crate::sensors::Told;

/// How many messages wait for their acknowledgement at once.
const WINDOW: usize = 500;
/// How long the broker may leave a message without its acknowledgement before devices connect anew.
const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN_AFTER: Duration = Duration::from_millis(50);
const PACKET_MAX: usize = 1024 * 1024;

/// What devices do with a message that the broker has not acknowledged when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unacknowledged {
    /// Send it again, and keep what happens meanwhile.
    SentAgain,
    /// Forget it, and what happens meanwhile.
    Forgotten,
}

/// Which messages the broker has acknowledged, by their number.
pub(super) type Acknowledged = Arc<Mutex<Vec<bool>>>;

/// A message and its number.
pub(super) type Numbered = (usize, Told);

/// A message that was sent, under the number of its packet.
struct Sent {
    packet: u16,
    number: usize,
    told: Told,
}

impl Sent {
    fn write(&self, dup: bool, to: &mut BytesMut) {
        let Told { topic, payload } = self.told.clone();
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = self.packet;
        publish.dup = dup;
        publish.write(to).unwrap();
    }
}

/// One of a broker's nodes.
#[derive(Clone)]
pub(super) struct Node {
    address: String,
    login: Option<Login>,
}

impl Node {
    /// From `mqtt://user:password@host:port`, of which user and password may be missing.
    pub(super) fn of(url: &str) -> Self {
        let rest = url.strip_prefix("mqtt://").unwrap();
        let (login, address) = match rest.split_once('@') {
            Some((login, address)) => (login.split_once(':'), address),
            None => (None, rest),
        };
        Self {
            address: address.to_owned(),
            login: login.map(|(user, password)| Login::new(user, password)),
        }
    }
}

pub(super) struct Connection {
    pub(super) nodes: Vec<Node>,
    /// The one it speaks to; after a failure the next.
    pub(super) node: usize,
    pub(super) unacknowledged: Unacknowledged,
    pub(super) messages: UnboundedReceiver<Numbered>,
    pub(super) acknowledged: Acknowledged,
}

impl Connection {
    /// Sends what comes until no more can come and, where devices send again, all is acknowledged.
    pub(super) async fn run(mut self) {
        let mut sent = VecDeque::new();
        loop {
            // Whatever ends a connection, the next one goes on.
            if self.converse(&mut sent).await.is_ok() {
                return;
            }
            self.node = (self.node + 1) % self.nodes.len();
            if self.unacknowledged == Unacknowledged::Forgotten {
                sent.clear();
                while self.messages.try_recv().is_ok() {}
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// One connection, until it ends with an error or there is nothing left to do.
    async fn converse(&mut self, sent: &mut VecDeque<Sent>) -> io::Result<()> {
        let (mut reader, mut writer) = within(connect(&self.nodes[self.node])).await?;
        let (mut received, mut out) = (BytesMut::new(), BytesMut::new());
        sent.iter().for_each(|sent| sent.write(true, &mut out));
        let mut next = Vec::new();
        let mut packet = sent.back().map_or(0, |sent| sent.packet);
        let mut closed = false;
        loop {
            within(writer.write_all_buf(&mut out)).await?;
            if closed && sent.is_empty() {
                return Ok(());
            }
            let room = WINDOW.saturating_sub(sent.len());
            tokio::select! {
                read = reader.read_buf(&mut received) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.note(&mut received, sent)?;
                }
                count = self.messages.recv_many(&mut next, room), if room > 0 && !closed => {
                    closed = count == 0;
                    for (number, told) in next.drain(..) {
                        packet = packet.checked_add(1).unwrap_or(1);
                        let message = Sent { packet, number, told };
                        message.write(false, &mut out);
                        sent.push_back(message);
                    }
                }
                () = tokio::time::sleep(PATIENCE), if !sent.is_empty() => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
        }
    }

    /// Takes note of the acknowledgements that have been read.
    fn note(&self, received: &mut BytesMut, sent: &mut VecDeque<Sent>) -> io::Result<()> {
        let mut acknowledged = self.acknowledged.lock().unwrap();
        loop {
            match Packet::read(received, PACKET_MAX) {
                Ok(Packet::PubAck(ack)) => {
                    let place = sent.iter().position(|sent| sent.packet == ack.pkid);
                    if let Some(sent) = place.and_then(|place| sent.remove(place)) {
                        acknowledged[sent.number] = true;
                    }
                }
                Ok(_) => {}
                Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => return Ok(()),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

async fn connect(node: &Node) -> io::Result<(OwnedReadHalf, OwnedWriteHalf)> {
    let stream = TcpStream::connect(&node.address).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut hello = Connect::new(Uuid::new_v4().simple().to_string());
    // The broker need not ask whether we are there: load is never interrupted for long.
    hello.keep_alive = 0;
    hello.login = node.login.clone();
    let mut buffer = BytesMut::new();
    Packet::Connect(hello)
        .write(&mut buffer, PACKET_MAX)
        .map_err(io::Error::other)?;
    writer.write_all_buf(&mut buffer).await?;
    loop {
        match Packet::read(&mut buffer, PACKET_MAX) {
            Ok(Packet::ConnAck(_)) => return Ok((reader, writer)),
            Ok(other) => return Err(io::Error::other(format!("{other:?}"))),
            Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        if reader.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
