//! Witnesses: others who have seen a log's tree, found that it begins with what they saw before, and say so under
//! their own key. With them nobody can be shown another log than everybody else, unless they are in league.
//! <https://c2sp.org/tlog-cosignature> (Ed25519), <https://c2sp.org/tlog-witness>

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signature as Ed25519, VerifyingKey};
use signed_note::{Note, Signature, VerificationError, Verifier, Verifiers, is_key_name_valid};
use tlog_tiles::tlog::{Hash, TreeProof};

/// The kind of a key that cosigns with Ed25519.
const COSIGNATURE_V1: u8 = 4;
/// No witness's answer is longer.
pub const MAX_ANSWER: usize = 64 * 1024;

/// A text is no witness's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a witness's key is name+id+key, such as witness.example/w1+12345678+BA...")]
pub struct WitnessKeyError;

/// A key by which a witness's cosignatures are checked: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: u32,
    key: VerifyingKey,
}

impl WitnessKey {
    /// Of the witness of that name.
    ///
    /// # Errors
    /// [`WitnessKeyError`] for a name with spaces or a plus.
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, WitnessKeyError> {
        if !is_key_name_valid(name) {
            return Err(WitnessKeyError);
        }
        let material = [&[COSIGNATURE_V1], key.as_bytes().as_slice()].concat();
        Ok(Self {
            name: name.to_owned(),
            id: signed_note::key_id(name, &material),
            key,
        })
    }

    /// The witness's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is signed to cosign the text of a note at a time, in seconds since 1970.
    pub fn message(text: &[u8], at_s: u64) -> Vec<u8> {
        let head = format!("cosignature/v1\ntime {at_s}\n");
        [head.as_bytes(), text].concat()
    }

    /// The line by which this witness cosigns, out of a signature of [`Self::message`].
    ///
    /// # Errors
    /// Never for a key that was made here.
    pub fn line(&self, at_s: u64, signature: &[u8; 64]) -> Result<Vec<u8>, WitnessKeyError> {
        let signature = [at_s.to_be_bytes().as_slice(), signature].concat();
        let line = Signature::new(self.name.clone(), self.id, signature);
        Ok(line.map_err(|_| WitnessKeyError)?.to_bytes())
    }
}

impl FromStr for WitnessKey {
    type Err = WitnessKeyError;

    fn from_str(text: &str) -> Result<Self, WitnessKeyError> {
        let mut parts = text.trim().splitn(3, '+');
        let mut part = || parts.next().ok_or(WitnessKeyError);
        let (name, id, key) = (part()?, part()?, part()?);
        let bytes = BASE64_STANDARD.decode(key).map_err(|_| WitnessKeyError)?;
        let Some((&COSIGNATURE_V1, key)) = bytes.split_first() else {
            return Err(WitnessKeyError);
        };
        let key: &[u8; 32] = key.try_into().map_err(|_| WitnessKeyError)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| WitnessKeyError)?;
        let made = Self::new(name, key)?;
        match made.to_string() == text.trim() && id.len() == 8 {
            true => Ok(made),
            false => Err(WitnessKeyError),
        }
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[COSIGNATURE_V1], self.key.as_bytes().as_slice()].concat();
        let key = BASE64_STANDARD.encode(material);
        write!(f, "{}+{:08x}+{key}", self.name, self.id)
    }
}

/// When it was signed, in seconds since 1970, and the signature itself.
fn parts(signature: &[u8]) -> Option<(u64, Ed25519)> {
    let (at, signature) = signature.split_first_chunk()?;
    let signature: &[u8; 64] = signature.try_into().ok()?;
    Some((u64::from_be_bytes(*at), Ed25519::from_bytes(signature)))
}

impl Verifier for WitnessKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        parts(signature).is_some_and(|(at, signature)| {
            let message = Self::message(text, at);
            self.key.verify_strict(&message, &signature).is_ok()
        })
    }
}

/// One witness alone: another's wrong signature says nothing about this one's.
struct Alone<'a>(&'a WitnessKey);

impl Verifiers for Alone<'_> {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        match name == self.0.name && id == self.0.id {
            true => Ok(self.0),
            false => Err(VerificationError::UnknownKey {
                name: name.to_owned(),
                id,
            }),
        }
    }
}

/// That a witness has seen a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's name.
    pub witness: String,
    /// When, in seconds since 1970.
    pub at_s: u64,
    /// Its line in the checkpoint.
    pub line: Vec<u8>,
}

/// The witnesses that somebody trusts, and how many of them must have seen a tree.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    keys: Vec<WitnessKey>,
    needed: usize,
}

impl Witnesses {
    /// These, of which so many are needed. `None` for more than there are.
    pub fn new(keys: Vec<WitnessKey>, needed: usize) -> Option<Self> {
        (needed <= keys.len()).then_some(Self { keys, needed })
    }

    /// Whether none is asked for.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many are needed.
    pub const fn needed(&self) -> usize {
        self.needed
    }

    /// Those who have cosigned a checkpoint, one for each name: a witness with two keys is one.
    pub fn cosigned(&self, checkpoint: &[u8]) -> Vec<Cosignature> {
        let Ok(note) = Note::from_bytes(checkpoint) else {
            return Vec::new();
        };
        let mut found: Vec<Cosignature> = Vec::new();
        for key in &self.keys {
            let Ok((signatures, _)) = note.verify(&Alone(key)) else {
                continue;
            };
            for signature in signatures {
                let known = found.iter().any(|it| it.witness == key.name);
                if let (Some((at_s, _)), false) = (parts(signature.signature()), known) {
                    found.push(Cosignature {
                        witness: key.name.clone(),
                        at_s,
                        line: signature.to_bytes(),
                    });
                }
            }
        }
        found
    }

    /// Whether enough of them have.
    pub fn suffice(&self, cosigned: &[Cosignature]) -> bool {
        cosigned.len() >= self.needed
    }
}

/// What a witness is asked: that the tree of a checkpoint begins with the one of `old` entries that it saw last,
/// which the proof shows. Empty where `old` is 0 or the tree is the same.
pub fn add_checkpoint(old: u64, proof: &TreeProof, checkpoint: &[u8]) -> Vec<u8> {
    let mut body = format!("old {old}\n");
    for hash in proof {
        body += &hash.to_string();
        body.push('\n');
    }
    body.push('\n');
    [body.as_bytes(), checkpoint].concat()
}

/// Reads what [`add_checkpoint`] wrote: the old size, the proof, the checkpoint. `None` for anything else.
pub fn read_add_checkpoint(body: &[u8]) -> Option<(u64, TreeProof, &[u8])> {
    let end = body.windows(2).position(|two| two == b"\n\n")?;
    let head = std::str::from_utf8(&body[..end]).ok()?;
    let mut lines = head.split('\n');
    let old = lines.next()?.strip_prefix("old ")?;
    let size: u64 = old.parse().ok()?;
    if size.to_string() != old {
        return None;
    }
    let proof: Result<TreeProof, _> = lines.map(Hash::parse_hash).collect();
    let proof = proof.ok().filter(|proof| proof.len() <= 63)?;
    Some((size, proof, &body[end + 2..]))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    const TEXT: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn witness(name: &str, seed: u8) -> (WitnessKey, SigningKey) {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let key = WitnessKey::new(name, signing.verifying_key());
        (key.expect("a name"), signing)
    }

    fn signed_at(by: &(WitnessKey, SigningKey), text: &str, at_s: u64) -> Vec<u8> {
        let message = WitnessKey::message(text.as_bytes(), at_s);
        let signature = by.1.sign(&message).to_bytes();
        by.0.line(at_s, &signature).expect("a line")
    }

    fn note(lines: &[Vec<u8>]) -> Vec<u8> {
        let mut note = format!("{TEXT}\n").into_bytes();
        lines.iter().for_each(|line| note.extend(line));
        note
    }

    #[test]
    fn a_key_has_one_text() {
        let (key, _) = witness("witness.example/w1", 1);
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        for wrong in [
            "",
            "witness.example/w1",
            &text.replace("+B", "+A"),
            &text.replace("w1", "w2"),
            &text.to_uppercase(),
        ] {
            assert_eq!(wrong.parse::<WitnessKey>(), Err(WitnessKeyError), "{wrong}");
        }
    }

    #[test]
    fn the_message_is_that_of_the_specification() {
        let message = WitnessKey::message(TEXT.as_bytes(), 1_679_315_147);
        let expected = format!("cosignature/v1\ntime 1679315147\n{TEXT}");
        assert_eq!(String::from_utf8(message).expect("text"), expected);
    }

    #[test]
    fn only_those_count_who_signed_this_text_at_that_time() {
        let (one, two) = (witness("w.example/1", 1), witness("w.example/2", 2));
        let keys = vec![one.0.clone(), two.0.clone()];
        let both = Witnesses::new(keys.clone(), 2).expect("two of two");
        assert!(Witnesses::new(keys, 3).is_none());
        let lines = [signed_at(&one, TEXT, 10), signed_at(&two, TEXT, 20)];
        let found = both.cosigned(&note(&lines));
        let told: Vec<(&str, u64)> = found.iter().map(|it| (&*it.witness, it.at_s)).collect();
        assert_eq!(told, [("w.example/1", 10), ("w.example/2", 20)]);
        assert!(both.suffice(&found));
        // Once is once, however often it is said.
        let twice = [signed_at(&one, TEXT, 10), signed_at(&one, TEXT, 11)];
        assert!(!both.suffice(&both.cosigned(&note(&twice))));
        // Another text, another time, another's key under this name.
        let other = signed_at(&one, "another\n", 10);
        assert!(both.cosigned(&note(&[other])).is_empty());
        let message = WitnessKey::message(TEXT.as_bytes(), 10);
        let later = one.0.line(11, &one.1.sign(&message).to_bytes());
        assert!(both.cosigned(&note(&[later.expect("a line")])).is_empty());
        let stranger = witness("w.example/1", 9);
        let strange = signed_at(&stranger, TEXT, 10);
        assert!(both.cosigned(&note(&[strange])).is_empty());
        // One that is wrong does not take the other's word away.
        let wrong = signed_at(&one, "another\n", 10);
        let found = both.cosigned(&note(&[wrong, signed_at(&two, TEXT, 20)]));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn what_is_asked_is_read_again() {
        let proof: TreeProof = vec![Hash([1; 32]), Hash([2; 32])];
        let body = add_checkpoint(20, &proof, &note(&[]));
        assert_eq!(
            read_add_checkpoint(&body),
            Some((20, proof, &note(&[])[..]))
        );
        let first = add_checkpoint(0, &Vec::new(), b"x\n\n");
        assert_eq!(
            read_add_checkpoint(&first),
            Some((0, Vec::new(), &b"x\n\n"[..]))
        );
        for wrong in [
            "",
            "old 1\n",
            "old 01\n\nx",
            "old -1\n\nx",
            "old 1\nno hash\n\nx",
        ] {
            assert_eq!(read_add_checkpoint(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
