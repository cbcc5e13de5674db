//! Bosch Parking Lot Sensor TPS110.
//!
//! Source: Bosch's communication interface description, as in TheThingsNetwork/lorawan-devices.
//! Port 1: state. Port 2: heartbeat, state and, not from the first firmware, temperature. Port 3:
//! start-up.

use domain::device::Mounting;

use super::{LITHIUM_3V6_LIMIT_MV, Profile, Reading, exactly, unknown_port};
use crate::Refusal;

/// What is decoded here.
pub const PROFILES: &[Profile] = &[Profile {
    model: "bosch-tps110",
    decode,
    battery_limit_mv: LITHIUM_3V6_LIMIT_MV,
}];

fn decode(_: &Mounting, f_port: u8, bytes: &[u8]) -> Result<Reading, Refusal> {
    match f_port {
        1 => {
            let [state] = exactly(bytes)?;
            Ok(Reading {
                occupied: occupied(state),
                ..Reading::default()
            })
        }
        2 => {
            let (state, temperature) = match *bytes {
                [state] => (state, None),
                _ => {
                    let [state, temperature] = exactly(bytes)?;
                    (state, Some(i8::from_ne_bytes([temperature])))
                }
            };
            Ok(Reading {
                occupied: occupied(state),
                temperature_dc: temperature.map(|celsius| i16::from(celsius) * 10),
                ..Reading::default()
            })
        }
        3 => startup(exactly(bytes)?),
        4..=6 => Err(Refusal::no_occupancy("diagnostics for the vendor")),
        other => Err(unknown_port(other)),
    }
}

const fn occupied(state: u8) -> bool {
    state & 1 == 1
}

fn startup(bytes: [u8; 17]) -> Result<Reading, Refusal> {
    let code = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]) & 0x0FFF;
    let [major, minor, patch, cause, state] = [12, 13, 14, 15, 16].map(|at: usize| bytes[at]);
    Ok(Reading {
        occupied: occupied(state),
        debug_codes: [0, 4, 8]
            .map(code)
            .into_iter()
            .filter(|code| *code != 0)
            .collect(),
        firmware: Some(format!("{major}.{minor}.{patch}")),
        start_cause: Some(match cause {
            1 => "watchdog",
            2 => "power_on",
            3 => "system_request",
            _ => "other",
        }),
        ..Reading::default()
    })
}
