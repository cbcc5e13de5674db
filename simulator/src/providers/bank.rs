//! The bank that pays out: Clearbay's own signed protocol, from the bank's side.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

use super::{Providers, lock};
use crate::bank::signature;

pub(super) fn routes() -> Router<Providers> {
    Router::new().route("/bank/payouts", post(payout))
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
    if signature(own.0.keys.bank.as_bytes(), time, &body) != told {
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
