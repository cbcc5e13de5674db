//! Keys and what is signed with them. Comparisons take constant time.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::{ExemptionRequestId, PassId, SessionId, WalletId};
use hmac::{Hmac, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

type HmacSha256 = Hmac<Sha256>;

/// The length of what makes the key of each sealed text another.
const SALT: usize = 16;

/// The fewest characters of a key that people set.
pub const KEY_MIN: usize = 16;

/// The keys of tokens, seals and codes. New ones are made with the first; those of all are believed, so that a
/// key can be exchanged while what it made is still in people's hands.
#[derive(Clone)]
pub struct SessionKeys(Vec<Vec<u8>>);

/// Why keys are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("each key needs at least {KEY_MIN} characters")]
pub struct ShortKey;

impl FromStr for SessionKeys {
    type Err = ShortKey;

    /// Keys with spaces between them, the newest first.
    fn from_str(text: &str) -> Result<Self, ShortKey> {
        let keys: Vec<Vec<u8>> = text
            .split_whitespace()
            .map(|key| key.as_bytes().to_vec())
            .collect();
        let long = keys.iter().all(|key| key.len() >= KEY_MIN);
        (long && !keys.is_empty())
            .then_some(Self(keys))
            .ok_or(ShortKey)
    }
}

/// Everything that must not leave this process. `Debug` shows none of it.
#[derive(Clone)]
pub struct Secrets {
    /// Signs the tokens of sessions, and whatever else only this city can have made.
    pub session_keys: SessionKeys,
    /// Shared with the bank: signs its webhooks.
    pub webhook_key: Vec<u8>,
    /// Shared with all handheld terminals that have no token of their own; nothing where there are none.
    pub import_token: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

/// HMAC-SHA256 of the parts, one after the other.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = HmacSha256::new_from_slice(key) else {
        return [0; 32];
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// SHA-256 of a text.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether two byte strings are equal, in a time that does not depend on where they differ.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

impl Secrets {
    /// The token of a session: the only key to it. Derived, so that it is stored nowhere.
    pub fn session_token(&self, id: SessionId) -> String {
        self.token(b"session", id.0)
    }

    /// Whether `token` is the session's.
    pub fn session_token_matches(&self, id: SessionId, token: &str) -> bool {
        self.token_matches(b"session", id.0, token)
    }

    /// The token of a wallet: whoever holds it may spend what is in it.
    pub fn wallet_token(&self, id: WalletId) -> String {
        self.token(b"wallet", id.0)
    }

    /// Whether `token` is the wallet's.
    pub fn wallet_token_matches(&self, id: WalletId, token: &str) -> bool {
        self.token_matches(b"wallet", id.0, token)
    }

    /// The token of a pass, for whoever buys it.
    pub fn pass_token(&self, id: PassId) -> String {
        self.token(b"pass", id.0)
    }

    /// Whether `token` is the pass's.
    pub fn pass_token_matches(&self, id: PassId, token: &str) -> bool {
        self.token_matches(b"pass", id.0, token)
    }

    /// The token of a request for an exemption, for whoever sent it.
    pub fn exemption_request_token(&self, id: ExemptionRequestId) -> String {
        self.token(b"exemption_request", id.0)
    }

    /// Whether `token` is the request's.
    pub fn exemption_request_token_matches(&self, id: ExemptionRequestId, token: &str) -> bool {
        self.token_matches(b"exemption_request", id.0, token)
    }

    /// The kind is signed as well, so that no token opens a thing of another kind.
    fn token(&self, kind: &[u8], id: Uuid) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(&[kind, id.as_bytes()]))
    }

    fn token_matches(&self, kind: &[u8], id: Uuid, token: &str) -> bool {
        let parts = [kind, &id.as_bytes()[..]];
        let mut tokens = self.macs(&parts).map(|mac| URL_SAFE_NO_PAD.encode(mac));
        tokens.any(|known| equal(known.as_bytes(), token.as_bytes()))
    }

    /// What only whoever holds the newest key can make of the parts, one after the other.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // There is a first key: none are made without.
        self.macs(parts).next().unwrap_or_default()
    }

    /// The same by every key, the newest first: whatever was made by one of them counts.
    pub fn macs(&self, parts: &[&[u8]]) -> impl Iterator<Item = [u8; 32]> {
        let keys = self.session_keys.0.iter();
        keys.map(move |key| hmac_sha256(key, parts))
    }

    /// A text that nobody else can read or make, for a browser to keep: it opens for the same purpose only. It
    /// does not grow old by itself, so it must say until when it counts. `None` where the machine encrypts
    /// nothing.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Option<String> {
        let salt: [u8; SALT] = rand::random();
        let mut sealed = plain.to_vec();
        self.sealing_keys(purpose, &salt)
            .next()?
            .seal_in_place_append_tag(no_nonce(), Aad::from(purpose), &mut sealed)
            .ok()?;
        Some(URL_SAFE_NO_PAD.encode([&salt[..], &sealed].concat()))
    }

    /// What a text was made of that [`Secrets::seal`] made for that purpose.
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (salt, sealed) = bytes.split_at_checked(SALT)?;
        self.sealing_keys(purpose, salt).find_map(|key| {
            let mut sealed = sealed.to_vec();
            let plain = key.open_in_place(no_nonce(), Aad::from(purpose), &mut sealed);
            Some(plain.ok()?.to_vec())
        })
    }

    fn sealing_keys(&self, purpose: &str, salt: &[u8]) -> impl Iterator<Item = LessSafeKey> {
        let parts = [&b"seal "[..], purpose.as_bytes(), b" ", salt].map(<[u8]>::to_vec);
        let keys = self.session_keys.0.iter();
        keys.filter_map(move |key| {
            let key = hmac_sha256(key, &parts.each_ref().map(Vec::as_slice));
            let key = UnboundKey::new(&CHACHA20_POLY1305, &key).ok()?;
            Some(LessSafeKey::new(key))
        })
    }

    /// Whether `token` is the one that terminals share.
    pub fn import_token_matches(&self, token: &str) -> bool {
        !self.import_token.is_empty()
            && equal(
                &sha256(self.import_token.as_bytes()),
                &sha256(token.as_bytes()),
            )
    }
}

/// Each key seals one text, so there is nothing for a nonce to tell apart.
fn no_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// A token that nobody can guess: 32 random bytes.
pub fn random_token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// An idempotency key as a phone makes it at `at`: a version 7 UUID, which has that time in it.
pub fn key_made_at(at: domain::Timestamp) -> String {
    let nanos = at.timestamp_subsec_nanos();
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
    uuid::Uuid::new_v7(time).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn secrets(key: &str) -> Secrets {
        Secrets {
            session_keys: key.parse().unwrap(),
            webhook_key: Vec::new(),
            import_token: String::new(),
        }
    }

    #[test]
    fn what_is_sealed_opens_for_its_purpose_and_key_alone() {
        let ours = secrets("the-first-key-of-tests");
        let sealed = ours.seal("one", b"a name").unwrap();
        assert_eq!(ours.open("one", &sealed).as_deref(), Some(&b"a name"[..]));
        assert_eq!(ours.open("two", &sealed), None);
        assert_eq!(secrets("another-key-of-tests").open("one", &sealed), None);
        assert_ne!(
            ours.seal("one", b"a name").unwrap(),
            sealed,
            "nobody sees that two are the same"
        );
        assert!(
            !URL_SAFE_NO_PAD
                .decode(&sealed)
                .unwrap()
                .windows(6)
                .any(|part| part == b"a name")
        );
        for index in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(ours.open("one", &changed), None, "{index}");
        }
        for nonsense in ["", "A", "AAAA", "?", &sealed[..24]] {
            assert_eq!(ours.open("one", nonsense), None);
        }
    }
    #[test]
    fn a_key_is_exchanged_without_loss() {
        let (old, new) = ("the-old-key-of-tests", "the-new-key-of-tests");
        let before = secrets(old);
        let between = secrets(&format!("{new} {old}"));
        let after = secrets(new);
        let id = Uuid::from_u128(1);
        let session = before.session_token(SessionId(id));
        let wallet = before.wallet_token(WalletId(id));
        let pass = before.pass_token(PassId(id));
        let request = before.exemption_request_token(ExemptionRequestId(id));
        let sealed = before.seal("one", b"a name").unwrap();
        for (secrets, believed) in [(&before, true), (&between, true), (&after, false)] {
            assert_eq!(
                secrets.session_token_matches(SessionId(id), &session),
                believed
            );
            assert_eq!(
                secrets.wallet_token_matches(WalletId(id), &wallet),
                believed
            );
            assert_eq!(secrets.pass_token_matches(PassId(id), &pass), believed);
            let request_id = ExemptionRequestId(id);
            assert_eq!(
                secrets.exemption_request_token_matches(request_id, &request),
                believed
            );
            assert_eq!(secrets.open("one", &sealed).is_some(), believed);
        }
        // What is made meanwhile is good for as long as the new key.
        let token = between.session_token(SessionId(id));
        assert_eq!(token, after.session_token(SessionId(id)));
        assert!(!before.session_token_matches(SessionId(id), &token));
        let sealed = between.seal("one", b"a name").unwrap();
        assert!(after.open("one", &sealed).is_some());
        // A token opens one thing of one kind, whatever the key.
        assert!(!between.wallet_token_matches(WalletId(id), &session));
        assert!(!between.session_token_matches(SessionId(Uuid::from_u128(2)), &session));
    }

    #[test]
    fn short_keys_are_refused() {
        for short in ["", " ", "fifteen-letters", "the-old-key-of-tests short"] {
            assert_eq!(
                short.parse::<SessionKeys>().err(),
                Some(ShortKey),
                "{short:?}"
            );
        }
    }
}
