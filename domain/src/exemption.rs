//! What a driver sends who asks for an exemption, and what becomes of it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::place::codes;

/// The largest picture or PDF of a document, in bytes: 4 MiB.
pub const SCAN_MAX: usize = 4 * 1024 * 1024;
/// The longest name of a kind of document, in characters.
pub const DOCUMENT_KIND_MAX: usize = 100;
/// The longest number of a document, in characters.
pub const DOCUMENT_NUMBER_MAX: usize = 60;
/// The longest reason of a refusal, in characters.
pub const REASON_MAX: usize = 500;
/// How long a document's picture is kept after the decision, so that a refusal can be looked into.
pub const SCAN_KEPT: TimeDelta = TimeDelta::days(30);

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestStatus {
    /// Waits for the city's staff.
    Waiting,
    /// Decided for the driver: there is an exemption.
    Granted,
    /// Decided against, with a reason.
    Refused,
    /// Taken back by the driver.
    Withdrawn,
}

codes!(RequestStatus {
    Waiting = "waiting",
    Granted = "granted",
    Refused = "refused",
    Withdrawn = "withdrawn",
});

/// What the picture of a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanKind {
    /// A JPEG picture.
    Jpeg,
    /// A PNG picture.
    Png,
    /// A WebP picture.
    Webp,
    /// A PDF file.
    Pdf,
}

codes!(ScanKind { Jpeg = "jpeg", Png = "png", Webp = "webp", Pdf = "pdf" });

impl ScanKind {
    /// What a file is by its first bytes; its name and what its sender calls it say nothing. `None` is
    /// anything else.
    ///
    /// JPEG begins with an SOI marker and another (ITU-T T.81), PNG with its signature (W3C PNG 3, 5.2),
    /// WebP with a RIFF header of that form (RFC 9649, 2.3), PDF with `%PDF-` (ISO 32000-2, 7.5.2).
    pub fn of(content: &[u8]) -> Option<Self> {
        match content {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::Webp),
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Self::Pdf),
            _ => None,
        }
    }

    /// Its media type (RFC 2046).
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
        }
    }

    /// Whether a browser shows it within a page.
    pub const fn is_picture(self) -> bool {
        !matches!(self, Self::Pdf)
    }
}

/// What is wrong with a request. Each is about one field of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No tariff knows the ground.
    #[error("choose a ground that the tariffs know")]
    Ground,
    /// That is no plate.
    #[error("a licence plate has 4 to 12 letters and digits")]
    Plate,
    /// The kind of document is missing or too long.
    #[error("say what kind of document it is, in at most 100 characters")]
    DocumentKind,
    /// The document's number is missing or too long.
    #[error("the document's number is needed, in at most 60 characters")]
    DocumentNumber,
    /// There is no picture.
    #[error("a picture or PDF of the document is needed")]
    NoScan,
    /// There is more than one.
    #[error("send one picture or PDF, not two")]
    TwoScans,
    /// The picture is none, whatever it is called.
    #[error("the file is no JPEG, PNG or WebP picture and no PDF")]
    ScanKind,
    /// The picture is too large.
    #[error("the picture or PDF is larger than 4 MiB")]
    ScanSize,
}

/// A text of a form that must be there: trimmed, of at most `max` characters, without what no database
/// and no page can hold.
pub fn words(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= max && !text.contains('\0');
    fits.then(|| text.to_owned())
}

/// Looks at a picture or PDF as it came.
///
/// # Errors
/// [`Flaw::NoScan`] where it is empty, [`Flaw::ScanSize`], [`Flaw::ScanKind`].
pub fn scan_kind(content: &[u8]) -> Result<ScanKind, Flaw> {
    match content.len() {
        0 => Err(Flaw::NoScan),
        1..=SCAN_MAX => ScanKind::of(content).ok_or(Flaw::ScanKind),
        _ => Err(Flaw::ScanSize),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STARTS: [(&[u8], ScanKind); 4] = [
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", ScanKind::Jpeg),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ScanKind::Png),
        (b"RIFF\x24\0\0\0WEBPVP8 ", ScanKind::Webp),
        (b"%PDF-1.7\n", ScanKind::Pdf),
    ];

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        for (start, kind) in STARTS {
            assert_eq!(scan_kind(start), Ok(kind));
            assert_eq!(ScanKind::from_code(kind.code()), Some(kind));
        }
        for other in [
            &b"<!doctype html>"[..],
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"GIF89a",
            b"RIFF\x24\0\0\0WAVEfmt ",
            b" %PDF-1.7",
            b"\xff\xd8",
            b"MZ\x90\0",
        ] {
            assert_eq!(scan_kind(other), Err(Flaw::ScanKind), "{other:?}");
        }
        assert_eq!(scan_kind(b""), Err(Flaw::NoScan));
    }

    #[test]
    fn a_file_has_a_largest_size() {
        let mut file = b"%PDF-1.7".to_vec();
        file.resize(SCAN_MAX, 0);
        assert_eq!(scan_kind(&file), Ok(ScanKind::Pdf));
        file.push(0);
        assert_eq!(scan_kind(&file), Err(Flaw::ScanSize));
    }

    proptest! {
        /// Nothing is taken for what a browser would run.
        #[test]
        fn what_is_accepted_begins_as_one_of_the_four(content in proptest::collection::vec(any::<u8>(), 0..32)) {
            if let Some(kind) = ScanKind::of(&content) {
                let (start, _) = STARTS.iter().find(|(_, known)| *known == kind).unwrap();
                prop_assert_eq!(&content[..3], &start[..3]);
            }
        }

        #[test]
        fn words_are_trimmed_and_bounded(text in "[ \0a-zđ]{0,12}") {
            match words(&text, 5) {
                Some(kept) => {
                    prop_assert!((1..=5).contains(&kept.chars().count()));
                    prop_assert_eq!(kept.trim(), &kept);
                    prop_assert!(!kept.contains('\0'));
                }
                None => prop_assert!(text.trim().is_empty() || text.contains('\0')
                    || text.trim().chars().count() > 5),
            }
        }
    }
}
