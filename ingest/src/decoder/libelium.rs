//! Libelium Smart Parking v2, a magnetometer with radar in the ground.
//!
//! Source: Libelium's Smart Parking technical guide, frames of eleven bytes of firmware 2, and for
//! frames 6 to 8 public decoders. Bytes 0 and 1 begin every frame: bit 7 of the
//! first is the state, bit 6 a weak battery, bits 3 to 0 the kind of frame; the second counts
//! frames. Firmware 3 speaks the same, but reserves the error frame.

use domain::device::Mounting;

use super::{LITHIUM_3V6_LIMIT_MV, Profile, Reading, exactly};
use crate::Refusal;

/// What is decoded here.
pub const PROFILES: &[Profile] = &[Profile {
    model: "libelium-smart-parking-v2",
    decode,
    battery_limit_mv: LITHIUM_3V6_LIMIT_MV,
}];

/// Bits of an error frame's third byte that make its state worthless: the magnetometer's axes.
const AXES_FAIL: u8 = 0b0000_0111;

fn decode(_: &Mounting, _f_port: u8, bytes: &[u8]) -> Result<Reading, Refusal> {
    let frame: [u8; 11] = exactly(bytes)?;
    let [head, _counter, third, fourth, fifth, .., last] = frame;
    let degrees = |byte: u8| Some(i16::from(i8::from_ne_bytes([byte])) * 10);
    let millivolts = |byte: u8| Some(2_800 + 4 * i32::from(byte));
    let reading = Reading {
        occupied: head & 0x80 != 0,
        battery_low: Some(head & 0x40 != 0),
        ..Reading::default()
    };
    Ok(match head & 0x0F {
        // The state has changed.
        0 => Reading {
            temperature_dc: degrees(third),
            battery_mv: millivolts(last),
            ..reading
        },
        // Keep-alive, service, downlink and signal strength, with the device's time of day.
        1 | 6 | 7 | 8 => Reading {
            temperature_dc: degrees(fifth),
            ..reading
        },
        // Daily counters.
        2 => reading,
        3 if third & AXES_FAIL != 0 => {
            return Err(Refusal::no_occupancy("its magnetometer has failed"));
        }
        3 => Reading {
            temperature_dc: degrees(fourth),
            battery_mv: millivolts(last),
            ..reading
        },
        4 => Reading {
            temperature_dc: degrees(third),
            battery_mv: Some(i32::from(u16::from_be_bytes([frame[9], frame[10]]))),
            start_cause: Some("started"),
            ..reading
        },
        5 => Reading {
            firmware: Some(third.to_string()),
            start_cause: Some("started"),
            ..reading
        },
        kind => return Err(Refusal::undecodable(format!("unknown frame {kind}"))),
    })
}
