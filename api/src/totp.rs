//! Codes by time (TOTP, RFC 6238, over HOTP, RFC 4226), with the settings that every authenticator app knows: SHA-1,
//! six digits, 30 seconds.

use domain::Timestamp;
use domain::second_factor::{DIGITS, steps};
use ring::hmac;

use crate::percent::percent_encoded;
use crate::secret::equal;

/// The length of a secret in bytes (RFC 4226, section 4, R6: 160 bits).
const SECRET: usize = 20;
/// RFC 4648, section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What codes are made of, known to one phone and to us. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; SECRET]);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

impl TotpSecret {
    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The one of these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As people type it into an app: base32 without padding, which 160 bits need none of.
    pub fn base32(&self) -> String {
        let mut text = String::with_capacity(SECRET * 8 / 5);
        for five in self.0.chunks(5) {
            let bits = five
                .iter()
                .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
            for place in (0..8).rev() {
                let letter = usize::try_from(bits >> (place * 5) & 31).unwrap_or_default();
                text.push(char::from(BASE32[letter]));
            }
        }
        text
    }

    /// As apps read it off a QR code (Google Authenticator's "Key Uri Format").
    pub fn address(&self, issuer: &str, account: &str) -> String {
        let (issuer, account) = (
            percent_encoded(issuer, ""),
            percent_encoded(account, "@._-"),
        );
        format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}",
            self.base32()
        )
    }

    /// The code of a step (RFC 4226, section 5.3).
    pub fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let hash = tag.as_ref();
        // SHA-1 has twenty bytes: the last one's lower half names a place that has three more behind it.
        let place = usize::from(hash[hash.len() - 1] & 0xf);
        let number = hash[place..place + 4]
            .iter()
            .fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        let digits = DIGITS as usize;
        format!("{:0digits$}", (number & 0x7fff_ffff) % 10u32.pow(DIGITS))
    }

    /// The step of which that is the code, of those that are taken at `now`; the newest, and after the same work
    /// whichever it is.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let mut found = None;
        for step in steps(now) {
            if equal(self.code(step).as_bytes(), code.as_bytes()) {
                found = Some(step);
            }
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use domain::second_factor::step;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        // RFC 6238, appendix B, the last six of its eight digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code(step(at(seconds))), code);
        }
        // RFC 4226, appendix D.
        for (step, code) in (0..).zip(["755224", "287082", "359152", "969429", "338314"]) {
            assert_eq!(secret.code(step), code);
        }
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(TotpSecret::from_bytes(b"short"), None);
    }

    #[test]
    fn a_clock_may_be_one_step_off_and_no_more() {
        let secret = TotpSecret::random();
        let now = at(1_800_000_000);
        let this = step(now);
        for (off, taken) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = secret.code(this + off);
            // Another step may have the same code once in a million times.
            let same = (-1..=1).any(|near| secret.code(this + near) == code);
            assert_eq!(secret.step_of(&code, now).is_some(), taken || same, "{off}");
        }
        for nonsense in ["", "12345", "1234567", "abcdef"] {
            assert_eq!(secret.step_of(nonsense, now), None);
        }
    }

    #[test]
    fn an_app_reads_the_address() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        assert_eq!(
            secret.address("Clearbay Hà Nội", "guard@hnp"),
            "otpauth://totp/Clearbay%20H%C3%A0%20N%E1%BB%99i:guard@hnp\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Clearbay%20H%C3%A0%20N%E1%BB%99i"
        );
        assert!(!format!("{secret:?}").contains("GEZ"));
    }
}
