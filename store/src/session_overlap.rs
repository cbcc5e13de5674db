//! Sessions of one vehicle in one bay of which some time was paid twice and given back once.

use domain::id::SessionId;
use sqlx::{FromRow, PgConnection};

use crate::{Store, StoreError};

/// How a session stands to the others of its vehicle in its bay at its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Overlap {
    /// Another is in force of which money went back, because this one has paid for some of its time.
    pub is_relied_on: bool,
    /// Money of this one went back, because another has paid for some of its time.
    pub relies: bool,
}

impl Overlap {
    /// Whether vehicle and bay must stay as they are: one of two has paid for the time of both.
    pub const fn binds(self) -> bool {
        self.is_relied_on || self.relies
    }
}

impl Store {
    /// How a session stands to the others of its vehicle in its bay.
    ///
    /// # Errors
    /// Database errors.
    pub async fn session_overlap(&self, session: SessionId) -> Result<Overlap, StoreError> {
        let mut connection = self.pool.acquire().await?;
        overlap(&mut connection, session).await
    }
}

pub(crate) async fn overlap(
    connection: &mut PgConnection,
    session: SessionId,
) -> Result<Overlap, StoreError> {
    let found: Option<Overlap> = sqlx::query_as(
        "SELECT coalesce(bool_or(other.session_id <> one.session_id), false) AS is_relied_on,
                coalesce(bool_or(other.session_id = one.session_id), false) AS relies
         FROM session AS one
         -- By itself, so that the bay's index is used however little is known of the table.
         CROSS JOIN LATERAL (
            SELECT session_id FROM session AS beside
            WHERE beside.bay_id = one.bay_id AND beside.plate = one.plate
              AND beside.status = 'paid' AND beside.stopped_at IS NULL
              AND beside.starts_at < one.ends_at AND beside.ends_at > one.starts_at
              AND EXISTS (
                SELECT FROM purchase JOIN payment USING (purchase_id) JOIN refund USING (payment_id)
                WHERE purchase.session_id = beside.session_id AND ground = 'double')) AS other
         WHERE one.session_id = $1",
    )
    .bind(session.0)
    .fetch_optional(connection)
    .await?;
    Ok(found.unwrap_or_default())
}
