//! What a machine read off a plate, made to fit what Vietnamese plates look like.
//!
//! A plate has the province's two digits, the series' letter (with a digit more on motorbikes, or a
//! second letter on some), and four or five digits (Circular 79/2024/TT-BCA); the army's has two letters
//! and four digits. So where a letter must stand a 0 is a D, and where a digit must stand a B is an 8.

use serde::{Deserialize, Serialize};

use crate::place::codes;
use crate::plate::Plate;

/// How somebody came by a plate that they look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begun {
    /// They typed it.
    Typed,
    /// It was read off a picture, and they found it right.
    Camera,
    /// It was read off a picture, and they put it right.
    CameraCorrected,
}

codes!(Begun {
    Typed = "typed",
    Camera = "camera",
    CameraCorrected = "camera_corrected",
});

impl Begun {
    /// By what was read off the picture, if there was one, and what is looked up.
    pub fn of(read: Option<&Plate>, plate: &Plate) -> Self {
        match read {
            None => Self::Typed,
            Some(read) if read == plate => Self::Camera,
            Some(_) => Self::CameraCorrected,
        }
    }
}

/// The longest reading that is looked at, in characters; the longest plate has nine.
const LENGTH_MAX: usize = 12;
/// Letters in place of digits and the other way round, with what may be left out at the ends, cost doubt;
/// beyond this it is no reading but a guess.
const DOUBT_MAX: u32 = 4;

/// `9` stands for a digit, `A` for a letter.
const FORMATS: [&str; 6] = [
    "99A9999",   // 30A-1234
    "99A99999",  // 30A-123.45, and 29-B1 1234 of motorbikes
    "99A999999", // 29-B1 123.45 of motorbikes
    "99AA9999",  // 30LD-1234
    "99AA99999", // 30LD-123.45, 80NG-123.45, 29-AB 123.45 of mopeds
    "AA9999",    // TM 12-34 of the army
];

/// Provinces that no plate names.
const NO_PROVINCE: [&str; 8] = ["13", "42", "44", "45", "46", "87", "91", "96"];

/// A plate that a reading may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The plate.
    pub plate: Plate,
    /// How much had to be put right to make it fit; 0 is nothing.
    pub doubt: u32,
    /// Where in the reading the series' letter stands.
    pub letter_at: usize,
}

/// The plates that a reading may mean, the likeliest first, none twice. What is no letter and no digit is
/// passed over.
pub fn guesses(reading: &str) -> Vec<Guess> {
    let read: Vec<char> = reading
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .take(LENGTH_MAX + 1)
        .collect();
    if read.len() > LENGTH_MAX {
        return Vec::new();
    }
    let mut found: Vec<Guess> = Vec::new();
    // The plate's edge is easily taken for a letter: one at either end, or one at both, may be too much.
    for (front, back) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
        let Some(middle) = read.get(front..read.len().saturating_sub(back)) else {
            continue;
        };
        for format in FORMATS {
            let Some((text, doubt)) = fit(middle, format) else {
                continue;
            };
            let doubt = doubt + 2 * (front + back) as u32;
            let Ok(plate) = Plate::parse(&text) else {
                continue;
            };
            if doubt <= DOUBT_MAX {
                found.push(Guess {
                    plate,
                    doubt,
                    letter_at: front + format.find('A').unwrap_or(0),
                });
            }
        }
    }
    found.sort_by_key(|guess| guess.doubt);
    let mut seen: Vec<Plate> = Vec::new();
    found.retain(|guess| {
        let new = !seen.contains(&guess.plate);
        seen.push(guess.plate.clone());
        new
    });
    found
}

/// The reading in a format, and how much had to be put right; nothing where it does not fit.
fn fit(read: &[char], format: &str) -> Option<(String, u32)> {
    if read.len() != format.len() {
        return None;
    }
    let mut doubt = 0;
    let mut text = String::with_capacity(read.len());
    for (&c, kind) in read.iter().zip(format.chars()) {
        let right = match kind {
            '9' => digit(c)?,
            _ => letter(c)?,
        };
        doubt += u32::from(right != c);
        text.push(right);
    }
    if format.starts_with('9') && (text.starts_with('0') || NO_PROVINCE.contains(&&text[..2])) {
        doubt += 2;
        // A bold 5 is easily taken for a 9, and 51 is Ho Chi Minh City, where 91 is nowhere.
        if text.starts_with("91") || text.starts_with("96") {
            text.replace_range(..1, "5");
            doubt -= 1;
        }
    }
    Some((text, doubt))
}

/// The digit that was taken for a letter.
const fn digit(c: char) -> Option<char> {
    Some(match c {
        '0'..='9' => c,
        'O' | 'D' | 'Q' | 'U' => '0',
        'I' | 'L' | 'J' => '1',
        'Z' => '2',
        'A' => '4',
        'S' => '5',
        'G' => '6',
        'T' => '7',
        'B' => '8',
        _ => return None,
    })
}

/// The letter that was taken for a digit, or for one that no plate has.
const fn letter(c: char) -> Option<char> {
    Some(match c {
        '0' | 'O' | 'Q' => 'D',
        '1' | 'I' | 'J' => 'L',
        '2' => 'Z',
        '4' => 'A',
        '5' => 'S',
        '6' => 'G',
        '7' => 'T',
        '8' => 'B',
        'W' => 'V',
        'A'..='Z' => c,
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn best(reading: &str) -> Option<(String, u32)> {
        let guess = guesses(reading).into_iter().next()?;
        Some((guess.plate.reveal().to_owned(), guess.doubt))
    }

    #[test]
    fn what_is_read_rightly_stays() {
        for plate in [
            "30A12345",
            "30A1234",
            "29B112345",
            "80NG12345",
            "30LD1234",
            "TM1234",
        ] {
            assert_eq!(best(plate), Some((plate.to_owned(), 0)));
        }
        assert_eq!(best("30a-123.45\n"), Some(("30A12345".to_owned(), 0)));
    }

    #[test]
    fn a_letter_stands_where_letters_stand_and_a_digit_where_digits_do() {
        for (read, meant) in [
            ("3OA12B45", "30A12845"),
            ("30812345", "30B12345"),
            ("S1G1Z345", "51G12345"),
            ("290112345", "29D112345"),
            ("30O12345", "30D12345"),
            ("91C12345", "51C12345"),
        ] {
            assert_eq!(best(read).unwrap().0, meant, "{read}");
        }
        assert_eq!(best("3OA12B45").unwrap().1, 2);
    }

    #[test]
    fn the_edge_of_a_plate_is_no_letter_of_it() {
        let found = guesses("130A12345");
        let edge = found
            .iter()
            .find(|guess| guess.plate.reveal() == "30A12345");
        let edge = edge.unwrap();
        assert_eq!((edge.doubt, edge.letter_at), (2, 3));
        assert!(found.iter().all(|other| other.doubt >= 2), "{found:?}");
    }

    #[test]
    fn what_is_no_plate_is_none() {
        for read in ["", "PARKING", "12/27", "KIEMDINH", "1234567890123"] {
            assert_eq!(best(read), None, "{read}");
        }
        // No province has that number: another reading is preferred where there is one.
        assert!(best("13A12345").is_some_and(|(_, doubt)| doubt == 2));
    }

    proptest! {
        /// Whatever is read, what comes out looks like a plate, the surest first.
        #[test]
        fn every_guess_looks_like_a_plate(reading in "[0-9A-Z .-]{0,14}") {
            let found = guesses(&reading);
            prop_assert!(found.is_sorted_by_key(|guess| guess.doubt));
            for guess in found {
                let chars: Vec<char> = guess.plate.reveal().chars().collect();
                prop_assert!((6..=9).contains(&chars.len()));
                let tail = &chars[chars.len() - 4..];
                prop_assert!(tail.iter().all(char::is_ascii_digit));
                prop_assert!(guess.doubt <= DOUBT_MAX);
            }
        }
    }
}
