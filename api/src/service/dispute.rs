//! Disputes about receipts, and giving money back.

use domain::Timestamp;
use domain::dispute::{DisputeReason, DisputeStatus, TEXT_MAX};
use domain::id::{DisputeId, ReceiptId, RefundId};
use domain::identity::Identity;
use domain::money::Vnd;
use store::dispute::{Decision, Dispute, NewDispute, Opened, Outcome};
use store::idempotency::Intent;
use store::refund::Noted;
use store::refund_decision::GivenBack;
use store::staff::Staff;
use uuid::Uuid;

use super::confirm::Confirmed;
use super::refund::too_much;
use super::staff::city_only;
use crate::secret::sha256;
use crate::{ApiError, App};

/// How many open disputes are listed at once.
pub const LIST_MAX: i64 = 200;

/// What became of a dispute that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Where it stands.
    pub status: DisputeStatus,
    /// The refund that is proposed, where a second person is to confirm it.
    pub proposal: Option<RefundId>,
}

fn check_text(text: &str) -> Result<(), ApiError> {
    if text.chars().count() > TEXT_MAX {
        return Err(ApiError::Unprocessable(format!(
            "a text has at most {TEXT_MAX} characters"
        )));
    }
    Ok(())
}

/// Opens a dispute about a receipt, once per key; under a name, where the driver wants it to stand with it.
///
/// # Errors
/// [`ApiError::NotFound`] for an unknown receipt; [`ApiError::Conflict`] where another dispute
/// about it is open.
pub async fn open(
    app: &App,
    receipt: ReceiptId,
    reason: DisputeReason,
    text: &str,
    identity: Option<&Identity>,
    key: String,
    now: Timestamp,
) -> Result<Dispute, ApiError> {
    check_text(text)?;
    let who = identity.map(|who| format!("\n{}\n{}", who.issuer, who.subject));
    let whole = format!("{receipt}\n{reason}\n{text}{}", who.unwrap_or_default());
    let fingerprint = sha256(whole.as_bytes());
    let intent = Intent::new(key, fingerprint);
    let new = NewDispute {
        id: DisputeId(Uuid::new_v4()),
        receipt,
        reason,
        text,
        identity,
    };
    let opened = app.store.dispute_open(&new, &intent, now).await?;
    let id = match opened {
        Opened::Dispute(id) => id,
        Opened::KeyMismatch => return Err(ApiError::KeyReused),
        Opened::OpenAlready => {
            return Err(ApiError::Conflict(
                "a dispute about this receipt is already open",
            ));
        }
    };
    let all = app.store.receipt_disputes(receipt).await?;
    all.into_iter()
        .find(|dispute| dispute.id == id)
        .ok_or(ApiError::KeyReused)
}

/// How a dispute is to be decided. Money goes back by the word of whoever has shown just now that it is they.
#[derive(Debug)]
pub enum Verdict {
    /// That much goes back, or all that is left.
    Refund(Confirmed, Option<Vnd>),
    /// Nothing does.
    Refuse(Staff),
}

/// Decides a dispute; a refund that is more than one person decides is proposed, for a second person to confirm.
/// The result is that proposal.
///
/// # Errors
/// [`ApiError::NotFound`] where it is not theirs to decide; [`ApiError::Conflict`] where it was
/// decided before, or another refund is proposed; [`ApiError::Unprocessable`] where less is left to give back.
pub async fn decide(
    app: &App,
    id: DisputeId,
    verdict: &Verdict,
    answer: &str,
    now: Timestamp,
) -> Result<Decided, ApiError> {
    let (staff, decision) = match verdict {
        Verdict::Refund(confirmed, amount) => (confirmed.staff(), Decision::Refund(*amount)),
        Verdict::Refuse(staff) => (staff, Decision::Refuse),
    };
    check_text(answer)?;
    if answer.trim().is_empty() {
        return Err(ApiError::Unprocessable(
            "the driver reads the answer, so it cannot be empty".to_owned(),
        ));
    }
    if let Decision::Refund(Some(amount)) = decision
        && amount <= Vnd::ZERO
    {
        return Err(ApiError::Unprocessable(
            "what goes back is more than 0 đồng".to_owned(),
        ));
    }
    let decided = app
        .store
        .dispute_decide(id, staff, &decision, answer, now)
        .await
        .map_err(too_much)?;
    match decided {
        Outcome::Decided(status) => Ok(Decided {
            status,
            proposal: None,
        }),
        Outcome::Proposed(refund) => Ok(Decided {
            status: DisputeStatus::Open,
            proposal: Some(refund),
        }),
        Outcome::InReview => Err(ApiError::Conflict(
            "a refund about this dispute is proposed, and waits for a second person",
        )),
        Outcome::Before => Err(ApiError::Conflict("this dispute was decided before")),
    }
}

/// Gives back money that lies in suspense, or proposes it where it is more than one person decides. It is the city's
/// staff's.
///
/// # Errors
/// [`ApiError::Forbidden`] for others; [`ApiError::NotFound`] where there is no such money.
pub async fn give_back(
    app: &App,
    gateway: &str,
    bank_ref: &str,
    staff: &Confirmed,
    now: Timestamp,
) -> Result<GivenBack, ApiError> {
    let staff = staff.staff();
    city_only(staff)?;
    let given = app.store.suspense_refund(gateway, bank_ref, staff, now);
    Ok(given.await?)
}

/// Notes what was done about a notice that brought no đồng.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff; [`ApiError::Unprocessable`] without a
/// word of what was done; [`ApiError::NotFound`] where there is no such notice.
pub async fn settle_notice(
    app: &App,
    gateway: &str,
    bank_ref: &str,
    note: &str,
    staff: &Staff,
    now: Timestamp,
) -> Result<(), ApiError> {
    city_only(staff)?;
    let note = note.trim();
    if note.is_empty() || note.chars().count() > 500 || note.contains('\0') {
        return Err(ApiError::Unprocessable(
            "say in at most 500 characters what was done about it".to_owned(),
        ));
    }
    app.store
        .notice_settle(gateway, bank_ref, note, &staff.actor(), now)
        .await?;
    Ok(())
}

/// Notes that people have paid a refund back, under the bank's number `gateway_ref`.
///
/// # Errors
/// [`ApiError::Forbidden`] for others than the city's staff; [`ApiError::Unprocessable`] without a
/// number; [`ApiError::Conflict`] where the gateway is giving it back, or it went back under another number.
pub async fn paid_back(
    app: &App,
    refund: RefundId,
    gateway_ref: &str,
    who: &Confirmed,
    now: Timestamp,
) -> Result<(), ApiError> {
    let staff = who.staff();
    city_only(staff)?;
    let gateway_ref = gateway_ref.trim();
    if gateway_ref.is_empty() || gateway_ref.len() > 100 || gateway_ref.contains('\0') {
        return Err(ApiError::Unprocessable(
            "the bank's number of the transfer is needed".to_owned(),
        ));
    }
    let actor = staff.actor();
    let noted = app
        .store
        .refund_done_by_hand(refund, gateway_ref, &actor, now);
    match noted.await? {
        Noted::Now | Noted::Before => Ok(()),
        Noted::UnderAnotherNumber => Err(ApiError::Conflict("it went back under another number")),
        Noted::NotByHand => Err(ApiError::Conflict("the gateway is giving it back")),
    }
}
