//! Vietnamese first, English beside it.

use chrono::TimeDelta;
use domain::money::Vnd;
use domain::place::{LotKind, VehicleClass};
use serde::{Deserialize, Serialize};

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Lang {
    /// The language's code, as in `lang="vi"`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    /// The language of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "vi" => Some(Self::Vi),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// One of two names that data has in both languages.
    pub const fn pick<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Vi => vi,
            Self::En => en,
        }
    }

    /// A vehicle class in words.
    pub const fn class(self, class: VehicleClass) -> &'static str {
        match class {
            VehicleClass::Car => self.words().car,
            VehicleClass::Motorbike => self.words().motorbike,
        }
    }

    /// A kind of lot in words.
    pub const fn kind(self, kind: LotKind) -> &'static str {
        match kind {
            LotKind::Street => self.words().on_street,
            LotKind::OffStreet => self.words().car_park,
        }
    }

    /// An amount of money as the language writes numbers: `25.000 ₫`, `25,000 ₫`. The sign stays on the number's
    /// line.
    pub fn money(self, amount: Vnd) -> String {
        format!("{}\u{a0}₫", self.number(amount.get()))
    }

    /// A whole number in groups of three.
    pub fn number(self, number: i64) -> String {
        let separator = match self {
            Self::Vi => '.',
            Self::En => ',',
        };
        // A sign of its own, as wide as the plus.
        Vnd::new(number).grouped(separator).replacen('-', "−", 1)
    }

    /// So many of something, by its word for one and for any other number: `1 stay`, `2 stays`.
    pub fn counted(self, count: i64, one: &str, many: &str) -> String {
        let word = if count == 1 { one } else { many };
        format!("{} {word}", self.number(count))
    }

    /// A length of time in words, to the minute.
    pub fn duration(self, length: TimeDelta) -> String {
        let minutes = length.num_minutes().max(0);
        let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
        let (d, h, m) = match self {
            Self::Vi => (" ngày", " giờ", " phút"),
            Self::En => (" d", " h", " min"),
        };
        let parts = [(days, d), (hours, h), (rest, m)];
        let words: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .take(2)
            .map(|(count, unit)| format!("{count}{unit}"))
            .collect();
        if words.is_empty() {
            format!("0{m}")
        } else {
            words.join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_stays_on_one_line_and_one_is_not_many() {
        assert_eq!(Lang::Vi.money(Vnd::new(25_000)), "25.000\u{a0}₫");
        assert_eq!(Lang::En.money(Vnd::new(-25_000)), "−25,000\u{a0}₫");
        assert_eq!(Lang::En.counted(1, "stay", "stays"), "1 stay");
        assert_eq!(Lang::En.counted(1_200, "stay", "stays"), "1,200 stays");
    }

    #[test]
    fn lengths_read_as_people_say_them() {
        assert_eq!(Lang::Vi.duration(TimeDelta::minutes(90)), "1 giờ 30 phút");
        assert_eq!(Lang::En.duration(TimeDelta::minutes(120)), "2 h");
        assert_eq!(Lang::En.duration(TimeDelta::minutes(1445)), "1 d 5 min");
        assert_eq!(Lang::En.duration(TimeDelta::seconds(20)), "0 min");
    }
}
