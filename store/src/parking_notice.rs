//! What vehicles owe that stood without paying.

use domain::Timestamp;
use domain::id::{BayId, ReceiptId, SessionId};
use domain::money::Vnd;
use domain::notice::{NoticeCode, NoticeState};
use domain::place::VehicleClass;
use domain::plate::Plate;
use domain::session::PAYMENT_WINDOW;
use domain::shift::Span;
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::audit::{Audit, audit_insert};
use crate::place::class;
use crate::staff::Staff;
use crate::{Store, StoreError, corrupt, without_nul};

/// A notice to be written.
#[derive(Clone, Debug)]
pub struct NewParkingNotice {
    /// Its number, used unless there is one for that vehicle and time.
    pub code: NoticeCode,
    /// Where the vehicle stands.
    pub bay: BayId,
    /// Which vehicle.
    pub plate: Plate,
    /// Of which class.
    pub class: VehicleClass,
    /// From when on nobody paid.
    pub starts_at: Timestamp,
    /// Until when that was seen.
    pub ends_at: Timestamp,
    /// What that costs.
    pub amount_vnd: Vnd,
}

/// A notice as it is kept.
#[derive(Clone, Debug)]
pub struct ParkingNotice {
    /// Its number.
    pub code: NoticeCode,
    /// The bay's code.
    pub bay: String,
    /// The lot's code.
    pub lot: String,
    /// The lot's name.
    pub lot_name: String,
    /// The operator's code.
    pub operator: String,
    /// Which vehicle.
    pub plate: Plate,
    /// Of which class.
    pub class: VehicleClass,
    /// From when on nobody paid.
    pub starts_at: Timestamp,
    /// Until when that was seen.
    pub ends_at: Timestamp,
    /// What that costs.
    pub amount_vnd: Vnd,
    /// The login of whoever wrote it.
    pub issued_by: String,
    /// When.
    pub issued_at: Timestamp,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
    /// The session by which it was paid.
    pub paid: Option<SessionId>,
    /// The receipt of that.
    pub receipt: Option<ReceiptId>,
    /// How much that is: nothing where a pass or an exemption was found before it was paid.
    pub received_vnd: Vnd,
}

impl ParkingNotice {
    /// Where it stands.
    pub fn state(&self) -> NoticeState {
        match (self.paid, self.withdrawn_at) {
            (Some(_), _) => NoticeState::Paid,
            (None, Some(_)) => NoticeState::Withdrawn,
            (None, None) => NoticeState::Open,
        }
    }

    /// Whether it waits for its money.
    pub fn is_open(&self) -> bool {
        self.state() == NoticeState::Open
    }
}

/// Which notices are looked for: those of which all that is named holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoticeSearch<'a> {
    /// Of that operator's lots.
    pub operator: Option<&'a str>,
    /// Of that vehicle.
    pub plate: Option<&'a Plate>,
    /// Written by that login, in that span.
    pub written: Option<(&'a str, Span)>,
    /// Whether they wait for their money.
    pub is_open: Option<bool>,
}

/// What became of a session that was opened to pay for a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeSession {
    /// It pays for the notice.
    Noted,
    /// Another one waits for its money already.
    Waiting(SessionId),
    /// Another one has paid.
    Paid,
    /// There is nothing to pay any more.
    Withdrawn,
}

/// With what a notice is paid, where it is: the first session of it that is.
const SELECT: &str =
    "SELECT parking_notice.code, bay.code AS bay, lot.code AS lot, lot.name AS lot_name,
        operator.code AS operator, plate, parking_notice.class, parking_notice.starts_at,
        parking_notice.ends_at, parking_notice.amount_vnd, staff.login AS issued_by, issued_at, withdrawn_at,
        paid.session_id AS paid, paid.receipt_id AS receipt, paid.amount_vnd AS received_vnd
    FROM parking_notice JOIN bay USING (bay_id) JOIN lot USING (lot_id)
         JOIN operator ON operator.operator_id = lot.operator_id
         JOIN staff ON staff_id = issued_by
         LEFT JOIN LATERAL (
            SELECT session.session_id, receipt_id, receipt.amount_vnd
            FROM parking_notice_session JOIN session USING (session_id)
                 -- A session's first purchase goes by its own number.
                 LEFT JOIN payment ON payment.purchase_id = session.session_id
                 LEFT JOIN receipt USING (payment_id)
            WHERE parking_notice_session.parking_notice_id = parking_notice.parking_notice_id
              AND session.status = 'paid'
            ORDER BY receipt_id IS NULL, session.session_id LIMIT 1) AS paid ON true";

impl Store {
    /// Writes a notice, once for a vehicle and the time from which it did not pay. The number is
    /// that under which it is kept.
    ///
    /// # Errors
    /// Database errors.
    pub async fn parking_notice_issue(
        &self,
        new: &NewParkingNotice,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<NoticeCode, StoreError> {
        let mut tx = self.begin().await?;
        // Who pays locks it, and their money its purchases. In statements of their own: the next one sees what they have
        // done.
        let known: Option<i32> = sqlx::query_scalar(
            "SELECT parking_notice_id FROM parking_notice
             WHERE bay_id = $1 AND plate = $2 AND starts_at = $3 AND withdrawn_at IS NULL FOR UPDATE",
        )
        .bind(new.bay.0)
        .bind(new.plate.reveal())
        .bind(new.starts_at)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(known) = known {
            purchases_lock(&mut tx, known).await?;
        }
        // One that waits for its money grows with the time; one that is being paid stays as it is.
        let written: Option<(String, bool)> = sqlx::query_as(
            "INSERT INTO parking_notice AS known (code, bay_id, plate, class, starts_at, ends_at,
                                                  amount_vnd, issued_by, issued_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (bay_id, plate, starts_at) WHERE withdrawn_at IS NULL
                DO UPDATE SET ends_at = excluded.ends_at, amount_vnd = excluded.amount_vnd
                WHERE excluded.ends_at > known.ends_at AND NOT EXISTS (
                    SELECT FROM parking_notice_session JOIN session USING (session_id)
                    WHERE parking_notice_session.parking_notice_id = known.parking_notice_id
                        AND (status = 'paid' OR status = 'pending' AND session.created_at > $10))
             RETURNING code, xmax = 0",
        )
        .bind(new.code.plain())
        .bind(new.bay.0)
        .bind(new.plate.reveal())
        .bind(new.class.code())
        .bind(new.starts_at)
        .bind(new.ends_at)
        .bind(new.amount_vnd.get())
        .bind(staff.staff_id)
        .bind(now)
        .bind(now - PAYMENT_WINDOW)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some((code, false)) = &written {
            // What was asked for before it grew is no longer its price.
            let old: Vec<Uuid> = sqlx::query_scalar(
                "SELECT session_id FROM parking_notice_session JOIN parking_notice USING (parking_notice_id)
                 WHERE code = $1",
            )
            .bind(code)
            .fetch_all(&mut *tx)
            .await?;
            lapse(&mut tx, &old).await?;
        }
        if let Some((_, true)) = written {
            let audit = Audit {
                parking_notice: Some(new.code.clone()),
                detail: json!({ "plate": new.plate.masked(), "amount_vnd": new.amount_vnd.get() }),
                ..Audit::new(staff.actor(), "parking_notice.issue")
            };
            audit_insert(&mut tx, &audit, now).await?;
        }
        let code = match written {
            Some((code, _)) => code,
            None => {
                sqlx::query_scalar(
                    "SELECT code FROM parking_notice
                     WHERE bay_id = $1 AND plate = $2 AND starts_at = $3 AND withdrawn_at IS NULL",
                )
                .bind(new.bay.0)
                .bind(new.plate.reveal())
                .bind(new.starts_at)
                .fetch_one(&mut *tx)
                .await?
            }
        };
        tx.commit().await?;
        code.parse().map_err(|_| corrupt("parking notice", &code))
    }

    /// The notice of that number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn parking_notice(&self, code: &NoticeCode) -> Result<ParkingNotice, StoreError> {
        let statement = format!("{SELECT} WHERE parking_notice.code = $1");
        let row: Option<NoticeRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(code.plain())
            .fetch_optional(&self.pool)
            .await?;
        row.ok_or(StoreError::NotFound("notice"))?.notice()
    }

    /// Notices, newest first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn parking_notices(
        &self,
        search: NoticeSearch<'_>,
        limit: i64,
    ) -> Result<Vec<ParkingNotice>, StoreError> {
        let statement = format!(
            "{SELECT} WHERE ($1::text IS NULL OR operator.code = $1)
                AND ($2::text IS NULL OR plate = $2)
                AND ($3::text IS NULL OR staff.login = $3 AND issued_at >= $4 AND issued_at < $5)
                AND ($6::bool IS NULL OR is_settled = NOT $6::bool)
             ORDER BY issued_at DESC, parking_notice.parking_notice_id DESC LIMIT $7"
        );
        let NoticeSearch {
            operator,
            plate,
            written,
            is_open,
        } = search;
        let rows: Vec<NoticeRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(operator)
            .bind(plate.map(Plate::reveal))
            .bind(written.map(|(login, _)| login))
            .bind(written.map(|(_, (from, _))| from))
            .bind(written.map(|(_, (_, until))| until))
            .bind(is_open)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(NoticeRow::notice).collect()
    }

    /// The notices of the vehicle in a bay for the time that begins at `starts_at`, newest first; none that
    /// was withdrawn.
    ///
    /// # Errors
    /// Database errors.
    pub async fn parking_notices_of(
        &self,
        bay: BayId,
        starts_at: Timestamp,
    ) -> Result<Vec<ParkingNotice>, StoreError> {
        let statement = format!(
            "{SELECT} WHERE parking_notice.bay_id = $1 AND parking_notice.starts_at = $2
                AND withdrawn_at IS NULL
             ORDER BY issued_at DESC"
        );
        let rows: Vec<NoticeRow> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(bay.0)
            .bind(starts_at)
            .fetch_all(&self.pool)
            .await?;
        rows.into_iter().map(NoticeRow::notice).collect()
    }

    /// Notes that a session has been opened to pay for a notice. One that finds another waiting for its
    /// money, opened since `waiting_since`, or the notice settled, is given up: nobody pays twice for
    /// having pressed twice.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such notice.
    pub async fn parking_notice_session(
        &self,
        code: &NoticeCode,
        session: SessionId,
        waiting_since: Timestamp,
    ) -> Result<NoticeSession, StoreError> {
        let mut tx = self.begin().await?;
        let found: Option<(i32, Option<Timestamp>)> = sqlx::query_as(
            "SELECT parking_notice_id, withdrawn_at FROM parking_notice WHERE code = $1 FOR UPDATE",
        )
        .bind(code.plain())
        .fetch_optional(&mut *tx)
        .await?;
        let (notice, withdrawn_at) = found.ok_or(StoreError::NotFound("notice"))?;
        let known: Vec<(Uuid, String, Timestamp)> = sqlx::query_as(
            "SELECT session_id, status, created_at FROM parking_notice_session JOIN session USING (session_id)
             WHERE parking_notice_id = $1 ORDER BY created_at, session_id",
        )
        .bind(notice)
        .fetch_all(&mut *tx)
        .await?;
        if known.iter().any(|(id, ..)| *id == session.0) {
            return Ok(NoticeSession::Noted);
        }
        let waiting = known
            .iter()
            .find(|(_, status, opened)| status == "pending" && *opened > waiting_since);
        let in_the_way = match waiting {
            _ if withdrawn_at.is_some() => Some(NoticeSession::Withdrawn),
            _ if known.iter().any(|(_, status, _)| status == "paid") => Some(NoticeSession::Paid),
            Some((id, ..)) => Some(NoticeSession::Waiting(SessionId(*id))),
            None => None,
        };
        if in_the_way.is_some() {
            lapse(&mut tx, &[session.0]).await?;
        } else {
            sqlx::query(
                "INSERT INTO parking_notice_session (session_id, parking_notice_id) VALUES ($1, $2)",
            )
            .bind(session.0)
            .bind(notice)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(in_the_way.unwrap_or(NoticeSession::Noted))
    }

    /// The notice that a session pays for, if it does: who has its key need not be the driver.
    ///
    /// # Errors
    /// Database errors.
    pub async fn session_notice(
        &self,
        session: SessionId,
    ) -> Result<Option<NoticeCode>, StoreError> {
        let code: Option<String> = sqlx::query_scalar(
            "SELECT code FROM parking_notice_session JOIN parking_notice USING (parking_notice_id)
             WHERE session_id = $1",
        )
        .bind(session.0)
        .fetch_optional(&self.pool)
        .await?;
        let parsed = |code: String| code.parse().map_err(|_| corrupt("parking notice", &code));
        code.map(parsed).transpose()
    }

    /// Withdraws a notice, with the reason, and gives up what waits for its money: that goes back where it
    /// comes after all. The result is whether it is withdrawn; one that is paid is not. Again it changes
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn parking_notice_withdraw(
        &self,
        code: &NoticeCode,
        why: &str,
        staff: &Staff,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let found: Option<(i32, Option<Timestamp>)> = sqlx::query_as(
            "SELECT parking_notice_id, withdrawn_at FROM parking_notice WHERE code = $1 FOR UPDATE",
        )
        .bind(code.plain())
        .fetch_optional(&mut *tx)
        .await?;
        let (id, withdrawn_at) = found.ok_or(StoreError::NotFound("notice"))?;
        if withdrawn_at.is_some() {
            return Ok(true);
        }
        let purchases = purchases_lock(&mut tx, id).await?;
        if purchases.iter().any(|(_, status)| status == "paid") {
            return Ok(false);
        }
        let waiting: Vec<Uuid> = purchases.into_iter().map(|(id, _)| id).collect();
        lapse(&mut tx, &waiting).await?;
        sqlx::query(
            "UPDATE parking_notice SET withdrawn_at = $2, withdrawn_why = $3
             WHERE parking_notice_id = $1",
        )
        .bind(id)
        .bind(now)
        .bind(without_nul(why))
        .execute(&mut *tx)
        .await?;
        let audit = Audit {
            parking_notice: Some(code.clone()),
            detail: json!({ "why": without_nul(why) }),
            ..Audit::new(staff.actor(), "parking_notice.withdraw")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Locks what was bought to pay for a notice; each with its status.
async fn purchases_lock(
    tx: &mut PgConnection,
    notice: i32,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    // A session's first purchase goes by its own number.
    let purchases = sqlx::query_as(
        "SELECT purchase_id, status FROM purchase
         WHERE purchase_id IN (SELECT session_id FROM parking_notice_session WHERE parking_notice_id = $1)
         ORDER BY purchase_id FOR UPDATE",
    );
    Ok(purchases.bind(notice).fetch_all(tx).await?)
}

/// Gives up sessions that wait for their money.
async fn lapse(connection: &mut PgConnection, sessions: &[Uuid]) -> Result<(), StoreError> {
    for statement in [
        // A session's first purchase goes by its own number.
        "UPDATE purchase SET status = 'lapsed' WHERE purchase_id = ANY($1) AND status = 'pending'",
        "UPDATE session SET status = 'lapsed' WHERE session_id = ANY($1) AND status = 'pending'",
    ] {
        sqlx::query(statement)
            .bind(sessions)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct NoticeRow {
    code: String,
    bay: String,
    lot: String,
    lot_name: String,
    operator: String,
    plate: String,
    class: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
    amount_vnd: i64,
    issued_by: String,
    issued_at: Timestamp,
    withdrawn_at: Option<Timestamp>,
    paid: Option<Uuid>,
    receipt: Option<Uuid>,
    received_vnd: Option<i64>,
}

impl NoticeRow {
    fn notice(self) -> Result<ParkingNotice, StoreError> {
        Ok(ParkingNotice {
            code: self
                .code
                .parse()
                .map_err(|_| corrupt("parking notice", &self.code))?,
            plate: Plate::stored(&self.plate).map_err(|why| corrupt("plate", why))?,
            class: class(&self.class)?,
            bay: self.bay,
            lot: self.lot,
            lot_name: self.lot_name,
            operator: self.operator,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            amount_vnd: Vnd::new(self.amount_vnd),
            issued_by: self.issued_by,
            issued_at: self.issued_at,
            withdrawn_at: self.withdrawn_at,
            paid: self.paid.map(SessionId),
            receipt: self.receipt.map(ReceiptId),
            received_vnd: Vnd::new(self.received_vnd.unwrap_or(0)),
        })
    }
}
