//! Who is signed in, while they change how they sign in.

use domain::Timestamp;
use sqlx::{FromRow, PgConnection};

use crate::StoreError;

/// A member of staff who is signed in, and whose row is held.
#[derive(Debug, FromRow)]
pub(crate) struct SignedIn {
    pub(crate) staff_id: i32,
    pub(crate) login: String,
    /// Whether they came by an identity provider, not by their password.
    pub(crate) by_identity: bool,
}

/// Who is signed in with that token. Their row is locked first, as by whoever gives them a new password or shuts them out:
/// that has ended their session before it is looked for, or waits for this transaction.
pub(crate) async fn signed_in(
    tx: &mut PgConnection,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<SignedIn>, StoreError> {
    sqlx::query(
        "SELECT FROM staff WHERE staff_id = (SELECT staff_id FROM staff_login WHERE token_hash = $1)
         FOR UPDATE",
    )
    .bind(&token_hash[..])
    .execute(&mut *tx)
    .await?;
    Ok(sqlx::query_as(
        "SELECT staff_id, login, by_identity FROM staff_login JOIN staff USING (staff_id)
         WHERE token_hash = $1 AND expires_at > $2 AND disabled_at IS NULL",
    )
    .bind(&token_hash[..])
    .bind(now)
    .fetch_optional(tx)
    .await?)
}

/// Who has that login; their row is held, as [`signed_in`] holds it.
pub(crate) async fn member_held(tx: &mut PgConnection, login: &str) -> Result<i32, StoreError> {
    sqlx::query_scalar("SELECT staff_id FROM staff WHERE login = $1 FOR UPDATE")
        .bind(login)
        .fetch_optional(tx)
        .await?
        .ok_or(StoreError::NotFound("member of staff"))
}
