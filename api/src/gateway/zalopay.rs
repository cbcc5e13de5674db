//! ZaloPay, API v2: an order is made by a call signed with key 1, ZaloPay tells of success by POST
//! signed with key 2.
//!
//! Sources: ZaloPay's documents for create, callback, query, refund and query_refund, version 2
//! (docs.zalopay.vn/v2). An order's name begins with its date in Vietnam. Only success is ever
//! told; failure is learned by asking.

use axum::http::{Method, StatusCode};
use chrono::DateTime;
use domain::Timestamp;
use domain::money::Vnd;
use domain::payment::BankNotice;
use serde_json::{Map, Value, json};

use super::wire::{code, form_encode, local, object, said, same_hex, sha256_hex};
use super::{
    Answer, Ask, Asked, Call, Checkout, Distrust, Gateway, Order, RefundOrder, Refunded, Reply,
    Standing, Taken, Webhook, Word,
};

/// The gateway's code.
pub const CODE: &str = "zalopay";

const SUCCESS: i64 = 1;
const FAILURE: i64 = 2;
/// `sub_return_code`: the order's time is over. Other failures may still turn out well: the payer
/// can fill the wallet and try again.
const TIME_OVER: i64 = -54;
/// `sub_return_code` of an order that ZaloPay cannot take: its form, or our keys.
const UNACCEPTABLE: [i64; 3] = [-401, -402, -403];
/// `sub_return_code` of a refund that will not be made: too late, a wrong amount, no such payment.
const REFUND_REFUSED: [i64; 3] = [-13, -14, -101];
/// The same as the query tells it. There -101 means that the refund was never asked for.
const REFUND_FAILED: [i64; 5] = [0, -2, -13, -14, -32];

/// ZaloPay for one application.
#[derive(Clone)]
pub struct Zalopay {
    /// The application's number.
    pub app_id: String,
    /// Signs what we send.
    pub key1: String,
    /// Signs what we are told.
    pub key2: String,
    /// Where calls are sent, without a slash at the end.
    pub url: String,
}

impl std::fmt::Debug for Zalopay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zalopay")
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}

impl Zalopay {
    /// The order's name at ZaloPay: `yymmdd_` in Vietnam's time and our reference.
    pub fn trans_id(order: &Order) -> String {
        format!("{}_{}", local(order.asked_at, "%y%m%d"), order.reference)
    }

    fn refund_id(&self, refund: &RefundOrder) -> String {
        let day = local(refund.asked_at, "%y%m%d");
        format!("{day}_{}_{}", self.app_id, refund.reference)
    }

    fn post(&self, path: &str, fields: &[(&str, String)], signed: &str) -> Call {
        let mac = sha256_hex(&self.key1, signed);
        let body = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain([("mac", mac.as_str())])
            .map(|(name, value)| format!("{name}={}", form_encode(value)))
            .collect::<Vec<_>>()
            .join("&");
        Call {
            method: Method::POST,
            url: format!("{}{path}", self.url),
            content_type: "application/x-www-form-urlencoded",
            headers: Vec::new(),
            body: body.into_bytes(),
        }
    }
}

fn read(reply: &Reply) -> Result<(Map<String, Value>, i64), String> {
    let told = object(reply)?;
    let result = code(&told, "return_code").ok_or("no return_code")?;
    Ok((told, result))
}

fn number(told: &Map<String, Value>, name: &str) -> Option<i64> {
    match told.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn sub_code(told: &Map<String, Value>) -> i64 {
    number(told, "sub_return_code").unwrap_or_default()
}

/// What a reply says of a refund, which failed for good with one of the codes in `refused`.
fn refund_told(refund: &RefundOrder, reply: &Reply, refused: &[i64]) -> Refunded {
    let (told, code) = match read(reply) {
        Ok(read) => read,
        Err(why) => return Refunded::Pending(why),
    };
    let sub = told
        .contains_key("sub_return_code")
        .then(|| sub_code(&told));
    match code {
        SUCCESS => Refunded::Done(
            number(&told, "refund_id")
                .map_or_else(|| refund.reference.clone(), |number| number.to_string()),
        ),
        FAILURE if sub.is_some_and(|sub| refused.contains(&sub)) => {
            Refunded::Refused(format!("code {}", sub_code(&told)))
        }
        code => Refunded::Pending(format!("code {code}, {}", sub_code(&told))),
    }
}

impl Gateway for Zalopay {
    fn code(&self) -> &'static str {
        CODE
    }

    fn name(&self) -> &'static str {
        "ZaloPay"
    }

    fn ask(&self, order: &Order) -> Result<Ask, String> {
        let trans = Self::trans_id(order);
        let time = order.asked_at.timestamp_millis().to_string();
        let amount = order.amount_vnd.get().to_string();
        let embed = json!({ "redirecturl": order.return_url }).to_string();
        let lasts = (order.expires_at - order.asked_at).num_seconds().max(300);
        let signed = format!(
            "{}|{trans}|clearbay|{amount}|{time}|{embed}|[]",
            self.app_id
        );
        let fields = [
            ("app_id", self.app_id.clone()),
            ("app_trans_id", trans),
            ("app_user", "clearbay".to_owned()),
            ("amount", amount),
            ("app_time", time),
            ("expire_duration_seconds", lasts.to_string()),
            ("embed_data", embed),
            ("item", "[]".to_owned()),
            ("description", format!("{} {}", order.text, order.reference)),
            ("bank_code", String::new()),
            ("callback_url", order.notify_url.clone()),
        ];
        Ok(Ask::Call(self.post("/v2/create", &fields, &signed)))
    }

    fn asked(&self, _: &Order, reply: &Reply) -> Asked {
        let (told, code) = match read(reply) {
            Ok(read) => read,
            Err(why) => return Asked::Unknown(why),
        };
        match (code, said(&told, "order_url")) {
            (SUCCESS, Some(url)) => Asked::Ready(Checkout {
                qr: said(&told, "qr_code"),
                redirect_url: Some(url),
            }),
            (FAILURE, _) if UNACCEPTABLE.contains(&sub_code(&told)) => {
                Asked::Refused(format!("code {}", sub_code(&told)))
            }
            // An order whose name is taken among them: ZaloPay has it, and is asked.
            _ => Asked::Unknown(format!("code {code}, {}", sub_code(&told))),
        }
    }

    fn query(&self, order: &Order, _: Timestamp) -> Option<Call> {
        let trans = Self::trans_id(order);
        let signed = format!("{}|{trans}|{}", self.app_id, self.key1);
        let fields = [("app_id", self.app_id.clone()), ("app_trans_id", trans)];
        Some(self.post("/v2/query", &fields, &signed))
    }

    fn queried(&self, order: &Order, reply: &Reply) -> Standing {
        let (told, code) = match read(reply) {
            Ok(read) => read,
            Err(why) => return Standing::Pending(why),
        };
        match code {
            SUCCESS => {
                let notice = || {
                    Some(BankNotice {
                        bank_ref: number(&told, "zp_trans_id")?.to_string(),
                        description: order.reference.clone(),
                        amount_vnd: Vnd::new(number(&told, "amount")?),
                        currency: "VND".to_owned(),
                        // ZaloPay takes no money for an order whose time is over, so what came,
                        // came by then, whatever time the reply names.
                        paid_at: number(&told, "server_time")
                            .and_then(DateTime::from_timestamp_millis)
                            .map_or(order.expires_at, |at| at.min(order.expires_at)),
                    })
                };
                notice().map_or_else(
                    || Standing::Pending("success without a number".to_owned()),
                    Standing::Arrived,
                )
            }
            FAILURE if sub_code(&told) == TIME_OVER => {
                Standing::Failed(format!("code {TIME_OVER}"))
            }
            code => Standing::Pending(format!("code {code}, {}", sub_code(&told))),
        }
    }

    fn refund(&self, refund: &RefundOrder, now: Timestamp) -> Option<Call> {
        let amount = refund.amount_vnd.get().to_string();
        let time = now.timestamp_millis().to_string();
        let text = format!("Hoan tien {}", refund.reference);
        let signed = format!(
            "{}|{}|{amount}|{text}|{time}",
            self.app_id, refund.gateway_ref
        );
        let fields = [
            ("app_id", self.app_id.clone()),
            ("m_refund_id", self.refund_id(refund)),
            ("zp_trans_id", refund.gateway_ref.clone()),
            ("amount", amount),
            ("timestamp", time),
            ("description", text),
        ];
        Some(self.post("/v2/refund", &fields, &signed))
    }

    fn refunded(&self, refund: &RefundOrder, reply: &Reply) -> Refunded {
        refund_told(refund, reply, &REFUND_REFUSED)
    }

    fn refund_query(&self, refund: &RefundOrder, now: Timestamp) -> Option<Call> {
        let (id, time) = (self.refund_id(refund), now.timestamp_millis().to_string());
        let signed = format!("{}|{id}|{time}", self.app_id);
        let fields = [
            ("app_id", self.app_id.clone()),
            ("m_refund_id", id),
            ("timestamp", time),
        ];
        Some(self.post("/v2/query_refund", &fields, &signed))
    }

    fn refund_queried(&self, refund: &RefundOrder, reply: &Reply) -> Refunded {
        refund_told(refund, reply, &REFUND_FAILED)
    }

    fn webhook(&self, webhook: Webhook<'_>, _: Timestamp) -> Result<Vec<Word>, Distrust> {
        let told: Value = serde_json::from_slice(webhook.body).map_err(|_| Distrust::Missing)?;
        let text = |name: &str| told.get(name).and_then(Value::as_str);
        let (data, mac) = text("data").zip(text("mac")).ok_or(Distrust::Missing)?;
        if !same_hex(&sha256_hex(&self.key2, data), mac) {
            return Err(Distrust::Wrong);
        }
        let unreadable = |why: &str| Distrust::Unreadable(why.to_owned());
        let data: Value = serde_json::from_str(data).map_err(|_| unreadable("no JSON"))?;
        let Value::Object(data) = data else {
            return Err(unreadable("no object"));
        };
        if number(&data, "app_id").map(|id| id.to_string()).as_deref() != Some(&self.app_id) {
            return Err(unreadable("it is for another application"));
        }
        let notice = || {
            let trans = data.get("app_trans_id")?.as_str()?;
            Some(BankNotice {
                bank_ref: number(&data, "zp_trans_id")?.to_string(),
                description: trans.split_once('_')?.1.to_owned(),
                amount_vnd: Vnd::new(number(&data, "amount")?),
                currency: "VND".to_owned(),
                paid_at: DateTime::from_timestamp_millis(number(&data, "server_time")?)?,
            })
        };
        let notice = notice().ok_or_else(|| unreadable("a field is missing"))?;
        Ok(vec![Word::Arrived(notice)])
    }

    fn answer(&self, taken: Result<&[Taken], &Distrust>) -> Answer {
        let (code, message) = match taken {
            Err(_) => (-1, "mac not equal"),
            Ok([Taken::Repeated, ..]) => (2, "repeated"),
            Ok(_) => (1, "success"),
        };
        Answer {
            status: StatusCode::OK,
            content_type: "application/json",
            body: json!({"return_code": code, "return_message": message})
                .to_string()
                .into_bytes(),
        }
    }
}
