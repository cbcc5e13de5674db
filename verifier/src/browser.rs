//! The verifier as the page `/verify` uses it: the page's script fetches, this checks.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use domain::Timestamp;
use domain::log::{Document, LogKeys, Sums, Witnesses};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::{
    Answer, Finding, Held, Memory, Next, Pinned, ReceiptError, Verifier, total, vietnamese,
};

/// Whether a reader of that language is told in Vietnamese; else it is in English.
fn is_vietnamese(lang: &str) -> bool {
    lang == "vi"
}

/// The keys, a line each: the log's, and those of witnesses, of which all are needed.
fn keys(text: &str, lang: &str) -> Result<(LogKeys, Witnesses), JsError> {
    let pinned = Pinned::parse(text).map_err(|why| match is_vietnamese(lang) {
        true => JsError::new(&vietnamese::pin(&why)),
        false => JsError::from(why),
    })?;
    let needed = pinned.witnesses.len();
    let witnesses = Witnesses::new(pinned.witnesses, needed);
    Ok((pinned.log, witnesses.unwrap_or_default()))
}

/// What is passed on to the script.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// How long what is found is asked for again: one for all the checks that follow one another.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Patience(crate::Patience);

#[wasm_bindgen]
impl Patience {
    /// That of one who begins.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Patience {
        Patience::default()
    }

    /// The pause before a log is asked again, in milliseconds.
    pub fn pause_ms() -> f64 {
        crate::Patience::PAUSE.num_milliseconds() as f64
    }
}

/// A check of the whole log.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Check {
    verifier: Verifier,
    is_vietnamese: bool,
}

#[derive(Serialize)]
struct Told {
    origin: String,
    /// Why nothing can be told.
    no_log: Option<String>,
    holds: bool,
    /// Whether it holds and has no entry yet.
    empty: bool,
    /// What is done about it: `tell`, `ask_again` or `not_yet`.
    next: &'static str,
    /// Whether all that was found is that the log is signed by a key that is not among the pinned ones.
    other_key: bool,
    size: Option<u64>,
    root: Option<String>,
    /// How many entries there were the last time.
    known: Option<u64>,
    /// How many trusted witnesses have seen the log, and how many entries it had then.
    witnesses: usize,
    witnessed: u64,
    reports: usize,
    totals: usize,
    /// Days that were compared with what is published, and their sum.
    days: Vec<Day>,
    total: Day,
    /// Days of which nothing is published yet.
    unpublished: Vec<Day>,
    findings: Vec<String>,
    notes: Vec<String>,
    /// To be kept until the next time.
    memory: Option<String>,
}

#[derive(Serialize)]
struct Day {
    day: String,
    receipts: u64,
    refunds: u64,
    revenue_vnd: i64,
}

impl Day {
    fn new(day: String, sums: &Sums) -> Self {
        Self {
            day,
            receipts: sums.receipts,
            refunds: sums.refunds,
            revenue_vnd: sums.revenue_vnd(),
        }
    }

    fn list(days: &BTreeMap<NaiveDate, Sums>) -> Vec<Self> {
        let days = days.iter();
        days.map(|(day, sums)| Self::new(day.to_string(), sums))
            .collect()
    }
}

#[wasm_bindgen]
impl Check {
    /// Begins, with the pinned keys, a line each, and what was remembered of the last time, for a reader of that
    /// language.
    ///
    /// # Errors
    /// For what is no key, in that language.
    #[wasm_bindgen(constructor)]
    pub fn new(pinned: &str, memory: Option<String>, lang: &str) -> Result<Check, JsError> {
        // What this browser cannot read of an earlier time is as if there had been none.
        let known = memory.and_then(|text| Memory::parse(&text).ok());
        let (keys, witnesses) = keys(pinned, lang)?;
        Ok(Self {
            verifier: Verifier::new(keys, witnesses, known),
            is_vietnamese: is_vietnamese(lang),
        })
    }

    /// What it wants, as paths.
    pub fn wants(&self) -> Vec<String> {
        self.verifier.wants()
    }

    /// Gives it what it wanted; nothing where the server has no such thing.
    pub fn give(&mut self, path: &str, body: Option<Vec<u8>>) {
        self.verifier
            .give(path, body.map_or(Answer::NotFound, Answer::Body));
    }

    /// How many entries have been checked.
    pub fn entries(&self) -> f64 {
        self.verifier.progress().entries as f64
    }

    /// How many there are; 0 before that is known.
    pub fn of(&self) -> f64 {
        self.verifier.progress().of as f64
    }

    /// What was found of what was asked from a moment on, in milliseconds since 1970, as JSON.
    pub fn verdict(self, patience: &mut Patience, asked_ms: f64) -> String {
        let is_vietnamese = self.is_vietnamese;
        let origin = self.verifier.origin().to_owned();
        let verdict = self.verifier.verdict();
        let asked = Timestamp::from_timestamp_millis(asked_ms as i64).unwrap_or_default();
        let next = match patience.0.next(&verdict, asked) {
            Next::Tell => "tell",
            Next::AskAgain => "ask_again",
            Next::NotYet => "not_yet",
        };
        let words = |findings: &[Finding]| -> Vec<String> {
            let word = |finding: &Finding| match is_vietnamese {
                true => vietnamese::finding(finding),
                false => finding.to_string(),
            };
            findings.iter().map(word).collect()
        };
        let witnessed = verdict.witnessed.as_ref();
        json(&Told {
            origin,
            witnesses: witnessed.map_or(0, |(_, by)| by.len()),
            witnessed: witnessed.map_or(0, |(head, _)| head.size),
            no_log: verdict.no_log.map(|why| match is_vietnamese {
                true => vietnamese::no_log(why).to_owned(),
                false => why.to_string(),
            }),
            holds: verdict.holds(),
            empty: verdict.is_empty(),
            next,
            other_key: verdict.other_key().is_some(),
            size: verdict.head.map(|head| head.size),
            root: verdict.head.map(|head| head.root.to_string()),
            known: verdict.known.map(|head| head.size),
            reports: verdict.reports,
            totals: verdict.totals,
            total: Day::new(String::new(), &total(&verdict.days)),
            days: Day::list(&verdict.days),
            unpublished: Day::list(&verdict.unpublished),
            findings: words(&verdict.findings),
            notes: words(&verdict.notes),
            memory: verdict.memory.map(|memory| memory.to_text()),
        })
    }
}

/// A reason of the price.
#[derive(Serialize)]
struct Line {
    /// As the log has it, in Vietnamese.
    text: String,
    /// What the file calls it in English, which nothing proves.
    text_en: Option<String>,
    amount_vnd: i64,
}

#[derive(Default, Serialize)]
struct Receipt {
    holds: bool,
    /// Whether it is not shown to be in the log because its log is signed by a key that is not among the pinned ones.
    other_key: bool,
    wrong: Option<String>,
    receipt: Option<String>,
    refund: bool,
    bay: Option<String>,
    lot: String,
    ward: String,
    operator: String,
    day: String,
    at: String,
    amount_vnd: i64,
    lines: Vec<Line>,
    index: u64,
    size: u64,
}

/// Checks one receipt, as its JSON or the address of its code, against the pinned keys: a JSON of what was
/// shown, for a reader of that language.
///
/// # Errors
/// For what is no key.
#[wasm_bindgen]
pub fn check_receipt(pinned: &str, text: &str, lang: &str) -> Result<String, JsError> {
    let (keys, witnesses) = keys(pinned, lang)?;
    let wrong = |wrong: String, other_key: bool| Receipt {
        wrong: Some(wrong),
        other_key,
        ..Receipt::default()
    };
    let is_vietnamese = is_vietnamese(lang);
    let held = match Held::parse(text) {
        Ok(held) => held,
        Err(why) => {
            let why = match is_vietnamese {
                true => vietnamese::held(&why).to_owned(),
                false => why.to_string(),
            };
            return Ok(json(&wrong(why, false)));
        }
    };
    let included = match held.check(&keys, &witnesses) {
        Ok((included, _)) => included,
        Err(why) => {
            let other_key = matches!(why, ReceiptError::OtherKey(_));
            let why = match is_vietnamese {
                true => vietnamese::receipt(&why),
                false => why.to_string(),
            };
            return Ok(json(&wrong(why, other_key)));
        }
    };
    let entry = included.entry;
    let mut told = Receipt {
        holds: true,
        lot: entry.lot,
        ward: entry.ward,
        operator: entry.operator,
        day: entry.day.to_string(),
        amount_vnd: entry.amount_vnd.get(),
        index: held.inclusion.index,
        size: included.head.size,
        ..Receipt::default()
    };
    match included.document {
        Document::Receipt(receipt) => {
            told.receipt = Some(receipt.receipt.to_string());
            told.bay = Some(receipt.bay);
            told.at = receipt.issued_at;
            let lines = receipt.lines.into_iter().enumerate();
            told.lines = lines
                .map(|(index, line)| Line {
                    text_en: held.english(index, &line),
                    text: line.text,
                    amount_vnd: line.amount_vnd.get(),
                })
                .collect();
        }
        Document::Refund(refund) => {
            told.receipt = Some(refund.receipt.to_string());
            told.refund = true;
            told.at = refund.promised_at;
        }
    }
    Ok(json(&told))
}
