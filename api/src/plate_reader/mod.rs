//! Reading a licence plate off a picture.
//!
//! What stands in a picture like the letters of a plate is found here: dark blobs on brighter ground (or
//! bright ones on darker), of one height, beside each other, in one line or in two. They are written anew
//! as one clean line, and that is what a program (tesseract) is given to read. Its reading is made to fit
//! the formats of plates. It is a suggestion: whoever stands before the vehicle confirms it.
//!
//! Pictures show whoever stands beside the vehicle: none is kept or logged.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::plate::Plate;
use domain::plate_reading::{Guess, guesses};
use tokio::sync::Semaphore;

use self::glyphs::Ink;
use self::picture::Grey;
use crate::ApiError;

mod glyphs;
mod lines;
mod picture;
mod program;
#[cfg(test)]
mod tests;
mod typeset;

/// The largest picture, in bytes.
pub const PICTURE_MAX: usize = 6 * 1024 * 1024;
/// How many pictures are read at once: each keeps a core busy and, decoded, takes up to 70 MB.
const TURNS: usize = 2;
/// How long a picture waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// How long its parts are read.
const READ_MAX: Duration = Duration::from_secs(8);
/// How many parts of a picture are tried.
const TRIED_MAX: usize = 4;
/// How many plates are suggested.
const SUGGESTED_MAX: usize = 3;

/// What plates are written with. I, J, O, Q and W are on none.
const LETTERS: &str = "ABCDEFGHKLMNPRSTUVXYZ";
const ALL: &str = "0123456789ABCDEFGHKLMNPRSTUVXYZ";

/// Reads plates by a program that reads print.
#[derive(Debug)]
pub struct PlateReader {
    program: PathBuf,
    turns: Arc<Semaphore>,
}

/// A part of a picture that may be a plate.
struct Found {
    doubt: f32,
    line: Grey,
    /// How many letters and digits it has.
    count: usize,
    /// Each of them, three times, for a reading by itself.
    each: Vec<Grey>,
}

impl PlateReader {
    /// A reader by that program.
    ///
    /// # Errors
    /// Where the program does not start.
    pub async fn start(program: PathBuf) -> std::io::Result<Self> {
        program::starts(&program).await?;
        Ok(Self {
            program,
            turns: Arc::new(Semaphore::new(TURNS)),
        })
    }

    /// The plates that a picture may show, the likeliest first; none where nothing can be read.
    ///
    /// # Errors
    /// [`ApiError::Unprocessable`] for what is no JPEG, PNG or WebP; [`ApiError::TooLarge`];
    /// [`ApiError::Unavailable`] where too many are being read.
    pub async fn read(&self, bytes: Bytes) -> Result<Vec<Plate>, ApiError> {
        if bytes.len() > PICTURE_MAX {
            return Err(ApiError::TooLarge {
                max_body: PICTURE_MAX,
            });
        }
        if picture::kind(&bytes).is_none() {
            return Err(ApiError::Unprocessable(
                "a picture is JPEG, PNG or WebP".to_owned(),
            ));
        }
        let turn = tokio::time::timeout(WAIT_MAX, self.turns.clone().acquire_owned())
            .await
            .map_err(|_| ApiError::Unavailable("too many pictures are being read"))?
            .map_err(|_| ApiError::Internal)?;
        // The turn is the work's own: whoever asked may go before it is done.
        let (found, _turn) = tokio::task::spawn_blocking(move || (find(&bytes), turn))
            .await
            .map_err(|_| ApiError::Internal)?;
        let mut read: Vec<Guess> = Vec::new();
        let reading = async {
            for found in found.into_iter().take(TRIED_MAX) {
                read.extend(self.guess(&found).await);
                // What fits as it was read needs no other.
                if read.iter().any(|guess| guess.doubt == 0) {
                    break;
                }
            }
        };
        // What was read until then is better than nothing.
        let _ = tokio::time::timeout(READ_MAX, reading).await;
        read.sort_by_key(|guess| guess.doubt);
        let mut plates: Vec<Plate> = Vec::new();
        for guess in read {
            if !plates.contains(&guess.plate) && plates.len() < SUGGESTED_MAX {
                plates.push(guess.plate);
            }
        }
        Ok(plates)
    }

    /// What plates a part of a picture may show.
    async fn guess(&self, found: &Found) -> Vec<Guess> {
        let Some(reading) = program::read(&self.program, &found.line, ALL).await else {
            return Vec::new();
        };
        let mut guessed = guesses(&reading);
        // The letter among digits is easily taken for one of them: by itself it is read as a letter.
        let letter_at = guessed.first().filter(|guess| guess.doubt > 0);
        if reading.len() == found.count
            && let Some(letter_at) = letter_at.map(|guess| guess.letter_at)
            && reading[letter_at..].starts_with(|c: char| c.is_ascii_digit())
            && let Some(alone) = found.each.get(letter_at)
            && let Some(letter) = program::read(&self.program, alone, LETTERS).await
            && let Some(letter) = most(&letter)
        {
            let mut read: Vec<char> = reading.chars().collect();
            read[letter_at] = letter;
            let read: String = read.into_iter().collect();
            guessed.splice(0..0, guesses(&read));
        }
        guessed
    }
}

/// The character that is there most.
fn most(of: &str) -> Option<char> {
    of.chars()
        .max_by_key(|c| of.chars().filter(|other| other == c).count())
}

/// The parts of a picture that may be a plate, the likeliest first.
fn find(bytes: &[u8]) -> Vec<Found> {
    let Some(grey) = picture::decode(bytes) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    // Dark letters on bright ground, then bright ones on blue or red.
    for ink in [Ink::Dark, Ink::Bright] {
        let blobs = glyphs::find(&grey, ink);
        let grey = match ink {
            Ink::Dark => Cow::Borrowed(&grey),
            Ink::Bright => Cow::Owned(grey.inverted()),
        };
        for layout in lines::layouts(&blobs.glyphs) {
            let letters = typeset::letters(&grey, &blobs, &layout);
            found.push(Found {
                doubt: layout.doubt,
                line: typeset::line(letters.iter()),
                count: letters.len(),
                each: letters
                    .iter()
                    .map(|letter| typeset::line([letter; 3].into_iter()))
                    .collect(),
            });
        }
    }
    found.sort_by(|one, other| one.doubt.total_cmp(&other.doubt));
    found
}
