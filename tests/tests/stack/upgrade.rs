//! An upgrade under load, and the step back.

use std::path::{Path, PathBuf};

use tests::upgrade::{Found, drill};
use tests::{provided, proxy};

/// What holds from whichever version it is.
fn nothing_was_lost(found: &Found) {
    println!("{}", found.figures());
    assert_eq!(found.asked.failed, Vec::<String>::new());
    assert!(found.asked.paid.len() >= 20, "{found:?}");
    assert!(found.lost_payments.is_empty(), "{:?}", found.lost_payments);
    assert_eq!(found.audit.lost, 0, "{:?}", found.audit);
    assert!(found.audit.is_consistent(), "{:?}", found.audit);
    assert!(found.audit.acknowledged > 0, "{:?}", found.audit);
    let ledger = &found.ledger;
    assert_eq!(ledger.code, Some(0), "{}", ledger.text);
    let verified = &found.verified;
    assert_eq!(verified.code, Some(0), "{}", verified.text);
    assert!(verified.text.contains("ALL HOLDS"), "{}", verified.text);
}

/// The drill itself: both sides are the program as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_takes_another_s_place_under_load_and_gives_it_back() {
    let Some(proxy) = proxy::provided() else {
        return;
    };
    let same = PathBuf::from(provided("CLEARBAY_TEST_BIN"));
    let found = drill(&same, proxy, true).await;
    nothing_was_lost(&found);
    assert_eq!(found.seen.broken, Vec::<String>::new());
    assert!(found.seen.orderly > 0, "{:?}", found.seen);
    let [serve, ingest] = found.old_ended;
    assert!(serve.success() && ingest.success(), "{serve}, {ingest}");
    let [serve, ingest] = found.new_ended.unwrap();
    assert!(serve.success() && ingest.success(), "{serve}, {ingest}");
}

/// From an older program, which `cargo xtask upgrade` builds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_older_program_nothing_is_lost() {
    let Ok(old) = std::env::var("CLEARBAY_TEST_OLD_BIN") else {
        println!(
            "skipped: CLEARBAY_TEST_OLD_BIN names no older program; cargo xtask upgrade builds one"
        );
        return;
    };
    let proxy = proxy::provided().expect("an upgrade needs HAProxy");
    // Programs from before they could start on a newer schema refuse to.
    let steps_back = std::env::var_os("CLEARBAY_TEST_NO_STEP_BACK").is_none();
    let found = drill(Path::new(&old), proxy, steps_back).await;
    nothing_was_lost(&found);
    println!(
        "upgrade_step_back: {}",
        if steps_back { "works" } else { "was not tried" }
    );
}
