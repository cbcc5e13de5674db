//! A picture of every page in its main states, of a small city in which things happen: run by
//! `cargo xtask screens`, to be looked at.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tests::authenticator::Authenticator;
use tests::phone::{Phone, View};
use tests::providers::Paying;
use tests::serving::{IMPORT_TOKEN, Serving, WEBHOOK_KEY, log_key, text};
use tests::{eventually, provided};
use tokio::process::{Child, Command};

const BAYS: &str = "240";
const PASSWORD: &str = "a password";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .context("name the folder for the pictures")?
        .into();
    std::fs::create_dir_all(&folder)?;
    println!("city: giving it two days of past");
    let paying = Paying::with_pages(BAYS.parse()?, true).await;
    let city = &paying.city;
    let state = tempfile::tempdir()?;
    let _simulator = simulate(city, state.path());
    eventually("a past and a present", || async {
        let lots = city.json("/api/v1/lots").await;
        let lots = lots["lots"].as_array().unwrap().clone();
        let sum = |field: &str| {
            lots.iter()
                .filter_map(|lot| lot[field].as_i64())
                .sum::<i64>()
        };
        sum("occupied") > 0 && sum("unknown") < 60
    })
    .await;
    let scenes = scenes(city).await;
    propose_a_refund(city).await;
    let night = View {
        dark: true,
        ..View::PHONE
    };
    for (name, view, lang, number) in [
        ("phone", View::PHONE, "vi", "0912345671"),
        ("phone-night", night, "en", "0912345672"),
        ("desk", View::DESK, "en", "0912345673"),
    ] {
        let phone = Phone::with(view).await;
        phone.goto(&format!("{}/lang/{lang}", city.url)).await;
        let camera = Camera {
            phone: &phone,
            city,
            folder: &folder,
            name,
            view,
        };
        for (scene, path) in &scenes {
            camera.take(scene, path).await?;
        }
        camera.pay_and_stay().await?;
        camera.fill_wallet(&paying, number).await?;
        let login = format!("city-{name}");
        city.administrator(&login, None).await;
        phone.sign_in(&city.url, &login, PASSWORD).await;
        for (scene, path) in STAFF {
            camera.take(scene, path).await?;
        }
        camera.act(&scenes).await?;
        camera.show_who_it_is(&login).await?;
        phone.close().await;
    }
    println!("pictures: {}", folder.display());
    Ok(())
}

const STAFF: [(&str, &str); 11] = [
    ("staff", "/staff"),
    ("staff-lot", "/staff/lots/HK-01"),
    ("staff-shift", "/staff/shift"),
    ("staff-shifts", "/staff/shifts"),
    ("staff-people", "/staff/people"),
    ("staff-notices", "/staff/notices"),
    ("staff-plates", "/staff/plates"),
    ("staff-devices", "/staff/devices"),
    ("staff-money", "/staff/money"),
    ("staff-refunds", "/staff/refunds"),
    ("staff-exemptions", "/staff/exemptions"),
];

fn simulate(city: &Serving, state: &Path) -> Child {
    Command::new(provided("CLEARBAY_TEST_BIN"))
        .args(["simulate", "--bays", BAYS, "--history-days", "2"])
        .args(["--api-url", &city.url])
        .arg("--state-file")
        .arg(state.join("simulator.json"))
        .env("MQTT_URL", &city.broker.url)
        .env("CLEARBAY_WEBHOOK_KEY", WEBHOOK_KEY)
        .env("CLEARBAY_IMPORT_TOKEN", IMPORT_TOKEN)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A bay of a lot that staff see as `status`.
async fn bay_that_is(city: &Serving, who: &str, status: &str) -> Option<String> {
    let lots = city.json("/api/v1/lots").await;
    for lot in lots["lots"].as_array().unwrap() {
        let path = format!("/api/v1/staff/lots/{}", text(&lot["code"]));
        let reply = city.get(&path).header("cookie", who).send().await.unwrap();
        let lot: Value = reply.json().await.unwrap();
        let bays = lot["bays"].as_array().unwrap();
        if let Some(bay) = bays.iter().find(|bay| bay["status"] == status) {
            return Some(text(&bay["code"]));
        }
    }
    None
}

/// The pages that anybody can open, by the name of their picture.
async fn scenes(city: &Serving) -> Vec<(String, String)> {
    let mut scenes: Vec<(String, String)> = [
        ("find", "/"),
        ("lot", "/lots/HK-01"),
        ("pay-form", "/b/HK-01-001"),
        ("pass-form", "/b/CN-01-001/pass"),
        ("exemption-form", "/exemptions"),
        ("offline", "/offline"),
        ("no-such-bay", "/b/ZZZ"),
        ("city", "/city"),
        ("verify", "/verify"),
        ("open", "/open"),
        ("not-found", "/nowhere"),
        ("staff-sign-in", "/staff"),
    ]
    .map(|(name, path)| (name.to_owned(), path.to_owned()))
    .to_vec();
    let who = city.staff("camera", None).await;
    if let Some(bay) = bay_that_is(city, &who, "unpaid").await {
        let path = format!("/api/v1/staff/bays/{bay}/notices");
        let new = city.post(&path, &json!({"plate": "29A-777.77"}));
        let notice = new.header("cookie", who).send().await.unwrap();
        let notice: Value = notice.json().await.unwrap();
        if let Some(code) = notice["code"].as_str() {
            scenes.push(("notice".to_owned(), format!("/n/{code}")));
            scenes.push(("owing".to_owned(), format!("/staff/bays/{bay}")));
        }
    }
    scenes
}

/// What one member of staff wants to give back, and a second has to confirm.
async fn propose_a_refund(city: &Serving) {
    let teller = city.staff("teller", Some("HNP")).await;
    let paid = city.paid_session("CN-01-001", 540).await;
    let receipt = text(&city.payment(&paid).await["receipt_id"]);
    let path = format!("/api/v1/receipts/{receipt}/disputes");
    let body = json!({"reason": "could_not_park", "text": "Chỗ đã có xe khác."});
    let (_, dispute) = city.post_as("", &path, &body).await;
    let path = format!("/api/v1/staff/disputes/{}", text(&dispute["id"]));
    let body = json!({"decision": "refund", "answer": "Xin lỗi bạn."});
    let refund = city.post(&path, &body).header("cookie", teller);
    assert_eq!(refund.send().await.unwrap().status(), 202);
}

struct Camera<'a> {
    phone: &'a Phone,
    city: &'a Serving,
    folder: &'a Path,
    name: &'static str,
    view: View,
}

impl Camera<'_> {
    async fn take(&self, scene: &str, path: &str) -> anyhow::Result<()> {
        self.phone.goto(&format!("{}{path}", self.city.url)).await;
        self.phone.find("main").await;
        self.keep(scene).await
    }

    /// The whole page, as long as it is.
    async fn keep(&self, scene: &str) -> anyhow::Result<()> {
        let page = &self.phone.page;
        // Islands and live figures come a moment later.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let height = self
            .phone
            .script("return document.documentElement.scrollHeight")
            .await;
        let height = u32::try_from(height.as_u64().unwrap_or(0))?.clamp(self.view.height, 6_000);
        page.set_window_size(self.view.width, height + 140).await?;
        let picture = page.screenshot().await?;
        page.set_window_size(self.view.width, self.view.height)
            .await?;
        let file = format!("{}-{scene}.png", self.name);
        std::fs::write(self.folder.join(&file), picture)?;
        println!("{file}");
        Ok(())
    }

    /// A driver's way from the form to the receipt.
    async fn pay_and_stay(&self) -> anyhow::Result<()> {
        let bay = format!("{}/b/CN-01-00{}", self.city.url, self.view.width % 7 + 1);
        self.phone.goto(&bay).await;
        self.phone.fill("input[name=plate]", "30a 123.45").await;
        self.phone.click("button.primary").await;
        // Asked where the bay looks empty and the one next door has just been filled.
        let asked = self
            .phone
            .page
            .find(fantoccini::Locator::Css("[data-status=which-bay]"));
        if asked.await.is_ok() {
            self.keep("which-bay").await?;
            self.phone
                .click(".which-bay form:last-of-type button")
                .await;
        }
        self.phone.find("[data-status=pending] .qr svg").await;
        self.keep("paying").await?;
        let reference = self.phone.find(".facts code").await.text().await?;
        let amount = self.phone.find("h1 .amount").await.text().await?;
        let amount: String = amount.chars().filter(char::is_ascii_digit).collect();
        let transfer = json!({"bank_ref": format!("FT{reference}"), "description": reference,
            "amount_vnd": amount.parse::<i64>()?, "currency": "VND", "paid_at": chrono::Utc::now()});
        self.city.outcomes(&[transfer]).await;
        self.phone.find("[data-status=paid]").await;
        self.keep("paid").await?;
        let receipt = self.phone.find("a[href^='/r/']").await.attr("href").await?;
        let session = self.phone.find("a[href^='/s/']").await.attr("href").await?;
        self.take("my", "/my").await?;
        self.take("session", &session.unwrap_or_default()).await?;
        self.take("receipt", &receipt.unwrap_or_default()).await?;
        self.verify().await
    }

    /// Where the receipt is in the public log, and what a browser finds that checks it all.
    async fn verify(&self) -> anyhow::Result<()> {
        // It is in the log after two seconds at most.
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.phone.page.refresh().await?;
        self.phone.click("#log summary").await;
        self.keep("receipt-log").await?;
        let code = self.phone.find("#log a").await.attr("href").await?;
        self.phone
            .goto(&format!("{}{}", self.city.url, code.unwrap_or_default()))
            .await;
        let key = log_key(1).0.to_string();
        let empty = "document.querySelector('[name=key]').value = ''";
        self.phone.script(empty).await;
        self.phone.fill("[name=key]", &key).await;
        self.phone.click("#check-receipt button").await;
        self.phone.find("[data-receipt]:not([hidden])").await;
        self.phone.click("#check button").await;
        self.phone.find("[data-verdict]:not([hidden])").await;
        self.keep("verified").await
    }

    /// A driver's way to a wallet with money in it, and what it pays.
    async fn fill_wallet(&self, paying: &Paying, number: &str) -> anyhow::Result<()> {
        self.take("wallet-sign-in", "/wallet").await?;
        self.phone.fill("input[name=phone]", number).await;
        self.phone.click("main button.primary").await;
        let code = self.phone.find("input[name=code]").await;
        self.keep("wallet-code").await?;
        code.send_keys(&paying.code(number).await).await?;
        self.phone.click("main button.primary").await;
        self.phone.find("[data-balance]").await;
        self.phone.click("main button.primary").await;
        self.phone.find("[data-status=pending] .qr svg").await;
        self.keep("wallet-fill").await?;
        let reference = self.phone.find(".facts code").await.text().await?;
        let transfer = json!({"bank_ref": format!("FT{reference}"), "description": reference,
            "amount_vnd": 200_000, "currency": "VND", "paid_at": chrono::Utc::now()});
        self.city.outcomes(&[transfer]).await;
        self.phone.find("[data-balance]").await;
        self.take("pay-form-wallet", "/b/HK-01-001").await?;
        self.take("wallet", "/wallet").await?;
        self.take("wallet-delete", "/wallet/delete").await
    }

    /// What staff do.
    async fn act(&self, scenes: &[(String, String)]) -> anyhow::Result<()> {
        if let Some((_, path)) = scenes.iter().find(|(scene, _)| scene == "owing") {
            self.take("staff-bay", path).await?;
        }
        self.phone
            .goto(&format!("{}/staff/plates", self.city.url))
            .await;
        self.phone
            .fill("main input[name=plate]", "30a 123.45")
            .await;
        self.phone.click("main button.primary").await;
        self.phone.find("[data-plate]").await;
        self.keep("staff-plate").await?;
        self.take("staff-terminals", "/staff/terminals").await?;
        self.phone.fill("main input[name=name]", self.name).await;
        self.choose_operator().await;
        self.phone.click("main button.primary").await;
        self.phone.find("[data-token]").await;
        self.keep("staff-terminal").await
    }

    /// The first of the list, which the city's administrators have.
    async fn choose_operator(&self) {
        let first = "const choice = document.querySelector('main select[name=operator]');
            if (choice) choice.selectedIndex = 1;";
        self.phone.script(first).await;
    }

    /// A second factor, the question whether it is still they, and the code at the next sign-in.
    async fn show_who_it_is(&self, login: &str) -> anyhow::Result<()> {
        self.take("staff-second-factor", "/staff/second-factor")
            .await?;
        let app = Authenticator::read(&self.phone.page.source().await?);
        self.phone.fill("main input[name=code]", &app.code()).await;
        self.phone.click("main button.primary").await;
        self.phone.find("[data-recovery]").await;
        self.keep("staff-recovery-codes").await?;
        sqlx::query("UPDATE staff_login SET confirmed_at = NULL")
            .execute(&self.city.database.pool)
            .await?;
        let people = format!("{}/staff/people", self.city.url);
        self.phone.goto(&people).await;
        let new = "form[action='/staff/people']";
        for field in ["login", "name"] {
            let field = format!("{new} input[name={field}]");
            self.phone.fill(&field, self.name).await;
        }
        self.choose_operator().await;
        self.phone.click(&format!("{new} button")).await;
        self.phone.find("[data-confirm]").await;
        self.keep("staff-confirm").await?;
        self.phone.page.delete_cookie("clearbay_staff").await?;
        self.phone.goto(&format!("{}/staff", self.city.url)).await;
        self.phone.fill("input[name=login]", login).await;
        self.phone.fill("input[name=password]", PASSWORD).await;
        self.phone.click("button.primary").await;
        self.phone.find("main input[name=code]").await;
        self.keep("staff-code").await
    }
}
