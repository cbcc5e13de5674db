//! Vendors' payloads: bytes on a LoRaWAN port in, a reading out.

use domain::device::DeviceModel;

use crate::Refusal;

pub mod bosch;
pub mod nwave;

/// What a payload says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whether a vehicle is there.
    pub occupied: bool,
    /// Battery voltage in millivolts.
    pub battery_mv: Option<i32>,
    /// Temperature in tenths of a degree Celsius.
    pub temperature_dc: Option<i16>,
    /// How long the state before this one lasted, in minutes.
    pub previous_state_min: Option<u16>,
    /// By how much that may be wrong, in minutes.
    pub previous_state_error_min: Option<u16>,
    /// The permit tag that the sensor read, in upper-case hex.
    pub tag: Option<String>,
    /// The firmware, as `major.minor.patch`.
    pub firmware: Option<String>,
    /// Why the device started.
    pub start_cause: Option<&'static str>,
    /// The vendor's codes for its own engineers.
    pub debug_codes: Vec<u16>,
}

/// Decodes a payload of a LoRaWAN device.
///
/// # Errors
/// [`Refusal`] where the payload is not of the model's format, or the model has no such format.
pub fn decode(model: DeviceModel, f_port: u8, bytes: &[u8]) -> Result<Reading, Refusal> {
    match model {
        DeviceModel::BoschTps110 => bosch::decode(f_port, bytes),
        DeviceModel::NwaveNps405 => nwave::decode(nwave::Layout::Plain, f_port, bytes),
        DeviceModel::NwaveNps405Battery => nwave::decode(nwave::Layout::WithBattery, f_port, bytes),
        DeviceModel::Clearbay => Err(Refusal::undecodable(
            "a device of this model publishes JSON on its own topic",
        )),
    }
}

fn unknown_port(f_port: u8) -> Refusal {
    Refusal::undecodable(format!("unknown port {f_port}"))
}

/// Exactly `N` bytes.
fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Refusal> {
    bytes.try_into().map_err(|_| {
        Refusal::undecodable(match bytes.len() {
            0 => "empty".to_owned(),
            n if n < N => format!("truncated: {n} of {N} bytes"),
            n => format!("too long: {n} bytes instead of {N}"),
        })
    })
}
