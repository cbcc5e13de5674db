use base64::Engine;
use proptest::prelude::*;
use tlog_tiles::tlog::{check_record, check_tree};

use super::*;
use crate::id::{ReceiptId, RefundId};
use crate::money::Vnd;
use crate::place::VehicleClass;
use crate::refund::RefundGround;

/// The root of RFC 6962, 2.1, word for word: a second opinion.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => Edge::default().root(),
        1 => leaves[0],
        n => {
            let k = 1 << (usize::BITS - 1 - (n - 1).leading_zeros());
            node_hash(mth(&leaves[..k]), mth(&leaves[k..]))
        }
    }
}

fn leaf(n: usize) -> Hash {
    record_hash(format!("leaf {n}").as_bytes())
}

fn hex(hash: Hash) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A tree of so many entries, with all of its tiles as they are served.
fn tree(size: usize) -> (Edge, TileSet) {
    let (mut edge, mut tiles) = (Edge::default(), TileSet::default());
    for n in 0..size {
        edge.push(leaf(n), |path, hashes| tiles.add(path, tile_bytes(hashes)));
    }
    for (path, hashes) in edge.open_tiles() {
        tiles.add(path, tile_bytes(hashes));
    }
    (edge, tiles)
}

/// Of Certificate Transparency's own tests.
/// <https://github.com/google/certificate-transparency/blob/master/cpp/merkletree/merkle_tree_test.cc>
#[test]
fn roots_are_those_of_certificate_transparency() {
    let leaves: [&[u8]; 8] = [
        &[],
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f,
        ],
    ];
    let mut edge = Edge::default();
    assert_eq!(
        hex(edge.root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let mut roots = Vec::new();
    for bytes in leaves {
        edge.push(record_hash(bytes), |_, _| {});
        roots.push(hex(edge.root()));
    }
    assert_eq!(
        roots[0],
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    assert_eq!(
        roots[7],
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
}

#[test]
fn the_edge_s_root_is_the_tree_s() {
    let leaves: Vec<Hash> = (0..1_100).map(leaf).collect();
    let mut edge = Edge::default();
    for (n, hash) in leaves.iter().enumerate() {
        assert_eq!(edge.root(), mth(&leaves[..n]), "{n}");
        let lengths: Vec<usize> = edge.rows().iter().map(Vec::len).collect();
        assert!(Edge::lengths(n as u64).eq(lengths), "{n}");
        let again = Edge::of_rows(n as u64, edge.rows().to_vec());
        assert_eq!(again.as_ref(), Ok(&edge));
        assert!(
            Edge::of_rows(n as u64 + 1, edge.rows().to_vec()).is_err(),
            "{n}"
        );
        edge.push(*hash, |_, _| {});
    }
}

/// Across the sizes at which a level gains a tile and the tree a level.
#[test]
fn a_large_tree_has_the_root_of_its_leaves() {
    for size in [255, 256, 257, 65_535, 65_536, 65_537, 66_000] {
        let (edge, _) = tree(size);
        let leaves: Vec<Hash> = (0..size).map(leaf).collect();
        assert_eq!(edge.root(), mth(&leaves), "{size}");
    }
}

#[test]
fn paths_are_those_of_tlog_tiles() {
    let tile = |level, index, width| LogPath::Tile {
        level,
        index,
        width,
    };
    let entries = |index, width| LogPath::Entries { index, width };
    for (path, text) in [
        (LogPath::Checkpoint, "checkpoint"),
        (tile(0, 0, 256), "tile/0/000"),
        (tile(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (tile(2, 999, 1), "tile/2/999.p/1"),
        (entries(1_000, 255), "tile/entries/x001/000.p/255"),
    ] {
        assert_eq!(path.to_string(), text);
        assert_eq!(text.parse(), Ok(path));
    }
    for text in [
        "",
        "tile/0/0",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/8/000",
        "tile/00/000",
        "tile/data/000",
        "tile/entries/000/",
        "tile/0/-01",
        "tile/0/+01",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert!(text.parse::<LogPath>().is_err(), "{text}");
    }
    let bundles: Vec<String> = LogPath::bundles(300, 600)
        .map(|path| path.to_string())
        .collect();
    assert_eq!(bundles, ["tile/entries/001", "tile/entries/002.p/88"]);
    let tiles: Vec<String> = LogPath::tiles(513).map(|path| path.to_string()).collect();
    assert_eq!(
        tiles,
        [
            "tile/0/000",
            "tile/0/001",
            "tile/0/002.p/1",
            "tile/1/000.p/2"
        ]
    );
    assert_eq!(
        LogPath::tiles(0).count() + LogPath::bundles(0, 0).count(),
        0
    );
}

#[test]
fn bundles_are_whole_or_refused() {
    let entries: [&[u8]; 3] = [b"one", b"", b"three"];
    let packed = pack(entries.into_iter());
    assert_eq!(packed, b"\x00\x03one\x00\x00\x00\x05three");
    assert_eq!(unpack(&packed).as_deref(), Ok(&entries[..]));
    for end in 1..packed.len() {
        // Cut between two entries it is a shorter bundle, whose root is another.
        let cut = unpack(&packed[..end]);
        assert!(matches!(end, 5 | 7) == cut.is_ok(), "{end}: {cut:?}");
    }
    assert_eq!(unpack(&[0; 2 * 257]), Err(BundleError::TooMany));
}

/// The example of the signed note's own documentation.
/// <https://pkg.go.dev/golang.org/x/mod/sumdb/note>
#[test]
fn signatures_are_those_of_signed_notes() {
    let signer: LogSigner =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
            .parse()
            .expect("a key");
    let public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(signer.public().to_string(), public);
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n";
    let note = key::sign(text, &[signer]).expect("a note");
    assert_eq!(
        String::from_utf8_lossy(&note),
        format!(
            "{text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        )
    );
    let keys = LogKeys::new(vec![public.parse().expect("a key")]).expect("one key");
    assert_eq!(keys.open(&note).as_deref(), Ok(text));
}

fn signer(name: &str, seed: u8) -> LogSigner {
    LogSigner::generate(name, [seed; 32]).expect("a key").0
}

fn keys(signers: &[&LogSigner]) -> LogKeys {
    let keys = signers.iter().map(|signer| signer.public().clone());
    LogKeys::new(keys.collect()).expect("keys of one log")
}

const NAME: &str = "hanoi.example/log";

#[test]
fn a_note_names_its_signers_and_a_key_that_was_mistyped_is_told_from_none() {
    let (old, new) = (signer(NAME, 1), signer(NAME, 2));
    let labels = [old.public().label(), new.public().label()];
    let head = TreeHead {
        size: 0,
        root: Edge::default().root(),
    };
    let note = sign_head(&head, &[old, new]).expect("a checkpoint");
    assert_eq!(signers(&note), labels);
    assert!(signers(b"<html>no note</html>").is_empty());
    // A witness's line is longer, and none of the log's.
    let cosigned = [note.as_slice(), "— witness.example/w ".as_bytes()].concat();
    let longer = base64::prelude::BASE64_STANDARD.encode([1; 4 + 8 + 64]);
    let cosigned = [cosigned.as_slice(), longer.as_bytes(), b"\n"].concat();
    assert_eq!(signers(&cosigned), labels);

    let key = signer(NAME, 1).public().to_string();
    assert!(key.starts_with(&format!("{}+", labels[0])));
    let other = key.replace("+A", "+B");
    let other = other.parse::<LogKey>().err();
    assert_eq!(other, Some(KeyError::Mistyped));
    let cut = key[..key.len() - 1].parse::<LogKey>().err();
    assert_eq!(cut, Some(KeyError::Public));
}

#[test]
fn a_head_is_believed_of_a_key_that_is_trusted_only() {
    let (old, new) = (signer(NAME, 1), signer(NAME, 2));
    let (trusts_old, trusts_new) = (keys(&[&old]), keys(&[&new]));
    let head = TreeHead {
        size: 3,
        root: leaf(3),
    };
    let note = sign_head(&head, &[signer(NAME, 1)]).expect("a checkpoint");
    assert_eq!(trusts_old.open_head(&note), Ok(head));
    assert_eq!(trusts_new.open_head(&note), Err(NoteError::Stranger));
    assert_eq!(keys(&[&new, &old]).open_head(&note), Ok(head));
    // While keys change, both sign, and who trusts either is content.
    let both = sign_head(&head, &[old, new]).expect("a checkpoint");
    assert_eq!(trusts_old.open_head(&both), Ok(head));
    assert_eq!(trusts_new.open_head(&both), Ok(head));
    // Another size under the same signature.
    let text = String::from_utf8_lossy(&note).replace("\n3\n", "\n4\n");
    assert_eq!(
        trusts_old.open_head(text.as_bytes()),
        Err(NoteError::Forged)
    );
    assert_eq!(trusts_old.open_head(b"3"), Err(NoteError::Malformed));
    assert!(LogKeys::new(vec![]).is_none());
    let other = signer("hue.example/log", 1);
    let two = vec![
        trusts_old.iter().next().expect("a key").clone(),
        other.public().clone(),
    ];
    assert!(LogKeys::new(two).is_none());
    // One vouches for another: who trusts the new key can read what the old one signed, and the reverse.
    let (old, new) = (signer(NAME, 1), signer(NAME, 2));
    let list = sign_list(&[new], &[old.public().clone()]).expect("a list");
    let told = trusts_new.with_list(&list).expect("a list");
    assert_eq!(told.open_head(&note), Ok(head));
    assert_eq!(told.iter().count(), 2);
    assert_eq!(trusts_old.with_list(&list).err(), Some(NoteError::Stranger));
    assert_eq!(
        trusts_old.with_list(&note).err(),
        Some(NoteError::Malformed)
    );
    let list = sign_list(&[old], &[other.public().clone()]).expect("a list");
    assert_eq!(
        trusts_old.with_list(&list).err(),
        Some(NoteError::Malformed)
    );
    // A private key is written in no message of ours.
    let (signer, text) = LogSigner::generate(NAME, [7; 32]).expect("a key");
    let shown = format!("{signer:?}");
    assert!(
        !shown.contains(text.rsplit('+').next().expect("a part")),
        "{shown}"
    );
    assert!(LogSigner::generate("with space", [7; 32]).is_err());
}

fn entry(amount: i64) -> Entry {
    Entry {
        kind: EntryKind::Receipt,
        day: "2026-11-25".parse().expect("a day"),
        ward: "hoan-kiem".to_owned(),
        lot: "HK-01".to_owned(),
        operator: "HKP".to_owned(),
        amount_vnd: Vnd::new(amount),
        commitment: Commitment([9; 32]),
    }
}

#[test]
fn an_entry_has_one_form() {
    let bytes = entry(60_000).to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert_eq!(
        text,
        r#"{"v":1,"kind":"receipt","day":"2026-11-25","ward":"hoan-kiem","lot":"HK-01","operator":"HKP","amount_vnd":60000,"commitment":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="}"#
    );
    assert_eq!(Entry::parse(&bytes).expect("an entry"), entry(60_000));
    for (from, to) in [
        ("{\"v\"", "{ \"v\""),
        ("60000", "6e4"),
        ("60000", "-60000"),
        ("60000", "0"),
        ("\"v\":1", "\"v\":2"),
        ("HK-01", "HK\\u002d01"),
        ("\"kind\":\"receipt\",", ""),
        ("\"v\":1,", "\"v\":1,\"plate\":\"30A12345\","),
        ("CQk=", "CQ=="),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        assert!(Entry::parse(other.as_bytes()).is_err(), "{other}");
    }
}

fn receipt(amount: i64) -> Document {
    let at = chrono::DateTime::from_timestamp(1_795_000_000, 123_456_000).expect("a time");
    let document = ReceiptDocument {
        receipt: ReceiptId(uuid::Uuid::from_u128(1)),
        bay: "HK-01-001".to_owned(),
        lot: "HK-01".to_owned(),
        class: VehicleClass::Car,
        issued_at: String::new(),
        starts_at: String::new(),
        ends_at: String::new(),
        amount_vnd: Vnd::new(amount),
        vat_bp: 800,
        gateway: "vietqr".to_owned(),
        reference: "CLB1".to_owned(),
        lines: Vec::new(),
    };
    Document::Receipt(document.with(at, (at, at), &[]))
}

/// A receipt among others, with its proof.
fn included(size: usize, place: usize) -> (Inclusion, LogSigner) {
    let (salt, document) = (Salt([5; 16]), receipt(60_000).to_text());
    let own = Entry {
        commitment: Commitment::of(salt, &document),
        ..entry(60_000)
    };
    let own = String::from_utf8(own.to_bytes()).expect("text");
    let (mut edge, mut tiles) = (Edge::default(), TileSet::default());
    for n in 0..size {
        let hash = if n == place {
            record_hash(own.as_bytes())
        } else {
            leaf(n)
        };
        edge.push(hash, |_, _| {});
    }
    for (path, hashes) in edge.open_tiles() {
        tiles.add(path, tile_bytes(hashes));
    }
    let (size, place) = (size as u64, place as u64);
    let proof = tiles.inclusion(size, place).expect("a proof");
    let signer = signer(NAME, 1);
    let head = TreeHead {
        size,
        root: edge.root(),
    };
    let checkpoint = sign_head(&head, std::slice::from_ref(&signer)).expect("a checkpoint");
    let checkpoint = String::from_utf8(checkpoint).expect("text");
    let inclusion = Inclusion::new((document, salt), (own, place), &proof, checkpoint);
    (inclusion, signer)
}

#[test]
fn a_receipt_is_shown_to_be_in_the_log_and_nothing_of_it_can_be_changed() {
    let (right, signer) = included(100, 42);
    let keys = keys(&[&signer]);
    let shown = right.check(&keys).expect("it is in the log");
    assert_eq!(shown.document, receipt(60_000));
    assert_eq!(shown.head.size, 100);
    // It can be kept as text and read again.
    let text = serde_json::to_string(&right).expect("text");
    assert_eq!(
        serde_json::from_str::<Inclusion>(&text).expect("the same"),
        right
    );

    // And as a code, of which nothing can be changed either.
    let code = right.to_code().expect("a code");
    assert_eq!(Inclusion::of_code(&code), Ok(right.clone()));
    for at in 0..code.len() {
        let mut other = code.clone().into_bytes();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).expect("text");
        let read = Inclusion::of_code(&other);
        assert!(
            read.is_err()
                || read == Ok(right.clone())
                || read.is_ok_and(|it| it.check(&keys).is_err()),
            "{at}"
        );
    }
    assert!(Inclusion::of_code(&code[..code.len() - 40]).is_err());
    assert!(Inclusion::of_code("").is_err());

    let with = |change: fn(&mut Inclusion)| {
        let mut other = right.clone();
        change(&mut other);
        other.check(&keys).expect_err("it was changed")
    };
    let why = with(|it| it.document = receipt(50_000).to_text());
    assert!(matches!(why, InclusionError::Commitment), "{why}");
    let why = with(|it| it.salt = Salt([6; 16]));
    assert!(matches!(why, InclusionError::Commitment), "{why}");
    let why = with(|it| it.entry = it.entry.replace("\"receipt\"", "\"refund\""));
    assert!(matches!(why, InclusionError::Differs { .. }), "{why}");
    let why = with(|it| it.entry = it.entry.replace("60000", "50000"));
    assert!(matches!(why, InclusionError::Differs { .. }), "{why}");
    let why = with(|it| it.entry = it.entry.replace("\"HK-01\"", "\"HK-02\""));
    assert!(matches!(why, InclusionError::Differs { .. }), "{why}");
    let why = with(|it| it.entry = it.entry.replace("2026-11-25", "2026-11-24"));
    assert!(matches!(why, InclusionError::NotIncluded(42)), "{why}");
    for index in [41, 43, 99, 100, u64::MAX] {
        let mut other = right.clone();
        other.index = index;
        let why = other.check(&keys).expect_err("another place");
        assert!(matches!(why, InclusionError::NotIncluded(_)), "{why}");
    }
    let why = with(|it| it.proof[0] = leaf(0).to_string());
    assert!(matches!(why, InclusionError::NotIncluded(42)), "{why}");
    let why = with(|it| it.proof[0] = "no hash".to_owned());
    assert!(matches!(why, InclusionError::Hash), "{why}");
    let why = with(|it| it.proof.clear());
    assert!(matches!(why, InclusionError::NotIncluded(42)), "{why}");
    let why = with(|it| it.checkpoint = it.checkpoint.replace("\n100\n", "\n101\n"));
    assert!(
        matches!(why, InclusionError::Checkpoint(NoteError::Forged)),
        "{why}"
    );
    let why = right
        .check(&self::keys(&[&self::signer(NAME, 2)]))
        .expect_err("another key");
    assert!(
        matches!(why, InclusionError::Checkpoint(NoteError::Stranger)),
        "{why}"
    );
}

#[test]
fn a_salt_hides_and_a_document_has_one_text() {
    let text = receipt(60_000).to_text();
    assert!(text.contains(r#""issued_at":"2026-11-18T"#), "{text}");
    assert_ne!(
        Commitment::of(Salt([0; 16]), &text),
        Commitment::of(Salt([1; 16]), &text)
    );
    let read: Document = serde_json::from_str(&text).expect("the document");
    assert_eq!(read, receipt(60_000));
    let at = chrono::DateTime::from_timestamp(1_795_000_000, 0).expect("a time");
    let refund = Document::Refund(RefundDocument::new(
        RefundId(uuid::Uuid::from_u128(2)),
        ReceiptId(uuid::Uuid::from_u128(1)),
        Vnd::new(10),
        RefundGround::Unused,
        at,
    ));
    let read: Document = serde_json::from_str(&refund.to_text()).expect("the document");
    assert_eq!(read, refund);
}

#[test]
fn a_report_says_what_was_signed() {
    let signer = signer(NAME, 1);
    let keys = keys(&[&signer]);
    let mut report = DayReport {
        day: "2026-11-25".parse().expect("a day"),
        revision: 2,
        head: TreeHead {
            size: 12,
            root: leaf(1),
        },
        lots: std::collections::BTreeMap::new(),
    };
    let signers = [signer];
    let empty = report.sign(&signers).expect("a note");
    assert_eq!(DayReport::open(&empty, &keys), Ok(report.clone()));
    let mut refund = entry(10_000);
    refund.kind = EntryKind::Refund;
    let other = Entry {
        lot: "HK-02".to_owned(),
        ..entry(5_000)
    };
    for entry in [entry(60_000), entry(25_000), refund, other] {
        report
            .lots
            .entry(Place::of(&entry))
            .or_default()
            .add(&entry);
    }
    assert_eq!(report.total().revenue_vnd(), 80_000);
    let note = report.sign(&signers).expect("a note");
    assert_eq!(DayReport::open(&note, &keys), Ok(report.clone()));
    let text = String::from_utf8_lossy(&note).into_owned();
    let other = text.replacen("85000", "86000", 1);
    assert_eq!(
        DayReport::open(other.as_bytes(), &keys),
        Err(ReportError::Note(NoteError::Forged))
    );
    // Signed, and yet wrong: each is told.
    let (body, _) = text.rsplit_once("\n\n").expect("a note");
    let lines: Vec<&str> = body.lines().collect();
    let resigned = |lines: Vec<&str>| {
        let text = lines.join("\n") + "\n";
        let note = key::sign(&text, &signers).expect("a note");
        DayReport::open(&note, &keys)
    };
    assert_eq!(resigned(lines.clone()), Ok(report));
    let wrong_total = lines[5].replacen("90000", "91000", 1);
    let mut wrong = lines.clone();
    wrong[5] = &wrong_total;
    assert_eq!(resigned(wrong), Err(ReportError::Total));
    let mut twice = lines.clone();
    twice[4] = lines[3];
    assert_eq!(resigned(twice), Err(ReportError::Line(5)));
    assert_eq!(resigned(lines[..3].to_vec()), Err(ReportError::Line(4)));
    let mut checkpoint = lines.clone();
    checkpoint[0] = NAME;
    assert_eq!(resigned(checkpoint), Err(ReportError::Line(1)));
}

proptest! {
    /// Each entry of a tree is shown to be in it, and each older tree to be its beginning; tiles are
    /// asked for until there are enough.
    #[test]
    fn proofs_are_made_of_tiles(size in 1usize..1_400, at in 0usize..1_400, older in 1usize..1_400) {
        let (at, older) = (at % size, older % size + 1);
        let (edge, all) = tree(size);
        let (size, root) = (size as u64, edge.root());
        // From nothing, by what is said to be missing.
        let mut fetched = TileSet::default();
        let proof = loop {
            match fetched.inclusion(size, at as u64) {
                Ok(proof) => break proof,
                Err(Missing::Tiles(wanted)) => {
                    for path in wanted {
                        fetched.add(path, all.bytes(path).expect("a tile that is served").to_vec());
                    }
                }
                Err(wrong) => panic!("{wrong}"),
            }
        };
        prop_assert!(check_record(&proof, size, root, at as u64, leaf(at)).is_ok());
        prop_assert!(check_record(&proof, size, root, at as u64, leaf(at + 1)).is_err());
        let before = tree(older).0.root();
        let proof = all.consistency(size, older as u64).expect("all tiles");
        prop_assert!(check_tree(&proof, size, root, older as u64, before).is_ok());
        if older > 1 {
            prop_assert!(check_tree(&proof, size, root, older as u64, leaf(0)).is_err());
        }
        // Exactly the tiles that are said to be there.
        let served: Vec<LogPath> = LogPath::tiles(size).collect();
        prop_assert!(served.iter().all(|path| all.bytes(*path).is_some()));
    }

    #[test]
    fn what_comes_from_outside_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = unpack(&bytes);
        let _ = Entry::parse(&bytes);
        let _ = String::from_utf8_lossy(&bytes).parse::<LogPath>();
        let _ = keys(&[&signer(NAME, 1)]).open_head(&bytes);
        let _ = DayReport::open(&bytes, &keys(&[&signer(NAME, 1)]));
    }
}

#[test]
fn sums_that_no_number_holds_stand_still() {
    let most = Sums {
        receipts: u64::MAX,
        receipts_vnd: i64::MAX,
        refunds: u64::MAX,
        refunds_vnd: i64::MAX,
    };
    let mut more = most;
    more.plus(&most);
    more.add(&entry(1));
    assert_eq!(more, most);
}
