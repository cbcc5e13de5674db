//! What a gateway's word does to a payment: every combination has a decided end.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;
use crate::money::Vnd;
use crate::place::codes;
use crate::refund::RefundGround;

/// The life of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Asked for; the gateway has not said yet.
    Pending,
    /// The money is there, the ledger and the receipt say so.
    Posted,
    /// Will not come, or not in time.
    Voided,
    /// Was there and has been given back.
    Refunded,
}

codes!(PaymentStatus {
    Pending = "pending",
    Posted = "posted",
    Voided = "voided",
    Refunded = "refunded",
});

/// A verified statement of a bank: this much arrived with that text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BankNotice {
    /// The bank's own number of the transfer: a repetition carries the same.
    pub bank_ref: String,
    /// The transfer's text, in which the payment's reference is looked for.
    pub description: String,
    /// The amount.
    pub amount_vnd: Vnd,
    /// ISO 4217 code; only `VND` is accepted.
    pub currency: String,
    /// When the money was booked.
    pub paid_at: DateTime<Utc>,
}

/// What is known of the payment that a notice names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its status.
    pub status: PaymentStatus,
    /// The amount asked for.
    pub amount_vnd: Vnd,
    /// Until when the money was to arrive.
    pub expires_at: Timestamp,
}

/// What follows from a notice that has not been seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Post the payment.
    Post,
    /// Keep the money in suspense for staff to give back or assign.
    Suspend(Suspense),
}

/// Why money that arrived pays for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Suspense {
    /// No payment has that reference.
    UnknownReference,
    /// Another amount than was asked for.
    AmountDiffers,
    /// Another currency.
    CurrencyDiffers,
    /// The payment was already posted, by another transfer.
    PaidTwice,
    /// It arrived after the payment's time had run out.
    Late,
    /// The gateway has used its number for other money before.
    Contradicts,
}

codes!(Suspense {
    UnknownReference = "unknown_reference",
    AmountDiffers = "amount_differs",
    CurrencyDiffers = "currency_differs",
    PaidTwice = "paid_twice",
    Late = "late",
    Contradicts = "contradicts",
});

impl Suspense {
    /// The ground on which such money goes back by itself; `None` where nobody knows whose it is.
    pub const fn refund_ground(self) -> Option<RefundGround> {
        match self {
            Self::PaidTwice => Some(RefundGround::Double),
            Self::Late => Some(RefundGround::Late),
            Self::AmountDiffers => Some(RefundGround::Amount),
            // What is not in đồng is not in the ledger, and cannot be given back from it.
            Self::UnknownReference | Self::CurrencyDiffers | Self::Contradicts => None,
        }
    }
}

/// Decides what a bank's notice does. `expected` is the payment whose reference it carries.
pub fn settle(expected: Option<&Expected>, notice: &BankNotice) -> Settlement {
    use Settlement::{Post, Suspend};
    let Some(payment) = expected else {
        return Suspend(Suspense::UnknownReference);
    };
    if notice.currency != "VND" {
        return Suspend(Suspense::CurrencyDiffers);
    }
    match payment.status {
        PaymentStatus::Posted | PaymentStatus::Refunded => Suspend(Suspense::PaidTwice),
        _ if notice.amount_vnd != payment.amount_vnd => Suspend(Suspense::AmountDiffers),
        _ if notice.paid_at > payment.expires_at => Suspend(Suspense::Late),
        PaymentStatus::Pending => Post,
        PaymentStatus::Voided => Suspend(Suspense::Late),
    }
}

/// The text a transfer must carry: `CB` and twelve characters of Crockford's base 32.
///
/// Made from the last 60 bits of a version 7 UUID, which are random. The alphabet has no I, L, O
/// or U, so a person can read it to a bank's clerk.
pub fn reference(id: Uuid) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = id.as_u128();
    let digit = |i: u32| char::from(ALPHABET[((bits >> (i * 5)) & 31) as usize]);
    std::iter::once('C')
        .chain(std::iter::once('B'))
        .chain((0..12).rev().map(digit))
        .collect()
}

/// The references that a transfer's text may hold, wherever banks have put them and in whatever
/// case, in their order. A name or a bank's code may look like one.
pub fn find_references(description: &str) -> Vec<String> {
    description
        .to_ascii_uppercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() == 14 && word.starts_with("CB"))
        .take(8)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn notice(amount: i64, minute: i64) -> BankNotice {
        BankNotice {
            bank_ref: "FT1".into(),
            description: "CB000000000000".into(),
            amount_vnd: Vnd::new(amount),
            currency: "VND".into(),
            paid_at: DateTime::UNIX_EPOCH + TimeDelta::minutes(minute),
        }
    }

    fn expected(status: PaymentStatus) -> Expected {
        Expected {
            status,
            amount_vnd: Vnd::new(25_000),
            expires_at: DateTime::UNIX_EPOCH + TimeDelta::minutes(15),
        }
    }

    #[test]
    fn every_notice_has_a_decided_end() {
        use PaymentStatus::*;
        let settle =
            |status, amount, minute| settle(Some(&expected(status)), &notice(amount, minute));
        assert_eq!(settle(Pending, 25_000, 1), Settlement::Post);
        assert_eq!(
            settle(Pending, 24_999, 1),
            Settlement::Suspend(Suspense::AmountDiffers)
        );
        assert_eq!(
            settle(Pending, 25_001, 1),
            Settlement::Suspend(Suspense::AmountDiffers)
        );
        assert_eq!(
            settle(Pending, 25_000, 16),
            Settlement::Suspend(Suspense::Late)
        );
        assert_eq!(
            settle(Voided, 25_000, 1),
            Settlement::Suspend(Suspense::Late)
        );
        assert_eq!(
            settle(Posted, 25_000, 1),
            Settlement::Suspend(Suspense::PaidTwice)
        );
        assert_eq!(
            settle(Refunded, 25_000, 1),
            Settlement::Suspend(Suspense::PaidTwice)
        );
        assert_eq!(
            super::settle(None, &notice(1, 1)),
            Settlement::Suspend(Suspense::UnknownReference)
        );
        let dollars = BankNotice {
            currency: "USD".into(),
            ..notice(25_000, 1)
        };
        assert_eq!(
            super::settle(Some(&expected(Pending)), &dollars),
            Settlement::Suspend(Suspense::CurrencyDiffers)
        );
    }

    #[test]
    fn a_reference_survives_the_banks_decoration() {
        let id = Uuid::from_u128(0x0193_5f00_0000_7000_8abc_def0_1234_5678);
        let text = reference(id);
        assert_eq!(text.len(), 14);
        assert_eq!(
            find_references(&format!(
                "CBNGUYENVANMINH {} gui tu VCB",
                text.to_lowercase()
            )),
            [text]
        );
        assert!(find_references("CBnope").is_empty());
        assert_eq!(find_references("CBABCDEFGHJKLM CB000000000000").len(), 2);
    }
}
