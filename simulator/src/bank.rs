//! The drivers' bank: reads a QR code as a phone does, books the transfer, tells Clearbay.

use chrono::TimeDelta;
use domain::Timestamp;
use domain::money::Vnd;
use domain::payment::BankNotice;
use domain::vietqr::{VietQr, VietQrError};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::acknowledged::{Acknowledged, Line};
use crate::http::{Api, HttpError};
use crate::purchase::Purchase;

/// The most transfers that one message may tell of.
pub const NOTICES_MAX: usize = 1_000;

const WEBHOOK: &str = "/api/v1/gateways/vietqr/webhook";

/// Why a code cannot be paid.
#[derive(Debug, thiserror::Error)]
pub enum QrError {
    /// It is damaged, or no VietQR code.
    #[error(transparent)]
    Payload(#[from] VietQrError),
    /// It does not say how much to pay or what for.
    #[error("the code has no amount or no purpose")]
    Incomplete,
}

/// The transfer that a driver orders by scanning `qr`, booked at `paid_at`; `None` where the
/// driver orders none.
///
/// # Errors
/// [`QrError`] where a bank's app could not read the code.
pub fn transfer(
    purchase: &Purchase,
    qr: &str,
    paid_at: Timestamp,
) -> Result<Option<BankNotice>, QrError> {
    let Some(order) = purchase.order else {
        return Ok(None);
    };
    let code = VietQr::parse(qr)?;
    let (Some(amount_vnd), Some(purpose)) = (code.amount_vnd, code.purpose) else {
        return Err(QrError::Incomplete);
    };
    // A driver who types the amount by hand forgets a digit's worth.
    let amount_vnd = if order.wrong_amount {
        (amount_vnd - 1_000).max(500)
    } else {
        amount_vnd
    };
    let bank_ref = format!("FT{:016X}", purchase.key.as_u128() >> 64);
    Ok(Some(BankNotice {
        // Banks put the payer's and their own words around the purpose.
        description: format!("{bank_ref} {purpose} thanh toan do xe"),
        bank_ref,
        amount_vnd: Vnd::new(amount_vnd),
        currency: "VND".to_owned(),
        paid_at,
    }))
}

/// When a transfer ordered at `at` is booked.
pub fn booked_at(purchase: &Purchase, at: Timestamp) -> Timestamp {
    at + purchase
        .order
        .map_or(TimeDelta::zero(), |order| order.after)
}

/// The bank's side of the webhook.
#[derive(Clone)]
pub struct Bank {
    api: Api,
    secret: Vec<u8>,
    acknowledged: Acknowledged,
}

#[derive(Serialize)]
struct Webhook<'a> {
    transactions: &'a [BankNotice],
}

/// What Clearbay did with one transfer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NoticeResult {
    /// The bank's number of the transfer.
    pub bank_ref: String,
    /// `posted`, `repeated`, or why the money is held.
    pub outcome: String,
}

#[derive(Deserialize)]
struct WebhookReply {
    results: Vec<NoticeResult>,
}

impl Bank {
    /// A bank that shares `secret` with Clearbay.
    pub fn new(api: Api, secret: &str) -> Self {
        Self {
            api,
            secret: secret.as_bytes().to_vec(),
            acknowledged: Acknowledged::default(),
        }
    }

    /// The same bank, which writes down of which transfers its word was taken.
    #[must_use]
    pub fn recorded(self, acknowledged: Acknowledged) -> Self {
        Self {
            acknowledged,
            ..self
        }
    }

    /// Tells of at most [`NOTICES_MAX`] transfers, again and again until it is heard.
    ///
    /// # Errors
    /// [`HttpError`]
    pub async fn tell(&self, notices: &[BankNotice]) -> Result<Vec<NoticeResult>, HttpError> {
        if notices.is_empty() {
            return Ok(Vec::new());
        }
        let body = serde_json::to_vec(&Webhook {
            transactions: notices,
        })
        .map_err(|error| HttpError::Reply(error.to_string()))?;
        let reply: WebhookReply = self
            .api
            .send(|| {
                let signature = signature(&self.secret, chrono::Utc::now().timestamp(), &body);
                self.api
                    .post(WEBHOOK, body.clone())
                    .header("Clearbay-Signature", signature)
            })
            .await?;
        let told = reply.results.iter().map(|result| result.bank_ref.clone());
        if let Err(error) = self.acknowledged.add(told.map(Line::Transfer)) {
            tracing::warn!(%error, "what was acknowledged cannot be written down");
        }
        Ok(reply.results)
    }
}

/// The value of `Clearbay-Signature` for a notice sent at `unix_s`, in seconds since 1970.
pub fn signature(secret: &[u8], unix_s: i64, body: &[u8]) -> String {
    signed(secret, "", unix_s, body)
}

/// The same for an order to the bank to pay out.
pub fn payout_signature(secret: &[u8], unix_s: i64, body: &[u8]) -> String {
    signed(secret, "payout.", unix_s, body)
}

fn signed(secret: &[u8], word: &str, unix_s: i64, body: &[u8]) -> String {
    // HMAC takes keys of every length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(format!("{word}{unix_s}.").as_bytes());
    mac.update(body);
    format!("t={unix_s},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
#[path = "bank_tests.rs"]
mod tests;
