//! What a sensor puts on the air: topic and payload in its own format.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use chrono::{SecondsFormat, TimeDelta};
use domain::Timestamp;
use domain::device::{Device, DeviceModel};

use crate::timeline::Report;

/// The models that are played here beside those that speak Clearbay's own JSON.
pub(crate) const BOSCH: DeviceModel = DeviceModel::named("bosch-tps110");
pub(crate) const NWAVE: DeviceModel = DeviceModel::named("nwave-nps405");

/// The application and tenant under which the city's devices are known to The Things Stack.
const TTS_APPLICATION: &str = "hanoi-parking";
const TTS_TENANT: &str = "clearbay";
/// The application under which the city's devices are known to ChirpStack.
const CHIRPSTACK_APPLICATION: &str = "5f0c4d2e-8a51-4c0b-9b7e-2d1f6a3c9e10";
const CHIRPSTACK_TENANT: &str = "b6d1f2a4-03c7-4e5d-8f19-7c2e4a6b8d00";
/// 2020-01-01T00:00:00Z in seconds since 1970.
const COUNTERS_BEGIN_S: i64 = 1_577_836_800;

/// The counter of a message that a device sends at `at`: it ticks once a second from 2020 on, so
/// that a restart of the simulator neither repeats nor reorders numbers. Fits LoRaWAN's 32 bits.
pub fn seq_at(at: Timestamp) -> i64 {
    (at.timestamp() - COUNTERS_BEGIN_S).max(0)
}

/// The topic on which a device's network publishes.
pub fn topic(device: &Device) -> String {
    let id = &device.id;
    if device.model == BOSCH {
        format!("v3/{TTS_APPLICATION}@{TTS_TENANT}/devices/eui-{id}/up")
    } else if device.model == NWAVE {
        format!("application/{CHIRPSTACK_APPLICATION}/device/{id}/event/up")
    } else {
        format!("clearbay/v1/devices/{id}/up")
    }
}

/// The message of a report, in the format of the device's model.
pub fn payload(device: &Device, report: &Report) -> Bytes {
    let mut out = BytesMut::new();
    if device.model == BOSCH {
        tts(&mut out, device, report);
    } else if device.model == NWAVE {
        chirpstack(&mut out, device, report);
    } else {
        own_json(
            &mut out,
            &device.id,
            &rfc3339(report.at),
            seq_at(report.at),
            report.occupied,
            Some(report.battery_mv),
        );
    }
    out.freeze()
}

/// Writes Clearbay's own JSON to the end of `out`. `device` needs no escaping: it is a topic level
/// of letters, digits and hyphens; `at` is a time in RFC 3339.
pub fn own_json(
    out: &mut BytesMut,
    device: &str,
    at: &str,
    seq: i64,
    occupied: bool,
    battery_mv: Option<u16>,
) {
    // Writing to memory cannot fail.
    let _ = write!(
        out,
        r#"{{"device":"{device}","at":"{at}","seq":{seq},"occupied":{occupied}"#
    );
    if let Some(battery_mv) = battery_mv {
        let _ = write!(out, r#","battery_mv":{battery_mv}"#);
    }
    let _ = out.write_str("}");
}

fn rfc3339(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Port and bytes of a Bosch TPS110: state on port 1, heartbeat with temperature on port 2.
fn bosch(report: &Report) -> (u8, Vec<u8>) {
    let state = u8::from(report.occupied);
    if report.heartbeat {
        (2, vec![state, report.temperature_c.to_ne_bytes()[0]])
    } else {
        (1, vec![state])
    }
}

/// Port and bytes of an Nwave NPS405: state with the length of the one before on port 1; heartbeat
/// with battery and temperature on port 2.
fn nwave(report: &Report) -> (u8, Vec<u8>) {
    let state = u8::from(report.occupied);
    if !report.heartbeat {
        return (
            1,
            vec![state | duration_code(report.previous_state_min) << 1],
        );
    }
    let battery = u8::try_from(report.battery_mv.saturating_sub(2_500) / 4).unwrap_or(u8::MAX);
    // Half degrees from 10 °C, as a signed byte.
    let half_degrees = (i16::from(report.temperature_c) - 10) * 2;
    let temperature = i8::try_from(half_degrees).unwrap_or(i8::MAX);
    (2, vec![state, battery, temperature.to_ne_bytes()[0]])
}

/// Nwave's seven bits for a time: minutes below 90, then steps of five minutes, then of an hour;
/// 127 means 660 minutes or more, or not known.
fn duration_code(minutes: Option<u16>) -> u8 {
    let code = match minutes {
        Some(minutes @ 0..90) => minutes,
        Some(minutes @ 90..240) => 90 + (minutes - 90) / 5,
        Some(minutes @ 240..660) => 120 + (minutes - 240) / 60,
        _ => 127,
    };
    u8::try_from(code).unwrap_or(127)
}

fn tts(out: &mut BytesMut, device: &Device, report: &Report) {
    let (f_port, bytes) = bosch(report);
    let id = &device.id;
    let (heard, arrived) = (
        rfc3339(report.at),
        rfc3339(report.at + TimeDelta::milliseconds(300)),
    );
    let (rssi, snr) = radio(report);
    let _ = write!(
        out,
        r#"{{"end_device_ids":{{"device_id":"eui-{id}","application_ids":{{"application_id":"{TTS_APPLICATION}"}},"dev_eui":"{eui}"}},"received_at":"{arrived}","uplink_message":{{"f_port":{f_port},"f_cnt":{f_cnt},"frm_payload":"{data}","rx_metadata":[{{"gateway_ids":{{"gateway_id":"hanoi-gateway-1"}},"time":"{heard}","rssi":{rssi},"snr":{snr}}}],"received_at":"{arrived}"}}}}"#,
        eui = id.to_ascii_uppercase(),
        f_cnt = seq_at(report.at),
        data = STANDARD.encode(bytes),
    );
}

fn chirpstack(out: &mut BytesMut, device: &Device, report: &Report) {
    let (f_port, bytes) = nwave(report);
    let id = &device.id;
    let heard = rfc3339(report.at);
    let (rssi, snr) = radio(report);
    let name = format!("{id}/{}", seq_at(report.at));
    let _ = write!(
        out,
        r#"{{"deduplicationId":"{unique}","time":"{heard}","deviceInfo":{{"tenantId":"{CHIRPSTACK_TENANT}","applicationId":"{CHIRPSTACK_APPLICATION}","deviceName":"{id}","devEui":"{id}"}},"fCnt":{f_cnt},"fPort":{f_port},"data":"{data}","rxInfo":[{{"gatewayId":"0200000000000001","gwTime":"{heard}","rssi":{rssi},"snr":{snr}}}]}}"#,
        unique = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()),
        f_cnt = seq_at(report.at),
        data = STANDARD.encode(bytes),
    );
}

/// A plausible signal, stable for a message: dBm and dB. A parked vehicle shields the sensor.
fn radio(report: &Report) -> (i32, f64) {
    let spread = i32::try_from(report.at.timestamp_subsec_millis() % 20).unwrap_or(0);
    let rssi = if report.occupied { -105 } else { -95 } - spread;
    (rssi, f64::from(90 - spread) / 10.0)
}

#[cfg(test)]
#[path = "sensor_tests.rs"]
mod tests;
