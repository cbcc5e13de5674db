//! Reading tables field by field, without stopping at the first mistake.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::{Part, Spot};
use super::{FileError, kind};
use crate::money::Vnd;

/// What was found wrong so far.
pub(super) struct Faults<'s> {
    source: &'s str,
    errors: Vec<FileError>,
}

impl<'s> Faults<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self {
            source,
            errors: Vec::new(),
        }
    }

    /// The line of a byte of the file.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.source.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn add(&mut self, span: Range<usize>, what: impl Into<String>) {
        self.add_line(self.line(span.start), what);
    }

    pub(super) fn add_line(&mut self, line: usize, what: impl Into<String>) {
        let what = what.into();
        self.errors.push(FileError { line, what });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn into_errors(mut self) -> Vec<FileError> {
        self.errors.sort_by_key(|error| error.line);
        self.errors
    }
}

/// On which line each part of a tariff stands.
pub(super) struct SpotLines {
    whole: usize,
    parts: Vec<(Spot, usize)>,
}

impl SpotLines {
    pub(super) fn new(whole: usize) -> Self {
        Self {
            whole,
            parts: Vec::new(),
        }
    }

    /// The line of a part, or of what it belongs to.
    pub(super) fn of(&self, spot: &Spot) -> usize {
        let exact = self.parts.iter().find(|(known, _)| known == spot);
        match (exact, spot.whole()) {
            (Some((_, line)), _) => *line,
            (None, Some(whole)) => self.of(&whole),
            (None, None) => self.whole,
        }
    }
}

/// A table of which each field is taken once; what nobody took is told at the end.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// What stands before each reason, such as `zone "A": `.
    context: String,
    taken: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(table: &'a DeTable<'a>, span: Range<usize>, context: String) -> Self {
        Self {
            table,
            span,
            context,
            taken: Vec::new(),
        }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn context(&self) -> &str {
        &self.context
    }

    pub(super) fn set_context(&mut self, context: String) {
        self.context = context;
    }

    /// Notes the lines of this table and its fields as those of that part of the tariff.
    pub(super) fn note_lines(&self, lines: &mut SpotLines, spot: &Spot, faults: &Faults<'_>) {
        const CHECKED: [&str; 10] = [
            "until_min",
            "per_min",
            "rate_vnd",
            "min_vnd",
            "max_vnd",
            "cap_24h_vnd",
            "cap_day_vnd",
            "price_vnd",
            "on",
            "vat_bp",
        ];
        lines
            .parts
            .push((spot.clone(), faults.line(self.span.start)));
        for (key, _) in self.table.iter() {
            let name = CHECKED.iter().chain(&["free_min", "max_stay_min"]);
            if let Some(name) = name.copied().find(|name| *name == key.get_ref()) {
                let spot = spot.with(Part::Field(name));
                lines.parts.push((spot, faults.line(key.span().start)));
            }
        }
    }

    /// A field, if it is there.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.taken.push(key);
        self.table.get(key)
    }

    /// A field that must be there.
    pub(super) fn need(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<&'a Spanned<DeValue<'a>>> {
        let found = self.optional(key);
        if found.is_none() {
            faults.add(
                self.span.clone(),
                format!("{}{key} is missing", self.context),
            );
        }
        found
    }

    fn wrong(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        wanted: &str,
        faults: &mut Faults<'_>,
    ) {
        let found = kind(value.get_ref());
        faults.add(
            value.span(),
            format!("{}{key} is {found}, not {wanted}", self.context),
        );
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<String> {
        let value = self.need(key, faults)?;
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
            Some(_) => {
                faults.add(value.span(), format!("{}{key} is empty", self.context));
                None
            }
            None => {
                self.wrong(key, value, "a text", faults);
                None
            }
        }
    }

    /// A whole number, if it is there.
    pub(super) fn number<T: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<T> {
        let value = self.optional(key)?;
        let Some(digits) = value.get_ref().as_integer() else {
            self.wrong(key, value, "a whole number", faults);
            return None;
        };
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let fitting = number.and_then(|number| T::try_from(number).ok());
        if fitting.is_none() {
            let digits = digits.as_str();
            let sign = if digits.starts_with('-') {
                "negative"
            } else {
                "too large"
            };
            faults.add(
                value.span(),
                format!("{}{key} is {sign}: {digits}", self.context),
            );
        }
        fitting
    }

    /// An amount, if it is there. That it is not negative is for the tariff to check.
    pub(super) fn money(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<Vnd> {
        self.number(key, faults).map(Vnd::new)
    }

    /// An amount that must be there.
    pub(super) fn needed_money(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> Option<Vnd> {
        self.need(key, faults)?;
        self.money(key, faults)
    }

    /// A word of a given few that must be there.
    pub(super) fn code<T>(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
        known: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.need(key, faults)?;
        self.optional_code(key, faults, known, read)
    }

    /// A word of a given few, if it is there.
    pub(super) fn optional_code<T>(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
        known: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.optional(key)?;
        self.one_code(key, value, faults, known, &read)
    }

    fn one_code<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        faults: &mut Faults<'_>,
        known: &str,
        read: &impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(key, value, "a text", faults);
            return None;
        };
        let found = read(text);
        if found.is_none() {
            faults.add(
                value.span(),
                format!("{}{key} {text:?} is not known: it is {known}", self.context),
            );
        }
        found
    }

    /// A list of words of a given few that must be there.
    pub(super) fn codes<T>(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
        known: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        match self.need(key, faults) {
            Some(_) => self.optional_codes(key, faults, known, read),
            None => Vec::new(),
        }
    }

    /// A list of words of a given few, if it is there.
    pub(super) fn optional_codes<T>(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
        known: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let values = self.list(key, faults).iter();
        values
            .filter_map(|value| self.one_code(key, value, faults, known, &read))
            .collect()
    }

    /// A list of texts, if it is there.
    pub(super) fn texts(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Vec<String> {
        self.optional_codes(key, faults, "not empty", |text| {
            (!text.trim().is_empty()).then(|| text.to_owned())
        })
    }

    /// A list; empty where it is not there.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        faults: &mut Faults<'_>,
    ) -> &'a [Spanned<DeValue<'a>>] {
        let Some(value) = self.optional(key) else {
            return &[];
        };
        match value.get_ref().as_array() {
            Some(list) => list,
            None => {
                self.wrong(key, value, "a list", faults);
                &[]
            }
        }
    }

    /// A list of tables; empty where it is not there.
    pub(super) fn tables(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Vec<Fields<'a>> {
        let mut tables = Vec::new();
        for value in self.list(key, faults) {
            match value.get_ref().as_table() {
                Some(table) => tables.push(Fields::new(table, value.span(), self.context.clone())),
                None => self.wrong(key, value, "a table", faults),
            }
        }
        tables
    }

    /// Tells of the fields that nobody took.
    pub(super) fn finish(self, faults: &mut Faults<'_>) {
        for (key, _) in self.table.iter() {
            let name = key.get_ref();
            if !self.taken.iter().any(|taken| taken == name) {
                let mut known = self.taken.clone();
                known.sort_unstable();
                known.dedup();
                let known = known.join(", ");
                faults.add(
                    key.span(),
                    format!(
                        "{}{name} is not known here; known are {known}",
                        self.context
                    ),
                );
            }
        }
    }
}
