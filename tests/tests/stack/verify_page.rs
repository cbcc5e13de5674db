//! What `clearbay verify` does, in a citizen's browser: the same checks, said in plain words.

use domain::money::Vnd;
use serde_json::json;
use tests::citizen::{BAY, Citizen, published, with_a_past};
use tests::eventually;
use tests::log_owner::Owner;
use tests::phone::Phone;
use tests::serving::{Serving, log_key, text};

/// Touches the button and waits for what is said.
async fn said(phone: &Phone) -> String {
    phone.click("#check button").await;
    let verdict = "[data-verdict]:not([hidden])";
    phone.find(verdict).await.text().await.unwrap()
}

/// Pastes keys into the field, whatever stands in it.
async fn pins(phone: &Phone, keys: &str) {
    phone
        .script("document.querySelector('[name=key]').value = ''")
        .await;
    phone.fill("[name=key]", keys).await;
}

/// Touches the button and waits for why it cannot be checked.
async fn refused(phone: &Phone) -> String {
    phone.click("#check button").await;
    let failed = "#check [data-failed]:not([hidden])";
    phone.find(failed).await.text().await.unwrap()
}

async fn goes_to(phone: &Phone, url: &str) {
    phone.goto("about:blank").await;
    phone.goto(url).await;
    phone.find("#verify:not([hidden])").await;
}

#[tokio::test]
async fn a_browser_verifies_and_remembers() {
    if std::env::var("CLEARBAY_TEST_WEB_DIR").is_err() {
        println!("skipped: the browser's bundle could not be built");
        return;
    }
    let city = with_a_past().await;
    let phone = Phone::start().await;
    let page = format!("{}/verify?lang=en", city.url);
    goes_to(&phone, &page).await;
    // The key is the reader's to bring; the server's own is told apart, with what that is worth.
    let key = log_key(1).0.to_string();
    let field = "return document.querySelector('[name=key]').value";
    assert_eq!(phone.script(field).await, "");
    phone.click("[data-served] summary").await;
    let served = phone.find("[data-served]").await.text().await.unwrap();
    assert!(
        served.contains(&key) && served.contains("proves nothing by itself"),
        "{served}"
    );
    // What is no key is told for that, in the page's language.
    pins(&phone, &key[..key.len() - 4]).await;
    let no_key = refused(&phone).await;
    assert!(no_key.contains("line 1 is no key"), "{no_key}");
    goes_to(&phone, &format!("{}/verify?lang=vi", city.url)).await;
    pins(&phone, &key.replace("+A", "+B")).await;
    let no_key = refused(&phone).await;
    assert!(no_key.contains("dòng 1 không phải là khóa"), "{no_key}");
    goes_to(&phone, &page).await;
    pins(&phone, &key).await;
    let first = said(&phone).await;
    for part in [
        "All holds",
        "All entries were read (312)",
        "checks for the first time",
        "Signed daily reports: 3",
        "each the sum of the log's",
        "Published, and compared",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    // The sum that it made is the one that the city publishes.
    let revenue = city.json("/api/v1/reports/revenue?by=day").await;
    let total = Vnd::new(revenue["total_vnd"].as_i64().unwrap()).grouped(',');
    assert!(first.contains(&total), "{total}: {first}");
    let again = said(&phone).await;
    assert!(
        again.contains("All entries that you saw the last time (312) are still there"),
        "{again}"
    );
    // The key of a check that held is remembered.
    goes_to(&phone, &page).await;
    assert_eq!(phone.script(field).await, key);
    // A day that is not over has a list of its own.
    assert!(!again.contains("Not yet published"), "{again}");
    city.paid_session(BAY, 60).await;
    published(&city, 313).await;
    let today = said(&phone).await;
    let (_, waiting) = today
        .split_once("Not yet published")
        .unwrap_or_else(|| panic!("{today}"));
    let why = "nothing to compare it with";
    assert!(waiting.contains(why), "{waiting}");

    // The database's owner lowers an amount; then all is as it was.
    let owner = Owner {
        pool: &city.database.pool,
    };
    owner.keep().await;
    let mut entry = owner.entry(100).await;
    entry.amount_vnd = Vnd::new(1_000);
    owner.put_entry(100, &entry).await;
    // A browser may keep tiles and entries for ever: another one has none.
    let other = Phone::start().await;
    goes_to(&other, &page).await;
    pins(&other, &key).await;
    let wrong = said(&other).await;
    assert!(wrong.contains("Something does not hold"), "{wrong}");
    assert!(
        wrong.contains("entry 100 is not the one that the tree was made of"),
        "{wrong}"
    );
    goes_to(&other, &format!("{}/verify?lang=vi", city.url)).await;
    pins(&other, &key).await;
    let wrong = said(&other).await;
    assert!(
        wrong.contains("mục 100 không phải mục đã dựng nên cây"),
        "{wrong}"
    );
    owner.bring_back().await;
    other.close().await;

    // Rewritten and signed with the log's own key: who saw it before finds it, who did not cannot.
    owner.put_entry(100, &entry).await;
    owner.rebuild().await;
    phone.devtools("Network.clearBrowserCache", json!({})).await;
    goes_to(&phone, &page).await;
    let wrong = said(&phone).await;
    assert!(
        wrong.contains("different people are shown different logs"),
        "{wrong}"
    );
    owner.bring_back().await;

    // A server that names another key is not believed: the one of the last check stays.
    let key = log_key(2).0;
    let set = format!("localStorage.setItem('clearbay-log-key', '{key}')");
    phone.script(&set).await;
    goes_to(&phone, &page).await;
    phone.find("[data-changed]:not([hidden])").await;
    let other = said(&phone).await;
    for part in [
        "Signed by another key than yours",
        &log_key(1).0.label(),
        &key.label(),
    ] {
        assert!(other.contains(part), "{part}: {other}");
    }
    assert!(!other.contains("Something does not hold"), "{other}");
    phone.close().await;
}

#[tokio::test]
async fn a_receipt_s_own_code_is_checked_without_any_connection() {
    if std::env::var("CLEARBAY_TEST_WEB_DIR").is_err() {
        println!("skipped: the browser's bundle could not be built");
        return;
    }
    let city = Serving::city(80).await;
    let open = city.paid_session(BAY, 60).await;
    published(&city, 1).await;
    let payment = city.payment(&open).await;
    let receipt = text(&payment["receipt_id"]);
    let phone = Phone::start().await;
    phone
        .goto(&format!("{}/r/{receipt}?lang=en", city.url))
        .await;
    phone.click("#log summary").await;
    assert!(
        phone
            .find(".proof-code svg")
            .await
            .is_displayed()
            .await
            .unwrap()
    );
    let code = phone
        .find("#log a")
        .await
        .attr("href")
        .await
        .unwrap()
        .unwrap();
    assert!(code.starts_with("/verify#r="), "{code}");
    // Few enough dots to be scanned off paper.
    assert!(code.len() < 2_000, "{}", code.len());
    // On the command line.
    let citizen = Citizen::default();
    let said = citizen
        .verify_receipt(&json!(format!("{}{code}", city.url)))
        .await;
    assert_eq!(said.code, Some(0), "{}", said.text);

    // In the browser, by its number; then by its code, with the city out of reach.
    goes_to(
        &phone,
        &format!("{}/verify?lang=en&receipt={receipt}", city.url),
    )
    .await;
    // It waits for the key that its reader trusts.
    let failed = "#check-receipt [data-failed]:not([hidden])";
    let told = phone.find(failed).await.text().await.unwrap();
    assert!(told.contains("first paste the key"), "{told}");
    pins(&phone, &log_key(1).0.to_string()).await;
    phone.click("#check-receipt button").await;
    let shown = "[data-receipt]:not([hidden])";
    let told = phone.find(shown).await.text().await.unwrap();
    assert!(
        told.contains("It is in the log") && told.contains("Entry number 0 (the first is 0) of 1"),
        "{told}"
    );
    // In the city's time, wherever the browser is; the price's reasons as the log has them, and in English as the
    // receipt's file does.
    assert!(told.contains("GMT+7"), "{told}");
    let lines = phone.find("[data-receipt] .lines").await;
    let lines = lines.text().await.unwrap();
    let file = city.json(&format!("/api/v1/receipts/{receipt}")).await;
    for words in ["text", "text_en"] {
        let reason = text(&file["lines"][0][words]);
        assert!(lines.contains(&reason), "{reason}: {lines}");
    }
    assert!(told.contains("which nothing proves"), "{told}");
    let offline =
        json!({"offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
    phone.devtools("Network.enable", json!({})).await;
    phone
        .devtools("Network.emulateNetworkConditions", offline)
        .await;
    let hash = code.trim_start_matches("/verify");
    let changed = |hash: &str| {
        format!("document.querySelector('[data-receipt]').hidden = true; location.hash = '{hash}'")
    };
    phone.script(&changed(hash)).await;
    let told = phone.find(shown).await.text().await.unwrap();
    assert!(
        told.contains("It is in the log") && told.contains(BAY),
        "{told}"
    );
    // One letter of it is another.
    let middle = hash.len() / 2;
    let other = if hash.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let forged = format!("{}{other}{}", &hash[..middle], &hash[middle + 1..]);
    phone.script(&changed(&forged)).await;
    eventually("the forgery to be found", || async {
        let told = phone.find("[data-receipt]").await.text().await.unwrap();
        told.contains("not shown to be in the log")
    })
    .await;
    phone.close().await;
}
