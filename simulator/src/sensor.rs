//! What a device of each model puts on the air, and how its network server wraps it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use domain::Timestamp;
use domain::device::{Device, DeviceModel};

/// Seconds by which a device's counter is behind the clock, to fit 32 bits for a century.
const COUNTER_EPOCH_S: i64 = 1_600_000_000;

/// A device's statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The device's time.
    pub at: Timestamp,
    /// Whether a vehicle is there.
    pub occupied: bool,
    /// How long the state before lasted, in minutes, where the statement is a change.
    pub previous_min: Option<u16>,
}

/// Topic and payload of a statement, in the device's own format.
pub fn message(device: &Device, statement: &Statement) -> (String, Vec<u8>) {
    let at = statement.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let seq = statement.at.timestamp() - COUNTER_EPOCH_S;
    let id = &device.id;
    match device.model {
        DeviceModel::Clearbay => {
            let occupied = statement.occupied;
            let payload = format!(
                "{{\"device\":\"{id}\",\"at\":\"{at}\",\"seq\":{seq},\"occupied\":{occupied},\"battery_mv\":3600}}"
            );
            (format!("clearbay/v1/devices/{id}/up"), payload.into_bytes())
        }
        DeviceModel::BoschTps110 => {
            let (f_port, payload) = bosch(statement);
            let data = STANDARD.encode(payload);
            let payload = format!(
                "{{\"end_device_ids\":{{\"device_id\":\"tps-{id}\",\"dev_eui\":\"{}\",\"application_ids\":{{\"application_id\":\"parking\"}}}},\
                 \"received_at\":\"{at}\",\"uplink_message\":{{\"f_port\":{f_port},\"f_cnt\":{seq},\"frm_payload\":\"{data}\",\
                 \"rx_metadata\":[{{\"gateway_ids\":{{\"gateway_id\":\"hn-gw-1\"}},\"time\":\"{at}\",\"rssi\":-97,\"snr\":7.5}}],\"received_at\":\"{at}\"}}}}",
                id.to_uppercase()
            );
            (
                format!("v3/parking@hanoi/devices/tps-{id}/up"),
                payload.into_bytes(),
            )
        }
        DeviceModel::NwaveNps405 | DeviceModel::NwaveNps405Battery => {
            let (f_port, payload) = nwave(statement);
            let data = STANDARD.encode(payload);
            let payload = format!(
                "{{\"deduplicationId\":\"{}\",\"time\":\"{at}\",\"deviceInfo\":{{\"tenantId\":\"hanoi\",\"applicationId\":\"parking\",\"devEui\":\"{id}\"}},\
                 \"fCnt\":{seq},\"fPort\":{f_port},\"data\":\"{data}\",\"rxInfo\":[{{\"gatewayId\":\"hn-gw-2\",\"rssi\":-101,\"snr\":5.2}}]}}",
                uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("{id}{seq}").as_bytes())
            );
            (
                format!("application/parking/device/{id}/event/up"),
                payload.into_bytes(),
            )
        }
    }
}

/// Port 1 is a change, port 2 a heartbeat with the temperature.
fn bosch(statement: &Statement) -> (u8, Vec<u8>) {
    let state = u8::from(statement.occupied);
    match statement.previous_min {
        Some(_) => (1, vec![state]),
        None => (2, vec![state, 27]),
    }
}

/// Port 1 is a change with a code for the length of the state before, port 2 a heartbeat.
fn nwave(statement: &Statement) -> (u8, Vec<u8>) {
    let state = u8::from(statement.occupied);
    match statement.previous_min {
        Some(minutes) => (1, vec![state | (duration_code(minutes) << 1)]),
        // 3,600 mV would not fit: this battery tells 3,340. 27 °C is (27 - 10) * 2.
        None => (2, vec![state, 210, 34, 0, 0, 0]),
    }
}

fn duration_code(minutes: u16) -> u8 {
    let code = match minutes {
        0..90 => minutes,
        90..240 => 90 + (minutes - 90) / 5,
        240..660 => 120 + (minutes - 240) / 60,
        _ => 127,
    };
    u8::try_from(code).unwrap_or(127)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_stays_are_coded_as_the_vendor_does() {
        for (minutes, code) in [
            (0, 0),
            (74, 74),
            (90, 90),
            (160, 104),
            (239, 119),
            (240, 120),
            (659, 126),
            (660, 127),
            (9_999, 127),
        ] {
            assert_eq!(duration_code(minutes), code, "{minutes} min");
        }
    }

    #[test]
    fn a_change_is_the_vectors_byte() {
        let statement = Statement {
            at: Timestamp::UNIX_EPOCH,
            occupied: true,
            previous_min: Some(74),
        };
        assert_eq!(nwave(&statement), (1, vec![0x95]));
        assert_eq!(bosch(&statement), (1, vec![0x01]));
    }
}
