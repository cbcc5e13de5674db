//! Devices that sign what they say, with other libraries than those that check it where there are any.

use chrono::{DateTime, Utc};
use domain::signing::{PublicKey, Signing};
use hmac::{Hmac, Mac};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::Sha256;
use store::Store;

use crate::sensors::{Told, told};

/// The operator's master key in tests.
pub const MASTER: &str = "a-master-key-of-tests, long enough";

/// HMAC-SHA256.
///
/// # Panics
/// Never: a key may have any length.
pub fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// With what a device signs.
pub enum Signer {
    /// By HMAC, with the key that is derived for a device of this name.
    Hmac(Vec<u8>),
    /// By Ed25519.
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// The device of that name, with the key that follows from [`MASTER`].
    pub fn hmac(device: &str) -> Self {
        let purpose = format!("clearbay device{device}");
        Self::Hmac(hmac_sha256(MASTER.as_bytes(), purpose.as_bytes()))
    }

    /// A device with a key pair of its own.
    ///
    /// # Panics
    /// Never: any seed makes a pair.
    pub fn ed25519(seed: u8) -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    /// What the registry holds of it.
    ///
    /// # Panics
    /// Never: a public key has 32 bytes.
    pub fn registered(&self) -> Signing {
        match self {
            Self::Hmac(_) => Signing::Hmac,
            Self::Ed25519(pair) => {
                Signing::Ed25519(PublicKey(pair.public_key().as_ref().try_into().unwrap()))
            }
        }
    }

    /// A message with its signature.
    pub fn sign(&self, message: &Told) -> Told {
        let signed = [message.topic.as_bytes(), b"\n", &message.payload].concat();
        let line = match self {
            Self::Hmac(key) => format!("\nhs256:{}", hex::encode(hmac_sha256(key, &signed))),
            Self::Ed25519(pair) => format!("\ned25519:{}", hex::encode(pair.sign(&signed))),
        };
        Told {
            topic: message.topic.clone(),
            payload: [&message.payload, line.as_bytes()].concat(),
        }
    }

    /// A signed message in Clearbay's own JSON.
    pub fn told(&self, device: &str, at: DateTime<Utc>, seq: i64, occupied: bool) -> Told {
        self.sign(&told(device, at, seq, occupied))
    }
}

/// Registers how devices sign that are installed.
///
/// # Panics
/// Where the database is away.
pub async fn register(store: &Store, signers: &[(&str, &Signer)]) {
    let signing: Vec<_> = signers
        .iter()
        .map(|(device, signer)| (*device, Some(signer.registered())))
        .collect();
    store
        .devices_install(&[], &signing, chrono::Utc::now())
        .await
        .unwrap();
}
