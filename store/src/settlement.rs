//! What gateways' notices do: one transaction posts payments, moves money and issues receipts.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::{AccountId, BayId, PaymentId, ReceiptId, RefundId, SessionId, TransferId};
use domain::ledger::{Transfer, TransferKind};
use domain::money::Vnd;
use domain::payment::{BankNotice, PaymentStatus, Settlement, Suspense, find_references, settle};
use domain::purchase::Shares;
use uuid::Uuid;

use crate::failpoint::{Step, commit};
use crate::ledger::transfers_insert;
use crate::payment::{WALLET, pending_transfer};
use crate::refund::NewRefund;
use crate::session_double::{Bought, doubles_note};
use crate::{Store, StoreError, corrupt};

mod named;
mod notice;
mod posted;

use named::{NamedPayment, Parking, PassesBeside, named_payments, passes_beside};
use notice::{NoticeRow, Seen, notices_insert, notices_seen};
use posted::{PostedRow, ReceiptRow, mark_posted, receipts_insert};

/// What became of one notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeOutcome {
    /// It paid for something.
    Posted(Posted),
    /// It had been told before; nothing was done.
    Repeated,
    /// Its money is held: it goes back by itself, or waits for staff.
    Suspended(Suspense),
}

/// A payment that has just been posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The payment.
    pub payment: PaymentId,
    /// The proof; none for a top-up of a wallet.
    pub receipt: Option<ReceiptId>,
    /// The session's time that is paid for; none for a pass.
    pub parking: Option<PostedParking>,
}

/// Parking that has just been paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedParking {
    /// Its session.
    pub session: SessionId,
    /// The session's bay.
    pub bay: BayId,
    /// From when the session runs.
    pub starts_at: Timestamp,
    /// Until when, with what has just been bought.
    pub ends_at: Timestamp,
}

impl Store {
    /// Takes verified notices of a gateway. Each has a decided end, and a notice told twice, in
    /// this call or another, has its effect once. Money that pays for nothing and whose payer is
    /// known goes back by itself; a wallet's has not left it, and nothing is written of it. The result is in the order
    /// of the argument.
    ///
    /// # Errors
    /// Database errors; then nothing of the whole call remains.
    pub async fn payment_settle(
        &self,
        gateway: &str,
        notices: &[BankNotice],
        now: Timestamp,
    ) -> Result<Vec<NoticeOutcome>, StoreError> {
        let mut tx = self.begin_by_key().await?;
        let references: Vec<Vec<String>> = notices
            .iter()
            .map(|notice| find_references(&notice.description))
            .collect();
        let mut named = named_payments(&mut tx, gateway, &references).await?;
        let passes = named.values().filter(|payment| payment.is_pass());
        let passes: Vec<Uuid> = passes.map(|payment| payment.purchase_id).collect();
        let mut seen = notices_seen(&mut tx, gateway, notices).await?;
        let mut batch = Batch {
            passes: passes_beside(&mut tx, &passes).await?,
            city: self.accounts.id(&mut tx, "city").await?,
            vat: self.accounts.id(&mut tx, "vat").await?,
            clearing: self.accounts.clearing(&mut tx, gateway).await.ok(),
            suspense: self.accounts.id(&mut tx, "suspense").await?,
            ..Batch::default()
        };
        let mut outcomes = Vec::with_capacity(notices.len());
        for (notice, reference) in notices.iter().zip(&references) {
            let key = match seen.take(notice) {
                Seen::New(key) => key,
                Seen::Repeated => {
                    outcomes.push(NoticeOutcome::Repeated);
                    continue;
                }
                Seen::Contradicts(key) => {
                    outcomes.push(batch.suspend(
                        gateway,
                        key,
                        notice,
                        None,
                        Suspense::Contradicts,
                    )?);
                    continue;
                }
            };
            let named_here = reference.iter().find(|text| named.contains_key(*text));
            let payment = named_here.and_then(|reference| named.get_mut(reference));
            outcomes.push(batch.take(gateway, key, notice, payment, now)?);
        }
        // A notice of an unknown reference locks nothing, so another call may have taken the same
        // one since: then the key of bank_notice refuses this batch as a whole, and the gateway,
        // told that we failed, says it again and finds it repeated.
        notices_insert(&mut tx, gateway, &batch.rows, now).await?;
        transfers_insert(&mut tx, &batch.transfers, now).await?;
        receipts_insert(&mut tx, &batch.receipts, now).await?;
        let sessions = mark_posted(&mut tx, &batch.posted).await?;
        self.refunds_insert(&mut tx, &batch.refunds, now).await?;
        let bought: Vec<Bought> = batch.posted.iter().filter_map(PostedRow::bought).collect();
        doubles_note(&mut tx, &bought).await?;
        commit(tx, Step::Settle).await?;
        for outcome in &mut outcomes {
            if let NoticeOutcome::Posted(Posted {
                parking: Some(parking),
                ..
            }) = outcome
                && let Some(session) = sessions.get(&parking.session.0)
            {
                parking.bay = BayId(session.bay_id);
                parking.starts_at = session.starts_at;
                parking.ends_at = session.ends_at;
            }
        }
        Ok(outcomes)
    }
}

/// All rows that one call writes.
#[derive(Default)]
struct Batch<'a> {
    city: AccountId,
    vat: AccountId,
    clearing: Option<AccountId>,
    suspense: AccountId,
    /// Purchases that this very call has posted a payment of.
    paid: HashSet<Uuid>,
    passes: HashMap<Uuid, PassesBeside>,
    rows: Vec<NoticeRow<'a>>,
    transfers: Vec<Transfer>,
    receipts: Vec<ReceiptRow>,
    posted: Vec<PostedRow>,
    refunds: Vec<NewRefund>,
}

impl<'a> Batch<'a> {
    fn take(
        &mut self,
        gateway: &str,
        key: String,
        notice: &'a BankNotice,
        payment: Option<&mut NamedPayment>,
        now: Timestamp,
    ) -> Result<NoticeOutcome, StoreError> {
        let expected = payment
            .as_deref()
            .map(|payment| payment.expected(self.is_paid(payment.purchase_id)))
            .transpose()?;
        match (settle(expected.as_ref(), notice), payment) {
            (Settlement::Post, Some(payment)) => self.post(key, notice, payment, now),
            (Settlement::Post, None) => Err(corrupt("settlement", "posts nothing")),
            // What a wallet reserves is in its account still.
            (Settlement::Suspend(reason), _) if gateway == WALLET => {
                Ok(NoticeOutcome::Suspended(reason))
            }
            (Settlement::Suspend(reason), payment) => {
                let payment = payment.map(|payment| PaymentId(payment.payment_id));
                self.suspend(gateway, key, notice, payment, reason)
            }
        }
    }

    /// Whether a purchase is paid for already, by this call, or by a pass that the vehicle has.
    fn is_paid(&self, purchase: Uuid) -> bool {
        let beside = self.passes.get(&purchase);
        self.paid.contains(&purchase)
            || beside.is_some_and(|it| it.is_held || !it.others.is_disjoint(&self.paid))
    }

    fn post(
        &mut self,
        key: String,
        notice: &'a BankNotice,
        payment: &mut NamedPayment,
        now: Timestamp,
    ) -> Result<NoticeOutcome, StoreError> {
        let id = PaymentId(payment.payment_id);
        // A bank's clock, or its idea of a time zone, puts no revenue on a day before the parking.
        let at = notice.paid_at.max(payment.not_before);
        self.paid.insert(payment.purchase_id);
        self.rows.push(NoticeRow {
            key,
            notice,
            outcome: PaymentStatus::Posted.code(),
            payment: Some(id.0),
        });
        let pending = pending_transfer(
            payment.transfer_id,
            payment.debit_id,
            payment.credit_id,
            payment.amount_vnd,
            payment.payment_id,
            now,
        );
        let new_id = || TransferId(Uuid::now_v7());
        self.transfers
            .push(pending.resolve(new_id(), TransferKind::Post, at));
        let parking = payment.parking();
        let receipt = match parking {
            None => None,
            Some(parking) => {
                self.share(payment, at);
                Some(self.receipt(payment, parking, at)?)
            }
        };
        let session = parking.and_then(|parking| Some((parking.session?, parking)));
        let parked = session.map(|(session, parking)| PostedParking {
            session: SessionId(session),
            bay: BayId(parking.bay),
            starts_at: parking.starts_at,
            ends_at: parking.ends_at,
        });
        self.posted.push(PostedRow {
            payment: payment.payment_id,
            purchase: payment.purchase_id,
            parking,
            at,
        });
        Ok(NoticeOutcome::Posted(Posted {
            payment: id,
            receipt,
            parking: parked,
        }))
    }

    /// Moves what is not the operator's on to whom it belongs.
    fn share(&mut self, payment: &NamedPayment, at: Timestamp) {
        let shares = Shares::of(
            Vnd::new(payment.amount_vnd),
            payment.vat_bp.unsigned_abs(),
            payment.city_share_bp.unwrap_or_default().unsigned_abs(),
        );
        for (account, part) in [(self.vat, shares.vat_vnd), (self.city, shares.city_vnd)] {
            if part > Vnd::ZERO {
                self.transfers.push(Transfer {
                    payment: Some(PaymentId(payment.payment_id)),
                    ..Transfer::single(
                        TransferId(Uuid::now_v7()),
                        AccountId(payment.credit_id),
                        account,
                        part,
                        at,
                    )
                });
            }
        }
    }

    fn receipt(
        &mut self,
        payment: &mut NamedPayment,
        parking: Parking,
        at: Timestamp,
    ) -> Result<ReceiptId, StoreError> {
        let timezone: Tz = payment
            .timezone
            .as_deref()
            .unwrap_or_default()
            .parse()
            .map_err(|why| corrupt("time zone", why))?;
        let id = Uuid::new_v4();
        self.receipts.push(ReceiptRow {
            id,
            payment: payment.payment_id,
            parking,
            amount_vnd: payment.amount_vnd,
            lines: std::mem::take(&mut payment.lines),
            issued_at: at,
            day: at.with_timezone(&timezone).date_naive(),
        });
        Ok(ReceiptId(id))
    }

    /// Money that pays for nothing goes from the gateway's clearing account into suspense, and
    /// from there back where it is known whose it is.
    fn suspend(
        &mut self,
        gateway: &str,
        key: String,
        notice: &'a BankNotice,
        payment: Option<PaymentId>,
        reason: Suspense,
    ) -> Result<NoticeOutcome, StoreError> {
        self.rows.push(NoticeRow {
            key: key.clone(),
            notice,
            outcome: reason.code(),
            payment: payment.map(|id| id.0),
        });
        let outcome = NoticeOutcome::Suspended(reason);
        // Other currencies and amounts of nothing stay out of a ledger of đồng.
        if notice.currency != "VND" || notice.amount_vnd <= Vnd::ZERO {
            return Ok(outcome);
        }
        let clearing = self
            .clearing
            .ok_or(StoreError::NotFound("clearing account"))?;
        self.transfers.push(Transfer {
            payment,
            suspense: Some(reason),
            ..Transfer::single(
                TransferId(Uuid::now_v7()),
                clearing,
                self.suspense,
                notice.amount_vnd,
                notice.paid_at,
            )
        });
        if let Some(ground) = reason.refund_ground() {
            self.refunds.push(NewRefund {
                id: RefundId(Uuid::now_v7()),
                gateway: gateway.to_owned(),
                bank_ref: key,
                payment: None,
                amount_vnd: notice.amount_vnd,
                ground,
            });
        }
        Ok(outcome)
    }
}
