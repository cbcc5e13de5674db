//! VNPAY 2.1.0 from its own side.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha512;

use super::{Order, Provider, Providers, Standing, Word, page, signed};

pub(super) fn routes() -> Router<Providers> {
    Router::new()
        .route("/vnpay/pay", get(pay))
        .route("/vnpay/api", post(api))
}

fn sha512_hex(key: &str, text: &str) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A query in order of names, as a browser would encode it.
fn encoded(fields: &BTreeMap<String, String>) -> String {
    let mut url = reqwest::Url::parse("http://x/").ok();
    if let Some(url) = &mut url {
        let present = fields.iter().filter(|(_, value)| !value.is_empty());
        url.query_pairs_mut().extend_pairs(present);
    }
    url.as_ref()
        .and_then(reqwest::Url::query)
        .unwrap_or_default()
        .to_owned()
}

fn local(at: chrono::DateTime<chrono::Utc>) -> String {
    let vietnam = at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh);
    vietnam.format("%Y%m%d%H%M%S").to_string()
}

/// The driver comes with a signed order.
async fn pay(
    State(own): State<Providers>,
    Query(mut fields): Query<BTreeMap<String, String>>,
) -> Response {
    let hash = fields.remove("vnp_SecureHash").unwrap_or_default();
    if sha512_hex(&own.0.keys.vnpay_hash_secret, &encoded(&fields)) != hash {
        return (StatusCode::BAD_REQUEST, "code 70: wrong signature").into_response();
    }
    let value = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let Ok(hundredths) = value("vnp_Amount").parse::<i64>() else {
        return (StatusCode::BAD_REQUEST, "no amount").into_response();
    };
    let name = value("vnp_TxnRef");
    let order = Order {
        merchant: value("vnp_TmnCode"),
        info: value("vnp_OrderInfo"),
        notify_url: format!("{}/api/v1/gateways/vnpay/webhook", own.0.city),
        return_url: value("vnp_ReturnUrl"),
        ..own.new_order(Provider::Vnpay, &name, hundredths / 100)
    };
    // A driver who opens the page again finds the same order.
    own.take(order);
    match own.order(Provider::Vnpay, &name) {
        Some(order) => page(&order).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn api(State(own): State<Providers>, Json(body): Json<Value>) -> Response {
    let provider = own.clone();
    own.answer(move || provider.vnpay_answer(&body)).await
}

impl Providers {
    fn vnpay_answer(&self, body: &Value) -> Response {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let common = ["vnp_RequestId", "vnp_Version", "vnp_Command", "vnp_TmnCode"];
        let rest: &[&str] = match text("vnp_Command").as_str() {
            "querydr" => &[
                "vnp_TxnRef",
                "vnp_TransactionDate",
                "vnp_CreateDate",
                "vnp_IpAddr",
                "vnp_OrderInfo",
            ],
            _ => &[
                "vnp_TransactionType",
                "vnp_TxnRef",
                "vnp_Amount",
                "vnp_TransactionNo",
                "vnp_TransactionDate",
                "vnp_CreateBy",
                "vnp_CreateDate",
                "vnp_IpAddr",
                "vnp_OrderInfo",
            ],
        };
        let names = common.iter().chain(rest);
        let line = names.map(|name| text(name)).collect::<Vec<_>>().join("|");
        let key = &self.0.keys.vnpay_hash_secret;
        if sha512_hex(key, &line) != text("vnp_SecureHash") {
            return Json(json!({"vnp_ResponseCode": "97", "vnp_Message": "Invalid Checksum"}))
                .into_response();
        }
        let order = self.order(Provider::Vnpay, &text("vnp_TxnRef"));
        let refund = text("vnp_Command") == "refund";
        let code = match &order {
            None => "91",
            Some(order) if refund => {
                let amount = text("vnp_Amount").parse::<i64>().unwrap_or_default() / 100;
                let name = text("vnp_RequestId");
                match self.give_back(Provider::Vnpay, order.number, &name, amount) {
                    Some(()) => "00",
                    None => "02",
                }
            }
            Some(_) => "00",
        };
        let status = match order.as_ref().map(|order| order.state) {
            Some(Standing::Paid) => "00",
            Some(Standing::Failed) => "02",
            _ => "01",
        };
        let mut reply: Vec<(&str, String)> = vec![
            ("vnp_ResponseId", format!("r{}", text("vnp_RequestId"))),
            ("vnp_Command", text("vnp_Command")),
            ("vnp_ResponseCode", code.to_owned()),
            ("vnp_Message", "ok".to_owned()),
            ("vnp_TmnCode", text("vnp_TmnCode")),
            ("vnp_TxnRef", text("vnp_TxnRef")),
        ];
        let whole = order.as_ref().map_or(0, |order| order.amount);
        // Whoever asks after an order of which some went back is told of that.
        let back = order.as_ref().filter(|_| !refund);
        let back = back.and_then(|order| order.refunds.values().next().copied());
        let (kind, amount) = match back {
            None => ("01", whole),
            Some(all) if all == whole => ("02", all),
            Some(part) => ("03", part),
        };
        let number = order.as_ref().map_or(0, |order| order.number);
        let paid = order.as_ref().map(|order| local(order.paid_at));
        reply.extend([
            ("vnp_Amount", (amount * 100).to_string()),
            ("vnp_BankCode", "NCB".to_owned()),
            ("vnp_PayDate", paid.unwrap_or_default()),
            ("vnp_TransactionNo", number.to_string()),
            ("vnp_TransactionType", kind.to_owned()),
            ("vnp_TransactionStatus", status.to_owned()),
            ("vnp_OrderInfo", text("vnp_OrderInfo")),
        ]);
        if !refund {
            reply.push(("vnp_PromotionCode", String::new()));
            reply.push(("vnp_PromotionAmount", String::new()));
        }
        let values: Vec<&str> = reply.iter().map(|(_, value)| value.as_str()).collect();
        let hash = sha512_hex(key, &values.join("|"));
        reply.push(("vnp_SecureHash", hash));
        let reply: BTreeMap<&str, String> = reply.into_iter().collect();
        Json(reply).into_response()
    }

    pub(super) fn vnpay_word(&self, order: &Order, paid: bool, amount: i64, right: bool) -> Word {
        let status = if paid { "00" } else { "02" };
        let fields: BTreeMap<String, String> = [
            ("vnp_Amount", (amount * 100).to_string()),
            ("vnp_BankCode", "NCB".to_owned()),
            ("vnp_BankTranNo", format!("VNP{}", order.number)),
            ("vnp_CardType", "ATM".to_owned()),
            ("vnp_OrderInfo", order.info.clone()),
            ("vnp_PayDate", local(order.paid_at)),
            (
                "vnp_ResponseCode",
                if paid { "00" } else { "24" }.to_owned(),
            ),
            ("vnp_TmnCode", order.merchant.clone()),
            ("vnp_TransactionNo", order.number.to_string()),
            ("vnp_TransactionStatus", status.to_owned()),
            ("vnp_TxnRef", order.name.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let query = encoded(&fields);
        let hash = signed(sha512_hex(&self.0.keys.vnpay_hash_secret, &query), right);
        let url = format!("{}?{query}&vnp_SecureHash={hash}", order.notify_url);
        Word {
            request: self.0.client.get(url),
            // 00 is heard, 01, 02 and 04 are final as well; anything else is told again.
            heard: |_, body| {
                let told: Value = serde_json::from_slice(body).unwrap_or_default();
                ["00", "01", "02", "04"].contains(&told["RspCode"].as_str().unwrap_or_default())
            },
        }
    }
}
