//! Who somebody is on the word of an identity provider: used only where a name is needed.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// The longest identifier of an issuer, in bytes.
pub const ISSUER_MAX: usize = 255;
/// The longest identifier of a person, in bytes (OpenID Connect Core, section 2).
pub const SUBJECT_MAX: usize = 255;
/// The longest name, in characters.
pub const NAME_MAX: usize = 100;
/// How long a confirmed name is kept after the decision that it was given for: as long as a document's
/// picture, so that a refusal can be looked into.
pub const KEPT: TimeDelta = crate::exemption::SCAN_KEPT;

/// A person as an issuer knows them. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Who vouches for it.
    pub issuer: String,
    /// The issuer's identifier of the person, never given to another.
    pub subject: String,
    /// The name that the issuer vouches for.
    pub name: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// A name as it is shown and kept: in one line, without what cannot be seen or turns the direction of what
/// stands beside it. `None` where nothing is left, or more than [`NAME_MAX`] characters.
pub fn name(told: &str) -> Option<String> {
    let is_seen = |c: &char| !c.is_control() && !is_invisible(*c);
    let words: Vec<String> = told
        .split_whitespace()
        .map(|word| word.chars().filter(is_seen).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect();
    let name = words.join(" ");
    (!name.is_empty() && name.chars().count() <= NAME_MAX).then_some(name)
}

/// Marks of direction (Unicode Standard Annex 9, table of explicit characters), and characters of no width.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether that can be an issuer's identifier of a person (OpenID Connect Core, section 2: at most 255 ASCII
/// characters; of those, none that cannot be seen).
pub fn is_subject(text: &str) -> bool {
    (1..=SUBJECT_MAX).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_that_can_be_seen() {
        assert_eq!(name(" Nguyễn\n Văn\tA "), Some("Nguyễn Văn A".to_owned()));
        assert_eq!(name("A\u{202e}\u{200b}B\u{7}"), Some("AB".to_owned()));
        assert_eq!(name(" \u{200f} \0 "), None);
        assert_eq!(name(&"a".repeat(NAME_MAX)).map(|n| n.len()), Some(NAME_MAX));
        assert_eq!(name(&"a".repeat(NAME_MAX + 1)), None);
    }

    #[test]
    fn a_subject_is_ascii_of_at_most_255() {
        for good in ["1", "auth0|5f7c", &"x".repeat(SUBJECT_MAX)] {
            assert!(is_subject(good), "{good}");
        }
        for bad in ["", "é", "a\0", "a\n", &"x".repeat(SUBJECT_MAX + 1)] {
            assert!(!is_subject(bad), "{bad:?}");
        }
    }

    #[test]
    fn an_identity_does_not_print() {
        let identity = Identity {
            issuer: "https://id.example".to_owned(),
            subject: "1".to_owned(),
            name: "A".to_owned(),
        };
        assert_eq!(format!("{identity:?}"), "Identity(..)");
    }
}
