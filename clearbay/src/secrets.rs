//! Secrets come from the environment; the demo makes its own at first start and keeps them.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use domain::log::LogSigner;

use crate::secret_files;

/// The key by which push services know us, which is made in its own way.
const VAPID_KEY: &str = "CLEARBAY_VAPID_KEY";

/// The key of the public log, likewise.
const LOG_KEY: &str = "CLEARBAY_LOG_KEY";
/// The name of a demo's log: of no city's.
const LOG_NAME: &str = "demo.clearbay.example/log";

/// Names of the secrets a demo makes, as they are called in the environment.
pub const NAMES: [&str; 14] = [
    "CLEARBAY_SESSION_KEY",
    "CLEARBAY_WEBHOOK_KEY",
    "CLEARBAY_IMPORT_TOKEN",
    VAPID_KEY,
    LOG_KEY,
    "CLEARBAY_VNPAY_HASH_SECRET",
    "CLEARBAY_MOMO_ACCESS_KEY",
    "CLEARBAY_MOMO_SECRET_KEY",
    "CLEARBAY_ZALOPAY_KEY1",
    "CLEARBAY_ZALOPAY_KEY2",
    "CLEARBAY_ESMS_API_KEY",
    "CLEARBAY_ESMS_SECRET_KEY",
    "CLEARBAY_CITY_PASSWORD",
    "CLEARBAY_STAFF_PASSWORD",
];

/// The demo's secrets by name: read from `file`, which is made where it is missing, readable by
/// its owner only. What the environment or a file that it names holds goes before.
///
/// # Errors
/// Where the file cannot be read or made.
pub fn demo(file: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut secrets: BTreeMap<String, String> = match std::fs::read_to_string(file) {
        Ok(text) => text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let known = secrets.len();
    for name in NAMES {
        if !secrets.contains_key(name) {
            secrets.insert(name.to_owned(), new_secret(name)?);
        }
    }
    if secrets.len() > known {
        let text: String = secrets
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    for name in NAMES {
        if let Some(value) = secret_files::variable(name)? {
            secrets.insert(name.to_owned(), value);
        }
    }
    Ok(secrets)
}

fn new_secret(name: &str) -> anyhow::Result<String> {
    let token = api::secret::random_token();
    Ok(match name {
        VAPID_KEY => api::push::VapidKey::generate()?,
        LOG_KEY => LogSigner::generate(LOG_NAME, rand::random())?.1,
        // Passwords are typed by hand; ten characters of base 64 are sixty bits.
        _ if name.ends_with("PASSWORD") => token.chars().take(10).collect(),
        _ => token,
    })
}
