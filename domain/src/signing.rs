//! How a device that speaks Clearbay's own JSON proves that a message is its own.

use chrono::TimeDelta;

/// For how long it is remembered which counters a signing device has used. A signed message that is
/// older when it arrives is refused: whether it is a repetition can no longer be told.
pub const COUNTERS_KEPT: TimeDelta = TimeDelta::days(90);

/// How a device signs what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// HMAC-SHA256 with a key of its own, which is derived from the operator's master key.
    Hmac,
    /// Ed25519 (RFC 8032) with a private key that only the device has.
    Ed25519(PublicKey),
}

impl Signing {
    /// The name in the database and in files of devices.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::Ed25519(_) => "ed25519",
        }
    }

    /// The key that is recorded with the device.
    pub const fn public_key(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Hmac => None,
            Self::Ed25519(key) => Some(&key.0),
        }
    }
}

/// An Ed25519 public key, as RFC 8032 encodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

/// The encodings of the curve's points of small order, without the sign in the last bit.
/// Source: "May the Fourth Be With You", <https://eprint.iacr.org/2017/806>, as libsodium lists them.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    filled(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    filled(0xec, 0xff, 0x7f),
    filled(0xed, 0xff, 0x7f),
    filled(0xee, 0xff, 0x7f),
];

const fn filled(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

impl PublicKey {
    /// Whether anybody can make signatures that fit this key, as for all zeros: no device has it.
    pub fn is_weak(&self) -> bool {
        let mut unsigned = self.0;
        unsigned[31] &= 0x7f;
        SMALL_ORDER.contains(&unsigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_nobodys_is_weak() {
        assert!(PublicKey([0; 32]).is_weak());
        assert!(PublicKey(filled(0, 0, 0x80)).is_weak());
        assert!(PublicKey(filled(0xec, 0xff, 0xff)).is_weak());
        // RFC 8032, section 7.1, test 1.
        let real = [
            0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64,
            0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68,
            0xf7, 0x07, 0x51, 0x1a,
        ];
        assert!(!PublicKey(real).is_weak());
    }
}
