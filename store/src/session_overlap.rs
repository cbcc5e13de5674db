//! Sessions of one vehicle in one bay of which some time was paid twice and given back once.

use domain::id::SessionId;
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

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

/// Whether `beside` is another session of the vehicle of `one` in the same bay, and shares some of its time. To be asked
/// in a subquery by itself (`LATERAL`), so that the bay's index is used however little is known of the table.
pub(crate) const BESIDE: &str =
    "beside.bay_id = one.bay_id AND beside.plate = one.plate AND beside.status = 'paid'
     AND beside.session_id <> one.session_id
     AND beside.starts_at < one.ends_at AND beside.ends_at > one.starts_at";

pub(crate) async fn overlap(
    connection: &mut PgConnection,
    session: SessionId,
) -> Result<Overlap, StoreError> {
    let gave_back = |session: &str| {
        format!(
            "{session}.stopped_at IS NULL AND EXISTS (
                SELECT FROM purchase JOIN payment USING (purchase_id) JOIN refund USING (payment_id)
                WHERE purchase.session_id = {session}.session_id AND ground = 'double')"
        )
    };
    let (its, others) = (gave_back("one"), gave_back("beside"));
    let found: Option<Overlap> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT beside.session_id IS NOT NULL AS is_relied_on, {its} AS relies
         FROM session AS one LEFT JOIN LATERAL (
            SELECT session_id FROM session AS beside WHERE {BESIDE} AND {others} LIMIT 1) AS beside ON true
         WHERE one.session_id = $1"
    )))
    .bind(session.0)
    .fetch_optional(connection)
    .await?;
    Ok(found.unwrap_or_default())
}
