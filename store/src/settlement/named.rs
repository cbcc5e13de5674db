//! The payments that notices name, and what they are for.

use std::collections::{HashMap, HashSet};

use domain::Timestamp;
use domain::money::Vnd;
use domain::payment::{Expected, PaymentStatus};
use domain::purchase::{PurchaseKind, PurchaseStatus};
use sqlx::types::JsonValue;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::{StoreError, corrupt};

#[derive(FromRow)]
pub(super) struct NamedPayment {
    pub(super) payment_id: Uuid,
    pub(super) purchase_id: Uuid,
    pub(super) kind: String,
    pub(super) purchase_status: String,
    pub(super) session_id: Option<Uuid>,
    pub(super) session_stopped: bool,
    pub(super) reference: String,
    pub(super) amount_vnd: i64,
    pub(super) vat_bp: i16,
    pub(super) city_share_bp: Option<i16>,
    pub(super) status: String,
    pub(super) expires_at: Timestamp,
    pub(super) not_before: Timestamp,
    pub(super) transfer_id: Uuid,
    pub(super) debit_id: i32,
    pub(super) credit_id: i32,
    pub(super) bay_id: Option<i32>,
    pub(super) lot_id: Option<i32>,
    pub(super) ward_id: Option<i32>,
    pub(super) zone_id: Option<i32>,
    pub(super) operator_id: Option<i32>,
    pub(super) starts_at: Option<Timestamp>,
    pub(super) ends_at: Option<Timestamp>,
    pub(super) lines: JsonValue,
    pub(super) timezone: Option<String>,
}

impl NamedPayment {
    /// A purchase that another payment has paid for counts as posted, and so does a pass of a vehicle that has one: the
    /// money came twice. More time for a session that was stopped since, or that was given up for another, came too late.
    pub(super) fn expected(&self, paid: bool) -> Result<Expected, StoreError> {
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

    pub(super) fn is_pass(&self) -> bool {
        self.kind == PurchaseKind::Pass.code()
    }

    /// The parking that it pays for: a session's time, or a pass.
    pub(super) fn parking(&self) -> Option<Parking> {
        Some(Parking {
            session: self.session_id,
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
pub(super) struct Parking {
    /// None for a pass.
    pub(super) session: Option<Uuid>,
    pub(super) bay: i32,
    pub(super) lot: i32,
    pub(super) ward: i32,
    pub(super) zone: i32,
    pub(super) operator: i32,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

/// Locks, in order of identity, the payments that carry one of the references.
pub(super) async fn named_payments(
    tx: &mut PgConnection,
    gateway: &str,
    references: &[Vec<String>],
) -> Result<HashMap<String, NamedPayment>, StoreError> {
    let wanted: Vec<&str> = references.iter().flatten().map(String::as_str).collect();
    // Whoever stops or prolongs a session locks it and then its purchases. In a statement of its own: the next one sees
    // what they have done.
    sqlx::query(
        "SELECT FROM session WHERE session_id IN (
            SELECT session_id FROM payment JOIN purchase USING (purchase_id)
            WHERE gateway = $1 AND reference = ANY($2) AND purchase.kind = 'extension')
         ORDER BY session_id FOR NO KEY UPDATE",
    )
    .bind(gateway)
    .bind(&wanted)
    .execute(&mut *tx)
    .await?;
    // Whoever withdraws or renews a notice locks it and then what was bought to pay for it.
    sqlx::query(
        "SELECT FROM parking_notice WHERE parking_notice_id IN (
            SELECT of_notice.parking_notice_id FROM payment
            JOIN parking_notice_session AS of_notice ON of_notice.session_id = payment.purchase_id
            WHERE gateway = $1 AND reference = ANY($2))
         ORDER BY parking_notice_id FOR NO KEY UPDATE",
    )
    .bind(gateway)
    .bind(&wanted)
    .execute(&mut *tx)
    .await?;
    // The purchase's row is locked as well: two payments of one purchase must see each other.
    let rows: Vec<NamedPayment> = sqlx::query_as(
        "SELECT payment.payment_id, purchase.purchase_id, purchase.kind,
                purchase.status AS purchase_status, purchase.session_id,
                stopped_at IS NOT NULL AS session_stopped, reference, payment.amount_vnd,
                purchase.vat_bp, city_share_bp, payment.status, expires_at,
                least(purchase.starts_at, payment.created_at) AS not_before, transfer_id, debit_id,
                credit_id, bay.bay_id, lot_id, ward_id, lot.zone_id, operator.operator_id, purchase.starts_at,
                purchase.ends_at, purchase.lines, timezone
         FROM payment
         JOIN purchase USING (purchase_id)
         JOIN transfer ON transfer.payment_id = payment.payment_id AND transfer.kind = 'pending'
         LEFT JOIN session USING (session_id)
         LEFT JOIN pass ON pass.pass_id = purchase.purchase_id
         LEFT JOIN bay ON bay.bay_id = coalesce(session.bay_id, pass.bay_id)
         LEFT JOIN lot USING (lot_id)
         -- Whose money it has been since it was asked for, whoever the lot's operator is by now.
         LEFT JOIN account AS credited ON credited.account_id = transfer.credit_id
         LEFT JOIN operator ON operator.operator_id = coalesce(credited.operator_id, lot.operator_id)
         LEFT JOIN city USING (city_id)
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

/// Passes that are paid for here, each with those of the same vehicle that hold for some of its time: the paid ones, and
/// others of the list. The vehicles are locked first, so that of two payments at once the second sees the first.
pub(super) async fn passes_beside(
    tx: &mut PgConnection,
    passes: &[Uuid],
) -> Result<HashMap<Uuid, PassesBeside>, StoreError> {
    if passes.is_empty() {
        return Ok(HashMap::new());
    }
    sqlx::query(
        "SELECT pg_advisory_xact_lock($2, hashtext(plate))
         FROM (SELECT DISTINCT plate FROM pass WHERE pass_id = ANY($1) ORDER BY plate) AS vehicle",
    )
    .bind(passes)
    .bind(VEHICLE)
    .execute(&mut *tx)
    .await?;
    let pairs: Vec<(Uuid, Uuid, bool)> = sqlx::query_as(
        "SELECT new.pass_id, beside.pass_id, held_pass.pass_id IS NOT NULL
         FROM pass AS new JOIN pass AS beside USING (plate, zone_id, class)
              LEFT JOIN held_pass ON held_pass.pass_id = beside.pass_id
         WHERE new.pass_id = ANY($1) AND beside.pass_id <> new.pass_id
            AND beside.offer ->> 'kind' = new.offer ->> 'kind'
            AND beside.starts_at < new.ends_at AND beside.ends_at > new.starts_at
            AND (held_pass.pass_id IS NOT NULL OR beside.pass_id = ANY($1))",
    )
    .bind(passes)
    .fetch_all(tx)
    .await?;
    let mut beside: HashMap<Uuid, PassesBeside> = HashMap::new();
    for (pass, other, is_held) in pairs {
        let beside = beside.entry(pass).or_default();
        beside.is_held |= is_held;
        beside.others.insert(other);
    }
    Ok(beside)
}

/// Passes of the same vehicle for some of the same time.
#[derive(Default)]
pub(super) struct PassesBeside {
    /// Whether one of them is paid for.
    pub(super) is_held: bool,
    pub(super) others: HashSet<Uuid>,
}

/// A vehicle's passes are paid for one after the other: this advisory lock, with its plate's hash. `pass`.
const VEHICLE: i32 = 0x7061_7373;
