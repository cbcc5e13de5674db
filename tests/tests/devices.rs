//! Sensors are replaced, exchanged and taken away, and no bay keeps a word that nobody stands by.

#![allow(clippy::unwrap_used)]

use chrono::{TimeDelta, Utc};
use domain::board::Occupancy;
use domain::event::Event;
use domain::place::Place;
use store::Store;
use tests::city;
use tests::database::TestDatabase;

/// The device of each bay as ingest knows it, in order of name.
async fn installed(store: &Store) -> Vec<(String, String)> {
    let directory = store.device_directory().await.unwrap();
    let board = store.board_load(Utc::now()).await.unwrap();
    let code = |id| {
        let mut bays = board.iter().flat_map(|lot| lot.bays.values());
        bays.find(|bay| bay.id == id).unwrap().code.clone()
    };
    let mut devices: Vec<_> = directory
        .into_iter()
        .map(|(name, device)| (name, code(device.bay)))
        .collect();
    devices.sort_unstable();
    devices
}

async fn says(store: &Store, device: &str, occupied: bool) {
    let known = store.devices_named(&[device]).await.unwrap();
    let event = Event {
        bay: known[device].bay,
        device: device.to_owned(),
        at: Utc::now() - TimeDelta::minutes(1),
        seq: 1,
        occupied,
        battery_mv: None,
        temperature_dc: None,
        received_at: Utc::now(),
    };
    store
        .event_ingest(&[(known[device].id, event)], &[])
        .await
        .unwrap();
}

async fn occupancy(store: &Store, bay: &str) -> Occupancy {
    let now = Utc::now();
    let board = store.board_load(now).await.unwrap();
    let mut bays = board.iter().flat_map(|lot| lot.bays.values());
    bays.find(|seen| seen.code == bay).unwrap().occupancy(now).0
}

fn name_device(place: &mut Place, lot: usize, bay: usize, name: &str) {
    let device = place.lots[lot].bays[bay].device.as_mut().unwrap();
    device.id = name.to_owned();
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec()
}

#[tokio::test]
async fn a_sensor_is_replaced_and_two_are_exchanged() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let mut place = city::small(2, 1);
    store.place_import(&place).await.unwrap();
    let as_built = [("lot-0-0-sensor", "lot-0-0"), ("lot-1-0-sensor", "lot-1-0")];
    assert_eq!(installed(store).await, pairs(as_built));

    name_device(&mut place, 0, 0, "lot-1-0-sensor");
    name_device(&mut place, 1, 0, "lot-0-0-sensor");
    store.place_import(&place).await.unwrap();
    let exchanged = [("lot-0-0-sensor", "lot-1-0"), ("lot-1-0-sensor", "lot-0-0")];
    assert_eq!(installed(store).await, pairs(exchanged));

    name_device(&mut place, 0, 0, "a-new-one");
    store.place_import(&place).await.unwrap();
    let replaced = [("a-new-one", "lot-0-0"), ("lot-0-0-sensor", "lot-1-0")];
    assert_eq!(installed(store).await, pairs(replaced));
    // Its events name the old one, so that it is still known, without a bay.
    assert_eq!(database.count("device").await, 3);
}

#[tokio::test]
async fn a_bay_whose_sensor_has_gone_is_unknown() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    let mut place = city::small(1, 3);
    store.place_import(&place).await.unwrap();
    for (bay, state) in [
        ("lot-0-0", Occupancy::Occupied),
        ("lot-0-1", Occupancy::Free),
    ] {
        says(
            store,
            &format!("{bay}-sensor"),
            state == Occupancy::Occupied,
        )
        .await;
        assert_eq!(occupancy(store, bay).await, state);
    }
    // One is taken away; the other is moved to the third bay.
    place.lots[0].bays[0].device = None;
    place.lots[0].bays[2].device = place.lots[0].bays[1].device.take();
    store.place_import(&place).await.unwrap();
    for bay in ["lot-0-0", "lot-0-1", "lot-0-2"] {
        assert_eq!(occupancy(store, bay).await, Occupancy::Unknown, "{bay}");
    }
    says(store, "lot-0-1-sensor", true).await;
    assert_eq!(occupancy(store, "lot-0-2").await, Occupancy::Occupied);
    assert_eq!(occupancy(store, "lot-0-1").await, Occupancy::Unknown);
}

/// `clearbay device import` of that file.
async fn import(database: &TestDatabase, text: &str) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    std::fs::write(&file, text).unwrap();
    tokio::process::Command::new(tests::provided("CLEARBAY_TEST_BIN"))
        .args(["device", "import"])
        .arg(&file)
        .env("DATABASE_URL", &database.url)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn devices_of_a_file_stand_in_its_bays_or_none_does() {
    let database = TestDatabase::create().await;
    let store = &database.store;
    store.place_import(&city::small(1, 3)).await.unwrap();
    let headings = "device,bay,model,silence_after_s,occupied_below_mm\n";
    let before = installed(store).await;

    let wrong = "new,lot-0-0,clearbay,3600,\nother,nowhere,clearbay,3600,\n";
    let output = import(&database, &format!("{headings}{wrong}")).await;
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("devices.csv:3: there is no bay nowhere"),
        "{told}"
    );
    assert_eq!(installed(store).await, before, "nothing was written");

    // Two change places, a third is replaced.
    let right = "lot-0-1-sensor,lot-0-0,clearbay,3600,\nlot-0-0-sensor,lot-0-1,clearbay,3600,\n\
                 eye,lot-0-2,milesight-em400-mud,90000,1200\n";
    let output = import(&database, &format!("{headings}{right}")).await;
    assert!(output.status.success(), "{output:?}");
    let expected = [
        ("eye", "lot-0-2"),
        ("lot-0-0-sensor", "lot-0-1"),
        ("lot-0-1-sensor", "lot-0-0"),
    ];
    assert_eq!(installed(store).await, pairs(expected));
    let eye = &store.devices_named(&["eye"]).await.unwrap()["eye"];
    assert_eq!(eye.mounting.occupied_below_mm, Some(1_200));
}
