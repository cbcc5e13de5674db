//! What gateways say, kept once: each number with its content.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::payment::BankNotice;
use domain::plate::FORGOTTEN;
use sqlx::{FromRow, PgConnection};
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
pub(super) struct SeenNotices(HashMap<String, Content>);

/// What a notice says beside its number.
#[derive(FromRow)]
struct Content {
    description: String,
    amount_vnd: i64,
    currency: String,
    paid_at: Timestamp,
}

#[derive(FromRow)]
struct Known {
    bank_ref: String,
    #[sqlx(flatten)]
    content: Content,
}

/// How far apart a bank's two words about the moment of one transfer may be, by local time or by what it calls paid.
const SAME_DAY: TimeDelta = TimeDelta::days(1);

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
        let content = Content {
            description: notice.description.clone(),
            amount_vnd: notice.amount_vnd.get(),
            currency: notice.currency.clone(),
            paid_at: notice.paid_at,
        };
        let Some(known) = self.0.get(&notice.bank_ref) else {
            self.0.insert(notice.bank_ref.clone(), content);
            return Seen::New(notice.bank_ref.clone());
        };
        if known.is_of(&content) {
            return Seen::Repeated;
        }
        let name = format!(
            "{}\n{}\n{}",
            content.description, content.amount_vnd, content.currency
        );
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

impl Content {
    /// Whether it tells of the same money. Of what was settled long ago the text is kept no longer: the number, the
    /// amount, the currency and the day tell it, for prices are few and banks begin their numbers anew.
    fn is_of(&self, told: &Self) -> bool {
        let same_money = (self.amount_vnd, &self.currency) == (told.amount_vnd, &told.currency);
        let same_text = match self.description == FORGOTTEN {
            true => (self.paid_at - told.paid_at).abs() <= SAME_DAY,
            false => self.description == told.description,
        };
        same_money && same_text
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
    let seen: Vec<Known> = sqlx::query_as(
        "SELECT bank_ref, description, amount_vnd, currency, paid_at FROM bank_notice
         WHERE gateway = $1 AND split_part(bank_ref, '#', 1) = ANY($2)",
    )
    .bind(gateway)
    .bind(&refs)
    .fetch_all(tx)
    .await?;
    let seen = seen
        .into_iter()
        .map(|known| (known.bank_ref, known.content));
    Ok(SeenNotices(seen.collect()))
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
