//! The public log's forms: what is read is what was written, and nothing that is read makes a reader fail.

use domain::log::{
    BUNDLE_ENTRIES, DayReport, Entry, Inclusion, LogKey, LogKeys, LogPath, LogSigner, WitnessKey,
    Witnesses, add_checkpoint, pack, read_add_checkpoint, sign_head, tile_bytes, tile_hashes,
    unpack,
};
use signed_note::{Note, StandardSigner};
use verifier::{CODE_MARK, Held, Memory};

/// The name of the log that the targets sign for.
pub const ORIGIN: &str = "fuzz.example/log";

/// A log's key and its text.
pub fn signer() -> (LogSigner, String) {
    LogSigner::generate(ORIGIN, [7; 32]).expect("a log's name")
}

/// The keys of somebody who trusts [`signer`]'s log.
pub fn keys(signer: &LogSigner) -> LogKeys {
    LogKeys::new(vec![signer.public().clone()]).expect("one key")
}

/// A text as it is, signed rightly; `None` for what no note can say.
pub fn signed(text: &[u8], key: &str) -> Option<Vec<u8>> {
    let mut note = Note::new(text, &[]).ok()?;
    let signer = StandardSigner::new(key).expect("the key that was made");
    note.add_sigs(&[&signer]).ok()?;
    Some(note.to_bytes())
}

/// How many forms there are, the first of which is chosen by the letter a.
const FORMS: u8 = 11;

/// Reads bytes as what the first of them chooses.
pub fn forms(data: &[u8]) {
    let [form, data @ ..] = data else {
        return;
    };
    let text = std::str::from_utf8(data);
    match (form.wrapping_sub(b'a') % FORMS, text) {
        (0, _) => entry(data),
        (1, _) => bundle(data),
        (2, Ok(text)) => code(text),
        (3, Ok(text)) => receipt(text),
        (4, Ok(text)) => path(text),
        (5, Ok(text)) => key(text),
        (6, _) => asked(data),
        (7, _) => note(data),
        (8, _) => {
            let (_, key) = signer();
            if let Some(data) = signed(data, &key) {
                note(&data);
            }
        }
        (9, _) => {
            if let Some(hashes) = tile_hashes(data) {
                assert_eq!(tile_bytes(&hashes), data);
            }
        }
        (10, Ok(text)) => {
            if let Ok(memory) = Memory::parse(text) {
                assert_eq!(Memory::parse(&memory.to_text()), Ok(memory));
            }
        }
        _ => {}
    }
}

/// An entry has one form in bytes only.
fn entry(data: &[u8]) {
    if let Ok(entry) = Entry::parse(data) {
        assert_eq!(entry.to_bytes(), data);
    }
}

fn bundle(data: &[u8]) {
    if let Ok(entries) = unpack(data) {
        assert!(entries.len() as u64 <= BUNDLE_ENTRIES);
        assert_eq!(pack(entries.iter().copied()), data);
        entries.into_iter().for_each(entry);
    }
}

fn code(text: &str) {
    if let Ok(read) = Inclusion::of_code(text) {
        again(&read);
        let by_page = Held::parse(&format!("https://city.example/verify{CODE_MARK}{text}"));
        // White space around a code is passed over, within an address it ends it.
        if text.trim() == text {
            assert_eq!(by_page.expect("the same code").inclusion, read);
        }
        checked(&read);
    }
}

/// What has a code is read from it as it was. An entry without money has none.
fn again(inclusion: &Inclusion) {
    if let Some(code) = inclusion.to_code()
        && let Ok(read) = Inclusion::of_code(&code)
    {
        // Whoever made the file may have put another receipt's entry beside it; the code has no room for that.
        if read.entry == inclusion.entry {
            assert_eq!(&read, inclusion);
        }
    }
}

fn checked(inclusion: &Inclusion) {
    // Nothing that is made of bytes alone is in a log.
    let (signer, _) = signer();
    assert!(inclusion.check(&keys(&signer)).is_err());
}

fn receipt(text: &str) {
    if let Ok(held) = Held::parse(text) {
        let _ = held.unproven();
        again(&held.inclusion);
        let (signer, _) = signer();
        let found = held.check(&keys(&signer), &Witnesses::default());
        assert!(found.is_err());
    }
}

fn path(text: &str) {
    if let Ok(path) = text.parse::<LogPath>() {
        assert_eq!(path.to_string(), text);
    }
}

fn key(text: &str) {
    if let Ok(key) = text.parse::<LogKey>() {
        assert_eq!(key.to_string(), text.trim());
        let _ = LogKeys::new(vec![key]);
    }
    if let Ok(key) = text.parse::<WitnessKey>() {
        assert_eq!(key.to_string(), text.trim());
    }
    let _ = text.parse::<LogSigner>();
}

fn asked(data: &[u8]) {
    if let Some((old, proof, checkpoint)) = read_add_checkpoint(data) {
        assert_eq!(add_checkpoint(old, &proof, checkpoint), data);
    }
}

/// A note that may be a checkpoint, a day's report or a list of keys. What is believed is the same when it is
/// signed and read again.
fn note(data: &[u8]) {
    let (signer, _) = signer();
    let keys = keys(&signer);
    let signers = [signer];
    if let Ok(head) = keys.open_head(data) {
        let again = sign_head(&head, &signers).expect("it was signed before");
        assert_eq!(keys.open_head(&again), Ok(head));
    }
    if let Ok(report) = DayReport::open(data, &keys) {
        let again = report.sign(&signers).expect("it was signed before");
        assert_eq!(DayReport::open(&again, &keys), Ok(report));
    }
    let _ = keys.with_list(data);
    let _ = Witnesses::default().cosigned(data);
}
