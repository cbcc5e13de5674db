//! ZaloPay v2 from its own side.

use std::collections::HashMap;

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Order, Provider, Providers, Standing, Word, sha256_hex, signed};

type Fields = HashMap<String, String>;

pub(super) fn routes() -> Router<Providers> {
    Router::new()
        .route("/zalopay/v2/create", post(create))
        .route("/zalopay/v2/query", post(query))
        .route("/zalopay/v2/refund", post(refund))
        .route("/zalopay/v2/query_refund", post(refund_query))
}

fn reply(code: i64, sub: i64, more: Value) -> Response {
    let mut reply = json!({"return_code": code, "return_message": "", "sub_return_code": sub,
        "sub_return_message": ""});
    if let (Some(reply), Value::Object(more)) = (reply.as_object_mut(), more) {
        reply.extend(more);
    }
    Json(reply).into_response()
}

impl Providers {
    fn zalopay_distrust(&self, fields: &Fields, line: &str) -> Option<Response> {
        let told = fields.get("mac").map_or("", String::as_str);
        let right = sha256_hex(&self.0.keys.zalopay_key1, line) == told;
        (!right).then(|| reply(2, -402, json!({})))
    }

    pub(super) fn zalopay_word(&self, order: &Order, amount: i64, right: bool) -> Word {
        let data = json!({
            "app_id": order.merchant.parse::<i64>().unwrap_or_default(), "app_trans_id": order.name, "app_time": 0, "app_user": "clearbay",
            "amount": amount, "embed_data": "{}", "item": "[]", "zp_trans_id": order.number,
            "server_time": order.paid_at.timestamp_millis(), "channel": 38,
            "merchant_user_id": "", "user_fee_amount": 0, "discount_amount": 0,
        })
        .to_string();
        let mac = signed(sha256_hex(&self.0.keys.zalopay_key2, &data), right);
        let body = json!({"data": data, "mac": mac, "type": 1});
        Word {
            request: self.0.client.post(&order.notify_url).json(&body),
            heard: |_, body| {
                let told: Value = serde_json::from_slice(body).unwrap_or_default();
                matches!(told["return_code"].as_i64(), Some(1 | 2))
            },
        }
    }
}

async fn create(State(own): State<Providers>, Form(fields): Form<Fields>) -> Response {
    let provider = own.clone();
    own.answer(move || {
        let value = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let names = [
            "app_id",
            "app_trans_id",
            "app_user",
            "amount",
            "app_time",
            "embed_data",
            "item",
        ];
        let line = names.map(value).join("|");
        if let Some(refused) = provider.zalopay_distrust(&fields, &line) {
            return refused;
        }
        let name = value("app_trans_id");
        let today = chrono::Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
        if !name.starts_with(&today.format("%y%m%d_").to_string()) {
            return reply(2, -401, json!({}));
        }
        let embed: Value = serde_json::from_str(&value("embed_data")).unwrap_or_default();
        let amount = value("amount").parse().unwrap_or_default();
        let order = Order {
            merchant: value("app_id"),
            info: value("description"),
            notify_url: value("callback_url"),
            return_url: embed["redirecturl"].as_str().unwrap_or_default().to_owned(),
            ..provider.new_order(Provider::Zalopay, &name, amount)
        };
        if !provider.take(order) {
            return reply(2, -68, json!({}));
        }
        let url = format!("{}/checkout/zalopay/{name}", provider.0.own);
        reply(1, 1, json!({"order_url": url, "zp_trans_token": name}))
    })
    .await
}

async fn query(State(own): State<Providers>, Form(fields): Form<Fields>) -> Response {
    let provider = own.clone();
    own.answer(move || {
        let value = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let key1 = &provider.0.keys.zalopay_key1;
        let line = format!("{}|{}|{key1}", value("app_id"), value("app_trans_id"));
        if let Some(refused) = provider.zalopay_distrust(&fields, &line) {
            return refused;
        }
        match provider.order(Provider::Zalopay, &value("app_trans_id")) {
            None => reply(3, -101, json!({"is_processing": true})),
            Some(order) => match order.state {
                Standing::Open => reply(3, -49, json!({"is_processing": true})),
                Standing::Failed => reply(2, -54, json!({"is_processing": false})),
                Standing::Paid => {
                    let time = order.paid_at.timestamp_millis();
                    let more = json!({"is_processing": false, "amount": order.amount,
                        "zp_trans_id": order.number, "server_time": time});
                    reply(1, 1, more)
                }
            },
        }
    })
    .await
}

async fn refund(State(own): State<Providers>, Form(fields): Form<Fields>) -> Response {
    let provider = own.clone();
    own.answer(move || {
        let value = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let names = [
            "app_id",
            "zp_trans_id",
            "amount",
            "description",
            "timestamp",
        ];
        let line = names.map(value).join("|");
        if let Some(refused) = provider.zalopay_distrust(&fields, &line) {
            return refused;
        }
        let number: i64 = value("zp_trans_id").parse().unwrap_or_default();
        let amount: i64 = value("amount").parse().unwrap_or_default();
        let name = value("m_refund_id");
        match provider.give_back(Provider::Zalopay, number, &name, amount) {
            // A refund is never done at once: it is asked for.
            Some(()) => reply(3, 3, json!({"refund_id": number + 1})),
            None => reply(2, -13, json!({})),
        }
    })
    .await
}

async fn refund_query(State(own): State<Providers>, Form(fields): Form<Fields>) -> Response {
    let provider = own.clone();
    own.answer(move || {
        let value = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let names = ["app_id", "m_refund_id", "timestamp"];
        let line = names.map(value).join("|");
        if let Some(refused) = provider.zalopay_distrust(&fields, &line) {
            return refused;
        }
        let name = value("m_refund_id");
        let orders = super::lock(&provider.0.orders);
        let found = orders
            .values()
            .find(|order| order.refunds.contains_key(&name));
        match found {
            Some(order) => reply(1, 1, json!({"refund_id": order.number + 1})),
            None => reply(2, -101, json!({})),
        }
    })
    .await
}
