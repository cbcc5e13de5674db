//! Passwords, and by what brokers know them.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::pbkdf2::{PBKDF2_HMAC_SHA512, derive};

/// Base 32 (RFC 4648) in lower case: nothing that a spreadsheet takes for a formula, or an address for a sign
/// of its own, and it can be typed.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 26 letters of five bits are 130 bits.
const LENGTH: usize = 26;

/// How often mosquitto's hash is repeated: its own default, which every version takes. Repetition makes guessing
/// dear, and a password of 130 bits is not guessed: what more of it buys is load on the broker's one thread,
/// which does it at every connection, and for everybody connected whenever it reads its files anew.
const ITERATIONS: u32 = 101;
/// What mosquitto 2.0 wants; it passes over a line with another length.
const MOSQUITTO_SALT: usize = 12;
const MOSQUITTO_HASH: usize = 64;
const RABBITMQ_SALT: usize = 4;

/// A new password.
pub fn new_password() -> String {
    let random: [u8; LENGTH] = rand::random();
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
    random.iter().map(letter).collect()
}

/// As mosquitto's password file has it behind the name: `$7$`, PBKDF2 with HMAC-SHA512.
pub fn for_mosquitto(password: &str) -> String {
    mosquitto_with(password, rand::random())
}

/// As RabbitMQ's definitions have it (`rabbit_password_hashing_sha256`): the salt, and SHA-256 of salt and password.
pub fn for_rabbitmq(password: &str) -> String {
    rabbitmq_with(password, rand::random())
}

fn mosquitto_with(password: &str, salt: [u8; MOSQUITTO_SALT]) -> String {
    let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
    let mut hash = [0; MOSQUITTO_HASH];
    derive(
        PBKDF2_HMAC_SHA512,
        iterations,
        &salt,
        password.as_bytes(),
        &mut hash,
    );
    let (salt, hash) = (STANDARD.encode(salt), STANDARD.encode(hash));
    format!("$7${iterations}${salt}${hash}")
}

fn rabbitmq_with(password: &str, salt: [u8; RABBITMQ_SALT]) -> String {
    let salted = [&salt, password.as_bytes()].concat();
    STANDARD.encode([&salt, digest(&SHA256, &salted).as_ref()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_another_implementation() {
        // Python's hashlib: pbkdf2_hmac("sha512", password, salt, 101, 64), sha256(salt + password).
        let password = "abcdefghijklmnopqrstuvwxyz";
        let salt = std::array::from_fn(|index| index as u8);
        assert_eq!(
            mosquitto_with(password, salt),
            "$7$101$AAECAwQFBgcICQoL$Os8Obf/RNKFuE8+EZy+6brXOChRsn6HHQIg4NFdCpoWp5C86Jd0x+3EseOh3JMWivbyPyCIDGkSVLzM4Zc0RdQ=="
        );
        assert_eq!(
            rabbitmq_with(password, [1, 2, 3, 4]),
            "AQIDBIBj0ClorwSkM4ly2faGK+6p0tYAQ8UIRjFIwtBBX98d"
        );
    }

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let passwords: std::collections::HashSet<String> =
            (0..1_000).map(|_| new_password()).collect();
        assert_eq!(passwords.len(), 1_000);
        let is_plain = |letter: char| letter.is_ascii_lowercase() || ('2'..='7').contains(&letter);
        assert!(
            passwords
                .iter()
                .all(|password| password.len() == 26 && password.chars().all(is_plain))
        );
        assert_ne!(for_mosquitto("a"), for_mosquitto("a"), "each has its salt");
        assert_ne!(for_rabbitmq("a"), for_rabbitmq("a"), "each has its salt");
    }
}
