//! VNPAY, protocol 2.1.0: a signed address to which the driver goes, a signed word (IPN) that comes
//! back by GET, and two calls to ask and to refund.
//!
//! Sources: VNPAY's integration documents for PAY, IPN, querydr and refund, version 2.1.0
//! (sandbox.vnpayment.vn/apis). Amounts are in đồng times 100. The word carries no signed time of
//! its sending; a repetition is known by VNPAY's number of the transaction.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use domain::Timestamp;
use domain::money::Vnd;
use domain::payment::BankNotice;
use serde_json::{Map, Value, json};

use super::wire::{
    form_decode, form_encode, from_local, local, object, same_hex, sha512_hex, text,
};
use super::{
    Answer, Ask, Asked, Call, Checkout, Distrust, Gateway, Order, RefundOrder, Refunded, Reply,
    Standing, Taken, Webhook, Word,
};

/// The gateway's code.
pub const CODE: &str = "vnpay";

const VERSION: &str = "2.1.0";
const STAMP: &str = "%Y%m%d%H%M%S";
/// The largest query string that is looked at, in bytes.
const MAX_QUERY: usize = 8 * 1024;

/// VNPAY for one merchant.
#[derive(Clone)]
pub struct Vnpay {
    /// The merchant's code.
    pub tmn_code: String,
    /// The key of all signatures.
    pub hash_secret: String,
    /// The page to which drivers go.
    pub pay_url: String,
    /// Where questions and refunds are sent.
    pub api_url: String,
}

impl std::fmt::Debug for Vnpay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vnpay")
            .field("tmn_code", &self.tmn_code)
            .finish_non_exhaustive()
    }
}

impl Vnpay {
    /// The signature of a query: names in order, values form-encoded, empty ones left out.
    pub fn sign_query(&self, fields: &BTreeMap<String, String>) -> (String, String) {
        let text = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{}={}", form_encode(name), form_encode(value)))
            .collect::<Vec<_>>()
            .join("&");
        let hash = sha512_hex(&self.hash_secret, &text);
        (text, hash)
    }

    /// A POST of fields, signed over their values, joined by `|`.
    fn post(&self, fields: &[(&str, String)]) -> Call {
        let values: Vec<&str> = fields.iter().map(|(_, value)| value.as_str()).collect();
        let mut body: Map<String, Value> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let hash = sha512_hex(&self.hash_secret, &values.join("|"));
        body.insert("vnp_SecureHash".to_owned(), json!(hash));
        Call {
            method: Method::POST,
            url: self.api_url.clone(),
            content_type: "application/json",
            headers: Vec::new(),
            body: Value::Object(body).to_string().into_bytes(),
        }
    }

    /// A reply whose signature is right, over the values of `signed`.
    fn read(&self, reply: &Reply, signed: &[&str]) -> Result<Map<String, Value>, String> {
        let told = object(reply)?;
        let values: Vec<String> = signed.iter().map(|name| text(&told, name)).collect();
        let hash = text(&told, "vnp_SecureHash");
        if same_hex(&sha512_hex(&self.hash_secret, &values.join("|")), &hash) {
            Ok(told)
        } else {
            Err("the reply's signature does not match".to_owned())
        }
    }
}

const QUERY_REPLY: [&str; 15] = [
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

fn notice(reference: &str, number: String, amount: &str, paid: &str) -> Result<BankNotice, String> {
    let hundredths: i64 = amount.parse().map_err(|_| "no amount".to_owned())?;
    if hundredths % 100 != 0 || number.is_empty() || number == "0" {
        return Err("no whole đồng, or no number".to_owned());
    }
    Ok(BankNotice {
        bank_ref: number,
        description: reference.to_owned(),
        amount_vnd: Vnd::new(hundredths / 100),
        currency: "VND".to_owned(),
        paid_at: from_local(paid).ok_or("no time of payment")?,
    })
}

/// What VNPAY's status of a transaction means for the money.
enum Money {
    Came,
    Fails,
    Open,
}

/// 00 is success, 01 not finished, 07 suspected of fraud and looked into; all else is the end.
fn money(status: &str) -> Money {
    match status {
        "00" => Money::Came,
        "02" | "04" | "09" => Money::Fails,
        _ => Money::Open,
    }
}

impl Gateway for Vnpay {
    fn code(&self) -> &'static str {
        CODE
    }

    fn name(&self) -> &'static str {
        "VNPAY"
    }

    fn ask(&self, order: &Order) -> Result<Ask, String> {
        let amount = order
            .amount_vnd
            .checked_mul(100)
            .ok_or("the amount is too large")?;
        let fields = [
            ("vnp_Version", VERSION.to_owned()),
            ("vnp_Command", "pay".to_owned()),
            ("vnp_TmnCode", self.tmn_code.clone()),
            ("vnp_Amount", amount.get().to_string()),
            ("vnp_CreateDate", local(order.asked_at, STAMP)),
            ("vnp_ExpireDate", local(order.expires_at, STAMP)),
            ("vnp_CurrCode", "VND".to_owned()),
            ("vnp_IpAddr", order.client_ip.clone()),
            ("vnp_Locale", "vn".to_owned()),
            (
                "vnp_OrderInfo",
                format!("{} {}", order.text, order.reference),
            ),
            ("vnp_OrderType", "other".to_owned()),
            ("vnp_ReturnUrl", order.return_url.clone()),
            ("vnp_TxnRef", order.reference.clone()),
        ];
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let (query, hash) = self.sign_query(&fields);
        Ok(Ask::Ready(Checkout {
            qr: None,
            redirect_url: Some(format!("{}?{query}&vnp_SecureHash={hash}", self.pay_url)),
        }))
    }

    fn asked(&self, _: &Order, _: &Reply) -> Asked {
        Asked::Unknown("VNPAY is asked by the driver's browser".to_owned())
    }

    fn query(&self, order: &Order, now: Timestamp) -> Option<Call> {
        let fields = [
            ("vnp_RequestId", format!("q{}", now.timestamp_micros())),
            ("vnp_Version", VERSION.to_owned()),
            ("vnp_Command", "querydr".to_owned()),
            ("vnp_TmnCode", self.tmn_code.clone()),
            ("vnp_TxnRef", order.reference.clone()),
            ("vnp_TransactionDate", local(order.asked_at, STAMP)),
            ("vnp_CreateDate", local(now, STAMP)),
            ("vnp_IpAddr", order.client_ip.clone()),
            ("vnp_OrderInfo", order.text.clone()),
        ];
        Some(self.post(&fields))
    }

    fn queried(&self, order: &Order, reply: &Reply) -> Standing {
        let told = match self.read(reply, &QUERY_REPLY) {
            Ok(told) => told,
            Err(why) => return Standing::Pending(why),
        };
        let (code, status) = (
            text(&told, "vnp_ResponseCode"),
            text(&told, "vnp_TransactionStatus"),
        );
        // 91: VNPAY knows no such order, for the driver has not come there yet.
        if code != "00" || text(&told, "vnp_TxnRef") != order.reference {
            return Standing::Pending(format!("answer {code}"));
        }
        match money(&status) {
            Money::Fails => Standing::Failed(format!("status {status}")),
            Money::Open => Standing::Pending(format!("status {status}")),
            Money::Came => {
                // The date is optional. VNPAY takes no money after the order's end.
                let paid = match text(&told, "vnp_PayDate") {
                    none if none.is_empty() => local(order.expires_at, STAMP),
                    paid => paid,
                };
                let told = notice(
                    &order.reference,
                    text(&told, "vnp_TransactionNo"),
                    &text(&told, "vnp_Amount"),
                    &paid,
                );
                told.map_or_else(Standing::Pending, Standing::Arrived)
            }
        }
    }

    /// VNPAY tells requests apart within one day of Vietnam's only. On a later day the same request
    /// could give the money twice, so from then on people must look.
    fn refund(&self, refund: &RefundOrder, now: Timestamp) -> Option<Call> {
        const DAY: &str = "%Y%m%d";
        if local(now, DAY) != local(refund.asked_at, DAY) {
            return None;
        }
        let whole = refund.amount_vnd == refund.order.amount_vnd;
        let amount = refund.amount_vnd.checked_mul(100)?;
        let fields = [
            // The same name each time.
            ("vnp_RequestId", refund.reference.clone()),
            ("vnp_Version", VERSION.to_owned()),
            ("vnp_Command", "refund".to_owned()),
            ("vnp_TmnCode", self.tmn_code.clone()),
            (
                "vnp_TransactionType",
                if whole { "02" } else { "03" }.to_owned(),
            ),
            ("vnp_TxnRef", refund.order.reference.clone()),
            ("vnp_Amount", amount.get().to_string()),
            ("vnp_TransactionNo", refund.gateway_ref.clone()),
            ("vnp_TransactionDate", local(refund.order.asked_at, STAMP)),
            ("vnp_CreateBy", "clearbay".to_owned()),
            ("vnp_CreateDate", local(refund.asked_at, STAMP)),
            ("vnp_IpAddr", "127.0.0.1".to_owned()),
            ("vnp_OrderInfo", format!("Hoan tien {}", refund.reference)),
        ];
        Some(self.post(&fields))
    }

    fn refunded(&self, _: &RefundOrder, reply: &Reply) -> Refunded {
        let told = match self.read(reply, &QUERY_REPLY[..13]) {
            Ok(told) => told,
            Err(why) => return Refunded::Pending(why),
        };
        let code = text(&told, "vnp_ResponseCode");
        match code.as_str() {
            // VNPAY has taken it on; 09 is its bank's refusal.
            "00" if text(&told, "vnp_TransactionStatus") != "09" => {
                Refunded::Done(text(&told, "vnp_TransactionNo"))
            }
            // More than came, ill-formed, not in parts, no such money: asking again changes nothing.
            "02" | "03" | "04" | "13" | "91" | "93" | "95" => {
                Refunded::Refused(format!("answer {code}"))
            }
            // 94 among them: it has this request, and the query tells what became of it.
            _ => Refunded::Pending(format!("answer {code}")),
        }
    }

    fn refund_query(&self, refund: &RefundOrder, now: Timestamp) -> Option<Call> {
        self.query(&refund.order, now)
    }

    fn refund_queried(&self, refund: &RefundOrder, reply: &Reply) -> Refunded {
        let told = match self.read(reply, &QUERY_REPLY) {
            Ok(told) => told,
            Err(why) => return Refunded::Pending(why),
        };
        let (kind, status) = (
            text(&told, "vnp_TransactionType"),
            text(&told, "vnp_TransactionStatus"),
        );
        let amount = refund.amount_vnd.checked_mul(100).unwrap_or_default();
        let ours = matches!(kind.as_str(), "02" | "03")
            && text(&told, "vnp_Amount") == amount.get().to_string();
        match status.as_str() {
            "00" | "05" | "06" if ours => Refunded::Done(text(&told, "vnp_TransactionNo")),
            "09" if ours => Refunded::Refused("status 09".to_owned()),
            _ => Refunded::Pending(format!("type {kind}, status {status}")),
        }
    }

    fn webhook(&self, webhook: Webhook<'_>, _: Timestamp) -> Result<Vec<Word>, Distrust> {
        if webhook.query.len() > MAX_QUERY {
            return Err(Distrust::Missing);
        }
        let mut fields = BTreeMap::new();
        for pair in webhook.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(Distrust::Missing)?;
            let (Some(name), Some(value)) = (form_decode(name), form_decode(value)) else {
                return Err(Distrust::Missing);
            };
            // Only VNPAY's own fields are signed; a name told twice could mean two things.
            if !name.starts_with("vnp_") || fields.insert(name, value).is_some() {
                return Err(Distrust::Missing);
            }
        }
        let hash = fields.remove("vnp_SecureHash").ok_or(Distrust::Missing)?;
        fields.remove("vnp_SecureHashType");
        if !same_hex(&self.sign_query(&fields).1, &hash) {
            return Err(Distrust::Wrong);
        }
        let value = |name: &str| fields.get(name).map_or("", String::as_str);
        if value("vnp_TmnCode") != self.tmn_code {
            return Err(Distrust::Unreadable(
                "it is for another merchant".to_owned(),
            ));
        }
        let (code, status) = (value("vnp_ResponseCode"), value("vnp_TransactionStatus"));
        let reference = value("vnp_TxnRef").to_owned();
        if code == "00" && status == "00" {
            let notice = notice(
                &reference,
                value("vnp_TransactionNo").to_owned(),
                value("vnp_Amount"),
                value("vnp_PayDate"),
            );
            return notice
                .map(|notice| vec![Word::Arrived(notice)])
                .map_err(Distrust::Unreadable);
        }
        match money(status) {
            Money::Open => Ok(Vec::new()),
            _ => Ok(vec![Word::Failed {
                reference,
                reason: format!("answer {code}, status {status}"),
            }]),
        }
    }

    fn answer(&self, taken: Result<&[Taken], &Distrust>) -> Answer {
        let (code, message) = match taken {
            Err(Distrust::Unreadable(_)) => ("99", "Unknown error"),
            Err(_) => ("97", "Invalid Checksum"),
            Ok([]) => ("00", "Confirm Success"),
            Ok([Taken::Done | Taken::Held, ..]) => ("00", "Confirm Success"),
            Ok([Taken::Repeated, ..]) => ("02", "Order already confirmed"),
            Ok([Taken::UnknownReference, ..]) => ("01", "Order not found"),
            Ok([Taken::AmountDiffers, ..]) => ("04", "Invalid amount"),
        };
        Answer {
            status: StatusCode::OK,
            content_type: "application/json",
            body: json!({"RspCode": code, "Message": message})
                .to_string()
                .into_bytes(),
        }
    }
}
