//! Nwave NPS405 and NPS310 parking sensors.
//!
//! Source: the codecs in TheThingsNetwork/lorawan-devices. Older ones of the NPS405 read the state
//! from bit 7: it is bit 0. Port 1: state change. Port 2: heartbeat. Port 3: start-up.
//! Port 10: state change with the permit tag of the vehicle. The NPS310 tells its state only.

use domain::device::Mounting;

use super::{LITHIUM_3V6_LIMIT_MV, Profile, Reading, exactly, unknown_port};
use crate::Refusal;

/// What is decoded here: the firmware decides what stands on port 10, and the bytes alone do not
/// say which it is.
pub const PROFILES: &[Profile] = &[
    Profile {
        model: "nwave-nps405",
        decode: |_, f_port, bytes| nps405(Layout::Plain, f_port, bytes),
        battery_limit_mv: LITHIUM_3V6_LIMIT_MV,
    },
    Profile {
        model: "nwave-nps405-battery",
        decode: |_, f_port, bytes| nps405(Layout::WithBattery, f_port, bytes),
        battery_limit_mv: LITHIUM_3V6_LIMIT_MV,
    },
    Profile {
        model: "nwave-nps310",
        decode: nps310,
        battery_limit_mv: LITHIUM_3V6_LIMIT_MV,
    },
];

/// What stands on port 10 of an NPS405.
#[derive(Clone, Copy)]
enum Layout {
    /// State and tag.
    Plain,
    /// State, battery in steps of 100 mV, and tag.
    WithBattery,
}

fn nps405(layout: Layout, f_port: u8, bytes: &[u8]) -> Result<Reading, Refusal> {
    match f_port {
        1 => {
            let [state] = exactly(bytes)?;
            Ok(state_change(state))
        }
        2 => heartbeat(bytes),
        3 => startup(bytes, start_cause),
        6 => Err(Refusal::no_occupancy("diagnostics for the vendor")),
        10 => tagged(layout, bytes),
        other => Err(unknown_port(other)),
    }
}

fn nps310(_: &Mounting, f_port: u8, bytes: &[u8]) -> Result<Reading, Refusal> {
    match f_port {
        1 | 2 => {
            let [state] = exactly(bytes)?;
            Ok(Reading {
                occupied: occupied(state),
                ..Reading::default()
            })
        }
        3 => startup(bytes, start_cause_of_nps310),
        6 => Err(Refusal::no_occupancy("diagnostics for the vendor")),
        other => Err(unknown_port(other)),
    }
}

fn startup(bytes: &[u8], start_cause: fn(u8) -> &'static str) -> Result<Reading, Refusal> {
    let [major, minor, patch, cause, state] = exactly(bytes)?;
    Ok(Reading {
        occupied: occupied(state),
        firmware: Some(format!("{major}.{minor}.{patch}")),
        start_cause: Some(start_cause(cause)),
        ..Reading::default()
    })
}

fn start_cause(cause: u8) -> &'static str {
    match cause {
        0 => "rejoined_network",
        1 => "watchdog",
        2 => "power_on",
        3 => "user_request",
        6 => "brownout",
        _ => "other",
    }
}

fn start_cause_of_nps310(cause: u8) -> &'static str {
    match cause {
        1 => "watchdog",
        2 => "power_on",
        3 => "user_request",
        4 => "brownout",
        _ => "other",
    }
}

/// State, battery and temperature; firmware since 2.4 adds three bytes for the vendor.
fn heartbeat(bytes: &[u8]) -> Result<Reading, Refusal> {
    let [state, battery, temperature] = match bytes.len() {
        3 => exactly(bytes)?,
        _ => {
            let [state, battery, temperature, ..] = exactly::<6>(bytes)?;
            [state, battery, temperature]
        }
    };
    let half_degrees = i16::from(i8::from_ne_bytes([temperature]));
    Ok(Reading {
        occupied: occupied(state),
        battery_mv: Some(2_500 + 4 * i32::from(battery)),
        temperature_dc: Some(half_degrees * 5 + 100),
        ..Reading::default()
    })
}

fn tagged(layout: Layout, bytes: &[u8]) -> Result<Reading, Refusal> {
    let (state, battery_mv, tag) = match layout {
        Layout::Plain => {
            let [state, tag @ ..] = exactly::<5>(bytes)?;
            (state, None, tag)
        }
        Layout::WithBattery => {
            let [state, battery, tag @ ..] = exactly::<6>(bytes)?;
            (state, Some(i32::from(battery) * 100), tag)
        }
    };
    if !occupied(state) {
        // A tag read while no vehicle is there says nothing of the bay's last change.
        return Err(Refusal::no_occupancy("a tag without a vehicle"));
    }
    Ok(Reading {
        battery_mv,
        tag: Some(hex::encode_upper(tag)),
        ..state_change(state)
    })
}

const fn occupied(state: u8) -> bool {
    state & 1 == 1
}

/// Bit 0 is the state; bits 7 to 1 are a code for how long the one before lasted.
fn state_change(state: u8) -> Reading {
    let code = u16::from(state >> 1);
    let (minutes, error) = match code {
        0..90 => (code, 0),
        90..120 => (90 + 5 * (code - 90), 4),
        120..127 => (240 + 60 * (code - 120), 59),
        _ => (660, 0),
    };
    Reading {
        occupied: occupied(state),
        previous_state_min: Some(minutes),
        previous_state_error_min: (error > 0).then_some(error),
        ..Reading::default()
    }
}
