//! What gateways say, kept once: each number with its content.

use std::collections::HashMap;

use domain::Timestamp;
use domain::payment::BankNotice;
use domain::plate::FORGOTTEN;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Store, StoreError, without_nul};

pub(super) struct NoticeRow<'a> {
    /// The gateway's number, made unique where it used one for two things.
    pub(super) key: String,
    pub(super) notice: &'a BankNotice,
    pub(super) outcome: &'static str,
    pub(super) payment: Option<Uuid>,
}

/// What a gateway has told before, by its numbers.
pub(super) struct SeenNotices(HashMap<String, (String, i64, String)>);

/// Whether a notice is new.
pub(super) enum Seen {
    /// Under this key.
    New(String),
    /// Its number and its content are known.
    Repeated,
    /// Its number is known for something else, which happens where two banks number alike: the
    /// money came, so it is kept, under a key of its own.
    Contradicts(String),
}

impl SeenNotices {
    pub(super) fn take(&mut self, notice: &BankNotice) -> Seen {
        let content = (
            notice.description.clone(),
            notice.amount_vnd.get(),
            notice.currency.clone(),
        );
        let Some(known) = self.0.get(&notice.bank_ref) else {
            self.0.insert(notice.bank_ref.clone(), content);
            return Seen::New(notice.bank_ref.clone());
        };
        // Of what was settled long ago the text is kept no longer: the number, the amount and the currency tell it.
        let is_forgotten = known.0 == FORGOTTEN;
        if *known == content || is_forgotten && (known.1, &known.2) == (content.1, &content.2) {
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

pub(super) async fn notices_seen(
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

pub(super) async fn notices_insert(
    tx: &mut PgConnection,
    gateway: &str,
    rows: &[NoticeRow<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
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
        .bind(without_nul(content))
        .bind(without_nul(reason))
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
