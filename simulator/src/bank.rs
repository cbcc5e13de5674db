//! The bank's stand-in: reads the QR code that the API made, as a bank's app does, and tells the
//! API by a signed webhook what was transferred.

use chrono::Utc;
use domain::Timestamp;
use domain::money::Vnd;
use domain::payment::BankNotice;
use domain::vietqr::VietQr;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::http::{Api, insist};

/// A bank that shares a key with the API.
#[derive(Clone)]
pub struct Bank {
    api: Api,
    key: String,
}

#[derive(Serialize)]
struct Webhook<'a> {
    transactions: &'a [BankNotice],
}

/// The API's answer to a webhook.
#[derive(Debug, Deserialize)]
pub struct Reply {
    /// A result for each transfer, in order.
    pub results: Vec<ReplyItem>,
}

/// What became of one transfer.
#[derive(Debug, Deserialize)]
pub struct ReplyItem {
    /// `posted`, `repeated`, or why its money is held.
    pub outcome: String,
}

impl Bank {
    /// A bank.
    pub fn new(api: Api, key: String) -> Self {
        Self { api, key }
    }

    /// Tells the API of transfers, at most 1,000.
    ///
    /// # Errors
    /// Where the API refuses or does not answer.
    pub async fn tell(&self, notices: &[BankNotice]) -> anyhow::Result<Reply> {
        let body = serde_json::to_vec(&Webhook {
            transactions: notices,
        })?;
        insist(|| {
            self.api
                .post("/api/v1/gateways/vietqr/webhook")
                .header("content-type", "application/json")
                .header("clearbay-signature", self.sign(&body))
                .body(body.clone())
        })
        .await
    }

    fn sign(&self, body: &[u8]) -> String {
        let time = Utc::now().timestamp().to_string();
        // HMAC takes keys of any length, so this cannot fail.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()) else {
            return String::new();
        };
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
    }
}

/// The transfer that a driver makes who scans `qr`, erring by `error_vnd`.
///
/// # Errors
/// Where a bank's app would refuse the code.
pub fn transfer(
    qr: &str,
    key: Uuid,
    error_vnd: i64,
    paid_at: Timestamp,
) -> anyhow::Result<BankNotice> {
    let code = VietQr::parse(qr)?;
    let amount = code.amount_vnd.unwrap_or_default() + error_vnd;
    let text = code.purpose.unwrap_or_default();
    Ok(BankNotice {
        bank_ref: format!("FT{}", &key.simple().to_string()[..18].to_uppercase()),
        // Banks put words of their own around what the payer wrote.
        description: format!("IBFT {} {text} GD", code.account),
        amount_vnd: Vnd::new(amount),
        currency: "VND".to_owned(),
        paid_at,
    })
}
