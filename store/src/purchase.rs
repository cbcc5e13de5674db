//! What payments pay for: time in a bay, or money in a wallet.

use std::collections::HashMap;

use domain::Timestamp;
use domain::id::{AccountId, PurchaseId, SessionId, TariffId};
use domain::money::Vnd;
use domain::purchase::{PurchaseKind, PurchaseStatus};
use domain::tariff::{Quote, QuoteLine};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{Store, StoreError, corrupt};

/// A purchase to be written.
pub(crate) struct NewPurchase<'a> {
    pub id: PurchaseId,
    pub kind: PurchaseKind,
    pub session: Option<SessionId>,
    pub wallet: Option<AccountId>,
    pub tariff: Option<TariffId>,
    pub time: Option<(Timestamp, Timestamp)>,
    pub quote: &'a Quote,
    pub vat_bp: u16,
}

/// A purchase as it is kept.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Its identity.
    pub id: PurchaseId,
    /// What is bought.
    pub kind: PurchaseKind,
    /// Where it stands.
    pub status: PurchaseStatus,
    /// The time that is bought; none for a top-up.
    pub time: Option<(Timestamp, Timestamp)>,
    /// The price and its reasons.
    pub quote: Quote,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// What has gone back of it.
    pub refunded_vnd: Vnd,
}

/// What has been paid for all of these, whatever went back since.
pub fn bought_vnd(purchases: &[Purchase]) -> Vnd {
    let paid = purchases
        .iter()
        .filter(|purchase| purchase.status == PurchaseStatus::Paid)
        .map(|purchase| purchase.quote.amount_vnd);
    Vnd::checked_sum(paid).unwrap_or_default()
}

/// What has been paid for all of these, less what went back.
pub fn paid_vnd(purchases: &[Purchase]) -> Vnd {
    let paid = purchases
        .iter()
        .filter(|purchase| purchase.status == PurchaseStatus::Paid)
        .filter_map(|purchase| purchase.quote.amount_vnd.checked_sub(purchase.refunded_vnd));
    Vnd::checked_sum(paid).unwrap_or_default()
}

/// Writes purchases. One that costs nothing is paid at once.
pub(crate) async fn purchases_insert(
    tx: &mut PgConnection,
    rows: &[NewPurchase<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let status = |row: &NewPurchase<'_>| match row.quote.amount_vnd {
        Vnd::ZERO => PurchaseStatus::Paid.code(),
        _ => PurchaseStatus::Pending.code(),
    };
    let vat = |row: &NewPurchase<'_>| i16::try_from(row.vat_bp).unwrap_or(i16::MAX);
    sqlx::query(
        "INSERT INTO purchase (purchase_id, kind, session_id, account_id, tariff_id, starts_at,
                               ends_at, amount_vnd, vat_bp, lines, status, created_at)
         SELECT *, $12 FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::int[], $5::int[],
            $6::timestamptz[], $7::timestamptz[], $8::bigint[], $9::smallint[], $10::jsonb[],
            $11::text[])",
    )
    .bind(rows.iter().map(|row| row.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.kind.code()).collect::<Vec<_>>())
    .bind(
        rows.iter()
            .map(|row| row.session.map(|id| id.0))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.wallet.map(|id| id.0))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.tariff.map(|id| id.0))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.time.map(|time| time.0))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.time.map(|time| time.1))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.iter()
            .map(|row| row.quote.amount_vnd.get())
            .collect::<Vec<_>>(),
    )
    .bind(rows.iter().map(vat).collect::<Vec<_>>())
    .bind(
        rows.iter()
            .map(|row| Json(&row.quote.lines))
            .collect::<Vec<_>>(),
    )
    .bind(rows.iter().map(status).collect::<Vec<_>>())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

impl Store {
    /// What sessions have cost so far: what was paid, less what went back. Those that cost nothing, or
    /// are paid for when they end, are not among them.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sessions_paid(
        &self,
        sessions: &[SessionId],
    ) -> Result<HashMap<SessionId, Vnd>, StoreError> {
        let ids: Vec<Uuid> = sessions.iter().map(|id| id.0).collect();
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(
            "SELECT session_id, sum(payment.amount_vnd - refunded_vnd(payment_id))::bigint
             FROM purchase JOIN payment USING (purchase_id)
             WHERE session_id = ANY($1) AND payment.status IN ('posted', 'refunded')
             GROUP BY session_id",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let paid = |(id, paid)| (SessionId(id), Vnd::new(paid));
        Ok(rows.into_iter().map(paid).collect())
    }

    /// What a session has bought, in order, without what lapsed.
    ///
    /// # Errors
    /// Database errors.
    pub async fn session_purchases(&self, session: SessionId) -> Result<Vec<Purchase>, StoreError> {
        purchases_of(&self.pool, session).await
    }
}

/// What a session has bought, in order, without what lapsed.
pub(crate) async fn purchases_of(
    database: impl PgExecutor<'_>,
    session: SessionId,
) -> Result<Vec<Purchase>, StoreError> {
    let rows: Vec<PurchaseRow> = sqlx::query_as(
        "SELECT purchase_id, kind, purchase.status, starts_at, ends_at, purchase.amount_vnd,
                    lines, purchase.created_at,
                    (SELECT coalesce(sum(refunded_vnd(payment_id)), 0)::bigint FROM payment
                     WHERE payment.purchase_id = purchase.purchase_id) AS refunded_vnd
             FROM purchase WHERE session_id = $1 AND purchase.status <> 'lapsed'
             ORDER BY starts_at, purchase.created_at",
    )
    .bind(session.0)
    .fetch_all(database)
    .await?;
    rows.into_iter().map(PurchaseRow::purchase).collect()
}

#[derive(FromRow)]
struct PurchaseRow {
    purchase_id: Uuid,
    kind: String,
    status: String,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    amount_vnd: i64,
    lines: Json<Vec<QuoteLine>>,
    created_at: Timestamp,
    refunded_vnd: i64,
}

impl PurchaseRow {
    fn purchase(self) -> Result<Purchase, StoreError> {
        Ok(Purchase {
            id: PurchaseId(self.purchase_id),
            kind: PurchaseKind::from_code(&self.kind)
                .ok_or_else(|| corrupt("purchase kind", &self.kind))?,
            status: PurchaseStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("purchase status", &self.status))?,
            time: self.starts_at.zip(self.ends_at),
            quote: Quote {
                amount_vnd: Vnd::new(self.amount_vnd),
                lines: self.lines.0,
            },
            created_at: self.created_at,
            refunded_vnd: Vnd::new(self.refunded_vnd),
        })
    }
}
