//! Milesight EM400-MUD, an ultrasonic distance sensor above a bay (or beside it).
//!
//! Source: the payload definition in Milesight-IoT/SensorDecoders, EM_Series/EM400_Series. A message
//! is a row of channels: an id, a type, and as many bytes as the type has, numbers little-endian.
//! What the distance means depends on where the sensor hangs: a vehicle is there when it is less
//! than [`Mounting::occupied_below_mm`], which the installer measures.

use domain::device::Mounting;

use super::{LITHIUM_3V6_LIMIT_MV, Profile, Reading};
use crate::{Reason, Refusal};

/// What is decoded here.
pub const PROFILES: &[Profile] = &[Profile {
    model: "milesight-em400-mud",
    decode,
    battery_limit_mv: LITHIUM_3V6_LIMIT_MV,
}];

/// LoRaWAN's port of all of Milesight's application messages.
const PORT: u8 = 85;
/// The user guide calls the distance a signed number, the decoder an unsigned one. What they read
/// differently is none: the sensor sees ten metres at most.
const DISTANCE_MAX_MM: u16 = i16::MAX as u16;

fn decode(mounting: &Mounting, f_port: u8, bytes: &[u8]) -> Result<Reading, Refusal> {
    if f_port != PORT {
        return Err(super::unknown_port(f_port));
    }
    if bytes.is_empty() {
        return Err(Refusal::undecodable("empty"));
    }
    let mut reading = Reading::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = channel(rest, &mut reading)?;
    }
    let distance_mm = reading
        .distance_mm
        .ok_or_else(|| Refusal::no_occupancy("no distance in this message"))?;
    if distance_mm > DISTANCE_MAX_MM {
        return Err(Refusal::no_occupancy(format!(
            "{distance_mm} mm is no distance"
        )));
    }
    let below_mm = mounting.occupied_below_mm.ok_or_else(|| {
        Refusal::new(
            Reason::Unconfigured,
            "below which distance a vehicle is there is not recorded for this device",
        )
    })?;
    reading.occupied = u32::from(distance_mm) < below_mm;
    Ok(reading)
}

/// Reads the first channel; the result is what follows it.
fn channel<'a>(bytes: &'a [u8], reading: &mut Reading) -> Result<&'a [u8], Refusal> {
    let (id, kind) = match bytes {
        [id, kind, ..] => (*id, *kind),
        _ => return Err(Refusal::undecodable("truncated: a channel without a type")),
    };
    let data = &bytes[2..];
    let Some(length) = length_of(id, kind) else {
        return Err(Refusal::undecodable(format!(
            "unknown channel {id:02X} {kind:02X}"
        )));
    };
    let Some((value, rest)) = data.split_at_checked(length) else {
        return Err(Refusal::undecodable(format!(
            "truncated: {} of {length} bytes of channel {id:02X} {kind:02X}",
            data.len()
        )));
    };
    match (id, value) {
        (0x01, [percent]) => reading.battery_percent = Some(*percent),
        (0x03 | 0x83, [low, high, ..]) => {
            reading.temperature_dc = Some(i16::from_le_bytes([*low, *high]));
        }
        (0x04 | 0x84, [low, high, ..]) => {
            reading.distance_mm = Some(u16::from_le_bytes([*low, *high]));
        }
        (0x05, [position]) => reading.tilted = Some(*position != 0),
        _ => {}
    }
    Ok(rest)
}

/// How many bytes follow a channel's id and type.
fn length_of(id: u8, kind: u8) -> Option<usize> {
    Some(match (id, kind) {
        (0x01, 0x75) | (0x05, 0x00) => 1,
        (0x03, 0x67) | (0x04, 0x82) => 2,
        // With the reason of an alarm as a last byte.
        (0x83, 0x67) | (0x84, 0x82) => 3,
        // The position, of models with a cellular modem.
        (0x06, 0x88) => 9,
        // What the device tells of itself when it joins: versions, class, serial number.
        (0xFF, 0x01 | 0x0B | 0x0F | 0xFE) => 1,
        (0xFF, 0x09 | 0x0A | 0xFF) => 2,
        (0xFF, 0x16) => 8,
        // What was set from afar, said again.
        (0xFE | 0xFF, 0x10 | 0x13 | 0x28 | 0x3E | 0x4A | 0x56 | 0x71) => 1,
        (0xFE | 0xFF, 0x02 | 0x03 | 0x1C | 0x70 | 0x77) => 2,
        (0xFE | 0xFF, 0x06) => 9,
        _ => return None,
    })
}
