//! Asking for money, once per intent.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{AccountId, PaymentId, PurchaseId, TransferId};
use domain::ledger::{Transfer, TransferKind};
use domain::money::Vnd;
use domain::purchase::PurchaseStatus;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{NewPayment, PaidFrom, Requested};
use crate::failpoint::{Step, commit};
use crate::idempotency::{Claim, claim, unclaim};
use crate::ledger::transfers_insert;
use crate::outbox::{OutboxKind, outbox_insert};
use crate::{Store, StoreError};

/// How long whoever asked for a payment has to call its gateway before the outbox does it again.
const FIRST_CALL: TimeDelta = TimeDelta::seconds(20);

/// The scope of payments' idempotency keys.
const SCOPE: &str = "payment";

impl Store {
    /// Asks for payments: each writes the payment and its pending transfer, once per intent.
    /// A purchase has at most one unpaid payment by each gateway that has not expired; asking
    /// again returns it. The result is in the order of the argument. Keys and purchases must
    /// differ within one call.
    ///
    /// # Errors
    /// Database errors; then nothing is written.
    pub async fn payment_request(
        &self,
        payments: &[NewPayment],
        now: Timestamp,
    ) -> Result<Vec<Requested>, StoreError> {
        match self.payments_request(payments, now).await {
            Err(StoreError::Constraint(name)) if name == "wallet_covers" && payments.len() == 1 => {
                Ok(vec![Requested::NotCovered])
            }
            other => other,
        }
    }

    async fn payments_request(
        &self,
        payments: &[NewPayment],
        now: Timestamp,
    ) -> Result<Vec<Requested>, StoreError> {
        let mut tx = self.begin_by_key().await?;
        let payable = payable(&mut tx, payments, now).await?;
        let mut results = vec![Requested::NoPurchase; payments.len()];
        let known: Vec<usize> = (0..payments.len())
            .filter(|&i| payable.contains_key(&payments[i].purchase))
            .collect();
        // The key before anything else: a repeated request gets what the first one made, whatever
        // has become of it since.
        let intents: Vec<_> = known
            .iter()
            .map(|&i| (&payments[i].intent, payments[i].id.0))
            .collect();
        let claims = claim(&mut tx, SCOPE, &intents, now).await?;
        let (mut fresh, mut unused) = (Vec::new(), Vec::new());
        for (&index, claim) in known.iter().zip(claims) {
            let new = &payments[index];
            let row = &payable[&new.purchase];
            results[index] = match (claim, row.decide()) {
                (Claim::Done(id), _) => Requested::Existing(PaymentId(id)),
                (Claim::Mismatch, _) => Requested::KeyMismatch,
                (Claim::New, Ok(())) => {
                    fresh.push((new, row));
                    Requested::Created(new.id)
                }
                (Claim::New, Err(other)) => {
                    unused.push(new.intent.key.as_str());
                    other
                }
            };
        }
        unclaim(&mut tx, SCOPE, &unused).await?;
        self.payments_insert(&mut tx, &fresh, now).await?;
        commit(tx, Step::Request).await?;
        Ok(results)
    }

    async fn payments_insert(
        &self,
        tx: &mut PgConnection,
        fresh: &[(&NewPayment, &Payable)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if fresh.is_empty() {
            return Ok(());
        }
        let texts = |get: fn(&NewPayment) -> Option<&str>| {
            fresh.iter().map(|(new, _)| get(new)).collect::<Vec<_>>()
        };
        sqlx::query(
            "INSERT INTO payment (payment_id, purchase_id, gateway, reference, amount_vnd, qr,
                                  redirect_url, expires_at, status, created_at)
             SELECT *, 'pending', $9 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[],
                $5::bigint[], $6::text[], $7::text[], $8::timestamptz[])",
        )
        .bind(fresh.iter().map(|(new, _)| new.id.0).collect::<Vec<_>>())
        .bind(
            fresh
                .iter()
                .map(|(new, _)| new.purchase.0)
                .collect::<Vec<_>>(),
        )
        .bind(
            fresh
                .iter()
                .map(|(new, _)| new.from.gateway())
                .collect::<Vec<_>>(),
        )
        .bind(
            fresh
                .iter()
                .map(|(new, _)| new.reference.as_str())
                .collect::<Vec<_>>(),
        )
        .bind(
            fresh
                .iter()
                .map(|(_, row)| row.amount_vnd)
                .collect::<Vec<_>>(),
        )
        .bind(texts(|new| new.qr.as_deref()))
        .bind(texts(|new| new.redirect_url.as_deref()))
        .bind(
            fresh
                .iter()
                .map(|(new, _)| new.expires_at)
                .collect::<Vec<_>>(),
        )
        .bind(now)
        .execute(&mut *tx)
        .await?;
        let mut transfers = Vec::with_capacity(fresh.len());
        for (new, row) in fresh {
            let debit = match new.from {
                PaidFrom::Wallet(account) | PaidFrom::Hold(account) => account,
                PaidFrom::Gateway(code) | PaidFrom::CalledGateway(code) => {
                    self.accounts.clearing(tx, code).await?
                }
            };
            transfers.push(Transfer {
                kind: TransferKind::Pending,
                payment: Some(new.id),
                ..Transfer::single(
                    TransferId(Uuid::now_v7()),
                    debit,
                    AccountId(row.account_id),
                    Vnd::new(row.amount_vnd),
                    now,
                )
            });
        }
        transfers_insert(tx, &transfers, now).await?;
        // What is reserved is as good as paid: the driver may park.
        let held: Vec<Uuid> = fresh
            .iter()
            .filter(|(new, _)| matches!(new.from, PaidFrom::Hold(_)))
            .map(|(new, _)| new.purchase.0)
            .collect();
        if !held.is_empty() {
            let parked = sqlx::query(
                "UPDATE session SET status = 'paid' FROM purchase
                 WHERE purchase_id = ANY($1) AND session.session_id = purchase.session_id
                    AND purchase.kind = 'start' AND session.metered",
            )
            .bind(&held)
            .execute(&mut *tx)
            .await?;
            // Nobody would ever take what is held for anything else.
            if usize::try_from(parked.rows_affected()) != Ok(held.len()) {
                return Err(StoreError::NotFound("metered session"));
            }
        }
        let called: Vec<Uuid> = fresh
            .iter()
            .filter(|(new, _)| matches!(new.from, PaidFrom::CalledGateway(_) | PaidFrom::Wallet(_)))
            .map(|(new, _)| new.id.0)
            .collect();
        outbox_insert(tx, OutboxKind::Payment, &called, now + FIRST_CALL, now).await
    }
}

#[derive(FromRow)]
struct Payable {
    purchase_id: Uuid,
    status: String,
    amount_vnd: i64,
    account_id: i32,
    unpaid: Option<Uuid>,
    paid: Option<Uuid>,
}

impl Payable {
    fn decide(&self) -> Result<(), Requested> {
        match PurchaseStatus::from_code(&self.status) {
            Some(PurchaseStatus::Paid) => Err(match self.paid {
                Some(id) => Requested::Existing(PaymentId(id)),
                None => Requested::AlreadyPaid,
            }),
            Some(PurchaseStatus::Pending) => match self.unpaid {
                Some(id) => Err(Requested::Existing(PaymentId(id))),
                None => Ok(()),
            },
            _ => Err(Requested::Lapsed),
        }
    }
}

/// Locks the purchases, so that two requests for one cannot both find it without a payment.
async fn payable(
    tx: &mut PgConnection,
    payments: &[NewPayment],
    now: Timestamp,
) -> Result<HashMap<PurchaseId, Payable>, StoreError> {
    let ids: Vec<Uuid> = payments.iter().map(|new| new.purchase.0).collect();
    let gateways: Vec<&str> = payments.iter().map(|new| new.from.gateway()).collect();
    sqlx::query("SELECT FROM purchase WHERE purchase_id = ANY($1) ORDER BY purchase_id FOR UPDATE")
        .bind(&ids)
        .execute(&mut *tx)
        .await?;
    // The money goes to the lot's operator, or into the wallet that is filled.
    let rows: Vec<Payable> = sqlx::query_as(
        "SELECT purchase.purchase_id, purchase.status, purchase.amount_vnd,
                coalesce(purchase.account_id, account.account_id) AS account_id,
                (SELECT payment_id FROM payment
                 WHERE payment.purchase_id = purchase.purchase_id AND payment.status = 'pending'
                   AND expires_at > $3 AND gateway = wanted.gateway
                 ORDER BY created_at DESC LIMIT 1) AS unpaid,
                (SELECT payment_id FROM payment
                 WHERE payment.purchase_id = purchase.purchase_id
                   AND payment.status IN ('posted', 'refunded') LIMIT 1) AS paid
         FROM unnest($1::uuid[], $2::text[]) AS wanted (purchase_id, gateway)
              JOIN purchase USING (purchase_id)
              LEFT JOIN session USING (session_id)
              LEFT JOIN pass ON pass.pass_id = purchase.purchase_id
              LEFT JOIN bay ON bay.bay_id = coalesce(session.bay_id, pass.bay_id)
              LEFT JOIN lot USING (lot_id)
              LEFT JOIN account USING (operator_id)",
    )
    .bind(&ids)
    .bind(&gateways)
    .bind(now)
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (PurchaseId(row.purchase_id), row))
        .collect())
}
