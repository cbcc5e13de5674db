//! Vendors' payloads: bytes on a LoRaWAN port in, a reading out.
//!
//! A vendor is one file, which names the models that it reads in its `PROFILES`, and a line in
//! [`VENDORS`]; its vectors are a file in `ingest/tests/golden/`.

use domain::device::{DeviceModel, Mounting};

use crate::{Reason, Refusal};

pub mod bosch;
pub mod libelium;
pub mod milesight;
pub mod nwave;

/// A model of device, and how its payloads are read.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The model's name in the registry.
    pub model: &'static str,
    /// Reads what arrived on a port from a device that is mounted so.
    pub decode: fn(&Mounting, u8, &[u8]) -> Result<Reading, Refusal>,
    /// Below how many millivolts its battery is weak.
    pub battery_limit_mv: i32,
}

/// Of lithium thionyl chloride cells (3.6 V), which these models have: the voltage stays at about
/// 3.6 V until the cell is nearly empty and then falls within weeks. The vendors publish no limit;
/// this one leaves time to go there.
const LITHIUM_3V6_LIMIT_MV: i32 = 3_300;

const VENDORS: [&[Profile]; 5] = [
    OWN,
    bosch::PROFILES,
    libelium::PROFILES,
    milesight::PROFILES,
    nwave::PROFILES,
];

const OWN: &[Profile] = &[Profile {
    model: "clearbay",
    decode: |_, _, _| {
        Err(Refusal::undecodable(
            "a device of this model publishes JSON on its own topic",
        ))
    },
    battery_limit_mv: LITHIUM_3V6_LIMIT_MV,
}];

/// Every model that can be read.
pub fn profiles() -> impl Iterator<Item = &'static Profile> {
    VENDORS.into_iter().flatten()
}

/// Below how many millivolts a model's battery is weak; of a model that nothing here reads, as of
/// the usual lithium cell.
pub fn battery_limit_mv(model: &DeviceModel) -> i32 {
    profiles()
        .find(|profile| profile.model == model.code())
        .map_or(LITHIUM_3V6_LIMIT_MV, |profile| profile.battery_limit_mv)
}

/// What a payload says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whether a vehicle is there.
    pub occupied: bool,
    /// Battery voltage in millivolts.
    pub battery_mv: Option<i32>,
    /// What is left of the battery in percent, from devices that tell no voltage.
    pub battery_percent: Option<u8>,
    /// Whether the device itself calls its battery weak.
    pub battery_low: Option<bool>,
    /// Temperature in tenths of a degree Celsius.
    pub temperature_dc: Option<i16>,
    /// The distance that the sensor measured, in millimetres.
    pub distance_mm: Option<u16>,
    /// Whether the device hangs askew, so that it may look past the bay.
    pub tilted: Option<bool>,
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
/// [`Refusal`] where nobody knows the model, or the payload is not of its format.
pub fn decode(
    model: &DeviceModel,
    mounting: &Mounting,
    f_port: u8,
    bytes: &[u8],
) -> Result<Reading, Refusal> {
    let profile = profiles()
        .find(|profile| profile.model == model.code())
        .ok_or_else(|| {
            Refusal::new(
                Reason::UnknownModel,
                format!("nothing here reads a {:?}", model.code()),
            )
        })?;
    (profile.decode)(mounting, f_port, bytes)
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
