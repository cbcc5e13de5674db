//! Calls to gateways that are to be made, until they are answered.

use chrono::TimeDelta;
use domain::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Store, StoreError, corrupt, without_nul};

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboxKind {
    /// A payment: ask for the money, then ask what became of it.
    Payment,
    /// A refund: give the money back.
    Refund,
}

impl OutboxKind {
    /// Its name in the database and as a label.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
        }
    }
}

/// A call that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    /// What it is about.
    pub kind: OutboxKind,
    /// The payment's or the refund's identity.
    pub subject: Uuid,
    /// How often it was tried before.
    pub attempts: i32,
}

/// Announces calls, due at `due_at`. One that is announced stays as it is.
pub(crate) async fn outbox_insert(
    tx: &mut PgConnection,
    kind: OutboxKind,
    subjects: &[Uuid],
    due_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    if subjects.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO outbox (kind, subject_id, due_at, created_at)
         SELECT $1, subject, $3, $4 FROM unnest($2::uuid[]) AS subject
         ON CONFLICT DO NOTHING",
    )
    .bind(kind.code())
    .bind(subjects)
    .bind(due_at)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn outbox_delete(
    tx: &mut PgConnection,
    kind: OutboxKind,
    subjects: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM outbox WHERE kind = $1 AND subject_id = ANY($2)")
        .bind(kind.code())
        .bind(subjects)
        .execute(tx)
        .await?;
    Ok(())
}

impl Store {
    /// Takes at most `limit` calls that are due, the longest due first, and moves each on by
    /// `lease`: whoever takes one and dies only delays it by that.
    ///
    /// # Errors
    /// Database errors.
    pub async fn outbox_claim(
        &self,
        now: Timestamp,
        lease: TimeDelta,
        limit: i64,
    ) -> Result<Vec<OutboxItem>, StoreError> {
        let rows: Vec<(String, Uuid, i32)> = sqlx::query_as(
            "UPDATE outbox SET due_at = $2, attempts = attempts + 1
             WHERE (kind, subject_id) IN (
                SELECT kind, subject_id FROM outbox WHERE due_at <= $1
                ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
             RETURNING kind, subject_id, attempts - 1",
        )
        .bind(now)
        .bind(now + lease)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(kind, subject, attempts)| {
                let kind = match kind.as_str() {
                    "payment" => OutboxKind::Payment,
                    "refund" => OutboxKind::Refund,
                    other => return Err(corrupt("outbox kind", other)),
                };
                Ok(OutboxItem {
                    kind,
                    subject,
                    attempts,
                })
            })
            .collect()
    }

    /// Puts a call off until `due_at`, with what went wrong.
    ///
    /// # Errors
    /// Database errors.
    pub async fn outbox_put_off(
        &self,
        item: &OutboxItem,
        due_at: Timestamp,
        note: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE outbox SET due_at = $3, note = $4 WHERE kind = $1 AND subject_id = $2")
            .bind(item.kind.code())
            .bind(item.subject)
            .bind(due_at)
            .bind(without_nul(note).chars().take(500).collect::<String>())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Strikes a call out: nothing more is to be asked.
    ///
    /// # Errors
    /// Database errors.
    pub async fn outbox_done(&self, item: &OutboxItem) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        outbox_delete(&mut connection, item.kind, &[item.subject]).await
    }
}
