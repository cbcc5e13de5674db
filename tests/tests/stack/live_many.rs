//! Many who watch the live board, some of whom read slowly or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use domain::board::LotSummary;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tests::broker::Broker;
use tests::sensors::{publish, told};
use tests::serving::Serving;
use tests::watching::{Line, Reader};
use tests::{city, eventually};

const SUBSCRIBERS: usize = 500;
const LOTS: usize = 5;
const BAYS_PER_LOT: usize = 4;
/// Less than the whole board takes: the rest waits at the sender.
const SMALL: Line = Line {
    receive_buffer: Some(1),
    ..Line::LOCAL
};

/// Reads until a lot has that many vehicles; every lot that was told meanwhile.
async fn until_occupied(reader: &mut Reader, code: &str, occupied: u32) -> Vec<LotSummary> {
    let reading = async {
        let mut seen: Vec<LotSummary> = Vec::new();
        while !seen
            .last()
            .is_some_and(|lot| lot.code == code && lot.occupied == occupied)
        {
            let told = reader.next().await.unwrap();
            assert_eq!(told.name, "lot");
            seen.push(serde_json::from_str(&told.data).unwrap());
        }
        seen
    };
    let reading = tokio::time::timeout(Duration::from_secs(60), reading).await;
    reading.expect("a change did not arrive")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_is_told_each_change_once_and_only_what_they_asked_for() {
    let city = Serving::place(&city::small(LOTS, BAYS_PER_LOT), Broker::rumqttd()).await;
    let paths = [
        "/api/v1/live",
        "/api/v1/live?city=hn",
        "/api/v1/live?lot=lot-0",
    ];
    let mut readers = Vec::new();
    for number in 0..SUBSCRIBERS {
        let path = paths[number % paths.len()];
        let address = city.serve.address;
        let mut reader = Reader::connect(address, path, Line::LOCAL).await.unwrap();
        let head = reader.head.to_lowercase();
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        assert!(!head.contains("content-encoding"), "{head}");
        let whole = if path.contains("lot=") { 1 } else { LOTS };
        for lot in 0..whole {
            assert_eq!(
                reader.next().await.unwrap().json()["code"],
                format!("lot-{lot}")
            );
        }
        readers.push((path, reader));
    }
    let mut told_of_lot_0 = 0;
    for round in 1..=BAYS_PER_LOT {
        // In one connection, so that the broker keeps their order.
        let speak = |lot| {
            told(
                &format!("lot-{lot}-{}-sensor", round - 1),
                Utc::now(),
                1,
                true,
            )
        };
        publish(&city.broker.url, vec![speak(1), speak(0)]).await;
        let reading: FuturesUnordered<_> = readers
            .iter_mut()
            .map(|(path, reader)| async move {
                let whole = !path.contains("lot=");
                let mut seen = until_occupied(reader, "lot-0", round as u32).await;
                if whole && !seen.iter().any(|lot| lot.code == "lot-1") {
                    seen.extend(until_occupied(reader, "lot-1", round as u32).await);
                }
                (whole, seen)
            })
            .collect();
        for (whole, seen) in reading.collect::<Vec<_>>().await {
            let of = |code: &str| seen.iter().filter(|lot| lot.code == code).count();
            assert_eq!((of("lot-0"), of("lot-1")), (1, usize::from(whole)));
            told_of_lot_0 += of("lot-0");
        }
    }
    assert_eq!(told_of_lot_0, SUBSCRIBERS * BAYS_PER_LOT);
}

/// A whole board, and even more so all its changes, take many times what the system holds for the
/// slow reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_is_given_the_whole_again_and_holds_up_nobody() {
    const CHANGES: usize = 400;
    const NEVER: usize = 100;
    // Nobody is cut off, however long a busy machine takes over the changes.
    let env = vec![("CLEARBAY_STALLED_AFTER_S", "600".to_owned())];
    let place = city::small(40, 10);
    let city = Serving::with(&place, Broker::rumqttd(), env, None).await;
    let address = city.serve.address;
    let connect = async |line| {
        Reader::connect(address, "/api/v1/live", line)
            .await
            .unwrap()
    };
    let (mut slow, mut quick) = (connect(SMALL).await, connect(Line::LOCAL).await);
    for _ in 0..40 {
        quick.next().await.unwrap();
    }
    let before = city.memory_kib("VmRSS").await;
    let mut never = Vec::new();
    for _ in 0..NEVER {
        never.push(connect(SMALL).await);
    }
    for change in 0..CHANGES {
        let (lot, bay) = (change % 40, change / 40);
        let device = format!("lot-{lot}-{bay}-sensor");
        let spoken = told(&device, Utc::now(), 1, true);
        publish(&city.broker.url, vec![spoken]).await;
        let seen = until_occupied(&mut quick, &format!("lot-{lot}"), bay as u32 + 1).await;
        assert_eq!(
            seen.len(),
            1,
            "the quick reader is told everything in order, once"
        );
    }
    let each = (city.memory_kib("VmRSS").await.saturating_sub(before)) / NEVER as u64;
    assert!(each < 64, "{each} KiB for each reader who never reads");

    // The slow reader wakes up: what was on its way, then the whole as it is now, and no more.
    let (mut events, mut last) = (0, BTreeMap::new());
    while last.len() < 40 || last.values().any(|lot: &LotSummary| lot.occupied < 10) {
        let next = tokio::time::timeout(Duration::from_secs(60), slow.next()).await;
        let lot = next.expect("the whole board").unwrap().data;
        let lot: LotSummary = serde_json::from_str(&lot).unwrap();
        let before = last.insert(lot.code.clone(), lot.clone());
        assert!(
            before.is_none_or(|before| before.occupied <= lot.occupied),
            "goes backwards"
        );
        events += 1;
    }
    assert!(
        events < 40 + CHANGES,
        "it was told all {events} instead of the whole"
    );
    let shown = city.json("/api/v1/lots").await;
    let shown: Vec<LotSummary> = serde_json::from_value(shown["lots"].clone()).unwrap();
    let mut last: Vec<LotSummary> = last.into_values().collect();
    last.sort_by(|a, b| a.code.cmp(&b.code));
    assert_eq!(last, shown);
    // From here on it is like any other.
    let spoken = told("lot-0-0-sensor", Utc::now(), 2, false);
    publish(&city.broker.url, vec![spoken]).await;
    assert_eq!(until_occupied(&mut slow, "lot-0", 9).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_nothing_is_cut_off_and_their_place_is_free() {
    let env = [
        ("CLEARBAY_MAX_STREAMS", "2"),
        ("CLEARBAY_STALLED_AFTER_S", "2"),
    ];
    let env = env.map(|(name, value)| (name, value.to_owned())).to_vec();
    let place = city::small(40, 2);
    let city = Serving::with(&place, Broker::rumqttd(), env, None).await;
    let address = city.serve.address;
    let connect = async |line| {
        Reader::connect(address, "/api/v1/live", line)
            .await
            .unwrap()
    };
    let mut stuck = connect(SMALL).await;
    let mut other = connect(Line::LOCAL).await;
    assert!(stuck.head.contains(" 200 ") && other.head.contains(" 200 "));
    assert!(connect(Line::LOCAL).await.head.contains(" 503 "));
    eventually("the place of who takes nothing", || async {
        connect(Line::LOCAL).await.head.contains(" 200 ")
    })
    .await;
    for _ in 0..40 {
        other.next().await.unwrap();
    }
    publish(
        &city.broker.url,
        vec![told("lot-3-0-sensor", Utc::now(), 1, true)],
    )
    .await;
    assert_eq!(until_occupied(&mut other, "lot-3", 1).await.len(), 1);
    let rest = async { while stuck.next().await.is_ok() {} };
    let rest = tokio::time::timeout(Duration::from_secs(60), rest).await;
    rest.expect("the connection of who took nothing has ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_with_few_files_is_told_of_and_others_get_no_place() {
    let city = Serving::city(80).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let few = city.serve.another_with(|settings| {
        settings.env.push(("CLEARBAY_MAX_REQUESTS", "8".to_owned()));
        settings.log = Some(log.clone());
        // As many as requests and all else may need, and four.
        settings.open_files = Some(8 * 4 + 256 + 4);
    });
    let connect = async || Reader::connect(few.address, "/api/v1/live", Line::LOCAL).await;
    eventually("an answer", || async { connect().await.is_ok() }).await;
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("too few files") && said.contains("12288"),
        "{said}"
    );
    // Those who asked before may still be leaving.
    eventually("four places, and no fifth", || async {
        let five: FuturesUnordered<_> = (0..5).map(|_| connect()).collect();
        let five: Vec<_> = five.map(|reader| reader.unwrap()).collect().await;
        let granted = five.iter().filter(|reader| reader.head.contains(" 200 "));
        granted.count() == 4
    })
    .await;
}
