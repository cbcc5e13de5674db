//! Handheld terminals that upload what they sold without a signal.

use domain::Timestamp;
use domain::id::{OperatorId, SessionId, TerminalId};
use serde_json::json;
use sqlx::{FromRow, PgConnection};

use crate::audit::{Audit, audit_insert};
use crate::{Store, StoreError, storable};

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its key.
    pub id: TerminalId,
    /// Its name.
    pub name: String,
    /// In whose lots it sells.
    pub operator: OperatorId,
    /// The operator's code.
    pub operator_code: String,
    /// Who made it, as the record says it.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// When: its token is good no more.
    pub ended_at: Option<Timestamp>,
}

const TERMINAL: &str =
    "SELECT terminal_id, terminal.name, operator_id, code, made_by, made_at, ended_by, ended_at
     FROM terminal JOIN operator USING (operator_id)";

impl Store {
    /// Adds a terminal of an operator, on the record; `false` where one of that name is in use.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such operator.
    pub async fn terminal_add(
        &self,
        operator: &str,
        name: &str,
        token_hash: &[u8; 32],
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if !storable(operator) {
            return Err(StoreError::NotFound("operator"));
        }
        let mut tx = self.begin().await?;
        let found: Option<i32> =
            sqlx::query_scalar("SELECT operator_id FROM operator WHERE code = $1")
                .bind(operator)
                .fetch_optional(&mut *tx)
                .await?;
        let operator_id = found.ok_or(StoreError::NotFound("operator"))?;
        let made: Option<i32> = sqlx::query_scalar(
            "INSERT INTO terminal (operator_id, name, token_hash, made_by, made_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (operator_id, name) WHERE ended_at IS NULL DO NOTHING RETURNING terminal_id",
        )
        .bind(operator_id)
        .bind(name)
        .bind(&token_hash[..])
        .bind(by)
        .bind(now)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = made else {
            return Ok(false);
        };
        let audit = Audit {
            detail: json!({ "terminal": id, "name": name, "operator": operator }),
            ..Audit::new(by, "terminal.add")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a terminal, on the record: its token is good no more. Ending it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn terminal_end(
        &self,
        id: TerminalId,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let ended: Option<String> = sqlx::query_scalar(
            "UPDATE terminal SET ended_at = $2, ended_by = $3
             WHERE terminal_id = $1 AND ended_at IS NULL RETURNING name",
        )
        .bind(id.0)
        .bind(now)
        .bind(by)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(name) = ended else {
            tx.rollback().await?;
            return self.terminal(id).await.map(|_| ());
        };
        let audit = Audit {
            detail: json!({ "terminal": id, "name": name }),
            ..Audit::new(by, "terminal.end")
        };
        audit_insert(&mut tx, &audit, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The terminal of that key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn terminal(&self, id: TerminalId) -> Result<Terminal, StoreError> {
        let row: Option<TerminalRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{TERMINAL} WHERE terminal_id = $1"
        )))
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        let row = row.ok_or(StoreError::NotFound("terminal"))?;
        Ok(row.terminal())
    }

    /// The terminals of an operator, or of all: those in use by their names, then those that have ended, the latest
    /// first.
    ///
    /// # Errors
    /// Database errors.
    pub async fn terminals(&self, operator: Option<&str>) -> Result<Vec<Terminal>, StoreError> {
        let rows: Vec<TerminalRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{TERMINAL} WHERE $1::text IS NULL OR code = $1
             ORDER BY ended_at DESC NULLS FIRST, code, terminal.name, terminal_id"
        )))
        .bind(operator)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(TerminalRow::terminal).collect())
    }

    /// The terminal that has a token, by the token's SHA-256; none where it has ended.
    ///
    /// # Errors
    /// Database errors.
    pub async fn terminal_of_token(
        &self,
        token_hash: &[u8; 32],
    ) -> Result<Option<Terminal>, StoreError> {
        let row: Option<TerminalRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "{TERMINAL} WHERE token_hash = $1 AND ended_at IS NULL"
        )))
        .bind(&token_hash[..])
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(TerminalRow::terminal))
    }
}

/// Notes which terminals uploaded sessions that are new.
pub(crate) async fn terminal_sessions_insert(
    tx: &mut PgConnection,
    sessions: &[(SessionId, TerminalId)],
) -> Result<(), StoreError> {
    if sessions.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO terminal_session (session_id, terminal_id) SELECT * FROM unnest($1::uuid[], $2::int[])",
    )
    .bind(sessions.iter().map(|(session, _)| session.0).collect::<Vec<_>>())
    .bind(sessions.iter().map(|(_, terminal)| terminal.0).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct TerminalRow {
    terminal_id: i32,
    name: String,
    operator_id: i32,
    code: String,
    made_by: String,
    made_at: Timestamp,
    ended_by: Option<String>,
    ended_at: Option<Timestamp>,
}

impl TerminalRow {
    fn terminal(self) -> Terminal {
        Terminal {
            id: TerminalId(self.terminal_id),
            name: self.name,
            operator: OperatorId(self.operator_id),
            operator_code: self.code,
            made_by: self.made_by,
            made_at: self.made_at,
            ended_by: self.ended_by,
            ended_at: self.ended_at,
        }
    }
}
