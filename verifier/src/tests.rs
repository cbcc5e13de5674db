use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use domain::Timestamp;
use domain::log::{
    Commitment, DayReport, Document, DocumentLine, Edge, Entry, EntryKind, Inclusion, LogKey,
    LogKeys, LogPath, LogSigner, Place, ReceiptDocument, Salt, Sums, TileSet, TreeHead, Witnesses,
    pack, record_hash, sign_head, tile_bytes,
};
use domain::money::Vnd;
use domain::place::VehicleClass;
use serde_json::json;

use super::*;

const NAME: &str = "hanoi.example/log";
const RECEIPT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn signer(seed: u8) -> LogSigner {
    LogSigner::generate(NAME, [seed; 32]).expect("a key").0
}

fn keys(seed: u8) -> LogKeys {
    LogKeys::new(vec![signer(seed).public().clone()]).expect("keys")
}

fn day(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, day).expect("a day")
}

fn entry(day: NaiveDate, amount: i64) -> Entry {
    Entry {
        kind: EntryKind::Receipt,
        day,
        ward: "hoan-kiem".to_owned(),
        lot: "HK-01".to_owned(),
        operator: "HKP".to_owned(),
        amount_vnd: Vnd::new(amount),
        commitment: Commitment([9; 32]),
    }
}

/// What a server answers, by path.
type Served = HashMap<String, Vec<u8>>;

/// A log of three days, of which the first two are reported and published.
fn log() -> Served {
    let entries = [
        entry(day(25), 60_000),
        entry(day(25), 25_000),
        entry(day(26), 10_000),
        entry(day(27), 5_000),
    ];
    let mut served = Served::new();
    let mut edge = Edge::default();
    let mut published: BTreeMap<&str, BTreeMap<String, i64>> = BTreeMap::new();
    let mut listed = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        edge.push(record_hash(&entry.to_bytes()), |_, _| {});
        let is_last = entries
            .get(index + 1)
            .is_none_or(|next| next.day != entry.day);
        if entry.day > day(26) {
            continue;
        }
        for (by, key) in [
            ("day", entry.day.to_string()),
            ("ward", entry.ward.clone()),
            ("lot", entry.lot.clone()),
            ("operator", entry.operator.clone()),
        ] {
            let sums = published.entry(by).or_default();
            *sums.entry(key).or_default() += entry.amount_vnd.get();
        }
        if is_last {
            let mut sums = Sums::default();
            let of_day = entries.iter().filter(|it| it.day == entry.day);
            of_day.for_each(|it| sums.add(it));
            let report = DayReport {
                day: entry.day,
                revision: 1,
                head: head(&edge),
                lots: BTreeMap::from([(Place::of(entry), sums)]),
            };
            let note = report.sign(&[signer(1)]).expect("a report");
            served.insert(format!("/log/report/{}/1", entry.day), note);
            listed.push(json!({"day": entry.day, "revision": 1}));
        }
    }
    for (path, hashes) in edge.open_tiles() {
        served.insert(at(path), tile_bytes(hashes));
    }
    let bundle = LogPath::Entries { index: 0, width: 4 };
    let entries = entries.map(|entry| entry.to_bytes());
    served.insert(at(bundle), pack(entries.iter().map(Vec::as_slice)));
    let reports = json!({ "reports": listed });
    served.insert("/log/reports".to_owned(), reports.to_string().into_bytes());
    for (by, sums) in published {
        let rows = sums.iter();
        let rows = rows.map(|(key, sum)| json!({"key": key, "amount_vnd": sum}));
        let report =
            json!({"rows": rows.collect::<Vec<_>>(), "total_vnd": sums.values().sum::<i64>()});
        let path = format!("/api/v1/reports/revenue?from=2026-11-25&to=2026-11-26&by={by}");
        served.insert(path, report.to_string().into_bytes());
    }
    let checkpoint = sign_head(&head(&edge), &[signer(1)]).expect("a checkpoint");
    served.insert(at(LogPath::Checkpoint), checkpoint);
    served
}

fn head(edge: &Edge) -> TreeHead {
    TreeHead {
        size: edge.size(),
        root: edge.root(),
    }
}

/// What was found, and how many things were fetched for it.
fn verify(served: &Served, keys: LogKeys) -> (Verdict, usize) {
    let mut verifier = Verifier::new(keys, Witnesses::default(), None);
    let mut fetched = 0;
    loop {
        let wanted = verifier.wants();
        if wanted.is_empty() {
            return (verifier.verdict(), fetched);
        }
        for path in wanted {
            fetched += 1;
            let body = served.get(&path).cloned();
            verifier.give(&path, body.map_or(Answer::NotFound, Answer::Body));
        }
    }
}

#[test]
fn days_that_nothing_is_published_of_yet_stand_apart() {
    let (verdict, _) = verify(&log(), keys(1));
    assert!(verdict.holds(), "{:?}", verdict.findings);
    assert_eq!((verdict.reports, verdict.totals), (2, 4 + 5));
    let days: Vec<NaiveDate> = verdict.days.keys().copied().collect();
    assert_eq!(days, [day(25), day(26)]);
    assert_eq!(total(&verdict.days).revenue_vnd(), 95_000);
    let unpublished: Vec<NaiveDate> = verdict.unpublished.keys().copied().collect();
    assert_eq!(unpublished, [day(27)]);
    assert_eq!(total(&verdict.unpublished).revenue_vnd(), 5_000);
}

#[test]
fn money_on_its_way_into_the_log_may_settle_and_a_wrong_report_may_not() {
    let mut served = log();
    let path = "/api/v1/reports/revenue?from=2026-11-25&to=2026-11-26&by=day";
    let ahead = json!({"rows": [{"key": "2026-11-25", "amount_vnd": 90_000},
        {"key": "2026-11-26", "amount_vnd": 10_000}], "total_vnd": 100_000});
    served.insert(path.to_owned(), ahead.to_string().into_bytes());
    let (verdict, _) = verify(&served, keys(1));
    assert_eq!(verdict.findings.len(), 2, "{:?}", verdict.findings);
    assert!(verdict.may_settle());
    served.insert("/log/report/2026-11-26/1".to_owned(), b"none".to_vec());
    let (verdict, _) = verify(&served, keys(1));
    assert!(!verdict.holds() && !verdict.may_settle());
    assert!(!verify(&log(), keys(1)).0.may_settle());
}

#[test]
fn what_may_settle_is_asked_three_times_and_what_grows_cannot_be_told_yet() {
    let path = "/api/v1/reports/revenue?from=2026-11-25&to=2026-11-26&by=day";
    let published = |vnd: i64| {
        let mut served = log();
        let told = json!({"rows": [{"key": "2026-11-25", "amount_vnd": 90_000},
            {"key": "2026-11-26", "amount_vnd": vnd - 90_000}], "total_vnd": vnd});
        served.insert(path.to_owned(), told.to_string().into_bytes());
        verify(&served, keys(1)).0
    };
    let (ahead, behind) = (published(100_000), published(91_000));
    let at = |second: i64| Timestamp::from_timestamp(second, 0).unwrap_or_default();
    let asked = |verdicts: &[&Verdict]| -> Vec<Next> {
        let mut patience = Patience::default();
        let each = verdicts.iter().enumerate();
        each.map(|(n, verdict)| patience.next(verdict, at(10 * n as i64)))
            .collect()
    };
    use Next::{AskAgain, NotYet, Tell};
    assert_eq!(asked(&[&verify(&log(), keys(1)).0]), [Tell]);
    assert_eq!(asked(&[&ahead, &ahead, &ahead]), [AskAgain, AskAgain, Tell]);
    // It has caught up meanwhile.
    assert_eq!(
        asked(&[&ahead, &verify(&log(), keys(1)).0]),
        [AskAgain, Tell]
    );
    let grown = |verdict: Verdict| {
        let days = verdict.days.keys().map(|day| (*day, Sums::default()));
        Verdict {
            days: days.collect(),
            ..verdict
        }
    };
    let others = grown(published(100_000));
    assert_eq!(
        asked(&[&ahead, &others, &others]),
        [AskAgain, AskAgain, NotYet]
    );
    // What the log has and nobody publishes is no matter of patience.
    let others = grown(published(91_000));
    assert_eq!(
        asked(&[&behind, &others, &others]),
        [AskAgain, AskAgain, Tell]
    );
    // A replica may be behind for a while.
    let mut lags = published(91_000);
    lags.complete_until = Some(at(-60));
    assert_eq!(
        asked(&[&lags; 12])
            .iter()
            .filter(|next| **next == AskAgain)
            .count(),
        9
    );
}

#[test]
fn an_empty_log_holds_and_says_that_there_is_nothing_yet() {
    let checkpoint = sign_head(&head(&Edge::default()), &[signer(1)]).expect("a checkpoint");
    let served = Served::from([
        (at(LogPath::Checkpoint), checkpoint),
        ("/log/reports".to_owned(), br#"{"reports":[]}"#.to_vec()),
    ]);
    let (verdict, _) = verify(&served, keys(1));
    assert!(verdict.is_empty(), "{:?}", verdict.findings);
    // Another's is none of which that could be said.
    assert!(!verify(&served, keys(2)).0.is_empty());
    assert!(!verify(&log(), keys(1)).0.is_empty());
}

#[test]
fn another_key_than_the_pinned_one_is_one_finding_and_nothing_else_is_read() {
    let (verdict, fetched) = verify(&log(), keys(2));
    assert!(!verdict.holds());
    let other = verdict.other_key().expect("another key");
    assert_eq!(other.signed_by, [signer(1).public().label()]);
    assert_eq!(other.trusted, [signer(2).public().label()]);
    assert_eq!(fetched, 3);
    assert!(verdict.memory.is_none());
    let said = vietnamese::finding(&verdict.findings[0]);
    assert!(said.contains(&other.signed_by[0]), "{said}");
    // A signature that names the pinned key and is not by it is no mere mistake.
    let mut served = log();
    let checkpoint = served
        .get_mut("/log/checkpoint")
        .expect("there is a checkpoint");
    let size = checkpoint.iter().position(|byte| *byte == b'4');
    checkpoint[size.expect("its size")] = b'5';
    let (verdict, _) = verify(&served, keys(1));
    assert!(verdict.other_key().is_none());
    assert_eq!(
        verdict.findings,
        [Finding::Checkpoint(NoteError::Forged)],
        "{:?}",
        verdict.findings
    );
}

#[test]
fn where_there_is_no_log_nothing_can_be_told() {
    let (verdict, _) = verify(&Served::new(), keys(1));
    assert_eq!(verdict.no_log, Some(NoLog::NotServed));
    assert!(!verdict.holds() && verdict.findings.is_empty());
    let page = b"<!DOCTYPE html><p>Anything\n\nelse</p>\n".to_vec();
    let elsewhere = log().into_keys().map(|path| (path, page.clone())).collect();
    let (verdict, _) = verify(&elsewhere, keys(1));
    assert_eq!(verdict.no_log, Some(NoLog::NoCheckpoint));
    assert!(!verdict.holds() && verdict.findings.is_empty());
    // A log that keeps back a part of itself is another matter.
    let mut served = log();
    served.remove("/log/reports");
    let (verdict, _) = verify(&served, keys(1));
    assert_eq!(verdict.no_log, None);
    assert!(
        verdict
            .findings
            .contains(&Finding::NotServed("/log/reports".to_owned()))
    );
}

#[test]
fn what_is_no_key_is_told_for_what_it_is() {
    let key = signer(1).public().to_string();
    let pinned = Pinned::parse(&format!("\n  {key}\n")).expect("a key");
    assert_eq!(pinned.log.origin(), NAME);
    let no_key = |text: &str| Pinned::parse(text).expect_err("no key");
    assert_eq!(no_key(" \n"), PinError::None);
    assert_eq!(no_key("no key"), PinError::Form(1));
    let cut = &key[..key.len() - 3];
    assert_eq!(no_key(&format!("{key}\n{cut}")), PinError::Form(2));
    assert_eq!(no_key(&key.replace("+A", "+B")), PinError::Mistyped(1));
    let another = LogSigner::generate("hue.example/log", [1; 32]).expect("a key");
    let both = format!("{key}\n{}", another.0.public());
    assert_eq!(no_key(&both), PinError::SeveralLogs);
    // A private key is not repeated.
    let (_, private) = LogSigner::generate(NAME, [3; 32]).expect("a key");
    let why = no_key(&private);
    for said in [why.to_string(), vietnamese::pin(&why)] {
        assert!(
            said.contains("+AQ...") && !said.contains("PRIVATE"),
            "{said}"
        );
    }
}

/// Words that are in every English message and in no Vietnamese one.
const ENGLISH: [&str; 8] = [
    " the ", " is ", " of ", " are ", " not ", " by ", " it ", " to ",
];

#[test]
fn nothing_is_said_in_english_to_who_reads_vietnamese() {
    let mut served = log();
    let mut amount = entry(day(25), 1).to_bytes();
    amount.truncate(30);
    let bundle = LogPath::Entries { index: 0, width: 4 };
    let entries = [amount.as_slice(), b"{}", b"[", b"x"];
    served.insert(at(bundle), pack(entries.into_iter()));
    for by in By::ALL {
        let path = format!(
            "/api/v1/reports/revenue?from=2026-11-25&to=2026-11-26&by={}",
            by.code()
        );
        served.insert(
            path,
            br#"{"rows":[{"key":"x","amount_vnd":1}],"total_vnd":1}"#.to_vec(),
        );
    }
    let (verdict, _) = verify(&served, keys(1));
    let mut findings = verdict.findings;
    assert!(findings.len() > 10, "{findings:?}");
    served.insert("/log/reports".to_owned(), b"<p>".to_vec());
    findings.extend(verify(&served, keys(1)).0.findings);
    for finding in &findings {
        let said = vietnamese::finding(finding);
        let english = ENGLISH.iter().find(|word| said.contains(*word));
        assert_eq!(english, None, "{said}");
        assert_ne!(said, finding.to_string());
    }
}

/// A receipt as its page gives it, with the price's reasons in both languages.
fn receipt_file() -> serde_json::Value {
    let line = |text: &str, amount| DocumentLine {
        text: text.to_owned(),
        amount_vnd: Vnd::new(amount),
    };
    let document = Document::Receipt(ReceiptDocument {
        receipt: RECEIPT.parse().expect("an id"),
        bay: "HK-01-001".to_owned(),
        lot: "HK-01".to_owned(),
        class: VehicleClass::Car,
        issued_at: "2026-11-25T17:30:00.000000Z".to_owned(),
        starts_at: String::new(),
        ends_at: String::new(),
        amount_vnd: Vnd::new(60_000),
        vat_bp: 800,
        gateway: "vietqr".to_owned(),
        reference: "CLB1".to_owned(),
        lines: vec![line("mỗi giờ", 50_000), line("phụ thu", 10_000)],
    });
    let (document, salt) = (document.to_text(), Salt([5; 16]));
    let mut own = entry(day(26), 60_000);
    own.commitment = Commitment::of(salt, &document);
    let own = own.to_bytes();
    let mut edge = Edge::default();
    edge.push(record_hash(&own), |_, _| {});
    let mut tiles = TileSet::default();
    for (path, hashes) in edge.open_tiles() {
        tiles.add(path, tile_bytes(hashes));
    }
    let proof = tiles.inclusion(1, 0).expect("a proof");
    let checkpoint = sign_head(&head(&edge), &[signer(1)]).expect("a checkpoint");
    let own = String::from_utf8(own).expect("text");
    let checkpoint = String::from_utf8(checkpoint).expect("text");
    let log = Inclusion::new((document, salt), (own, 0), &proof, checkpoint);
    json!({"log": log, "amount_vnd": 60_000, "lines": [
        {"text": "mỗi giờ", "text_en": "per hour", "amount_vnd": 50_000},
        {"text": "something else", "text_en": "a gift", "amount_vnd": 10_000},
    ]})
}

#[test]
fn a_receipt_of_another_log_is_told_by_its_key() {
    let held = Held::parse(&receipt_file().to_string()).expect("a receipt");
    let none = Witnesses::default();
    assert!(held.check(&keys(1), &none).is_ok());
    let why = held.check(&keys(2), &none).expect_err("another key");
    let ReceiptError::OtherKey(other) = &why else {
        panic!("{why}");
    };
    assert_eq!(other.signed_by, [signer(1).public().label()]);
    let label = LogKey::label(signer(2).public());
    assert!(why.to_string().ends_with(&label), "{why}");
    assert!(vietnamese::receipt(&why).ends_with(&label));
}

#[test]
fn a_line_is_shown_in_english_only_where_the_file_calls_this_very_line_so() {
    let held = Held::parse(&receipt_file().to_string()).expect("a receipt");
    let checked = held.check(&keys(1), &Witnesses::default());
    let (included, _) = checked.expect("it is in the log");
    let Document::Receipt(receipt) = included.document else {
        panic!("a refund");
    };
    let english = |index: usize| held.english(index, &receipt.lines[index]);
    assert_eq!(english(0).as_deref(), Some("per hour"));
    assert_eq!(english(1), None);
    let code = held.inclusion.to_code().expect("a code");
    let scanned = Held::parse(&format!("https://x/verify#r={code}")).expect("a receipt");
    assert_eq!(scanned.english(0, &receipt.lines[0]), None);
}
