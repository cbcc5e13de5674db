//! Drivers' paid rights to park.

use std::collections::HashMap;

use domain::Timestamp;
use domain::id::{BayId, SessionId, TariffId};
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::session::SessionStatus;
use domain::tariff::{Quote, QuoteLine};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::idempotency::{Claim, Intent, claim};
use crate::place::class;
use crate::{Store, StoreError, corrupt};

/// A session to be written.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its identity, used unless the intent was done before.
    pub id: SessionId,
    /// Where.
    pub bay: BayId,
    /// The tariff version by which it was quoted.
    pub tariff: TariffId,
    /// Whose.
    pub plate: Plate,
    /// For what vehicle.
    pub class: VehicleClass,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// The price and its reasons.
    pub quote: Quote,
    /// The client's key and request.
    pub intent: Intent,
}

/// A session as it is kept.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its identity.
    pub id: SessionId,
    /// Its bay's key.
    pub bay: BayId,
    /// Its bay's code.
    pub bay_code: String,
    /// Whose.
    pub plate: Plate,
    /// For what vehicle.
    pub class: VehicleClass,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// The price and its reasons.
    pub quote: Quote,
    /// Where it stands.
    pub status: SessionStatus,
    /// When it was recorded.
    pub created_at: Timestamp,
}

impl Store {
    /// Writes sessions, each once per intent. The result is in the order of the argument: what
    /// [`Claim::New`] marks was written under its own id. Keys must differ within one call.
    /// A session that costs nothing is paid at once.
    ///
    /// # Errors
    /// Database errors; then nothing is written.
    pub async fn session_open(
        &self,
        sessions: &[NewSession],
        now: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let intents: Vec<_> = sessions.iter().map(|new| (&new.intent, new.id.0)).collect();
        let claims = claim(&mut tx, "session", &intents, now).await?;
        let fresh: Vec<&NewSession> = sessions
            .iter()
            .zip(&claims)
            .filter(|(_, claim)| **claim == Claim::New)
            .map(|(new, _)| new)
            .collect();
        if !fresh.is_empty() {
            let column =
                |get: fn(&NewSession) -> i32| fresh.iter().map(|s| get(s)).collect::<Vec<_>>();
            let instants = |get: fn(&NewSession) -> Timestamp| {
                fresh.iter().map(|s| get(s)).collect::<Vec<_>>()
            };
            let status = |new: &NewSession| match new.quote.amount_vnd {
                Vnd::ZERO => SessionStatus::Paid.code(),
                _ => SessionStatus::Pending.code(),
            };
            sqlx::query(
                "INSERT INTO session (session_id, bay_id, tariff_id, plate, class, starts_at, ends_at,
                                      amount_vnd, lines, status, created_at)
                 SELECT *, $11 FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::text[],
                    $6::timestamptz[], $7::timestamptz[], $8::bigint[], $9::jsonb[], $10::text[])",
            )
            .bind(fresh.iter().map(|s| s.id.0).collect::<Vec<Uuid>>())
            .bind(column(|s| s.bay.0))
            .bind(column(|s| s.tariff.0))
            .bind(fresh.iter().map(|s| s.plate.reveal()).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| s.class.code()).collect::<Vec<_>>())
            .bind(instants(|s| s.starts_at))
            .bind(instants(|s| s.ends_at))
            .bind(fresh.iter().map(|s| s.quote.amount_vnd.get()).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| Json(&s.quote.lines)).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| status(s)).collect::<Vec<_>>())
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(claims)
    }

    /// The session of that identity.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn session(&self, id: SessionId) -> Result<Session, StoreError> {
        self.sessions(&[id])
            .await?
            .remove(&id)
            .ok_or(StoreError::NotFound("session"))
    }

    /// The sessions of those identities that exist.
    ///
    /// # Errors
    /// Database errors.
    pub async fn sessions(
        &self,
        ids: &[SessionId],
    ) -> Result<HashMap<SessionId, Session>, StoreError> {
        let rows: Vec<SessionRow> = sqlx::query_as(
            "SELECT session_id, bay_id, bay.code AS bay_code, plate, session.class, starts_at, ends_at,
                    amount_vnd, lines, status, created_at
             FROM session JOIN bay USING (bay_id) WHERE session_id = ANY($1)",
        )
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| row.session().map(|session| (session.id, session)))
            .collect()
    }
}

#[derive(FromRow)]
struct SessionRow {
    session_id: Uuid,
    bay_id: i32,
    bay_code: String,
    plate: String,
    class: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
    amount_vnd: i64,
    lines: Json<Vec<QuoteLine>>,
    status: String,
    created_at: Timestamp,
}

impl SessionRow {
    fn session(self) -> Result<Session, StoreError> {
        Ok(Session {
            id: SessionId(self.session_id),
            bay: BayId(self.bay_id),
            plate: Plate::parse(&self.plate).map_err(|why| corrupt("plate", why))?,
            class: class(&self.class)?,
            status: SessionStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("session status", &self.status))?,
            quote: Quote {
                amount_vnd: Vnd::new(self.amount_vnd),
                lines: self.lines.0,
            },
            bay_code: self.bay_code,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            created_at: self.created_at,
        })
    }
}
