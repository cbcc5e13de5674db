//! Drivers' paid rights to park.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::Timestamp;
use domain::id::{BayId, PurchaseId, SessionId, TariffId, TerminalId};
use domain::money::Vnd;
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::purchase::PurchaseKind;
use domain::session::SessionStatus;
use domain::tariff::{Entitlement, Quote, QuoteLine};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use crate::entitlement::{Entitled, Source};
use crate::failpoint::{Step, commit};
use crate::idempotency::{Claim, Intent, claim};
use crate::place::class;
use crate::purchase::{NewPurchase, purchases_insert};
use crate::terminal::terminal_sessions_insert;
use crate::{Store, StoreError, among, corrupt};

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
    /// The value-added tax contained in the price, in basis points.
    pub vat_bp: u16,
    /// Whether the time is paid for when it ends; the quote is then for the longest stay.
    pub metered: bool,
    /// Why the price is less than the board's.
    pub entitled: Option<Entitled>,
    /// How long its vehicle had parked in the zone shortly before, in whole seconds: free minutes are had once.
    pub parked_before: TimeDelta,
    /// Which terminal sold it.
    pub terminal: Option<TerminalId>,
    /// The client's key and request.
    pub intent: Intent,
}

impl NewSession {
    /// The purchase of its first time, which goes by the session's own number.
    fn start(&self) -> NewPurchase<'_> {
        NewPurchase {
            id: PurchaseId(self.id.0),
            kind: PurchaseKind::Start,
            session: Some(self.id),
            wallet: None,
            tariff: Some(self.tariff),
            time: Some((self.starts_at, self.ends_at)),
            quote: &self.quote,
            vat_bp: self.vat_bp,
        }
    }

    fn pass(&self) -> Option<Uuid> {
        match self.entitled.as_ref()?.source {
            Source::Pass(id) => Some(id.0),
            Source::Exemption(_) => None,
        }
    }

    fn exemption(&self) -> Option<Uuid> {
        match self.entitled.as_ref()?.source {
            Source::Exemption(id) => Some(id.0),
            Source::Pass(_) => None,
        }
    }
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
    /// Until when, as it is now: extending moves it on, stopping brings it back.
    pub ends_at: Timestamp,
    /// The tariff version in force at its start.
    pub tariff: TariffId,
    /// The price of its first time, and the reasons.
    pub quote: Quote,
    /// Where it stands.
    pub status: SessionStatus,
    /// Whether the time is paid for when it ends.
    pub metered: bool,
    /// Why its prices are less than the board's.
    pub entitlement: Option<Entitlement>,
    /// How long its vehicle had parked in the zone shortly before, in whole seconds: free minutes are had once.
    pub parked_before: TimeDelta,
    /// When it was ended before its time.
    pub stopped_at: Option<Timestamp>,
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
        let mut tx = self.begin_by_key().await?;
        let intents: Vec<_> = sessions.iter().map(|new| (&new.intent, new.id.0)).collect();
        let claims = claim(&mut tx, "session", &intents, now).await?;
        let fresh: Vec<&NewSession> = sessions
            .iter()
            .zip(&claims)
            .filter(|(_, claim)| **claim == Claim::New)
            .map(|(new, _)| new)
            .collect();
        if !fresh.is_empty() {
            let status = |new: &NewSession| match new.quote.amount_vnd {
                Vnd::ZERO => SessionStatus::Paid.code(),
                _ => SessionStatus::Pending.code(),
            };
            let parked_before_s = |new: &NewSession| {
                i32::try_from(new.parked_before.num_seconds()).unwrap_or(i32::MAX)
            };
            sqlx::query(
                "INSERT INTO session (session_id, bay_id, plate, class, starts_at, ends_at, status,
                                      metered, entitlement, pass_id, exemption_id, parked_before_s, created_at)
                 SELECT *, $13 FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[],
                    $5::timestamptz[], $6::timestamptz[], $7::text[], $8::bool[], $9::jsonb[],
                    $10::uuid[], $11::uuid[], $12::int[])",
            )
            .bind(fresh.iter().map(|s| s.id.0).collect::<Vec<Uuid>>())
            .bind(fresh.iter().map(|s| s.bay.0).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| s.plate.reveal()).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| s.class.code()).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| s.starts_at).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| s.ends_at).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| status(s)).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| s.metered).collect::<Vec<_>>())
            .bind(
                fresh
                    .iter()
                    .map(|s| s.entitled.as_ref().map(|known| Json(&known.entitlement)))
                    .collect::<Vec<_>>(),
            )
            .bind(fresh.iter().map(|s| s.pass()).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| s.exemption()).collect::<Vec<_>>())
            .bind(fresh.iter().map(|s| parked_before_s(s)).collect::<Vec<_>>())
            .bind(now)
            .execute(&mut *tx)
            .await?;
            let purchases: Vec<NewPurchase> = fresh.iter().map(|s| s.start()).collect();
            purchases_insert(&mut tx, &purchases, now).await?;
            let sold = fresh.iter().filter_map(|s| Some((s.id, s.terminal?)));
            terminal_sessions_insert(&mut tx, &sold.collect::<Vec<_>>()).await?;
        }
        commit(tx, Step::Open).await?;
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
        let among = among(ids, "uuid");
        let rows: Vec<SessionRow> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT session.session_id, bay_id, bay.code AS bay_code, plate, session.class,
                    session.starts_at, session.ends_at, tariff_id, amount_vnd, lines,
                    session.status, metered, entitlement, parked_before_s, stopped_at,
                    session.created_at
             FROM session JOIN bay USING (bay_id)
                  JOIN purchase ON purchase_id = session.session_id
             WHERE session.session_id {among}"
        )))
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
    tariff_id: i32,
    amount_vnd: i64,
    lines: Json<Vec<QuoteLine>>,
    status: String,
    metered: bool,
    entitlement: Option<Json<Entitlement>>,
    parked_before_s: i32,
    stopped_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl SessionRow {
    fn session(self) -> Result<Session, StoreError> {
        Ok(Session {
            id: SessionId(self.session_id),
            bay: BayId(self.bay_id),
            plate: Plate::stored(&self.plate).map_err(|why| corrupt("plate", why))?,
            class: class(&self.class)?,
            status: SessionStatus::from_code(&self.status)
                .ok_or_else(|| corrupt("session status", &self.status))?,
            quote: Quote {
                amount_vnd: Vnd::new(self.amount_vnd),
                lines: self.lines.0,
            },
            tariff: TariffId(self.tariff_id),
            metered: self.metered,
            entitlement: self.entitlement.map(|Json(entitlement)| entitlement),
            parked_before: TimeDelta::seconds(self.parked_before_s.into()),
            stopped_at: self.stopped_at,
            bay_code: self.bay_code,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            created_at: self.created_at,
        })
    }
}
