//! The bank: it pays out by Clearbay's own signed protocol, and its app pays what a driver's phone
//! hands over.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Providers, lock};
use crate::bank::{payout_signature, signature};

pub(super) fn routes() -> Router<Providers> {
    Router::new()
        .route("/bank/payouts", post(payout))
        .route("/bank/app", get(app).post(pay))
}

/// What a phone hands to a banking app.
#[derive(Debug, Deserialize)]
struct Transfer {
    account: String,
    amount: i64,
    text: String,
    back: String,
}

/// The banking app, with everything filled in.
async fn app(Query(transfer): Query<Transfer>) -> Html<String> {
    let Transfer {
        account,
        amount,
        text,
        back,
    } = transfer;
    let field = |name: &str, value: &str| {
        let safe = value
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('\'', "&#39;");
        format!("<input type=hidden name={name} value='{safe}'>")
    };
    let fields = [
        field("account", &account),
        field("amount", &amount.to_string()),
        field("text", &text),
        field("back", &back),
    ]
    .concat();
    let shown: String = format!("{account} · {text}")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || " ·".contains(*c))
        .collect();
    Html(format!(
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>Bank</title><style>body{{font:18px system-ui;max-width:26em;margin:3em auto;\
         padding:0 1em}}button{{font:inherit;width:100%;padding:.8em;margin:.4em 0}}</style>\
         <h1>A bank's app (simulated)</h1><p>{amount} VND · {shown}</p>\
         <form method=post action='/bank/app'>{fields}<button>Transfer</button></form>"
    ))
}

/// The driver confirms: the bank books the transfer and tells the city; back to its page.
async fn pay(State(own): State<Providers>, Form(transfer): Form<Transfer>) -> Response {
    // Only back to the city that sent the driver.
    if !transfer.back.starts_with(&own.0.city) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let notice = json!({
        "bank_ref": format!("FT{:016X}", rand::random::<u64>()),
        "description": transfer.text,
        "amount_vnd": transfer.amount,
        "currency": "VND",
        "paid_at": chrono::Utc::now(),
    });
    let body = json!({ "transactions": [notice] }).to_string();
    let signature = signature(
        own.0.keys.bank.as_bytes(),
        chrono::Utc::now().timestamp(),
        body.as_bytes(),
    );
    let request = own
        .0
        .client
        .post(format!("{}/api/v1/gateways/vietqr/webhook", own.0.city))
        .header("content-type", "application/json")
        .header("clearbay-signature", signature)
        .body(body);
    match request.send().await {
        Ok(reply) if reply.status().is_success() => Redirect::to(&transfer.back).into_response(),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}

async fn payout(State(own): State<Providers>, headers: HeaderMap, body: Bytes) -> Response {
    let told = headers
        .get("clearbay-signature")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let time = told
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(','))
        .and_then(|(time, _)| time.parse::<i64>().ok())
        .unwrap_or_default();
    if payout_signature(own.0.keys.bank.as_bytes(), time, &body) != told {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let provider = own.clone();
    own.answer(move || {
        let order: Value = serde_json::from_slice(&body).unwrap_or_default();
        let Some(name) = order["request_id"].as_str() else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        // Paid once, however often it is asked.
        let mut payouts = lock(&provider.0.payouts);
        let number = format!("PO{:08}", payouts.len() + 1);
        let number = payouts.entry(name.to_owned()).or_insert(number).clone();
        axum::Json(json!({"status": "done", "bank_ref": number})).into_response()
    })
    .await
}
