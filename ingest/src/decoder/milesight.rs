//! Milesight EM400-MUD, an ultrasonic distance sensor above a bay (or beside it).
//!
//! Source: the payload definition in Milesight-IoT/SensorDecoders, EM_Series/EM400_Series. A message
//! is a row of channels: an id, a type, and as many bytes as the type has, numbers little-endian.
//! What the distance means depends on where the sensor hangs: a vehicle is there when it is less
//! than [`Mounting::occupied_below_mm`], which the installer measures.

use domain::device::Mounting;

use super::{Profile, Reading};
use crate::{Reason, Refusal};

/// What is decoded here.
pub const PROFILES: &[Profile] = &[Profile {
    model: "milesight-em400-mud",
    decode,
}];

/// LoRaWAN's port of all of Milesight's application messages.
const PORT: u8 = 85;

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
    let length = match (id, kind) {
        (0x01, 0x75) | (0x05, 0x00) => 1,
        (0x03, 0x67) | (0x04, 0x82) => 2,
        // With the reason of an alarm as a last byte.
        (0x83, 0x67) | (0x84, 0x82) => 3,
        // The position, of models with a cellular modem.
        (0x06, 0x88) => 9,
        _ => {
            return Err(Refusal::undecodable(format!(
                "unknown channel {id:02X} {kind:02X}"
            )));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(hex: &str, below_mm: Option<u32>) -> Result<Reading, Refusal> {
        let mounting = Mounting {
            occupied_below_mm: below_mm,
        };
        decode(&mounting, PORT, &hex::decode(hex).unwrap_or_default())
    }

    #[test]
    fn a_vehicle_is_there_below_the_devices_own_distance() {
        let hex = "01755C0367010104824408050001";
        for (below_mm, occupied) in [(2_116, false), (2_117, true)] {
            let reading = read(hex, Some(below_mm)).ok();
            assert_eq!(reading.map(|reading| reading.occupied), Some(occupied));
        }
        let alarm = read("8367E800018482410601", Some(2_000)).unwrap_or_default();
        assert_eq!(
            (alarm.temperature_dc, alarm.distance_mm),
            (Some(232), Some(1_601))
        );
        assert!(alarm.occupied);
    }

    #[test]
    fn what_says_nothing_of_the_bay_is_refused_with_its_reason() {
        let reason = |hex, below| read(hex, below).map_err(|refusal| refusal.reason);
        assert_eq!(reason("01755C", Some(1)), Err(Reason::NoOccupancy));
        assert_eq!(reason("04824408", None), Err(Reason::Unconfigured));
        for broken in ["", "04", "0482", "048244", "FF0B01", "0482440801"] {
            assert_eq!(
                reason(broken, Some(1)),
                Err(Reason::Undecodable),
                "{broken}"
            );
        }
    }
}
