//! Bank transfer by VietQR: the driver's own bank app pays into the operator's account, and the
//! bank tells us by a signed webhook.
//!
//! The signature follows the scheme of bank-notice services in Vietnam and of Stripe:
//! `Clearbay-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256(key, "<t>." + raw body)>`. The time is
//! part of what is signed, so that an old message cannot be sent again later.

use axum::http::HeaderMap;
use domain::Timestamp;
use domain::money::Vnd;
use domain::payment::reference;
use domain::vietqr::{VietQr as VietQrCode, VietQrError};
use store::place::BayPlace;
use uuid::Uuid;

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

/// The text and the QR payload by which a driver pays `amount_vnd` for a payment.
///
/// # Errors
/// [`VietQrError`] where the operator's account does not fit the format.
pub fn request(
    bay: &BayPlace,
    payment: Uuid,
    amount_vnd: Vnd,
) -> Result<(String, String), VietQrError> {
    let reference = reference(payment);
    let qr = VietQrCode {
        bin: bay.bank_bin.clone(),
        account: bay.bank_account.clone(),
        amount_vnd: Some(amount_vnd.get()),
        purpose: Some(reference.clone()),
    };
    Ok((reference, qr.encode()?))
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
    let header = headers
        .get(SIGNATURE_HEADER)
        .and_then(|value| value.to_str().ok());
    let (time, told) = header.and_then(parts).ok_or(SignatureError::Missing)?;
    let signed_at: i64 = time.parse().map_err(|_| SignatureError::Missing)?;
    if (now.timestamp().saturating_sub(signed_at)).saturating_abs() > TOLERANCE_S {
        return Err(SignatureError::Stale);
    }
    let told = hex::decode(told).map_err(|_| SignatureError::Missing)?;
    let right = hmac_sha256(key, &[time.as_bytes(), b".", body]);
    if equal(&right, &told) {
        Ok(())
    } else {
        Err(SignatureError::Wrong)
    }
}

fn parts(header: &str) -> Option<(&str, &str)> {
    let (time, signature) = header.split_once(',')?;
    Some((
        time.trim().strip_prefix("t=")?,
        signature.trim().strip_prefix("v1=")?,
    ))
}

/// VietQR as a gateway.
pub struct VietQr {
    /// Shared with the bank.
    pub key: Vec<u8>,
    /// Where the bank takes orders to pay out.
    pub payout_url: Option<String>,
}

impl std::fmt::Debug for VietQr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VietQr")
    }
}

impl super::Gateway for VietQr {
    fn code(&self) -> &'static str {
        CODE
    }
    fn name(&self) -> &'static str {
        "VietQR"
    }
    fn ask(&self, order: &super::Order) -> Result<super::Ask, String> {
        let qr = VietQrCode {
            bin: order.bank.0.clone(),
            account: order.bank.1.clone(),
            amount_vnd: Some(order.amount_vnd.get()),
            purpose: Some(order.reference.clone()),
        };
        let qr = qr.encode().map_err(|error| error.to_string())?;
        Ok(super::Ask::Ready(super::Checkout {
            qr: Some(qr),
            redirect_url: None,
        }))
    }
    fn asked(&self, _: &super::Order, _: &super::Reply) -> super::Asked {
        super::Asked::Unknown(String::new())
    }
    fn query(&self, _: &super::Order, _: Timestamp) -> Option<super::Call> {
        None
    }
    fn queried(&self, _: &super::Order, _: &super::Reply) -> super::Standing {
        super::Standing::Pending(String::new())
    }
    fn refund(&self, _: &super::RefundOrder, _: Timestamp) -> Option<super::Call> {
        None
    }
    fn refunded(&self, _: &super::RefundOrder, _: &super::Reply) -> super::Refunded {
        super::Refunded::Pending(String::new())
    }
    fn refund_query(&self, _: &super::RefundOrder, _: Timestamp) -> Option<super::Call> {
        None
    }
    fn refund_queried(&self, _: &super::RefundOrder, _: &super::Reply) -> super::Refunded {
        super::Refunded::Pending(String::new())
    }
    fn webhook(
        &self,
        webhook: super::Webhook<'_>,
        now: Timestamp,
    ) -> Result<Vec<super::Word>, super::Distrust> {
        verify(&self.key, webhook.headers, webhook.body, now).map_err(|error| match error {
            SignatureError::Missing => super::Distrust::Missing,
            SignatureError::Stale => super::Distrust::Stale,
            SignatureError::Wrong => super::Distrust::Wrong,
        })?;
        let told: serde_json::Value = serde_json::from_slice(webhook.body)
            .map_err(|error| super::Distrust::Unreadable(error.to_string()))?;
        let notices: Vec<domain::payment::BankNotice> =
            serde_json::from_value(told["transactions"].clone())
                .map_err(|error| super::Distrust::Unreadable(error.to_string()))?;
        Ok(notices.into_iter().map(super::Word::Arrived).collect())
    }
    fn answer(&self, _: Result<&[super::Taken], &super::Distrust>) -> super::Answer {
        super::Answer {
            status: axum::http::StatusCode::OK,
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
