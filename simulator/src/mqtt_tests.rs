#![allow(clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use rumqttc::{ConnAck, ConnectReturnCode, PubAck};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A broker that knows no sessions: it takes `most` messages and acknowledges all but the last two,
/// then breaks the connection.
async fn serve(listener: &TcpListener, most: usize, heard: &mut Vec<Bytes>) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut input = BytesMut::new();
    let mut taken = 0;
    while taken < most {
        let packet = Packet::read(&mut input, 64 * 1024);
        let mut reply = BytesMut::new();
        match packet {
            Ok(Packet::Connect(_)) => {
                ConnAck::new(ConnectReturnCode::Success, false)
                    .write(&mut reply)
                    .unwrap();
            }
            Ok(Packet::Publish(publish)) => {
                heard.push(publish.payload);
                taken += 1;
                if most == usize::MAX || taken + 2 <= most {
                    PubAck::new(publish.pkid).write(&mut reply).unwrap();
                }
            }
            Ok(_) => {}
            Err(_) => {
                if !receive(&stream, &mut input).await {
                    return;
                }
            }
        }
        send(&stream, &reply).await;
    }
}

/// Whether there was more.
async fn receive(stream: &TcpStream, input: &mut BytesMut) -> bool {
    let mut buffer = [0; 4096];
    loop {
        stream.readable().await.unwrap();
        match stream.try_read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                input.extend_from_slice(&buffer[..count]);
                return true;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
}

async fn send(stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        stream.writable().await.unwrap();
        match stream.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_with_a_broker_that_forgets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let broker = tokio::spawn(async move {
        let mut heard = Vec::new();
        serve(&listener, 50, &mut heard).await;
        serve(&listener, 70, &mut heard).await;
        serve(&listener, usize::MAX, &mut heard).await;
        heard
    });
    let mut publisher = Publisher::connect(&url).await.unwrap();
    for number in 0..300 {
        let payload = Bytes::from(format!("{number}"));
        publisher
            .publish("clearbay/v1/devices/d1/up".to_owned(), payload)
            .await
            .unwrap();
    }
    publisher.flush().await.unwrap();
    assert_eq!(publisher.published(), 300);
    drop(publisher);
    let heard = broker.await.unwrap();
    for number in 0..300 {
        let told = format!("{number}");
        assert!(
            heard.iter().any(|payload| *payload == told),
            "{number} was lost"
        );
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    assert!(Publisher::connect("127.0.0.1:1883").await.is_err());
    assert!(Publisher::connect("http://127.0.0.1").await.is_err());
}
