//! An app on somebody's phone that makes the codes of a second factor.

use api::totp::TotpSecret;
use chrono::Utc;
use domain::second_factor::step;

use crate::page::marked;

/// One that knows a secret.
pub struct Authenticator {
    /// What it makes codes from.
    pub secret: TotpSecret,
}

impl Authenticator {
    /// Types the secret that a page shows.
    ///
    /// # Panics
    /// Where the page shows none.
    pub fn read(page: &str) -> Self {
        let typed = marked(page, "data-secret").remove(0);
        let mut bits = String::new();
        for letter in typed.chars().filter(|letter| *letter != ' ') {
            let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
            bits += &format!("{:05b}", letters.find(letter).unwrap());
        }
        let bytes: Vec<u8> = (0..bits.len() / 8)
            .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap())
            .collect();
        let secret = TotpSecret::from_bytes(&bytes).unwrap();
        Self { secret }
    }

    /// The code of now.
    pub fn code(&self) -> String {
        self.secret.code(step(Utc::now()))
    }

    /// One that is not taken, now or soon.
    ///
    /// # Panics
    /// Never: there are more codes than are taken.
    pub fn wrong(&self) -> String {
        let now = step(Utc::now());
        let near: Vec<String> = (now - 5..now + 6)
            .map(|step| self.secret.code(step))
            .collect();
        let mut all = (0..20).map(|number| format!("{number:06}"));
        all.find(|code| !near.contains(code)).unwrap()
    }
}
