//! Devices that sign: what is not theirs is refused and counted, whatever the order it comes in.

use chrono::{TimeDelta, Utc};
use ingest::signature::DeviceKeys;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tests::broker::{Broker, BrokerKind};
use tests::city::{self, past};
use tests::database::TestDatabase;
use tests::ingesting::{Ingesting, set_up, subscribed_once};
use tests::sensors::{Told, publish, told};
use tests::signing::{MASTER, Signer, register};
use tests::{eventually, over_both_brokers};

over_both_brokers!(
    only_what_a_device_signed_is_believed,
    a_counter_belongs_to_one_message,
    any_order_of_signed_messages_leaves_the_same_events,
    a_flood_of_forgeries_is_counted_and_not_kept,
    what_no_key_was_there_for_is_taken_up_once_there_is,
    what_no_key_was_there_for_is_taken_up_once_none_is_needed,
);

const HMAC: &str = "lot-0-0-sensor";
const ED25519: &str = "lot-0-1-sensor";
const SILENT: &str = "lot-0-2-sensor";

fn start(database: &TestDatabase, broker: &Broker, master: Option<&str>) -> Ingesting {
    let mut options = ingest::Options::new(broker.url.clone(), "test-ingest".to_owned());
    options.retry_after = std::time::Duration::from_millis(20);
    if let Some(master) = master {
        options.device_keys = DeviceKeys::derived_from(master).unwrap();
    }
    Ingesting::with(&database.store, options)
}

/// A city in which two devices sign, and one event of another from before.
async fn signing_city(kind: BrokerKind) -> (TestDatabase, Broker, Signer, Signer) {
    let (database, broker) = set_up(kind).await;
    let (hmac, ed25519) = (Signer::hmac(HMAC), Signer::ed25519(7));
    register(&database.store, &[(HMAC, &hmac), (ED25519, &ed25519)]).await;
    subscribed_once(&database, &broker).await;
    (database, broker, hmac, ed25519)
}

/// Every refused message that was counted by device and reason.
async fn tally(database: &TestDatabase) -> Vec<(String, String, i64)> {
    sqlx::query_as("SELECT device, reason, total FROM refused_tally ORDER BY device, reason")
        .fetch_all(&database.pool)
        .await
        .unwrap()
}

fn totals<const N: usize>(rows: [(&str, &str, i64); N]) -> Vec<(String, String, i64)> {
    rows.map(|(device, reason, total)| (device.to_owned(), reason.to_owned(), total))
        .to_vec()
}

/// Counters of one device and the states told under them.
async fn events(database: &TestDatabase, bay: &str) -> Vec<(i64, bool)> {
    sqlx::query_as(
        "SELECT seq, occupied FROM event JOIN device_assignment USING (device_id)
              JOIN bay USING (bay_id)
         WHERE code = $1 AND during @> at ORDER BY at, seq",
    )
    .bind(bay)
    .fetch_all(&database.pool)
    .await
    .unwrap()
}

async fn only_what_a_device_signed_is_believed(kind: BrokerKind) {
    let (database, broker, hmac, ed25519) = signing_city(kind).await;
    let ingest = start(&database, &broker, Some(MASTER));
    let at = past();
    let mut messages = vec![
        // Right.
        hmac.told(HMAC, at, 1, true),
        ed25519.told(ED25519, at, 1, true),
        // Of devices that need not sign, signed or not, whatever with.
        told("lot-0-3-sensor", at, 1, true),
        Signer::ed25519(9).told(SILENT, at, 1, true),
        // Unsigned; signed by another device, by the wrong kind, on another's topic.
        told(HMAC, at, 2, false),
        Signer::hmac(ED25519).told(HMAC, at, 3, false),
        ed25519.told(HMAC, at, 4, false),
        told(ED25519, at, 2, false),
        Signer::ed25519(8).told(ED25519, at, 3, false),
        hmac.told(ED25519, at, 4, false),
    ];
    let mut elsewhere = hmac.told(HMAC, at, 5, false);
    elsewhere.topic = format!("clearbay/v1/devices/{ED25519}/up");
    messages.push(elsewhere);
    publish(&broker.url, messages).await;
    // Every byte of a right message, altered.
    let mut altered = 0;
    for (signer, device) in [(&hmac, HMAC), (&ed25519, ED25519)] {
        let right = signer.told(device, at + TimeDelta::seconds(1), 6, false);
        let each = (0..right.payload.len()).map(|position| {
            let mut one = right.clone();
            one.payload[position] ^= 0x20;
            one
        });
        let each: Vec<Told> = each.collect();
        altered += each.len() as i64;
        publish(&broker.url, each).await;
    }
    let counted = async || {
        let rows = tally(&database).await;
        rows.iter().map(|(_, _, total)| total).sum::<i64>()
    };
    eventually("every forgery to be counted", || async {
        counted().await == 7 + altered
    })
    .await;
    ingest.stop().await;
    for bay in ["lot-0-0", "lot-0-1", "lot-0-2", "lot-0-3"] {
        assert_eq!(events(&database, bay).await, [(1, true)], "{bay}");
    }
    let unsigned: Vec<_> = tally(&database)
        .await
        .into_iter()
        .filter(|(_, reason, _)| reason == "unsigned")
        .collect();
    // Beside the one without a signature: those whose line feed or algorithm's name was altered.
    let (hs256, ed) = ("\nhs256:".len() as i64, "\ned25519:".len() as i64);
    assert_eq!(
        unsigned,
        totals([(HMAC, "unsigned", 1 + hs256), (ED25519, "unsigned", 1 + ed)])
    );
}

async fn a_counter_belongs_to_one_message(kind: BrokerKind) {
    let (database, broker, hmac, _) = signing_city(kind).await;
    let at = past();
    let first = hmac.told(HMAC, at, 7, true);
    let ingest = start(&database, &broker, Some(MASTER));
    // Five times the same, also in one batch, is one event.
    publish(&broker.url, vec![first.clone(); 5]).await;
    eventually("the first", || async { database.count("event").await == 2 }).await;
    let later = at + TimeDelta::minutes(1);
    publish(
        &broker.url,
        vec![
            // The same counter for another time, another state, and both.
            hmac.told(HMAC, later, 7, true),
            hmac.told(HMAC, at, 7, false),
            hmac.told(HMAC, later, 7, false),
            // Too long ago.
            hmac.told(HMAC, Utc::now() - TimeDelta::days(91), 6, true),
            first.clone(),
            // Older and younger counters that nobody has used.
            hmac.told(HMAC, later, 9, false),
            hmac.told(HMAC, at + TimeDelta::seconds(30), 3, true),
            hmac.told(HMAC, Utc::now() - TimeDelta::days(89), 8, false),
        ],
    )
    .await;
    eventually("the others", || async {
        database.count("event").await == 5
    })
    .await;
    ingest.stop().await;
    let expected = [(8, false), (7, true), (3, true), (9, false)];
    assert_eq!(events(&database, "lot-0-0").await, expected);
    assert_eq!(tally(&database).await, totals([(HMAC, "replayed", 4)]));
    assert_eq!(database.refused().await, [("replayed".to_owned(), 4)]);
    // A device that has been moved is not heard for what it said elsewhere.
    let mut place = city::small(2, 5);
    let mover = place.lots[0].bays[0].device.take().unwrap();
    place.lots[1].bays[0].device = Some(mover);
    database
        .store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    let ingest = start(&database, &broker, Some(MASTER));
    publish(&broker.url, vec![first]).await;
    publish(&broker.url, vec![told("lot-0-3-sensor", at, 1, true)]).await;
    eventually("one more", || async { database.count("event").await == 6 }).await;
    ingest.stop().await;
    assert_eq!(events(&database, "lot-1-0").await, []);
    assert_eq!(events(&database, "lot-0-0").await, expected);
}

async fn any_order_of_signed_messages_leaves_the_same_events(kind: BrokerKind) {
    let (database, broker, hmac, ed25519) = signing_city(kind).await;
    let at = past();
    let mut left = Vec::new();
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut messages: Vec<Told> = (0..60)
            .flat_map(|n| {
                let at = at + TimeDelta::seconds(n);
                [
                    hmac.told(HMAC, at, n * 3, n % 2 == 0),
                    ed25519.told(ED25519, at, n * 5, n % 3 == 0),
                ]
            })
            .collect();
        messages.extend(messages.clone());
        messages.shuffle(&mut random);
        let ingest = start(&database, &broker, Some(MASTER));
        publish(&broker.url, messages).await;
        let all = || async { database.count("event").await == 121 };
        eventually("all events", all).await;
        // What is left of the repetitions has been seen when this has.
        publish(&broker.url, vec![told(SILENT, at, 1, true)]).await;
        eventually("the last", || async {
            database.count("event").await == 122
        })
        .await;
        ingest.stop().await;
        let (first, second) = (
            events(&database, "lot-0-0").await,
            events(&database, "lot-0-1").await,
        );
        let stays = database.count("stay").await;
        left.push((first, second, stays));
        assert_eq!(database.refused().await, []);
        for table in ["event", "stay", "bay_state", "device_counter"] {
            let forget = format!("DELETE FROM {table} WHERE true");
            sqlx::query(sqlx::AssertSqlSafe(forget))
                .execute(&database.pool)
                .await
                .unwrap();
        }
        // The one that `subscribed_once` left.
        let ingest = start(&database, &broker, Some(MASTER));
        publish(&broker.url, vec![told("lot-1-4-sensor", at, 0, false)]).await;
        eventually("one", || async { database.count("event").await == 1 }).await;
        ingest.stop().await;
    }
    assert_eq!(left[0], left[1]);
    assert_eq!(left[0], left[2]);
}

async fn a_flood_of_forgeries_is_counted_and_not_kept(kind: BrokerKind) {
    let (database, broker, hmac, _) = signing_city(kind).await;
    let ingest = start(&database, &broker, Some(MASTER));
    let at = past();
    let stranger = Signer::ed25519(1);
    let flood = |n| {
        let mut forged = stranger.told(HMAC, at, n, true);
        forged.payload.splice(0..0, vec![b' '; 3_000]);
        forged
    };
    publish(&broker.url, (0..500).map(flood).collect()).await;
    publish(
        &broker.url,
        vec![b"{".to_vec(), vec![0xff; 50]]
            .into_iter()
            .map(|payload| Told {
                topic: format!("clearbay/v1/devices/{HMAC}/up"),
                payload,
            })
            .collect(),
    )
    .await;
    publish(&broker.url, vec![hmac.told(HMAC, at, 1, true)]).await;
    eventually("the one that is right", || async {
        database.count("event").await == 2
    })
    .await;
    ingest.stop().await;
    assert_eq!(
        tally(&database).await,
        totals([(HMAC, "forged", 500), (HMAC, "unsigned", 2)])
    );
    let kept: Vec<(String, i64, i32)> = sqlx::query_as(
        "SELECT reason, count(*), max(length(payload)) FROM refused_message
         GROUP BY reason ORDER BY reason",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    let forged = kept
        .iter()
        .find(|(reason, _, _)| reason == "forged")
        .unwrap();
    // Twice as many where the flood met the end of an hour.
    assert!(forged.1 == 20 || forged.1 == 40, "{kept:?}");
    assert_eq!(forged.2, 1_024, "{kept:?}");
}

async fn what_no_key_was_there_for_is_taken_up_once_there_is(kind: BrokerKind) {
    let (database, broker, hmac, _) = signing_city(kind).await;
    let at = past();
    let ingest = start(&database, &broker, None);
    let unknown = Signer::hmac("lot-2-0-sensor");
    let messages = vec![
        hmac.told(HMAC, at, 1, true),
        // Of a device that is not installed yet: one that is its own, and one that is not.
        unknown.told("lot-2-0-sensor", at, 1, true),
        hmac.told("lot-2-0-sensor", at, 2, false),
        unknown.told("lot-2-0-sensor", at, 1, false),
    ];
    publish(&broker.url, messages).await;
    let waiting = || async { database.count("refused_message").await == 4 };
    eventually("them to wait", waiting).await;
    ingest.stop().await;
    let counts = [("no_key", 1), ("unknown_device", 3)];
    let counts = counts.map(|(reason, count)| (reason.to_owned(), count));
    assert_eq!(database.refused().await, counts);

    let place = city::small(3, 5);
    database
        .store
        .place_import(&place, chrono::Utc::now())
        .await
        .unwrap();
    register(&database.store, &[("lot-2-0-sensor", &unknown)]).await;
    let ingest = start(&database, &broker, Some(MASTER));
    eventually("them to be taken up", || async {
        database.count("event").await == 3
    })
    .await;
    ingest.stop().await;
    assert_eq!(events(&database, "lot-0-0").await, [(1, true)]);
    assert_eq!(events(&database, "lot-2-0").await, [(1, true)]);
    let counts = [("forged", 1), ("replayed", 1)];
    let counts = counts.map(|(reason, count)| (reason.to_owned(), count));
    assert_eq!(database.refused().await, counts);
}

#[tokio::test]
async fn a_file_says_who_signs_and_the_program_prints_the_key() {
    let database = TestDatabase::with_city(1, 3).await;
    let store = &database.store;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    let clearbay = |args: Vec<&str>, master: &str| {
        let mut command = tokio::process::Command::new(tests::provided("CLEARBAY_TEST_BIN"));
        command.args(args).env("DATABASE_URL", &database.url);
        command.env("CLEARBAY_DEVICE_KEY", master);
        command
    };
    let import = async |text: &str| {
        std::fs::write(&file, text).unwrap();
        let path = file.display().to_string();
        let output = clearbay(vec!["device", "import", &path], "").output().await;
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let signing = async |device: &str| {
        let known = store.devices_named(&[device]).await.unwrap();
        known[device].signing
    };
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    import(&format!(
        "device,bay,model,silence_after_s,signing,public_key\n\
         {HMAC},lot-0-0,clearbay,60,hmac,\n{ED25519},lot-0-1,clearbay,60,ed25519,{key}\n\
         {SILENT},lot-0-2,clearbay,60,,\n"
    ))
    .await;
    let of_file = [
        signing(HMAC).await,
        signing(ED25519).await,
        signing(SILENT).await,
    ];
    assert_eq!(
        of_file.map(|signing| signing.map(|signing| signing.code())),
        [Some("hmac"), Some("ed25519"), None]
    );
    // A file that does not speak of it changes nothing of it, but for a model that cannot sign.
    import(&format!(
        "device,bay,model,silence_after_s\n\
         {HMAC},lot-0-1,clearbay,60\n{ED25519},lot-0-0,bosch-tps110,60\n"
    ))
    .await;
    assert_eq!(signing(HMAC).await, of_file[0]);
    assert_eq!(signing(ED25519).await, None);

    let printed = clearbay(vec!["device", "key", "d000123"], MASTER)
        .output()
        .await;
    let expected = match Signer::hmac("d000123") {
        Signer::Hmac(key) => hex::encode(key),
        Signer::Ed25519(_) => unreachable!(),
    };
    assert_eq!(
        printed.unwrap().stdout,
        format!("{expected}\n").into_bytes()
    );
    let short = clearbay(vec!["device", "key", "d000123"], "short")
        .output()
        .await;
    let short = short.unwrap();
    assert!(!short.status.success());
    let told = String::from_utf8(short.stderr).unwrap();
    assert!(told.contains("at least 32 characters"), "{told}");
    assert!(!told.contains("short"), "{told}");
}

async fn what_no_key_was_there_for_is_taken_up_once_none_is_needed(kind: BrokerKind) {
    let (database, broker, hmac, _) = signing_city(kind).await;
    let ingest = start(&database, &broker, None);
    publish(&broker.url, vec![hmac.told(HMAC, past(), 1, true)]).await;
    eventually("it to wait", || async {
        database.count("refused_message").await == 1
    })
    .await;
    ingest.stop().await;
    let store = &database.store;
    store
        .devices_install(&[], &[(HMAC, None)], Utc::now())
        .await
        .unwrap();
    let ingest = start(&database, &broker, None);
    eventually("it to be taken up", || async {
        events(&database, "lot-0-0").await == [(1, true)]
    })
    .await;
    ingest.stop().await;
    assert_eq!(database.count("refused_message").await, 0);
}
