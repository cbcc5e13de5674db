//! What payment providers say: their notices, signed and not, and their replies to what we ask.

use std::collections::BTreeMap;

use api::Gateways;
use api::gateway::momo::{IPN, Momo};
use api::gateway::vietqr::{SIGNATURE_HEADER, sign};
use api::gateway::vnpay::Vnpay;
use api::gateway::{Distrust, Gateway, Order, RefundOrder, Refunded, Reply, Webhook, Word};
use api::secret::hmac_sha256;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use domain::Timestamp;
use domain::id::PaymentId;
use domain::money::Vnd;
use domain::payment::{Expected, PaymentStatus, Settlement, find_references, settle};
use serde_json::{Map, Value, json};

const BANK_KEY: &str = "the bank's key";
const HASH_SECRET: &str = "vnpay's key";
const ACCESS_KEY: &str = "momo's access key";
const SECRET_KEY: &str = "momo's key";
const KEY2: &str = "zalopay's second key";
const TMN_CODE: &str = "TMN";
const PARTNER: &str = "MOMO";

/// A city that offers all of them.
fn gateways() -> Gateways {
    let of = |name: &str| {
        let value = match name {
            "CLEARBAY_WEBHOOK_KEY" => BANK_KEY,
            "CLEARBAY_VIETQR_PAYOUT_URL" => "https://bank.example/payouts",
            "CLEARBAY_VNPAY_TMN_CODE" => TMN_CODE,
            "CLEARBAY_VNPAY_HASH_SECRET" => HASH_SECRET,
            "CLEARBAY_VNPAY_PAY_URL" => "https://pay.example/vpcpay",
            "CLEARBAY_VNPAY_API_URL" => "https://api.example/transaction",
            "CLEARBAY_MOMO_PARTNER_CODE" => PARTNER,
            "CLEARBAY_MOMO_ACCESS_KEY" => ACCESS_KEY,
            "CLEARBAY_MOMO_SECRET_KEY" => SECRET_KEY,
            "CLEARBAY_MOMO_URL" => "https://momo.example",
            "CLEARBAY_ZALOPAY_APP_ID" => "2553",
            "CLEARBAY_ZALOPAY_KEY1" => "zalopay's first key",
            "CLEARBAY_ZALOPAY_KEY2" => KEY2,
            "CLEARBAY_ZALOPAY_URL" => "https://zalo.example",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Gateways::from_env(of).expect("all of them are whole")
}

fn now() -> Timestamp {
    DateTime::from_timestamp(1_763_000_000, 0).expect("a time")
}

fn order() -> Order {
    Order {
        payment: PaymentId(uuid::Uuid::from_u128(7)),
        reference: "CB0123456789AB".to_owned(),
        amount_vnd: Vnd::new(25_000),
        text: "Thanh toan do xe".to_owned(),
        asked_at: now(),
        expires_at: now() + TimeDelta::minutes(15),
        return_url: "https://city.example/pay/7".to_owned(),
        notify_url: "https://city.example/api/v1/gateways/x/webhook".to_owned(),
        client_ip: "127.0.0.1".to_owned(),
        bank: ("970415".to_owned(), "0011001932418".to_owned()),
    }
}

/// The first byte chooses the provider, the second what the rest is: a notice as it comes, one that is signed
/// rightly around what is said, or a reply.
pub fn message(data: &[u8]) {
    let [provider, way, said @ ..] = data else {
        return;
    };
    let gateways = gateways();
    let code = ["vietqr", "vnpay", "momo", "zalopay"][usize::from(*provider % 4)];
    let gateway = gateways.get(code).expect("it is offered");
    match way % 3 {
        0 => unsigned(gateway, said),
        1 => signed(gateway, said),
        _ => reply(gateway, said),
    }
}

/// Nobody without a key is believed.
fn unsigned(gateway: &dyn Gateway, said: &[u8]) {
    let (head, body) = match said.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&said[..at], &said[at + 1..]),
        None => (said, said),
    };
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(head) {
        headers.insert(SIGNATURE_HEADER, value);
    }
    let webhook = Webhook {
        query: &String::from_utf8_lossy(head),
        headers: &headers,
        body,
    };
    let told = gateway.webhook(webhook, now());
    assert!(told.is_err(), "{told:?}");
    answered(gateway, told);
}

/// Whatever is signed is read or refused as unreadable: never as a forgery.
fn signed(gateway: &dyn Gateway, said: &[u8]) {
    let mut headers = HeaderMap::new();
    let (mut query, mut body) = (String::new(), Vec::new());
    match gateway.code() {
        "vietqr" => {
            let value = sign(BANK_KEY.as_bytes(), said, now());
            headers.insert(SIGNATURE_HEADER, value.parse().expect("a header's text"));
            body = said.to_vec();
        }
        "vnpay" => {
            let text = String::from_utf8_lossy(said);
            let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
            let fields: BTreeMap<String, String> = pairs
                .filter(|(name, _)| !name.starts_with("SecureHash"))
                .map(|(name, value)| (format!("vnp_{name}"), value.to_owned()))
                .chain([("vnp_TmnCode".to_owned(), TMN_CODE.to_owned())])
                .collect();
            let vnpay = Vnpay {
                tmn_code: TMN_CODE.to_owned(),
                hash_secret: HASH_SECRET.to_owned(),
                pay_url: String::new(),
                api_url: String::new(),
            };
            let (text, hash) = vnpay.sign_query(&fields);
            query = format!("{text}&vnp_SecureHash={hash}");
            // Longer ones are not looked at.
            if query.len() > 8 * 1024 {
                return;
            }
        }
        "momo" => {
            let Ok(Value::Object(mut told)) = serde_json::from_slice(said) else {
                return;
            };
            // What no whole number holds is not written again as it was read.
            if told.values().any(Value::is_f64) {
                return;
            }
            told.insert("partnerCode".to_owned(), json!(PARTNER));
            let momo = Momo {
                partner_code: PARTNER.to_owned(),
                access_key: ACCESS_KEY.to_owned(),
                secret_key: SECRET_KEY.to_owned(),
                url: String::new(),
            };
            let signature = momo.sign(&told, &IPN);
            told.insert("signature".to_owned(), json!(signature));
            body = Value::Object(told).to_string().into_bytes();
        }
        _ => {
            let data = String::from_utf8_lossy(said);
            let mac = hmac_sha256(KEY2.as_bytes(), &[data.as_bytes()]);
            body = json!({"data": data, "mac": hex::encode(mac), "type": 1})
                .to_string()
                .into_bytes();
        }
    }
    let webhook = Webhook {
        query: &query,
        headers: &headers,
        body: &body,
    };
    let told = gateway.webhook(webhook, now());
    let believed = matches!(told, Ok(_) | Err(Distrust::Unreadable(_)));
    assert!(believed, "{told:?}");
    answered(gateway, told);
}

/// What is done with a notice: its reference is looked for, and what it pays for is decided.
fn answered(gateway: &dyn Gateway, told: Result<Vec<Word>, Distrust>) {
    match told {
        Ok(words) => {
            for word in words {
                let Word::Arrived(notice) = word else {
                    continue;
                };
                let found = find_references(&notice.description);
                assert!(found.iter().all(|reference| reference.len() == 14));
                let expected = Expected {
                    status: PaymentStatus::Pending,
                    amount_vnd: Vnd::new(25_000),
                    expires_at: now(),
                };
                let settled = settle(Some(&expected), &notice);
                let exact = notice.amount_vnd == expected.amount_vnd && notice.currency == "VND";
                assert!(exact || settled != Settlement::Post, "{notice:?}");
            }
            let _ = gateway.answer(Ok(&[]));
        }
        Err(why) => drop(gateway.answer(Err(&why))),
    }
}

/// A reply that says nothing for certain leaves things as they are. VNPAY's replies are signed; so is this one.
fn reply(gateway: &dyn Gateway, said: &[u8]) {
    let mut body = said.to_vec();
    if gateway.code() == "vnpay" {
        let Ok(Value::Object(told)) = serde_json::from_slice(said) else {
            return;
        };
        body = vnpay_reply(told);
    }
    let order = order();
    let refund = RefundOrder {
        reference: "CBAAAAAAAAAAAA".to_owned(),
        order: order.clone(),
        gateway_ref: "14422574".to_owned(),
        amount_vnd: Vnd::new(10_000),
        asked_at: now(),
    };
    let reply = Reply {
        status: 200,
        body: Bytes::from(body),
    };
    let _ = gateway.asked(&order, &reply);
    let _ = gateway.queried(&order, &reply);
    for refunded in [
        gateway.refunded(&refund, &reply),
        gateway.refund_queried(&refund, &reply),
    ] {
        if let Refunded::Done(number) = refunded {
            assert!(number.len() <= said.len().max(refund.reference.len()));
        }
    }
}

/// The fields that VNPAY signs in its reply to a query, in their order.
const SIGNED: [&str; 15] = [
    "vnp_ResponseId",
    "vnp_Command",
    "vnp_ResponseCode",
    "vnp_Message",
    "vnp_TmnCode",
    "vnp_TxnRef",
    "vnp_Amount",
    "vnp_BankCode",
    "vnp_PayDate",
    "vnp_TransactionNo",
    "vnp_TransactionType",
    "vnp_TransactionStatus",
    "vnp_OrderInfo",
    "vnp_PromotionCode",
    "vnp_PromotionAmount",
];

fn vnpay_reply(mut told: Map<String, Value>) -> Vec<u8> {
    use hmac::{Hmac, Mac};
    let value = |name: &&str| match told.get(*name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let line: Vec<String> = SIGNED.iter().map(value).collect();
    let mut mac = Hmac::<sha2::Sha512>::new_from_slice(HASH_SECRET.as_bytes()).expect("a key");
    mac.update(line.join("|").as_bytes());
    let hash = hex::encode(mac.finalize().into_bytes());
    told.insert("vnp_SecureHash".to_owned(), json!(hash));
    Value::Object(told).to_string().into_bytes()
}
