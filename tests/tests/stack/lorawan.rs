//! LoRaWAN network servers' messages, over both brokers.

use base64::Engine;
use chrono::{DateTime, TimeDelta, Utc};
use domain::device::{Device, DeviceModel, Mounting};
use serde_json::{Value, json};
use tests::broker::BrokerKind;
use tests::city::{self, past};
use tests::ingesting::{Ingesting, set_up, subscribed_once};
use tests::sensors::{Told, publish};
use tests::{eventually, over_both_brokers};

over_both_brokers!(lorawan_messages_of_every_network_server_become_events);

async fn lorawan_messages_of_every_network_server_become_events(kind: BrokerKind) {
    let (database, broker) = set_up(kind).await;
    let eui = |bay: &str| format!("a81758fffe0000{:02x}", bay.as_bytes()[bay.len() - 1]);
    let model = |bay: &str| match bay {
        "lot-0-0" | "lot-0-1" => DeviceModel::named("bosch-tps110"),
        _ => DeviceModel::named("nwave-nps405"),
    };
    let device = |bay: &str| Device {
        id: eui(bay),
        model: model(bay),
        mounting: Mounting::default(),
        silence_after_s: Some(90_000),
    };
    let mut place = city::of_devices(1, 4, device);
    place.lots[0].code = "lorawan".to_owned();
    for bay in &mut place.lots[0].bays {
        bay.code = format!("lorawan-{}", bay.code);
    }
    database
        .store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    subscribed_once(&database, &broker).await;

    let first_heard = past();
    let data =
        |hex: &str| base64::engine::general_purpose::STANDARD.encode(hex::decode(hex).unwrap());
    let tts = |tenant: &str, bay: &str, f_port: u8, payload: &str| {
        Told {
        topic: format!("v3/parking{tenant}/devices/sensor-{bay}/up"),
        payload: json!({
            "end_device_ids": {
                "device_id": format!("sensor-{bay}"),
                "application_ids": {"application_id": "parking"},
                "dev_eui": eui(bay).to_uppercase(),
            },
            "received_at": first_heard + TimeDelta::seconds(9),
            "uplink_message": {
                "f_port": f_port,
                "f_cnt": 7,
                "frm_payload": data(payload),
                "rx_metadata": [
                    {"gateway_ids": {"gateway_id": "b"}, "time": first_heard + TimeDelta::seconds(2), "rssi": -80},
                    {"gateway_ids": {"gateway_id": "a"}, "time": first_heard, "rssi": -90},
                    {"gateway_ids": {"gateway_id": "c"}, "rssi": -90},
                ],
                "received_at": first_heard + TimeDelta::seconds(8),
            },
        })
        .to_string()
        .into_bytes(),
    }
    };
    let chirpstack = |bay: &str, f_port: u8, payload: &str| Told {
        topic: format!("application/1f0e/device/{}/event/up", eui(bay)),
        payload: json!({
            "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
            "time": first_heard,
            "deviceInfo": {"tenantId": "t", "applicationId": "1f0e", "devEui": eui(bay)},
            "fCnt": 7,
            "fPort": f_port,
            "data": data(payload),
            "rxInfo": [{"gatewayId": "00", "rssi": -57, "snr": 10.5}],
        })
        .to_string()
        .into_bytes(),
    };
    let ingest = Ingesting::start(&database.store, &broker.url);
    let messages = vec![
        tts("@city", "lot-0-0", 2, "01FF"),
        tts("", "lot-0-1", 1, "00"),
        chirpstack("lot-0-2", 2, "01D3D800590B"),
        chirpstack("lot-0-3", 10, "D11F345678"),
        // Says nothing of occupancy, and what no decoder knows.
        chirpstack("lot-0-3", 6, "01"),
        tts("", "lot-0-0", 99, "01"),
    ];
    publish(&broker.url, messages).await;
    let done = || async {
        database.count("event").await == 5 && database.count("refused_message").await == 2
    };
    eventually("all messages", done).await;
    ingest.stop().await;
    type Row = (String, bool, DateTime<Utc>, i64, Option<i32>, Option<i16>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT bay.code, occupied, at, seq, battery_mv, temperature_dc
         FROM event JOIN device_assignment USING (device_id) JOIN bay USING (bay_id)
         WHERE code LIKE 'lorawan-%' ORDER BY code",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let row = |bay: &str, occupied, battery_mv, temperature_dc| {
        (
            format!("lorawan-lot-0-{bay}"),
            occupied,
            first_heard,
            7,
            battery_mv,
            temperature_dc,
        )
    };
    let expected = [
        row("0", true, None, Some(-10)),
        row("1", false, None, None),
        row("2", true, Some(3_344), Some(-100)),
        row("3", true, None, None),
    ];
    assert_eq!(rows, expected);
    let counts = [("no_occupancy", 1), ("undecodable", 1)];
    assert_eq!(
        database.refused().await,
        counts.map(|(reason, n)| (reason.to_owned(), n))
    );
}

#[test]
fn the_time_of_a_lorawan_message_does_not_depend_on_which_copy_came_first() {
    let uplink = |times: [&str; 2]| {
        let gateways: Vec<Value> = times.iter().map(|time| json!({"time": time})).collect();
        json!({
            "end_device_ids": {"device_id": "s"},
            "uplink_message": {"f_port": 1, "frm_payload": "AQ==", "rx_metadata": gateways},
        })
        .to_string()
    };
    let (early, late) = ("2026-11-22T00:00:00Z", "2026-11-22T00:00:01Z");
    let read =
        |times| ingest::envelope::unwrap("v3/a/devices/s/up", uplink(times).as_bytes()).unwrap();
    assert_eq!(read([early, late]), read([late, early]));
    assert_eq!(
        read([late, early]).at,
        early.parse::<DateTime<Utc>>().unwrap()
    );
}

#[test]
fn a_gateway_whose_clock_is_wrong_is_not_believed() {
    let heard = "2026-11-22T00:00:00Z";
    let (told_by_server, lost, ahead) = (
        "2026-11-22T00:00:02Z",
        "1970-01-01T00:00:07Z",
        "2026-11-22T00:11:00Z",
    );
    let gateways = |name: &str, times: &[&str]| -> Vec<Value> {
        times.iter().map(|time| json!({name: time})).collect()
    };
    let tts = |times: &[&str]| {
        let uplink = json!({
            "end_device_ids": {"device_id": "s"},
            "uplink_message": {
                "f_port": 1,
                "frm_payload": "AQ==",
                "rx_metadata": gateways("time", times),
                "received_at": told_by_server,
            },
        });
        ("v3/a/devices/s/up", uplink.to_string())
    };
    // ChirpStack's own message time may be that of the first gateway: right or wrong.
    let chirpstack = |times: &[&str]| {
        let mut rx_info = gateways("gwTime", times);
        rx_info.push(json!({"nsTime": told_by_server}));
        let uplink = json!({
            "time": times[0],
            "deviceInfo": {"devEui": "0011"},
            "fPort": 1,
            "data": "AQ==",
            "rxInfo": rx_info,
        });
        ("application/a/device/0011/event/up", uplink.to_string())
    };
    let at = |(topic, payload): (&str, String)| {
        ingest::envelope::unwrap(topic, payload.as_bytes())
            .unwrap()
            .at
    };
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    for times in [[lost, heard], [heard, lost], [ahead, heard]] {
        assert_eq!(at(tts(&times)), time(heard), "{times:?}");
        assert_eq!(at(chirpstack(&times)), time(heard), "{times:?}");
    }
    assert_eq!(at(tts(&[lost])), time(told_by_server));
    assert_eq!(at(chirpstack(&[lost])), time(told_by_server));
}
