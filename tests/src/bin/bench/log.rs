//! What the public log costs: payments with it and without it, entries appended beside them, proofs as the
//! tree grows, and a citizen's check of everything.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use api::service::public_log::{self, PublicLog};
use api::{ApiError, App};
use chrono::{Days, NaiveDate, Utc};
use domain::id::ReceiptId;
use domain::log::{
    BUNDLE_ENTRIES, Commitment, DayReport, Edge, Entry, EntryKind, Hash, LogKeys, LogPath,
    LogSigner, Missing, Place, Sums, TileSet, TreeHead, Witnesses, pack, record_hash, sign_head,
    tile_bytes,
};
use domain::money::Vnd;
use serde_json::json;
use tests::database::TestDatabase;
use tokio::sync::watch;
use uuid::Uuid;
use verifier::{Answer, Verifier};

use super::pay;

/// Runs of each kind, in turn; the median counts.
const RUNS: usize = 5;
/// How often each receipt is appended again, to have many entries.
const AGAIN: i64 = 100;
/// Trees whose proofs are measured.
const SIZES: [(&str, u64); 3] = [("1k", 1_000), ("1m", 1_000_000), ("100m", 100_000_000)];
/// Proofs that are made and checked of each.
const PROOFS: u64 = 2_000;
/// Entries of the log that is verified, and how many count on one day.
const VERIFIED: u64 = 1_000_000;
const A_DAY: u64 = 20_000;

/// Measures and prints.
pub async fn run() -> anyhow::Result<()> {
    beside_payments().await?;
    for (name, size) in SIZES {
        proofs(name, size)?;
    }
    verification()
}

/// Whether receipts enter the log while they are paid.
#[derive(Clone, Copy)]
enum Log {
    /// The database's triggers are switched off: there is no log.
    Off,
    /// As `clearbay serve` does it.
    On,
}

async fn beside_payments() -> anyhow::Result<()> {
    let (mut ratios, mut rates, mut logged) = (Vec::new(), Vec::new(), None);
    for _ in 0..RUNS {
        let (without, _) = paid(Log::Off).await?;
        let (with, city) = paid(Log::On).await?;
        ratios.push(with / without);
        rates.push(with);
        logged = Some(city);
    }
    let (app, database) = logged.context("no run")?;
    let (ratio, rate) = (median(ratios), median(rates));
    let appended = append(&app, &database).await?;
    println!("log_pay_with_vs_without: {ratio:.2}");
    println!("log_append_vs_pay: {:.1}", appended / rate);
    println!("log_append_per_s: {appended:.0}");
    let (entries, ms) = proof_from_database(&app, &database).await?;
    println!("log_proof_from_database_ms: {ms:.2}");
    println!("log_proof_from_database_entries: {entries}");
    app.store.close().await;
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Payments a second; and the city in which they were.
async fn paid(log: Log) -> anyhow::Result<(f64, (App, TestDatabase))> {
    let database = pay::new_city().await?;
    let mut app = pay::app(&database.url, pay::CONNECTIONS).await?;
    let (stop, stopped) = watch::channel(false);
    let publisher = match log {
        Log::Off => {
            sqlx::query("ALTER TABLE receipt DISABLE TRIGGER receipt_logged")
                .execute(&database.pool)
                .await?;
            None
        }
        Log::On => {
            let (_, key) = signer()?;
            app.log = Some(Arc::new(PublicLog::parse(&key, "")?));
            Some(tokio::spawn(public_log::work(app.clone(), stopped)))
        }
    };
    let rate = pay::drive(&app, pay::LOTS).await?;
    if let Some(publisher) = publisher {
        while database.count("log_queue").await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stop.send_replace(true);
        publisher.await?;
        let entries = database.count("log_leaf").await;
        anyhow::ensure!(entries == pay::PAYMENTS as i64, "the log has {entries}");
    }
    Ok((rate, (app, database)))
}

/// Entries a second that get their places, with tiles and signed heads.
async fn append(app: &App, database: &TestDatabase) -> anyhow::Result<f64> {
    for sql in [
        "ALTER TABLE log_leaf DROP CONSTRAINT log_leaf_receipt",
        "CREATE INDEX ON log_leaf (receipt_id)",
    ] {
        sqlx::query(sql).execute(&database.pool).await?;
    }
    sqlx::query(
        "INSERT INTO log_queue (city_id, receipt_id, salt)
         SELECT city_id, receipt_id, uuid_send(gen_random_uuid())
         FROM receipt JOIN lot USING (lot_id), generate_series(1, $1) AS again ORDER BY again",
    )
    .bind(AGAIN)
    .execute(&database.pool)
    .await?;
    let signer = signer()?.0;
    let sign = |head: &TreeHead| sign_head(head, std::slice::from_ref(&signer)).ok();
    let started = Instant::now();
    let mut added = 0;
    loop {
        // Each receipt once in a round.
        let limit = pay::PAYMENTS as i64;
        let published = app
            .store
            .log_publish("hn", limit, None, sign, false, Utc::now());
        let published = published.await?.context("somebody else publishes")?;
        if published.added == 0 {
            break;
        }
        added += published.added;
    }
    Ok(added as f64 / started.elapsed().as_secs_f64())
}

/// How many entries the log has, and the mean time for a receipt's proof.
async fn proof_from_database(app: &App, database: &TestDatabase) -> anyhow::Result<(i64, f64)> {
    let receipts: Vec<Uuid> = sqlx::query_scalar("SELECT receipt_id FROM receipt LIMIT 200")
        .fetch_all(&database.pool)
        .await?;
    let started = Instant::now();
    for receipt in &receipts {
        let found = public_log::receipt_inclusion(app, ReceiptId(*receipt)).await;
        let found = found.map_err(|error: ApiError| anyhow::anyhow!("{error}"))?;
        let log = app.log.as_ref().context("no log")?;
        found.context("not in the log")?.check(log.keys())?;
    }
    let ms = started.elapsed().as_secs_f64() * 1_000.0 / receipts.len() as f64;
    Ok((database.count("log_leaf").await, ms))
}

fn signer() -> anyhow::Result<(LogSigner, String)> {
    Ok(LogSigner::generate("bench.example/log", [7; 32])?)
}

/// A tree of so many entries. Its leaves are made again where they are asked for.
struct Tree {
    edge: Edge,
    /// Tiles above the leaves.
    tiles: HashMap<LogPath, Vec<u8>>,
}

fn leaf(index: u64) -> Hash {
    record_hash(&index.to_be_bytes())
}

impl Tree {
    fn grow(size: u64) -> Self {
        let (mut edge, mut tiles) = (Edge::default(), HashMap::new());
        let mut keep = |path: LogPath, hashes: &[Hash]| {
            if !matches!(path, LogPath::Tile { level: 0, .. }) {
                tiles.insert(path, tile_bytes(hashes));
            }
        };
        for index in 0..size {
            edge.push(leaf(index), &mut keep);
        }
        edge.open_tiles()
            .for_each(|(path, hashes)| keep(path, hashes));
        Self { edge, tiles }
    }

    fn tile(&self, path: LogPath) -> Vec<u8> {
        match path {
            LogPath::Tile {
                level: 0,
                index,
                width,
            } => {
                let leaves = (0..u64::from(width)).map(|at| leaf(index * BUNDLE_ENTRIES + at));
                tile_bytes(&leaves.collect::<Vec<_>>())
            }
            _ => self.tiles.get(&path).cloned().unwrap_or_default(),
        }
    }
}

/// Size and time of proofs in a tree of so many entries.
fn proofs(name: &str, size: u64) -> anyhow::Result<()> {
    let tree = Tree::grow(size);
    let root = tree.edge.root();
    let (mut made_s, mut checked_s, mut hashes, mut fetched) = (0.0, 0.0, 0, 0);
    for number in 0..PROOFS {
        // All over the tree, and the same in each run.
        let index = (number * 0x9e37_79b9_7f4a_7c15_u64 % size).min(size - 1);
        let mut tiles = TileSet::default();
        let proof = loop {
            let started = Instant::now();
            let asked = tiles.inclusion(size, index);
            made_s += started.elapsed().as_secs_f64();
            match asked {
                Ok(proof) => break proof,
                Err(Missing::Tiles(wanted)) => {
                    for path in wanted {
                        let tile = tree.tile(path);
                        fetched += tile.len();
                        tiles.add(path, tile);
                    }
                }
                Err(Missing::Wrong(error)) => anyhow::bail!("{error}"),
            }
        };
        hashes += proof.len();
        let started = Instant::now();
        domain::log::check_record(&proof, size, root, index, leaf(index))?;
        checked_s += started.elapsed().as_secs_f64();
    }
    let each = |sum: f64| sum / PROOFS as f64;
    println!("log_proof_{name}_bytes: {:.0}", each(hashes as f64 * 32.0));
    println!(
        "log_proof_{name}_fetched_bytes: {:.0}",
        each(fetched as f64)
    );
    println!("log_proof_{name}_make_us: {:.1}", each(made_s) * 1e6);
    println!("log_proof_{name}_check_us: {:.1}", each(checked_s) * 1e6);
    Ok(())
}

/// A log as it is served, in memory.
struct Served {
    resources: HashMap<String, Vec<u8>>,
    bytes: usize,
}

impl Served {
    fn put(&mut self, path: String, body: Vec<u8>) {
        self.bytes += body.len();
        self.resources.insert(path, body);
    }
}

fn entry(index: u64, first: NaiveDate) -> Entry {
    let lot = index % 40;
    let mut commitment = [0; 32];
    commitment[..8].copy_from_slice(&index.to_be_bytes());
    Entry {
        kind: match index % 50 {
            0 => EntryKind::Refund,
            _ => EntryKind::Receipt,
        },
        day: first + Days::new(index / A_DAY),
        ward: format!("ward-{}", lot % 8),
        lot: format!("lot-{lot}"),
        operator: format!("operator-{}", lot % 3),
        amount_vnd: Vnd::new(25_000 + 1_000 * (index as i64 % 40)),
        commitment: Commitment(commitment),
    }
}

/// Puts together the log of so many entries, with reports and published revenue.
fn log(signer: &LogSigner) -> anyhow::Result<(Served, TreeHead)> {
    let mut served = Served {
        resources: HashMap::new(),
        bytes: 0,
    };
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).context("a day")?;
    let (mut edge, mut bundle) = (Edge::default(), Vec::new());
    let (mut day, mut listed) = (BTreeMap::<Place, Sums>::new(), Vec::new());
    let mut published: [BTreeMap<String, i64>; 4] = Default::default();
    for index in 0..VERIFIED {
        let entry = entry(index, first);
        let bytes = entry.to_bytes();
        edge.push(record_hash(&bytes), |path, hashes| {
            served.put(format!("/log/{path}"), tile_bytes(hashes));
        });
        bundle.push(bytes);
        if bundle.len() as u64 == BUNDLE_ENTRIES || index + 1 == VERIFIED {
            let path = LogPath::Entries {
                index: index / BUNDLE_ENTRIES,
                width: u16::try_from(bundle.len())?,
            };
            served.put(
                format!("/log/{path}"),
                pack(bundle.iter().map(Vec::as_slice)),
            );
            bundle.clear();
        }
        let place = Place::of(&entry);
        let mut sums = Sums::default();
        sums.add(&entry);
        let keys = [
            entry.day.to_string(),
            place.ward.clone(),
            place.lot.clone(),
            place.operator.clone(),
        ];
        for (published, key) in published.iter_mut().zip(keys) {
            *published.entry(key).or_default() += sums.revenue_vnd();
        }
        day.entry(place).or_default().plus(&sums);
        if (index + 1) % A_DAY == 0 || index + 1 == VERIFIED {
            let report = DayReport {
                day: entry.day,
                revision: 1,
                head: TreeHead {
                    size: edge.size(),
                    root: edge.root(),
                },
                lots: std::mem::take(&mut day),
            };
            let note = report.sign(std::slice::from_ref(signer))?;
            served.put(format!("/log/report/{}/1", entry.day), note);
            listed.push(json!({"day": entry.day, "revision": 1}));
        }
    }
    for (path, hashes) in edge.open_tiles() {
        served.put(format!("/log/{path}"), tile_bytes(hashes));
    }
    let reports = json!({ "reports": listed });
    served.put("/log/reports".to_owned(), reports.to_string().into_bytes());
    let last = first + Days::new((VERIFIED - 1) / A_DAY);
    for (by, sums) in ["day", "ward", "lot", "operator"].iter().zip(&published) {
        let rows = sums.iter();
        let rows = rows.map(|(key, sum)| json!({"key": key, "amount_vnd": sum}));
        let report =
            json!({"rows": rows.collect::<Vec<_>>(), "total_vnd": sums.values().sum::<i64>()});
        let path = format!("/api/v1/reports/revenue?from={first}&to={last}&by={by}");
        served.put(path, report.to_string().into_bytes());
    }
    let head = TreeHead {
        size: edge.size(),
        root: edge.root(),
    };
    let checkpoint = sign_head(&head, std::slice::from_ref(signer))?;
    served.put("/log/checkpoint".to_owned(), checkpoint);
    Ok((served, head))
}

/// A citizen's check of a million entries, but for the network.
fn verification() -> anyhow::Result<()> {
    let signer = signer()?.0;
    let (served, head) = log(&signer)?;
    let keys = LogKeys::new(vec![signer.public().clone()]).context("a key")?;
    let started = Instant::now();
    let mut verifier = Verifier::new(keys, Witnesses::default(), None);
    let mut wanted = verifier.wants();
    while !wanted.is_empty() {
        for path in wanted {
            let body = served.resources.get(&path).cloned();
            verifier.give(&path, body.map_or(Answer::NotFound, Answer::Body));
        }
        wanted = verifier.wants();
    }
    let verdict = verifier.verdict();
    let whole_s = started.elapsed().as_secs_f64();
    anyhow::ensure!(verdict.holds(), "{:?}", verdict.findings);
    anyhow::ensure!(verdict.head == Some(head), "another head");
    // What nobody can do without: each entry is hashed into the tree.
    let bundles: Vec<&Vec<u8>> = LogPath::bundles(0, VERIFIED)
        .filter_map(|path| served.resources.get(&format!("/log/{path}")))
        .collect();
    let started = Instant::now();
    let mut edge = Edge::default();
    for bundle in bundles {
        for entry in domain::log::unpack(bundle)? {
            edge.push(record_hash(entry), |_, _| {});
        }
    }
    anyhow::ensure!(edge.root() == head.root, "another root");
    let hashing_s = started.elapsed().as_secs_f64();
    let millions = VERIFIED as f64 / 1e6;
    println!("log_verify_vs_hashing: {:.2}", hashing_s / whole_s);
    println!("log_verify_s_per_million: {:.2}", whole_s / millions);
    println!(
        "log_verify_mb_per_million: {:.0}",
        served.bytes as f64 / 1e6 / millions
    );
    Ok(())
}
