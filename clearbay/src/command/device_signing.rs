//! How devices sign, in files and on the command line.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::device::DeviceModel;
use domain::signing::{PublicKey, Signing};
use ingest::signature::DeviceKeys;

use crate::out::out;

/// The secret from which the keys of devices are derived that sign with HMAC.
#[derive(Clone, Debug, clap::Args)]
pub struct MasterKey {
    /// From this the keys of devices are derived that sign with HMAC: 32 characters or more.
    #[arg(
        long = "device-key",
        env = "CLEARBAY_DEVICE_KEY",
        hide_env_values = true
    )]
    master: Option<String>,
}

impl MasterKey {
    /// The devices' keys.
    ///
    /// # Errors
    /// Where the secret is too short.
    pub fn keys(&self) -> anyhow::Result<DeviceKeys> {
        match self.master.as_deref() {
            None | Some("") => Ok(DeviceKeys::default()),
            Some(master) => DeviceKeys::derived_from(master).context("CLEARBAY_DEVICE_KEY"),
        }
    }
}

/// Print the key that a device signs with by HMAC.
#[derive(Debug, clap::Args)]
pub struct Key {
    #[command(flatten)]
    master: MasterKey,
    /// What the device calls itself.
    name: String,
}

impl Key {
    /// Runs the command.
    pub fn run(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.name.is_empty() && !self.name.contains(['/', '+', '#', '\0']),
            "{:?} is no device's name",
            self.name
        );
        let key = self.master.keys()?.key_of(&self.name);
        let key = key.context("CLEARBAY_DEVICE_KEY is not set")?;
        out!("{}", hex::encode(key));
        Ok(())
    }
}

/// How a device signs by the cells of its line; `Ok(None)` where it does not.
///
/// # Errors
/// What is wrong.
pub fn signing_of(
    model: &DeviceModel,
    signing: &str,
    public_key: &str,
) -> Result<Option<Signing>, String> {
    let signing = match (signing, public_key) {
        ("" | "hmac", key) if !key.is_empty() => {
            return Err("public_key is for signing ed25519 only".to_owned());
        }
        ("", _) => return Ok(None),
        ("hmac", _) => Signing::Hmac,
        ("ed25519", "") => return Err("public_key is missing: ed25519 needs it".to_owned()),
        ("ed25519", key) => Signing::Ed25519(public_key_of(key)?),
        (other, _) => return Err(format!("signing is neither hmac nor ed25519: {other}")),
    };
    if *model != DeviceModel::CLEARBAY {
        return Err(format!(
            "a {} cannot sign; only devices of model clearbay can",
            model.code()
        ));
    }
    Ok(Some(signing))
}

/// The cells that [`signing_of`] reads: how a device signs, and its public key.
pub fn signing_cells(signing: Option<Signing>) -> (String, String) {
    match signing {
        None => (String::new(), String::new()),
        Some(Signing::Hmac) => ("hmac".to_owned(), String::new()),
        Some(Signing::Ed25519(key)) => ("ed25519".to_owned(), hex::encode(key.0)),
    }
}

fn public_key_of(text: &str) -> Result<PublicKey, String> {
    let bytes = hex::decode(text).or_else(|_| STANDARD.decode(text));
    let key: [u8; 32] = bytes
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or("public_key is not 32 bytes in hex or base64")?;
    let key = PublicKey(key);
    if key.is_weak() {
        return Err("public_key is one that anybody can sign for".to_owned());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_hex_and_base64_and_every_mistake_is_told() {
        let read = |signing: &str, key: &str| signing_of(&DeviceModel::CLEARBAY, signing, key);
        let hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let same = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let key = read("ed25519", hex);
        assert!(matches!(key, Ok(Some(Signing::Ed25519(_)))), "{key:?}");
        assert_eq!(read("ed25519", same), key);
        assert_eq!(read("hmac", ""), Ok(Some(Signing::Hmac)));
        assert_eq!(read("", ""), Ok(None));
        for signing in [None, Some(Signing::Hmac), key.unwrap_or_default()] {
            let (cell, public_key) = signing_cells(signing);
            assert_eq!(read(&cell, &public_key), Ok(signing));
        }
        let zeros = "00".repeat(32);
        for (signing, key, why) in [
            ("rsa", "", "neither hmac nor ed25519: rsa"),
            ("ed25519", "", "public_key is missing"),
            ("ed25519", "d75a", "not 32 bytes"),
            ("ed25519", &zeros, "anybody can sign"),
            ("hmac", hex, "ed25519 only"),
            ("", hex, "ed25519 only"),
        ] {
            let told = read(signing, key).err().unwrap_or_default();
            assert!(told.contains(why), "{told}");
        }
        let other = signing_of(&DeviceModel::named("bosch-tps110"), "hmac", "");
        assert!(other.is_err_and(|told| told.contains("bosch-tps110 cannot sign")));
    }
}
