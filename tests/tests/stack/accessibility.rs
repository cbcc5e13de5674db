//! Every page for everybody: axe-core finds nothing serious on any, by day and by night, on a phone and
//! on a desk, in both languages.

use chrono::{SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};
use tests::eventually;
use tests::phone::{Phone, View};
use tests::providers::Paying;
use tests::sensors::told;
use tests::serving::{Serving, text};

const BAY: &str = "HK-01-001";
const PASSWORD: &str = "a password";

/// What axe-core finds on the page at hand that is serious.
async fn serious(phone: &Phone, axe: &str) -> Vec<String> {
    phone.page.execute(axe, Vec::new()).await.unwrap();
    let found = phone
        .script(
            "const { violations } = await axe.run(document, { resultTypes: ['violations'] });
             return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
                .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map(({ html, target }) => `${target} ${html.slice(0, 120)}`).join(' | ')}`)",
        )
        .await;
    let found = found.as_array().unwrap().iter();
    found.map(text).collect()
}

/// What makes the page wider than the screen, so that it has to be drawn aside to be read.
async fn too_wide(phone: &Phone) -> Vec<String> {
    let found = phone
        .script(
            "const wide = document.documentElement.clientWidth;
             if (document.documentElement.scrollWidth <= wide) return [];
             const scrolls = (element) => element && (['auto', 'scroll', 'hidden'].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
             const over = [...document.querySelectorAll('body *')]
                .filter((element) => element.getBoundingClientRect().right > wide + 1 && !scrolls(element.parentElement));
             return [`wider than the screen by ${document.documentElement.scrollWidth - wide}: ` + over.slice(-2).map((element) => element.outerHTML.slice(0, 100)).join(' | ')]",
        )
        .await;
    found.as_array().unwrap().iter().map(text).collect()
}

/// Things happen in the city, so that pages have something to show; the addresses of the pages.
async fn lively(city: &Serving) -> Vec<String> {
    let place = simulator::city::hanoi(400).unwrap();
    let mut bays = place.lots.iter().flat_map(|lot| &lot.bays);
    let device = bays.find(|bay| bay.code == BAY).unwrap().device.clone();
    let device = device.unwrap().id;
    let now = Utc::now().trunc_subsecs(3);
    let messages = [
        told(&device, now - TimeDelta::minutes(90), 1, true),
        told(&device, now, 2, true),
    ];
    city.sense(&messages, 2, "event").await;
    eventually("the board to see the vehicle", || async {
        let lot = city.json("/api/v1/lots/HK-01").await;
        lot["occupied"] == 1
    })
    .await;
    let guard = city.staff("guard", Some("HKP")).await;
    let path = format!("/api/v1/staff/bays/{BAY}/notices");
    let notice = city.post(&path, &json!({"plate": "29A-777.77"}));
    let notice = notice.header("cookie", guard).send().await.unwrap();
    let notice: Value = notice.json().await.unwrap();
    let paid = city.paid_session("HK-01-002", 60).await;
    let payment = city.payment(&paid).await;
    vec![
        "/exemptions".to_owned(),
        "/".to_owned(),
        "/lots/HK-01".to_owned(),
        format!("/b/{BAY}"),
        format!("/n/{}", text(&notice["code"])),
        format!("/r/{}", text(&payment["receipt_id"])),
        "/offline".to_owned(),
        "/city".to_owned(),
        "/verify".to_owned(),
        "/open".to_owned(),
        "/staff".to_owned(),
        "/nowhere".to_owned(),
        "/my".to_owned(),
        "/b/ZZZ".to_owned(),
    ]
}

/// A driver's request for an exemption: its id and its key.
async fn request(city: &Serving) -> (String, String) {
    let request = json!({"ground": "disabled", "plate": "29A-777.77", "class": "car",
        "document_kind": "Giấy xác nhận khuyết tật", "document_number": "KT-0123", "scan": "JVBERi0xLjc="});
    let sent = city.post("/api/v1/exemption-requests", &request);
    let sent: Value = sent.send().await.unwrap().json().await.unwrap();
    (text(&sent["id"]), text(&sent["token"]))
}

#[tokio::test]
async fn no_page_keeps_anybody_out() {
    let Ok(axe) = std::env::var("CLEARBAY_TEST_AXE") else {
        println!("skipped: axe-core could not be fetched, for want of npm or of its registry");
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let paying = Paying::with_pages(400, true).await;
    let city = &paying.city;
    let pages = lively(city).await;
    let (request, key) = request(city).await;
    city.administrator("city", None).await;
    let mut found = Vec::new();
    let night = View {
        dark: true,
        ..View::PHONE
    };
    for (view, lang, number) in [
        (View::PHONE, "vi", "0912345671"),
        (night, "en", "0912345672"),
        (View::DESK, "en", "0912345673"),
    ] {
        let phone = Phone::with(view).await;
        let look = async |path: &str| -> Vec<String> {
            phone.goto(&format!("{}{path}", city.url)).await;
            phone.find("main").await;
            let mut found = serious(&phone, &axe).await;
            if view.width < 500 {
                // The narrowest phone in use.
                phone.narrow(360, 740).await;
                found.extend(too_wide(&phone).await);
                phone.narrow(view.width, view.height).await;
            } else {
                found.extend(too_wide(&phone).await);
            }
            found
                .into_iter()
                .map(|what| format!("{path} ({}, {lang}): {what}", view.width))
                .collect()
        };
        phone.goto(&format!("{}/lang/{lang}", city.url)).await;
        for page in &pages {
            found.extend(look(page).await);
        }
        // The payment's own page, by its form.
        phone
            .goto(&format!("{}/b/HK-01-00{}", city.url, view.width % 7 + 3))
            .await;
        phone.fill("input[name=plate]", "30a 123.45").await;
        phone.click("button.primary").await;
        phone.find("[data-status=pending]").await;
        let address = phone.page.current_url().await.unwrap();
        found.extend(look(address.path()).await);
        found.extend(look("/wallet").await);
        phone.fill("input[name=phone]", number).await;
        phone.click("main button.primary").await;
        let code = phone.find("input[name=code]").await;
        let unread = serious(&phone, &axe).await.into_iter();
        found.extend(unread.map(|what| format!("the code's page ({lang}): {what}")));
        code.send_keys(&paying.code(number).await).await.unwrap();
        phone.click("main button.primary").await;
        phone.find("[data-balance]").await;
        found.extend(look("/wallet").await);
        found.extend(look(&format!("/b/{BAY}")).await);
        let cookie = format!("clearbay_exemption_{}={key}", request.replace('-', ""));
        phone
            .script(&format!("document.cookie = '{cookie}; path=/'"))
            .await;
        found.extend(look(&format!("/exemptions/{request}")).await);
        phone.sign_in(&city.url, "city", PASSWORD).await;
        found.extend(look(&format!("/staff/exemptions/requests/{request}")).await);
        for page in [
            "/staff",
            "/staff/lots/HK-01",
            "/staff/bays/HK-01-001",
            "/staff/shift",
            "/staff/shifts",
            "/staff/people",
            "/staff/second-factor",
            "/staff/terminals",
            "/staff/notices",
            "/staff/plates",
            "/staff/devices",
            "/staff/money",
            "/staff/refunds",
            "/staff/exemptions",
        ] {
            found.extend(look(page).await);
        }
        phone.close().await;
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
