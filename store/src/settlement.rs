//! What gateways' notices do: one transaction posts payments, moves money and issues receipts.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::{AccountId, BayId, PaymentId, ReceiptId, RefundId, SessionId, TransferId};
use domain::ledger::{Transfer, TransferKind};
use domain::money::Vnd;
use domain::payment::{
    BankNotice, Expected, PaymentStatus, Settlement, Suspense, find_references, settle,
};
use domain::purchase::{PurchaseKind, PurchaseStatus, Shares};
use domain::refund::{RefundGround, overlap_refund};
use sqlx::types::JsonValue;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::failpoint::{Step, commit};
use crate::ledger::transfers_insert;
use crate::outbox::{OutboxKind, outbox_delete};
use crate::payment::pending_transfer;
use crate::refund::NewRefund;
use crate::{Store, StoreError, corrupt};

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
    /// The time that is paid for; none for a top-up of a wallet.
    pub parking: Option<PostedParking>,
}

/// Parking that has just been paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedParking {
    /// Its session.
    pub session: SessionId,
    /// The proof.
    pub receipt: ReceiptId,
    /// The bay.
    pub bay: BayId,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
}

impl Store {
    /// Takes verified notices of a gateway. Each has a decided end, and a notice told twice, in
    /// this call or another, has its effect once. Money that pays for nothing and whose payer is
    /// known goes back by itself. The result is in the order of the argument.
    ///
    /// # Errors
    /// Database errors; then nothing of the whole call remains.
    pub async fn payment_settle(
        &self,
        gateway: &str,
        notices: &[BankNotice],
        now: Timestamp,
    ) -> Result<Vec<NoticeOutcome>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let references: Vec<Vec<String>> = notices
            .iter()
            .map(|notice| find_references(&notice.description))
            .collect();
        let mut named = named_payments(&mut tx, gateway, &references).await?;
        let mut seen = notices_seen(&mut tx, gateway, notices).await?;
        let mut batch = Batch {
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
        receipts_insert(&mut tx, &batch.receipts).await?;
        mark_posted(&mut tx, &batch.posted).await?;
        self.refunds_insert(&mut tx, &batch.refunds, now).await?;
        let doubles = doubles(&mut tx, gateway, &batch).await?;
        self.refunds_insert(&mut tx, &doubles, now).await?;
        commit(tx, Step::Settle).await?;
        Ok(outcomes)
    }
}

impl Store {
    /// Keeps what a gateway said and nobody could read.
    ///
    /// # Errors
    /// Database errors.
    pub async fn notice_unread(
        &self,
        gateway: &str,
        content: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO unread_notice (gateway, content, reason, received_at)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(gateway)
        .bind(content.replace('\0', " "))
        .bind(reason.replace('\0', " "))
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

#[derive(FromRow)]
struct NamedPayment {
    payment_id: Uuid,
    purchase_id: Uuid,
    kind: String,
    purchase_status: String,
    session_id: Option<Uuid>,
    session_stopped: bool,
    reference: String,
    amount_vnd: i64,
    vat_bp: i16,
    city_share_bp: Option<i16>,
    status: String,
    expires_at: Timestamp,
    not_before: Timestamp,
    transfer_id: Uuid,
    debit_id: i32,
    credit_id: i32,
    bay_id: Option<i32>,
    lot_id: Option<i32>,
    ward_id: Option<i32>,
    zone_id: Option<i32>,
    operator_id: Option<i32>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    lines: JsonValue,
    timezone: Option<String>,
}

impl NamedPayment {
    /// A purchase that another payment has paid for counts as posted: the money came twice. More
    /// time for a session that was stopped since, or that was given up for another, came too late.
    fn expected(&self, paid: bool) -> Result<Expected, StoreError> {
        let status = PaymentStatus::from_code(&self.status)
            .ok_or_else(|| corrupt("payment status", &self.status))?;
        let extends = self.kind == PurchaseKind::Extension.code();
        let status = match PurchaseStatus::from_code(&self.purchase_status) {
            _ if paid => PaymentStatus::Posted,
            Some(PurchaseStatus::Paid) => PaymentStatus::Posted,
            Some(PurchaseStatus::Lapsed) => PaymentStatus::Voided,
            _ if extends && self.session_stopped => PaymentStatus::Voided,
            _ => status,
        };
        Ok(Expected {
            status,
            amount_vnd: Vnd::new(self.amount_vnd),
            expires_at: self.expires_at,
        })
    }

    /// The parking that it pays for.
    fn parking(&self) -> Option<Parking> {
        Some(Parking {
            session: self.session_id?,
            bay: self.bay_id?,
            lot: self.lot_id?,
            ward: self.ward_id?,
            zone: self.zone_id?,
            operator: self.operator_id?,
            starts_at: self.starts_at?,
            ends_at: self.ends_at?,
        })
    }
}

#[derive(Clone, Copy)]
struct Parking {
    session: Uuid,
    bay: i32,
    lot: i32,
    ward: i32,
    zone: i32,
    operator: i32,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

struct NoticeRow<'a> {
    /// The gateway's number, made unique where it used one for two things.
    key: String,
    notice: &'a BankNotice,
    outcome: &'static str,
    payment: Option<Uuid>,
}

struct ReceiptRow {
    id: Uuid,
    payment: Uuid,
    parking: Parking,
    amount_vnd: i64,
    lines: JsonValue,
    issued_at: Timestamp,
    day: chrono::NaiveDate,
}

struct PostedRow {
    payment: Uuid,
    purchase: Uuid,
    starts: bool,
    parking: Option<Parking>,
    bank_ref: String,
    amount_vnd: i64,
    at: Timestamp,
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
            .map(|payment| payment.expected(self.paid.contains(&payment.purchase_id)))
            .transpose()?;
        match (settle(expected.as_ref(), notice), payment) {
            (Settlement::Post, Some(payment)) => self.post(key, notice, payment, now),
            (Settlement::Post, None) => Err(corrupt("settlement", "posts nothing")),
            (Settlement::Suspend(reason), payment) => {
                let payment = payment.map(|payment| PaymentId(payment.payment_id));
                self.suspend(gateway, key, notice, payment, reason)
            }
        }
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
            key: key.clone(),
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
        let posted = match parking {
            None => None,
            Some(parking) => {
                self.share(payment, at);
                let receipt = self.receipt(payment, parking, at)?;
                Some(PostedParking {
                    session: SessionId(parking.session),
                    receipt,
                    bay: BayId(parking.bay),
                    starts_at: parking.starts_at,
                    ends_at: parking.ends_at,
                })
            }
        };
        self.posted.push(PostedRow {
            payment: payment.payment_id,
            purchase: payment.purchase_id,
            starts: payment.kind == PurchaseKind::Start.code(),
            parking,
            bank_ref: key,
            amount_vnd: payment.amount_vnd,
            at,
        });
        Ok(NoticeOutcome::Posted(Posted {
            payment: id,
            parking: posted,
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

/// Locks, in order of identity, the payments that carry one of the references.
async fn named_payments(
    tx: &mut PgConnection,
    gateway: &str,
    references: &[Vec<String>],
) -> Result<HashMap<String, NamedPayment>, StoreError> {
    let wanted: Vec<&str> = references.iter().flatten().map(String::as_str).collect();
    // The purchase's row is locked as well: two payments of one purchase must see each other.
    let rows: Vec<NamedPayment> = sqlx::query_as(
        "SELECT payment.payment_id, purchase.purchase_id, purchase.kind,
                purchase.status AS purchase_status, purchase.session_id,
                stopped_at IS NOT NULL AS session_stopped, reference, payment.amount_vnd,
                purchase.vat_bp, city_share_bp, payment.status, expires_at,
                least(purchase.starts_at, payment.created_at) AS not_before, transfer_id, debit_id,
                credit_id, bay_id, lot_id, ward_id, zone_id, operator_id, purchase.starts_at,
                purchase.ends_at, purchase.lines, timezone
         FROM payment
         JOIN purchase USING (purchase_id)
         JOIN transfer ON transfer.payment_id = payment.payment_id AND transfer.kind = 'pending'
         LEFT JOIN session USING (session_id)
         LEFT JOIN bay USING (bay_id) LEFT JOIN lot USING (lot_id)
         LEFT JOIN operator USING (operator_id) LEFT JOIN city USING (city_id)
         WHERE gateway = $1 AND reference = ANY($2)
         ORDER BY purchase.purchase_id, payment.payment_id
         FOR UPDATE OF purchase, payment",
    )
    .bind(gateway)
    .bind(&wanted)
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.reference.clone(), row))
        .collect())
}

/// What a gateway has told before, by its numbers.
struct SeenNotices(HashMap<String, (String, i64, String)>);

/// Whether a notice is new.
enum Seen {
    /// Under this key.
    New(String),
    /// Its number and its content are known.
    Repeated,
    /// Its number is known for something else, which happens where two banks number alike: the
    /// money came, so it is kept, under a key of its own.
    Contradicts(String),
}

impl SeenNotices {
    fn take(&mut self, notice: &BankNotice) -> Seen {
        let content = (
            notice.description.clone(),
            notice.amount_vnd.get(),
            notice.currency.clone(),
        );
        let Some(known) = self.0.get(&notice.bank_ref) else {
            self.0.insert(notice.bank_ref.clone(), content);
            return Seen::New(notice.bank_ref.clone());
        };
        if *known == content {
            return Seen::Repeated;
        }
        let name = format!("{}\n{}\n{}", content.0, content.1, content.2);
        let key = format!(
            "{}#{}",
            notice.bank_ref,
            Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).simple()
        );
        match self.0.insert(key.clone(), content) {
            Some(_) => Seen::Repeated,
            None => Seen::Contradicts(key),
        }
    }
}

async fn notices_seen(
    tx: &mut PgConnection,
    gateway: &str,
    notices: &[BankNotice],
) -> Result<SeenNotices, StoreError> {
    let refs: Vec<&str> = notices
        .iter()
        .map(|notice| notice.bank_ref.as_str())
        .collect();
    let seen: Vec<(String, String, i64, String)> = sqlx::query_as(
        "SELECT bank_ref, description, amount_vnd, currency FROM bank_notice
         WHERE gateway = $1 AND split_part(bank_ref, '#', 1) = ANY($2)",
    )
    .bind(gateway)
    .bind(&refs)
    .fetch_all(tx)
    .await?;
    Ok(SeenNotices(
        seen.into_iter()
            .map(|(key, description, amount, currency)| (key, (description, amount, currency)))
            .collect(),
    ))
}

async fn notices_insert(
    tx: &mut PgConnection,
    gateway: &str,
    rows: &[NoticeRow<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO bank_notice (gateway, bank_ref, description, amount_vnd, currency, paid_at,
                                  outcome, payment_id, received_at)
         SELECT $1, *, $9 FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[],
            $6::timestamptz[], $7::text[], $8::uuid[]) AS n (bank_ref)
         ORDER BY bank_ref",
    )
    .bind(gateway)
    .bind(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
    .bind(
        rows.iter()
            .map(|row| row.notice.description.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.notice.amount_vnd.get())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.notice.currency.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.notice.paid_at)
            .collect::<Vec<_>>(),
    )
    .bind(rows.iter().map(|row| row.outcome).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment).collect::<Vec<_>>())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

async fn receipts_insert(tx: &mut PgConnection, rows: &[ReceiptRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO receipt (receipt_id, payment_id, session_id, bay_id, lot_id, amount_vnd, lines,
                              issued_at, day, ward_id, zone_id, operator_id)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::int[], $6::bigint[],
            $7::jsonb[], $8::timestamptz[], $9::date[], $10::int[], $11::int[], $12::int[])",
    )
    .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.payment).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.session).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.bay).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.lot).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.amount_vnd).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| &row.lines).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.issued_at).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.day).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.ward).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.zone).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.parking.operator).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn mark_posted(tx: &mut PgConnection, rows: &[PostedRow]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let payments: Vec<Uuid> = rows.iter().map(|row| row.payment).collect();
    sqlx::query(
        "UPDATE payment SET status = 'posted', posted_at = r.at
         FROM unnest($1::uuid[], $2::timestamptz[]) AS r (payment_id, at)
         WHERE payment.payment_id = r.payment_id",
    )
    .bind(&payments)
    .bind(rows.iter().map(|row| row.at).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE purchase SET status = 'paid' WHERE purchase_id = ANY($1)")
        .bind(rows.iter().map(|row| row.purchase).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    let mut sessions: Vec<(Uuid, Timestamp)> = rows
        .iter()
        .filter_map(|row| {
            row.parking
                .map(|parking| (parking.session, parking.ends_at))
        })
        .collect();
    sessions.sort_unstable();
    // A stopped session keeps its end; an extension moves the end on.
    sqlx::query(
        "UPDATE session SET status = 'paid',
            ends_at = CASE WHEN stopped_at IS NULL THEN greatest(session.ends_at, r.ends_at) ELSE session.ends_at END
         FROM unnest($1::uuid[], $2::timestamptz[]) AS r (session_id, ends_at)
         WHERE session.session_id = r.session_id",
    )
    .bind(sessions.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(sessions.iter().map(|row| row.1).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    outbox_delete(tx, OutboxKind::Payment, &payments).await
}

#[derive(FromRow)]
struct Overlap {
    session_id: Uuid,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

/// What a driver paid for twice: a session of the same plate in the same bay had bought some of
/// the time already. The bays are locked first, so that of two payments at once the second sees
/// the first.
async fn doubles(
    tx: &mut PgConnection,
    gateway: &str,
    batch: &Batch<'_>,
) -> Result<Vec<NewRefund>, StoreError> {
    let starts: Vec<(&PostedRow, Parking)> = batch
        .posted
        .iter()
        .filter(|row| row.starts)
        .filter_map(|row| Some((row, row.parking?)))
        .collect();
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let mut bays: Vec<i32> = starts.iter().map(|(_, parking)| parking.bay).collect();
    bays.sort_unstable();
    sqlx::query("SELECT FROM bay WHERE bay_id = ANY($1) ORDER BY bay_id FOR NO KEY UPDATE")
        .bind(&bays)
        .execute(&mut *tx)
        .await?;
    let sessions: Vec<Uuid> = starts.iter().map(|(_, parking)| parking.session).collect();
    let found: Vec<Overlap> = sqlx::query_as(
        "SELECT DISTINCT ON (new.session_id) new.session_id, old.starts_at, old.ends_at
         FROM session AS new JOIN session AS old
              ON old.bay_id = new.bay_id AND old.plate = new.plate AND old.status = 'paid'
                AND old.session_id <> new.session_id
                AND old.starts_at < new.ends_at AND old.ends_at > new.starts_at
         WHERE new.session_id = ANY($1)
           -- Of two that this call posts, only the later one is a repetition.
           AND (old.session_id < new.session_id OR NOT old.session_id = ANY($1))
         ORDER BY new.session_id, old.ends_at DESC",
    )
    .bind(&sessions)
    .fetch_all(&mut *tx)
    .await?;
    let mut refunds = Vec::new();
    for overlap in found {
        let Some((row, parking)) = starts
            .iter()
            .find(|(_, parking)| parking.session == overlap.session_id)
        else {
            continue;
        };
        let amount_vnd = overlap_refund(
            Vnd::new(row.amount_vnd),
            (parking.starts_at, parking.ends_at),
            (overlap.starts_at, overlap.ends_at),
        );
        if amount_vnd > Vnd::ZERO {
            refunds.push(NewRefund {
                id: RefundId(Uuid::now_v7()),
                gateway: gateway.to_owned(),
                bank_ref: row.bank_ref.clone(),
                payment: Some(PaymentId(row.payment)),
                amount_vnd,
                ground: RefundGround::Double,
            });
        }
    }
    Ok(refunds)
}
