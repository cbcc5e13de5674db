//! Whoever reads the broker has subscribed to what it needs, whatever the broker remembers or
//! refuses at first.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::App;
use api::live::LiveBoard;
use bytes::BytesMut;
use rumqttc::{
    AsyncClient, ConnAck, ConnectReturnCode, Event, MqttOptions, Packet, QoS, SubAck,
    SubscribeReasonCode,
};
use tests::broker::BrokerKind;
use tests::city::past;
use tests::database::TestDatabase;
use tests::ingesting::{Ingesting, set_up};
use tests::sensors::{publish, told};
use tests::{eventually, over_both_brokers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

over_both_brokers!(a_topic_that_is_new_since_the_session_began_is_read);

async fn a_topic_that_is_new_since_the_session_began_is_read(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    let mut options =
        MqttOptions::parse_url(format!("{}?client_id=test-ingest", broker.url)).unwrap();
    options.set_clean_session(false);
    let (client, mut events) = AsyncClient::new(options, 10);
    client
        .subscribe("v3/+/devices/+/up", QoS::AtLeastOnce)
        .await
        .unwrap();
    while !matches!(
        events.poll().await.unwrap(),
        Event::Incoming(Packet::SubAck(_))
    ) {}
    client.disconnect().await.unwrap();
    while !matches!(
        events.poll().await,
        Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) | Err(_)
    ) {}
    drop(events);

    let ingest = Ingesting::start(&database.store, &broker.url);
    eventually("a message on the other topic", || async {
        publish(&broker.url, vec![told("lot-0-0-sensor", past(), 1, true)]).await;
        database.count("event").await == 1
    })
    .await;
    ingest.stop().await;
}

/// A broker that refuses the last filter of the first subscriptions of each client, and counts.
#[derive(Default)]
struct Grudging {
    refusals: usize,
    connections: AtomicUsize,
    subscriptions: AtomicUsize,
    granted: Mutex<Vec<String>>,
}

impl Grudging {
    /// Serves until the runtime ends; the result is its address.
    async fn start(refusals: usize) -> (Arc<Self>, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let broker = Arc::new(Self {
            refusals,
            ..Self::default()
        });
        let serving = broker.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        (broker, url)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let (mut received, mut sent) = (BytesMut::new(), BytesMut::new());
        loop {
            match Packet::read(&mut received, usize::MAX) {
                Ok(packet) => {
                    if let Some(reply) = self.reply(packet) {
                        reply.write(&mut sent, usize::MAX).unwrap();
                        stream.write_all(&sent.split()).await.unwrap();
                    }
                }
                // Not whole yet.
                Err(_) => {
                    if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
            }
        }
    }

    fn reply(&self, packet: Packet) -> Option<Packet> {
        match packet {
            Packet::Connect(connect) => {
                if !connect.client_id.ends_with("-deltas") {
                    self.connections.fetch_add(1, Ordering::SeqCst);
                }
                let session_present = !connect.clean_session;
                Some(Packet::ConnAck(ConnAck::new(
                    ConnectReturnCode::Success,
                    session_present,
                )))
            }
            Packet::Subscribe(subscribe) => {
                let before = self.subscriptions.fetch_add(1, Ordering::SeqCst);
                let mut codes =
                    vec![SubscribeReasonCode::Success(QoS::AtLeastOnce); subscribe.filters.len()];
                if before < self.refusals {
                    codes.pop();
                    codes.push(SubscribeReasonCode::Failure);
                } else {
                    let filters = subscribe.filters.into_iter().map(|filter| filter.path);
                    self.granted.lock().unwrap().extend(filters);
                }
                Some(Packet::SubAck(SubAck::new(subscribe.pkid, codes)))
            }
            Packet::PingReq => Some(Packet::PingResp),
            _ => None,
        }
    }

    fn granted(&self) -> Vec<String> {
        self.granted.lock().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_is_refused_is_asked_for_again() {
    let database = TestDatabase::create().await;
    let (broker, url) = Grudging::start(2).await;
    let mut options = ingest::Options::new(url, "test-ingest".to_owned());
    options.subscribe_again = Duration::from_millis(20);
    let ingest = Ingesting::with(&database.store, options);
    eventually("the subscription", || async {
        broker.granted() == ingest::envelope::FILTERS
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    ingest.stop().await;
    assert_eq!(broker.subscriptions.load(Ordering::SeqCst), 3);
    assert_eq!(
        broker.connections.load(Ordering::SeqCst),
        1,
        "what was granted at once was read all along"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_without_its_deltas_is_not_ready() {
    let database = TestDatabase::create().await;
    let (broker, url) = Grudging::start(1).await;
    let board = Arc::new(LiveBoard::default());
    let (_stop, shutdown) = watch::channel(false);
    let options = MqttOptions::parse_url(format!("{url}?client_id=board")).unwrap();
    let feed = tokio::spawn(api::live::feed(
        board.clone(),
        database.store.clone(),
        options,
        App::now,
        shutdown,
    ));
    eventually("a refusal", || async {
        broker.subscriptions.load(Ordering::SeqCst) == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!board.connected());
    eventually("the deltas", || async { board.connected() }).await;
    assert_eq!(
        broker.granted(),
        ["clearbay/v1/occupancy/+", "clearbay/v1/serve/words"]
    );
    feed.abort();
}
