//! Whatever dies and whatever gets lost: one charge, no payment lost, books that are right.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{join, join_all, join3};
use futures::{StreamExt, stream};
use rand::Rng;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use store::failpoint::Step;
use tests::broker::Broker;
use tests::paying::{Parked, Purse, Way, buy_pass, park};
use tests::serving::{Serving, text};
use tests::{eventually, provided};
use uuid::Uuid;

const BAY: &str = "CN-01-001";
/// In the zone where passes are on offer.
const PASS_BAY: &str = "HK-01-001";
/// How many send the same request again and again, and how many at once.
const RETRIES: usize = 10_000;
const AT_ONCE: usize = 256;
/// How many pay at once while the city is killed, and out of how many wallets.
const DRIVERS: usize = 40;
const WALLETS: usize = 8;
/// SIGABRT, by which a process ends at a failpoint.
const ABORTED: i32 = 6;

async fn quiet_city() -> Serving {
    let mut place = simulator::city::hanoi(80).unwrap();
    // Who leaves at once pays all the same: there is a charge to be lost or made twice.
    let tariffs = place.zones.iter_mut().flat_map(|zone| &mut zone.tariffs);
    tariffs.for_each(|tariff| tariff.free_min = 0);
    let env = vec![("CLEARBAY_LOG", "off".to_owned())];
    Serving::with(&place, Broker::rumqttd(), env, None).await
}

/// Sends one request ten thousand times under one key: every reply is the same, to the byte.
/// Another request under that key is refused.
async fn storm(city: &Serving, token: &str, path: &str, body: &Value, other: &Value) -> Value {
    let key = Uuid::new_v4().to_string();
    let send = |body: &Value| {
        let request = city.client.post(format!("{}{path}", city.url));
        let request = request.bearer_auth(token).json(body);
        request.header("idempotency-key", &key)
    };
    let replies: HashSet<(StatusCode, String)> = stream::iter(0..RETRIES)
        .map(|_| city.until_answered(|| send(body)))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert_eq!(replies.len(), 1, "{replies:?}");
    let (status, reply) = replies.into_iter().next().unwrap();
    assert_eq!(status, StatusCode::CREATED, "{reply}");
    let (status, problem) = city.until_answered(|| send(other)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert!(problem.contains("key-reused"), "{problem}");
    serde_json::from_str(&reply).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_retries_of_a_key_make_one_session_and_one_payment() {
    let city = quiet_city().await;
    let car =
        |minutes| json!({"bay": BAY, "plate": "30A12345", "class": "car", "minutes": minutes});
    let session = storm(&city, "", "/api/v1/sessions", &car(60), &car(120)).await;
    assert_eq!(city.database.count("session").await, 1);
    let path = format!("/api/v1/sessions/{}/payments", text(&session["id"]));
    let vietqr = json!({"gateway": "vietqr"});
    let wallet = json!({"gateway": "wallet", "wallet": Purse::open(&city).await.key()});
    storm(&city, &text(&session["token"]), &path, &vietqr, &wallet).await;
    assert_eq!(city.database.count("payment").await, 1);
    assert_eq!(city.database.count("transfer").await, 1);
    city.assert_books_are_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_and_banks_that_hang_up_before_the_reply_are_given_it_later() {
    let mut city = quiet_city().await;
    let purse = Purse::open(&city).await;
    // At first they hang up at once, then later and later: in the middle of everything.
    city.reply_within = Duration::from_millis(1);
    let parked: Vec<Parked> = stream::iter(0..100)
        .map(|index| {
            let way = Way::ALL[index % Way::ALL.len()];
            let (city, purse) = (&city, &purse);
            async move { park(city, BAY, &format!("30A{index:05}"), way, purse).await }
        })
        .buffer_unordered(8)
        .collect()
        .await;
    assert_nothing_is_lost(&city, &parked, &[purse], Vec::new()).await;
}

/// The process dies once at each side of each commit; phones and bank go on asking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_around_any_commit_neither_loses_nor_repeats_a_charge() {
    let city = quiet_city().await;
    let purse = Purse::open(&city).await;
    let (mut parked, mut passes) = (Vec::new(), Vec::new());
    for step in Step::ALL {
        for side in ["before_commit", "after_commit"] {
            let point = format!("{}.{side}", step.name());
            city.serve.kill().await;
            city.serve.start_again(Some(&point)).await;
            let died = async {
                let waited = tokio::time::timeout(Duration::from_secs(60), city.serve.ended());
                let status = waited
                    .await
                    .unwrap_or_else(|_| panic!("{point} is not reached"));
                assert_eq!(status.signal(), Some(ABORTED), "{point}: {status}");
                city.serve.start_again(None).await;
            };
            let ways = Way::ALL.iter().enumerate().map(|(index, way)| {
                let plate = format!("30A{:05}", parked.len() + index);
                let (city, purse) = (&city, &purse);
                async move { park(city, BAY, &plate, *way, purse).await }
            });
            let plate = format!("30B{:05}", passes.len());
            let buys = join(purse.fill(&city), buy_pass(&city, PASS_BAY, &plate));
            let (told, (_, pass), ()) = join3(join_all(ways), buys, died).await;
            parked.extend(told);
            passes.push(pass);
        }
    }
    let held = city.database.count("held_pass").await;
    assert_eq!(held, passes.len() as i64);
    assert_nothing_is_lost(&city, &parked, &[purse], passes).await;
}

/// How often the city is killed: 12 times, or as often as `CLEARBAY_TEST_KILLS` says.
fn kills() -> usize {
    let set = std::env::var("CLEARBAY_TEST_KILLS").ok();
    set.map_or(12, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_city_killed_under_load_again_and_again_charges_each_once() {
    let city = quiet_city().await;
    let purses = join_all((0..WALLETS).map(|_| Purse::open(&city))).await;
    let over = AtomicBool::new(false);
    let parked = Mutex::new(Vec::new());
    let drivers = (0..DRIVERS).map(|driver| {
        let (city, purse, over, parked) = (&city, &purses[driver % WALLETS], &over, &parked);
        async move {
            for turn in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let way = Way::ALL[(driver + turn) % Way::ALL.len()];
                let plate = format!("30A{:05}", driver * 2_500 + turn);
                let done = park(city, BAY, &plate, way, purse).await;
                parked.lock().unwrap().push(done);
            }
        }
    });
    let killer = async {
        for _ in 0..kills() {
            let alive = Duration::from_millis(rand::rng().random_range(20..2_000));
            tokio::time::sleep(alive).await;
            city.serve.kill().await;
            city.serve.start_again(None).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    join(killer, join_all(drivers)).await;
    let parked = parked.into_inner().unwrap();
    println!("{} parked over {} kills", parked.len(), kills());
    assert_nothing_is_lost(&city, &parked, &purses, Vec::new()).await;
}

/// What drivers and bank know against what the books say, once the outbox has done its work.
/// `acknowledged` are the bank's numbers of what was paid for anything else.
async fn assert_nothing_is_lost(
    city: &Serving,
    parked: &[Parked],
    purses: &[Purse],
    mut acknowledged: Vec<String>,
) {
    eventually("the outbox to be empty", || async {
        city.database.count("outbox").await == 0
    })
    .await;
    assert_eq!(city.database.count("session").await, parked.len() as i64);
    let money: Vec<(Uuid, i64, i64, i64, i64)> = sqlx::query_as(AssertSqlSafe(
        "SELECT session_id, count(*) FILTER (WHERE payment.status IN ('posted', 'refunded')),
                coalesce(sum(receipts), 0)::bigint, coalesce(sum(paid), 0)::bigint,
                coalesce(sum(back), 0)::bigint
         FROM payment JOIN purchase USING (purchase_id)
              LEFT JOIN LATERAL (SELECT count(*) AS receipts, sum(amount_vnd) AS paid FROM receipt
                    WHERE receipt.payment_id = payment.payment_id) AS proof ON true
              LEFT JOIN LATERAL (SELECT sum(amount_vnd) AS back FROM refund
                    WHERE refund.payment_id = payment.payment_id) AS gone ON true
         WHERE session_id IS NOT NULL GROUP BY session_id",
    ))
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    let money: BTreeMap<Uuid, _> = money.into_iter().map(|row| (row.0, row)).collect();
    let mut spent: BTreeMap<&str, i64> = BTreeMap::new();
    for known in parked {
        let (_, payments, receipts, paid, back) = money[&known.session];
        let charges = i64::from(known.way != Way::Unpaid);
        assert_eq!((payments, receipts), (charges, charges), "{known:?}");
        assert_eq!(back, known.refunded_vnd, "{known:?}");
        // Who leaves within the hour gets most of it back, if the stop and its refund are one.
        let leaves = matches!(known.way, Way::BankAndStop | Way::WalletAndStop);
        assert_eq!(back > 0, leaves, "{known:?}");
        if let Some(wallet) = &known.wallet {
            *spent.entry(wallet).or_default() += paid - back;
        }
    }
    acknowledged.extend(parked.iter().filter_map(|known| known.bank_ref.clone()));
    for purse in purses {
        let (bank_refs, filled_vnd) = purse.filled();
        acknowledged.extend(bank_refs);
        let left = filled_vnd - spent.get(purse.id.as_str()).unwrap_or(&0);
        assert_eq!(purse.look(city).await, (left, 0), "wallet {}", purse.id);
    }
    acknowledged.sort_unstable();
    let taken: Vec<String> = sqlx::query_scalar(
        "SELECT bank_ref FROM bank_notice WHERE gateway = 'vietqr' AND outcome = 'posted'
         ORDER BY bank_ref COLLATE \"C\"",
    )
    .fetch_all(&city.database.pool)
    .await
    .unwrap();
    assert_eq!(taken, acknowledged, "each notice once");
    city.assert_books_are_right().await;
    let checked = Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["ledger", "check"])
        .env("DATABASE_URL", &city.database.url)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{told}");
}
