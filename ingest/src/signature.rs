//! Whether a device's message is its own: what signs it, and with which key that is checked.
//! The format stands in [`crate::envelope::own`].

use domain::signing::{COUNTERS_KEPT, PublicKey, Signing};
use ring::{hmac, signature};
use store::device::KnownDevice;

use crate::envelope::{Unwrapped, own};
use crate::judge::{Directory, Message};
use crate::{Reason, Refusal};

/// What an HMAC key is derived for, before the device's name.
const PURPOSE: &str = "clearbay device";
/// The shortest master key, in characters.
pub const MASTER_MIN: usize = 32;

/// The keys of devices that sign with HMAC, each derived from one master key: none is stored.
#[derive(Clone, Default)]
pub struct DeviceKeys(Option<hmac::Key>);

impl std::fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceKeys(..)")
    }
}

/// The master key is shorter than [`MASTER_MIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master key of devices needs at least {MASTER_MIN} characters")]
pub struct ShortMaster;

impl DeviceKeys {
    /// The keys that follow from a master key.
    ///
    /// # Errors
    /// [`ShortMaster`].
    pub fn derived_from(master: &str) -> Result<Self, ShortMaster> {
        if master.len() < MASTER_MIN {
            return Err(ShortMaster);
        }
        let master = hmac::Key::new(hmac::HMAC_SHA256, master.as_bytes());
        Ok(Self(Some(master)))
    }

    /// Whether there is a master key.
    pub fn has_master(&self) -> bool {
        self.0.is_some()
    }

    /// A device's own key; `None` without a master key.
    pub fn key_of(&self, device: &str) -> Option<[u8; 32]> {
        let tag = hmac::sign(self.0.as_ref()?, format!("{PURPOSE}{device}").as_bytes());
        tag.as_ref().try_into().ok()
    }
}

/// Whether a payload that was published on a device's topic is signed by that device.
///
/// # Errors
/// [`Reason::Unsigned`] where it is not signed, [`Reason::Forged`] where the signature is not the
/// device's, [`Reason::NoKey`] where there is nothing to check it with.
pub fn verify(
    signing: &Signing,
    keys: &DeviceKeys,
    topic: &str,
    payload: &[u8],
) -> Result<(), Refusal> {
    let (json, seal) = own::split(payload);
    let Some(seal) = seal else {
        return Err(Refusal::new(Reason::Unsigned, "no signature follows"));
    };
    let forged = |why: &str| Err(Refusal::new(Reason::Forged, why));
    let signed = [topic.as_bytes(), b"\n", json].concat();
    let right = match signing {
        Signing::Hmac => {
            let Some(tag) = hex_after::<32>(own::HMAC, seal) else {
                return forged("no HMAC-SHA256 in lower-case hex");
            };
            let device = own::device_of(topic).unwrap_or_default();
            let Some(key) = keys.key_of(device) else {
                return Err(Refusal::new(
                    Reason::NoKey,
                    "this process has no CLEARBAY_DEVICE_KEY",
                ));
            };
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            hmac::verify(&key, &signed, &tag).is_ok()
        }
        Signing::Ed25519(key) => {
            let Some(signature) = hex_after::<64>(own::ED25519, seal) else {
                return forged("no Ed25519 signature in lower-case hex");
            };
            verify_ed25519(key, &signed, &signature)
        }
    };
    if right {
        Ok(())
    } else {
        forged("the signature is not the device's")
    }
}

fn verify_ed25519(key: &PublicKey, signed: &[u8], signature: &[u8; 64]) -> bool {
    let verifier = signature::UnparsedPublicKey::new(&signature::ED25519, key.0);
    !key.is_weak() && verifier.verify(signed, signature).is_ok()
}

/// The bytes whose lower-case hex follows `name`: one text for each value, so that no message has a
/// second form that is as good.
fn hex_after<const N: usize>(name: &[u8], seal: &[u8]) -> Option<[u8; N]> {
    let hex = seal.strip_prefix(name)?;
    let mut bytes = [0; N];
    if hex.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    hex::decode_to_slice(hex, &mut bytes).ok()?;
    Some(bytes)
}

/// Whether what a device says may be believed, as far as its signature goes. Of a device that need
/// not sign, a signature is not looked at: to leave it away would be as good.
///
/// # Errors
/// As for [`verify`], and [`Reason::Replayed`] where the message is older than what is remembered of
/// the device's counters.
pub(crate) fn check(
    device: &KnownDevice,
    keys: &DeviceKeys,
    message: &Message,
    unwrapped: &Unwrapped,
) -> Result<(), Refusal> {
    let Some(signing) = &device.signing else {
        return Ok(());
    };
    verify(signing, keys, &message.topic, &message.payload)?;
    if message.received_at.signed_duration_since(unwrapped.at) > COUNTERS_KEPT {
        let days = COUNTERS_KEPT.num_days();
        let why = format!(
            "it says {}; signed messages may be {days} days old",
            unwrapped.at
        );
        return Err(Refusal::new(Reason::Replayed, why));
    }
    Ok(())
}

/// Why a message gives no event that cannot be read, and who is to blame where that is known: on the
/// topic of a device that signs, what it did not sign is that before anything else.
pub(crate) fn of_unreadable(
    directory: &Directory,
    keys: &DeviceKeys,
    message: &Message,
    refusal: Refusal,
) -> (Option<String>, Refusal) {
    let Some((name, device)) =
        own::device_of(&message.topic).and_then(|name| directory.get_key_value(name))
    else {
        return (None, refusal);
    };
    let verified = device
        .signing
        .as_ref()
        .filter(|_| refusal.reason == Reason::Undecodable)
        .map(|signing| verify(signing, keys, &message.topic, &message.payload));
    let why = match verified {
        Some(Err(why)) => why,
        _ => refusal,
    };
    (Some(name.clone()), why)
}
