//! The log's keys and what is signed with them: signed notes with Ed25519.
//! <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>

use std::fmt;
use std::str::FromStr;

use signed_note::{
    Note, Signature, Signer, StandardSigner, StandardVerifier, VerificationError, Verifier,
    VerifierError, Verifiers,
};
use tlog_tiles::Checkpoint;
use tlog_tiles::tlog::Hash;

/// A text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not `name+id+base64`, or its parts do not belong together.
    #[error("a verifier's key is name+id+key, such as hanoi.example/log+12345678+AQ...")]
    Public,
    /// It has that form, and its id is not that of its name and key.
    #[error("a letter of the key is missing or another: its id is not that of its name and key")]
    Mistyped,
    /// The same of a private one, which is not repeated here.
    #[error("a log's private key is PRIVATE+KEY+name+id+key, as `clearbay log-key` writes it")]
    Private,
}

/// A key by which signatures of a log are checked: `name+id+key`.
#[derive(Clone)]
pub struct LogKey {
    text: String,
    verifier: StandardVerifier,
}

impl LogKey {
    /// The name of its log, which is the origin of its checkpoints.
    pub fn origin(&self) -> &str {
        self.verifier.name()
    }

    /// By what signatures name it: `name+id`.
    pub fn label(&self) -> String {
        label(self.verifier.name(), self.verifier.key_id())
    }
}

fn label(name: &str, id: u32) -> String {
    format!("{name}+{id:08x}")
}

/// How long a log's own signature is; a witness's cosignature holds its time, too.
const SIGNATURE_BYTES: usize = 64;
/// How many signers of a note are named: a log has one key, or two while one takes the other's place.
const SIGNERS_MAX: usize = 4;

/// By whom a note says that it is signed, as [`LogKey::label`] writes it, without witnesses. Nothing is checked.
pub fn signers(note: &[u8]) -> Vec<String> {
    let lines = note.rsplit(|byte| *byte == b'\n').skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let read = lines.filter_map(|line| Signature::from_bytes(line).ok());
    let own = read.filter(|it| it.signature().len() == SIGNATURE_BYTES);
    let own = own.take(SIGNERS_MAX);
    let mut names: Vec<String> = own.map(|it| label(it.name(), it.id())).collect();
    names.reverse();
    names
}

impl FromStr for LogKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let verifier = StandardVerifier::new(text).map_err(|why| match why {
            VerifierError::Id => KeyError::Mistyped,
            _ => KeyError::Public,
        })?;
        Ok(Self {
            text: text.to_owned(),
            verifier,
        })
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The keys of a log that somebody trusts: one, or two while one takes the other's place.
#[derive(Clone, Debug)]
pub struct LogKeys(Vec<LogKey>);

impl LogKeys {
    /// These; all of one log. `None` where there is none, or they are of several.
    pub fn new(keys: Vec<LogKey>) -> Option<Self> {
        let origin = keys.first()?.origin().to_owned();
        let alike = keys.iter().all(|key| key.origin() == origin);
        alike.then_some(Self(keys))
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        self.0.first().map_or("", LogKey::origin)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &LogKey> {
        self.0.iter()
    }

    /// The text of a note that one of them has signed.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(&self, note: &[u8]) -> Result<String, NoteError> {
        let note = Note::from_bytes(note).map_err(|_| NoteError::Malformed)?;
        match note.verify(self) {
            Ok(_) => {}
            Err(signed_note::NoteError::InvalidSignature { .. }) => return Err(NoteError::Forged),
            Err(signed_note::NoteError::UnverifiedNote) => return Err(NoteError::Stranger),
            Err(_) => return Err(NoteError::Malformed),
        }
        String::from_utf8(note.text().to_vec()).map_err(|_| NoteError::Malformed)
    }

    /// These and the keys for which they vouch, by a list that one of them has signed: those that took their
    /// place, and those whose place they took.
    ///
    /// # Errors
    /// [`NoteError`]; of a list that names a key of another log, too.
    pub fn with_list(&self, note: &[u8]) -> Result<Self, NoteError> {
        let text = self.open(note)?;
        let mut lines = text.lines();
        if lines.next() != Some(list_heading(self.origin()).as_str()) {
            return Err(NoteError::Malformed);
        }
        let mut keys = self.0.clone();
        for line in lines {
            let key: LogKey = line.parse().map_err(|_| NoteError::Malformed)?;
            if !keys.iter().any(|known| known.text == key.text) {
                keys.push(key);
            }
        }
        Self::new(keys).ok_or(NoteError::Malformed)
    }

    /// The tree head that a checkpoint says, where one of them has signed it.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open_head(&self, checkpoint: &[u8]) -> Result<TreeHead, NoteError> {
        let text = self.open(checkpoint)?;
        let read = Checkpoint::from_bytes(text.as_bytes()).map_err(|_| NoteError::Malformed)?;
        if read.origin() != self.origin() {
            return Err(NoteError::Origin(read.origin().to_owned()));
        }
        Ok(TreeHead {
            size: read.size(),
            root: *read.hash(),
        })
    }
}

impl Verifiers for LogKeys {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn Verifier, VerificationError> {
        let mut known = self.0.iter().map(|key| &key.verifier);
        let found = known.find(|key| key.name() == name && key.key_id() == id);
        found
            .map(|key| key as &dyn Verifier)
            .ok_or_else(|| VerificationError::UnknownKey {
                name: name.to_owned(),
                id,
            })
    }
}

/// Why a signed text is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no signed note, or says something else than it should.
    #[error("not a signed note of the form that it should have")]
    Malformed,
    /// It names a key that is trusted, which has not signed it.
    #[error("the signature is not by the key that it names")]
    Forged,
    /// No key that is trusted has signed it.
    #[error(
        "signed by none of the keys that are trusted: it is another log's, or its key was exchanged"
    )]
    Stranger,
    /// It is another log's.
    #[error("it is the log {0}'s")]
    Origin(String),
}

/// How large the tree is, and its root: what a checkpoint says.
#[derive(Clone, Copy, PartialEq)]
pub struct TreeHead {
    /// How many entries.
    pub size: u64,
    /// The root.
    pub root: Hash,
}

impl fmt::Debug for TreeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries, root {}", self.size, self.root)
    }
}

/// A key that signs for a log: `PRIVATE+KEY+name+id+key`. It is never shown.
pub struct LogSigner {
    signer: StandardSigner,
    public: LogKey,
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signer of {}", self.public)
    }
}

impl LogSigner {
    /// A new one for the log of that name, out of that much chance; and its text, to be kept secret.
    ///
    /// # Errors
    /// [`KeyError::Private`] for a name with spaces or a plus.
    pub fn generate(name: &str, random: [u8; 32]) -> Result<(Self, String), KeyError> {
        use base64::Engine;
        let key = ed25519_dalek::SigningKey::from_bytes(&random);
        let public = signed_note::new_ed25519_verifier_key(name, &key.verifying_key());
        let id = public.split('+').nth(1).unwrap_or_default();
        let private = [&[1], random.as_slice()].concat();
        let private = base64::prelude::BASE64_STANDARD.encode(private);
        let text = format!("PRIVATE+KEY+{name}+{id}+{private}");
        Ok((text.parse()?, text))
    }

    /// The key that checks its signatures.
    pub const fn public(&self) -> &LogKey {
        &self.public
    }
}

impl FromStr for LogSigner {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        use base64::Engine;
        let text = text.trim();
        let signer = StandardSigner::new(text).map_err(|_| KeyError::Private)?;
        let key = text.rsplit('+').next().unwrap_or_default();
        // A key in base64 may have a plus itself.
        let tail = text.splitn(5, '+').nth(4).unwrap_or(key);
        let bytes = base64::prelude::BASE64_STANDARD.decode(tail);
        let bytes = bytes.map_err(|_| KeyError::Private)?;
        let seed: [u8; 32] = bytes
            .get(1..)
            .and_then(|seed| seed.try_into().ok())
            .ok_or(KeyError::Private)?;
        let key = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        let public = signed_note::new_ed25519_verifier_key(signer.name(), &key);
        Ok(Self {
            public: public.parse()?,
            signer,
        })
    }
}

/// A text, signed by each of the keys: while one takes another's place, both sign.
///
/// # Errors
/// [`NoteError::Malformed`] for a text that cannot be signed: it must end with a line feed and hold no
/// other control characters.
pub fn sign(text: &str, signers: &[LogSigner]) -> Result<Vec<u8>, NoteError> {
    let mut note = Note::new(text.as_bytes(), &[]).map_err(|_| NoteError::Malformed)?;
    let signers: Vec<&dyn Signer> = signers.iter().map(|key| &key.signer as _).collect();
    note.add_sigs(&signers).map_err(|_| NoteError::Malformed)?;
    Ok(note.to_bytes())
}

/// What the first line of a log's list of keys is: no checkpoint and no report begins so.
fn list_heading(origin: &str) -> String {
    format!("{origin}/keys")
}

/// The list of a log's keys, those that sign now and `former` ones, signed by those that sign now.
///
/// # Errors
/// As [`sign`]; and where there is no key.
pub fn sign_list(signers: &[LogSigner], former: &[LogKey]) -> Result<Vec<u8>, NoteError> {
    let origin = signers.first().ok_or(NoteError::Malformed)?.public.origin();
    let mut text = list_heading(origin) + "\n";
    for key in signers.iter().map(|signer| &signer.public).chain(former) {
        text += &key.text;
        text.push('\n');
    }
    sign(&text, signers)
}

/// The checkpoint of a tree head.
///
/// # Errors
/// As [`sign`]; and where there is no key.
pub fn sign_head(head: &TreeHead, signers: &[LogSigner]) -> Result<Vec<u8>, NoteError> {
    let origin = signers.first().ok_or(NoteError::Malformed)?.public.origin();
    let checkpoint = Checkpoint::new(origin, head.size, head.root, "");
    let bytes = checkpoint.map_err(|_| NoteError::Malformed)?.to_bytes();
    sign(&String::from_utf8_lossy(&bytes), signers)
}
