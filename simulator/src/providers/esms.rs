//! eSMS as the city meets it, and a phone on which the messages arrive.

use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Providers, lock};

/// How many messages are shown; older ones are forgotten.
const MESSAGES_MAX: usize = 100;

pub(super) fn routes() -> Router<Providers> {
    Router::new()
        .route(
            "/esms/MainService.svc/json/SendMultipleMessage_V4_post_json/",
            post(send),
        )
        .route("/phone", get(phone))
        .route("/phone/messages", get(messages))
}

/// A message as it arrived.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Message {
    phone: String,
    text: String,
    /// The city's name of its order: the same again is not delivered again.
    #[serde(skip)]
    order: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Order {
    api_key: String,
    secret_key: String,
    brandname: String,
    sms_type: String,
    phone: String,
    content: String,
    request_id: String,
}

/// Takes a message, by eSMS's own codes: 100 is taken, 101 wrong keys, 104 no such brand, 99 other.
async fn send(State(own): State<Providers>, Json(order): Json<Order>) -> Json<Value> {
    let keys = &own.0.keys;
    let right = order.api_key == keys.esms_api_key && order.secret_key == keys.esms_secret_key;
    let code = match &order {
        _ if !right || keys.esms_api_key.is_empty() => "101",
        order if order.brandname != "Clearbay" => "104",
        order if order.sms_type != "2" || !order.content.is_ascii() => "99",
        _ => "100",
    };
    let mut arrived = lock(&own.0.messages);
    let known = arrived.iter().any(|known| known.order == order.request_id);
    if code == "100" && !known {
        arrived.truncate(MESSAGES_MAX - 1);
        arrived.push_front(Message {
            phone: order.phone,
            text: order.content,
            order: order.request_id,
        });
    }
    Json(json!({"CodeResult": code, "CountRegenerate": 0, "SMSID": "simulated"}))
}

async fn messages(State(own): State<Providers>) -> Json<Vec<Message>> {
    Json(lock(&own.0.messages).iter().cloned().collect())
}

/// The phone.
async fn phone(State(own): State<Providers>) -> Html<String> {
    let safe = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let arrived: String = lock(&own.0.messages)
        .iter()
        .map(|message| {
            let (phone, text) = (safe(&message.phone), safe(&message.text));
            format!("<article><small>{phone}</small><p>{text}</p></article>")
        })
        .collect();
    let shown = match arrived.as_str() {
        "" => "<p>No message has arrived yet.",
        some => some,
    };
    Html(format!(
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <meta http-equiv=refresh content=3><title>Phone</title>\
         <style>body{{font:18px system-ui;max-width:26em;margin:3em auto;padding:0 1em}}\
         p{{white-space:pre-line;background:#eee;color:#111;border-radius:.8em;padding:.8em}}</style>\
         <h1>Messages (simulated phones)</h1>{shown}"
    ))
}
