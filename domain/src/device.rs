//! What is screwed to the ground: sensor models and how each is listened to.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A sensor's model, by the name under which a decoder knows it: which ones there are is the
/// decoders' affair.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceModel(Cow<'static, str>);

impl DeviceModel {
    /// Speaks Clearbay's own JSON.
    pub const CLEARBAY: Self = Self::named("clearbay");

    /// The model of that name.
    pub const fn named(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// The name in the database and in place files.
    pub fn code(&self) -> &str {
        &self.0
    }
}

impl From<String> for DeviceModel {
    fn from(code: String) -> Self {
        Self(Cow::Owned(code))
    }
}

/// What a device's payload leaves open and its installer records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounting {
    /// For sensors that measure a distance: less than this, in millimetres, is a vehicle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occupied_below_mm: Option<u32>,
}

/// One sensor, as its installer records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What the device calls itself: its topic's name, or its LoRaWAN DevEUI in lower-case hex.
    pub id: String,
    /// Its model.
    pub model: DeviceModel,
    /// How it is mounted.
    #[serde(flatten)]
    pub mounting: Mounting,
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
