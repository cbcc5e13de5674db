//! The button by which a driver asks to be told, in a real browser, and what its worker shows.

use serde_json::{Value, json};
use tests::eventually;
use tests::phone::Phone;
use tests::telling::{Telling, WARNED, cookie};

const BAY: &str = "CN-01-001";

/// The parts of the page's block that can be seen, by the state for which they are.
const SEEN: &str = "return [...document.querySelectorAll('[data-push]:not([hidden]) [data-when]')]
    .filter((part) => part.checkVisibility()).map((part) => part.dataset.when)";

async fn sees(phone: &Phone, expected: Value) {
    let found = std::cell::RefCell::new(Value::Null);
    let seen = eventually("the parts of the page", || async {
        *found.borrow_mut() = phone.script(SEEN).await;
        *found.borrow() == expected
    });
    seen.await;
}

#[tokio::test]
async fn the_button_asks_tells_and_can_be_taken_back() {
    let telling = Telling::start().await;
    let open = telling.city.paid_session(BAY, 60).await;
    let url = &telling.city.url;
    let home = format!("/s/{}", open.session);
    let phone = Phone::start().await;
    phone.goto(&format!("{url}/my")).await;
    let set = format!("document.cookie = '{}; path=/'", cookie(&open));
    phone.script(&set).await;
    phone.goto(&format!("{url}{home}")).await;
    let off = json!(["off failed"]);
    let on = json!(["on", "on"]);
    sees(&phone, off.clone()).await;

    // A browser that shows no notifications is told what to do.
    phone
        .devtools(
            "Browser.setPermission",
            json!({"permission": {"name": "notifications"}, "setting": "denied", "origin": url}),
        )
        .await;
    phone.click("[data-push] button").await;
    sees(&phone, json!(["denied"])).await;

    // Chromium has no push service here: it subscribes to ours instead.
    phone
        .devtools(
            "Browser.setPermission",
            json!({"permission": {"name": "notifications"}, "setting": "granted", "origin": url}),
        )
        .await;
    let browser = telling.service.browser();
    let subscribe = format!(
        "const wish = {};
         const options = {{ applicationServerKey: null }};
         const subscription = {{ ...wish, options, toJSON: () => wish }};
         let made = null;
         PushManager.prototype.getSubscription = async () => made;
         PushManager.prototype.subscribe = async ({{ userVisibleOnly, applicationServerKey }}) => {{
            if (!userVisibleOnly || applicationServerKey.length !== 65) throw new Error('refused');
            options.applicationServerKey = applicationServerKey.buffer;
            return (made = subscription);
         }};",
        browser.subscription("vi")
    );
    phone.goto(&format!("{url}{home}")).await;
    phone.script(&subscribe).await;
    sees(&phone, off.clone()).await;
    phone.click("[data-push] button").await;
    sees(&phone, on.clone()).await;
    telling.subscriptions("lang = 'en'", 1).await;
    phone.click("[data-push] button.quiet").await;
    sees(&phone, off).await;
    telling.subscriptions("true", 0).await;
    phone.click("[data-push] button").await;
    sees(&phone, on).await;

    // The message as the worker shows it.
    telling.set_time(&open, -51, 9).await;
    telling.subscriptions(WARNED, 1).await;
    let said = browser.read(&telling.service.received()[0]);
    phone.devtools("ServiceWorker.enable", json!({})).await;
    let deliver = json!({"origin": url, "registrationId": "0", "data": said.to_string()});
    let shown = "const worker = await navigator.serviceWorker.ready;
        return (await worker.getNotifications()).map(({ title, body, tag, lang }) => ({ title, body, tag, lang }))";
    // A worker that is just being renewed hears nothing: a push service sends again, too.
    eventually("the notification", || async {
        let again = phone.devtools("ServiceWorker.deliverPushMessage", deliver.clone());
        again.await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        phone.script(shown).await
            == json!([{"title": said["title"], "body": said["body"], "tag": home, "lang": "en"}])
    })
    .await;
    phone.close().await;
}
