#![allow(clippy::unwrap_used)]
//! What holds for every gateway, and the published vectors.

use std::collections::BTreeMap;
use std::path::Path;

use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use domain::Timestamp;
use domain::id::PaymentId;
use domain::money::Vnd;
use serde_json::{Value, json};
use uuid::Uuid;

use super::config::Gateways;
use super::momo::{CREATE, IPN, Momo};
use super::vietqr::{SIGNATURE_HEADER, VietQr, sign};
use super::vnpay::Vnpay;
use super::zalopay::Zalopay;
use super::*;

mod forgery;

const SECRETS: [&str; 5] = [
    "vnpay-hash",
    "momo-access",
    "momo-secret",
    "zalo-key1",
    "zalo-key2",
];

fn now() -> Timestamp {
    DateTime::from_timestamp(1_763_000_000, 0).unwrap()
}

fn vnpay() -> Vnpay {
    Vnpay {
        tmn_code: "TMN".to_owned(),
        hash_secret: SECRETS[0].to_owned(),
        pay_url: "https://pay.example/vpcpay".to_owned(),
        api_url: "https://api.example/transaction".to_owned(),
    }
}

fn momo() -> Momo {
    Momo {
        partner_code: "MOMO".to_owned(),
        access_key: SECRETS[1].to_owned(),
        secret_key: SECRETS[2].to_owned(),
        url: "https://momo.example".to_owned(),
    }
}

fn zalopay() -> Zalopay {
    Zalopay {
        app_id: "2553".to_owned(),
        key1: SECRETS[3].to_owned(),
        key2: SECRETS[4].to_owned(),
        url: "https://zalo.example".to_owned(),
    }
}

fn vietqr() -> VietQr {
    VietQr {
        key: b"bank-key".to_vec(),
        payout_url: Some("https://bank.example/payouts".to_owned()),
        app_url: Some(
            "https://app.example/pay?ba={account}@{bank}&am={amount}&tn={text}&url={back}"
                .to_owned(),
        ),
    }
}

fn order() -> Order {
    Order {
        payment: PaymentId(Uuid::from_u128(7)),
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

/// A message as it comes in.
#[derive(Clone)]
struct Message {
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Message {
    fn body(body: impl Into<Vec<u8>>) -> Self {
        Self {
            query: String::new(),
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    fn given_to(&self, gateway: &dyn Gateway) -> Result<Vec<Word>, Distrust> {
        let webhook = Webhook {
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
        };
        gateway.webhook(webhook, now())
    }
}

fn vnpay_word(gateway: &Vnpay, status: &str) -> Message {
    let fields: BTreeMap<String, String> = [
        ("vnp_Amount", "2500000"),
        ("vnp_BankCode", "NCB"),
        ("vnp_BankTranNo", "VNP1"),
        ("vnp_CardType", "ATM"),
        ("vnp_OrderInfo", "Thanh toan do xe CB0123456789AB"),
        ("vnp_PayDate", "20251113091806"),
        ("vnp_ResponseCode", status),
        ("vnp_TmnCode", "TMN"),
        ("vnp_TransactionNo", "14422574"),
        ("vnp_TransactionStatus", status),
        ("vnp_TxnRef", "CB0123456789AB"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let (query, hash) = gateway.sign_query(&fields);
    Message {
        query: format!("{query}&vnp_SecureHash={hash}"),
        headers: HeaderMap::new(),
        body: Vec::new(),
    }
}

fn momo_word(gateway: &Momo, code: i64) -> Message {
    let Value::Object(mut told) = json!({
        "partnerCode": "MOMO", "orderId": "CB0123456789AB", "requestId": "CB0123456789AB",
        "amount": 25_000, "orderInfo": "do xe", "orderType": "momo_wallet",
        "transId": 2_147_483_647_001_i64, "resultCode": code, "message": "Thành công.",
        "payType": "qr", "responseTime": 1_763_000_000_000_i64, "extraData": "",
    }) else {
        unreachable!()
    };
    let signature = gateway.sign(&told, &IPN);
    told.insert("signature".to_owned(), json!(signature));
    Message::body(Value::Object(told).to_string())
}

fn zalopay_word(key2: &str) -> Message {
    let data = json!({
        "app_id": 2553, "app_trans_id": "251113_CB0123456789AB", "app_time": 1,
        "app_user": "clearbay", "amount": 25_000, "embed_data": "{}", "item": "[]",
        "zp_trans_id": 240_331_000_000_175_i64, "server_time": 1_763_000_000_000_i64, "channel": 38,
    })
    .to_string();
    let mac = hex::encode(crate::secret::hmac_sha256(
        key2.as_bytes(),
        &[data.as_bytes()],
    ));
    Message::body(json!({"data": data, "mac": mac, "type": 1}).to_string())
}

fn vietqr_word(gateway: &VietQr) -> Message {
    let body = json!({"transactions": [{"bank_ref": "FT1", "description": "CB0123456789AB",
        "amount_vnd": 25_000, "currency": "VND", "paid_at": now()}]})
    .to_string();
    let mut headers = HeaderMap::new();
    let signature = sign(&gateway.key, body.as_bytes(), now());
    headers.insert(SIGNATURE_HEADER, HeaderValue::from_str(&signature).unwrap());
    Message {
        query: String::new(),
        headers,
        body: body.into_bytes(),
    }
}

fn arrived(words: &[Word]) -> &BankNotice {
    match words {
        [Word::Arrived(notice)] => notice,
        other => panic!("no money: {other:?}"),
    }
}

#[test]
fn a_true_word_is_believed() {
    let all: [(Box<dyn Gateway>, Message, &str); 4] = [
        (Box::new(vnpay()), vnpay_word(&vnpay(), "00"), "14422574"),
        (Box::new(momo()), momo_word(&momo(), 0), "2147483647001"),
        (
            Box::new(zalopay()),
            zalopay_word(SECRETS[4]),
            "240331000000175",
        ),
        (Box::new(vietqr()), vietqr_word(&vietqr()), "FT1"),
    ];
    for (gateway, message, number) in all {
        let words = message.given_to(gateway.as_ref()).unwrap();
        let notice = arrived(&words);
        assert_eq!(notice.bank_ref, number);
        assert_eq!(notice.amount_vnd, Vnd::new(25_000));
        let found = domain::payment::find_references(&notice.description);
        assert_eq!(found, ["CB0123456789AB"], "{}", gateway.code());
    }
}

#[test]
fn a_driver_who_gives_up_is_told_apart_from_one_who_has_not_decided() {
    let failed = |words: Vec<Word>| matches!(words.as_slice(), [Word::Failed { .. }]);
    assert!(failed(
        vnpay_word(&vnpay(), "02").given_to(&vnpay()).unwrap()
    ));
    assert!(
        vnpay_word(&vnpay(), "01")
            .given_to(&vnpay())
            .unwrap()
            .is_empty()
    );
    assert!(failed(momo_word(&momo(), 1006).given_to(&momo()).unwrap()));
    assert!(
        momo_word(&momo(), 7002)
            .given_to(&momo())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn the_published_vector_of_vnpay_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/payments.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not on this machine", path.display());
        return;
    };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    for vector in vectors["vnpay"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let gateway = Vnpay {
            tmn_code: "TEST_TMN_CODE".to_owned(),
            hash_secret: text("secret").to_owned(),
            ..vnpay()
        };
        let message = Message {
            query: format!("{}&vnp_SecureHash={}", text("query"), text("secure_hash")),
            headers: HeaderMap::new(),
            body: Vec::new(),
        };
        let words = message.given_to(&gateway).unwrap();
        let notice = arrived(&words);
        assert_eq!(notice.amount_vnd, Vnd::new(10_000));
        assert_eq!(notice.bank_ref, "14422574");
    }
    // What MoMo signs, and in what order, is the published.
    for (kind, ours) in [("create", &CREATE[..]), ("ipn", &IPN[..])] {
        assert_eq!(vectors["momo_v2"][kind], json!(ours), "{kind}");
        assert!(ours.is_sorted(), "MoMo signs in the order of names");
    }
}

#[test]
fn an_order_asked_for_again_is_the_same_order() {
    let all: [Box<dyn Gateway>; 4] = [
        Box::new(vnpay()),
        Box::new(momo()),
        Box::new(zalopay()),
        Box::new(vietqr()),
    ];
    for gateway in &all {
        assert_eq!(
            gateway.ask(&order()).unwrap(),
            gateway.ask(&order()).unwrap()
        );
    }
    let Ask::Ready(checkout) = vnpay().ask(&order()).unwrap() else {
        panic!("VNPAY is an address");
    };
    let url = checkout.redirect_url.unwrap();
    assert!(url.contains("vnp_Amount=2500000&"), "{url}");
    assert!(
        url.contains("vnp_OrderInfo=Thanh+toan+do+xe+CB0123456789AB&"),
        "{url}"
    );
    // What the driver carries back would verify as VNPAY's own.
    let query = url.split_once('?').unwrap().1.to_owned();
    let message = Message {
        query,
        headers: HeaderMap::new(),
        body: Vec::new(),
    };
    assert_eq!(
        message.given_to(&vnpay()),
        Ok(Vec::new()),
        "an order is no payment"
    );
}

#[test]
fn what_cannot_be_told_is_pending() {
    let reply = |status: u16, body: &str| Reply {
        status,
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    let refund = RefundOrder {
        reference: "CBREFUND000001".to_owned(),
        order: order(),
        gateway_ref: "14422574".to_owned(),
        amount_vnd: Vnd::new(10_000),
        asked_at: now(),
    };
    let vague = [
        reply(200, ""),
        reply(200, "<html>maintenance</html>"),
        reply(500, "Internal Server Error"),
        reply(200, "[]"),
        reply(200, "{}"),
        reply(200, r#"{"resultCode":"0"}"#),
        reply(200, r#"{"return_code":3}"#),
        reply(200, r#"{"resultCode":1000,"orderId":"CB0123456789AB"}"#),
        reply(200, r#"{"resultCode":0,"orderId":"CBSOMEBODYELSE"}"#),
        reply(
            200,
            r#"{"vnp_ResponseCode":"00","vnp_TransactionStatus":"00","vnp_SecureHash":"00"}"#,
        ),
        reply(200, r#"{"status":"pending"}"#),
    ];
    let all: [Box<dyn Gateway>; 4] = [
        Box::new(vnpay()),
        Box::new(momo()),
        Box::new(zalopay()),
        Box::new(vietqr()),
    ];
    for gateway in &all {
        for reply in &vague {
            let code = gateway.code();
            assert!(
                matches!(gateway.asked(&order(), reply), Asked::Unknown(_)),
                "{code} {reply:?}"
            );
            assert!(
                matches!(gateway.queried(&order(), reply), Standing::Pending(_)),
                "{code} {reply:?}"
            );
            assert!(
                matches!(gateway.refunded(&refund, reply), Refunded::Pending(_)),
                "{code} {reply:?}"
            );
            assert!(
                matches!(gateway.refund_queried(&refund, reply), Refunded::Pending(_)),
                "{code} {reply:?}"
            );
        }
    }
}

#[test]
fn nothing_shows_a_key() {
    let env = |name: &str| {
        let value = match name {
            "CLEARBAY_WEBHOOK_KEY" => "bank-key",
            "CLEARBAY_VNPAY_HASH_SECRET" => SECRETS[0],
            "CLEARBAY_MOMO_ACCESS_KEY" => SECRETS[1],
            "CLEARBAY_MOMO_SECRET_KEY" => SECRETS[2],
            "CLEARBAY_ZALOPAY_KEY1" => SECRETS[3],
            "CLEARBAY_ZALOPAY_KEY2" => SECRETS[4],
            _ => "plain",
        };
        Some(value.to_owned())
    };
    let gateways = Gateways::from_env(env).unwrap();
    assert_eq!(gateways.iter().count(), 5);
    let mut shown = format!("{gateways:?}");
    for gateway in gateways.iter() {
        shown += &format!(
            "{:?}{:?}",
            gateway.ask(&order()),
            gateway.query(&order(), now())
        );
    }
    for secret in SECRETS.iter().chain(&["bank-key"]) {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[test]
fn a_gateway_that_is_half_configured_is_named() {
    let env = |name: &str| (name == "CLEARBAY_MOMO_URL").then(|| "https://momo.example".to_owned());
    let missing = Gateways::from_env(env).unwrap_err();
    assert!(missing.contains("CLEARBAY_MOMO_SECRET_KEY"), "{missing}");
    assert!(!missing.contains("VNPAY"), "{missing}");
    assert_eq!(Gateways::from_env(|_| None).unwrap().iter().count(), 1);
}

#[test]
fn a_banking_app_opens_with_everything_filled_in() {
    let Ok(Ask::Ready(checkout)) = vietqr().ask(&order()) else {
        panic!("VietQR asks nobody");
    };
    let (bank, account) = order().bank;
    assert_eq!(
        checkout.redirect_url.unwrap(),
        format!(
            "https://app.example/pay?ba={account}@{bank}&am=25000&tn=CB0123456789AB\
             &url=https%3A%2F%2Fcity.example%2Fpay%2F7"
        )
    );
}
