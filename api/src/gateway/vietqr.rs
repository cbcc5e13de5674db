//! Bank transfer by VietQR: the driver's own bank app pays into the operator's account, and the
//! bank tells us by a signed webhook.
//!
//! The signature follows the scheme of bank-notice services in Vietnam and of Stripe:
//! `Clearbay-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256(key, "<t>." + raw body)>`. The time is
//! part of what is signed, so that an old message cannot be sent again later.
//!
//! Our orders to pay out go the other way under the same key, so a word stands before what they sign:
//! `"payout.<t>." + raw body`. No notice begins so, for its time is a number: neither can be sent back as the other.

use axum::http::{HeaderMap, Method, StatusCode};
use domain::Timestamp;
use domain::money::Vnd;
use domain::payment::BankNotice;
use domain::vietqr::VietQr as VietQrCode;
use serde::{Deserialize, Serialize};

use super::wire::form_encode;
use super::{
    Answer, Ask, Asked, Call, Checkout, Distrust, Gateway, Order, RefundOrder, Refunded, Reply,
    Standing, Taken, Webhook, Word,
};
use crate::secret::{equal, hmac_sha256};

/// The gateway's code.
pub const CODE: &str = "vietqr";

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "clearbay-signature";

/// How old, or how far ahead, a signed message may be.
const TOLERANCE_S: i64 = 300;

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No header, or not of the form `t=...,v1=...`.
    #[error("the Clearbay-Signature header is missing or cannot be read")]
    Missing,
    /// The message was signed too long ago, or in the future.
    #[error("the signature is more than five minutes old")]
    Stale,
    /// The signature is not that of this body under our key.
    #[error("the signature does not match")]
    Wrong,
}

/// Checks the signature over the raw body.
///
/// # Errors
/// [`SignatureError`], whose first two cases are decided before any comparison of secrets.
pub fn verify(
    key: &[u8],
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let Signed { time, hash: told } = fresh(headers, now)?;
    let right = hmac_sha256(key, &[time.as_bytes(), b".", body]);
    if equal(&right, &told) {
        Ok(())
    } else {
        Err(SignatureError::Wrong)
    }
}

/// What a signature's header says.
#[derive(Debug)]
pub struct Signed<'a> {
    time: &'a str,
    hash: Vec<u8>,
}

/// What the signature's header says, where it says that it was made just now: as much as is known before a body is
/// read.
///
/// # Errors
/// [`SignatureError::Missing`] and [`SignatureError::Stale`].
pub fn fresh(headers: &HeaderMap, now: Timestamp) -> Result<Signed<'_>, SignatureError> {
    let header = headers
        .get(SIGNATURE_HEADER)
        .and_then(|value| value.to_str().ok());
    let (time, hash) = header.and_then(parts).ok_or(SignatureError::Missing)?;
    let signed_at: i64 = time.parse().map_err(|_| SignatureError::Missing)?;
    if (now.timestamp().saturating_sub(signed_at)).saturating_abs() > TOLERANCE_S {
        return Err(SignatureError::Stale);
    }
    let hash = hex::decode(hash).map_err(|_| SignatureError::Missing)?;
    Ok(Signed { time, hash })
}

fn parts(header: &str) -> Option<(&str, &str)> {
    let (time, signature) = header.split_once(',')?;
    Some((
        time.trim().strip_prefix("t=")?,
        signature.trim().strip_prefix("v1=")?,
    ))
}

/// VietQR as a gateway.
///
/// Giving money back goes through the bank, too, where it takes orders to pay out: a POST of
/// `{"request_id", "to_bank_ref", "amount_vnd", "text"}`, signed with the word `payout.` before, answered by
/// `{"status": "done" | "pending" | "refused", "bank_ref"?, "reason"?}`. One `request_id` is paid
/// out once, however often it is said.
#[derive(Clone)]
pub struct VietQr {
    /// Shared with the bank.
    pub key: Vec<u8>,
    /// Where the bank takes orders to pay out; without it people do.
    pub payout_url: Option<String>,
    /// Where a phone opens a banking app with everything filled in: an address with `{bank}` (NAPAS
    /// BIN), `{account}`, `{amount}` (đồng), `{text}` and, where the app comes back, `{back}`.
    pub app_url: Option<String>,
}

impl VietQr {
    /// The address that opens a banking app for an order.
    fn app_link(&self, order: &Order) -> Option<String> {
        let (bank, account) = &order.bank;
        let mut link = self.app_url.clone()?;
        for (name, value) in [
            ("{bank}", bank.as_str()),
            ("{account}", account),
            ("{amount}", &order.amount_vnd.get().to_string()),
            ("{text}", &order.reference),
            ("{back}", &order.return_url),
        ] {
            link = link.replace(name, &form_encode(value));
        }
        Some(link)
    }
}

impl std::fmt::Debug for VietQr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VietQr")
            .field("payout_url", &self.payout_url)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Payout<'a> {
    request_id: &'a str,
    to_bank_ref: &'a str,
    amount_vnd: Vnd,
    text: String,
}

#[derive(Deserialize)]
struct PayoutReply {
    status: String,
    #[serde(default)]
    bank_ref: String,
    #[serde(default)]
    reason: String,
}

/// What stands before all that an order to pay out signs.
const PAYOUT: &str = "payout.";

/// The value of the signature's header for a bank's notice sent at `now`.
pub fn sign(key: &[u8], body: &[u8], now: Timestamp) -> String {
    signed(key, "", body, now)
}

fn signed(key: &[u8], word: &str, body: &[u8], now: Timestamp) -> String {
    let time = now.timestamp().to_string();
    let parts = [word.as_bytes(), time.as_bytes(), b".", body];
    let hash = hmac_sha256(key, &parts);
    format!("t={time},v1={}", hex::encode(hash))
}

impl Gateway for VietQr {
    fn code(&self) -> &'static str {
        CODE
    }

    fn name(&self) -> &'static str {
        "VietQR"
    }

    fn ask(&self, order: &Order) -> Result<Ask, String> {
        let (bin, account) = order.bank.clone();
        let qr = VietQrCode {
            bin,
            account,
            amount_vnd: Some(order.amount_vnd.get()),
            purpose: Some(order.reference.clone()),
        };
        let qr = qr.encode().map_err(|error| error.to_string())?;
        Ok(Ask::Ready(Checkout {
            qr: Some(qr),
            redirect_url: self.app_link(order),
        }))
    }

    fn asked(&self, _: &Order, _: &Reply) -> Asked {
        Asked::Unknown("a bank is asked by the driver".to_owned())
    }

    fn query(&self, _: &Order, _: Timestamp) -> Option<Call> {
        None
    }

    fn queried(&self, _: &Order, _: &Reply) -> Standing {
        Standing::Pending("a bank tells by itself".to_owned())
    }

    fn refund(&self, refund: &RefundOrder, now: Timestamp) -> Option<Call> {
        let url = self.payout_url.clone()?;
        let payout = Payout {
            request_id: &refund.reference,
            to_bank_ref: &refund.gateway_ref,
            amount_vnd: refund.amount_vnd,
            text: format!("Hoan tien {}", refund.reference),
        };
        let body = serde_json::to_vec(&payout).ok()?;
        Some(Call {
            method: Method::POST,
            url,
            content_type: "application/json",
            headers: vec![(SIGNATURE_HEADER, signed(&self.key, PAYOUT, &body, now))],
            body,
        })
    }

    fn refunded(&self, _: &RefundOrder, reply: &Reply) -> Refunded {
        let told: PayoutReply = match serde_json::from_slice(&reply.body) {
            Ok(told) => told,
            Err(_) => return Refunded::Pending(format!("status {} without JSON", reply.status)),
        };
        match told.status.as_str() {
            "done" if !told.bank_ref.is_empty() => Refunded::Done(told.bank_ref),
            "refused" => Refunded::Refused(told.reason),
            other => Refunded::Pending(format!("status {other}")),
        }
    }

    fn refund_query(&self, _: &RefundOrder, _: Timestamp) -> Option<Call> {
        None
    }

    fn refund_queried(&self, refund: &RefundOrder, reply: &Reply) -> Refunded {
        self.refunded(refund, reply)
    }

    fn webhook(&self, webhook: Webhook<'_>, now: Timestamp) -> Result<Vec<Word>, Distrust> {
        #[derive(Deserialize)]
        struct Message {
            transactions: Vec<BankNotice>,
        }
        verify(&self.key, webhook.headers, webhook.body, now).map_err(|error| match error {
            SignatureError::Missing => Distrust::Missing,
            SignatureError::Stale => Distrust::Stale,
            SignatureError::Wrong => Distrust::Wrong,
        })?;
        let message: Message = serde_json::from_slice(webhook.body)
            .map_err(|error| Distrust::Unreadable(error.to_string()))?;
        Ok(message
            .transactions
            .into_iter()
            .map(Word::Arrived)
            .collect())
    }

    fn answer(&self, taken: Result<&[Taken], &Distrust>) -> Answer {
        Answer {
            status: match taken {
                Ok(_) => StatusCode::OK,
                Err(_) => StatusCode::UNAUTHORIZED,
            },
            content_type: "",
            body: Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn signed(key: &[u8], time: &str, body: &[u8]) -> HeaderMap {
        let signature = hex::encode(hmac_sha256(key, &[time.as_bytes(), b".", body]));
        let mut headers = HeaderMap::new();
        headers.insert(
            SIGNATURE_HEADER,
            format!("t={time},v1={signature}").parse().unwrap(),
        );
        headers
    }

    #[test]
    fn only_a_fresh_signature_over_this_body_is_believed() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let good = signed(b"key", "1000000", b"{}");
        assert_eq!(verify(b"key", &good, b"{}", now), Ok(()));
        assert_eq!(
            verify(b"key", &good, b"{} ", now),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            verify(b"other", &good, b"{}", now),
            Err(SignatureError::Wrong)
        );
        let old = signed(b"key", "999699", b"{}");
        assert_eq!(verify(b"key", &old, b"{}", now), Err(SignatureError::Stale));
        let absurd = signed(b"key", "-9223372036854775808", b"{}");
        assert_eq!(
            verify(b"key", &absurd, b"{}", now),
            Err(SignatureError::Stale)
        );
        assert_eq!(
            verify(b"key", &HeaderMap::new(), b"{}", now),
            Err(SignatureError::Missing)
        );
        // An order to pay out is no notice, whatever it says.
        let order = super::signed(b"key", PAYOUT, b"{}", now);
        let mut sent_back = HeaderMap::new();
        for time in ["1000000", "payout.1000000"] {
            let text = order.replace("t=1000000", &format!("t={time}"));
            sent_back.insert(SIGNATURE_HEADER, text.parse().unwrap());
            assert!(verify(b"key", &sent_back, b"{}", now).is_err(), "{text}");
        }
        // The time is signed: a fresh one cannot be put on an old message.
        let mut forged = signed(b"key", "999699", b"{}");
        let text = forged[SIGNATURE_HEADER]
            .to_str()
            .unwrap()
            .replace("999699", "1000000");
        forged.insert(SIGNATURE_HEADER, text.parse().unwrap());
        assert_eq!(
            verify(b"key", &forged, b"{}", now),
            Err(SignatureError::Wrong)
        );
    }
}
