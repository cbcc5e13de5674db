//! A whole log as it is served, to somebody who verifies it: honest, and then with some answers that are not.

use std::collections::{BTreeMap, HashMap};

use chrono::{Days, NaiveDate};
use domain::log::{
    BUNDLE_ENTRIES, Commitment, DayReport, Edge, Entry, EntryKind, LogPath, LogSigner, Place, Sums,
    TreeHead, Witnesses, pack, record_hash, sign_head, sign_list, tile_bytes,
};
use domain::money::Vnd;
use serde_json::{Value, json};
use verifier::{Answer, Verdict, Verifier};

use crate::log::{keys, signed, signer};

/// A log has at most so many entries: some tiles full, one not.
const ENTRIES_MAX: usize = 600;
/// A verifier that asks for more than this of such a log asks without end.
const ASKED_MAX: usize = 2_000;
/// Of each kind of place there are so many.
const PLACES: u8 = 3;

/// The first two bytes say how many entries there are and how many bytes of what follows tell of these; the rest
/// tells what is served otherwise.
pub fn log(data: &[u8]) {
    let [count, told, rest @ ..] = data else {
        return;
    };
    let (told, lies) = rest.split_at(usize::from(*told).min(rest.len()));
    let log = Log::of(usize::from(*count) * 3 % ENTRIES_MAX, told);
    let honest = log.verified(&[]);
    assert!(honest.holds(), "{:?}", honest.findings);
    assert_eq!(honest.head, Some(log.head));
    if !lies.is_empty() {
        let _ = log.verified(lies);
    }
}

struct Log {
    signer: LogSigner,
    key: String,
    entries: Vec<Entry>,
    head: TreeHead,
    tiles: HashMap<LogPath, Vec<u8>>,
    days: BTreeMap<NaiveDate, BTreeMap<Place, Sums>>,
}

impl Log {
    /// With entries that the bytes tell of, again and again where they are too few.
    fn of(count: usize, told: &[u8]) -> Self {
        let (signer, key) = signer();
        let byte = |at: usize| told.get(at % told.len().max(1)).copied().unwrap_or(0);
        let entries: Vec<Entry> = (0..count).map(|at| entry(at, &byte)).collect();
        let mut edge = Edge::default();
        let mut tiles = HashMap::new();
        let mut days: BTreeMap<NaiveDate, BTreeMap<Place, Sums>> = BTreeMap::new();
        for entry in &entries {
            edge.push(record_hash(&entry.to_bytes()), |path, hashes| {
                tiles.insert(path, tile_bytes(hashes));
            });
            let day = days.entry(entry.day).or_default();
            day.entry(Place::of(entry)).or_default().add(entry);
        }
        tiles.extend(
            edge.open_tiles()
                .map(|(path, hashes)| (path, tile_bytes(hashes))),
        );
        Self {
            head: TreeHead {
                size: edge.size(),
                root: edge.root(),
            },
            signer,
            key,
            entries,
            tiles,
            days,
        }
    }

    /// What somebody finds to whom some answers lie.
    fn verified(&self, lies: &[u8]) -> Verdict {
        let mut verifier = Verifier::new(keys(&self.signer), Witnesses::default(), None);
        let mut asked = 0;
        let mut lies = lies;
        loop {
            let wants = verifier.wants();
            if wants.is_empty() {
                return verifier.verdict();
            }
            for path in wants {
                asked += 1;
                if asked > ASKED_MAX {
                    return verifier.verdict();
                }
                let answer = self.answer(&path);
                verifier.give(&path, self.lied(answer, &mut lies));
            }
        }
    }

    /// An answer, changed as the next bytes say: how, and with how many of those that follow.
    fn lied(&self, answer: Answer, lies: &mut &[u8]) -> Answer {
        let [how, length, rest @ ..] = *lies else {
            return answer;
        };
        let (with, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        *lies = rest;
        match (how % 8, answer) {
            (0, _) => Answer::NotFound,
            (1, _) => Answer::Body(with.to_vec()),
            (2, answer) => match signed(with, &self.key) {
                Some(note) => Answer::Body(note),
                None => answer,
            },
            (3, Answer::Body(mut body)) => {
                let at = usize::from(*length) * body.len() / 256;
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1;
                }
                Answer::Body(body)
            }
            (4, Answer::Body(body)) => Answer::Body([&body, with].concat()),
            (_, answer) => answer,
        }
    }

    fn answer(&self, path: &str) -> Answer {
        let signers = std::slice::from_ref(&self.signer);
        let body = match path {
            "/log/keys" => sign_list(signers, &[]).ok(),
            "/log/reports" => {
                let listed: Vec<Value> = self
                    .days
                    .keys()
                    .map(|day| json!({"day": day, "revision": 1}))
                    .collect();
                Some(json!({"reports": listed}).to_string().into_bytes())
            }
            "/log/checkpoint" => sign_head(&self.head, signers).ok(),
            _ => self
                .report(path)
                .or_else(|| self.resource(path))
                .or_else(|| self.revenue(path)),
        };
        body.map_or(Answer::NotFound, Answer::Body)
    }

    fn report(&self, path: &str) -> Option<Vec<u8>> {
        let day = path.strip_prefix("/log/report/")?.strip_suffix("/1")?;
        let day = day.parse().ok()?;
        let report = DayReport {
            day,
            revision: 1,
            head: self.head,
            lots: self.days.get(&day)?.clone(),
        };
        report.sign(std::slice::from_ref(&self.signer)).ok()
    }

    fn resource(&self, path: &str) -> Option<Vec<u8>> {
        let path: LogPath = path.strip_prefix("/log/")?.parse().ok()?;
        let LogPath::Entries { index, width } = path else {
            return self.tiles.get(&path).cloned();
        };
        let first = usize::try_from(index * BUNDLE_ENTRIES).ok()?;
        let entries = self.entries.get(first..first + usize::from(width))?;
        let bytes: Vec<Vec<u8>> = entries.iter().map(Entry::to_bytes).collect();
        Some(pack(bytes.iter().map(Vec::as_slice)))
    }

    fn revenue(&self, path: &str) -> Option<Vec<u8>> {
        let question = path.strip_prefix("/api/v1/reports/revenue?from=")?;
        let (from, rest) = question.split_once("&to=")?;
        let (to, by) = rest.split_once("&by=")?;
        let range: (NaiveDate, NaiveDate) = (from.parse().ok()?, to.parse().ok()?);
        let mut rows: BTreeMap<String, i64> = BTreeMap::new();
        for (day, places) in self.days.range(range.0..=range.1) {
            for (place, sums) in places {
                let key = match by {
                    "day" => day.to_string(),
                    "ward" => place.ward.clone(),
                    "lot" => place.lot.clone(),
                    _ => place.operator.clone(),
                };
                *rows.entry(key).or_default() += sums.revenue_vnd();
            }
        }
        let total: i64 = rows.values().sum();
        let row = |(key, amount): (&String, &i64)| json!({"key": key, "amount_vnd": amount});
        let rows: Vec<Value> = rows.iter().map(row).collect();
        let revenue = json!({"rows": rows, "total_vnd": total});
        Some(revenue.to_string().into_bytes())
    }
}

/// The entry at a place, from the bytes around it.
fn entry(at: usize, byte: &dyn Fn(usize) -> u8) -> Entry {
    let of = |nth: usize| byte(at * 4 + nth);
    // Two days pass in a hundred entries; one may come late by a day.
    let day = at as u64 / 50 + 1 - u64::from(of(0) & 1);
    let first = NaiveDate::from_ymd_opt(2026, 11, 1).expect("a day");
    let place = |what: &str, nth: usize| format!("{what}{}", of(nth) % PLACES);
    Entry {
        kind: match of(0) & 2 {
            0 => EntryKind::Receipt,
            _ => EntryKind::Refund,
        },
        day: first + Days::new(day),
        ward: place("W", 1),
        lot: place("L", 2),
        operator: place("O", 3),
        // Up to what lets no sum of so many overflow.
        amount_vnd: Vnd::new(1 + (i64::from(of(2)) << (of(3) % 40))),
        commitment: Commitment([of(1); 32]),
    }
}
