//! What the broker takes, by the limits that `deploy/` gives it: all that sensors and network servers say, and nothing
//! that fills its disk.

use serde_json::{Value, json};
use tests::broker::Broker;
use tests::raw_mqtt::{Caller, Connection};

const MOSQUITTO: &str = include_str!("../../../deploy/mosquitto.conf");
const IN_CONTAINERS: &str = include_str!("../../../deploy/mosquitto-compose.conf");
const RABBITMQ: &str = include_str!("../../../deploy/rabbitmq/rabbitmq.conf");
/// How many gateways of a city hear one sensor, at a good place for it.
const GATEWAYS: usize = 18;
const TOPIC: &str = "v3/parking@city/devices/sensor-1/up";

fn setting(file: &str, name: &str) -> usize {
    let mut lines = file.lines().filter_map(|line| line.strip_prefix(name));
    let value = lines.next().unwrap_or_else(|| panic!("no {name}"));
    value.trim_start_matches([' ', '=']).parse().unwrap()
}

/// What The Things Stack says of an uplink that so many gateways heard, with all that it says of each of them.
fn uplink(gateways: usize) -> String {
    let heard: Vec<Value> = (0..gateways)
        .map(|number| {
            json!({
                "gateway_ids": {"gateway_id": format!("hanoi-hoan-kiem-roof-{number:02}"), "eui": "A84041FFFF1E2D3C"},
                "time": "2026-11-22T00:00:02.123456Z",
                "timestamp": 3_423_516_923u32,
                "fine_timestamp": "123456789",
                "rssi": -103,
                "channel_rssi": -103,
                "snr": -4.25,
                "frequency_offset": "-1843",
                "location": {"latitude": 21.028_511, "longitude": 105.804_817, "altitude": 38,
                    "source": "SOURCE_REGISTRY"},
                "uplink_token": "CiQKIgoWaGFub2ktaG9hbi1raWVtLXJvb2YtMDESCKhAQf//Hi08EPuBuuAMGgwI+pXAqQYQlYqHswEg\
                    +MqE/NrDDyoMCPqVwKkGEKqu5bMB",
                "channel_index": 4,
                "gps_time": "2026-11-22T00:00:02.123456Z",
                "received_at": "2026-11-22T00:00:02.345678901Z",
            })
        })
        .collect();
    json!({
        "end_device_ids": {"device_id": "sensor-1", "application_ids": {"application_id": "parking"},
            "dev_eui": "A81758FFFE000001", "join_eui": "70B3D57ED0000000", "dev_addr": "260B1234"},
        "correlation_ids": ["gs:uplink:01HF0000000000000000000000"],
        "received_at": "2026-11-22T00:00:09.123456789Z",
        "uplink_message": {
            "session_key_id": "AYvL0000000000000000AA==", "f_port": 85, "f_cnt": 7,
            "frm_payload": "AXVcA2cBAQSCRAgFAAE=",
            "decoded_payload": {"battery": 92, "temperature": 25.7, "distance": 2116, "position": "tilt"},
            "rx_metadata": heard,
            "settings": {"data_rate": {"lora": {"bandwidth": 125_000, "spreading_factor": 10,
                "coding_rate": "4/5"}}, "frequency": "921400000", "timestamp": 3_423_516_923u32},
            "received_at": "2026-11-22T00:00:08.901234567Z", "consumed_airtime": "0.370688s",
            "network_ids": {"net_id": "000013", "ns_id": "EC656E0000000181", "tenant_id": "city",
                "cluster_id": "hanoi", "cluster_address": "lorawan.city.example"},
        },
    })
    .to_string()
}

/// Otherwise a city that moves from one to the other loses what the other does not take.
#[test]
fn all_brokers_have_the_same_limits_and_each_queue_has_one_in_bytes() {
    for limit in [
        "message_size_limit",
        "max_queued_bytes",
        "max_queued_messages",
        "max_inflight_messages",
    ] {
        assert_eq!(
            setting(MOSQUITTO, limit),
            setting(IN_CONTAINERS, limit),
            "{limit}"
        );
        // To mosquitto 0 is none.
        assert_ne!(setting(MOSQUITTO, limit), 0, "{limit}");
    }
    let message = setting(MOSQUITTO, "message_size_limit");
    assert_eq!(message, setting(RABBITMQ, "max_message_size"));
    // Ordinary messages meet the other limit first.
    let ordinary = setting(MOSQUITTO, "max_queued_messages") * 300;
    assert!(ordinary < setting(MOSQUITTO, "max_queued_bytes"));
}

#[tokio::test]
async fn what_many_gateways_heard_gets_through_and_what_is_larger_does_not() {
    let limits = MOSQUITTO.lines().filter(|line| {
        line.starts_with("message_size_limit") || line.starts_with("max_queued_bytes")
    });
    let limits: Vec<&str> = limits.collect();
    let broker = Broker::mosquitto_with(&limits.join("\n"));
    let address = broker.url.trim_start_matches("mqtt://");
    let open = async |name: &str| {
        let caller = Caller::named(name, "any");
        Connection::open(address, &caller).await.unwrap()
    };
    let mut reader = open("reader").await;
    reader.subscribe("#").await.unwrap();
    let heard_by_many = uplink(GATEWAYS);
    assert!(heard_by_many.len() > 8 * 1024, "{}", heard_by_many.len());
    let said = open("server").await.publish(TOPIC, &heard_by_many).await;
    assert!(said.is_some(), "the broker hangs up");
    let large = "x".repeat(setting(MOSQUITTO, "message_size_limit") + 1);
    // Whether it hangs up or says nothing of it is the broker's to choose.
    open("flood").await.publish(TOPIC, &large).await;
    open("server").await.publish(TOPIC, "last").await.unwrap();
    let mut came = Vec::new();
    while came.last().is_none_or(|payload| payload != "last") {
        let (_, payload) = reader.next().await.unwrap().message(0).unwrap();
        came.push(String::from_utf8(payload).unwrap());
    }
    assert_eq!(came, [heard_by_many, "last".to_owned()]);
}
