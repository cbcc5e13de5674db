//! MoMo v2 from its own side.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Order, Provider, Providers, Standing, Word, sha256_hex, signed};

pub(super) fn routes() -> Router<Providers> {
    Router::new()
        .route("/momo/v2/gateway/api/create", post(create))
        .route("/momo/v2/gateway/api/query", post(query))
        .route("/momo/v2/gateway/api/refund", post(refund))
        .route("/momo/v2/gateway/api/refund/query", post(refund_query))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

impl Providers {
    fn momo_sign(&self, body: &Value, names: &[&str]) -> String {
        let line: Vec<String> = names
            .iter()
            .map(|name| match *name {
                "accessKey" => format!("accessKey={}", self.0.keys.momo_access_key),
                name => format!("{name}={}", text(&body[name])),
            })
            .collect();
        sha256_hex(&self.0.keys.momo_secret_key, &line.join("&"))
    }

    /// The result of a call whose signature is wrong, or nothing.
    fn momo_distrust(&self, body: &Value, names: &[&str]) -> Option<Response> {
        let right = self.momo_sign(body, names) == text(&body["signature"]);
        (!right).then(|| reply(body, 13, json!({})))
    }

    pub(super) fn momo_word(&self, order: &Order, paid: bool, amount: i64, right: bool) -> Word {
        let mut body = json!({
            "partnerCode": order.merchant, "orderId": order.name, "requestId": order.name,
            "amount": amount, "orderInfo": order.info, "orderType": "momo_wallet",
            "transId": order.number, "resultCode": if paid { 0 } else { 1006 },
            "message": if paid { "Thành công." } else { "Giao dịch bị từ chối." },
            "payType": "qr", "responseTime": order.paid_at.timestamp_millis(), "extraData": "",
        });
        let names = [
            "accessKey",
            "amount",
            "extraData",
            "message",
            "orderId",
            "orderInfo",
            "orderType",
            "partnerCode",
            "payType",
            "requestId",
            "responseTime",
            "resultCode",
            "transId",
        ];
        body["signature"] = json!(signed(self.momo_sign(&body, &names), right));
        Word {
            request: self.0.client.post(&order.notify_url).json(&body),
            heard: |status, _| status == StatusCode::NO_CONTENT,
        }
    }
}

fn reply(body: &Value, code: i64, more: Value) -> Response {
    let mut reply = json!({
        "partnerCode": body["partnerCode"], "orderId": body["orderId"],
        "requestId": body["requestId"], "resultCode": code, "message": "",
        "responseTime": chrono::Utc::now().timestamp_millis(),
    });
    if let (Some(reply), Value::Object(more)) = (reply.as_object_mut(), more) {
        reply.extend(more);
    }
    Json(reply).into_response()
}

async fn create(State(own): State<Providers>, Json(body): Json<Value>) -> Response {
    let provider = own.clone();
    own.answer(move || {
        let names = [
            "accessKey",
            "amount",
            "extraData",
            "ipnUrl",
            "orderId",
            "orderInfo",
            "partnerCode",
            "redirectUrl",
            "requestId",
            "requestType",
        ];
        if let Some(refused) = provider.momo_distrust(&body, &names) {
            return refused;
        }
        let name = text(&body["orderId"]);
        let amount = body["amount"].as_i64().unwrap_or_default();
        let order = Order {
            merchant: text(&body["partnerCode"]),
            info: text(&body["orderInfo"]),
            notify_url: text(&body["ipnUrl"]),
            return_url: text(&body["redirectUrl"]),
            ..provider.new_order(Provider::Momo, &name, amount)
        };
        // The same request again gets the same answer.
        provider.take(order);
        let url = format!("{}/checkout/momo/{name}", provider.0.own);
        let more = json!({"amount": amount, "payUrl": url, "qrCodeUrl": format!("momo://{name}")});
        reply(&body, 0, more)
    })
    .await
}

async fn query(State(own): State<Providers>, Json(body): Json<Value>) -> Response {
    let provider = own.clone();
    own.answer(move || {
        let names = ["accessKey", "orderId", "partnerCode", "requestId"];
        if let Some(refused) = provider.momo_distrust(&body, &names) {
            return refused;
        }
        let Some(order) = provider.order(Provider::Momo, &text(&body["orderId"])) else {
            return reply(&body, 42, json!({}));
        };
        match order.state {
            Standing::Open => reply(&body, 1000, json!({})),
            Standing::Failed => reply(&body, 1006, json!({})),
            Standing::Paid => {
                let time = order.paid_at.timestamp_millis();
                let more = json!({"amount": order.amount, "transId": order.number,
                    "payType": "qr", "responseTime": time});
                reply(&body, 0, more)
            }
        }
    })
    .await
}

async fn refund(State(own): State<Providers>, Json(body): Json<Value>) -> Response {
    let provider = own.clone();
    own.answer(move || {
        let names = [
            "accessKey",
            "amount",
            "description",
            "orderId",
            "partnerCode",
            "requestId",
            "transId",
        ];
        if let Some(refused) = provider.momo_distrust(&body, &names) {
            return refused;
        }
        let number = body["transId"].as_i64().unwrap_or_default();
        let amount = body["amount"].as_i64().unwrap_or_default();
        let name = text(&body["orderId"]);
        match provider.give_back(Provider::Momo, number, &name, amount) {
            Some(()) => reply(&body, 0, json!({"amount": amount, "transId": number + 1})),
            None => reply(&body, 1080, json!({})),
        }
    })
    .await
}

async fn refund_query(State(own): State<Providers>, Json(body): Json<Value>) -> Response {
    let provider = own.clone();
    own.answer(move || {
        let names = ["accessKey", "orderId", "partnerCode", "requestId"];
        if let Some(refused) = provider.momo_distrust(&body, &names) {
            return refused;
        }
        let name = text(&body["orderId"]);
        let orders = super::lock(&provider.0.orders);
        let found = orders.values().find_map(|order| {
            let amount = order.refunds.get(&name)?;
            Some(json!({"orderId": name, "amount": amount, "resultCode": 0,
                "transId": order.number + 1}))
        });
        match found {
            Some(entry) => reply(&body, 0, json!({"refundTrans": [entry]})),
            None => reply(&body, 42, json!({"refundTrans": []})),
        }
    })
    .await
}
