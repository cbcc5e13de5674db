//! Messages that only one browser can read: RFC 8291, with the content coding `aes128gcm` of RFC 8188.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// A public key's length: a point of P-256 in its uncompressed form.
const POINT: usize = 65;
/// The length of the secret that a browser shares.
const AUTH: usize = 16;
const SALT: usize = 16;
/// The record's size that is told: the least that every push service takes (RFC 8030, section 7.2). The
/// message is one record.
const RECORD: u32 = 4096;
/// The longest text: a record less its header, the delimiter and the tag (RFC 8291, section 4).
pub const TEXT_MAX: usize = 3993;

/// Why nothing can be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// The browser's public key is not a point of P-256.
    #[error("p256dh is not a public key of P-256")]
    Key,
    /// The browser's secret is not 16 bytes.
    #[error("auth is not 16 bytes")]
    Auth,
    /// The text is longer than [`TEXT_MAX`].
    #[error("the message is too long")]
    TooLong,
    /// The machine gives no random numbers.
    #[error("nothing can be encrypted here")]
    Unavailable,
}

impl From<Unspecified> for EncryptError {
    fn from(_: Unspecified) -> Self {
        Self::Unavailable
    }
}

/// The keys that a browser gave us.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    public: [u8; POINT],
    auth: [u8; AUTH],
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recipient(..)")
    }
}

impl Recipient {
    /// The recipient with those keys.
    ///
    /// # Errors
    /// [`EncryptError`] for what is no key.
    pub fn new(p256dh: &[u8], auth: &[u8]) -> Result<Self, EncryptError> {
        let public = p256dh.try_into().map_err(|_| EncryptError::Key)?;
        let auth = auth.try_into().map_err(|_| EncryptError::Auth)?;
        let (own, _) = fresh_key()?;
        // Only points of the curve can be agreed with.
        agree(own, &public, |_| ())?;
        Ok(Self { public, auth })
    }

    /// The public key.
    pub fn p256dh(&self) -> &[u8] {
        &self.public
    }

    /// The secret.
    pub fn auth(&self) -> &[u8] {
        &self.auth
    }
}

/// The body of a message that says `text` to `to`, by a new key each time.
///
/// # Errors
/// [`EncryptError::TooLong`].
pub fn encrypt(to: &Recipient, text: &[u8]) -> Result<Vec<u8>, EncryptError> {
    if text.len() > TEXT_MAX {
        return Err(EncryptError::TooLong);
    }
    let (own, own_public) = fresh_key()?;
    let mut salt = [0; SALT];
    SystemRandom::new().fill(&mut salt)?;
    agree(own, &to.public, |shared| {
        seal(shared, to, &own_public, salt, text)
    })?
}

fn fresh_key() -> Result<(EphemeralPrivateKey, [u8; POINT]), EncryptError> {
    let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
    let public = key.compute_public_key()?;
    let public = public.as_ref().try_into();
    Ok((key, public.map_err(|_| EncryptError::Unavailable)?))
}

fn agree<T>(
    own: EphemeralPrivateKey,
    other: &[u8; POINT],
    with: impl FnOnce(&[u8]) -> T,
) -> Result<T, EncryptError> {
    agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, other), with)
        .map_err(|_| EncryptError::Key)
}

/// RFC 8291, section 3.4, then RFC 8188, section 2.
fn seal(
    shared: &[u8],
    to: &Recipient,
    own_public: &[u8; POINT],
    salt: [u8; SALT],
    text: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    let mut keying = [0; 32];
    derive(
        &to.auth,
        shared,
        &[b"WebPush: info\0", &to.public, own_public],
        &mut keying,
    )?;
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    derive(
        &salt,
        &keying,
        &[b"Content-Encoding: aes128gcm\0"],
        &mut key,
    )?;
    derive(&salt, &keying, &[b"Content-Encoding: nonce\0"], &mut nonce)?;
    // The last record, and the only one, ends with 2.
    let mut record = [text, &[2]].concat();
    LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?).seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::empty(),
        &mut record,
    )?;
    let header = [&salt[..], &RECORD.to_be_bytes(), &[POINT as u8], own_public].concat();
    Ok([header, record].concat())
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Unspecified> {
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length(out.len()))?
        .fill(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        bytes.try_into().unwrap_or([0; N])
    }

    /// What a browser does: RFC 8188, section 2.1, with the keys of RFC 8291.
    fn decrypt(own: EphemeralPrivateKey, me: &Recipient, body: &[u8]) -> Vec<u8> {
        let (salt, rest) = body.split_at(SALT);
        let (header, record) = rest.split_at(4 + 1 + POINT);
        assert_eq!(header[..5], [0, 0, 16, 0, 65]);
        let sender: [u8; POINT] = header[5..].try_into().unwrap_or([0; POINT]);
        let opened = agree(own, &sender, |shared| {
            let (mut keying, mut key, mut nonce) = ([0; 32], [0; 16], [0; 12]);
            let info: [&[u8]; 3] = [b"WebPush: info\0", &me.public, &sender];
            derive(&me.auth, shared, &info, &mut keying)?;
            derive(salt, &keying, &[b"Content-Encoding: aes128gcm\0"], &mut key)?;
            derive(salt, &keying, &[b"Content-Encoding: nonce\0"], &mut nonce)?;
            let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
            let mut record = record.to_vec();
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.open_in_place(nonce, Aad::empty(), &mut record)
                .map(|text| text.to_vec())
        });
        let mut opened = opened
            .expect("a point")
            .expect("what was encrypted for this browser");
        assert_eq!(opened.pop(), Some(2));
        opened
    }

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn the_standard_s_own_example() {
        let to = Recipient::new(
            &bytes::<65>(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            &bytes::<16>("BTBZMqHH6r4Tts7J_aSIgg"),
        );
        let body = seal(
            &bytes::<32>("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"),
            &to.expect("keys"),
            &bytes(
                "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
            ),
            bytes("DGv6ra1nlYgDCS1FRnbzlw"),
            b"When I grow up, I want to be a watermelon",
        );
        assert_eq!(
            URL_SAFE_NO_PAD.encode(body.expect("a body")),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc\
             InmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn only_the_browser_reads_it_and_no_two_are_alike() {
        for text in [&b""[..], b"{}", &[b'x'; TEXT_MAX]] {
            let (own, public) = fresh_key().expect("a key");
            let me = Recipient::new(&public, &[7; 16]).expect("a recipient");
            let (body, again) = (encrypt(&me, text), encrypt(&me, text));
            assert_ne!(body, again);
            let body = body.expect("a body");
            assert!(body.len() <= RECORD as usize);
            assert_eq!(decrypt(own, &me, &body), text);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (_, public) = fresh_key().expect("a key");
        let of = |p256dh: &[u8], auth: &[u8]| Recipient::new(p256dh, auth).err();
        assert_eq!(of(&public, &[0; 16]), None);
        assert_eq!(of(&public[1..], &[0; 16]), Some(EncryptError::Key));
        assert_eq!(of(&[4; 65], &[0; 16]), Some(EncryptError::Key));
        assert_eq!(of(&[0; 65], &[0; 16]), Some(EncryptError::Key));
        assert_eq!(of(&public, &[0; 15]), Some(EncryptError::Auth));
        let me = Recipient::new(&public, &[0; 16]).expect("a recipient");
        assert_eq!(encrypt(&me, &[0; TEXT_MAX + 1]), Err(EncryptError::TooLong));
    }
}
