//! What people come for, with a real browser: a driver, a guard, a citizen. In both languages, on a phone
//! and on a desk, with the browser's bundle and without.

use chrono::{SubsecRound, TimeDelta, Utc};
use serde_json::json;
use tests::eventually;
use tests::phone::{Phone, View};
use tests::providers::Paying;
use tests::sensors::told;
use tests::serving::Serving;

const BAY: &str = "CN-01-001";
const NEXT: &str = "CN-01-002";
const PASSWORD: &str = "a password";

/// A vehicle has stood in the bay for so many minutes; `number` counts what its sensor says.
async fn park(city: &Serving, bay: &str, minutes: i64, number: i64) {
    let place = simulator::city::hanoi(80).unwrap();
    let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let device = bays.find(|known| known.code == bay).unwrap().device.clone();
    let device = device.unwrap().id;
    let now = Utc::now().trunc_subsecs(3);
    let messages = [
        told(&device, now - TimeDelta::minutes(minutes), number, true),
        told(&device, now, number + 1, true),
    ];
    let before = city.database.count("event").await;
    city.sense(&messages, before + 2, "event").await;
}

/// The bank tells of the transfer that the page at hand asks for.
async fn transfer(city: &Serving, phone: &Phone) {
    let reference = phone.find(".facts code").await.text().await.unwrap();
    let amount = phone.find("h1 .amount").await.text().await.unwrap();
    let amount: String = amount.chars().filter(char::is_ascii_digit).collect();
    let transfer = json!({"bank_ref": format!("FT{reference}"), "description": reference,
        "amount_vnd": amount.parse::<i64>().unwrap(), "currency": "VND", "paid_at": Utc::now()});
    assert_eq!(city.outcomes(&[transfer]).await, ["posted"]);
}

/// Pays, looks why, adds time, leaves, objects.
async fn driver(city: &Serving, phone: &Phone) {
    phone.goto(&format!("{}/b/{BAY}", city.url)).await;
    // A mistake loses nothing of what was filled in.
    phone
        .script("document.querySelector('form.pay').noValidate = true")
        .await;
    phone.fill("input[name=plate]", "?").await;
    // From one hour to two: half an hour at a time.
    let right = "\u{E014}".repeat(2);
    phone.fill("[data-slides] input[type=range]", &right).await;
    phone.click("button.primary").await;
    phone.find("[role=alert]").await;
    let kept = "return document.querySelector('input[value=\"120\"]').checked";
    assert_eq!(phone.script(kept).await, true);
    phone
        .script("document.querySelector('input[name=plate]').value = ''")
        .await;
    phone.fill("input[name=plate]", "30a 123.45").await;
    phone.click("button.primary").await;
    phone.find("[data-status=pending] .qr svg").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    transfer(city, phone).await;
    phone.find("[data-status=paid]").await;
    let receipt = phone.find("a[href^='/r/']").await.attr("href").await;
    // Who comes back finds the way to it.
    phone.goto(&format!("{}/my", city.url)).await;
    phone.find("main table a[href^='/s/']").await;
    phone.goto(&format!("{}/", city.url)).await;
    phone.click("a.running").await;
    phone.find("[role=timer]").await;
    phone
        .click("details:has(form[action$='/stop']) summary")
        .await;
    phone.click("form[action$='/stop'] button").await;
    phone.find(".refunds li").await;
    phone
        .goto(&format!("{}{}", city.url, receipt.unwrap().unwrap()))
        .await;
    phone.click("#dispute summary").await;
    phone
        .click("select[name=reason] option[value=wrong_bay]")
        .await;
    phone.fill("textarea[name=text]", "tôi đỗ chỗ khác").await;
    phone.click("#dispute button").await;
    phone.find("[data-dispute=open]").await;
}

/// Signs in by a phone number, fills the wallet, and pays from it by one touch.
async fn wallet_owner(paying: &Paying, phone: &Phone, number: &str) {
    let city = &paying.city;
    phone.goto(&format!("{}/b/{BAY}", city.url)).await;
    phone.find(".foot a[href='/wallet']").await;
    phone.click("a[href^='/wallet?to=']").await;
    phone.fill("input[name=phone]", "12").await;
    phone.click("form[action='/wallet/code'] button").await;
    phone.find("#phone-error").await;
    phone
        .script("document.querySelector('input[name=phone]').value = ''")
        .await;
    phone.fill("input[name=phone]", number).await;
    phone.click("form[action='/wallet/code'] button").await;
    let code = phone.find("input[name=code]").await;
    code.send_keys(&paying.code(number).await).await.unwrap();
    phone.click("form[action='/wallet/sign-in'] button").await;
    // Back where the driver came from; there is nothing in the wallet yet.
    phone.find("form.pay input[name=plate]").await;
    phone.click("a[href^='/wallet?to=']").await;
    phone
        .click("form[action='/wallet/top-up'] button.primary")
        .await;
    phone.find("[data-status=pending] .qr svg").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    transfer(city, phone).await;
    // Back at the bay, with what was put in.
    phone.find("form.pay button[value=wallet]").await;
    phone
        .script("document.querySelector('input[name=plate]').value = ''")
        .await;
    phone.fill("input[name=plate]", "30a 678.90").await;
    phone.click("button[value=wallet]").await;
    phone.find("[data-status=paid]").await;
    phone.goto(&format!("{}/wallet", city.url)).await;
    phone.find("main table a[href^='/r/']").await;
    phone.click("form[action='/wallet/sign-out'] button").await;
    phone.find("input[name=phone]").await;
}

/// Finds a vehicle that has not paid, writes its notice, which its driver pays; looks up a plate.
async fn guard(city: &Serving, phone: &Phone) {
    phone.sign_in(&city.url, "guard", PASSWORD).await;
    phone
        .click(&format!(".first a[href='/staff/bays/{NEXT}']"))
        .await;
    phone.fill("input[name=plate]", "29A-777.77").await;
    phone.click("form[action$='/notice'] button").await;
    phone.find("[data-notice=open]").await;
    // Whoever comes by again sees that the vehicle has one.
    phone.find("button[data-print]").await;
    phone.click(".actions a[href^='/staff/lots/']").await;
    phone.goto(&format!("{}/staff/bays/{NEXT}", city.url)).await;
    phone.click("[data-notice] a[href^='/n/']").await;
    // The driver has the number on paper and another device; here it is the same.
    phone.click("[data-notice=open] button.primary").await;
    phone.find("[data-status=pending] .qr svg").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    transfer(city, phone).await;
    phone.find("[data-status=paid]").await;
    phone.goto(&format!("{}/staff/notices", city.url)).await;
    phone.click("main table a[href^='/n/']").await;
    phone.find("[data-notice=paid]").await;
    phone.goto(&format!("{}/staff/plates", city.url)).await;
    phone.fill("main input[name=plate]", "29a77777").await;
    phone.click("main button.primary").await;
    phone.find("[data-plate=paid]").await;
}

/// Reads what was collected, changes the range, takes a table along.
async fn citizen(city: &Serving, phone: &Phone) {
    phone.goto(&format!("{}/city", city.url)).await;
    let total = phone.find("[data-total]").await;
    let total: i64 = total
        .attr("data-total")
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    assert!(total > 0);
    phone.find("[data-due]").await;
    phone.click(".range .chip:nth-child(2)").await;
    phone.find(".range .chip:nth-child(2)[aria-current]").await;
    let csv = phone.find(".csv").await.attr("href").await;
    let csv = city.get(&csv.unwrap().unwrap()).send().await.unwrap();
    let csv = csv.text().await.unwrap();
    assert!(csv.starts_with("\u{feff}key,name,"), "{csv}");
}

async fn everybody(bundle: bool, view: View, lang: &str) {
    let paying = Paying::with_pages(80, bundle).await;
    let city = &paying.city;
    city.staff("guard", Some("HNP")).await;
    park(city, BAY, 2, 1).await;
    park(city, NEXT, 40, 1).await;
    eventually("the board to see both", || async {
        city.json("/api/v1/lots/CN-01").await["occupied"] == 2
    })
    .await;
    let phone = Phone::with(view).await;
    phone.goto(&format!("{}/lang/{lang}", city.url)).await;
    driver(city, &phone).await;
    wallet_owner(&paying, &phone, "0912345678").await;
    guard(city, &phone).await;
    citizen(city, &phone).await;
    let spoken = phone.script("return document.documentElement.lang").await;
    assert_eq!(spoken, lang);
    let wider = "return document.documentElement.scrollWidth - window.innerWidth";
    assert!(phone.script(wider).await.as_i64().unwrap() <= 0);
    phone.close().await;
    city.assert_books_are_right().await;
}

#[tokio::test]
async fn on_a_phone_in_vietnamese() {
    everybody(true, View::PHONE, "vi").await;
}

#[tokio::test]
async fn on_a_phone_in_english_without_the_bundle() {
    everybody(false, View::PHONE, "en").await;
}

#[tokio::test]
async fn on_a_desk_in_vietnamese_without_the_bundle() {
    everybody(false, View::DESK, "vi").await;
}

#[tokio::test]
async fn on_a_desk_in_english() {
    everybody(true, View::DESK, "en").await;
}

/// What is only spoken in a list that scrolls, and what is drawn in a chart, stay where they are seen.
#[tokio::test]
async fn a_page_ends_with_its_footer_and_labels_stand_apart() {
    let city = Serving::city(2_000).await;
    // By how many pixels the page goes on below its footer.
    let below = "const foot = document.querySelector('footer').getBoundingClientRect();
        return Math.round(document.documentElement.scrollHeight - (foot.bottom + window.scrollY))";
    // How many labels of a chart's bars run into the one before.
    let overlaps = "return [...document.querySelectorAll('svg.chart')].map((chart) => {
            const boxes = [...chart.querySelectorAll('g > text')].map((text) => text.getBoundingClientRect())
                .filter(({ width }) => width > 0);
            return boxes.slice(1).filter((box, index) => box.left < boxes[index].right + 2).length;
        }).reduce((sum, count) => sum + count, 0)";
    for view in [View::DESK, View::PHONE] {
        let phone = Phone::with(view).await;
        for path in ["/", "/city", "/open"] {
            phone.goto(&format!("{}{path}", city.url)).await;
            phone.find(".foot").await;
            assert!(phone.script(below).await.as_i64().unwrap() <= 1, "{path}");
            // Nobody delivers codes here: there is no wallet, and no way leads to one.
            let wallets = "return document.querySelectorAll('a[href^=\"/wallet\"]').length";
            assert_eq!(phone.script(wallets).await, 0, "{path}");
        }
        for days in [7, 10, 14, 30] {
            let to = Utc::now().date_naive();
            let from = to - TimeDelta::days(days - 1);
            phone
                .goto(&format!("{}/city?from={from}&to={to}&lang=en", city.url))
                .await;
            phone.find("svg.chart").await;
            assert_eq!(phone.script(overlaps).await, 0, "{days} days");
        }
        phone.close().await;
    }
}

#[tokio::test]
async fn two_browsers_see_each_other_s_changes() {
    let city = Serving::city(80).await;
    city.staff("guard", Some("HNP")).await;
    park(&city, BAY, 20, 1).await;
    let (desk, phone) = (Phone::with(View::DESK).await, Phone::start().await);
    desk.sign_in(&city.url, "guard", PASSWORD).await;
    desk.goto(&format!("{}/staff/lots/CN-01", city.url)).await;
    desk.find(".attention li.unpaid").await;
    phone.goto(&format!("{}/b/{BAY}", city.url)).await;
    phone.fill("input[name=plate]", "30a 123.45").await;
    phone.click("button.primary").await;
    phone.find("[data-status=pending] .qr svg").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    transfer(&city, &phone).await;
    phone.find("[data-status=paid]").await;
    // Nobody touches the desk.
    desk.find(".bay.paid").await;
    assert_eq!(
        desk.script("return document.querySelectorAll('.attention li').length")
            .await,
        0
    );
    // And a third sees the vehicle come that stands next door.
    phone.goto(&format!("{}/lots/CN-01", city.url)).await;
    phone.find(".count.unknown").await;
    park(&city, NEXT, 1, 1).await;
    eventually("the page to show both vehicles", || async {
        let shown = "return document.querySelector('.count.occupied b').textContent";
        phone.script(shown).await == "2"
    })
    .await;
    phone.close().await;
    desk.close().await;
}
