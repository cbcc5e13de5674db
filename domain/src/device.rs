//! What is screwed to the ground: sensor models and how each is listened to.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A sensor model, which decides the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceModel {
    /// Speaks Clearbay's own JSON.
    Clearbay,
    /// Bosch Parking Lot Sensor TPS110 (LoRaWAN).
    BoschTps110,
    /// Nwave NPS405 (LoRaWAN), the firmware without a battery byte on port 10.
    NwaveNps405,
    /// Nwave NPS405 (LoRaWAN), newer firmware: a battery byte follows the state on port 10.
    NwaveNps405Battery,
}

impl DeviceModel {
    /// Every model, for look-ups and listings.
    pub const ALL: [Self; 4] = [
        Self::Clearbay,
        Self::BoschTps110,
        Self::NwaveNps405,
        Self::NwaveNps405Battery,
    ];

    /// The name in the database and in place files.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Clearbay => "clearbay",
            Self::BoschTps110 => "bosch-tps110",
            Self::NwaveNps405 => "nwave-nps405",
            Self::NwaveNps405Battery => "nwave-nps405-battery",
        }
    }

    /// The model of that name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.code() == code)
    }
}

/// One sensor, as its installer records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What the device calls itself: its topic's name, or its LoRaWAN DevEUI in lower-case hex.
    pub id: String,
    /// Its model.
    pub model: DeviceModel,
    /// After how long without a word the bay is unknown. `None` only for a recording, whose
    /// devices report changes and nothing else, so that silence says nothing.
    pub silence_after_s: Option<i32>,
}

/// Whether a device heard last at `heard_at` has been silent too long to be believed.
///
/// `now` earlier than `heard_at` (a device whose clock runs ahead) is not silence.
pub fn is_silent(heard_at: Timestamp, silence_after_s: Option<i32>, now: Timestamp) -> bool {
    silence_after_s.is_some_and(|limit_s| (now - heard_at).num_seconds() > i64::from(limit_s))
}
