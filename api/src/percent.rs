//! Texts as they stand in addresses and names (RFC 3986, section 2.1).

use std::fmt::Write;

/// A text whose letters and digits stay, and what of `kept` is in it; each other byte is `%` and its number.
pub(crate) fn percent_encoded(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
