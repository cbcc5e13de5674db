//! The verifier as the page `/verify` uses it: the page's script fetches, this checks.

use domain::log::{Document, LogKey, LogKeys, Sums, WitnessKey, Witnesses};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::{Answer, Finding, Held, Memory, Verifier, vietnamese};

/// The keys, a line each: the log's, and those of witnesses, of which all are needed.
fn keys(text: &str) -> Result<(LogKeys, Witnesses), JsError> {
    let (mut keys, mut witnesses) = (Vec::new(), Vec::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match line.parse::<WitnessKey>() {
            Ok(witness) => witnesses.push(witness),
            Err(_) => keys.push(line.parse::<LogKey>().map_err(JsError::from)?),
        }
    }
    let keys = LogKeys::new(keys)
        .ok_or_else(|| JsError::new("the keys are those of several logs, or there is none"))?;
    let needed = witnesses.len();
    Ok((keys, Witnesses::new(witnesses, needed).unwrap_or_default()))
}

/// What is passed on to the script.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A check of the whole log.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Check {
    verifier: Verifier,
}

#[derive(Serialize)]
struct Told {
    origin: String,
    holds: bool,
    size: Option<u64>,
    root: Option<String>,
    /// How many entries there were the last time.
    known: Option<u64>,
    /// How many trusted witnesses have seen the log, and how many entries it had then.
    witnesses: usize,
    witnessed: u64,
    reports: usize,
    totals: usize,
    total: Day,
    days: Vec<Day>,
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
}

#[wasm_bindgen]
impl Check {
    /// Begins, with the pinned keys, a line each, and what was remembered of the last time.
    ///
    /// # Errors
    /// For what is no key.
    #[wasm_bindgen(constructor)]
    pub fn new(pinned: &str, memory: Option<String>) -> Result<Check, JsError> {
        // What this browser cannot read of an earlier time is as if there had been none.
        let known = memory.and_then(|text| Memory::parse(&text).ok());
        let (keys, witnesses) = keys(pinned)?;
        Ok(Self {
            verifier: Verifier::new(keys, witnesses, known),
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

    /// What was found, as JSON, for a reader of that language.
    pub fn verdict(self, lang: &str) -> String {
        let origin = self.verifier.origin().to_owned();
        let verdict = self.verifier.verdict();
        let words = |findings: &[Finding]| -> Vec<String> {
            let word = |finding: &Finding| match lang {
                "vi" => vietnamese::finding(finding),
                _ => finding.to_string(),
            };
            findings.iter().map(word).collect()
        };
        let witnessed = verdict.witnessed.as_ref();
        json(&Told {
            origin,
            witnesses: witnessed.map_or(0, |(_, by)| by.len()),
            witnessed: witnessed.map_or(0, |(head, _)| head.size),
            holds: verdict.holds(),
            size: verdict.head.map(|head| head.size),
            root: verdict.head.map(|head| head.root.to_string()),
            known: verdict.known.map(|head| head.size),
            reports: verdict.reports,
            totals: verdict.totals,
            total: Day::new(String::new(), &verdict.total()),
            days: verdict
                .days
                .iter()
                .map(|(day, sums)| Day::new(day.to_string(), sums))
                .collect(),
            findings: words(&verdict.findings),
            notes: words(&verdict.notes),
            memory: verdict.memory.map(|memory| memory.to_text()),
        })
    }
}

#[derive(Default, Serialize)]
struct Receipt {
    holds: bool,
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
    lines: Vec<(String, i64)>,
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
    let (keys, witnesses) = keys(pinned)?;
    let wrong = |wrong: String| Receipt {
        wrong: Some(wrong),
        ..Receipt::default()
    };
    let is_vietnamese = lang == "vi";
    let held = match Held::parse(text) {
        Ok(held) => held,
        Err(why) if is_vietnamese => return Ok(json(&wrong(vietnamese::held(&why).to_owned()))),
        Err(why) => return Ok(json(&wrong(why.to_string()))),
    };
    let included = match held.check(&keys, &witnesses) {
        Ok((included, _)) => included,
        Err(why) if is_vietnamese => return Ok(json(&wrong(vietnamese::receipt(&why)))),
        Err(why) => return Ok(json(&wrong(why.to_string()))),
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
            let lines = receipt.lines.into_iter();
            told.lines = lines
                .map(|line| (line.text, line.amount_vnd.get()))
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
