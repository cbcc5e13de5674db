//! Browsers that wish to be told before a session ends.

use chrono::TimeDelta;
use chrono_tz::Tz;
use domain::Timestamp;
use domain::id::{BayId, SessionId};
use domain::reminder::{Language, Reminder, Told, told_by_page};
use sqlx::FromRow;
use uuid::Uuid;

use crate::place::zone_name;
use crate::session_change::lock;
use crate::{Store, StoreError, corrupt};

/// How many browsers may wish to be told of one session.
pub const PER_SESSION_MAX: i64 = 5;

/// A wish to be told, to be written.
#[derive(Clone)]
pub struct NewPushSubscription {
    /// Of what.
    pub session: SessionId,
    /// The address that the browser's push service gave it: at most 1,024 characters.
    pub endpoint: String,
    /// The browser's public key: 65 bytes.
    pub p256dh: Vec<u8>,
    /// The browser's secret: 16 bytes.
    pub auth: Vec<u8>,
    /// In which language.
    pub lang: Language,
}

/// What became of a wish to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribed {
    /// It is written, or was before.
    Done,
    /// The session is not in force.
    NotInForce,
    /// Too many browsers wish it already.
    TooMany,
}

/// A subscription that is due, with what it is about.
#[derive(Clone)]
pub struct DuePush {
    id: i64,
    /// Until when whoever took it may work on it.
    lease: Timestamp,
    /// How often it was tried before.
    pub attempts: i32,
    /// The address of its push service.
    pub endpoint: String,
    /// The browser's public key.
    pub p256dh: Vec<u8>,
    /// The browser's secret.
    pub auth: Vec<u8>,
    /// In which language.
    pub lang: Language,
    /// Of what it was told.
    pub told: Told,
    /// The session.
    pub session: SessionId,
    /// Its start.
    pub starts_at: Timestamp,
    /// Its end, as it is now.
    pub ends_at: Timestamp,
    /// Its bay's key.
    pub bay: BayId,
    /// Its bay's code.
    pub bay_code: String,
    /// Its lot's code.
    pub lot_code: String,
    /// By which clock its times are told.
    pub timezone: Tz,
}

impl Store {
    /// Writes a wish to be told of a session in force. The same browser's once: its keys and language
    /// are replaced.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such session; [`StoreError::Constraint`] for what is
    /// too long.
    pub async fn push_subscription_put(
        &self,
        new: &NewPushSubscription,
        now: Timestamp,
    ) -> Result<Subscribed, StoreError> {
        let mut tx = self.begin().await?;
        let session = lock(&mut tx, new.session).await?;
        if !session.is_paid() || session.stopped_at.is_some() || session.ends_at <= now {
            return Ok(Subscribed::NotInForce);
        }
        let others: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM push_subscription WHERE session_id = $1 AND endpoint <> $2",
        )
        .bind(new.session.0)
        .bind(&new.endpoint)
        .fetch_one(&mut *tx)
        .await?;
        if others >= PER_SESSION_MAX {
            return Ok(Subscribed::TooMany);
        }
        let told = told_by_page(session.starts_at, session.ends_at, now);
        sqlx::query(
            "INSERT INTO push_subscription
                (session_id, endpoint, p256dh, auth, lang, warned_ends_at, due_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
             ON CONFLICT (session_id, endpoint) DO UPDATE
                SET p256dh = excluded.p256dh, auth = excluded.auth, lang = excluded.lang",
        )
        .bind(new.session.0)
        .bind(&new.endpoint)
        .bind(&new.p256dh)
        .bind(&new.auth)
        .bind(new.lang.code())
        .bind(told.warned_of)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Subscribed::Done)
    }

    /// The addresses of the browsers that wish to be told of a session.
    ///
    /// # Errors
    /// Database errors.
    pub async fn push_subscription_list(
        &self,
        session: SessionId,
    ) -> Result<Vec<String>, StoreError> {
        let endpoints =
            sqlx::query_scalar("SELECT endpoint FROM push_subscription WHERE session_id = $1")
                .bind(session.0)
                .fetch_all(&self.pool)
                .await?;
        Ok(endpoints)
    }

    /// Forgets that a browser wishes to be told of a session.
    ///
    /// # Errors
    /// Database errors.
    pub async fn push_subscription_delete(
        &self,
        session: SessionId,
        endpoint: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM push_subscription WHERE session_id = $1 AND endpoint = $2")
            .bind(session.0)
            .bind(endpoint)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes at most `limit` subscriptions that are due, the longest due first, and moves each on by
    /// `lease`: whoever takes one and dies only delays it by that.
    ///
    /// # Errors
    /// Database errors.
    pub async fn push_subscription_claim(
        &self,
        now: Timestamp,
        lease: TimeDelta,
        limit: i64,
    ) -> Result<Vec<DuePush>, StoreError> {
        let rows: Vec<DueRow> = sqlx::query_as(
            "WITH due AS (
                SELECT push_subscription_id FROM push_subscription WHERE due_at <= $1
                ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
             UPDATE push_subscription AS mine SET due_at = $2, attempts = attempts + 1
             FROM due, session, bay, lot, city
             WHERE mine.push_subscription_id = due.push_subscription_id
               AND session.session_id = mine.session_id AND bay.bay_id = session.bay_id
               AND lot.lot_id = bay.lot_id AND city.city_id = lot.city_id
             RETURNING mine.push_subscription_id, mine.due_at AS lease, mine.attempts - 1 AS attempts,
                endpoint, p256dh, auth, lang, warned_ends_at, over_ends_at, mine.session_id,
                starts_at, ends_at, bay.bay_id, bay.code AS bay_code, lot.code AS lot_code, timezone",
        )
        .bind(now)
        .bind(now + lease)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(DueRow::due).collect()
    }

    /// Puts a subscription that was taken off until `due_at`, with so many attempts so far. Where its
    /// session's end moved meanwhile it is due at once as it is.
    ///
    /// # Errors
    /// Database errors.
    pub async fn push_subscription_put_off(
        &self,
        taken: &DuePush,
        due_at: Timestamp,
        attempts: i32,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE push_subscription SET due_at = $3, attempts = $4
             WHERE push_subscription_id = $1 AND due_at = $2",
        )
        .bind(taken.id)
        .bind(taken.lease)
        .bind(due_at)
        .bind(attempts)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a subscription was told something of the end that it had when it was taken. It is
    /// looked at again at once, for what comes next.
    ///
    /// # Errors
    /// Database errors.
    pub async fn push_subscription_told(
        &self,
        taken: &DuePush,
        reminder: Reminder,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE push_subscription SET attempts = 0,
                warned_ends_at = CASE $2 WHEN 'ending' THEN $3 ELSE warned_ends_at END,
                over_ends_at = CASE $2 WHEN 'over' THEN $3 ELSE over_ends_at END,
                due_at = least(due_at, $4)
             WHERE push_subscription_id = $1",
        )
        .bind(taken.id)
        .bind(reminder.code())
        .bind(taken.ends_at)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets a subscription that was taken.
    ///
    /// # Errors
    /// Database errors.
    pub async fn push_subscription_gone(&self, taken: &DuePush) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM push_subscription WHERE push_subscription_id = $1")
            .bind(taken.id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

#[derive(FromRow)]
struct DueRow {
    push_subscription_id: i64,
    lease: Timestamp,
    attempts: i32,
    endpoint: String,
    p256dh: Vec<u8>,
    auth: Vec<u8>,
    lang: String,
    warned_ends_at: Option<Timestamp>,
    over_ends_at: Option<Timestamp>,
    session_id: Uuid,
    starts_at: Timestamp,
    ends_at: Timestamp,
    bay_id: i32,
    bay_code: String,
    lot_code: String,
    timezone: String,
}

impl DueRow {
    fn due(self) -> Result<DuePush, StoreError> {
        Ok(DuePush {
            id: self.push_subscription_id,
            lease: self.lease,
            attempts: self.attempts,
            endpoint: self.endpoint,
            p256dh: self.p256dh,
            auth: self.auth,
            lang: Language::from_code(&self.lang).ok_or_else(|| corrupt("language", &self.lang))?,
            told: Told {
                warned_of: self.warned_ends_at,
                over_of: self.over_ends_at,
            },
            session: SessionId(self.session_id),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            bay: BayId(self.bay_id),
            bay_code: self.bay_code,
            lot_code: self.lot_code,
            timezone: zone_name(&self.timezone)?,
        })
    }
}
