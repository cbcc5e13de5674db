//! MoMo, API v2 (`captureWallet`): an order is made by a call, the driver pays in the app, MoMo
//! tells by POST (IPN).
//!
//! Sources: MoMo's developer documents for create, query, refund, refund/query and IPN
//! (developers.momo.vn/v3). Signatures are HMAC-SHA256 over `name=value` pairs of raw values in the
//! order of their names. The word's `responseTime` is when MoMo decided, not when it was sent, so
//! it bounds nothing: money that came is booked however late it is told.

use axum::http::{Method, StatusCode};
use chrono::DateTime;
use domain::Timestamp;
use domain::money::Vnd;
use domain::payment::BankNotice;
use serde_json::{Map, Value, json};

use super::wire::{code, object, said, same_hex, sha256_hex, text};
use super::{
    Answer, Ask, Asked, Call, Checkout, Distrust, Gateway, Order, RefundOrder, Refunded, Reply,
    Standing, Taken, Webhook, Word,
};

/// The gateway's code.
pub const CODE: &str = "momo";

/// The fields of an order's signature, in their order.
pub(super) const CREATE: [&str; 10] = [
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

/// The fields of an IPN's signature, in their order.
pub const IPN: [&str; 13] = [
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

/// MoMo for one partner.
#[derive(Clone)]
pub struct Momo {
    /// The partner's code.
    pub partner_code: String,
    /// Goes into every signature.
    pub access_key: String,
    /// The key of all signatures.
    pub secret_key: String,
    /// Where calls are sent, without a slash at the end.
    pub url: String,
}

impl std::fmt::Debug for Momo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Momo")
            .field("partner_code", &self.partner_code)
            .finish_non_exhaustive()
    }
}

impl Momo {
    /// The signature over the named fields, in the order given.
    pub fn sign(&self, fields: &Map<String, Value>, names: &[&str]) -> String {
        let pair = |name: &&str| match *name {
            "accessKey" => format!("accessKey={}", self.access_key),
            name => format!("{name}={}", text(fields, name)),
        };
        let line = names.iter().map(pair).collect::<Vec<_>>().join("&");
        sha256_hex(&self.secret_key, &line)
    }

    fn post(&self, path: &str, fields: Value, names: &[&str]) -> Call {
        let mut fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let signature = self.sign(&fields, names);
        fields.insert("lang".to_owned(), json!("vi"));
        fields.insert("signature".to_owned(), json!(signature));
        Call {
            method: Method::POST,
            url: format!("{}{path}", self.url),
            content_type: "application/json",
            headers: Vec::new(),
            body: Value::Object(fields).to_string().into_bytes(),
        }
    }
}

/// A reply of MoMo's with its result, or why it cannot be told. Replies are not signed by the
/// published rules; they come over the connection that we opened.
fn read(reply: &Reply) -> Result<(Map<String, Value>, i64), String> {
    let told = object(reply)?;
    let result = code(&told, "resultCode").ok_or("no resultCode")?;
    Ok((told, result))
}

/// Results after which an order's money will not come: the payer or the issuer refused, or the time
/// is over. Every other result may still turn out well.
const FAILED: [i64; 13] = [
    1001, 1002, 1003, 1004, 1005, 1006, 1007, 1017, 1026, 2019, 4001, 4002, 4100,
];

/// Results after which MoMo will not take an order as it is: rights, version, keys, form, amount.
const UNACCEPTABLE: [i64; 7] = [11, 12, 13, 20, 21, 22, 47];

/// Results after which a refund will not be made.
const REFUND_REFUSED: [i64; 4] = [21, 22, 1081, 1088];

fn notice(reference: &str, told: &Map<String, Value>) -> Option<BankNotice> {
    let number = text(told, "transId");
    let time = code(told, "responseTime")?;
    (!number.is_empty() && number != "0").then_some(())?;
    Some(BankNotice {
        bank_ref: number,
        description: reference.to_owned(),
        amount_vnd: Vnd::new(code(told, "amount")?),
        currency: "VND".to_owned(),
        paid_at: DateTime::from_timestamp_millis(time)?,
    })
}

impl Gateway for Momo {
    fn code(&self) -> &'static str {
        CODE
    }

    fn name(&self) -> &'static str {
        "MoMo"
    }

    fn ask(&self, order: &Order) -> Result<Ask, String> {
        let fields = json!({
            "partnerCode": self.partner_code,
            "requestId": order.reference,
            "amount": order.amount_vnd.get(),
            "orderId": order.reference,
            "orderInfo": format!("{} {}", order.text, order.reference),
            "redirectUrl": order.return_url,
            "ipnUrl": order.notify_url,
            "requestType": "captureWallet",
            "extraData": "",
        });
        Ok(Ask::Call(self.post(
            "/v2/gateway/api/create",
            fields,
            &CREATE,
        )))
    }

    fn asked(&self, order: &Order, reply: &Reply) -> Asked {
        let (told, result) = match read(reply) {
            Ok(read) => read,
            Err(why) => return Asked::Unknown(why),
        };
        if text(&told, "orderId") != order.reference {
            return Asked::Unknown(format!("result {result} for another order"));
        }
        match result {
            0 => match said(&told, "payUrl") {
                // The page of MoMo's own; its QR text is for MoMo's app.
                Some(url) => Asked::Ready(Checkout {
                    qr: said(&told, "qrCodeUrl"),
                    redirect_url: Some(url),
                }),
                None => Asked::Unknown("no payUrl".to_owned()),
            },
            _ if FAILED.contains(&result) || UNACCEPTABLE.contains(&result) => {
                Asked::Refused(format!("result {result}"))
            }
            // 40 and 41 among them: MoMo has this order, and is asked what became of it.
            _ => Asked::Unknown(format!("result {result}")),
        }
    }

    fn query(&self, order: &Order, now: Timestamp) -> Option<Call> {
        let fields = json!({
            "partnerCode": self.partner_code,
            "requestId": format!("{}-{}", order.reference, now.timestamp_millis()),
            "orderId": order.reference,
        });
        let names = ["accessKey", "orderId", "partnerCode", "requestId"];
        Some(self.post("/v2/gateway/api/query", fields, &names))
    }

    fn queried(&self, order: &Order, reply: &Reply) -> Standing {
        let (told, result) = match read(reply) {
            Ok(read) => read,
            Err(why) => return Standing::Pending(why),
        };
        if text(&told, "orderId") != order.reference {
            return Standing::Pending(format!("result {result} for another order"));
        }
        match result {
            0 => match notice(&order.reference, &told) {
                // The time is that of this reply. MoMo takes no money for an order whose time is
                // over, so what came, came by then.
                Some(notice) => Standing::Arrived(BankNotice {
                    paid_at: notice.paid_at.min(order.expires_at),
                    ..notice
                }),
                None => Standing::Pending("success without a number".to_owned()),
            },
            _ if FAILED.contains(&result) => Standing::Failed(format!("result {result}")),
            _ => Standing::Pending(format!("result {result}")),
        }
    }

    fn refund(&self, refund: &RefundOrder, _: Timestamp) -> Option<Call> {
        let number: i64 = refund.gateway_ref.parse().ok()?;
        let fields = json!({
            "partnerCode": self.partner_code,
            "orderId": refund.reference,
            "requestId": refund.reference,
            "amount": refund.amount_vnd.get(),
            "transId": number,
            "description": format!("Hoan tien {}", refund.reference),
        });
        let names = [
            "accessKey",
            "amount",
            "description",
            "orderId",
            "partnerCode",
            "requestId",
            "transId",
        ];
        Some(self.post("/v2/gateway/api/refund", fields, &names))
    }

    fn refunded(&self, refund: &RefundOrder, reply: &Reply) -> Refunded {
        let (told, result) = match read(reply) {
            Ok(read) => read,
            Err(why) => return Refunded::Pending(why),
        };
        if text(&told, "orderId") != refund.reference {
            return Refunded::Pending(format!("result {result} for another order"));
        }
        match result {
            0 => Refunded::Done(text(&told, "transId")),
            _ if REFUND_REFUSED.contains(&result) => Refunded::Refused(format!("result {result}")),
            // 40 and 41 among them: MoMo has this refund, and is asked what became of it.
            _ => Refunded::Pending(format!("result {result}")),
        }
    }

    fn refund_query(&self, refund: &RefundOrder, now: Timestamp) -> Option<Call> {
        let fields = json!({
            "partnerCode": self.partner_code,
            "requestId": format!("{}-{}", refund.reference, now.timestamp_millis()),
            "orderId": refund.reference,
        });
        let names = ["accessKey", "orderId", "partnerCode", "requestId"];
        Some(self.post("/v2/gateway/api/refund/query", fields, &names))
    }

    fn refund_queried(&self, refund: &RefundOrder, reply: &Reply) -> Refunded {
        let (told, result) = match read(reply) {
            Ok(read) => read,
            Err(why) => return Refunded::Pending(why),
        };
        let list = told.get("refundTrans").and_then(Value::as_array);
        let entries = list.into_iter().flatten().filter_map(Value::as_object);
        let mut ours = entries.filter(|entry| {
            text(entry, "orderId") == refund.reference && code(entry, "resultCode") == Some(0)
        });
        match ours.next() {
            Some(entry) => Refunded::Done(text(entry, "transId")),
            None => Refunded::Pending(format!("result {result}")),
        }
    }

    fn webhook(&self, webhook: Webhook<'_>, _: Timestamp) -> Result<Vec<Word>, Distrust> {
        let told: Value = serde_json::from_slice(webhook.body).map_err(|_| Distrust::Missing)?;
        let Value::Object(told) = told else {
            return Err(Distrust::Missing);
        };
        let signature = told
            .get("signature")
            .and_then(Value::as_str)
            .ok_or(Distrust::Missing)?;
        if !same_hex(&self.sign(&told, &IPN), signature) {
            return Err(Distrust::Wrong);
        }
        if text(&told, "partnerCode") != self.partner_code {
            return Err(Distrust::Unreadable("it is for another partner".to_owned()));
        }
        let reference = text(&told, "orderId");
        let result = code(&told, "resultCode")
            .ok_or_else(|| Distrust::Unreadable("no resultCode".to_owned()))?;
        match result {
            0 => notice(&reference, &told)
                .map(|notice| vec![Word::Arrived(notice)])
                .ok_or_else(|| Distrust::Unreadable("success without a number".to_owned())),
            _ if FAILED.contains(&result) => Ok(vec![Word::Failed {
                reference,
                reason: format!("result {result}"),
            }]),
            _ => Ok(Vec::new()),
        }
    }

    fn answer(&self, taken: Result<&[Taken], &Distrust>) -> Answer {
        Answer {
            status: match taken {
                Ok(_) => StatusCode::NO_CONTENT,
                Err(_) => StatusCode::BAD_REQUEST,
            },
            content_type: "",
            body: Vec::new(),
        }
    }
}
