//! Others have seen the log: nobody is shown one of their own.

use chrono::TimeDelta;
use domain::money::Vnd;
use tests::citizen::{BAY, Citizen, noon, published, sold};
use tests::eventually;
use tests::log_owner::Owner;
use tests::serving::{Serving, text};
use tests::witness::Witness;

async fn witnessed_by(witnesses: &[&Witness]) -> Serving {
    let settings: Vec<String> = witnesses.iter().map(|it| it.setting()).collect();
    let settings = settings.join(" ");
    Serving::with_settings(80, &[("CLEARBAY_LOG_WITNESSES", &settings)]).await
}

/// Waits until a witness has signed a tree of so many entries, and the city has its word.
async fn signed(city: &Serving, witness: &Witness, size: u64) {
    eventually("the witness to sign", || async { witness.signed() == size }).await;
    eventually("its word to be kept", || async {
        let kept = format!("log_witnessed WHERE size = {size}");
        city.database.count(&kept).await == 1
    })
    .await;
}

#[tokio::test]
async fn a_log_that_others_have_seen_is_everybody_s() {
    let (one, two) = (
        Witness::start("witness.example/one", 51).await,
        Witness::start("witness.example/two", 52).await,
    );
    let city = witnessed_by(&[&one, &two]).await;
    sold(&city, 300, noon(1)).await;
    published(&city, 300).await;
    signed(&city, &one, 300).await;
    signed(&city, &two, 300).await;
    let trusting = Citizen::default().with_witnesses(&[&one.key, &two.key]);
    eventually("both words to be served", || async {
        trusting.verify(&city.url).await.code == Some(0)
    })
    .await;
    let said = trusting.is_content(&city.url).await;
    assert!(said.contains("seen by witness.example/one at 20"), "{said}");
    assert!(said.contains("witness.example/two at 20"), "{said}");
    // Both are below the newest head, too, as long as it is the same.
    let checkpoint = city.get("/log/checkpoint").send().await.unwrap();
    let checkpoint = checkpoint.text().await.unwrap();
    assert_eq!(checkpoint.matches("\u{2014} ").count(), 3, "{checkpoint}");
    // Who has signed it is not asked again.
    let asked = one.asked();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(one.asked(), asked);

    // One is away: the log goes on, its receipts too, and one of two is enough for who says so.
    two.is_away(true);
    let open = city.paid_session(BAY, 60).await;
    published(&city, 301).await;
    signed(&city, &one, 301).await;
    trusting
        .finds(
            &city.url,
            &["1 of the witnesses that you trust", "2 are needed"],
        )
        .await;
    let easy = Citizen::default()
        .with_witnesses(&[&one.key, &two.key])
        .needing(1);
    easy.is_content(&city.url).await;
    let payment = city.payment(&open).await;
    let receipt = format!("/api/v1/receipts/{}", text(&payment["receipt_id"]));
    let receipt = city.json(&receipt).await;
    let said = easy.verify_receipt(&receipt).await;
    assert_eq!(said.code, Some(0), "{}", said.text);
    assert!(
        said.text.contains("seen by witness.example/one"),
        "{}",
        said.text
    );
    let said = trusting.verify_receipt(&receipt).await;
    assert_eq!(said.code, Some(2), "{}", said.text);
    // It comes back, and is told where it was.
    two.is_away(false);
    signed(&city, &two, 301).await;
    eventually("both words to be served", || async {
        trusting.verify(&city.url).await.code == Some(0)
    })
    .await;
    // A process that starts anew does not know what the witnesses saw: they tell.
    city.serve.kill().await;
    city.serve.start_again(None).await;
    city.is_back().await;
    sold(&city, 5, noon(1) + TimeDelta::minutes(1)).await;
    published(&city, 306).await;
    signed(&city, &one, 306).await;
    signed(&city, &two, 306).await;

    // A witness whom nobody asked, with a name alike.
    let stranger = Witness::start("witness.example/one", 53).await;
    Citizen::default()
        .with_witnesses(&[&stranger.key])
        .finds(&city.url, &["0 of the witnesses that you trust"])
        .await;
}

#[tokio::test]
async fn a_fork_that_was_made_for_one_is_found_without_having_seen_the_log_before() {
    let witness = Witness::start("witness.example/one", 51).await;
    let city = witnessed_by(&[&witness]).await;
    sold(&city, 40, noon(1)).await;
    published(&city, 40).await;
    signed(&city, &witness, 40).await;
    // The owner changes an amount and signs with the log's own key. Who sees the log for the first time could
    // not know, were it not for the witness.
    let owner = Owner {
        pool: &city.database.pool,
    };
    owner.keep().await;
    let mut entry = owner.entry(7).await;
    entry.amount_vnd = Vnd::new(1_000);
    owner.put_entry(7, &entry).await;
    owner.rebuild().await;
    let trusting = Citizen::default().with_witnesses(&[&witness.key]);
    trusting
        .finds(
            &city.url,
            &["a fork: the witnesses have seen a log of 40 entries"],
        )
        .await;
    // Nor does the process that published the first let the other grow, until it is started anew and knows of none.
    sold(&city, 2, noon(1) + TimeDelta::minutes(1)).await;
    eventually("the publisher to refuse", || async {
        let metrics = city.metrics().await;
        let mut lines = metrics.lines();
        lines.any(|line| {
            line.starts_with("clearbay_log_failures_total{") && line.contains("publish")
        })
    })
    .await;
    assert_eq!(city.database.count("log_leaf").await, 40);
    city.serve.kill().await;
    city.serve.start_again(None).await;
    city.is_back().await;
    // The witness signs no such tree, however it grows.
    published(&city, 42).await;
    let asked = witness.asked();
    eventually("the witness to be asked", || async {
        witness.asked() > asked
    })
    .await;
    assert_eq!(witness.signed(), 40);
    trusting
        .finds(
            &city.url,
            &["with which the 42 entries that are served do not begin"],
        )
        .await;
}
