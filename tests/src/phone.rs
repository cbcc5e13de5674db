//! A browser as people have it: Chromium at the size of a phone or a desk, driven from outside.

use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{eventually, provided};

/// How long whoever looks for something on a page waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The narrowest window that Chromium makes, in pixels.
const NARROWEST_WINDOW: u32 = 500;

/// How a browser looks at pages.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Of its window, in pixels.
    pub width: u32,
    /// Of its window, in pixels.
    pub height: u32,
    /// Whether its reader prefers dark pages.
    pub dark: bool,
}

impl View {
    /// A phone held upright, by day.
    pub const PHONE: Self = Self {
        width: 390,
        height: 844,
        dark: false,
    };
    /// A screen on a desk, by day.
    pub const DESK: Self = Self {
        width: 1440,
        height: 900,
        dark: false,
    };
}

/// A command that is Chromium's own.
#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!(
            "session/{}/goog/cdp/execute",
            session.unwrap_or_default()
        ))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}

/// Chromium and its driver; both end with this value.
pub struct Phone {
    /// What drives its page.
    pub page: Client,
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Phone {
    /// A new browser at a phone's size that has seen nothing yet.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn start() -> Self {
        Self::with(View::PHONE).await
    }

    /// The same with another view.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn with(view: View) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let driver = Command::new(provided("CLEARBAY_TEST_CHROMEDRIVER"))
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut args = vec![
            "--headless=new".to_owned(),
            format!("--window-size={},{}", view.width, view.height),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        args.extend(
            [
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--lang=en-US",
            ]
            .map(str::to_owned),
        );
        if view.dark {
            // Blink's name for the reader's preference; 0 is dark.
            args.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let options = json!({"goog:chromeOptions": {
            "binary": provided("CLEARBAY_TEST_CHROMIUM"), "args": args}});
        let options = options.as_object().unwrap().clone();
        let url = format!("http://127.0.0.1:{port}");
        let connected = std::cell::RefCell::new(None);
        eventually("the browser", || async {
            let mut builder =
                ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            let page = builder.capabilities(options.clone()).connect(&url).await;
            *connected.borrow_mut() = page.ok();
            connected.borrow().is_some()
        })
        .await;
        let page = connected.into_inner().unwrap();
        let phone = Self {
            page,
            _driver: driver,
            _profile: profile,
        };
        if view.width < NARROWEST_WINDOW {
            phone.narrow(view.width, view.height).await;
        }
        phone
    }

    /// Makes the page as narrow as a phone's: no window of Chromium's is.
    ///
    /// # Panics
    /// Where the browser refuses.
    pub async fn narrow(&self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// Goes to an address, again where the page that was left reads itself anew at that very moment.
    ///
    /// # Panics
    /// Where the browser fails.
    pub async fn goto(&self, url: &str) {
        for _ in 0..3 {
            self.page.goto(url).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            let here = self.page.current_url().await.unwrap();
            if url.contains(here.path()) {
                return;
            }
        }
    }

    /// What a selector finds, once it is there.
    ///
    /// # Panics
    /// Where it never is.
    pub async fn find(&self, selector: &str) -> Element {
        let wait = self.page.wait().at_most(PATIENCE);
        let found = wait.for_element(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Touches what a selector finds.
    ///
    /// # Panics
    /// Where there is no such thing.
    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    /// Types into what a selector finds.
    ///
    /// # Panics
    /// Where there is no such thing.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap();
    }

    /// What the body of an asynchronous function returns, run on the page.
    ///
    /// # Panics
    /// Where it fails.
    pub async fn script(&self, code: &str) -> Value {
        let code = format!("return (async () => {{ {code} }})()");
        self.page.execute(&code, Vec::new()).await.unwrap()
    }

    /// Makes it as slow as a phone in the street, and without what it has seen before: Lighthouse's
    /// mobile profile, 150 ms there and back, 1.6 Mbit/s, a processor four times slower than this one.
    ///
    /// # Panics
    /// Where the browser refuses.
    pub async fn slow_down(&self) {
        let network = json!({"offline": false, "latency": 150,
            "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8});
        for (method, params) in [
            ("Network.enable", json!({})),
            ("Network.setCacheDisabled", json!({"cacheDisabled": true})),
            ("Network.emulateNetworkConditions", network),
            ("Emulation.setCPUThrottlingRate", json!({"rate": 4})),
        ] {
            self.devtools(method, params).await;
        }
    }

    /// When the largest part of the page was painted, in milliseconds after it was asked for: Largest
    /// Contentful Paint.
    ///
    /// # Panics
    /// Where the browser does not tell.
    pub async fn largest_paint_ms(&self) -> f64 {
        let told = self
            .script(
                "return new Promise((tell) => {
                    let last = 0;
                    new PerformanceObserver((list) => {
                        for (const entry of list.getEntries()) last = entry.startTime;
                    }).observe({ type: 'largest-contentful-paint', buffered: true });
                    setTimeout(() => tell(last), 1000);
                })",
            )
            .await;
        told.as_f64().unwrap()
    }

    /// What Chromium answers to a command of its DevTools protocol.
    ///
    /// # Panics
    /// Where it refuses.
    pub async fn devtools(&self, command: &str, params: Value) -> Value {
        let command = DevTools(json!({ "cmd": command, "params": params }));
        self.page.issue_cmd(command).await.unwrap()
    }

    /// Signs in at the counter.
    ///
    /// # Panics
    /// Where the page has no such form.
    pub async fn sign_in(&self, url: &str, login: &str, password: &str) {
        self.goto(&format!("{url}/staff")).await;
        self.fill("input[name=login]", login).await;
        self.fill("input[name=password]", password).await;
        self.click("button.primary").await;
        self.find(".staff-bar").await;
    }

    /// Ends the browser.
    ///
    /// # Panics
    /// Where it does not end.
    pub async fn close(self) {
        self.page.clone().close().await.unwrap();
    }
}
